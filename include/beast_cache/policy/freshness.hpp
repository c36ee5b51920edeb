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
#include "beast_cache/policy/response_facts.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace detail {

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
inline TimePoint date_value(FieldLine const& date, TimePoint response_time) noexcept {
  auto const arrival = whole_seconds(response_time);
  auto const text = date.single();
  return text ? parse_http_date(*text, arrival).value_or(arrival) : arrival;
}

/// The value of Age: the first member of its first line, 0 when that is invalid (RFC 9111 section 5.1).
inline seconds age_value(FieldLine const& age) noexcept {
  auto const value = age.first();
  return parse_delta(trim(value.substr(0, value.find(',')))).value_or(seconds{0});
}

/// How long it has been here. After the clock was set back the true time is unknown: the size of the step is
/// taken for it, so that an entry from "the future" is not fresh without end.
inline milliseconds resident_time(TimePoint response_time, TimePoint now) noexcept {
  auto const d = elapsed(response_time, now);
  return d < milliseconds{0} ? -d : d;
}

constexpr milliseconds at_least_zero(milliseconds d) noexcept {
  return d < milliseconds{0} ? milliseconds{0} : d;
}

}  // namespace detail

/// Whether a status code may have a heuristic lifetime. Source: RFC 9110 section 15.1.
constexpr bool is_heuristically_cacheable(unsigned status) noexcept {
  switch (status) {
    case 200:
    case 203:
    case 204:
    case 206:
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

namespace detail {

inline bool has_explicit_lifetime(ResponseFacts const& facts, Options const& options) noexcept {
  return (options.shared() && facts.control.s_maxage()) || facts.control.max_age() ||
         (options.cache_control() && facts.has_expires());
}

}  // namespace detail

/// Whether the response itself says how long it is fresh. Never with `Options::cache_control(false)`.
inline bool has_explicit_lifetime(http::fields const& headers, Options const& options) noexcept {
  return detail::has_explicit_lifetime(detail::ResponseFacts{headers, options}, options);
}

/// Where a lifetime comes from.
enum class LifetimeSource : std::uint8_t {
  none,
  user_override,
  s_maxage,
  max_age,
  expires,
  user_fallback,
  heuristic
};

/// The directive or field that stands for it.
constexpr std::string_view to_string(LifetimeSource s) noexcept {
  constexpr std::string_view names[] = {"none",    "user override", "s-maxage", "max-age",
                                        "Expires", "user fallback", "heuristic"};
  return names[static_cast<std::size_t>(s)];
}

/// The age of a stored response, and how long it is fresh, counted as its age is. Neither is ever negative.
///
/// The lifetime is the first that applies: the user's override, s-maxage (shared), max-age, Expires, the
/// user's fallback, the heuristic. With `cache_control(false)` only the user's two. Source: RFC 9111
/// sections 4.2.1, 4.2.2 and 4.2.3.
class Freshness {
 public:
  Freshness(StoredView const& stored, Options const& options, TimePoint now) noexcept
      : Freshness(stored, detail::ResponseFacts{stored.headers(), options}, options, now) {}
  /// The same from facts that are known already.
  Freshness(StoredView const& stored, detail::ResponseFacts const& facts, Options const& options,
            TimePoint now) noexcept;

  milliseconds age() const noexcept { return age_; }
  milliseconds lifetime() const noexcept { return lifetime_; }
  LifetimeSource source() const noexcept { return source_; }
  /// Source: RFC 9111 section 4.2: fresh while the lifetime is greater than the age.
  bool is_fresh() const noexcept { return lifetime_ > age_; }
  /// What is left; negative once it is stale.
  milliseconds left() const noexcept { return lifetime_ - age_; }
  /// For how long it has been stale; negative while it is fresh.
  milliseconds staleness() const noexcept { return age_ - lifetime_; }

 private:
  void find_lifetime(StoredView const& stored, detail::ResponseFacts const& facts, Options const& options,
                     TimePoint date, milliseconds initial_age) noexcept;
  void set(LifetimeSource source, milliseconds lifetime) noexcept { source_ = source, lifetime_ = lifetime; }

  milliseconds age_{0};
  milliseconds lifetime_{0};
  LifetimeSource source_ = LifetimeSource::none;
};

namespace detail {

/// Expires minus Date. An invalid Expires, "0" above all, has passed already (RFC 9111 section 5.3); of
/// several, the earliest counts.
inline milliseconds expires_lifetime(StoredView const& stored, ResponseFacts const& facts,
                                     TimePoint date) noexcept {
  auto lifetime = forever;
  auto const look = [&](std::string_view value) {
    auto const expires = parse_http_date(value, stored.response_time());
    auto const one = expires ? at_least_zero(elapsed(date, *expires)) : milliseconds{0};
    if (one < lifetime) lifetime = one;
  };
  if (facts.expires.one_line()) return look(facts.expires.first()), lifetime;
  auto const range = stored.headers().equal_range(http::field::expires);
  for (auto it = range.first; it != range.second; ++it) look(trim(it->value()));
  return lifetime;
}

/// A part of the time since the last modification (RFC 9111 section 4.2.2).
inline milliseconds heuristic_lifetime(StoredView const& stored, ResponseFacts const& facts,
                                       Options const& options, TimePoint date) noexcept {
  if (!options.heuristics()) return milliseconds{0};
  if (!is_heuristically_cacheable(stored.status()) && !facts.control.is_public()) return milliseconds{0};
  auto const text = facts.last_modified.single();
  auto const modified = text ? parse_http_date(*text, stored.response_time()) : std::nullopt;
  if (!modified) return milliseconds{0};
  // A Date in the future must not lengthen the lifetime.
  auto const until = date < stored.response_time() ? date : stored.response_time();
  auto const part = at_least_zero(elapsed(*modified, until)) / 100 * options.heuristic_percent();
  return part < options.heuristic_cap() ? part : milliseconds{options.heuristic_cap()};
}

}  // namespace detail

inline Freshness::Freshness(StoredView const& stored, detail::ResponseFacts const& facts,
                            Options const& options, TimePoint now) noexcept {
  using detail::at_least_zero;
  using detail::elapsed;
  // RFC 9111 section 4.2.3.
  auto const arrival = detail::whole_seconds(stored.response_time());
  auto const date = detail::date_value(facts.date, stored.response_time());
  auto const apparent_age = at_least_zero(elapsed(date, arrival));
  auto const delay = at_least_zero(elapsed(stored.request_time(), stored.response_time()));
  milliseconds const corrected_age = detail::age_value(facts.age) + delay;
  auto const initial_age = apparent_age > corrected_age ? apparent_age : corrected_age;
  age_ = initial_age + detail::resident_time(stored.response_time(), now);
  find_lifetime(stored, facts, options, date, initial_age);
}

inline void Freshness::find_lifetime(StoredView const& stored, detail::ResponseFacts const& facts,
                                     Options const& options, TimePoint date,
                                     milliseconds initial_age) noexcept {
  using detail::at_least_zero;
  using detail::elapsed;
  // A user's expiry counts from the arrival: it gives the same time left whatever the age on arrival was.
  auto const until = [&](TimePoint expiry) {
    if (expiry == TimePoint::max()) return detail::forever;
    return at_least_zero(elapsed(stored.response_time(), expiry) + initial_age);
  };
  auto const& control = facts.control;
  if (auto const& expiry = stored.expires_override())
    return set(LifetimeSource::user_override, until(*expiry));
  if (options.cache_control()) {
    if (options.shared() && control.s_maxage()) return set(LifetimeSource::s_maxage, *control.s_maxage());
    if (control.max_age()) return set(LifetimeSource::max_age, *control.max_age());
    if (facts.has_expires()) {
      return set(LifetimeSource::expires, detail::expires_lifetime(stored, facts, date));
    }
  }
  if (auto const& expiry = stored.expires_fallback())
    return set(LifetimeSource::user_fallback, until(*expiry));
  if (options.cache_control()) {
    auto const part = detail::heuristic_lifetime(stored, facts, options, date);
    if (part != milliseconds{0}) set(LifetimeSource::heuristic, part);
  }
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
