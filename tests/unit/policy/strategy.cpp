// One row a behaviour: what is asked, what is stored, how many seconds after its arrival, what is decided.

#include "beast_cache/policy/strategy.hpp"

#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::Action;
using policy::Decision;
using policy::Reason;
using policy::RequestView;
using policy::StoredView;

namespace {

constexpr auto serve = Action::serve;
constexpr auto background = Action::serve_and_revalidate;
constexpr auto validate = Action::validate;
constexpr auto fetch = Action::fetch;
constexpr auto gateway_timeout = Action::unsatisfiable;

struct Row {
  char const* section;
  char const* description;
  char const* request;
  char const* stored;
  int after;
  Action action;
  Reason reason;
};

void check(std::vector<Row> const& rows, policy::Options const& options) {
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const request = fields(row.request);
    auto const stored = fields(row.stored);
    StoredView const view{200, stored, t0, t0};
    auto const d = policy::evaluate(RequestView{http::verb::get, request}, &view, options, at(row.after));
    CHECK(static_cast<int>(d.action()) == static_cast<int>(row.action));
    CHECK(static_cast<int>(d.reason()) == static_cast<int>(row.reason));
    CHECK(d.age() >= seconds{0});
  }
}

// Rows that hold for a private and for a shared cache.
std::vector<Row> const both = {
    // Section 4, 4.2: freshness.
    {"4.2", "fresh within max-age", "", "Cache-Control: max-age=60", 59, serve, Reason::fresh},
    {"4.2", "not fresh once the age equals max-age", "", "Cache-Control: max-age=60", 60, fetch,
     Reason::stale},
    {"4.2", "stale and validated by ETag", "", "Cache-Control: max-age=60|ETag: \"a\"", 60, validate,
     Reason::stale},
    {"4.2", "stale and validated by a weak ETag", "", "Cache-Control: max-age=60|ETag: W/\"a\"", 60, validate,
     Reason::stale},
    {"4.2", "stale and validated by Last-Modified", "", "Cache-Control: max-age=60|Last-Modified: @-90", 60,
     validate, Reason::stale},
    {"4.3.1", "a malformed ETag validates nothing", "", "Cache-Control: max-age=60|ETag: a", 60, fetch,
     Reason::stale},
    {"4.3.1", "two different ETags validate nothing", "", "Cache-Control: max-age=60|ETag: \"a\"|ETag: \"b\"",
     60, fetch, Reason::stale},
    {"4.3.1", "a Last-Modified that is no date validates nothing", "",
     "Cache-Control: max-age=60|Last-Modified: yesterday", 60, fetch, Reason::stale},
    {"4.2.1", "Expires ahead of Date is fresh", "", "Date: @0|Expires: @60", 59, serve, Reason::fresh},
    {"4.2.1", "Expires reached is stale", "", "Date: @0|Expires: @60", 60, fetch, Reason::stale},
    {"4.2.1", "max-age overrides a later Expires", "", "Date: @0|Expires: @600|Cache-Control: max-age=10", 10,
     fetch, Reason::stale},
    {"4.2.1", "max-age overrides an earlier Expires", "", "Date: @0|Expires: @1|Cache-Control: max-age=10", 9,
     serve, Reason::fresh},
    {"4.2.1", "max-age overrides an invalid Expires", "", "Expires: 0|Cache-Control: max-age=10", 9, serve,
     Reason::fresh},
    {"4.2.1", "two max-age: the smaller counts", "", "Cache-Control: max-age=100, max-age=5", 5, fetch,
     Reason::stale},
    {"4.2.1", "two max-age on two lines: the smaller counts", "",
     "Cache-Control: max-age=5|Cache-Control: max-age=100", 5, fetch, Reason::stale},
    {"4.2.1", "a max-age that is no number is stale", "", "Cache-Control: max-age=soon", 0, fetch,
     Reason::stale},
    {"4.2.1", "a negative max-age is stale", "", "Cache-Control: max-age=-1", 0, fetch, Reason::stale},
    {"4.2.1", "a fractional max-age is stale", "", "Cache-Control: max-age=9.5", 0, fetch, Reason::stale},
    {"4.2.1", "a max-age without a value is stale", "", "Cache-Control: max-age", 0, fetch, Reason::stale},
    {"4.2.1", "an invalid max-age is not mended by Expires", "",
     "Date: @0|Expires: @60|Cache-Control: max-age=x", 1, fetch, Reason::stale},
    {"5.2", "a quoted max-age counts", "", "Cache-Control: max-age=\"60\"", 59, serve, Reason::fresh},
    {"5.2", "a directive's name in any case", "", "Cache-Control: MAX-Age=60", 59, serve, Reason::fresh},
    {"5.2", "unknown directives are passed over", "",
     "Cache-Control: x, y=\"no-store, no-cache\", max-age=60", 59, serve, Reason::fresh},
    {"1.2.2", "max-age beyond 2^31 is fresh for long", "",
     "Cache-Control: max-age=99999999999999999999999999", 1000000, serve, Reason::fresh},
    {"4.2.1", "max-age=0 is stale at once", "", "Cache-Control: max-age=0|ETag: \"a\"", 0, validate,
     Reason::stale},
    {"5.3", "Expires: 0 has expired", "", "Expires: 0|ETag: \"a\"", 0, validate, Reason::stale},
    {"5.3", "Expires: -1 has expired", "", "Expires: -1", 0, fetch, Reason::stale},
    {"5.3", "Expires equal to Date has expired", "", "Date: @0|Expires: @0", 0, fetch, Reason::stale},
    {"5.3", "Expires counts from arrival where Date is absent", "", "Expires: @60", 59, serve, Reason::fresh},
    {"5.3", "Expires counts from arrival where Date is invalid", "", "Date: today|Expires: @60", 59, serve,
     Reason::fresh},
    {"5.3", "two Expires: the earlier counts", "", "Date: @0|Expires: @60|Expires: @10", 10, fetch,
     Reason::stale},
    {"5.3", "two Expires, one invalid: expired", "", "Date: @0|Expires: @60|Expires: 0", 1, fetch,
     Reason::stale},
    {"5.3", "Expires with another zone than GMT is invalid", "",
     "Date: @0|Expires: Thu, 01 Jan 2026 01:00:00 CET", 1, fetch, Reason::stale},
    {"4.2", "Expires in lower case is read", "", "Date: @0|Expires: thu, 01 jan 2026 01:00:00 gmt", 3599,
     serve, Reason::fresh},
    {"5.3", "Expires in RFC 850's form is read", "", "Date: @0|Expires: Thursday, 01-Jan-26 01:00:00 GMT",
     3599, serve, Reason::fresh},
    {"5.3", "Expires in asctime's form is read", "", "Date: @0|Expires: Thu Jan  1 01:00:00 2026", 3599,
     serve, Reason::fresh},
    // Age.
    {"4.2.3", "Age counts against max-age", "", "Cache-Control: max-age=60|Age: 50", 9, serve, Reason::fresh},
    {"4.2.3", "Age counts against max-age, to the second", "", "Cache-Control: max-age=60|Age: 50", 10, fetch,
     Reason::stale},
    {"4.2.3", "an old Date counts as age", "", "Cache-Control: max-age=60|Date: @-50", 10, fetch,
     Reason::stale},
    {"4.2.3", "Date and Age: the larger counts", "", "Cache-Control: max-age=60|Date: @-50|Age: 20", 9, serve,
     Reason::fresh},
    {"4.2.3", "a Date in the future gives no negative age", "", "Cache-Control: max-age=60|Date: @3600", 59,
     serve, Reason::fresh},
    {"4.2.3", "a Date in the future does not lengthen max-age", "", "Cache-Control: max-age=60|Date: @3600",
     60, fetch, Reason::stale},
    {"5.1", "of several Age members the first counts", "", "Cache-Control: max-age=60|Age: 10, 90", 49, serve,
     Reason::fresh},
    {"5.1", "an invalid Age is ignored", "", "Cache-Control: max-age=60|Age: old", 59, serve, Reason::fresh},
    {"5.1", "a negative Age is ignored", "", "Cache-Control: max-age=60|Age: -7", 59, serve, Reason::fresh},
    {"5.1", "an Age beyond 2^31 is very old", "", "Cache-Control: max-age=60|Age: 99999999999999999999", 0,
     fetch, Reason::stale},
    {"4.2.3", "a clock set back far makes an entry stale, not fresh for ever", "",
     "Cache-Control: max-age=60", -86400, fetch, Reason::stale},
    {"4.2.3", "a clock set back a little leaves it fresh", "", "Cache-Control: max-age=60", -2, serve,
     Reason::fresh},
    // Heuristics.
    {"4.2.2", "a tenth of the time since Last-Modified", "", "Date: @0|Last-Modified: @-1000", 99, serve,
     Reason::fresh},
    {"4.2.2", "and no more", "", "Date: @0|Last-Modified: @-1000", 100, validate, Reason::stale},
    {"4.2.2", "capped at a day", "", "Date: @0|Last-Modified: @-100000000", 86399, serve, Reason::fresh},
    {"4.2.2", "capped at a day, to the second", "", "Date: @0|Last-Modified: @-100000000", 86400, validate,
     Reason::stale},
    {"4.2.2", "no heuristic without Last-Modified", "", "ETag: \"a\"", 0, validate, Reason::stale},
    {"4.2.2", "no heuristic beside an explicit expiry", "", "Date: @0|Expires: @1|Last-Modified: @-1000", 50,
     validate, Reason::stale},
    {"4.2.2", "Last-Modified after Date gives no lifetime", "", "Date: @0|Last-Modified: @50", 0, validate,
     Reason::stale},
    {"4.2.2", "a Date in the future does not lengthen the heuristic", "",
     "Date: @100000|Last-Modified: @-1000", 100, validate, Reason::stale},
    {"4", "nothing that speaks of freshness: stale", "", "Content-Type: text/plain", 0, fetch, Reason::stale},
    // Response directives.
    {"5.2.2.4", "no-cache is validated though fresh", "", "Cache-Control: no-cache, max-age=60|ETag: \"a\"",
     1, validate, Reason::response_no_cache},
    {"5.2.2.4", "no-cache without validator is fetched", "", "Cache-Control: no-cache, max-age=60", 1, fetch,
     Reason::response_no_cache},
    {"5.2.2.4", "no-cache on a line of its own", "",
     "Cache-Control: max-age=60|Cache-Control: no-cache|ETag: \"a\"", 1, validate, Reason::response_no_cache},
    {"5.2.2.4", "No-CaChe", "", "Cache-Control: No-CaChe, max-age=60|ETag: \"a\"", 1, validate,
     Reason::response_no_cache},
    {"5.2.2.4", "no-cache that names a field which is not there", "",
     "Cache-Control: no-cache=\"Set-Cookie\", max-age=60", 1, serve, Reason::fresh},
    {"5.2.2.4", "no-cache that names a field which is there", "",
     "Cache-Control: no-cache=\"Set-Cookie\", max-age=60|Set-Cookie: a=b", 1, fetch,
     Reason::response_no_cache},
    {"5.2.2.4", "no-cache with an empty list counts whole", "", "Cache-Control: no-cache=\"\", max-age=60", 1,
     fetch, Reason::response_no_cache},
    {"5.2.2.4", "no-cache with a token for a list counts whole", "",
     "Cache-Control: no-cache=Set-Cookie, max-age=60", 1, fetch, Reason::response_no_cache},
    {"5.2.2.4", "no-cache that names a field the rules need counts whole", "",
     "Cache-Control: no-cache=\"Vary\", max-age=60", 1, fetch, Reason::response_no_cache},
    {"5.2.2.4", "no-cache behind an unclosed quote counts", "", "Cache-Control: x=\"a, no-cache, max-age=60",
     1, fetch, Reason::response_no_cache},
    {"5.2.2.4", "no-cache behind a semicolon counts", "", "Cache-Control: max-age=60; no-cache", 1, fetch,
     Reason::response_no_cache},
    {"5.2.2.5", "a stored no-store is never reused", "", "Cache-Control: no-store, max-age=60|ETag: \"a\"", 1,
     fetch, Reason::not_reusable},
    {"5.2.2.5", "no-store with an argument is no-store", "", "Cache-Control: no-store=1, max-age=60", 1,
     fetch, Reason::not_reusable},
    {"5.2.2.5", "no-store behind a blank is no-store", "", "Cache-Control: max-age=60 no-store", 1, fetch,
     Reason::not_reusable},
    {"5.2.2.5", "no-store within a quoted argument is not one", "",
     "Cache-Control: x=\"no-store\", max-age=60", 1, serve, Reason::fresh},
    {"5.2.2.3", "must-understand sets no-store aside", "",
     "Cache-Control: must-understand, no-store, max-age=60", 1, serve, Reason::fresh},
    {"5.2.2.2", "must-revalidate is served while fresh", "", "Cache-Control: must-revalidate, max-age=60", 1,
     serve, Reason::fresh},
    {"5.2.2.2", "must-revalidate is validated once stale", "",
     "Cache-Control: must-revalidate, max-age=60|ETag: \"a\"", 60, validate, Reason::stale},
    {"8246", "immutable makes nothing fresh", "", "Cache-Control: immutable", 1, fetch, Reason::stale},
    {"5.2.2.9", "public makes nothing fresh", "", "Cache-Control: public", 1, fetch, Reason::stale},
    {"5.4", "Pragma in a response means nothing", "", "Pragma: no-cache|Cache-Control: max-age=60", 1, serve,
     Reason::fresh},
    // Request directives.
    {"5.2.1.4", "the request's no-cache", "Cache-Control: no-cache", "Cache-Control: max-age=60|ETag: \"a\"",
     1, validate, Reason::request_no_cache},
    {"5.2.1.4", "the request's no-cache without validator", "Cache-Control: no-cache",
     "Cache-Control: max-age=60", 1, fetch, Reason::request_no_cache},
    {"5.2.1.4", "the request's no-cache with an argument", "Cache-Control: no-cache=\"x\"",
     "Cache-Control: max-age=60", 1, fetch, Reason::request_no_cache},
    {"5.2.1.4", "the request's no-cache on a stale response", "Cache-Control: no-cache",
     "Cache-Control: max-age=60|ETag: \"a\"", 61, validate, Reason::stale},
    {"5.4", "Pragma: no-cache", "Pragma: no-cache", "Cache-Control: max-age=60", 1, fetch,
     Reason::request_no_cache},
    {"5.4", "Pragma: No-Cache among others", "Pragma: x, No-Cache", "Cache-Control: max-age=60", 1, fetch,
     Reason::request_no_cache},
    {"5.4", "Pragma beside Cache-Control does not count", "Pragma: no-cache|Cache-Control: max-age=30",
     "Cache-Control: max-age=60", 1, serve, Reason::fresh},
    {"5.4", "another Pragma", "Pragma: x", "Cache-Control: max-age=60", 1, serve, Reason::fresh},
    {"5.2.1.5", "the request's no-store", "Cache-Control: no-store", "Cache-Control: max-age=60|ETag: \"a\"",
     1, fetch, Reason::request_no_store},
    {"5.2.1.5", "the request's malformed no-store", "Cache-Control: no-store=\"", "Cache-Control: max-age=60",
     1, fetch, Reason::request_no_store},
    {"5.2.1.1", "the request's max-age not yet reached", "Cache-Control: max-age=10",
     "Cache-Control: max-age=60", 10, serve, Reason::fresh},
    {"5.2.1.1", "the request's max-age exceeded", "Cache-Control: max-age=10",
     "Cache-Control: max-age=60|ETag: \"a\"", 11, validate, Reason::request_max_age},
    {"5.2.1.1", "max-age counts Age", "Cache-Control: max-age=10", "Cache-Control: max-age=60|Age: 11", 0,
     fetch, Reason::request_max_age},
    {"5.2.1.1", "max-age=0 asks for a validation at once", "Cache-Control: max-age=0",
     "Cache-Control: max-age=60|ETag: \"a\"", 0, validate, Reason::request_max_age},
    {"5.2.1.1", "an invalid max-age counts as 0", "Cache-Control: max-age=x", "Cache-Control: max-age=60", 0,
     fetch, Reason::request_max_age},
    {"5.2.1.1", "a larger max-age does not make stale fresh", "Cache-Control: max-age=600",
     "Cache-Control: max-age=60", 61, fetch, Reason::stale},
    {"5.2.1.3", "min-fresh met", "Cache-Control: min-fresh=20", "Cache-Control: max-age=60", 40, serve,
     Reason::fresh},
    {"5.2.1.3", "min-fresh not met", "Cache-Control: min-fresh=20", "Cache-Control: max-age=60|ETag: \"a\"",
     41, validate, Reason::request_min_fresh},
    {"5.2.1.3", "an invalid min-fresh is never met", "Cache-Control: min-fresh=x",
     "Cache-Control: max-age=60", 1, fetch, Reason::request_min_fresh},
    {"5.2.1.3", "min-fresh=0 met by what is fresh", "Cache-Control: min-fresh=0", "Cache-Control: max-age=60",
     59, serve, Reason::fresh},
    {"5.2.1.3", "min-fresh=0 not met by what is stale", "Cache-Control: min-fresh=0, max-stale",
     "Cache-Control: max-age=60", 61, fetch, Reason::stale},
    {"5.2.1.2", "max-stale within its limit", "Cache-Control: max-stale=30", "Cache-Control: max-age=60", 90,
     serve, Reason::stale_max_stale},
    {"5.2.1.2", "max-stale beyond its limit", "Cache-Control: max-stale=30",
     "Cache-Control: max-age=60|ETag: \"a\"", 91, validate, Reason::stale},
    {"5.2.1.2", "max-stale without a limit", "Cache-Control: max-stale", "Cache-Control: max-age=60", 1000000,
     serve, Reason::stale_max_stale},
    {"5.2.1.2", "two max-stale: the smaller counts", "Cache-Control: max-stale=30, max-stale=5",
     "Cache-Control: max-age=60", 70, fetch, Reason::stale},
    {"5.2.1.2", "an invalid max-stale permits nothing", "Cache-Control: max-stale=x",
     "Cache-Control: max-age=60", 61, fetch, Reason::stale},
    {"5.2.1.2", "max-stale leaves fresh responses alone", "Cache-Control: max-stale=30",
     "Cache-Control: max-age=60", 10, serve, Reason::fresh},
    {"5.2.1.2", "max-stale does not lift the request's max-age", "Cache-Control: max-age=10, max-stale=30",
     "Cache-Control: max-age=60", 11, fetch, Reason::request_max_age},
    {"5.2.1.2", "max-stale does not lift the request's no-cache", "Cache-Control: no-cache, max-stale",
     "Cache-Control: max-age=60", 70, fetch, Reason::stale},
    {"4.2.4", "max-stale yields to must-revalidate", "Cache-Control: max-stale",
     "Cache-Control: max-age=60, must-revalidate|ETag: \"a\"", 61, validate, Reason::stale},
    {"4.2.4", "max-stale yields to no-cache", "Cache-Control: max-stale",
     "Cache-Control: max-age=60, no-cache", 61, fetch, Reason::response_no_cache},
    {"5.2.1.7", "only-if-cached served from what is fresh", "Cache-Control: only-if-cached",
     "Cache-Control: max-age=60", 1, serve, Reason::fresh},
    {"5.2.1.7", "only-if-cached and stale is 504", "Cache-Control: only-if-cached",
     "Cache-Control: max-age=60|ETag: \"a\"", 61, gateway_timeout, Reason::stale},
    {"5.2.1.7", "only-if-cached with max-stale", "Cache-Control: only-if-cached, max-stale",
     "Cache-Control: max-age=60", 61, serve, Reason::stale_max_stale},
    {"5.2.1.7", "only-if-cached with no-cache is 504", "Cache-Control: only-if-cached, no-cache",
     "Cache-Control: max-age=60", 1, gateway_timeout, Reason::request_no_cache},
    {"5.2.1.7", "only-if-cached with no-store is 504", "Cache-Control: only-if-cached, no-store",
     "Cache-Control: max-age=60", 1, gateway_timeout, Reason::request_no_store},
    {"5.2.1.7", "only-if-cached of another variant is 504", "Cache-Control: only-if-cached|A: 1",
     "Cache-Control: max-age=60|Vary: A", 1, gateway_timeout, Reason::vary_miss},
    {"5.2.1.7", "only-if-cached with Range is 504", "Cache-Control: only-if-cached|Range: bytes=0-1",
     "Cache-Control: max-age=60", 1, gateway_timeout, Reason::range},
    // RFC 5861.
    {"5861-3", "stale-while-revalidate within its time", "",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 90, background, Reason::stale_while_revalidate},
    {"5861-3", "stale-while-revalidate past its time", "",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 91, fetch, Reason::stale},
    {"5861-3", "stale-while-revalidate while fresh", "",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 59, serve, Reason::fresh},
    {"5861-3", "stale-while-revalidate yields to must-revalidate", "",
     "Cache-Control: max-age=60, must-revalidate, stale-while-revalidate=30", 61, fetch, Reason::stale},
    {"5861-3", "stale-while-revalidate yields to no-cache", "",
     "Cache-Control: no-cache, stale-while-revalidate=30", 1, fetch, Reason::response_no_cache},
    {"5861-3", "an invalid stale-while-revalidate permits nothing", "",
     "Cache-Control: max-age=60, stale-while-revalidate=x", 61, fetch, Reason::stale},
    {"5861-3", "stale-while-revalidate yields to the request's max-age", "Cache-Control: max-age=600",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 61, fetch, Reason::stale},
    {"5861-3", "stale-while-revalidate yields to the request's no-cache", "Cache-Control: no-cache",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 61, fetch, Reason::stale},
    {"5861-3", "stale-while-revalidate with only-if-cached asks no origin", "Cache-Control: only-if-cached",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 61, serve, Reason::stale_while_revalidate},
    {"5861-3", "stale-while-revalidate yields to a smaller max-stale", "Cache-Control: max-stale=5",
     "Cache-Control: max-age=60, stale-while-revalidate=30", 66, fetch, Reason::stale},
    // What is not yet answered from the cache.
    {"3.3", "Range bypasses", "Range: bytes=0-1", "Cache-Control: max-age=60", 1, fetch, Reason::range},
    {"3.3", "If-Range bypasses", "If-Range: \"a\"", "Cache-Control: max-age=60", 1, fetch, Reason::range},
    {"4.3.2", "the caller's If-None-Match bypasses", "If-None-Match: \"a\"",
     "Cache-Control: max-age=60|ETag: \"a\"", 1, fetch, Reason::conditional},
    {"4.3.2", "the caller's If-Modified-Since bypasses", "If-Modified-Since: @0", "Cache-Control: max-age=60",
     1, fetch, Reason::conditional},
    {"4.3.2", "the caller's If-Match bypasses", "If-Match: *", "Cache-Control: max-age=60", 1, fetch,
     Reason::conditional},
    {"4.3.2", "the caller's If-Unmodified-Since bypasses", "If-Unmodified-Since: @0",
     "Cache-Control: max-age=60", 1, fetch, Reason::conditional},
    {"9110-7.8", "Upgrade bypasses", "Upgrade: websocket", "Cache-Control: max-age=60", 1, fetch,
     Reason::upgrade},
    {"4", "a method in a field bypasses", "X-HTTP-Method-Override: DELETE", "Cache-Control: max-age=60", 1,
     fetch, Reason::method_override},
    {"4", "another X- field does not", "X-Requested-With: XMLHttpRequest", "Cache-Control: max-age=60", 1,
     serve, Reason::fresh},
    {"9110-14.4", "Content-Range means nothing with a 200", "",
     "Cache-Control: max-age=60|Content-Range: bytes 0-1/9", 1, serve, Reason::fresh},
    // Vary.
    {"4.1", "a field that Vary names is absent in both", "", "Cache-Control: max-age=60|Vary: A", 1, serve,
     Reason::fresh},
    {"4.1", "a field that Vary names is new", "A: 1", "Cache-Control: max-age=60|Vary: A", 1, fetch,
     Reason::vary_miss},
    {"4.1", "absent is not empty", "A:", "Cache-Control: max-age=60|Vary: A", 1, fetch, Reason::vary_miss},
    {"4.1", "Vary: * never matches", "", "Cache-Control: max-age=60|Vary: *", 1, fetch, Reason::vary_miss},
    {"4.1", "* among others never matches", "", "Cache-Control: max-age=60|Vary: A, *", 1, fetch,
     Reason::vary_miss},
    {"4.1", "* on another line never matches", "", "Cache-Control: max-age=60|Vary: A|Vary: *", 1, fetch,
     Reason::vary_miss},
    {"4.1", "a Vary that can't be read never matches", "", "Cache-Control: max-age=60|Vary: A B", 1, fetch,
     Reason::vary_miss},
    {"4.1", "an empty Vary names nothing", "A: 1", "Cache-Control: max-age=60|Vary: ", 1, serve,
     Reason::fresh},
    {"4.1", "a request that bypasses does so before Vary", "A: 1|Range: bytes=0-1",
     "Cache-Control: max-age=60|Vary: A", 1, fetch, Reason::range},
};

std::vector<Row> const private_only = {
    {"5861-3", "s-maxage does not forbid stale-while-revalidate", "",
     "Cache-Control: s-maxage=1, max-age=60, stale-while-revalidate=9", 61, background,
     Reason::stale_while_revalidate},
    {"5861-3", "proxy-revalidate does not forbid stale-while-revalidate", "",
     "Cache-Control: proxy-revalidate, max-age=60, stale-while-revalidate=9", 61, background,
     Reason::stale_while_revalidate},
    {"5.2.2.10", "the heuristic counts beside s-maxage", "",
     "Cache-Control: s-maxage=1|Date: @0|Last-Modified: @-1000", 99, serve, Reason::fresh},
    {"5.2.2.10", "Expires counts beside s-maxage", "", "Cache-Control: s-maxage=1|Date: @0|Expires: @60", 59,
     serve, Reason::fresh},
    {"9213-2.2", "CDN-Cache-Control means nothing", "",
     "CDN-Cache-Control: no-store|Cache-Control: max-age=60", 1, serve, Reason::fresh},
    {"5.2.2.10", "s-maxage means nothing", "", "Cache-Control: s-maxage=600, max-age=60", 61, fetch,
     Reason::stale},
    {"5.2.2.10", "s-maxage alone makes nothing fresh", "", "Cache-Control: s-maxage=600", 1, fetch,
     Reason::stale},
    {"5.2.2.7", "private is served", "", "Cache-Control: private, max-age=60", 1, serve, Reason::fresh},
    {"5.2.2.7", "private with a field that is there is served", "",
     "Cache-Control: private=\"X\", max-age=60|X: 1", 1, serve, Reason::fresh},
    {"5.2.2.8", "proxy-revalidate means nothing", "Cache-Control: max-stale",
     "Cache-Control: proxy-revalidate, max-age=60", 61, serve, Reason::stale_max_stale},
    {"4.2.4", "s-maxage does not forbid stale", "Cache-Control: max-stale",
     "Cache-Control: s-maxage=60, max-age=60", 61, serve, Reason::stale_max_stale},
};

std::vector<Row> const shared_only = {
    {"5861-3", "s-maxage forbids stale-while-revalidate", "",
     "Cache-Control: s-maxage=60, stale-while-revalidate=9", 61, fetch, Reason::stale},
    {"5.2.2.10", "no heuristic beside s-maxage", "",
     "Cache-Control: s-maxage=1|Date: @0|Last-Modified: @-1000", 50, validate, Reason::stale},
    {"5.2.2.10", "s-maxage=0 is stale at once", "", "Cache-Control: s-maxage=0, max-age=60|ETag: \"a\"", 0,
     validate, Reason::stale},
    {"5.2.2.10", "two s-maxage: the smaller counts", "", "Cache-Control: s-maxage=60, s-maxage=5", 5, fetch,
     Reason::stale},
    {"5.2.2.8", "proxy-revalidate is served while fresh", "", "Cache-Control: proxy-revalidate, max-age=60",
     59, serve, Reason::fresh},
    {"5.2.2.8", "a proxy-revalidate with an argument counts", "Cache-Control: max-stale",
     "Cache-Control: proxy-revalidate=1, max-age=60", 61, fetch, Reason::stale},
    {"5.2.2.7", "private behind junk is private", "", "Cache-Control: max-age=60; private", 1, fetch,
     Reason::not_reusable},
    {"5.2.2.7", "private with a field the rules need is private", "",
     "Cache-Control: private=\"ETag\", max-age=60", 1, fetch, Reason::not_reusable},
    {"5.2.2.3", "must-understand does not set private aside", "",
     "Cache-Control: must-understand, private, max-age=60", 1, fetch, Reason::not_reusable},
    {"4.2.2", "the heuristic counts for a shared cache too", "", "Date: @0|Last-Modified: @-1000", 99, serve,
     Reason::fresh},
    {"9213-2.2", "CDN-Cache-Control forbids", "", "CDN-Cache-Control: no-store|Cache-Control: max-age=60", 1,
     fetch, Reason::not_reusable},
    {"9213-2.2", "CDN-Cache-Control is validated by", "",
     "CDN-Cache-Control: no-cache|Cache-Control: max-age=60|ETag: \"a\"", 1, validate,
     Reason::response_no_cache},
    {"5.2.2.10", "s-maxage overrides max-age", "", "Cache-Control: s-maxage=600, max-age=60", 599, serve,
     Reason::fresh},
    {"5.2.2.10", "a smaller s-maxage overrides max-age", "", "Cache-Control: s-maxage=6, max-age=60", 6,
     fetch, Reason::stale},
    {"5.2.2.10", "s-maxage overrides Expires", "", "Date: @0|Expires: @1|Cache-Control: s-maxage=60", 59,
     serve, Reason::fresh},
    {"5.2.2.10", "an invalid s-maxage is stale", "", "Cache-Control: s-maxage=x, max-age=60", 1, fetch,
     Reason::stale},
    {"5.2.2.10", "s-maxage forbids stale", "Cache-Control: max-stale",
     "Cache-Control: s-maxage=60|ETag: \"a\"", 61, validate, Reason::stale},
    {"5.2.2.8", "proxy-revalidate forbids stale", "Cache-Control: max-stale",
     "Cache-Control: proxy-revalidate, max-age=60", 61, fetch, Reason::stale},
    {"5.2.2.8", "proxy-revalidate forbids stale-while-revalidate", "",
     "Cache-Control: proxy-revalidate, max-age=60, stale-while-revalidate=9", 61, fetch, Reason::stale},
    {"5.2.2.7", "a private response from another's file is not reused", "",
     "Cache-Control: private, max-age=60", 1, fetch, Reason::not_reusable},
    {"5.2.2.7", "private with an empty list is private", "", "Cache-Control: private=\"\", max-age=60", 1,
     fetch, Reason::not_reusable},
    {"5.2.2.7", "private with a field that was taken out", "", "Cache-Control: private=\"X\", max-age=60", 1,
     serve, Reason::fresh},
    {"5.2.2.7", "private with a field that is there", "", "Cache-Control: private=\"X\", max-age=60|X: 1", 1,
     fetch, Reason::not_reusable},
};

Decision decide(http::verb method, http::fields const& request, StoredView const* stored, int after,
                policy::Options const& options = {}) {
  return policy::evaluate(RequestView{method, request}, stored, options, at(after));
}

}  // namespace

TEST_CASE("a private cache decides as RFC 9111 says") {
  check(both, private_mode());
  check(private_only, private_mode());
}

TEST_CASE("a shared cache decides as RFC 9111 says") {
  check(both, shared_mode());
  check(shared_only, shared_mode());
}

TEST_CASE("only GET and HEAD are answered, and HEAD from a stored GET too") {
  auto const none = fields("");
  auto const headers = fields("Cache-Control: max-age=60|ETag: \"a\"");
  auto const held = fields("Cache-Control: only-if-cached");
  StoredView const get{200, headers, t0, t0};
  StoredView const head = StoredView{200, headers, t0, t0}.method(http::verb::head);
  for (auto const method :
       {http::verb::post, http::verb::put, http::verb::patch, http::verb::delete_, http::verb::options,
        http::verb::trace, http::verb::connect, http::verb::unknown}) {
    auto const d = decide(method, none, &get, 1);
    CHECK(d.action() == Action::fetch);
    CHECK(d.reason() == Reason::method);
    CHECK(d.selected() == nullptr);
    CHECK(decide(method, held, &get, 1).action() == Action::fetch);
  }
  CHECK(decide(http::verb::get, none, &get, 1).action() == Action::serve);
  CHECK(decide(http::verb::head, none, &get, 1).action() == Action::serve);
  CHECK(decide(http::verb::head, none, &head, 1).action() == Action::serve);
  CHECK(decide(http::verb::get, none, &head, 1).reason() == Reason::uri_miss);
  // A stale GET can't be validated by a HEAD, a stale HEAD can.
  CHECK(decide(http::verb::head, none, &get, 61).action() == Action::fetch);
  CHECK(decide(http::verb::head, none, &head, 61).action() == Action::validate);
}

TEST_CASE("nothing stored is a miss, or 504 where only the cache may answer") {
  CHECK(decide(http::verb::get, fields(""), nullptr, 0).action() == Action::fetch);
  CHECK(decide(http::verb::get, fields(""), nullptr, 0).reason() == Reason::uri_miss);
  CHECK(decide(http::verb::get, fields("Cache-Control: no-store"), nullptr, 0).reason() ==
        Reason::request_no_store);
  CHECK_FALSE(decide(http::verb::get, fields(""), nullptr, 0).may_serve_stale_on_error());
  CHECK(decide(http::verb::get, fields("Cache-Control: only-if-cached"), nullptr, 0).action() ==
        Action::unsatisfiable);
}

TEST_CASE("a response with a status that is never stored whole is not reused") {
  auto const none = fields("");
  auto const headers = fields("Cache-Control: max-age=60");
  for (unsigned const status : {0u, 100u, 101u, 103u, 206u, 304u, 600u, 999u}) {
    StoredView const view{status, headers, t0, t0};
    CHECK(decide(http::verb::get, none, &view, 1).reason() == Reason::not_reusable);
  }
  auto const careful = fields("Cache-Control: max-age=60, must-understand");
  StoredView const unknown{299, careful, t0, t0};
  CHECK(decide(http::verb::get, none, &unknown, 1).reason() == Reason::not_reusable);
}

TEST_CASE("a decision tells age and time left") {
  auto const none = fields("");
  auto const headers = fields("Cache-Control: max-age=60|Age: 10|ETag: \"a\"");
  StoredView const view{200, headers, t0 - milliseconds{500}, t0};
  auto const fresh = policy::evaluate(RequestView{http::verb::get, none}, &view, {}, at(5));
  CHECK(fresh.age() == seconds{15});
  CHECK(fresh.ttl() == seconds{44});
  CHECK(fresh.selected() == &view);
  CHECK_FALSE(fresh.forwards());
  auto const stale = policy::evaluate(RequestView{http::verb::get, none}, &view, {}, at(60));
  CHECK(stale.age() == seconds{70});
  CHECK(stale.ttl() == seconds{-11});
  CHECK(stale.selected() == &view);
  CHECK(stale.forwards());
}

TEST_CASE("an invalidated entry is validated, never served, not even when the origin is away") {
  auto const none = fields("");
  auto const headers = fields("Cache-Control: max-age=60, stale-if-error=600|ETag: \"a\"");
  StoredView const view = StoredView{200, headers, t0, t0}.invalidated(true);
  for (int const after : {1, 61}) {
    auto const d = decide(http::verb::get, none, &view, after);
    CHECK(d.action() == Action::validate);
    CHECK(d.reason() == Reason::invalidated);
    CHECK_FALSE(d.may_serve_stale_on_error());
    CHECK_FALSE(d.may_serve_stale_on_status(503));
  }
}

namespace {
struct StaleRow {
  char const* section;
  char const* description;
  char const* request;
  char const* stored;
  int after;
  bool on_error;
  bool on_503;
};

void check_stale(std::vector<StaleRow> const& rows, policy::Options const& options) {
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const request = fields(row.request);
    auto const stored = fields(row.stored);
    StoredView const view{200, stored, t0, t0};
    auto const d = decide(http::verb::get, request, &view, row.after, options);
    CHECK(d.forwards());
    CHECK(d.may_serve_stale_on_error() == row.on_error);
    CHECK(d.may_serve_stale_on_status(503) == row.on_503);
    CHECK(d.may_serve_stale_on_status(500) == row.on_503);
    CHECK(d.may_serve_stale_on_status(502) == row.on_503);
    CHECK(d.may_serve_stale_on_status(504) == row.on_503);
    for (unsigned const status : {200u, 304u, 404u, 429u, 501u, 505u}) {
      CHECK_FALSE(d.may_serve_stale_on_status(status));
    }
  }
}
}  // namespace

TEST_CASE("a stale response stands in for a failing origin where nothing forbids it") {
  std::vector<StaleRow> const rows = {
      {"4.2.4", "by default when the origin is away, not for its errors", "", "Cache-Control: max-age=60", 61,
       true, false},
      {"4.2.4", "whatever its staleness", "", "Cache-Control: max-age=60", 100000000, true, false},
      {"4.2.4", "not with must-revalidate", "", "Cache-Control: max-age=60, must-revalidate", 61, false,
       false},
      {"4.2.4", "not with no-cache", "", "Cache-Control: max-age=60, no-cache", 61, false, false},
      {"5861-4", "not with must-revalidate and stale-if-error", "",
       "Cache-Control: max-age=60, must-revalidate, stale-if-error=99", 61, false, false},
      {"5861-4", "stale-if-error permits errors", "", "Cache-Control: max-age=60, stale-if-error=30", 90,
       true, true},
      {"5861-4", "stale-if-error limits", "", "Cache-Control: max-age=60, stale-if-error=30", 91, false,
       false},
      {"5861-4", "an invalid stale-if-error limits to nothing", "",
       "Cache-Control: max-age=60, stale-if-error=x", 61, false, false},
      {"5861-4", "the request's stale-if-error permits", "Cache-Control: stale-if-error=30",
       "Cache-Control: max-age=60", 90, true, true},
      {"5861-4", "the request's stale-if-error limits", "Cache-Control: stale-if-error=30",
       "Cache-Control: max-age=60", 91, false, false},
      {"5861-4", "of two the smaller limits", "Cache-Control: stale-if-error=30",
       "Cache-Control: max-age=60, stale-if-error=10", 80, false, false},
      {"5861-4", "the request's stale-if-error yields to must-revalidate", "Cache-Control: stale-if-error=30",
       "Cache-Control: max-age=60, must-revalidate", 61, false, false},
      {"5.2.1.4", "not when the request said no-cache", "Cache-Control: no-cache",
       "Cache-Control: max-age=60", 61, false, false},
      {"5.2.1.1", "not when the request limits the age", "Cache-Control: max-age=600",
       "Cache-Control: max-age=60", 61, false, false},
      {"5.2.1.3", "not when the request asks for freshness", "Cache-Control: min-fresh=1",
       "Cache-Control: max-age=60", 61, false, false},
      {"5.2.1.2", "not beyond the request's max-stale", "Cache-Control: max-stale=5",
       "Cache-Control: max-age=60", 66, false, false},
      {"5.2.1.5", "not when the request said no-store", "Cache-Control: no-store",
       "Cache-Control: max-age=60", 61, false, false},
      {"4.1", "not another variant", "A: 1", "Cache-Control: max-age=60|Vary: A", 61, false, false},
      {"5.2.2.5", "not a stored no-store", "", "Cache-Control: max-age=60, no-store", 61, false, false},
      {"3.3", "not for Range", "Range: bytes=0-1", "Cache-Control: max-age=60", 61, false, false},
  };
  check_stale(rows, private_mode());
  check_stale(rows, shared_mode());
  check_stale(
      {{"5.2.2.8", "proxy-revalidate", "", "Cache-Control: max-age=60, proxy-revalidate", 61, true, false},
       {"5.2.2.10", "s-maxage", "", "Cache-Control: max-age=60, s-maxage=60", 61, true, false}},
      private_mode());
  check_stale(
      {{"5.2.2.8", "proxy-revalidate", "", "Cache-Control: max-age=60, proxy-revalidate", 61, false, false},
       {"5.2.2.10", "s-maxage", "", "Cache-Control: max-age=60, s-maxage=60", 61, false, false}},
      shared_mode());
}

TEST_CASE("the options about stale responses work") {
  auto const none = fields("");
  auto const plain = fields("Cache-Control: max-age=60");
  auto const extended = fields("Cache-Control: max-age=60, stale-if-error=30, stale-while-revalidate=30");
  StoredView const a{200, plain, t0, t0};
  StoredView const b{200, extended, t0, t0};
  auto const strict = policy::Options{}.stale_on_error(false);
  CHECK_FALSE(decide(http::verb::get, none, &a, 61, strict).may_serve_stale_on_error());
  auto const no_background = fields("Cache-Control: max-age=60, stale-if-error=30");
  StoredView const c{200, no_background, t0, t0};
  CHECK(decide(http::verb::get, none, &c, 61, strict).may_serve_stale_on_error());
  auto const plainly = policy::Options{}.stale_extensions(false);
  CHECK(decide(http::verb::get, none, &b, 61).action() == Action::serve_and_revalidate);
  // Who would rather wait for the validation may still fall back.
  CHECK(decide(http::verb::get, none, &b, 61, strict).may_serve_stale_on_error());
  CHECK(decide(http::verb::get, none, &b, 61, strict).may_serve_stale_on_status(503));
  CHECK(decide(http::verb::get, none, &b, 61, plainly).action() == Action::fetch);
  CHECK_FALSE(decide(http::verb::get, none, &b, 61, plainly).may_serve_stale_on_status(503));
  CHECK(decide(http::verb::get, none, &b, 61, plainly).may_serve_stale_on_error());
}

TEST_CASE("a user's expiry goes before the response's lifetime, a user's default after it") {
  auto const none = fields("");
  auto const decide_with = [&](char const* stored, std::optional<TimePoint> first,
                               std::optional<TimePoint> last, int after, policy::Options const& options) {
    auto const headers = fields(stored);
    StoredView const view = StoredView{200, headers, t0, t0}.expires_override(first).expires_fallback(last);
    return decide(http::verb::get, none, &view, after, options).action() == Action::serve;
  };
  std::optional<TimePoint> const no;
  policy::Options const on;
  auto const off = policy::Options{}.cache_control(false);
  CHECK(decide_with("Cache-Control: max-age=60", at(100), no, 99, on));
  CHECK_FALSE(decide_with("Cache-Control: max-age=60", at(100), no, 100, on));
  CHECK_FALSE(decide_with("Cache-Control: max-age=60", at(10), no, 10, on));
  CHECK(decide_with("Cache-Control: max-age=60", TimePoint::max(), no, 2000000000, on));
  CHECK(decide_with("Cache-Control: max-age=60|Age: 90", at(100), no, 99, on));
  CHECK_FALSE(decide_with("Cache-Control: no-cache", at(100), no, 1, on));
  CHECK_FALSE(decide_with("Cache-Control: no-store", at(100), no, 1, on));
  CHECK(decide_with("Expires: 0", at(100), no, 99, on));
  CHECK(decide_with("", no, at(100), 99, on));
  CHECK_FALSE(decide_with("", no, at(100), 100, on));
  CHECK_FALSE(decide_with("Cache-Control: max-age=60", no, at(100), 60, on));
  CHECK_FALSE(decide_with("Expires: 0", no, at(100), 1, on));
  // The user's default replaces the heuristic.
  CHECK_FALSE(decide_with("Last-Modified: @-100000", no, at(10), 10, on));
  // Without cache_control only the user's expiry counts.
  CHECK(decide_with("Cache-Control: no-store, max-age=0", no, at(100), 99, off));
  CHECK(decide_with("Cache-Control: no-cache", at(100), no, 99, off));
  CHECK_FALSE(decide_with("Cache-Control: max-age=600", no, at(100), 100, off));
  CHECK_FALSE(decide_with("Cache-Control: max-age=600", no, no, 1, off));
  CHECK_FALSE(decide_with("Last-Modified: @-100000", no, no, 1, off));
  // A clock set back does not lengthen it.
  CHECK_FALSE(decide_with("", at(100), no, -100, on));
  CHECK_FALSE(decide_with("", TimePoint::min(), TimePoint::min(), 1, on));
}

TEST_CASE("without cache_control a request's directives do not count either, Vary and Range do") {
  auto const off = policy::Options{}.cache_control(false);
  auto const headers = fields("Vary: A");
  StoredView const view = StoredView{200, headers, t0, t0}.expires_fallback(at(100));
  for (auto const* request : {"", "Cache-Control: no-cache", "Cache-Control: no-store", "Pragma: no-cache",
                              "Cache-Control: max-age=0", "Cache-Control: only-if-cached"}) {
    CHECK(decide(http::verb::get, fields(request), &view, 1, off).action() == Action::serve);
  }
  CHECK(decide(http::verb::get, fields("A: 1"), &view, 1, off).reason() == Reason::vary_miss);
  CHECK(decide(http::verb::get, fields("Range: bytes=0-1"), &view, 1, off).reason() == Reason::range);
}

TEST_CASE("what the one who asks demands beside the fields counts as they do, without cache_control, too") {
  auto const options = policy::Options{}.cache_control(GENERATE(true, false));
  auto const none = fields("");
  auto const headers = fields("ETag: \"a\"");
  StoredView const view = StoredView{200, headers, t0, t0}.expires_override(at(100));
  RequestView const plain{http::verb::get, none};
  auto const outcome = [&](RequestView const& request, StoredView const* stored, int after) {
    auto const decision = policy::evaluate(request, stored, options, at(after));
    return std::pair(decision.action(), decision.reason());
  };
  CHECK(outcome(plain, &view, 1) == std::pair(Action::serve, Reason::fresh));
  CHECK(outcome(RequestView(plain).no_cache(true), &view, 1) ==
        std::pair(Action::validate, Reason::request_no_cache));
  CHECK(outcome(RequestView(plain).no_store(true), &view, 1) ==
        std::pair(Action::fetch, Reason::request_no_store));
  auto const home = RequestView(plain).only_if_cached(true);
  CHECK(outcome(home, &view, 1) == std::pair(Action::serve, Reason::fresh));
  CHECK(outcome(home, &view, 101) == std::pair(Action::unsatisfiable, Reason::stale));
  CHECK(outcome(home, nullptr, 1) == std::pair(Action::unsatisfiable, Reason::uri_miss));
}

TEST_CASE("the heuristic can be turned off, and its part and cap set") {
  auto const none = fields("");
  auto const headers = fields("Date: @0|Last-Modified: @-1000");
  StoredView const view{200, headers, t0, t0};
  auto const served = [&](policy::Options const& o, int after) {
    return decide(http::verb::get, none, &view, after, o).action() == Action::serve;
  };
  CHECK_FALSE(served(policy::Options{}.heuristics(false), 1));
  CHECK(served(policy::Options{}.heuristic_percent(50), 499));
  CHECK_FALSE(served(policy::Options{}.heuristic_percent(50), 500));
  CHECK(served(policy::Options{}.heuristic_percent(1000), 999));
  CHECK_FALSE(served(policy::Options{}.heuristic_percent(1000), 1000));
  CHECK_FALSE(served(policy::Options{}.heuristic_percent(0), 0));
  CHECK(served(policy::Options{}.heuristic_cap(seconds{10}), 9));
  CHECK_FALSE(served(policy::Options{}.heuristic_cap(seconds{10}), 10));
  CHECK_FALSE(served(policy::Options{}.heuristic_cap(seconds{-10}), 0));
  // RFC 9110 section 15.1: other statuses have a heuristic lifetime only when marked public.
  StoredView const found{302, headers, t0, t0};
  CHECK(decide(http::verb::get, none, &found, 1).action() == Action::validate);
  auto const marked = fields("Date: @0|Last-Modified: @-1000|Cache-Control: public");
  StoredView const public_found{302, marked, t0, t0};
  CHECK(decide(http::verb::get, none, &public_found, 1).action() == Action::serve);
}

TEST_CASE("of several variants the newest that matches is selected") {
  auto const en = fields("Accept-Language: en");
  auto const fr = fields("Accept-Language: fr");
  auto const old_headers = fields("Date: @-20|Cache-Control: max-age=600|Vary: Accept-Language");
  auto const new_headers = fields("Date: @-10|Cache-Control: max-age=600|Vary: Accept-Language");
  std::vector<StoredView> variants;
  variants.push_back(StoredView{200, new_headers, t0, t0}.vary_request_headers(en));
  variants.push_back(StoredView{200, old_headers, t0, t0}.vary_request_headers(en));
  variants.push_back(StoredView{200, old_headers, t0, t0}.vary_request_headers(fr));
  auto const select = [&](http::fields const& request) {
    return policy::evaluate(RequestView{http::verb::get, request}, variants, policy::Options{}, at(1));
  };
  CHECK(select(en).selected() == &variants[0]);
  CHECK(select(fr).selected() == &variants[2]);
  auto const de = fields("Accept-Language: de");
  CHECK(select(de).reason() == Reason::vary_miss);
  CHECK(select(de).selected() == nullptr);
  variants.push_back(StoredView{200, new_headers, t0, at(1)}.vary_request_headers(en));
  CHECK(select(en).selected() == &variants[3]);
  variants.clear();
  CHECK(select(en).reason() == Reason::uri_miss);
  // What HEAD brought can't shadow what GET brought.
  variants.push_back(StoredView{200, old_headers, t0, t0}.vary_request_headers(en));
  variants.push_back(StoredView{200, new_headers, t0, t0}.vary_request_headers(en).method(http::verb::head));
  CHECK(select(en).selected() == &variants[0]);
}
