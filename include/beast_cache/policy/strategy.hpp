#pragma once
/// \file strategy.hpp
/// The decision: given a request, what is stored for it and the time, what the cache does.
///
/// `evaluate` is the one place where the rules of the other headers of policy/ are combined.

#include <chrono>
#include <cstdint>
#include <span>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/request_facts.hpp"
#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/validation.hpp"
#include "beast_cache/policy/vary.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {
class Evaluation;
}

/// What to do with a request.
enum class Action : std::uint8_t {
  serve,                 ///< answer with the stored response; `Age` is the decision's `age()`
  serve_and_revalidate,  ///< the same, and validate in the background (RFC 5861 section 3)
  validate,              ///< send it with the stored response's validators (`add_validators`)
  fetch,                 ///< send it as it is; the caller's own preconditions included
  unsatisfiable          ///< answer 504 (Gateway Timeout): only-if-cached, and nothing usable is stored
};

/// Why.
enum class Reason : std::uint8_t {
  fresh,                   ///< serve: within its lifetime
  stale_max_stale,         ///< serve: stale, and the request's max-stale permits it
  stale_while_revalidate,  ///< serve: stale, and the response permits it
  uri_miss,                ///< nothing is stored
  vary_miss,               ///< what is stored answers other request fields
  stale,                   ///< past its lifetime
  response_no_cache,       ///< no-cache, or a field that it names
  invalidated,             ///< marked by an unsafe request
  request_no_cache,        ///< the request's no-cache, or Pragma
  request_max_age,         ///< older than the request's max-age
  request_min_fresh,       ///< not fresh for as long as the request's min-fresh asks
  request_no_store,        ///< the request's no-store
  not_reusable,            ///< stored under other rules: this cache may not reuse it
  method,                  ///< the method is not one that a cache answers
  range,                   ///< the request has Range or If-Range
  conditional,             ///< the request has preconditions of its own
  upgrade,                 ///< the request asks for another protocol
  method_override          ///< the request names another method in a field
};

/// The outcome of `evaluate`: a small value.
class Decision {
 public:
  Decision(Action action, Reason reason) noexcept : action_(action), reason_(reason) {}

  Action action() const noexcept { return action_; }
  Reason reason() const noexcept { return reason_; }
  /// The stored response that was selected; null when none was. It is one that was passed to `evaluate`.
  StoredView const* selected() const noexcept { return selected_; }
  /// The selected response's current age in whole seconds, never negative; 0 when none was selected.
  std::chrono::seconds age() const noexcept { return age_; }
  /// What is left of its lifetime in whole seconds, rounded down; negative or 0 once it is stale.
  std::chrono::seconds ttl() const noexcept { return ttl_; }
  /// Whether it may be served when the origin can't be reached, closes the connection or times out.
  bool may_serve_stale_on_error() const noexcept { return stale_on_error_; }
  /// Whether it may be served when the origin answers with this status (RFC 5861 section 4).
  bool may_serve_stale_on_status(unsigned status) const noexcept {
    return stale_on_status_ && (status == 500 || status == 502 || status == 503 || status == 504);
  }
  /// Whether the request goes to the origin before it is answered.
  bool forwards() const noexcept { return action_ == Action::validate || action_ == Action::fetch; }

 private:
  friend class detail::Evaluation;

  std::chrono::seconds age_{0};
  std::chrono::seconds ttl_{0};
  StoredView const* selected_ = nullptr;
  Action action_;
  Reason reason_;
  bool stale_on_error_ = false;
  bool stale_on_status_ = false;
};

namespace detail {

/// One run of the rules.
class Evaluation {
 public:
  Evaluation(RequestView const& request, Options const& options, TimePoint now) noexcept
      : request_(request), options_(options), facts_(request.headers()), now_(now) {}

  Decision run(StoredView const* stored) const noexcept {
    if (auto const reason = bypass()) return forward(*reason);
    if (stored == nullptr || !answers_method(stored->method(), request_.method())) {
      return forward(Reason::uri_miss);
    }
    if (!vary_matches(stored->headers(), stored->vary_request_headers(), request_.headers())) {
      return forward(Reason::vary_miss);
    }
    return judge(*stored);
  }

  Decision run(std::span<StoredView const> variants) const noexcept {
    if (auto const* selected = select_variant(request_, variants)) return run(selected);
    for (auto const& variant : variants) {
      if (answers_method(variant.method(), request_.method())) return run(&variant);
    }
    return run(nullptr);
  }

 private:
  /// What a cache does not answer, whatever it holds.
  std::optional<Reason> bypass() const noexcept {
    if (!is_cacheable_method(request_.method())) return Reason::method;
    if (facts_.range) return Reason::range;
    if (facts_.conditional) return Reason::conditional;
    if (facts_.upgrade) return Reason::upgrade;
    if (facts_.method_override) return Reason::method_override;
    if (options_.cache_control() && facts_.cache_control.no_store()) return Reason::request_no_store;
    return std::nullopt;
  }

  /// To the origin, unless the request forbids that (RFC 9111 section 5.2.1.7). Only a method that a cache
  /// can answer is held to it.
  Decision forward(Reason reason, Action action = Action::fetch) const noexcept {
    bool const held = options_.cache_control() && facts_.cache_control.only_if_cached();
    return {held && reason != Reason::method ? Action::unsatisfiable : action, reason};
  }

  Decision judge(StoredView const& stored) const noexcept {
    bool const directives = options_.cache_control();
    CacheControl const none;
    CacheControl const theirs = directives ? CacheControl{stored.headers()} : none;
    CacheControl const& asked = directives ? facts_.cache_control : none;
    if (!is_reusable(stored, theirs)) return forward(Reason::not_reusable);

    Freshness const freshness{stored, theirs, options_, now_};
    bool const no_cache = theirs.no_cache() || (theirs.no_cache_fields() && holds_listed_field(stored));
    bool const must_validate = stored.invalidated() || no_cache;
    auto const refusal = refused_by_request(asked, freshness);
    if (!must_validate && !refusal && freshness.is_fresh()) {
      return decided(Action::serve, Reason::fresh, stored, freshness);
    }
    // RFC 9111 section 4.2.4.
    bool const stale_forbidden = must_validate || refusal || theirs.must_revalidate() ||
                                 (options_.shared() && (theirs.proxy_revalidate() || theirs.s_maxage())) ||
                                 refuses_stale(asked, freshness);
    if (!stale_forbidden) {
      if (asked.has_max_stale()) return decided(Action::serve, Reason::stale_max_stale, stored, freshness);
      if (options_.stale_extensions() && within(theirs.stale_while_revalidate(), freshness)) {
        if (asked.only_if_cached()) {
          return decided(Action::serve, Reason::stale_while_revalidate, stored, freshness);
        }
        auto d = decided(Action::serve_and_revalidate, Reason::stale_while_revalidate, stored, freshness);
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
    } else if (freshness.is_fresh()) {
      reason = *refusal;
    }
    // A HEAD can't bring back the body of the GET response that it would find changed.
    bool const can_validate = stored.method() == request_.method() && has_validator(stored);
    auto const forwarded = forward(reason, can_validate ? Action::validate : Action::fetch);
    if (forwarded.action() == Action::unsatisfiable) return forwarded;
    auto decision = decided(forwarded.action(), reason, stored, freshness);
    if (!stale_forbidden) permit_stale(decision, theirs, asked, freshness);
    return decision;
  }

  /// An entry may come from a cache with other options, or from a damaged file: what may not be stored may
  /// not be reused.
  bool is_reusable(StoredView const& stored, CacheControl const& theirs) const noexcept {
    auto const status = stored.status();
    if (status < 200 || status > 599 || status == 206 || status == 304) return false;
    if (stored.headers().count(http::field::content_range) != 0) return false;
    return directives_allow(theirs, status, options_) == Storability::storable &&
           !holds_private_field(stored, theirs);
  }

  bool holds_private_field(StoredView const& stored, CacheControl const& theirs) const noexcept {
    return options_.shared() && theirs.private_fields() && !lists_none_of(stored, "private");
  }
  static bool holds_listed_field(StoredView const& stored) noexcept {
    return !lists_none_of(stored, "no-cache");
  }
  static bool lists_none_of(StoredView const& stored, std::string_view directive) noexcept {
    return for_each_listed_field(stored.headers(), directive,
                                 [&](std::string_view name) { return stored.headers().count(name) == 0; });
  }

  /// Which of the request's directives a fresh response fails (RFC 9111 sections 5.2.1.1, 5.2.1.3, 5.2.1.4).
  std::optional<Reason> refused_by_request(CacheControl const& asked, Freshness const& f) const noexcept {
    if (options_.cache_control() && facts_.no_cache()) return Reason::request_no_cache;
    // max-age=0 asks for a validation, even of what has just arrived.
    if (asked.max_age() && (asked.max_age()->count() == 0 || f.age() > *asked.max_age())) {
      return Reason::request_max_age;
    }
    if (asked.min_fresh() && f.left() < *asked.min_fresh()) return Reason::request_min_fresh;
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
                    Freshness const& f) const noexcept {
    auto const& a = theirs.stale_if_error();
    auto const& b = asked.stale_if_error();
    bool const follow = options_.stale_extensions();
    // RFC 5861 section 4: the number permits, and limits; of two the smaller one limits.
    if (follow && ((a && !within(a, f)) || (b && !within(b, f)))) return;
    decision.stale_on_status_ = follow && (a || b);
    decision.stale_on_error_ = options_.stale_on_error() || decision.stale_on_status_;
  }

  static Decision decided(Action action, Reason reason, StoredView const& stored,
                          Freshness const& f) noexcept {
    Decision d{action, reason};
    d.selected_ = &stored;
    d.age_ = std::chrono::floor<seconds>(f.age());
    d.ttl_ = std::chrono::floor<seconds>(f.left());
    return d;
  }

  RequestView const& request_;
  Options const& options_;
  RequestFacts facts_;
  TimePoint now_;
};

}  // namespace detail

/// What to do with a request.
///
/// @param request as the caller made it.
/// @param stored what is stored for its URI, or null. Its Vary is checked here.
/// @param now the current time.
/// Complexity: linear in the size of the fields; nothing is allocated.
/// Source: RFC 9111 sections 4 to 5; RFC 5861.
inline Decision evaluate(RequestView const& request, StoredView const* stored, Options const& options,
                         TimePoint now) noexcept {
  return detail::Evaluation{request, options, now}.run(stored);
}

/// The same over several variants: the newest one whose Vary matches is selected.
///
/// @param variants in any order; `selected()` points into it.
/// Source: RFC 9111 section 4.1.
inline Decision evaluate(RequestView const& request, std::span<StoredView const> variants,
                         Options const& options, TimePoint now) noexcept {
  return detail::Evaluation{request, options, now}.run(variants);
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
