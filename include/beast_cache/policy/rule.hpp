#pragma once
/// \file rule.hpp
/// The rules that a decision is made of, by name and section.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// One rule. What its outcome means is in `question`.
enum class Rule : std::uint8_t {
  cacheable_method,
  own_answer,
  no_upgrade,
  no_method_override,
  request_no_store,
  stored,
  vary,
  reusable,
  bytes_held,
  not_invalidated,
  response_no_cache,
  request_no_cache,
  request_max_age,
  request_min_fresh,
  fresh,
  must_revalidate,
  request_limits_stale,
  max_stale,
  stale_while_revalidate,
  validator,
  only_if_cached,
  stale_if_error,
  stale_on_disconnect
};

namespace detail {
struct RuleText {
  std::string_view name, section, question;
};
inline constexpr RuleText rule_texts[] = {
    {"cacheable-method", "RFC 9111 section 4", "is the method one that a cache answers?"},
    {"own-answer", "RFC 9111 section 4.3.2",
     "can this cache evaluate the request's preconditions and Range?"},
    {"no-upgrade", "RFC 9110 section 7.8", "is no other protocol asked for?"},
    {"no-method-override", "RFC 9110 section 9.1", "does no field name another method?"},
    {"request-no-store", "RFC 9111 section 5.2.1.5", "does the request lack no-store?"},
    {"stored", "RFC 9111 section 4", "is a response stored for this URL and method?"},
    {"vary", "RFC 9111 section 4.1", "do the fields that Vary names match?"},
    {"reusable", "RFC 9111 section 3", "may this cache hold such a response?"},
    {"bytes-held", "RFC 9111 section 3.3", "are the bytes that are asked for held?"},
    {"not-invalidated", "RFC 9111 section 4.4", "has no unsafe request invalidated it?"},
    {"response-no-cache", "RFC 9111 section 5.2.2.4", "does the response lack no-cache?"},
    {"request-no-cache", "RFC 9111 sections 5.2.1.4 and 5.4", "does the request lack no-cache?"},
    {"request-max-age", "RFC 9111 section 5.2.1.1", "is it no older than the request's max-age?"},
    {"request-min-fresh", "RFC 9111 section 5.2.1.3", "is it fresh for as long as min-fresh asks?"},
    {"fresh", "RFC 9111 section 4.2", "is its lifetime greater than its age?"},
    {"must-revalidate", "RFC 9111 section 4.2.4", "does the response let a stale one be served?"},
    {"request-limits-stale", "RFC 9111 sections 5.2.1.1 and 5.2.1.2",
     "does the request let so stale a one be served?"},
    {"max-stale", "RFC 9111 section 5.2.1.2", "does the request's max-stale permit it?"},
    {"stale-while-revalidate", "RFC 5861 section 3", "is it within stale-while-revalidate?"},
    {"validator", "RFC 9111 section 4.3.1", "is there something to validate it with?"},
    {"only-if-cached", "RFC 9111 section 5.2.1.7", "may the origin be asked?"},
    {"stale-if-error", "RFC 5861 section 4", "may it stand in for a 500, 502, 503 or 504?"},
    {"stale-on-disconnect", "RFC 9111 section 4.2.4",
     "may it stand in for an origin that can't be reached?"}};
}  // namespace detail

constexpr std::string_view to_string(Rule r) noexcept {
  return detail::rule_texts[static_cast<std::size_t>(r)].name;
}
/// Where the rule stands: `RFC 9111 section 4.1`.
constexpr std::string_view section(Rule r) noexcept {
  return detail::rule_texts[static_cast<std::size_t>(r)].section;
}
/// What the rule asks; its outcome is the answer.
constexpr std::string_view question(Rule r) noexcept {
  return detail::rule_texts[static_cast<std::size_t>(r)].question;
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
