// What must hold for every request, every stored response and every time. The generator is seeded: a failure
// repeats itself.

#include <random>
#include <string>
#include <vector>

#include "beast_cache/policy/cache_status.hpp"
#include "beast_cache/policy/explain.hpp"
#include "beast_cache/policy/plain_reuse.hpp"
#include "beast_cache/policy/strategy.hpp"
#include "table.hpp"

using namespace policy_test;
using policy::Action;
using policy::Decision;
using policy::Reason;
using policy::RequestView;
using policy::StoredView;

namespace {

class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }
  template <class T>
  T const& any(std::vector<T> const& from) {
    return from[below(from.size())];
  }
  std::string junk() {
    std::string s;
    for (auto n = below(12); n > 0; --n) {
      char const c = static_cast<char>(below(256));
      if (c != '|' && c != '@') s += c;
    }
    return s;
  }

  std::string number() {
    return any<std::string>(
        {"0", "1", "5", "60", "100000", "4294967296", "99999999999999999999", "-1", "x", "\"7\"", "1.5", ""});
  }
  std::string directive(std::vector<std::string> const& names) {
    if (one_in(12)) return junk();
    auto d = any(names);
    if (d.back() == '=') d += number();
    if (one_in(8)) d.insert(below(d.size() + 1), 1, " \";,=\t"[below(6)]);
    if (one_in(6)) {
      for (auto& c : d) c = one_in(2) && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    return d;
  }
  std::string cache_control(std::vector<std::string> const& names) {
    std::string s;
    for (auto n = below(4) + 1; n > 0; --n)
      s += directive(names) + (n == 1 ? "" : any<std::string>({", ", ",", " , "}));
    return s;
  }
  std::string date() {
    if (one_in(8))
      return any<std::string>(
          {"0", "-1", "never", "", "Sat, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"});
    return beast_cache::format_http_date(at(static_cast<long long>(below(400)) - 200));
  }

  http::fields request() {
    http::fields f;
    static std::vector<std::string> const names = {
        "no-cache",   "no-store",       "max-age=",        "min-fresh=", "max-stale",
        "max-stale=", "only-if-cached", "stale-if-error=", "x"};
    if (one_in(2)) f.insert("Cache-Control", cache_control(names));
    if (one_in(8)) f.insert("Pragma", any<std::string>({"no-cache", "x", "NO-CACHE, y"}));
    if (one_in(2)) f.insert("A", any<std::string>({"1", "2", "", "1, 2"}));
    if (one_in(4)) f.insert("B", any<std::string>({"1", "2"}));
    if (one_in(20)) f.insert("Range", "bytes=0-1");
    if (one_in(20)) f.insert("If-None-Match", "\"a\"");
    if (one_in(6)) f.insert("Authorization", "x");
    if (one_in(20)) f.insert("X-HTTP-Method-Override", "PUT");
    return f;
  }
  http::fields response() {
    http::fields f;
    static std::vector<std::string> const names = {"no-cache",
                                                   "no-store",
                                                   "max-age=",
                                                   "s-maxage=",
                                                   "max-age=",
                                                   "private",
                                                   "public",
                                                   "must-revalidate",
                                                   "proxy-revalidate",
                                                   "must-understand",
                                                   "stale-while-revalidate=",
                                                   "stale-if-error=",
                                                   "no-cache=\"X, Y\"",
                                                   "private=\"X\"",
                                                   "private=\"\"",
                                                   "immutable",
                                                   "x=\"a, b\""};
    for (auto n = below(3); n > 0; --n) f.insert("Cache-Control", cache_control(names));
    if (one_in(2)) f.insert("Date", date());
    if (one_in(3)) f.insert("Expires", date());
    if (one_in(3)) f.insert("Last-Modified", date());
    if (one_in(3)) f.insert("Age", any<std::string>({"0", "30", "x", "-1", "5, 6", "99999999999999"}));
    if (one_in(3)) f.insert("ETag", any<std::string>({"\"a\"", "W/\"a\"", "a", ""}));
    if (one_in(3)) f.insert("Vary", any<std::string>({"A", "A, B", "*", "A, *", "a b", ""}));
    if (one_in(5)) f.insert("X", junk());
    if (one_in(5)) f.insert("Set-Cookie", "a=b");
    if (one_in(12)) f.insert("Connection", any<std::string>({"close", "X", "Vary", "X, Y", junk()}));
    if (one_in(30)) f.insert("Content-Range", "bytes 0-1/2");
    return f;
  }
  unsigned status() {
    return any<unsigned>({200, 200, 200, 200, 203, 204, 206, 299, 301, 302, 304, 404, 500, 503, 0, 100, 999});
  }
  policy::Options options() {
    policy::Options o;
    if (one_in(2)) o.mode(policy::CacheMode::shared_cache);
    o.heuristics(!one_in(4)).stale_on_error(!one_in(4)).stale_extensions(!one_in(4));
    return o;
  }
  TimePoint time() { return t0 + milliseconds{static_cast<milliseconds::rep>(below(400'000)) - 100'000}; }

 private:
  std::mt19937 random_;
};

/// Whether the words stand in the field as a directive that anybody would recognise: alone, or between commas
/// of a field without quotes. Told without the library's own parser.
bool plainly_says(http::fields const& f, std::string const& directive) {
  auto const range = f.equal_range(http::field::cache_control);
  for (auto it = range.first; it != range.second; ++it) {
    std::string line{it->value()};
    for (auto& c : line) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (line.find('"') != std::string::npos) continue;
    line = ',' + line + ',';
    for (std::size_t at = 0; (at = line.find(directive, at)) != std::string::npos; ++at) {
      auto before = line.find_last_not_of(" \t", at - 1);
      auto after = line.find_first_not_of(" \t", at + directive.size());
      if (line[before] == ',' && line[after] == ',') return true;
    }
  }
  return false;
}

bool serves(Decision const& d) {
  return d.action() == Action::serve || d.action() == Action::serve_and_revalidate;
}

}  // namespace

TEST_CASE("whatever is asked, stored and the time, the rules that forbid are kept") {
  Generator g{2026};
  int served = 0, validated = 0, unsatisfiable = 0, stale = 0;
  for (int i = 0; i < 25'000; ++i) {
    auto const request = g.request();
    auto const response = g.response();
    auto const then = g.request();
    auto const options = g.options();
    auto const nominated = policy::nominated_fields(response, g.one_in(2) ? request : then);
    StoredView view{g.status(), response, g.time(), g.time()};
    view.vary_request_headers(nominated).invalidated(g.one_in(10));
    auto const now = g.time();
    auto const method = g.one_in(10) ? http::verb::post : (g.one_in(10) ? http::verb::head : http::verb::get);
    RequestView const asked{method, request};
    auto const d = policy::evaluate(asked, &view, options, now);
    INFO("case " << i);

    REQUIRE(d.age() >= seconds{0});
    auto const again = policy::evaluate(asked, &view, options, now);
    REQUIRE(again.action() == d.action());
    REQUIRE(again.reason() == d.reason());
    REQUIRE(again.age() == d.age());
    REQUIRE(again.ttl() == d.ttl());

    bool const uses_stored = serves(d) || d.may_serve_stale_on_error() || d.may_serve_stale_on_status(503);
    if (uses_stored) {
      REQUIRE(d.selected() == &view);
      REQUIRE(method != http::verb::post);
      REQUIRE_FALSE(view.invalidated());
      REQUIRE((!plainly_says(response, "no-store") || plainly_says(response, "must-understand") ||
               text(response).find('"') != std::string::npos));
      REQUIRE_FALSE(plainly_says(response, "no-cache"));
      REQUIRE_FALSE(plainly_says(request, "no-cache"));
      REQUIRE_FALSE(plainly_says(request, "no-store"));
      REQUIRE(request.count("Range") + request.count("If-None-Match") == 0);
      REQUIRE(policy::vary_matches(response, nominated, request));
      REQUIRE((view.status() != 206 && view.status() != 304));
      if (options.shared()) REQUIRE_FALSE(plainly_says(response, "private"));
    }
    if (d.reason() == Reason::fresh) REQUIRE(d.ttl() >= seconds{0});
    if (serves(d) && d.reason() != Reason::fresh) {
      ++stale;
      REQUIRE(d.ttl() <= seconds{0});
    }
    if ((serves(d) && d.reason() != Reason::fresh) || d.may_serve_stale_on_error()) {
      REQUIRE_FALSE(plainly_says(response, "must-revalidate"));
      if (options.shared()) REQUIRE_FALSE(plainly_says(response, "proxy-revalidate"));
    }
    if (d.action() == Action::validate) {
      ++validated;
      REQUIRE(policy::has_validator(view));
      http::fields conditional = request;
      policy::add_validators(conditional, view);
      REQUIRE(conditional.count("If-None-Match") + conditional.count("If-Modified-Since") != 0);
    }
    if (plainly_says(request, "only-if-cached") && method != http::verb::post) REQUIRE_FALSE(d.forwards());
    unsatisfiable += d.action() == Action::unsatisfiable;
    served += serves(d);
    REQUIRE_FALSE(policy::CacheStatus{d}.str().empty());
  }
  // The generator reaches what it is to test.
  CHECK(served > 500);
  CHECK(validated > 500);
  CHECK(unsatisfiable > 100);
  CHECK(stale > 50);
}

TEST_CASE("what is stored can be judged afterwards, and nothing of the connection is in it") {
  Generator g{9111};
  int stored_count = 0;
  for (int i = 0; i < 15'000; ++i) {
    auto const request = g.request();
    auto const response = g.response();
    auto const options = g.options();
    auto const status = g.status();
    RequestView const asked{http::verb::get, request};
    INFO("case " << i);
    auto const stored = policy::storable_fields(response, options, t0);
    REQUIRE(stored.count("Connection") + stored.count("Transfer-Encoding") == 0);
    REQUIRE(stored.count("Date") != 0);
    // Storing what was stored changes nothing.
    REQUIRE(text(policy::storable_fields(stored, options, at(5))) == text(stored));
    if (!policy::is_storable(asked, status, response, options)) continue;
    ++stored_count;
    REQUIRE_FALSE(plainly_says(request, "no-store"));
    auto const nominated = policy::nominated_fields(stored, request);
    REQUIRE(policy::vary_matches(stored, nominated, request));
    StoredView const view = StoredView{status, stored, t0, t0}.vary_request_headers(nominated);
    auto const d = policy::evaluate(asked, &view, options, t0);
    REQUIRE(d.reason() != Reason::not_reusable);
    REQUIRE(d.reason() != Reason::vary_miss);
    // A 304 with the same validators validates it, and leaves its body's description alone.
    if (policy::has_validator(view)) {
      http::fields not_modified;
      if (stored.count("ETag") != 0) not_modified.insert("ETag", stored["ETag"]);
      if (policy::detail::EntityTag{stored}) REQUIRE(policy::validates(view, not_modified));
    }
  }
  CHECK(stored_count > 1000);
}

TEST_CASE("with answers of its own a cache keeps the same rules, and says nothing that is not stored") {
  Generator g{9110};
  int served = 0, not_modified = 0, parts = 0, unsatisfiable = 0;
  for (int i = 0; i < 25'000; ++i) {
    auto request = g.request();
    if (g.one_in(2)) {
      request.insert("Range", g.any<std::string>(
                                  {"bytes=0-4", "bytes=5-", "bytes=-3", "bytes=99-", "bytes=x", "a=0-1"}));
    }
    if (g.one_in(3)) {
      request.insert("If-None-Match", g.any<std::string>({"\"a\"", "W/\"a\"", "*", "\"b\", \"a\"", "a", ""}));
    }
    if (g.one_in(4)) request.insert("If-Modified-Since", g.date());
    if (g.one_in(4)) request.insert("If-Range", g.any<std::string>({"\"a\"", "W/\"a\"", "\"b\"", "x"}));
    if (g.one_in(20)) request.insert("If-Match", "\"a\"");
    auto response = g.response();
    if (g.one_in(3))
      response.set("Content-Range", g.any<std::string>({"bytes 0-9/10", "bytes 3-7/10", "bytes 0-4/*", "x"}));
    if (g.one_in(2)) response.insert("Content-Type", "text/plain");
    if (g.one_in(3))
      response.insert("CDN-Cache-Control",
                      g.any<std::string>({"max-age=60", "no-store", "", "X", "private"}));
    auto const options = g.options();
    StoredView view{g.status(), response, g.time(), g.time()};
    auto const nominated = policy::nominated_fields(response, request);
    view.vary_request_headers(nominated).invalidated(g.one_in(10)).body_size(10);
    auto const method = g.one_in(10) ? http::verb::head : http::verb::get;
    auto const now = g.time();
    auto const asked = RequestView{method, request}.makes_answers(true);
    auto const d = policy::evaluate(asked, &view, options, now);
    INFO("case " << i << ": " << text(request) << " / " << view.status() << ' ' << text(response));

    // What is explained is what is decided.
    auto const e = policy::explain(asked, &view, options, now);
    REQUIRE(e.decision().action() == d.action());
    REQUIRE(e.decision().reason() == d.reason());
    REQUIRE(e.decision().answer().kind() == d.answer().kind());
    REQUIRE(e.decision().may_serve_stale_on_error() == d.may_serve_stale_on_error());
    REQUIRE_FALSE(e.steps().empty());
    if (d.reason() == Reason::fresh) {
      for (auto const& step : e.steps()) REQUIRE(step.outcome());
    }

    if (!serves(d) && !d.may_serve_stale_on_error()) continue;
    served += serves(d);
    REQUIRE(d.age() >= seconds{0});
    auto const& answer = d.answer();
    REQUIRE(answer.kind() != policy::Answer::Kind::missing);
    REQUIRE_FALSE(view.invalidated());
    REQUIRE(request.count("If-Match") == 0);
    bool const targeted =
        options.shared() &&
        plainly_says(fields("Cache-Control: " + std::string(response["CDN-Cache-Control"])), "max-age=60");
    if (!targeted && text(response).find('"') == std::string::npos) {
      REQUIRE((!plainly_says(response, "no-store") || plainly_says(response, "must-understand")));
      REQUIRE_FALSE(plainly_says(response, "no-cache"));
    }
    if (options.shared() && !targeted) REQUIRE_FALSE(plainly_says(response, "private"));
    if (options.shared() && response["CDN-Cache-Control"] == "no-store") REQUIRE_FALSE(serves(d));

    http::fields head;
    switch (answer.kind()) {
      case policy::Answer::Kind::not_modified:
        ++not_modified;
        REQUIRE((view.status() >= 200 && view.status() < 300));
        REQUIRE(request.count("If-None-Match") + request.count("If-Modified-Since") != 0);
        head = policy::not_modified_fields(response);
        REQUIRE(head.count("Content-Type") == 0);
        break;
      case policy::Answer::Kind::part:
        ++parts;
        REQUIRE(method == http::verb::get);
        REQUIRE((view.status() == 200 || view.status() == 206));
        REQUIRE(answer.range().last() < answer.complete());
        head = policy::partial_fields(response, answer.range(), answer.complete());
        break;
      case policy::Answer::Kind::unsatisfiable:
        ++unsatisfiable;
        head = policy::unsatisfiable_fields(response, answer.complete());
        break;
      default:
        continue;
    }
    // Every field that is served is a stored one, but for the two that describe the part.
    for (auto const& f : head) {
      if (f.name() == http::field::content_range || f.name() == http::field::content_length) continue;
      REQUIRE(head.count(f.name_string()) == response.count(f.name_string()));
      REQUIRE(response[f.name_string()] == head[f.name_string()]);
    }
  }
  CHECK(served > 300);
  CHECK(not_modified > 100);
  CHECK(parts > 50);
  CHECK(unsatisfiable > 20);
}

TEST_CASE("what is once stale does not become fresh by waiting") {
  Generator g{5};
  for (int i = 0; i < 3'000; ++i) {
    auto const response = g.response();
    auto const request = g.request();
    auto const options = g.options();
    StoredView const view{200, response, t0, t0};
    RequestView const asked{http::verb::get, request};
    bool fresh = true;
    for (long long s = 0; s < 200'000; s = s * 3 + 1) {
      bool const now_fresh = policy::evaluate(asked, &view, options, at(s)).reason() == Reason::fresh;
      REQUIRE((fresh || !now_fresh));
      fresh = now_fresh;
    }
  }
}

TEST_CASE("random bytes in every field crash nothing") {
  Generator g{77};
  std::vector<std::string> const names = {"Cache-Control", "Age",   "Date",         "Expires",
                                          "Last-Modified", "ETag",  "Vary",         "Pragma",
                                          "Connection",    "Range", "Authorization"};
  int decided = 0;
  for (int i = 0; i < 10'000; ++i) {
    http::fields request, response;
    for (auto n = g.below(4); n > 0; --n) request.insert(g.any(names), g.junk());
    for (auto n = g.below(6); n > 0; --n) response.insert(g.any(names), g.junk());
    RequestView const asked{http::verb::get, request};
    auto const stored = policy::storable_fields(response, {}, t0);
    auto const nominated = policy::nominated_fields(stored, request);
    StoredView const view = StoredView{200, stored, t0, t0}.vary_request_headers(nominated);
    auto const d = policy::evaluate(asked, &view, policy::Options{}, g.time());
    http::fields conditional = request;
    policy::add_validators(conditional, view);
    auto const merged = policy::freshened(stored, response, {}, t0);
    decided += !policy::CacheStatus{d}.str().empty() && merged.count("Date") != 0;
  }
  CHECK(decided == 10'000);
}

TEST_CASE("what is worked out once for plain requests is what is decided for each of them") {
  Generator g{4};
  int plain = 0, reused = 0, stale = 0;
  for (int i = 0; i < 10'000; ++i) {
    auto const then = g.request();
    auto const response = g.response();
    auto options = g.options();
    if (g.one_in(6)) options.cache_control(false);
    auto const nominated = policy::nominated_fields(response, then);
    StoredView view{g.status(), response, g.time(), g.time()};
    view.vary_request_headers(nominated).invalidated(g.one_in(10));
    if (g.one_in(8)) view.method(http::verb::head);
    if (g.one_in(8)) view.expires_override(g.one_in(3) ? TimePoint::max() : g.time());
    if (g.one_in(6)) view.expires_fallback(g.time());
    if (g.one_in(2)) view.body_size(2);
    policy::PlainReuse const reuse{view, options};
    for (int k = 0; k < 4; ++k) {
      auto const request = g.one_in(2) ? then : g.request();
      auto const now = g.time();
      if (!policy::is_plain(request) || !policy::vary_matches(response, nominated, request)) continue;
      ++plain;
      auto const asked = RequestView{http::verb::get, request}.makes_answers(true);
      auto const d = policy::evaluate(asked, &view, options, now);
      CAPTURE(i, k);
      bool const serves_whole =
          d.reason() == Reason::fresh && d.answer().kind() == policy::Answer::Kind::whole;
      auto const times = reuse.at(now);
      REQUIRE(times.has_value() == serves_whole);
      stale += d.reason() == Reason::stale;
      if (!times) continue;
      ++reused;
      REQUIRE(d.action() == Action::serve);
      REQUIRE(times->age() == d.age());
      REQUIRE(times->ttl() == d.ttl());
      REQUIRE(policy::CacheStatus().hit().ttl(times->ttl()).str() == policy::CacheStatus(d).str());
    }
  }
  CHECK(plain > 2000);
  CHECK(reused > 200);
  CHECK(stale > 200);
}
