// Invalidation: RFC 9111 section 4.4.

#include "beast_cache/policy/invalidation.hpp"

#include <vector>

#include "table.hpp"

using namespace policy_test;
using beast_cache::Url;

TEST_CASE("a non-error answer to an unsafe or unknown method invalidates") {
  using enum http::verb;
  for (auto const method :
       {post, put, patch, delete_, connect, mkcol, move, lock, purge, http::verb::unknown}) {
    for (unsigned const status : {200u, 201u, 204u, 301u, 303u, 304u, 399u}) {
      CHECK(policy::invalidates(method, status));
    }
    for (unsigned const status : {0u, 100u, 199u, 400u, 404u, 500u, 503u}) {
      CHECK_FALSE(policy::invalidates(method, status));
    }
  }
  for (auto const method : {get, head, options, trace, propfind, report, search}) {
    CHECK_FALSE(policy::invalidates(method, 200));
  }
}

TEST_CASE("the target is invalidated, and what Location and Content-Location name at the same origin") {
  struct Row {
    char const* description;
    http::verb method;
    unsigned status;
    char const* response;
    std::vector<std::string> expected;
  };
  std::string const target = "http://example.org/a/b?q";
  std::vector<Row> const rows = {
      {"the target", http::verb::post, 200, "", {target}},
      {"an error", http::verb::post, 500, "Location: /c", {}},
      {"a safe method", http::verb::get, 200, "Location: /c", {}},
      {"an unknown method", http::verb::unknown, 200, "", {target}},
      {"Location", http::verb::post, 201, "Location: /c", {target, "http://example.org/c"}},
      {"Content-Location", http::verb::put, 200, "Content-Location: c", {target, "http://example.org/a/c"}},
      {"both",
       http::verb::put,
       200,
       "Content-Location: /d|Location: /c",
       {target, "http://example.org/c", "http://example.org/d"}},
      {"an absolute one",
       http::verb::post,
       200,
       "Location: HTTP://Example.ORG:80/c",
       {target, "http://example.org/c"}},
      {"another host", http::verb::post, 200, "Location: http://example.com/c", {target}},
      {"a sub-domain", http::verb::post, 200, "Location: http://www.example.org/c", {target}},
      {"a host that begins alike",
       http::verb::post,
       200,
       "Location: http://example.org.evil.com/c",
       {target}},
      {"another port", http::verb::post, 200, "Location: http://example.org:81/c", {target}},
      {"another scheme", http::verb::post, 200, "Location: https://example.org/c", {target}},
      {"a reference with a host only", http::verb::post, 200, "Location: //example.com/c", {target}},
      {"one that is no URL", http::verb::post, 200, "Location: http://[", {target}},
      {"another kind of URL", http::verb::post, 200, "Location: javascript:x", {target}},
  };
  for (auto const& row : rows) {
    INFO(row.description);
    CHECK(policy::invalidated_urls(Url{target}, row.method, row.status, fields(row.response)) ==
          row.expected);
  }
}
