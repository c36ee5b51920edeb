#include "beast_cache/http/url.hpp"

#include <optional>
#include <random>
#include <string>

#include "beast_cache/error.hpp"
#include "catch.hpp"

using namespace beast_cache;

TEST_CASE("Equivalent spellings of a URL have one normal form") {
  using Row = std::pair<char const*, char const*>;
  auto const row =
      GENERATE(Row("http://h", "http://h/"), Row("HTTP://EXAMPLE.org:80", "http://example.org/"),
               Row("https://h:443/x", "https://h/x"), Row("https://h:80/x", "https://h:80/x"),
               Row("http://h:/x", "http://h/x"), Row("http://h/a/./b/../c", "http://h/a/c"),
               Row("http://h/../../a", "http://h/a"), Row("http://h/a/..", "http://h/"),
               Row("http://h/a/.", "http://h/a/"), Row("http://h/%7euser/%41", "http://h/~user/A"),
               Row("http://h/a%2fb", "http://h/a%2Fb"), Row("http://h/a/%2e%2E/b", "http://h/b"),
               Row("http://h/a%00b", "http://h/a%00b"), Row("http://h?q", "http://h/?q"),
               Row("http://h/?", "http://h/?"), Row("http://h/?b=1&a=%7e%2f", "http://h/?b=1&a=~%2F"),
               Row("http://h/?a/../b", "http://h/?a/../b"), Row("http://h/#frag", "http://h/"),
               Row("http://h/a//b/", "http://h/a//b/"), Row("http://h./x", "http://h./x"),
               Row("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"),
               Row("http://[2001:DB8:0:0:0:0:0:1]:8080/", "http://[2001:db8::1]:8080/"),
               Row("http://[::1]/", "http://[::1]/"), Row("http://192.0.2.1:80/", "http://192.0.2.1/"),
               Row("http://1.2.3.4.example.org/", "http://1.2.3.4.example.org/"),
               Row("http://u@1.2.3.4x:81?q", "http://1.2.3.4x:81/?q"));
  CHECK(Url(row.first).str() == row.second);
  CHECK(Url(Url(row.first).str()).str() == row.second);
}

TEST_CASE("The parts of a URL are views of its normal form") {
  Url const url("https://User:p%40ss@[::1]:8443/a/b?c=d#e");
  CHECK(url.scheme() == "https");
  CHECK(url.is_secure());
  CHECK(url.host() == "[::1]");
  CHECK(url.host_name() == "::1");
  CHECK(url.port() == 8443);
  CHECK(url.authority() == "[::1]:8443");
  CHECK(url.origin() == "https://[::1]:8443");
  CHECK(url.target() == "/a/b?c=d");
  CHECK(url.user_info() == "User:p%40ss");
  CHECK(url.str() == "https://[::1]:8443/a/b?c=d");
  CHECK(Url("http://h/").port() == 80);
  CHECK(Url("https://h/").port() == 443);
  CHECK(Url().host().empty());
  CHECK(Url().authority().empty());
  CHECK(Url().target().empty());
}

TEST_CASE("What is not an absolute http or https URL is refused") {
  std::string const text = GENERATE(
      as<std::string>(), "", "h", "/path", "//h/", "http:", "http:///x", "http://", "http:/h", "ftp://h/",
      "file:///etc/passwd", "http://h:65536/", "http://h:0/", "http://h:x/", "http://h:8x/", "http://[::1]x/",
      "http://u@v@h/", "http://[::1]]/", "http://a[::1]/", "http://::1/", "http://1.2.3.4.5/",
      "http://h:80:90/", "http://h:99999999999999999999/", "http://h h/", "http://h/a b", "http://h/\r\nX: y",
      "http://h/\n", " http://h/", "http://h/ ", "http://h%2Fx/", "http://%41/", "http://a..b/", "http://.a/",
      "http://-/%", "http://h/%4", "http://h/%zz", "http://[::1", "http://[::g]/", "http://[fe80::1%25eth0]/",
      "http://[v1.x]/", "http://2130706433/", "http://0x7f.1/", "http://1.2.3/", "http://256.1.1.1/",
      "http://b\xc3\xbc"
      "cher.example/",
      "http://h/\xc3\xbc", "http://h/{}", "http://h/|", "http://h/\"", "http://a!b/", "http://h\\@evil/",
      "http://h/\\");
  INFO(text);
  CHECK_FALSE(Url::parse(text));
  CHECK_THROWS_AS(Url(text), Error);
}

TEST_CASE("A NUL in a URL, a name that is too long, and a URL that is too long are refused") {
  CHECK_FALSE(Url::parse(std::string_view("http://h/\0x", 11)));
  CHECK_FALSE(Url::parse(std::string_view("http://h\0.example/", 18)));
  CHECK_FALSE(Url::parse("http://" + std::string(64, 'a') + "/"));
  CHECK(Url::parse("http://" + std::string(63, 'a') + "/"));
  CHECK_FALSE(Url::parse("http://h/" + std::string(70000, 'a')));
}

TEST_CASE("An error names the URL, and never its user information") {
  try {
    Url const url("http://name:secret@h:port/");
    FAIL("accepted");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::invalid_url);
    CHECK(std::string(e.what()).find("secret") == std::string::npos);
    CHECK(std::string(e.what()).find("h:port") != std::string::npos);
  }
}

TEST_CASE("An error says what keeps a text from being a URL") {
  using Row = std::pair<std::string, char const*>;
  auto const [text, why] = GENERATE(
      Row("example.org/page", "has no scheme"), Row("/page", "has no scheme"), Row("", "has no scheme"),
      Row("ftp://h/", "another scheme"), Row("http://", "has no host"), Row("http:///page", "has no host"),
      Row("http://u@:80/", "has no host"), Row("http://h:x/", "port that is no number"),
      Row("http://h:0/", "port that is no number"), Row("http://h:65536/", "port that is no number"),
      Row("http://[::1/", "neither a name nor an address"), Row("http://1.2.3/", "neither a name nor"),
      Row("http://h/a b", "has spaces"), Row("http://h/a\n", "has spaces or control"),
      Row("http://b\xc3\xbc"
          "cher/",
          "non-ASCII"),
      Row("http://h/%zz", "without two hexadecimal digits"), Row("http://h/<", "has to be percent-encoded"),
      Row("http+unix://run/sock", "does not name a socket"), Row("http+unix://%2Fa/b c", "has spaces"),
      Row("HTTP://h:x/", "port that is no number"), Row("http://h/" + std::string(70'000, 'a'), "64 KiB"));
  INFO(text);
  REQUIRE_FALSE(Url::parse(text));
  try {
    Url const url{std::string_view(text)};
    FAIL("accepted");
  } catch (Error const& e) {
    INFO(e.what());
    CHECK(std::string(e.what()).find(why) != std::string::npos);
  }
}

// RFC 3986 section 5.4, with a base of http://a/b/c/d;p?q.
TEST_CASE("A reference is resolved as RFC 3986 shows") {
  using Row = std::pair<char const*, char const*>;
  auto const row =
      GENERATE(Row("g", "http://a/b/c/g"), Row("./g", "http://a/b/c/g"), Row("g/", "http://a/b/c/g/"),
               Row("/g", "http://a/g"), Row("//g", "http://g/"), Row("?y", "http://a/b/c/d;p?y"),
               Row("g?y", "http://a/b/c/g?y"), Row("#s", "http://a/b/c/d;p?q"), Row("g#s", "http://a/b/c/g"),
               Row("", "http://a/b/c/d;p?q"), Row(".", "http://a/b/c/"), Row("..", "http://a/b/"),
               Row("../g", "http://a/b/g"), Row("../..", "http://a/"), Row("../../../g", "http://a/g"),
               Row("/./g", "http://a/g"), Row("g;x=1/../y", "http://a/b/c/y"),
               Row("g?y/../x", "http://a/b/c/g?y/../x"), Row("https://x/y", "https://x/y"),
               Row("?", "http://a/b/c/d;p?"));
  std::optional<Url> const url = Url("http://a/b/c/d;p?q").resolve(row.first);
  REQUIRE(url);
  CHECK(url->str() == row.second);
}

TEST_CASE("What a server did not percent-encode is followed, not resolved") {
  std::string const text = GENERATE(as<std::string>(), "a b", "%", "\xc3\xbc", "/?a|b", "//h/[x]");
  INFO(text);
  CHECK_FALSE(Url("http://a/b").resolve(text));
  CHECK(Url("http://a/b").follow(text));
}

TEST_CASE("A reference that leads nowhere is refused") {
  std::string const text = GENERATE(as<std::string>(), "ftp://h/", "javascript:alert(1)", "http:g",
                                    "mailto:a@b", "a\r\nb", "\r\n", "//", "http://", "\x7f");
  INFO(text);
  CHECK_FALSE(Url("http://a/b").resolve(text));
  CHECK_FALSE(Url("http://a/b").follow(text));
  CHECK_FALSE(Url().resolve("/x"));
}

TEST_CASE("User information is not part of a URL's identity, its origin is") {
  CHECK(Url("http://u:p@h/") == Url("http://h/"));
  CHECK(Url("http://u:p@h/").resolve("x")->user_info() == "u:p");
  CHECK(same_origin(Url("http://h/a"), Url("http://H:80/b")));
  CHECK_FALSE(same_origin(Url("http://h/"), Url("https://h/")));
  CHECK_FALSE(same_origin(Url("http://h/"), Url("http://h:81/")));
  CHECK_FALSE(same_origin(Url("http://h/"), Url("http://h./")));
}

TEST_CASE("http+unix names a socket, and nobody but the caller leads there") {
  Url const url("http+unix://%2frun%2Fmy.sock/a/../b?c#d");
  CHECK(url.is_unix());
  CHECK_FALSE(url.is_secure());
  CHECK(url.str() == "http+unix://%2Frun%2Fmy.sock/b?c");
  CHECK(url.socket_path() == "/run/my.sock");
  CHECK(url.authority() == "localhost");
  CHECK(url.target() == "/b?c");
  CHECK(url.origin() == "http+unix://%2Frun%2Fmy.sock");
  CHECK(Url("http+unix://%2Fs").str() == "http+unix://%2Fs/");
  CHECK(Url("HTTP+Unix://%2fS").str() == "http+unix://%2FS/");
  CHECK(url.resolve("/x").value().str() == "http+unix://%2Frun%2Fmy.sock/x");
  CHECK(url.resolve("http+unix://%2Frun%2Fmy.sock/x").has_value());
  CHECK(url.resolve("https://example.org/").has_value());
  CHECK_FALSE(url.resolve("http+unix://%2Frun%2Fother.sock/x"));
  CHECK_FALSE(url.resolve("//%2Frun%2Fother.sock/x"));
  CHECK_FALSE(Url("https://example.org/").resolve("http+unix://%2Frun%2Fmy.sock/"));
  for (char const* bad :
       {"http+unix://", "http+unix://host/", "http+unix://%2Fa%00b/", "http+unix://%2", "http+unix:///",
        "http+unix://%2Fs:80/", "http+unix://u@%2Fs/", "http+unix://%2Fa b/"})
    CHECK_FALSE(Url::parse(bad));
}

TEST_CASE("A URL that is normal already is read as any other is") {
  // With the scheme in capitals it goes the long way.
  auto const check = [](std::string const& rest) {
    for (char const* scheme : {"http", "https"}) {
      std::string upper(scheme);
      for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
      CAPTURE(rest);
      std::optional<Url> const fast = Url::parse(std::string(scheme) + rest);
      std::optional<Url> const slow = Url::parse(upper + rest);
      REQUIRE(fast.has_value() == slow.has_value());
      if (!fast) continue;
      CHECK(fast->str() == slow->str());
      CHECK(fast->host() == slow->host());
      CHECK(fast->port() == slow->port());
      CHECK(fast->target() == slow->target());
      CHECK(fast->origin() == slow->origin());
      CHECK(fast->user_info() == slow->user_info());
    }
  };
  for (char const* rest : {"://example.org/",
                           "://example.org",
                           "://example.org?x",
                           "://example.org/#f",
                           "://127.0.0.1:8080/a/b?c=d",
                           "://127.0.0.1.example/",
                           "://2130706433/",
                           "://0x7f.1/",
                           "://1.2.3/",
                           "://a..b/",
                           "://.a/",
                           "://a./x",
                           "://h:80/",
                           "://h:443/",
                           "://h:0/",
                           "://h:00081/",
                           "://h:65535/",
                           "://h:65536/",
                           "://h:/",
                           "://h:x/",
                           "://u:p@h/",
                           "://h/a//b",
                           "://h//",
                           "://h/./a",
                           "://h/a/../b",
                           "://h/.a",
                           "://h/a.b..c",
                           "://h/a/..",
                           "://h/%41",
                           "://h/a b",
                           "://h/a?b?c/d//e/../f",
                           "://h/?[]",
                           "://h/a|b",
                           "://h/@:;=&",
                           "://h/a?b#c",
                           "://H/",
                           "://h_-1.x/",
                           "://[::1]/",
                           "://[::1]:81/a",
                           ":///a",
                           "://",
                           "//h/",
                           "://h/\x7f",
                           "://h/\xc3\xa9",
                           "://h\\a/"})
    check(rest);
  std::mt19937 random(7);
  std::string const letters = "ab1.:/?#@%-_~&=[] \\A";
  for (int i = 0; i < 20'000; ++i) {
    std::string rest = "://h";
    for (unsigned n = random() % 12; n-- > 0;) rest += letters[random() % letters.size()];
    check(rest);
  }
}
