#pragma once
// The rules of `evaluate` and `explain` in their order. `Trace` hears of each one's outcome; with `NoTrace`
// nothing of that is left after compilation.

#include <optional>
#include <span>

#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/policy/request_facts.hpp"
#include "beast_cache/policy/response_facts.hpp"
#include "beast_cache/policy/rule.hpp"
#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/policy/validation.hpp"
#include "beast_cache/policy/vary.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

class NoTrace {
 public:
  bool operator()(Rule, bool outcome) const noexcept { return outcome; }
  void freshness(Freshness const&) const noexcept {}
};

/// One run of the rules.
template <class Trace>
class Evaluation {
 public:
  Evaluation(RequestView const& request, Options const& options, TimePoint now, Trace& trace) noexcept
      : request_(request), options_(options), facts_(request.headers()), now_(now), trace_(trace) {}

  Decision run(StoredView const* stored) const {
    if (auto const reason = bypass()) return forward(*reason);
    bool const there = stored != nullptr && answers_method(stored->method(), request_.method());
    if (!trace_(Rule::stored, there)) return forward(Reason::uri_miss);
    auto const* const vary = stored->vary_request_headers();
    if (!trace_(Rule::vary, vary_matches(stored->headers(), vary, request_.headers()))) {
      return forward(Reason::vary_miss);
    }
    return judge(*stored);
  }

  Decision run(std::span<StoredView const> variants) const {
    if (auto const reason = bypass()) return forward(*reason);
    if (auto const* selected = select_variant(request_, variants)) {
      trace_(Rule::stored, true);
      trace_(Rule::vary, true);
      return judge(*selected);
    }
    bool there = false;
    for (auto const& variant : variants) there |= answers_method(variant.method(), request_.method());
    if (!trace_(Rule::stored, there)) return forward(Reason::uri_miss);
    trace_(Rule::vary, false);
    return forward(Reason::vary_miss);
  }

 private:
  /// What a cache does not answer, whatever it holds.
  std::optional<Reason> bypass() const {
    if (!trace_(Rule::cacheable_method, is_cacheable_method(request_.method()))) return Reason::method;
    bool const answers = request_.makes_answers();
    if (facts_.range || facts_.conditional) {
      bool const mine = !facts_.for_origin && answers;
      if (!trace_(Rule::own_answer, mine)) {
        return facts_.range && !answers ? Reason::range : Reason::conditional;
      }
    }
    if (facts_.upgrade) return trace_(Rule::no_upgrade, false), Reason::upgrade;
    if (facts_.method_override) return trace_(Rule::no_method_override, false), Reason::method_override;
    if (request_.no_store() || (options_.cache_control() && facts_.cache_control.no_store())) {
      return trace_(Rule::request_no_store, false), Reason::request_no_store;
    }
    return std::nullopt;
  }

  /// To the origin, unless the request forbids that (RFC 9111 section 5.2.1.7). Only a method that a cache
  /// can answer is held to it.
  Decision forward(Reason reason, Action action = Action::fetch) const {
    bool const held =
        request_.only_if_cached() || (options_.cache_control() && facts_.cache_control.only_if_cached());
    if (held && reason != Reason::method) {
      trace_(Rule::only_if_cached, false);
      action = Action::unsatisfiable;
    }
    return {action, reason};
  }

  Decision judge(StoredView const& stored) const {
    ResponseFacts const theirs{stored.headers(), options_};
    auto const& control = theirs.control;
    CacheControl const none;
    CacheControl const& asked = options_.cache_control() ? facts_.cache_control : none;
    if (!trace_(Rule::reusable, is_reusable(stored, theirs))) return forward(Reason::not_reusable);
    Answer answer;
    if (request_.makes_answers()) {
      answer = policy::answer(request_, stored);
      if (!trace_(Rule::bytes_held, answer.kind() != Answer::Kind::missing)) {
        auto decision = forward(Reason::part_missing);
        if (decision.forwards()) decision.selected_ = &stored;
        decision.answer_ = answer;
        return decision;
      }
    }

    Freshness const freshness{stored, theirs, options_, now_};
    trace_.freshness(freshness);
    bool const no_cache =
        control.no_cache() || (control.no_cache_fields() && holds_listed(stored, "no-cache"));
    bool must_validate = !trace_(Rule::not_invalidated, !stored.invalidated());
    must_validate = !trace_(Rule::response_no_cache, !no_cache) || must_validate;
    auto const refusal = refused_by_request(asked, freshness);
    bool const is_fresh = trace_(Rule::fresh, freshness.is_fresh());
    auto const decided = [&](Action action, Reason reason) {
      Decision d{action, reason};
      d.selected_ = &stored;
      d.answer_ = answer;
      d.age_ = std::chrono::floor<seconds>(freshness.age());
      d.ttl_ = std::chrono::floor<seconds>(freshness.left());
      return d;
    };
    if (!must_validate && !refusal && is_fresh) return decided(Action::serve, Reason::fresh);

    bool stale_forbidden = must_validate || refusal;
    if (!stale_forbidden) {
      // RFC 9111 section 4.2.4.
      bool const held = control.must_revalidate() ||
                        (options_.shared() && (control.proxy_revalidate() || control.s_maxage()));
      stale_forbidden = !trace_(Rule::must_revalidate, !held) ||
                        !trace_(Rule::request_limits_stale, !refuses_stale(asked, freshness));
    }
    if (!stale_forbidden) {
      if (asked.has_max_stale()) {
        return trace_(Rule::max_stale, true), decided(Action::serve, Reason::stale_max_stale);
      }
      if (options_.stale_extensions() && control.stale_while_revalidate() &&
          trace_(Rule::stale_while_revalidate, within(control.stale_while_revalidate(), freshness))) {
        if (request_.only_if_cached() || asked.only_if_cached())
          return decided(Action::serve, Reason::stale_while_revalidate);
        auto d = decided(Action::serve_and_revalidate, Reason::stale_while_revalidate);
        // It may be served at once, so it may be served as well after a validation that was waited for.
        d.stale_on_error_ = d.stale_on_status_ = true;
        return d;
      }
    }

    auto reason = Reason::stale;
    if (stored.invalidated()) {
      reason = Reason::invalidated;
    } else if (no_cache) {
      reason = Reason::response_no_cache;
    } else if (is_fresh) {
      reason = *refusal;
    }
    // A HEAD can't bring back the body of the GET response that it would find changed.
    bool const can_validate =
        trace_(Rule::validator, stored.method() == request_.method() && has_validator(stored));
    auto const forwarded = forward(reason, can_validate ? Action::validate : Action::fetch);
    if (forwarded.action() == Action::unsatisfiable) return forwarded;
    auto decision = decided(forwarded.action(), reason);
    if (!stale_forbidden) permit_stale(decision, control, asked, freshness);
    return decision;
  }

  /// An entry may come from a cache with other options, or from a damaged file: what may not be stored may
  /// not be reused.
  bool is_reusable(StoredView const& stored, ResponseFacts const& theirs) const noexcept {
    auto const status = stored.status();
    if (status < 200 || status > 599 || status == 304) return false;
    if (status == 206 && !request_.makes_answers()) return false;
    if (directives_allow(theirs.control, status, options_) != Storability::storable) return false;
    return !options_.shared() || !theirs.control.private_fields() || !holds_listed(stored, "private");
  }

  bool holds_listed(StoredView const& stored, std::string_view directive) const noexcept {
    return !for_each_listed_field(stored.headers(), options_, directive,
                                  [&](std::string_view name) { return stored.headers().count(name) == 0; });
  }

  /// Which of the request's directives a fresh response fails (RFC 9111 sections 5.2.1.1, 5.2.1.3, 5.2.1.4).
  std::optional<Reason> refused_by_request(CacheControl const& asked, Freshness const& f) const {
    if (request_.no_cache() || (options_.cache_control() && facts_.no_cache())) {
      return trace_(Rule::request_no_cache, false), Reason::request_no_cache;
    }
    // max-age=0 asks for a validation, even of what has just arrived.
    if (auto const& limit = asked.max_age()) {
      if (!trace_(Rule::request_max_age, limit->count() != 0 && f.age() <= *limit))
        return Reason::request_max_age;
    }
    if (auto const& least = asked.min_fresh()) {
      if (!trace_(Rule::request_min_fresh, f.left() >= *least)) return Reason::request_min_fresh;
    }
    return std::nullopt;
  }

  /// Whether the request limits staleness below what this response has (sections 5.2.1.1 and 5.2.1.2).
  static bool refuses_stale(CacheControl const& asked, Freshness const& f) noexcept {
    if (asked.has_max_stale()) return asked.max_stale() && f.staleness() > *asked.max_stale();
    return asked.max_age().has_value();
  }

  static bool within(CacheControl::Delta const& limit, Freshness const& f) noexcept {
    return limit && f.staleness() <= *limit;
  }

  void permit_stale(Decision& decision, CacheControl const& theirs, CacheControl const& asked,
                    Freshness const& f) const {
    auto const& a = theirs.stale_if_error();
    auto const& b = asked.stale_if_error();
    bool const follow = options_.stale_extensions();
    // RFC 5861 section 4: the number permits, and limits; of two the smaller one limits.
    bool const limited = follow && ((a && !within(a, f)) || (b && !within(b, f)));
    decision.stale_on_status_ = follow && (a || b) && trace_(Rule::stale_if_error, !limited);
    decision.stale_on_error_ = trace_(Rule::stale_on_disconnect,
                                      !limited && (options_.stale_on_error() || decision.stale_on_status_));
  }

  RequestView const& request_;
  Options const& options_;
  RequestFacts facts_;
  TimePoint now_;
  Trace& trace_;
};

}  // namespace detail
// Here, so that it does not matter which of the two headers comes first.
inline Decision evaluate(RequestView const& request, StoredView const* stored, Options const& options,
                         TimePoint now) noexcept {
  detail::NoTrace none;
  return detail::Evaluation<detail::NoTrace>{request, options, now, none}.run(stored);
}

inline Decision evaluate(RequestView const& request, std::span<StoredView const> variants,
                         Options const& options, TimePoint now) noexcept {
  detail::NoTrace none;
  return detail::Evaluation<detail::NoTrace>{request, options, now, none}.run(variants);
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
