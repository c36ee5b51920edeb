// A decision with its reasons: what `explain` lists is what `evaluate` did.

#include "beast_cache/policy/explain.hpp"

#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::Action;
using policy::RequestView;
using policy::Rule;
using policy::StoredView;

TEST_CASE("the rules that took part are listed with their outcome") {
  struct Row {
    char const* request;
    char const* stored;  // null: nothing
    int after;
    char const* steps;  // "-": no
  };
  char const* const plain = "Cache-Control: max-age=60|ETag: \"a\"";
  std::string const found = "cacheable-method stored vary reusable not-invalidated response-no-cache ";
  std::vector<Row> const rows = {
      {"", plain, 1, "fresh "},
      {"", plain, 61, "-fresh must-revalidate request-limits-stale validator stale-on-disconnect "},
      {"", "Cache-Control: max-age=60, must-revalidate", 61, "-fresh -must-revalidate -validator "},
      {"", "Cache-Control: max-age=60, stale-while-revalidate=9", 61,
       "-fresh must-revalidate request-limits-stale stale-while-revalidate "},
      {"", "Cache-Control: max-age=60, stale-if-error=9", 61,
       "-fresh must-revalidate request-limits-stale -validator stale-if-error stale-on-disconnect "},
      {"Cache-Control: max-stale", plain, 61, "-fresh must-revalidate request-limits-stale max-stale "},
      {"Cache-Control: no-cache", plain, 1, "-request-no-cache fresh validator "},
      {"Cache-Control: max-age=5", plain, 1, "request-max-age fresh "},
      {"Cache-Control: max-age=5", plain, 6, "-request-max-age fresh validator "},
      {"Cache-Control: min-fresh=5", plain, 6, "request-min-fresh fresh "},
      {"Cache-Control: only-if-cached", plain, 61,
       "-fresh must-revalidate request-limits-stale validator -only-if-cached "},
  };
  for (auto const& row : rows) {
    INFO(row.request << " / " << row.stored << " / " << row.after);
    auto const request = fields(row.request);
    auto const stored = fields(row.stored);
    StoredView const view{200, stored, t0, t0};
    auto const e = policy::explain(RequestView{http::verb::get, request}, &view, {}, at(row.after));
    std::string steps;
    for (auto const& step : e.steps()) {
      steps.append(step.outcome() ? "" : "-").append(policy::to_string(step.rule())).append(" ");
    }
    CHECK(steps == found + row.steps);
    REQUIRE(e.freshness().has_value());
    CHECK(e.freshness()->age() == seconds{row.after});
  }
}

TEST_CASE("a request that bypasses the cache says by which rule") {
  struct Row {
    http::verb method;
    char const* request;
    Rule rule;
  };
  std::vector<Row> const rows = {
      {http::verb::post, "", Rule::cacheable_method},
      {http::verb::get, "Range: bytes=0-1", Rule::own_answer},
      {http::verb::get, "If-Match: *", Rule::own_answer},
      {http::verb::get, "Upgrade: x", Rule::no_upgrade},
      {http::verb::get, "X-HTTP-Method: PUT", Rule::no_method_override},
      {http::verb::get, "Cache-Control: no-store", Rule::request_no_store},
      {http::verb::get, "", Rule::stored},
  };
  for (auto const& row : rows) {
    INFO(row.request);
    auto const request = fields(row.request);
    auto const e = policy::explain(RequestView{row.method, request}, nullptr, {}, t0);
    CHECK(e.outcome(row.rule) == std::optional<bool>(false));
    CHECK(e.steps().back().rule() == row.rule);
    CHECK_FALSE(e.freshness().has_value());
    CHECK_FALSE(e.outcome(Rule::vary).has_value());
  }
}

TEST_CASE("the decision is the one that evaluate makes, of variants too") {
  auto const en = fields("A: en");
  auto const headers = fields("Cache-Control: max-age=60|Vary: A");
  std::vector<StoredView> variants;
  variants.push_back(StoredView{200, headers, t0, t0}.vary_request_headers(en));
  for (auto const* asked : {"A: en", "A: fr", "A: en|Cache-Control: no-cache"}) {
    auto const request = fields(asked);
    RequestView const view{http::verb::get, request};
    auto const e = policy::explain(view, variants, {}, at(5));
    auto const d = policy::evaluate(view, variants, {}, at(5));
    CHECK(e.decision().action() == d.action());
    CHECK(e.decision().reason() == d.reason());
    CHECK(e.decision().selected() == d.selected());
  }
}

TEST_CASE("an explanation reads as text, each line with its section") {
  auto const none = fields("");
  auto const headers = fields("Cache-Control: max-age=60, must-revalidate");
  StoredView const view{200, headers, t0, t0};
  auto const text = policy::explain(RequestView{http::verb::get, none}, &view, {}, at(61)).str();
  CHECK(
      text.find("RFC 9111 section 4.2: is its lifetime greater than its age? no (age 61 s, lifetime 60 s by "
                "max-age)\n") != text.npos);
  CHECK(text.find("RFC 9111 section 4.2.4: does the response let a stale one be served? no\n") != text.npos);
  std::vector<std::string> seen;
  for (int i = 0; i <= static_cast<int>(Rule::stale_on_disconnect); ++i) {
    auto const rule = static_cast<Rule>(i);
    CHECK(policy::section(rule).substr(0, 4) == "RFC ");
    CHECK(policy::question(rule).back() == '?');
    std::string const name{policy::to_string(rule)};
    for (auto const& other : seen) CHECK(name != other);
    seen.push_back(name);
  }
}
