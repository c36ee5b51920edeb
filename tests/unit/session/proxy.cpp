// Which proxy a request goes through, as pure functions.
#include "session/proxy.hpp"

#include <cstdlib>

#include "beast_cache/error.hpp"
#include "catch.hpp"
#include "session/http1.hpp"
#include "support/environment.hpp"

using namespace beast_cache;
using namespace beast_cache::detail;
using test_support::Environment;

namespace {

std::string chosen(Proxies const& proxies, char const* url) {
  auto const proxy = proxies.choose(Url(url));
  return proxy ? proxy->name() : "direct";
}

}  // namespace

TEST_CASE("A proxy's URL is taken apart") {
  Proxy const plain("http://proxy.example:3128");
  CHECK_FALSE(plain.is_socks());
  CHECK(plain.host() == "proxy.example");
  CHECK(plain.port() == 3128);
  CHECK(plain.authorization().empty());
  Proxy const bare("proxy.example:3128");
  CHECK(bare.name() == "http://proxy.example:3128");
  CHECK(Proxy("HTTP://proxy.example/ignored?too").name() == "http://proxy.example:80");
  CHECK(Proxy("http://[::1]:81").name() == "http://[::1]:81");
  CHECK(Proxy("http://[::1]:81").host() == "::1");

  Proxy const socks("socks5h://proxy.example");
  CHECK(socks.is_socks());
  CHECK(socks.port() == 1080);
  CHECK(Proxy("socks5://[::1]").port() == 1080);
  CHECK(Proxy("socks5h://proxy.example:80").port() == 80);
}

TEST_CASE("A proxy's credentials are told to it in its own way, and are no part of its name") {
  Proxy const plain("http://Aladdin:open%20sesame@proxy.example:3128");
  CHECK(plain.authorization() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");  // RFC 7617 section 2
  CHECK(plain.name() == "http://proxy.example:3128");
  Proxy const socks("socks5h://me:p%40ss:word@proxy.example");
  CHECK(socks.user() == "me");
  CHECK(socks.password() == "p@ss:word");
  CHECK(socks.authorization().empty());
  CHECK(socks.name() == "socks5h://proxy.example:1080");
}

TEST_CASE("What is no proxy's URL is refused, and its password not repeated") {
  for (std::string const text :
       {"https://proxy.example", "ftp://u:secret@proxy.example", "http://", "http://u:secret@", "http://a b",
        "http://u:secret@proxy.example:99999", "socks5h://user@proxy.example",
        "socks5h://:secret@proxy.example", "socks4://proxy.example", "http://proxy.example\r\nX: y"}) {
    INFO(text);
    try {
      Proxy const proxy(text);
      FAIL("accepted");
    } catch (Error const& e) {
      CHECK(e.code() == http_errc::invalid_url);
      CHECK(std::string(e.what()).find("secret") == std::string::npos);
    }
  }
  CHECK_THROWS_AS(Proxy("socks5h://u:" + std::string(256, 'x') + "@proxy.example"), Error);
}

TEST_CASE("One proxy for everything, or none") {
  Proxies const none;
  CHECK(chosen(none, "http://example.org/") == "direct");
  Proxies const one("http://proxy.example:3128", true);
  CHECK(chosen(one, "http://example.org/") == "http://proxy.example:3128");
  CHECK(chosen(one, "https://example.org/") == "http://proxy.example:3128");
}

TEST_CASE("The environment's proxies count only when they are asked for") {
  Environment const http("http_proxy", "http://a.example:1");
  Environment const https("HTTPS_PROXY", "http://b.example:2");
  CHECK(chosen(Proxies("", false), "http://example.org/") == "direct");
  Proxies const proxies("", true);
  CHECK(chosen(proxies, "http://example.org/") == "http://a.example:1");
  CHECK(chosen(proxies, "https://example.org/") == "http://b.example:2");
}

TEST_CASE("Lower case comes before upper case, and a scheme's own proxy before that for all") {
  Environment const all("ALL_PROXY", "socks5h://all.example");
  CHECK(chosen(Proxies("", true), "http://example.org/") == "socks5h://all.example:1080");
  CHECK(chosen(Proxies("", true), "https://example.org/") == "socks5h://all.example:1080");
  Environment const upper("HTTPS_PROXY", "http://upper.example");
  CHECK(chosen(Proxies("", true), "https://example.org/") == "http://upper.example:80");
  Environment const lower("https_proxy", "http://lower.example");
  CHECK(chosen(Proxies("", true), "https://example.org/") == "http://lower.example:80");
  CHECK(chosen(Proxies("", true), "http://example.org/") == "socks5h://all.example:1080");
}

TEST_CASE("HTTP_PROXY in upper case does not count in a CGI program") {
  Environment const upper("HTTP_PROXY", "http://attacker.example");
  CHECK(chosen(Proxies("", true), "http://example.org/") == "http://attacker.example:80");
  Environment const cgi("REQUEST_METHOD", "GET");
  CHECK(chosen(Proxies("", true), "http://example.org/") == "direct");
  Environment const lower("http_proxy", "http://own.example");
  CHECK(chosen(Proxies("", true), "http://example.org/") == "http://own.example:80");
}

TEST_CASE("A malformed proxy in the environment is an error, and not the way past it") {
  Environment const https("https_proxy", "gopher://proxy.example");
  CHECK_THROWS_AS(Proxies("", true), Error);
}

TEST_CASE("Exceptions name hosts, what is below them, addresses, networks and ports") {
  auto const is_excepted = [](char const* list, char const* url) {
    return ProxyExceptions(list).contains(Url(url));
  };
  CHECK_FALSE(is_excepted("", "http://example.org/"));
  CHECK(is_excepted("*", "http://example.org/"));
  for (char const* list : {"example.org", ".example.org", "*.example.org", "other.example, EXAMPLE.org",
                           "a b example.org.", ",,example.org,"}) {
    INFO(list);
    CHECK(is_excepted(list, "https://example.org/"));
    CHECK(is_excepted(list, "http://www.example.org:8080/"));
    CHECK(is_excepted(list, "http://example.org./"));
    CHECK_FALSE(is_excepted(list, "http://badexample.org/"));
    CHECK_FALSE(is_excepted(list, "http://example.org.evil.example/"));
  }
  CHECK(is_excepted("example.org:8080", "http://example.org:8080/"));
  CHECK_FALSE(is_excepted("example.org:8080", "http://example.org/"));
  CHECK(is_excepted("example.org:443", "https://example.org/"));
  CHECK_FALSE(is_excepted("example.org:nonsense", "https://example.org/"));
  CHECK(is_excepted("127.0.0.1", "http://127.0.0.1:8000/"));
  CHECK_FALSE(is_excepted("7.0.0.1", "http://127.0.0.1/"));
  CHECK(is_excepted("10.0.0.0/8", "http://10.1.2.3/"));
  CHECK_FALSE(is_excepted("10.0.0.0/8", "http://11.1.2.3/"));
  CHECK_FALSE(is_excepted("10.0.0.0/8", "http://[::1]/"));
  CHECK(is_excepted("::1", "http://[::1]:80/"));
  CHECK(is_excepted("[::1]:81", "http://[::1]:81/"));
  CHECK(is_excepted("fd00::/8", "http://[fd00::1]/"));
  CHECK_FALSE(is_excepted("fd00::/8", "http://[fe00::1]/"));
}

TEST_CASE("A route shares its connections with those of the same key only") {
  auto const plain = std::make_shared<Proxy const>("http://user:secret@proxy.example:3128");
  auto const socks = std::make_shared<Proxy const>("socks5h://proxy.example");
  Url const http("http://example.org/a");
  Url const https("https://example.org/a");
  CHECK(Route(http, nullptr).key() == "http://example.org");
  CHECK(Route(https, nullptr).key() == "https://example.org");
  CHECK(Route(http, plain).key() == "http://proxy.example:3128");
  CHECK(Route(https, plain).key() == "https://example.org through http://proxy.example:3128");
  CHECK(Route(http, socks).key() == "http://example.org through socks5h://proxy.example:1080");
  CHECK(Route(http, plain).is_forwarded());
  CHECK_FALSE(Route(https, plain).is_forwarded());
  CHECK_FALSE(Route(http, socks).is_forwarded());
}

TEST_CASE("A request's head for a proxy has the whole URL and the proxy's credentials") {
  Proxy const proxy("http://Aladdin:open%20sesame@proxy.example:3128");
  Url const url("http://user:secret@example.org:81/a?b");
  Request request(http::verb::get, url);
  CHECK(to_absolute_form(serialize_head(request), url, proxy) ==
        "GET http://example.org:81/a?b HTTP/1.1\r\nHost: example.org:81\r\n"
        "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
  Request options(http::verb::options, url);
  options.set_target("*");
  CHECK(to_absolute_form(serialize_head(options), url, Proxy("proxy.example")) ==
        "OPTIONS http://example.org:81 HTTP/1.1\r\nHost: example.org:81\r\n\r\n");
}
