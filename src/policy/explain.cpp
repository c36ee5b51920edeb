#include "beast_cache/policy/explain.hpp"

#include "beast_cache/policy/impl/evaluation.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace {

class Recorder {
 public:
  bool operator()(Rule rule, bool outcome) {
    steps.emplace_back(rule, outcome);
    return outcome;
  }
  void freshness(Freshness const& f) noexcept { found = f; }

  std::vector<Step> steps;
  std::optional<Freshness> found;
};

template <class Stored>
Explanation explain_any(RequestView const& request, Stored stored, Options const& options, TimePoint now) {
  Recorder recorder;
  Decision const decision = detail::Evaluation<Recorder>{request, options, now, recorder}.run(stored);
  return Explanation(decision, std::move(recorder.steps), recorder.found);
}

}  // namespace

std::optional<bool> Explanation::outcome(Rule rule) const noexcept {
  for (auto const& step : steps_) {
    if (step.rule() == rule) return step.outcome();
  }
  return std::nullopt;
}

std::string Explanation::str() const {
  std::string text;
  for (auto const& step : steps_) {
    text.append(step.section()).append(": ").append(step.question()).append(step.outcome() ? " yes" : " no");
    if (step.rule() == Rule::fresh && freshness_) {
      auto const whole = [](milliseconds d) {
        return std::to_string(std::chrono::floor<seconds>(d).count());
      };
      text.append(" (age ").append(whole(freshness_->age())).append(" s, lifetime ");
      text.append(whole(freshness_->lifetime())).append(" s by ").append(to_string(freshness_->source()));
      text += ')';
    }
    text += '\n';
  }
  return text;
}

Explanation explain(RequestView const& request, StoredView const* stored, Options const& options,
                    TimePoint now) {
  return explain_any(request, stored, options, now);
}

Explanation explain(RequestView const& request, std::span<StoredView const> variants, Options const& options,
                    TimePoint now) {
  return explain_any(request, variants, options, now);
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
