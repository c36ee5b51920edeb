#pragma once
/// A coroutine that waits for something outside of it, with a deadline. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <mutex>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// One waits, one releases, each at most once, on any threads and in any order.
class Baton {
 public:
  using Clock = std::chrono::steady_clock;

  Baton(asio::any_io_executor const& executor, Clock::time_point deadline) : timer_(executor, deadline) {}

  void release() {
    std::lock_guard const lock(mutex_);
    released_ = true;
    timer_.cancel();
  }

  bool released() {
    std::lock_guard const lock(mutex_);
    return released_;
  }

  /// Completes when the baton is released, at the deadline, or when it is cancelled (all types).
  /// @param ec `operation_aborted` after a release or a cancellation.
  asio::awaitable<void> wait(error_code& ec) {
    Token token(asio::use_awaitable, ec);
    return asio::async_initiate<Token, void(error_code)>(Wait(), token, this);
  }

 private:
  using Token = asio::redirect_error_t<asio::use_awaitable_t<>>;

  class Wait {
   public:
    template <class Handler>
    void operator()(Handler&& handler, Baton* self) const {
      std::lock_guard const lock(self->mutex_);
      if (self->released_) self->timer_.expires_at(Clock::time_point());
      self->timer_.async_wait(std::forward<Handler>(handler));
    }
  };

  std::mutex mutex_;
  asio::steady_timer timer_;
  bool released_ = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
