#pragma once
/// \file freshness.hpp
/// How old a stored response is, and for how long it is fresh.
///
/// Source: RFC 9111 section 4.2.

#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/date.hpp"
#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/field_values.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace detail {

/// Longer than any time that matters, and far from overflow whatever is added to it.
inline constexpr milliseconds forever{std::int64_t{1} << 56};

/// `to - from`, within plus or minus `forever`: a damaged file may hold any time.
constexpr milliseconds elapsed(TimePoint from, TimePoint to) noexcept {
  auto const a = to.time_since_epoch();
  auto const b = from.time_since_epoch();
  using rep = milliseconds::rep;
  if (b.count() < 0 && a.count() > std::numeric_limits<rep>::max() + b.count()) return forever;
  if (b.count() > 0 && a.count() < std::numeric_limits<rep>::min() + b.count()) return -forever;
  auto const d = a - b;
  return d > forever ? forever : (d < -forever ? -forever : d);
}

inline TimePoint whole_seconds(TimePoint t) noexcept {
  if (t.time_since_epoch().count() < std::numeric_limits<milliseconds::rep>::min() + 1000) return t;
  return TimePoint{std::chrono::floor<seconds>(t)};
}

/// The value of Date; the time of arrival where it is absent or invalid (RFC 9110 section 6.6.1).
inline TimePoint date_value(StoredView const& stored) noexcept {
  auto const arrival = whole_seconds(stored.response_time());
  auto const text = single_value(stored.headers(), http::field::date);
  return text ? parse_http_date(*text, arrival).value_or(arrival) : arrival;
}

/// The value of Age: the first member of its first line, 0 when that is invalid (RFC 9111 section 5.1).
inline seconds age_value(http::fields const& headers) noexcept {
  auto const it = headers.find(http::field::age);
  if (it == headers.end()) return seconds{0};
  std::string_view const value = it->value();
  return parse_delta(trim(value.substr(0, value.find(',')))).value_or(seconds{0});
}

/// How long it has been here. After the clock was set back the true time is unknown: the size of the step is
/// taken for it, so that an entry from "the future" is not fresh without end.
inline milliseconds resident_time(StoredView const& stored, TimePoint now) noexcept {
  auto const d = elapsed(stored.response_time(), now);
  return d < milliseconds{0} ? -d : d;
}

constexpr milliseconds at_least_zero(milliseconds d) noexcept {
  return d < milliseconds{0} ? milliseconds{0} : d;
}

}  // namespace detail

/// Whether a status code may have a heuristic lifetime. Source: RFC 9110 section 15.1 (206 apart: partial
/// responses are not stored).
constexpr bool is_heuristically_cacheable(unsigned status) noexcept {
  switch (status) {
    case 200:
    case 203:
    case 204:
    case 300:
    case 301:
    case 308:
    case 404:
    case 405:
    case 410:
    case 414:
    case 501:
      return true;
    default:
      return false;
  }
}

/// Whether the response itself says how long it is fresh.
inline bool has_explicit_lifetime(http::fields const& headers, CacheControl const& cc,
                                  Options const& options) noexcept {
  return (options.shared() && cc.s_maxage()) || cc.max_age() || headers.count(http::field::expires) != 0;
}

/// The age of a stored response. Never negative.
///
/// Source: RFC 9111 section 4.2.3.
inline milliseconds current_age(StoredView const& stored, TimePoint now) noexcept {
  auto const arrival = detail::whole_seconds(stored.response_time());
  auto const apparent_age = detail::at_least_zero(detail::elapsed(detail::date_value(stored), arrival));
  auto const response_delay =
      detail::at_least_zero(detail::elapsed(stored.request_time(), stored.response_time()));
  auto const corrected_age = detail::age_value(stored.headers()) + response_delay;
  auto const initial_age = apparent_age > corrected_age ? apparent_age : milliseconds{corrected_age};
  return initial_age + detail::resident_time(stored, now);
}

namespace detail {

/// Expires minus Date. An invalid Expires, "0" above all, has passed already (RFC 9111 section 5.3); of
/// several, the earliest counts.
inline milliseconds expires_lifetime(StoredView const& stored, TimePoint date) noexcept {
  auto lifetime = forever;
  auto const range = stored.headers().equal_range(http::field::expires);
  for (auto it = range.first; it != range.second; ++it) {
    auto const expires = parse_http_date(trim(it->value()), stored.response_time());
    auto const one = expires ? at_least_zero(elapsed(date, *expires)) : milliseconds{0};
    if (one < lifetime) lifetime = one;
  }
  return lifetime;
}

/// A part of the time since the last modification (RFC 9111 section 4.2.2).
inline milliseconds heuristic_lifetime(StoredView const& stored, CacheControl const& cc,
                                       Options const& options, TimePoint date) noexcept {
  if (!options.heuristics()) return milliseconds{0};
  if (!is_heuristically_cacheable(stored.status()) && !cc.is_public()) return milliseconds{0};
  auto const text = single_value(stored.headers(), http::field::last_modified);
  auto const modified = text ? parse_http_date(*text, stored.response_time()) : std::nullopt;
  if (!modified) return milliseconds{0};
  // A Date in the future must not lengthen the lifetime.
  auto const until = date < stored.response_time() ? date : stored.response_time();
  auto const part = at_least_zero(elapsed(*modified, until)) / 100 * options.heuristic_percent();
  return part < options.heuristic_cap() ? part : milliseconds{options.heuristic_cap()};
}

}  // namespace detail

/// How long a stored response is fresh, counted as its age is. Never negative.
///
/// The first that applies: the user's override, s-maxage (shared), max-age, Expires, the user's fallback, the
/// heuristic. With `cache_control(false)` only the user's two.
/// Source: RFC 9111 section 4.2.1.
inline milliseconds freshness_lifetime(StoredView const& stored, CacheControl const& cc,
                                       Options const& options, milliseconds age, TimePoint now) noexcept {
  // A user's expiry counts from the arrival: it gives the same time left whatever the age on arrival was.
  auto const until = [&](TimePoint expiry) {
    if (expiry == TimePoint::max()) return detail::forever;
    auto const initial_age = age - detail::resident_time(stored, now);
    return detail::at_least_zero(detail::elapsed(stored.response_time(), expiry) + initial_age);
  };
  if (auto const& expiry = stored.expires_override()) return until(*expiry);
  if (options.cache_control()) {
    if (options.shared() && cc.s_maxage()) return *cc.s_maxage();
    if (cc.max_age()) return *cc.max_age();
    auto const date = detail::date_value(stored);
    if (stored.headers().count(http::field::expires) != 0) return detail::expires_lifetime(stored, date);
    if (!stored.expires_fallback()) return detail::heuristic_lifetime(stored, cc, options, date);
  }
  if (auto const& expiry = stored.expires_fallback()) return until(*expiry);
  return milliseconds{0};
}

/// Age and lifetime together.
class Freshness {
 public:
  Freshness(StoredView const& stored, CacheControl const& cc, Options const& options, TimePoint now) noexcept
      : age_(current_age(stored, now)), lifetime_(freshness_lifetime(stored, cc, options, age_, now)) {}

  milliseconds age() const noexcept { return age_; }
  milliseconds lifetime() const noexcept { return lifetime_; }
  /// Source: RFC 9111 section 4.2: fresh while the lifetime is greater than the age.
  bool is_fresh() const noexcept { return lifetime_ > age_; }
  /// What is left; negative once it is stale.
  milliseconds left() const noexcept { return lifetime_ - age_; }
  /// For how long it has been stale; negative while it is fresh.
  milliseconds staleness() const noexcept { return age_ - lifetime_; }

 private:
  milliseconds age_;
  milliseconds lifetime_;
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
