// Cache groups: RFC 9875; and No-Vary-Search.

#include "beast_cache/policy/cache_groups.hpp"

#include <vector>

#include "beast_cache/policy/no_vary_search.hpp"
#include "table.hpp"

using namespace policy_test;
using beast_cache::Url;

namespace {
std::string joined(std::vector<std::string> const& words) {
  std::string text;
  for (auto const& w : words) text += '[' + w + ']';
  return text;
}
}  // namespace

TEST_CASE("a response names its groups, and an unsafe request's answer those that it makes invalid") {
  struct Row {
    char const* section;
    char const* value;
    char const* expected;
  };
  std::vector<Row> const rows = {
      {"2", "\"a\"", "[a]"},
      {"2", "\"a\", \"b c\"", "[a][b c]"},
      {"2", "\"a\", \"a\"", "[a]"},
      {"2", "\"A\", \"a\"", "[A][a]"},
      {"2", "\"a\";x=1", "[a]"},
      {"2", "\"\"", "[]"},
      {"2", "", ""},
      {"2", "a", ""},
      {"2", "\"a\", b", ""},
      {"2", "\"a\", (\"b\")", ""},
      {"2", "\"a\", 1", ""},
      {"2", "\"a\",", ""},
      {"2", "\"a", ""},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.value);
    http::fields f;
    f.insert("Cache-Groups", row.value);
    CHECK(joined(policy::cache_groups(f)) == row.expected);
    http::fields g;
    g.insert("Cache-Group-Invalidation", row.value);
    CHECK(joined(policy::invalidated_groups(http::verb::post, 200, g)) == row.expected);
    CHECK(joined(policy::invalidated_groups(http::verb::unknown, 204, g)) == row.expected);
    // RFC 9875 section 3: ignored on the response to a safe request; and an error has changed nothing.
    CHECK(policy::invalidated_groups(http::verb::get, 200, g).empty());
    CHECK(policy::invalidated_groups(http::verb::head, 200, g).empty());
    CHECK(policy::invalidated_groups(http::verb::post, 500, g).empty());
    CHECK(policy::invalidated_groups(http::verb::post, 200, f).empty());
  }
  CHECK(policy::cache_groups(fields("")).empty());
  CHECK(joined(policy::cache_groups(fields("Cache-Groups: \"a\"|cache-groups: \"b\""))) == "[a][b]");
  std::string many, large(300, 'x');
  for (int i = 0; i < 100; ++i) many += '"' + std::to_string(i) + "\", ";
  http::fields f;
  f.insert("Cache-Groups", many + '"' + large + '"');
  CHECK(policy::cache_groups(f).size() == 64);
}

TEST_CASE("No-Vary-Search says which queries are one") {
  struct Row {
    char const* field;
    char const* a;
    char const* b;
    bool equivalent;
  };
  std::vector<Row> const rows = {
      {"", "?a=1", "?a=1", true},
      {"", "?a=1", "?a=2", false},
      {"", "?a=1&b=2", "?b=2&a=1", false},
      {"No-Vary-Search: key-order", "?a=1&b=2", "?b=2&a=1", true},
      {"No-Vary-Search: key-order", "?a=1&b=2", "?b=2&a=3", false},
      {"No-Vary-Search: key-order", "?a=1&a=2", "?a=2&a=1", false},
      {"No-Vary-Search: key-order=?0", "?a=1&b=2", "?b=2&a=1", false},
      {"No-Vary-Search: params", "?a=1", "?b=2", true},
      {"No-Vary-Search: params", "?a=1", "", true},
      {"No-Vary-Search: params=?0", "?a=1", "", false},
      {"No-Vary-Search: params=(\"a\")", "?a=1&b=2", "?b=2&a=9", true},
      {"No-Vary-Search: params=(\"a\")", "?a=1&b=2", "?b=2", true},
      {"No-Vary-Search: params=(\"a\")", "?a=1&b=2", "?b=3", false},
      {"No-Vary-Search: params=(\"a\" \"b\")", "?a=1&b=2&c=3", "?c=3", true},
      {"No-Vary-Search: params=(\"a\"), key-order", "?a=1&b=2&c=3", "?c=3&b=2", true},
      {"No-Vary-Search: params=(\"a\")", "?b=2&c=3", "?c=3&b=2", false},
      {"No-Vary-Search: params=()", "?a=1", "?a=2", false},
      {"No-Vary-Search: params, except=(\"a\")", "?a=1&b=2", "?a=1&b=3", true},
      {"No-Vary-Search: params, except=(\"a\")", "?a=1&b=2", "?a=2&b=2", false},
      {"No-Vary-Search: params, except=()", "?a=1", "?a=2", true},
      {"No-Vary-Search: except=(\"a\")", "?b=1", "?b=2", false},
      {"No-Vary-Search: params=(\"a\"), except=(\"b\")", "?a=1", "?a=2", false},
      {"No-Vary-Search: params=a", "?a=1", "?a=2", false},
      {"No-Vary-Search: params=(a)", "?a=1", "?a=2", false},
      {"No-Vary-Search: params=\"a\"", "?a=1", "?a=2", false},
      {"No-Vary-Search: params=(\"a\" 1)", "?a=1", "?a=2", false},
      {"No-Vary-Search: key-order=1, params=(\"a\")", "?a=1", "?a=2", false},
      {"No-Vary-Search: params, except", "?a=1", "?a=2", false},
      {"No-Vary-Search: params=(\"a\"", "?a=1", "?a=2", false},
      {"No-Vary-Search: params=(\"a\"), x=1", "?a=1", "?a=2", true},
      {"No-Vary-Search: params=(\"a\")|No-Vary-Search: key-order", "?a=1&b=1&c=1", "?c=1&b=1", true},
      {"No-Vary-Search: params=(\"%C3%A9+x\")", "?%C3%A9%20x=1", "", true},
      {"No-Vary-Search: params=(\"a\")", "?%61=1", "", true},
      {"No-Vary-Search: params=(\"z\")", "?a+b=1", "?a%20b=1", true},
      {"No-Vary-Search: params=(\"z\")", "?a%26b=1", "?a&b=1", false},
      {"No-Vary-Search: params=(\"z\")", "?a", "?a=", true},
      {"No-Vary-Search: params=(\"z\")", "?a=1&&b=1", "?a=1&b=1", true},
      {"No-Vary-Search: params=(\"z\")", "", "?", true},
      {"No-Vary-Search: params=(\"z\")", "?a=1%3D", "?a=1=", true},
  };
  for (auto const& row : rows) {
    INFO(row.field << ": " << row.a << " and " << row.b);
    policy::NoVarySearch const rule{fields(row.field)};
    Url const a{std::string("http://example.org/p") + row.a}, b{std::string("http://example.org/p") + row.b};
    CHECK(rule.equivalent(a, b) == row.equivalent);
    CHECK(rule.equivalent(b, a) == row.equivalent);
    Url const elsewhere{std::string("http://example.org/q") + row.b};
    CHECK_FALSE(rule.equivalent(a, elsewhere));
    CHECK_FALSE(rule.equivalent(a, Url{std::string("https://example.org/p") + row.b}));
    auto const form = rule.canonical_query(row.a[0] == '?' ? row.a + 1 : row.a);
    CHECK(rule.canonical_query(form) == form);
  }
  CHECK(policy::NoVarySearch{}.is_default());
  CHECK(policy::NoVarySearch{fields("No-Vary-Search: params=?0")}.is_default());
  CHECK(policy::NoVarySearch{fields("No-Vary-Search: key-order")}.any_order());
  CHECK(policy::NoVarySearch{fields("No-Vary-Search: params, except=(\"a\")")}.ignores("b"));
  CHECK_FALSE(policy::NoVarySearch{fields("No-Vary-Search: params, except=(\"a\")")}.ignores("a"));
}
