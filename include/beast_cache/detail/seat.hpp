#pragma once
/// The place of a coroutine that waits for another thread, which may outlive its context. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/baton.hpp"
#include "beast_cache/detail/context_gate.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Shared by the coroutine that waits and those that may release it: once the former has left, or its context
/// has gone, the latter touch nothing of it.
class Seat {
 public:
  using Clock = Baton::Clock;

  Seat(asio::any_io_executor const& executor, Clock::time_point deadline)
      : gate_(ContextGate::of(executor)), baton_(std::in_place, executor, deadline) {}

  /// Lets the coroutine go on, from any thread.
  /// @param before Runs first, unless there is nobody any more.
  template <class Before>
  void release(Before before) noexcept {
    std::lock_guard const lock(gate_->mutex);
    if (gate_->closed || !baton_) return;
    before();
    baton_->release();
  }
  void release() noexcept {
    release([] {});
  }

  /// The coroutine's side, until it leaves.
  Baton& baton() noexcept { return *baton_; }
  void leave() noexcept {
    std::lock_guard const lock(gate_->mutex);
    baton_.reset();
  }

  /// Leaves when the coroutine goes on, or goes.
  class Guard {
   public:
    explicit Guard(std::shared_ptr<Seat> seat) noexcept : seat_(std::move(seat)) {}
    Guard(Guard const&) = delete;
    Guard& operator=(Guard const&) = delete;
    ~Guard() { seat_->leave(); }

   private:
    std::shared_ptr<Seat> seat_;
  };

 private:
  std::shared_ptr<ContextGate> const gate_;
  std::optional<Baton> baton_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
