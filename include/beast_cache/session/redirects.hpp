#pragma once
/// \file redirects.hpp
/// Redirects as a pure function, for every session that follows them. Internal.

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "beast_cache/config.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/http/response.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Whether a response of that status, if it has a Location, sends the client elsewhere.
constexpr bool is_redirect(unsigned status) noexcept {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// The request that follows from a redirect.
///
/// The method becomes GET after 303, and after 301 and 302 where it was POST; then the body and the fields
/// about it go. Where the origin changes, only fields that are harmless anywhere are kept. User information
/// in the Location is not used.
/// @param sent The request that was answered.
/// @return `std::nullopt` when the response is the final one.
/// Errors: `http_errc::redirect_target` for a Location that can't be followed, `redirect_downgrade` from
/// https to http, `body_not_replayable`. Source: RFC 9110 section 15.4.
std::optional<Request> next_hop(Request const& sent, ResponseHead const& response,
                                bool allow_downgrade = false);

/// Reads the rest of an unwanted body, so that its connection can be used again, or gives it up when it is
/// long.
/// Errors: none but cancellation: the body doesn't matter.
asio::awaitable<void> drain(std::unique_ptr<BodyReader> body);

/// One budget of time for several hops.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param timeout None: no budget of its own, each hop has the client's default.
  explicit Deadline(std::optional<std::chrono::milliseconds> timeout) {
    if (timeout) at_ = after(*timeout);
  }

  /// Gives a hop what is left of the time.
  void limit(Request& request) const {
    if (!at_) return;
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(*at_ - Clock::now());
    request.set_timeout(std::max(left, std::chrono::milliseconds(0)));
  }

  /// That much from now; a timeout too long to be counted never comes.
  static Clock::time_point after(std::chrono::milliseconds timeout) noexcept {
    auto const now = Clock::now();
    auto const most = std::chrono::floor<std::chrono::milliseconds>(Clock::time_point::max() - now);
    return timeout >= most ? Clock::time_point::max() : now + timeout;
  }

 private:
  std::optional<Clock::time_point> at_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
