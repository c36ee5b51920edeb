// What may be stored: RFC 9111 section 3, one row a behaviour.

#include "beast_cache/policy/storability.hpp"

#include <vector>

#include "table.hpp"

using namespace policy_test;
using policy::RequestView;
using policy::Storability;
using S = policy::Storability;

namespace {

struct Row {
  char const* section;
  char const* description;
  char const* request;
  unsigned status;
  char const* response;
  Storability expected;
};

void check(std::vector<Row> const& rows, policy::Options const& options) {
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const request = fields(row.request);
    auto const response = fields(row.response);
    RequestView const view{http::verb::get, request};
    CHECK(policy::to_string(policy::storability(view, row.status, response, options)) ==
          policy::to_string(row.expected));
    CHECK(policy::is_storable(view, row.status, response, options) == (row.expected == S::storable));
  }
}

std::vector<Row> const both = {
    {"3", "a plain 200", "", 200, "", S::storable},
    {"3", "max-age", "", 200, "Cache-Control: max-age=60", S::storable},
    {"3", "Expires", "", 200, "Expires: @60", S::storable},
    {"3", "404 is heuristically cacheable", "", 404, "", S::storable},
    {"3", "410 is heuristically cacheable", "", 410, "", S::storable},
    {"3", "301 is heuristically cacheable", "", 301, "", S::storable},
    {"3", "204 is heuristically cacheable", "", 204, "", S::storable},
    {"3", "302 is not", "", 302, "", S::no_lifetime},
    {"3", "302 with max-age", "", 302, "Cache-Control: max-age=60", S::storable},
    {"3", "302 with Expires", "", 302, "Expires: @60", S::storable},
    {"3", "302 with public", "", 302, "Cache-Control: public", S::storable},
    {"3", "307 is not", "", 307, "", S::no_lifetime},
    {"3", "500 is not", "", 500, "", S::no_lifetime},
    {"3", "503 is not", "", 503, "", S::no_lifetime},
    {"3", "503 with max-age", "", 503, "Cache-Control: max-age=60", S::storable},
    {"3", "400 is not", "", 400, "", S::no_lifetime},
    {"3", "an unknown status is not", "", 299, "", S::no_lifetime},
    {"3", "an unknown status with max-age", "", 299, "Cache-Control: max-age=60", S::storable},
    {"3", "302 with a lifetime only for others' directives", "", 302, "Cache-Control: no-transform",
     S::no_lifetime},
    {"3", "1xx is not final", "", 100, "Cache-Control: max-age=60", S::status},
    {"3", "101 is not final", "", 101, "Cache-Control: max-age=60", S::status},
    {"3", "103 is not final", "", 103, "Cache-Control: max-age=60", S::status},
    {"3", "status 0", "", 0, "Cache-Control: max-age=60", S::status},
    {"3", "status 600", "", 600, "Cache-Control: max-age=60", S::status},
    {"4.3.4", "304 is no response of its own", "", 304, "Cache-Control: max-age=60", S::status},
    {"3.3", "206 is partial", "", 206, "Cache-Control: max-age=60|Content-Range: bytes 0-1/9", S::partial},
    {"3.3", "206 without Content-Range", "", 206, "Cache-Control: max-age=60", S::partial},
    {"9110-14.4", "Content-Range means nothing with a 200", "", 200,
     "Cache-Control: max-age=60|Content-Range: bytes 0-1/9", S::storable},
    {"3.3", "a Range request", "Range: bytes=0-1", 200, "Cache-Control: max-age=60", S::request_bypasses},
    {"4.3.2", "the caller's precondition", "If-None-Match: \"a\"", 200, "Cache-Control: max-age=60",
     S::request_bypasses},
    {"9110-7.8", "Upgrade", "Upgrade: h2c", 200, "Cache-Control: max-age=60", S::request_bypasses},
    {"3", "a method in a field", "x-http-method: PUT", 200, "Cache-Control: max-age=60", S::request_bypasses},
    {"3", "a method in a field", "X-METHOD-OVERRIDE: PUT", 200, "Cache-Control: max-age=60",
     S::request_bypasses},
    {"5.2.2.5", "no-store", "", 200, "Cache-Control: no-store", S::response_no_store},
    {"5.2.2.5", "no-store beside max-age", "", 200, "Cache-Control: max-age=60, no-store",
     S::response_no_store},
    {"5.2.2.5", "no-store beside public", "", 200, "Cache-Control: public, no-store", S::response_no_store},
    {"5.2.2.5", "No-Store", "", 200, "Cache-Control: No-Store", S::response_no_store},
    {"5.2.2.5", "no-store on the second line", "", 200, "Cache-Control: max-age=60|Cache-Control: no-store",
     S::response_no_store},
    {"5.2.2.5", "no-store with an argument", "", 200, "Cache-Control: no-store=\"x\"", S::response_no_store},
    {"5.2.2.5", "no-store behind an unclosed quote", "", 200, "Cache-Control: x=\"a, no-store",
     S::response_no_store},
    {"5.2.1.5", "the request's no-store", "Cache-Control: no-store", 200, "Cache-Control: max-age=60",
     S::request_no_store},
    {"5.2.1.5", "the request's no-store with must-understand", "Cache-Control: no-store", 200,
     "Cache-Control: max-age=60, must-understand", S::request_no_store},
    {"5.2.1.4", "the request's no-cache forbids no storing", "Cache-Control: no-cache", 200,
     "Cache-Control: max-age=60", S::storable},
    {"5.4", "Pragma forbids no storing", "Pragma: no-cache", 200, "Pragma: no-cache", S::storable},
    {"5.2.2.4", "no-cache forbids no storing", "", 200, "Cache-Control: no-cache", S::storable},
    {"5.2.2.3", "must-understand with a known status", "", 200, "Cache-Control: must-understand, no-store",
     S::storable},
    {"5.2.2.3", "must-understand with an unknown status", "", 299,
     "Cache-Control: must-understand, max-age=60", S::not_understood},
    {"5.2.2.3", "must-understand, unknown status, no-store", "", 299,
     "Cache-Control: must-understand, no-store, max-age=60", S::not_understood},
    {"5.2.2.3", "a malformed must-understand does not set no-store aside", "", 200,
     "Cache-Control: must-understand; no-store", S::response_no_store},
    {"4.1", "Vary", "", 200, "Vary: A, B", S::storable},
    {"4.1", "Vary: *", "", 200, "Vary: *", S::vary_everything},
    {"4.1", "Vary: A, *", "", 200, "Vary: A, *", S::vary_everything},
    {"4.1", "* on the second line", "", 200, "Vary: A|Vary: *", S::vary_everything},
    {"4.1", "a Vary that can't be read", "", 200, "Vary: A B", S::vary_everything},
    {"3.1", "Connection that names Vary", "", 200, "Connection: close, Vary|Vary: A", S::malformed},
    {"3.1", "Connection that names Cache-Control", "", 200,
     "Connection: cache-control|Cache-Control: no-cache", S::malformed},
    {"3.1", "Connection that names another field", "", 200, "Connection: X|X: 1", S::storable},
};

}  // namespace

TEST_CASE("a private cache stores what RFC 9111 section 3 lets it") {
  check(both, private_mode());
  check(
      {
          {"5.2.2.7", "private", "", 200, "Cache-Control: private, max-age=60", S::storable},
          {"3", "302 with private", "", 302, "Cache-Control: private", S::storable},
          {"3", "302 with private and fields", "", 302, "Cache-Control: private=\"A\"", S::storable},
          {"3", "302 with s-maxage", "", 302, "Cache-Control: s-maxage=60", S::no_lifetime},
          {"3.5", "Authorization", "Authorization: Basic eDp5", 200, "Cache-Control: max-age=60",
           S::storable},
          {"7.3", "Set-Cookie", "", 200, "Set-Cookie: a=b", S::storable},
      },
      private_mode());
}

TEST_CASE("a shared cache stores what RFC 9111 section 3 lets it") {
  check(both, shared_mode());
  check(
      {
          {"5.2.2.7", "private", "", 200, "Cache-Control: private, max-age=60", S::is_private},
          {"5.2.2.7", "private beside public", "", 200, "Cache-Control: public, private", S::is_private},
          {"5.2.2.7", "private=\"\"", "", 200, "Cache-Control: private=\"\"", S::is_private},
          {"5.2.2.7", "private=A", "", 200, "Cache-Control: private=A", S::is_private},
          {"5.2.2.7", "private with fields", "", 200, "Cache-Control: private=\"A\", max-age=60",
           S::storable},
          {"5.2.2.7", "private with must-understand", "", 200,
           "Cache-Control: private, must-understand, no-store", S::is_private},
          {"3", "302 with s-maxage", "", 302, "Cache-Control: s-maxage=60", S::storable},
          {"3", "302 with private and fields", "", 302, "Cache-Control: private=\"A\"", S::no_lifetime},
          {"3.5", "Authorization", "Authorization: Basic eDp5", 200, "Cache-Control: max-age=60",
           S::authorization},
          {"3.5", "Authorization with public", "Authorization: x", 200, "Cache-Control: public", S::storable},
          {"3.5", "Authorization with a malformed public", "Authorization: x", 200, "Cache-Control: public;",
           S::authorization},
          {"3.5", "Authorization with s-maxage", "Authorization: x", 200, "Cache-Control: s-maxage=60",
           S::storable},
          {"3.5", "Authorization with must-revalidate", "Authorization: x", 200,
           "Cache-Control: must-revalidate", S::storable},
          {"3.5", "Authorization with proxy-revalidate", "Authorization: x", 200,
           "Cache-Control: proxy-revalidate", S::authorization},
          {"7.3", "Set-Cookie without a lifetime", "", 200, "Set-Cookie: a=b", S::set_cookie},
          {"7.3", "Set-Cookie with a lifetime", "", 200, "Set-Cookie: a=b|Cache-Control: max-age=60",
           S::storable},
      },
      shared_mode());
}

TEST_CASE("only responses to GET and HEAD are stored") {
  auto const none = fields("");
  auto const response = fields("Cache-Control: max-age=60");
  for (auto const method :
       {http::verb::post, http::verb::put, http::verb::delete_, http::verb::options, http::verb::unknown}) {
    CHECK(policy::storability(RequestView{method, none}, 200, response, {}) == S::method);
  }
  CHECK(policy::is_storable(RequestView{http::verb::get, none}, 200, response, {}));
  CHECK(policy::is_storable(RequestView{http::verb::head, none}, 200, response, {}));
}

TEST_CASE("a POST's response is stored where it is what a GET would bring") {
  struct PostRow {
    char const* section;
    char const* description;
    unsigned status;
    char const* response;
    Storability expected;
  };
  std::vector<PostRow> const rows = {
      {"9110-9.3.3", "its own URL and a lifetime", 200,
       "Content-Location: http://example.org/a?b|Cache-Control: max-age=60", S::storable},
      {"9110-9.3.3", "its own path and a lifetime", 200, "Content-Location: /a?b|Cache-Control: max-age=60",
       S::storable},
      {"9110-9.3.3", "Expires", 200, "Content-Location: /a?b|Expires: @60", S::storable},
      {"9110-9.3.3", "no Content-Location", 200, "Cache-Control: max-age=60", S::method},
      {"9110-9.3.3", "another URL", 200, "Content-Location: /a|Cache-Control: max-age=60", S::method},
      {"9110-9.3.3", "another host", 200,
       "Content-Location: http://example.com/a?b|Cache-Control: max-age=60", S::method},
      {"9110-9.3.3", "two of them", 200,
       "Content-Location: /a?b|Content-Location: /c|Cache-Control: max-age=60", S::method},
      {"9110-9.3.3", "no lifetime", 200, "Content-Location: /a?b", S::no_lifetime},
      {"9110-9.3.3", "public is no lifetime", 200, "Content-Location: /a?b|Cache-Control: public",
       S::no_lifetime},
      {"9110-9.3.3", "201", 201, "Content-Location: /a?b|Cache-Control: max-age=60", S::method},
      {"5.2.2.5", "no-store", 200, "Content-Location: /a?b|Cache-Control: max-age=60, no-store",
       S::response_no_store},
      {"4.1", "Vary: *", 200, "Content-Location: /a?b|Cache-Control: max-age=60|Vary: *", S::vary_everything},
  };
  beast_cache::Url const url{"http://example.org/a?b"};
  auto const none = fields("");
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.description);
    auto const response = fields(row.response);
    auto const post = RequestView{http::verb::post, none}.url(url);
    CHECK(policy::to_string(policy::storability(post, row.status, response, {})) ==
          policy::to_string(row.expected));
    CHECK(policy::storability(RequestView{http::verb::post, none}, row.status, response, {}) == S::method);
    CHECK(policy::storability(RequestView{http::verb::put, none}.url(url), row.status, response, {}) ==
          S::method);
  }
  CHECK(policy::stored_method(http::verb::post) == http::verb::get);
  CHECK(policy::stored_method(http::verb::head) == http::verb::head);
}

TEST_CASE("a user's expiry stands in for a lifetime, and forbids nothing less") {
  auto const none = fields("");
  RequestView const get{http::verb::get, none};
  CHECK(policy::storability(get, 302, none, {}, true) == S::storable);
  CHECK(policy::storability(get, 500, none, {}, true) == S::storable);
  CHECK(policy::storability(get, 200, fields("Cache-Control: no-store"), {}, true) == S::response_no_store);
  CHECK(policy::storability(get, 206, none, {}, true) == S::partial);
}

TEST_CASE("without cache_control the directives do not count, the rest does") {
  auto const off = policy::Options{}.cache_control(false);
  auto const none = fields("");
  RequestView const get{http::verb::get, none};
  CHECK(policy::storability(get, 200, fields("Cache-Control: no-store"), off) == S::storable);
  CHECK(policy::storability(get, 302, fields("Cache-Control: max-age=60"), off) == S::no_lifetime);
  CHECK(policy::storability(get, 200, fields("Vary: *"), off) == S::vary_everything);
  CHECK(policy::storability(get, 206, none, off) == S::partial);
  auto const request_no_store = fields("Cache-Control: no-store");
  CHECK(policy::storability(RequestView{http::verb::get, request_no_store}, 200, none, off) == S::storable);
  CHECK(policy::storability(RequestView{get}.no_store(true), 200, none, off) == S::request_no_store);
  CHECK(policy::storability(RequestView{get}.no_store(true), 200, none, {}) == S::request_no_store);
  auto const authorized = fields("Authorization: x");
  auto const shared_off = shared_mode().cache_control(false);
  CHECK(policy::storability(RequestView{http::verb::get, authorized}, 200, fields("Cache-Control: public"),
                            shared_off) == S::authorization);
}

TEST_CASE("what concerns one connection is not stored, all else is, in its order") {
  struct FieldRow {
    char const* section;
    char const* response;
    char const* expected_private;
    char const* expected_shared;
  };
  std::vector<FieldRow> const rows = {
      {"3.1", "Date: @0|B: 2|a: 1|Set-Cookie: x=y|Set-Cookie: z=w",
       "Date: @0|B: 2|a: 1|Set-Cookie: x=y|Set-Cookie: z=w",
       "Date: @0|B: 2|a: 1|Set-Cookie: x=y|Set-Cookie: z=w"},
      {"3.1", "Date: @0|Connection: close, X-Hop|X-HOP: 1|A: 1", "Date: @0|A: 1", "Date: @0|A: 1"},
      {"3.1", "Date: @0|Connection: X|Connection: Y|X: 1|Y: 1|X: 2", "Date: @0", "Date: @0"},
      {"3.1",
       "Date: @0|Keep-Alive: timeout=5|Proxy-Connection: x|TE: x|Trailer: x|Transfer-Encoding: "
       "chunked|Upgrade: x",
       "Date: @0", "Date: @0"},
      {"3.1", "Date: @0|Proxy-Authenticate: x|Proxy-Authorization: x|Proxy-Authentication-Info: x",
       "Date: @0", "Date: @0"},
      {"3.1", "Date: @0|WWW-Authenticate: x", "Date: @0|WWW-Authenticate: x", "Date: @0|WWW-Authenticate: x"},
      {"9110-6.6.1", "A: 1", "A: 1|Date: @7", "A: 1|Date: @7"},
      {"9110-6.6.1", "Date: x", "Date: x", "Date: x"},
      {"5.2.2.4", "Date: @0|Cache-Control: no-cache=\"A, b\"|A: 1|B: 2|C: 3",
       "Date: @0|Cache-Control: no-cache=\"A, b\"|C: 3", "Date: @0|Cache-Control: no-cache=\"A, b\"|C: 3"},
      {"5.2.2.7", "Date: @0|Cache-Control: private=\"A\"|A: 1", "Date: @0|Cache-Control: private=\"A\"|A: 1",
       "Date: @0|Cache-Control: private=\"A\""},
      {"5.2.2.7", "Date: @0|Cache-Control: private=\"Set-Cookie\"|Set-Cookie: a|Set-Cookie: b",
       "Date: @0|Cache-Control: private=\"Set-Cookie\"|Set-Cookie: a|Set-Cookie: b",
       "Date: @0|Cache-Control: private=\"Set-Cookie\""},
  };
  for (auto const& row : rows) {
    INFO(row.section << ": " << row.response);
    auto const response = fields(row.response);
    CHECK(text(policy::storable_fields(response, private_mode(), at(7))) ==
          text(fields(row.expected_private)));
    CHECK(text(policy::storable_fields(response, shared_mode(), at(7))) == text(fields(row.expected_shared)));
  }
  auto const cookie = fields("Date: @0|Set-Cookie: a=b|A: 1");
  CHECK(text(policy::storable_fields(cookie, policy::Options{}.strip_set_cookie(true), t0)) ==
        text(fields("Date: @0|A: 1")));
  CHECK(policy::is_storable(RequestView{http::verb::get, fields("")}, 200, cookie,
                            shared_mode().strip_set_cookie(true)));
}

TEST_CASE("every reason not to store has words of its own") {
  std::vector<std::string> seen;
  for (int i = 0; i <= static_cast<int>(S::malformed); ++i) {
    std::string const words{policy::to_string(static_cast<Storability>(i))};
    CHECK_FALSE(words.empty());
    for (auto const& other : seen) CHECK(words != other);
    seen.push_back(words);
  }
}
