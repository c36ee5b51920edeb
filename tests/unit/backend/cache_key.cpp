#include "beast_cache/backend/cache_key.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "support.hpp"

using namespace backend_test;

namespace {

http::fields fields(std::string_view block) {
  return detail::parse_headers(block).value();
}

std::string variant(std::string_view request_block, std::string_view response_block,
                    std::string principal = std::string(), http::verb method = http::verb::get,
                    std::string_view url = "http://example.org/") {
  return create_variant(StoredResponse(
      answer(make_request(url, request_block, method), response_block, "", 0, std::move(principal))));
}

}  // namespace

TEST_CASE("A key is the SHA-256 of the normalised URL, which sha256sum gives, too") {
  CHECK(create_key(Url("http://example.org/")) ==
        "781bc04ec9bd049cdfacaec4ae2026102118d13c79413246f0c88eeef6ebec4e");
}

TEST_CASE("Spellings of a URL that RFC 3986 calls equivalent share a key") {
  std::string const key = create_key(Url("http://example.org/~a/b?x=1&y=2"));
  for (char const* spelling :
       {"HTTP://EXAMPLE.org/~a/b?x=1&y=2", "http://example.org:80/%7Ea/b?x=1&y=2",
        "http://example.org/c/../%7ea/./b?x=1&y=2#part", "http://u:p@example.org/~a/b?x=1&y=2"})
    CHECK(create_key(Url(spelling)) == key);
  CHECK(create_key(Url("http://example.org")) == create_key(Url("http://example.org/")));
}

TEST_CASE("Different URLs have different keys") {
  std::set<std::string> keys;
  char const* const urls[] = {
      "http://example.org/a/b",         "https://example.org/a/b", "http://example.org/a%2Fb",
      "http://example.org:8080/a/b",    "http://example.org/a/b?", "http://example.org/a/b?x=1&y=2",
      "http://example.org/a/b?y=2&x=1", "http://example.com/a/b",  "http://example.org/A/b"};
  for (char const* url : urls) keys.insert(create_key(Url(url)));
  CHECK(keys.size() == std::size(urls));
}

TEST_CASE("A principal is a keyed hash of Authorization, and empty without one") {
  auto const bearer = fields("Authorization: Bearer abc\r\nAccept: */*\r\n");
  CHECK(create_principal(bearer, "salt") ==
        "f9eb0a835c3c396738e88599d001793b1f68a5e1bcb9880b5653896fbc252f91");
  CHECK(create_principal(bearer, "") == "8ba2706bd22beeaf9b825eba80f99c40845202d75db09605b4389824864a4fb5");
  CHECK(create_principal(bearer, "salt") ==
        "f9eb0a835c3c396738e88599d001793b1f68a5e1bcb9880b5653896fbc252f91");
  CHECK(create_principal(fields("Accept: */*\r\n"), "salt").empty());
  CHECK(create_principal(fields("Authorization: \r\n"), "salt").size() == 64);
  CHECK(create_principal(fields("AUTHORIZATION: Bearer abc\r\n"), "salt") ==
        create_principal(bearer, "salt"));
  CHECK(create_principal(fields("Authorization: Bearer abC\r\n"), "salt") !=
        create_principal(bearer, "salt"));
}

TEST_CASE("Two lines of Authorization are not one with their text joined") {
  CHECK(create_principal(fields("Authorization: ab\r\nAuthorization: c\r\n"), "s") !=
        create_principal(fields("Authorization: a\r\nAuthorization: bc\r\n"), "s"));
}

TEST_CASE("Whatever makes a variant differ gives it another name") {
  std::string const vary = "Vary: Accept, Accept-Language\r\n";
  std::vector<std::string> const names = {
      variant("", ""),
      variant("", "", "alice"),
      variant("", "", "bob"),
      variant("", "", "", http::verb::head),
      variant("", "", "", http::verb::get, "http://example.org/other"),
      variant("", vary),
      variant("Accept: a\r\n", vary),
      variant("Accept-Language: a\r\n", vary),
      variant("Accept: \r\n", vary),  // RFC 9111 section 4.1: absent matches absent only
      variant("Accept: a\r\nAccept-Language: b\r\n", vary),
      variant("Accept: ab\r\nAccept-Language: \r\n", vary),
      variant("Accept: \"a, b\"\r\n", vary),
      variant("Accept: \"a,b\"\r\n", vary),
  };
  std::set<std::string> const distinct(names.begin(), names.end());
  CHECK(distinct.size() == names.size());
  for (auto const& name : names) CHECK(name.size() == 64);
}

TEST_CASE("The parts of a variant's name can't be moved into each other") {
  CHECK(variant("A: bc\r\n", "Vary: A\r\n", "x") != variant("A: c\r\n", "Vary: A\r\n", "xb"));
  CHECK(variant("A: 1\r\nB: 2\r\n", "Vary: A, B\r\n") != variant("A: 12\r\nB: \r\n", "Vary: A, B\r\n"));
  CHECK(variant("AB: 1\r\n", "Vary: AB\r\n") != variant("A: 1\r\nB: 1\r\n", "Vary: A, B\r\n"));
}

TEST_CASE("Fields that match by RFC 9111 section 4.1 give one variant") {
  std::string const name = variant("Accept: a, b\r\n", "Vary: Accept, X\r\n");
  CHECK(variant("Accept: a,b\r\n", "Vary: Accept, X\r\n") == name);
  CHECK(variant("Accept: a\r\nAccept: b\r\n", "Vary: Accept, X\r\n") == name);
  CHECK(variant("ACCEPT: a, b\r\nOther: 1\r\n", "Vary: x, accept\r\n") == name);
  CHECK(variant("Accept: a, b\r\n", "Vary: X\r\nVary: Accept, X\r\n") == name);
}

TEST_CASE("Keys are the same from any thread") {
  std::string const key = create_key(Url("http://example.org/thread"));
  std::vector<std::string> keys(8);
  std::vector<std::thread> threads;
  for (auto& result : keys)
    threads.emplace_back([&result] { result = create_key(Url("http://example.org/thread")); });
  for (auto& thread : threads) thread.join();
  CHECK(std::count(keys.begin(), keys.end(), key) == 8);
}

TEST_CASE("A header block is its fields' text, and back") {
  std::string const block =
      "Set-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\nX-Empty: \r\nX-Bytes: caf\xc3\xa9\t\xff\r\n";
  CHECK(detail::format_headers(fields(block)) == block);
  CHECK(detail::format_headers(http::fields()).empty());
  CHECK(detail::parse_headers("").has_value());
}

TEST_CASE("A malformed header block is refused as a whole") {
  using namespace std::string_view_literals;
  std::string const too_long(70000, 'x');
  for (std::string_view block :
       {"A: b"sv, "A: b\r"sv, "A: b\n"sv, "A:b\r\n"sv, ": b\r\n"sv, "A b: c\r\n"sv, "A : c\r\n"sv,
        "A: b\nC: d\r\n"sv, "A: b\rc\r\n"sv, "A: b\0c\r\n"sv, "A\0: b\r\n"sv, "\r\n"sv, "A: b\r\n\r\n"sv,
        "A: b\r\n C\r\n"sv, "A:  b\r\n"sv, "A: b \r\n"sv, "A: b\r\n\0"sv}) {
    CAPTURE(block);
    CHECK_FALSE(detail::parse_headers(block).has_value());
  }
  CHECK_FALSE(detail::parse_headers("A: " + too_long + "\r\n").has_value());
  CHECK_FALSE(detail::parse_headers(too_long + ": b\r\n").has_value());
}

TEST_CASE("Header fields that HTTP does not allow are refused before they are written") {
  for (auto const& [name, value] : {std::pair("A", "b\r\nInjected: c"), std::pair("A", "b\n"),
                                    std::pair("A b", "c"), std::pair("A:", "c")}) {
    http::fields bad;
    bad.insert(name, value);
    CAPTURE(name, value);
    try {
      static_cast<void>(detail::format_headers(bad));
      FAIL("accepted");
    } catch (Error const& error) {
      CHECK(error.code() == cache_errc::bad_value);
    }
  }
}

TEST_CASE("credentials are concealed, each line and each salt apart, and nothing else is touched") {
  http::fields headers;
  headers.set("Accept", "text/html");
  CHECK_FALSE(has_credentials(headers));
  for (char const* name : {"Authorization", "Cookie", "Proxy-Authorization"}) {
    http::fields one = headers;
    one.insert(name, "secret");
    CHECK(has_credentials(one));
    http::fields other_salt = one;
    http::fields two = one;
    two.insert(name, "more");
    conceal_credentials(one, "salt");
    conceal_credentials(other_salt, "pepper");
    conceal_credentials(two, "salt");
    CHECK(one[name].size() == 64);
    CHECK(one[name] != other_salt[name]);
    CHECK(one[name] != two[name]);
    CHECK(two.count(name) == 1);
    CHECK(one["Accept"] == "text/html");
  }
}
