// Ages and lifetimes as numbers: RFC 9111 section 4.2.

#include "beast_cache/policy/freshness.hpp"

#include <random>
#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::Freshness;
using policy::StoredView;

namespace {

struct Row {
  char const* section;
  char const* description;
  char const* stored;
  int sent;   // request time
  int after;  // now
  long long age;
  long long lifetime;
};

void check(std::vector<Row> const& rows, policy::Options const& options) {
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const headers = fields(row.stored);
    StoredView const view{200, headers, at(row.sent), t0};
    Freshness const f{view, options, at(row.after)};
    CHECK(f.age() == seconds{row.age});
    CHECK(f.lifetime() == seconds{row.lifetime});
    CHECK(f.left() == -f.staleness());
    CHECK(f.is_fresh() == (row.lifetime > row.age));
  }
}

}  // namespace

TEST_CASE("age and lifetime are as RFC 9111 section 4.2 computes them") {
  std::vector<Row> const rows = {
      {"4.2.3", "resident time", "", 0, 10, 10, 0},
      {"4.2.3", "Age is added", "Age: 5", 0, 10, 15, 0},
      {"4.2.3", "the delay of the response is added to Age", "Age: 5", -3, 10, 18, 0},
      {"4.2.3", "the delay counts without Age", "", -3, 10, 13, 0},
      {"4.2.3", "apparent age from Date", "Date: @-20", 0, 10, 30, 0},
      {"4.2.3", "the delay is not added to the apparent age", "Date: @-20", -3, 10, 30, 0},
      {"4.2.3", "the larger of both", "Date: @-20|Age: 30", -3, 10, 43, 0},
      {"4.2.3", "Date ahead of the clock", "Date: @20", 0, 10, 10, 0},
      {"4.2.3", "a request time after the response time", "Age: 5", 7, 10, 15, 0},
      {"4.2.3", "the clock set back counts as time gone", "", 0, -10, 10, 0},
      {"5.1", "Age of 0", "Age: 0", 0, 10, 10, 0},
      {"5.1", "Age with white space", "Age:  5 ", 0, 10, 15, 0},
      {"5.1", "the first Age of a list", "Age: 5, 7", 0, 10, 15, 0},
      {"5.1", "the first of two lines", "Age: 5|Age: 7", 0, 10, 15, 0},
      {"5.1", "an empty Age", "Age: ", 0, 10, 10, 0},
      {"5.1", "Age: 1.5", "Age: 1.5", 0, 10, 10, 0},
      {"5.1", "Age: \"5\"", "Age: \"5\"", 0, 10, 10, 0},
      {"5.1", "Age: ,5", "Age: ,5", 0, 10, 10, 0},
      {"1.2.2", "Age saturates", "Age: 4294967296", 0, 10, 2147483658, 0},
      {"4.2.1", "max-age", "Cache-Control: max-age=60", 0, 10, 10, 60},
      {"4.2.1", "max-age before Expires", "Cache-Control: max-age=60|Expires: @90", 0, 10, 10, 60},
      {"4.2.1", "Expires minus Date", "Date: @-20|Expires: @90", 0, 10, 30, 110},
      {"4.2.1", "Expires minus a Date ahead", "Date: @20|Expires: @90", 0, 10, 10, 70},
      {"4.2.1", "Expires before Date is 0", "Date: @-20|Expires: @-30", 0, 10, 30, 0},
      {"4.2.1", "Expires without Date", "Expires: @90", 0, 10, 10, 90},
      {"4.2.1", "Expires with two Dates that differ", "Date: @-20|Date: @-30|Expires: @90", 0, 10, 10, 90},
      {"4.2.1", "Expires with two Dates alike", "Date: @-20|Date: @-20|Expires: @90", 0, 10, 30, 110},
      {"4.2.2", "heuristic", "Date: @-20|Last-Modified: @-1020", 0, 10, 30, 100},
      {"4.2.2", "heuristic without Date", "Last-Modified: @-1000", 0, 10, 10, 100},
      {"4.2.2", "heuristic with an unreadable Last-Modified", "Last-Modified: x", 0, 10, 10, 0},
      {"4.2.2", "heuristic with two Last-Modified that differ", "Last-Modified: @-1|Last-Modified: @-2000", 0,
       10, 10, 0},
      {"1.2.2", "max-age saturates", "Cache-Control: max-age=4294967296", 0, 10, 10, 2147483648},
  };
  check(rows, private_mode());
  check(rows, shared_mode());
  check({{"5.2.2.10", "s-maxage is not for it", "Cache-Control: s-maxage=5, max-age=60", 0, 10, 10, 60}},
        private_mode());
  check({{"5.2.2.10", "s-maxage first", "Cache-Control: s-maxage=5, max-age=60", 0, 10, 10, 5}},
        shared_mode());
}

TEST_CASE("a heuristic lifetime is capped, and a cap without end is none") {
  std::vector<Row> const rows = {{"4.2.2", "a part of the time", "Last-Modified: @-1000", 0, 10, 10, 100}};
  check(rows, private_mode().heuristic_cap(seconds::max()));
  check(rows, private_mode().heuristic_cap(seconds{101}));
  check({{"4.2.2", "the cap", "Last-Modified: @-1000", 0, 10, 10, 99}},
        private_mode().heuristic_cap(seconds{99}));
  check({{"4.2.2", "a negative cap is zero", "Last-Modified: @-1000", 0, 10, 10, 0}},
        private_mode().heuristic_cap(seconds::min()));
}

TEST_CASE("the heuristically cacheable statuses are those of RFC 9110 section 15.1") {
  std::string found;
  for (unsigned status = 0; status < 1000; ++status) {
    if (policy::is_heuristically_cacheable(status)) found += std::to_string(status) + ' ';
  }
  CHECK(found == "200 203 204 206 300 301 308 404 405 410 414 501 ");
}

TEST_CASE("ages are never negative and nothing overflows, whatever the times are") {
  std::mt19937_64 random{11};
  std::vector<TimePoint> const edges = {TimePoint::min(),
                                        TimePoint::min() + milliseconds{1},
                                        TimePoint{},
                                        TimePoint{milliseconds{-1}},
                                        t0,
                                        TimePoint::max() - milliseconds{1},
                                        TimePoint::max()};
  auto const any = [&] {
    if (random() % 3 == 0) return edges[random() % edges.size()];
    return TimePoint{milliseconds{static_cast<milliseconds::rep>(random())}};
  };
  std::vector<http::fields> stored;
  for (auto const* text :
       {"", "Age: 99999999999", "Date: @-100|Expires: @100", "Last-Modified: @-10000",
        "Date: Fri, 31 Dec 9999 23:59:59 GMT|Expires: Sat, 01 Jan 0000 00:00:00 GMT",
        "Date: Sat, 01 Jan 0000 00:00:00 GMT|Expires: Fri, 31 Dec 9999 23:59:59 GMT",
        "Last-Modified: Sat, 01 Jan 0000 00:00:00 GMT", "Cache-Control: max-age=99999999999"}) {
    stored.push_back(fields(text));
  }
  for (int i = 0; i < 20000; ++i) {
    auto const& headers = stored[random() % stored.size()];
    StoredView view{200, headers, any(), any()};
    if (random() % 2 == 0) view.expires_override(any());
    if (random() % 2 == 0) view.expires_fallback(any());
    Freshness const f{view, private_mode(), any()};
    REQUIRE(f.age() >= milliseconds{0});
    REQUIRE(f.lifetime() >= milliseconds{0});
    REQUIRE(f.is_fresh() == (f.left() > milliseconds{0}));
  }
}
