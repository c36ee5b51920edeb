#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/context_gate.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Cancels a coroutine on a strand of its own, from any thread, as long as its context is there.
class Stop {
 public:
  using Strand = asio::strand<asio::any_io_executor>;

  explicit Stop(asio::any_io_executor const& executor)
      : gate_(ContextGate::of(executor)),
        strand_(std::in_place, asio::make_strand(executor)),
        signal_(std::make_shared<asio::cancellation_signal>()) {}

  /// The coroutine's side, until it leaves.
  Strand const& strand() const noexcept { return *strand_; }
  std::shared_ptr<asio::cancellation_signal> const& signal() const noexcept { return signal_; }
  void leave() noexcept {
    std::lock_guard const lock(gate_->mutex);
    strand_.reset();
    signal_.reset();
  }

  void emit() noexcept {
    post([](asio::cancellation_signal& signal) { signal.emit(asio::cancellation_type::terminal); });
  }
  /// Runs a function on the strand, while the coroutine is there.
  template <class Function>
  void post(Function function) noexcept {
    std::lock_guard const lock(gate_->mutex);
    if (gate_->closed || !strand_) return;
    try {
      asio::post(*strand_, [function, signal = signal_] { function(*signal); });
    } catch (...) {  // no memory: then it is as if the context stood still
    }
  }

 private:
  std::shared_ptr<ContextGate> const gate_;
  std::optional<Strand> strand_;
  std::shared_ptr<asio::cancellation_signal> signal_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
