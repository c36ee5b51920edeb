#pragma once
/// \file strategy.hpp
/// The decision: given a request, what is stored for it and the time, what the cache does.
///
/// `evaluate` is the one place where the rules of the other headers of policy/ are combined.

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {
template <class Trace>
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
  range,                   ///< the request has Range or If-Range, and its maker makes no answers
  part_missing,            ///< bytes that are asked for are not stored
  conditional,             ///< the request has preconditions that are the origin's to evaluate
  upgrade,                 ///< the request asks for another protocol
  method_override          ///< the request names another method in a field
};

/// What it says, in words.
constexpr std::string_view to_string(Action a) noexcept {
  switch (a) {
    case Action::serve:
      return "serve";
    case Action::serve_and_revalidate:
      return "serve and revalidate";
    case Action::validate:
      return "validate";
    case Action::fetch:
      return "fetch";
    case Action::unsatisfiable:
      return "unsatisfiable";
  }
  return "";
}
constexpr std::string_view to_string(Reason r) noexcept {
  switch (r) {
    case Reason::fresh:
      return "fresh";
    case Reason::stale_max_stale:
      return "max-stale";
    case Reason::stale_while_revalidate:
      return "stale-while-revalidate";
    case Reason::uri_miss:
      return "URI miss";
    case Reason::vary_miss:
      return "Vary miss";
    case Reason::stale:
      return "stale";
    case Reason::response_no_cache:
      return "response no-cache";
    case Reason::invalidated:
      return "invalidated";
    case Reason::request_no_cache:
      return "request no-cache";
    case Reason::request_max_age:
      return "request max-age";
    case Reason::request_min_fresh:
      return "request min-fresh";
    case Reason::request_no_store:
      return "request no-store";
    case Reason::not_reusable:
      return "not reusable";
    case Reason::method:
      return "method";
    case Reason::range:
      return "range";
    case Reason::part_missing:
      return "part missing";
    case Reason::conditional:
      return "conditional request";
    case Reason::upgrade:
      return "upgrade";
    case Reason::method_override:
      return "method override";
  }
  return "";
}

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
  /// What of the selected response answers a request that `makes_answers`: the whole, a part, 304 or 416.
  Answer const& answer() const noexcept { return answer_; }
  /// Whether it may be served when the origin can't be reached, closes the connection or times out.
  bool may_serve_stale_on_error() const noexcept { return stale_on_error_; }
  /// Whether it may be served when the origin answers with this status (RFC 5861 section 4).
  bool may_serve_stale_on_status(unsigned status) const noexcept {
    return stale_on_status_ && (status == 500 || status == 502 || status == 503 || status == 504);
  }
  /// Whether the request goes to the origin before it is answered.
  bool forwards() const noexcept { return action_ == Action::validate || action_ == Action::fetch; }

 private:
  template <class Trace>
  friend class detail::Evaluation;

  std::chrono::seconds age_{0};
  std::chrono::seconds ttl_{0};
  StoredView const* selected_ = nullptr;
  Answer answer_;
  Action action_;
  Reason reason_;
  bool stale_on_error_ = false;
  bool stale_on_status_ = false;
};

/// What to do with a request.
///
/// @param request as the caller made it.
/// @param stored what is stored for its URI, or null. Its Vary is checked here.
/// @param now the current time.
/// Complexity: linear in the size of the fields; nothing is allocated.
/// Source: RFC 9111 sections 4 to 5; RFC 5861.
inline Decision evaluate(RequestView const& request, StoredView const* stored, Options const& options,
                         TimePoint now) noexcept;

/// The same over several variants: the newest one whose Vary matches is selected.
///
/// @param variants in any order; `selected()` points into it.
/// Source: RFC 9111 section 4.1.
inline Decision evaluate(RequestView const& request, std::span<StoredView const> variants,
                         Options const& options, TimePoint now) noexcept;

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache

#include "beast_cache/policy/impl/evaluation.hpp"
