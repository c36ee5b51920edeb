#pragma once
/// \file plain_reuse.hpp
/// What `evaluate` decides for plain requests, worked out once for a stored response instead of for each of
/// them.

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <optional>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/request_facts.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// Whether a request has none of the fields by which it could change what a cache does, but for those that a
/// response's Vary names: no Cache-Control or Pragma, Range, precondition, Upgrade or other method.
inline bool is_plain(http::fields const& request) noexcept {
  return detail::RequestFacts{request}.is_plain();
}

/// Until when a stored response answers each plain GET that its Vary matches, as a whole and without a
/// validation: while `evaluate` says `Action::serve` and `Reason::fresh`.
///
/// Thread safety: distinct objects are independent; a shared object may be read by many threads.
/// Source: RFC 9111 sections 4 and 4.2.
class PlainReuse {
 public:
  /// What goes into Age and into Cache-Status.
  class Times {
   public:
    Times(milliseconds age, milliseconds left) noexcept
        : age_(std::chrono::floor<seconds>(age)), ttl_(std::chrono::floor<seconds>(left)) {}
    /// As those of `Decision`.
    seconds age() const noexcept { return age_; }
    seconds ttl() const noexcept { return ttl_; }
    friend bool operator==(Times const&, Times const&) = default;

   private:
    seconds age_, ttl_;
  };

  /// Never.
  PlainReuse() = default;
  PlainReuse(StoredView const& stored, Options const& options) noexcept {
    static http::fields const none;
    auto const* const vary = stored.vary_request_headers();
    http::fields const& matching = vary ? *vary : none;
    if (stored.method() != http::verb::get || !is_plain(matching)) return;
    RequestView request(http::verb::get, matching);
    request.makes_answers(true);
    // It is never younger than on its arrival, and age is all that time changes.
    Decision const on_arrival = evaluate(request, &stored, options, stored.response_time());
    if (on_arrival.reason() != Reason::fresh || on_arrival.answer().kind() != Answer::Kind::whole) return;
    Freshness const freshness(stored, options, stored.response_time());
    response_time_ = stored.response_time();
    initial_age_ = freshness.age();
    lifetime_ = freshness.lifetime();
  }

  /// Nothing where `evaluate` has to be asked.
  std::optional<Times> at(TimePoint now) const noexcept {
    // RFC 9111 section 4.2.3: current_age.
    milliseconds const age = initial_age_ + detail::resident_time(response_time_, now);
    if (lifetime_ <= age) return std::nullopt;
    return Times(age, lifetime_ - age);
  }

 private:
  TimePoint response_time_;
  milliseconds initial_age_{0};
  milliseconds lifetime_{0};
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
