#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/detail/shared_stream.hpp"
#include "beast_cache/session/impl/stop.ipp"
#include "beast_cache/session/impl/tee_reader.ipp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A response that arrives for several requests: its body as it was received, and what will be stored beside
/// it.
class Arrival final : public SharedStream {
 public:
  /// @param size Of the body, where it is known.
  Arrival(Clock::duration patience, std::optional<std::uint64_t> size) noexcept
      : SharedStream(patience), size_(size) {}

  std::optional<std::uint64_t> size() const noexcept { return size_; }

  void open(CachedHead entry, std::string beginning, std::shared_ptr<Stop> stop) {
    entry_.emplace(std::move(entry));
    stop_ = std::move(stop);
    SharedStream::open(std::move(beginning));
  }
  /// After that.
  CachedHead const& entry() const noexcept { return *entry_; }

  void complete(TeeReader const& whole) {
    stored_ = whole.stored();
    if (!stored_) unstored_ = whole.unstored();
    trailers_ = whole.trailers();
    end();
  }
  /// After that.
  bool stored() const noexcept { return stored_; }
  /// What the leader says in Cache-Status where it is not.
  std::string const& unstored() const noexcept { return unstored_; }
  http::fields const& trailers() const noexcept { return trailers_; }

 private:
  void probe() noexcept override {
    stop_->post([self = weak_from_this()](asio::cancellation_signal&) {
      auto const arrival = self.lock();
      if (arrival) static_cast<Arrival&>(*arrival).answer_probe();
    });
  }
  void unread() noexcept override { stop_->emit(); }

  std::optional<std::uint64_t> const size_;
  std::optional<CachedHead> entry_;
  std::shared_ptr<Stop> stop_;
  bool stored_ = false;
  std::string unstored_;
  http::fields trailers_;
};

/// Reads for all: what the leader would have read by itself, were it alone. It goes on when the leader has
/// gone, as long as anyone reads, and stores what came.
class Pump {
 public:
  /// @param is_limited Whether the leader's request had a limit of time that is not the others'.
  Pump(std::shared_ptr<Arrival> arrival, std::shared_ptr<Stop> stop, std::unique_ptr<TeeReader> tee,
       bool is_limited) noexcept
      : arrival_(std::move(arrival)), stop_(std::move(stop)), tee_(std::move(tee)), is_limited_(is_limited) {}
  Pump(Pump const&) = delete;
  Pump& operator=(Pump const&) = delete;
  ~Pump() {
    arrival_->lose(nullptr);
    stop_->leave();
  }

  static void start(std::unique_ptr<Pump> pump) {
    std::shared_ptr<Stop> const stop = pump->stop_;
    auto const signal = stop->signal();
    auto const strand = stop->strand();
    // The signal has to be there as long as the coroutine is.
    asio::co_spawn(strand, run(std::move(pump)),
                   asio::bind_cancellation_slot(signal->slot(), [signal](std::exception_ptr) {}));
  }

 private:
  static constexpr std::size_t piece_size = 65536;

  static asio::awaitable<void> run(std::unique_ptr<Pump> self) {
    std::exception_ptr failure;
    try {
      co_await self->read_all();
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) self->give_up(failure);
  }

  asio::awaitable<void> read_all() {
    std::string buffer(piece_size, '\0');
    for (;;) {
      bool const read = co_await arrival_->room();
      if (!read) co_return;
      std::size_t const count = co_await tee_->read_some(asio::buffer(buffer));
      if (count == 0) break;
    }
    arrival_->complete(*tee_);
  }

  void give_up(std::exception_ptr const& failure) noexcept {
    try {
      std::rethrow_exception(failure);
    } catch (boost::system::system_error const& e) {
      // The leader's session was closed; its time is over; its limits are passed: no fault of the origin's.
      if (e.code() == asio::error::operation_aborted) return arrival_->lose(nullptr);
      bool const own =
          (is_limited_ && e.code() == http_errc::timeout) || e.code() == http_errc::encoding_limit;
      if (own) return arrival_->lose(failure);
    } catch (...) {  // a user's client may throw what it likes
    }
    arrival_->fail(failure);
  }

  std::shared_ptr<Arrival> arrival_;
  std::shared_ptr<Stop> stop_;
  std::unique_ptr<TeeReader> tee_;
  bool is_limited_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
