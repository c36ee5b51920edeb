#pragma once
/// \file exchange_event.hpp
/// What an exchange with a server did when, and how it ended.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

/// One exchange of a `ClientSession`, from the wait for a connection to the body's last byte: enough to draw
/// it as a line of a waterfall. A retry and each hop of a redirect are exchanges of their own.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class ExchangeEvent {
 public:
  using Clock = std::chrono::steady_clock;

  /// Why it was made.
  enum class Cause {
    request,  ///< the caller's request
    retry,    ///< a reused connection had died before an answer began
    redirect  ///< the answer before led here
  };

  /// @param request A number that the exchanges of one request share. @param url Without user information.
  ExchangeEvent(std::uint64_t request, Cause cause, std::string method, Url url, Clock::time_point now)
      : request_(request), cause_(cause), method_(std::move(method)), url_(std::move(url)), started_(now) {
    begin(Phase::queue, now);
  }

  /// The number of the request that it belongs to, of those of its session; from 1. A cache in front follows
  /// redirects itself: each hop is a request then.
  std::uint64_t request() const noexcept { return request_; }
  /// Its place among the exchanges of that request; from 1.
  unsigned number() const noexcept { return number_; }
  Cause cause() const noexcept { return cause_; }
  std::string const& method() const noexcept { return method_; }
  Url const& url() const noexcept { return url_; }

  /// When it began to wait for a connection.
  Clock::time_point started() const noexcept { return started_; }
  /// Whether it came to that part. On a connection that was reused nothing is resolved, connected or secured.
  bool has(Phase phase) const noexcept { return at(phase).began; }
  /// How long after `started` that part began; zero without one.
  Clock::duration offset(Phase phase) const noexcept { return at(phase).begin; }
  /// How long that part took; zero without one. `Phase::receive` lasts to the body's end, however slowly the
  /// caller reads it.
  Clock::duration duration(Phase phase) const noexcept { return at(phase).end - at(phase).begin; }
  /// How long all of it took.
  Clock::duration duration() const noexcept { return at(phase_).end; }

  /// The last part that it came to: where `error` happened.
  Phase phase() const noexcept { return phase_; }
  /// What it failed with; `asio::error::operation_aborted` when it was cancelled or its body given up. No
  /// error: the response was read to its end. 4xx and 5xx are responses.
  error_code error() const noexcept { return error_; }
  /// The response's status; 0 without one.
  unsigned status() const noexcept { return status_; }
  /// Whether an idle connection was used again.
  bool reused() const noexcept { return reused_; }
  /// The bytes of the request that were sent: its head, and its body with its framing.
  std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  /// The bytes of the response that arrived: heads, and the body with its framing, before it is decompressed.
  std::uint64_t bytes_received() const noexcept { return bytes_received_; }

  // What the client notes while it happens.

  /// A part begins; the one before it ends.
  void begin(Phase phase, Clock::time_point now) noexcept {
    end(now);
    phase_ = phase;
    Span& span = spans_[static_cast<std::size_t>(phase)];
    if (!span.began) span.begin = now - started_;
    span.began = true;
    end(now);
  }
  /// The last part has ended.
  void end(Clock::time_point now) noexcept { spans_[static_cast<std::size_t>(phase_)].end = now - started_; }
  /// Bytes went over the connection: the request's while it is sent, the response's after that.
  void count(std::size_t bytes) noexcept {
    if (phase_ == Phase::send) bytes_sent_ += bytes;
    if (phase_ == Phase::first_byte || phase_ == Phase::receive) bytes_received_ += bytes;
  }
  void set_number(unsigned number) noexcept { number_ = number; }
  void set_reused(bool reused) noexcept { reused_ = reused; }
  void set_status(unsigned status) noexcept { status_ = status; }
  void set_error(error_code const& error) noexcept { error_ = error; }

 private:
  class Span {
   public:
    Span() = default;
    bool began = false;
    Clock::duration begin{0};
    Clock::duration end{0};
  };
  Span const& at(Phase phase) const noexcept { return spans_[static_cast<std::size_t>(phase)]; }

  std::uint64_t request_;
  Cause cause_;
  unsigned number_ = 1;
  std::string method_;
  Url url_;
  Clock::time_point started_;
  std::array<Span, static_cast<std::size_t>(Phase::receive) + 1> spans_;
  Phase phase_ = Phase::queue;
  error_code error_;
  unsigned status_ = 0;
  bool reused_ = false;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_received_ = 0;
};

}  // namespace v1
}  // namespace beast_cache
