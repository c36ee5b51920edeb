#pragma once
/// \file explain.hpp
/// A decision with the rules that led to it, as data.

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/rule.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// A rule that took part, and its outcome.
class Step {
 public:
  Step(Rule rule, bool outcome) noexcept : rule_(rule), outcome_(outcome) {}

  Rule rule() const noexcept { return rule_; }
  /// The answer to the rule's `question`.
  bool outcome() const noexcept { return outcome_; }
  /// Where it stands, and what it asks.
  std::string_view section() const noexcept { return policy::section(rule_); }
  std::string_view question() const noexcept { return policy::question(rule_); }

 private:
  Rule rule_;
  bool outcome_;
};

/// The decision that `evaluate` makes of the same arguments, and why.
class Explanation {
 public:
  Explanation(Decision decision, std::vector<Step> steps, std::optional<Freshness> freshness)
      : decision_(decision), steps_(std::move(steps)), freshness_(freshness) {}

  Decision const& decision() const noexcept { return decision_; }
  /// The rules that took part, in their order.
  std::vector<Step> const& steps() const noexcept { return steps_; }
  /// Age, lifetime and where that comes from; nothing when no stored response came so far.
  std::optional<Freshness> const& freshness() const noexcept { return freshness_; }
  /// The outcome of a rule; nothing when it took no part.
  std::optional<bool> outcome(Rule rule) const noexcept;
  /// One line a rule: `RFC 9111 section 4.2: is its lifetime greater than its age? no (age 61 s, lifetime 60
  /// s by max-age)`.
  std::string str() const;

 private:
  Decision decision_;
  std::vector<Step> steps_;
  std::optional<Freshness> freshness_;
};

/// Runs the rules of `evaluate` and notes each.
///
/// Errors: throws only what memory throws.
Explanation explain(RequestView const& request, StoredView const* stored, Options const& options,
                    TimePoint now);
Explanation explain(RequestView const& request, std::span<StoredView const> variants, Options const& options,
                    TimePoint now);

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
