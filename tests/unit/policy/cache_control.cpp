// How a Cache-Control field is read: each row a field's lines, and all that was understood of them.

#include "beast_cache/policy/response_facts.hpp"

#include <random>
#include <string>
#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::CacheControl;

namespace {

std::string understood(CacheControl const& cc) {
  std::string s;
  auto const flag = [&](bool on, char const* name) {
    if (on) s.append(s.empty() ? "" : " ").append(name);
  };
  auto const number = [&](CacheControl::Delta const& d, char const* name) {
    if (d) s.append(s.empty() ? "" : " ").append(name).append("=").append(std::to_string(d->count()));
  };
  flag(cc.no_store(), "no-store");
  flag(cc.no_cache(), "no-cache");
  flag(cc.no_cache_fields(), "no-cache[]");
  flag(cc.is_private(), "private");
  flag(cc.private_fields(), "private[]");
  flag(cc.is_public(), "public");
  flag(cc.must_revalidate(), "must-revalidate");
  flag(cc.proxy_revalidate(), "proxy-revalidate");
  flag(cc.must_understand(), cc.must_understand_clean() ? "must-understand" : "must-understand?");
  flag(cc.only_if_cached(), "only-if-cached");
  flag(cc.has_max_stale() && !cc.max_stale(), "max-stale");
  number(cc.max_age(), "max-age");
  number(cc.s_maxage(), "s-maxage");
  number(cc.max_stale(), "max-stale");
  number(cc.min_fresh(), "min-fresh");
  number(cc.stale_while_revalidate(), "stale-while-revalidate");
  number(cc.stale_if_error(), "stale-if-error");
  return s;
}

std::string understood(char const* lines) {
  return understood(CacheControl{fields(lines)});
}

}  // namespace

TEST_CASE("Cache-Control is read as RFC 9111 section 5.2 says, and fails closed") {
  struct Row {
    char const* line;
    char const* expected;
  };
  std::vector<Row> const rows = {
      // As the grammar says.
      {"no-store", "no-store"},
      {"no-cache", "no-cache"},
      {"private", "private"},
      {"public", "public"},
      {"must-revalidate", "must-revalidate"},
      {"proxy-revalidate", "proxy-revalidate"},
      {"must-understand", "must-understand"},
      {"only-if-cached", "only-if-cached"},
      {"max-age=60", "max-age=60"},
      {"s-maxage=60", "s-maxage=60"},
      {"min-fresh=60", "min-fresh=60"},
      {"max-stale", "max-stale"},
      {"max-stale=60", "max-stale=60"},
      {"stale-while-revalidate=60", "stale-while-revalidate=60"},
      {"stale-if-error=60", "stale-if-error=60"},
      {"public, max-age=60, must-revalidate", "public must-revalidate max-age=60"},
      {"no-transform, immutable, x=y", ""},
      {"", ""},
      // Case and white space.
      {"NO-STORE", "no-store"},
      {"Max-AGE=60", "max-age=60"},
      {"  no-store\t,\tmax-age=60  ", "no-store max-age=60"},
      {"no-store,max-age=60", "no-store max-age=60"},
      {",, ,no-store,,max-age=60,", "no-store max-age=60"},
      // Numbers.
      {"max-age=0", "max-age=0"},
      {"max-age=007", "max-age=7"},
      {"max-age=\"60\"", "max-age=60"},
      {"max-age=\"\"", "max-age=0"},
      {"max-age=\" 60\"", "max-age=0"},
      {"max-age='60'", "max-age=0"},
      {"max-age", "max-age=0"},
      {"max-age=", "max-age=0"},
      {"max-age=-1", "max-age=0"},
      {"max-age=+1", "max-age=0"},
      {"max-age=1.5", "max-age=0"},
      {"max-age=1e3", "max-age=0"},
      {"max-age=0x10", "max-age=0"},
      {"max-age=60s", "max-age=0"},
      {"max-age=2147483647", "max-age=2147483647"},
      {"max-age=2147483648", "max-age=2147483648"},
      {"max-age=2147483649", "max-age=2147483648"},
      {"max-age=18446744073709551616", "max-age=2147483648"},
      {"max-age=99999999999999999999999999999999999999999999", "max-age=2147483648"},
      {"max-age =60", "max-age=0"},
      {"max-age= 60", "max-age=0"},
      {"max-age 60", "max-age=0"},
      {"max-age:60", "max-age=0"},
      {"max-age=60 60", "max-age=0"},
      {"max-age=60;", "max-age=0"},
      {"s-maxage=x", "s-maxage=0"},
      {"min-fresh=x", "min-fresh=2147483648"},
      {"min-fresh", "min-fresh=2147483648"},
      {"max-stale=x", ""},
      {"max-stale=-1", ""},
      {"max-stale=", ""},
      {"stale-while-revalidate", "stale-while-revalidate=0"},
      {"stale-if-error=x", "stale-if-error=0"},
      // More than once: the stricter counts.
      {"max-age=60, max-age=5", "max-age=5"},
      {"max-age=5, max-age=60", "max-age=5"},
      {"max-age=60, max-age=x", "max-age=0"},
      {"s-maxage=60, s-maxage=5", "s-maxage=5"},
      {"min-fresh=5, min-fresh=60", "min-fresh=60"},
      {"max-stale=60, max-stale=5", "max-stale=5"},
      {"max-stale, max-stale=5", "max-stale=5"},
      {"stale-if-error=60, stale-if-error=5", "stale-if-error=5"},
      {"public, private", "private public"},
      {"no-cache=\"A\", no-cache", "no-cache"},
      {"private, private=\"A\"", "private"},
      // Lists of fields.
      {"no-cache=\"A\"", "no-cache[]"},
      {"no-cache=\"A, b ,C\"", "no-cache[]"},
      {"private=\"Set-Cookie\"", "private[]"},
      {"private=\"Set-Cookie,\"", "private[]"},
      {"private=\"\"", "private"},
      {"private=\" , \"", "private"},
      {"private=", "private"},
      {"private=Set-Cookie", "private"},
      {"private='Set-Cookie'", "private"},
      {"private=\"A B\"", "private"},
      {"private=\"A\\B\"", "private"},
      {"private=\"A", "private"},
      {"private=\"A\"x", "private"},
      {"private = \"A\"", "private"},
      {"private=\"Vary\"", "private"},
      {"private=\"A, Cache-Control\"", "private"},
      {"no-cache=\"etag\"", "no-cache"},
      {"no-cache=\"Content-Type\"", "no-cache"},
      {"no-cache=1", "no-cache"},
      // What forbids is found however it is written.
      {"no-store=1", "no-store"},
      {"no-store=\"x\"", "no-store"},
      {"no-store=", "no-store"},
      {"no-store =", "no-store"},
      {"\"no-store\"", "no-store"},
      {"no-store\"", "no-store"},
      {"max-age=60 no-store", "no-store max-age=0"},
      {"max-age=60; no-store", "no-store max-age=0"},
      {"no-store; max-age=60", "no-store max-age=0"},
      {"(no-store)", "no-store"},
      {"x=\"y, no-store", "no-store"},
      {"x=\"y\\\", no-store", "no-store"},
      {"x=\"y\"no-store", "no-store"},
      {"=no-store", "no-store"},
      {"x==no-store", "no-store"},
      {"no-cache;", "no-cache"},
      {"must-revalidate=1", "must-revalidate"},
      {"must-revalidate;x", "must-revalidate"},
      {"proxy-revalidate=\"\"", "proxy-revalidate"},
      {"max-age=60,\x01no-store", "no-store max-age=60"},
      {"max-age=60,\xffno-store", "no-store max-age=60"},
      // Within a quoted argument it is no directive.
      {"x=\"no-store\"", ""},
      {"x=\"a, no-store, b\", max-age=60", "max-age=60"},
      {"x=\"a \\\" no-store\"", ""},
      // Nor as a part of another name, or as an argument.
      {"x-no-store", ""},
      {"no-store-x", ""},
      {"no_store", ""},
      {"x=no-store", ""},
      // What permits must be well formed.
      {"public;", ""},
      {"x public", ""},
      {"only-if-cached;", ""},
      {"must-understand;", "must-understand?"},
      {"max-stale x", ""},
      {"max-age=x y, max-age=60", "max-age=0"},
  };
  for (auto const& row : rows) {
    INFO(row.line);
    CacheControl cc;
    cc.add(row.line);
    CHECK(understood(cc) == row.expected);
  }
}

TEST_CASE("all lines of Cache-Control count") {
  CHECK(understood("Cache-Control: max-age=60|X: 1|cache-control: no-store") == "no-store max-age=60");
  CHECK(understood("Cache-Control: max-age=60|Cache-Control: max-age=5") == "max-age=5");
  // A quote does not reach from one line into the next.
  CHECK(understood("Cache-Control: x=\"a|Cache-Control: no-store, y=\"b\"") == "no-store");
  CHECK_FALSE(CacheControl{fields("X: 1")}.present());
  CHECK(CacheControl{fields("Cache-Control: ")}.present());
}

TEST_CASE("the fields that qualified directives list are found on all lines") {
  auto const f =
      fields("Cache-Control: no-cache=\"A, B\", private=\"P\"|Cache-Control: No-Cache=\"C\", no-cache=D");
  std::string listed;
  policy::for_each_listed_field(f, private_mode(), "no-cache", [&](std::string_view name) {
    listed.append(name).append(" ");
    return true;
  });
  CHECK(listed == "A B C ");
  listed.clear();
  bool const all = policy::for_each_listed_field(f, private_mode(), "no-cache", [&](std::string_view name) {
    listed.append(name).append(" ");
    return name != "B";
  });
  CHECK_FALSE(all);
  CHECK(listed == "A B ");
}

TEST_CASE("random bytes neither crash the reader nor hide a no-store that stands between commas") {
  std::mt19937 random{42};
  std::string const alphabet = "no-store,max-age=\"\\ ;\t0123456789private\x01\xff";
  for (int i = 0; i < 50000; ++i) {
    std::string line;
    for (auto n = random() % 40; n > 0; --n) {
      line += random() % 8 == 0 ? static_cast<char>(random() % 256) : alphabet[random() % alphabet.size()];
    }
    CacheControl once, twice;
    once.add(line);
    twice.add(line);
    REQUIRE(understood(once) == understood(twice));
    for (auto const& d : {once.max_age(), once.s_maxage(), once.min_fresh(), once.max_stale(),
                          once.stale_if_error(), once.stale_while_revalidate()}) {
      REQUIRE((!d || (d->count() >= 0 && d->count() <= (1LL << 31))));
    }
    // Outside of a quoted string nothing that follows can take it back.
    CacheControl forbidden;
    forbidden.add("no-store, " + line);
    REQUIRE(forbidden.no_store());
    if (line.find('"') == std::string::npos) {
      CacheControl last;
      last.add(line + ", no-store");
      REQUIRE(last.no_store());
    }
  }
}

TEST_CASE("reading takes time in proportion to the length, whatever the quotes") {
  // A million quotes and backslashes: a quadratic reader would be at it for hours.
  for (std::string const unit : {"a=\"", "a=\"\\\",", "\"", "\\\"", "a=\\\"", "=", ",", "a ", "a=\"b\","}) {
    std::string line;
    while (line.size() < 1'000'000) line += unit;
    CacheControl cc;
    cc.add(line + ", no-store");
    CHECK(cc.present());
  }
}
