// Targeted cache control: RFC 9213, one row a behaviour.

#include <vector>

#include "beast_cache/policy/storability.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "table.hpp"

using namespace policy_test;
using policy::Action;
using policy::Freshness;
using policy::RequestView;
using policy::Storability;
using policy::StoredView;

namespace {

struct Row {
  char const* section;
  char const* description;
  char const* response;
  int lifetime;  // in seconds; -1: not storable
};

void check(std::vector<Row> const& rows, policy::Options const& options) {
  auto const none = fields("");
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const headers = fields(row.response);
    StoredView const view{200, headers, t0, t0};
    bool const storable = policy::is_storable(RequestView{http::verb::get, none}, 200, headers, options);
    CHECK(storable == (row.lifetime >= 0));
    auto const d = policy::evaluate(RequestView{http::verb::get, none}, &view, options, t0);
    if (storable) {
      CHECK(Freshness(view, options, t0).lifetime() == seconds{row.lifetime});
      CHECK((d.action() == Action::serve) == (row.lifetime > 0));
    } else {
      CHECK(d.reason() == policy::Reason::not_reusable);
    }
  }
}

}  // namespace

TEST_CASE("a shared cache follows CDN-Cache-Control") {
  check(
      {
          {"2.2", "it counts in place of Cache-Control",
           "CDN-Cache-Control: max-age=60|Cache-Control: max-age=5", 60},
          {"2.2", "a smaller one too", "CDN-Cache-Control: max-age=5|Cache-Control: max-age=60", 5},
          {"2.2", "over s-maxage", "CDN-Cache-Control: max-age=5|Cache-Control: s-maxage=60", 5},
          {"2.2", "over Expires", "CDN-Cache-Control: max-age=5|Date: @0|Expires: @60", 5},
          {"2.2", "Expires does not fill in", "CDN-Cache-Control: public|Date: @0|Expires: @60", 0},
          {"2.2", "Cache-Control does not fill in", "CDN-Cache-Control: public|Cache-Control: max-age=60", 0},
          {"2.2", "over no-store", "CDN-Cache-Control: max-age=60|Cache-Control: no-store", 60},
          {"2.2", "over private", "CDN-Cache-Control: max-age=60|Cache-Control: private", 60},
          {"2.2", "its own no-store", "CDN-Cache-Control: no-store|Cache-Control: max-age=60", -1},
          {"2.2", "its own private", "CDN-Cache-Control: private|Cache-Control: max-age=60", -1},
          {"2.2", "its own s-maxage", "CDN-Cache-Control: s-maxage=9, max-age=60", 9},
          {"9651-3.2", "of two the last one", "CDN-Cache-Control: max-age=5, max-age=60", 60},
          {"9651-3.2", "on another line", "CDN-Cache-Control: max-age=60|CDN-Cache-Control: max-age=5", 5},
          {"9651-3.2", "what is taken back", "CDN-Cache-Control: no-store, max-age=60, no-store=?0", 60},
          {"9651-3.2", "what is said after all", "CDN-Cache-Control: no-store=?0, max-age=60, no-store", -1},
          {"2.2", "the heuristic where it names no lifetime",
           "CDN-Cache-Control: public|Date: @0|Last-Modified: @-1000", 100},
          {"2.2", "the name in any case", "cdn-cache-control: max-age=60|Cache-Control: max-age=5", 60},
          {"2.1", "empty: absent", "CDN-Cache-Control: |Cache-Control: max-age=5", 5},
          {"2.1", "a syntax error: absent", "CDN-Cache-Control: max-age=60,|Cache-Control: max-age=5", 5},
          {"2.1", "a name in capitals: absent", "CDN-Cache-Control: Max-Age=60|Cache-Control: max-age=5", 5},
          {"2.1", "a blank before the sign: absent",
           "CDN-Cache-Control: max-age =60|Cache-Control: max-age=5", 5},
          {"2.1", "a malformed no-store: absent", "CDN-Cache-Control: no-store;;|Cache-Control: max-age=5",
           5},
          {"2.1", "an integer that is too long: absent",
           "CDN-Cache-Control: max-age=9999999999999999|Cache-Control: max-age=5", 5},
          {"2.1", "a number in quotes is none", "CDN-Cache-Control: max-age=\"60\"", 0},
          {"2.1", "a decimal is none", "CDN-Cache-Control: max-age=60.0", 0},
          {"2.1", "a negative number", "CDN-Cache-Control: max-age=-60", 0},
          {"2.1", "a flag for a number", "CDN-Cache-Control: max-age", 0},
          {"2.1", "a list for a number", "CDN-Cache-Control: max-age=(60)", 0},
          {"2.1", "parameters mean nothing", "CDN-Cache-Control: max-age=60;x=1", 60},
          {"2.1", "a flag with parameters", "CDN-Cache-Control: no-store;x", -1},
          {"2.1", "a flag that is off", "CDN-Cache-Control: no-store=?0, max-age=60", 60},
          {"2.1", "a flag with another value", "CDN-Cache-Control: no-store=1, max-age=60", -1},
          {"2.1", "unknown members", "CDN-Cache-Control: max-age=60, a=(1 2);b, c=:aGk=:, d=@5, e=%\"f\"",
           60},
          {"2.1", "two lines", "CDN-Cache-Control: max-age=60|CDN-Cache-Control: no-store", -1},
          {"2.1", "two lines, one malformed: absent",
           "CDN-Cache-Control: max-age=60|CDN-Cache-Control: A|Cache-Control: max-age=5", 5},
          {"2.2", "another target's field", "Other-Cache-Control: max-age=60|Cache-Control: max-age=5", 5},
          {"2.2", "private with a list, and the field is there",
           "CDN-Cache-Control: private=\"A\", max-age=60|B: 1", 60},
      },
      shared_mode());
}

TEST_CASE("a private cache leaves it alone unless it is told otherwise") {
  std::vector<Row> const alone = {
      {"2.2", "Cache-Control counts", "CDN-Cache-Control: max-age=60|Cache-Control: max-age=5", 5},
      {"2.2", "its no-store does not count", "CDN-Cache-Control: no-store|Cache-Control: max-age=5", 5},
  };
  check(alone, private_mode());
  check(alone, shared_mode().targeted_fields({}));
  check(
      {
          {"2.2", "the first that is valid", "B-Cache-Control: max-age=7|A-Cache-Control: max-age=6", 6},
          {"2.2", "the next where it is not", "B-Cache-Control: max-age=7|A-Cache-Control: max-age=", 7},
          {"2.2", "the next where it is empty", "B-Cache-Control: max-age=7|A-Cache-Control: ", 7},
          {"2.2", "not one that is not on the list", "CDN-Cache-Control: max-age=60|Cache-Control: max-age=5",
           5},
      },
      private_mode().targeted_fields({"A-Cache-Control", "B-Cache-Control"}));
  // Without cache_control nothing of it counts.
  auto const headers = fields("CDN-Cache-Control: no-store");
  CHECK(policy::is_storable(RequestView{http::verb::get, fields("")}, 200, headers,
                            shared_mode().cache_control(false)));
}

TEST_CASE("the other rules go by the targeted field too") {
  auto const authorized = fields("Authorization: x");
  RequestView const request{http::verb::get, authorized};
  // RFC 9111 section 3.5, by the directives that hold for this cache.
  CHECK(policy::is_storable(request, 200, fields("CDN-Cache-Control: public"), shared_mode()));
  CHECK(policy::storability(request, 200, fields("CDN-Cache-Control: max-age=9|Cache-Control: public"),
                            shared_mode()) == Storability::authorization);
  // The fields that its qualified directives list are taken out.
  auto const stored =
      policy::storable_fields(fields("Date: @0|CDN-Cache-Control: no-cache=\"A\", "
                                     "private=\"B\"|Cache-Control: no-cache=\"C\"|A: 1|B: 2|C: 3"),
                              shared_mode(), t0);
  CHECK(stored.count("A") + stored.count("B") == 0);
  CHECK(stored.count("C") == 1);
  auto const none = fields("");
  auto const held = fields("CDN-Cache-Control: max-age=60, no-cache=\"A\"|A: 1");
  StoredView const view{200, held, t0, t0};
  CHECK(policy::evaluate(RequestView{http::verb::get, none}, &view, shared_mode(), t0).reason() ==
        policy::Reason::response_no_cache);
  auto const lax =
      fields("CDN-Cache-Control: max-age=60, stale-while-revalidate=60|Cache-Control: must-revalidate");
  StoredView const stale{200, lax, t0, t0};
  CHECK(policy::evaluate(RequestView{http::verb::get, none}, &stale, shared_mode(), at(70)).action() ==
        Action::serve_and_revalidate);
}
