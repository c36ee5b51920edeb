#include "beast_cache/session/cookie_jar.hpp"

#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "beast_cache/http/date.hpp"

#include "support/cached_world.hpp"
#include "support/memory_backend.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/temp_directory.hpp"

using namespace test_support;
using beast_cache::detail::default_cookie_path;
using beast_cache::detail::domain_matches;
using beast_cache::detail::parse_cookie_date;
using beast_cache::detail::path_matches;

namespace {

class Jar {
 public:
  /// @return Whether it was taken over.
  bool set(std::string const& where, std::string const& set_cookie) {
    std::optional<Cookie> const cookie = Cookie::parse(set_cookie);
    return cookie && jar.store(Url(where), *cookie);
  }
  std::string get(std::string const& where) { return jar.header(Url(where)); }

  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  CookieJar jar{clock};
};

std::string const home = "https://www.example.org/dir/page";

/// The date as HTTP writes it, or nothing.
std::string date(std::string_view text) {
  std::optional<TimePoint> const time = parse_cookie_date(text);
  return time ? format_http_date(*time) : std::string();
}

}  // namespace

// RFC 6265bis section 5.1.1.
TEST_CASE("Cookie dates are read in nearly any order") {
  std::string const expected = "Wed, 09 Jun 2021 10:18:14 GMT";
  for (char const* const text :
       {"Wed, 09 Jun 2021 10:18:14 GMT", "Wednesday, 09-Jun-21 10:18:14 GMT", "Wed Jun  9 10:18:14 2021",
        "10:18:14 2021 june 9", "9 JUN 21 10:18:14 +0200", "09 June 2021 10:18:14abc",
        "x 9x 10:18:14 jun/2021", "2021 10:18:14 09th Jun"}) {
    INFO(text);
    // (In the last one 2021 stands where a day can't: four digits are no day.)
    CHECK(date(text) == expected);
  }
  // Nothing behind the text is looked at (under ASan: it ends with its memory).
  std::string_view const full = "Wed, 18 JUN";
  std::vector<char> const exact(full.begin(), full.end());
  CHECK(date(std::string_view(exact.data(), exact.size())).empty());
  CHECK(date("1 Jan 70 0:0:0") == "Thu, 01 Jan 1970 00:00:00 GMT");
  CHECK(date("1 Jan 69 0:0:0") == "Tue, 01 Jan 2069 00:00:00 GMT");
  CHECK(date("29 Feb 2024 1:2:3") == "Thu, 29 Feb 2024 01:02:03 GMT");
  for (char const* const text :
       {"", "tomorrow", "9 Jun 2021", "Jun 2021 10:18:14", "9 2021 10:18:14", "9 Jun 10:18:14",
        "9 Jun 1600 10:18:14", "32 Jun 2021 10:18:14", "0 Jun 2021 10:18:14", "31 Jun 2021 10:18:14",
        "29 Feb 2023 1:2:3", "9 Jun 2021 24:00:00", "9 Jun 2021 10:60:14", "9 Jun 2021 10:18:60",
        "9 Jun 2021 10:18", "9 Jun 2021 10:18:145", "9 Jun 20211 10:18:14", "9 Jun 2 10:18:14",
        "123 Jun 2021 10:18:14"}) {
    INFO(text);
    CHECK(date(text).empty());
  }
}

// RFC 6265bis section 5.1.3.
TEST_CASE("A host matches its own domain and those above it, an address only itself") {
  CHECK(domain_matches("example.org", "example.org"));
  CHECK(domain_matches("www.example.org", "example.org"));
  CHECK(!domain_matches("example.org", "www.example.org"));
  CHECK(!domain_matches("badexample.org", "example.org"));
  CHECK(!domain_matches("192.0.2.1", "2.1"));
  CHECK(domain_matches("192.0.2.1", "192.0.2.1"));
  CHECK(domain_matches("[::1]", "[::1]"));
  CHECK(!domain_matches("%2Frun%2Fx.example.org", "example.org"));
}

// RFC 6265bis section 5.1.4.
TEST_CASE("A path matches itself and what lies below it") {
  CHECK(path_matches("/", "/"));
  CHECK(path_matches("/a", "/"));
  CHECK(path_matches("/a", "/a"));
  CHECK(path_matches("/a/", "/a"));
  CHECK(path_matches("/a/b", "/a"));
  CHECK(path_matches("/a/b", "/a/"));
  CHECK(!path_matches("/ab", "/a"));
  CHECK(!path_matches("/a", "/a/"));
  CHECK(!path_matches("/", "/a"));
  CHECK(default_cookie_path(Url("http://a.test")) == "/");
  CHECK(default_cookie_path(Url("http://a.test/x?y=/z/")) == "/");
  CHECK(default_cookie_path(Url("http://a.test/x/")) == "/x");
  CHECK(default_cookie_path(Url("http://a.test/x/y/z")) == "/x/y");
}

// RFC 6265bis section 5.6.
TEST_CASE("A Set-Cookie field is read as user agents read it") {
  struct Row {
    std::string field;
    char const* name;
    char const* value;
  };
  std::vector<Row> const rows = {{"a=b", "a", "b"},
                                 {" a = b ; Path=/", "a", "b"},
                                 {"a=b=c", "a", "b=c"},
                                 {"a=\"b c\"", "a", "\"b c\""},
                                 {"=b", "", "b"},
                                 {"b", "", "b"},
                                 {"a=", "a", ""},
                                 {"a=b;=;;secure", "a", "b"},
                                 {"a=\tb\t;", "a", "b"},
                                 {"a=b,c=d", "a", "b,c=d"},
                                 {"a=\xc3\xbc", "a", "\xc3\xbc"}};
  for (Row const& row : rows) {
    INFO(row.field);
    auto const cookie = Cookie::parse(row.field);
    REQUIRE(cookie);
    CHECK(cookie->name() == row.name);
    CHECK(cookie->value() == row.value);
  }
  for (std::string const& bad :
       {std::string(), std::string("="), std::string(" ; Path=/"), std::string("a=\0b", 4),
        std::string("a=b\r\nX: y"), std::string("a=b; Path=/\x7f"), "a=" + std::string(4096, 'x')}) {
    CHECK(!Cookie::parse(bad));
  }
  CHECK(Cookie::parse("a=" + std::string(4095, 'x')));
}

TEST_CASE("Of an attribute that is repeated the last one counts, of one that is malformed none") {
  auto const cookie = Cookie::parse(
      "a=b; PATH=/x; path=/y; domain=.A.test; Domain=B.test; max-age=5; Max-Age=x; max-age=7x; samesite=None;"
      "SameSite=Strict; HTTPONLY=no; expires=never; comment=" +
      std::string(2000, 'x'));
  REQUIRE(cookie);
  CHECK(cookie->path() == "/y");
  CHECK(cookie->domain() == "b.test");
  CHECK(cookie->max_age() == 5s);
  CHECK(cookie->same_site() == SameSite::strict);
  CHECK(cookie->http_only());
  CHECK(!cookie->secure());
  CHECK(!cookie->expires());
  CHECK(Cookie::parse("a=b; path=/x; path=y")->path().empty());
  CHECK(Cookie::parse("a=b; path=/x; path=/" + std::string(1024, 'y'))->path() == "/x");
  CHECK(Cookie::parse("a=b; max-age=-1")->max_age() == 0s);
  CHECK(Cookie::parse("a=b; max-age=99999999999999999999")->max_age() > 24h * 365);
}

// RFC 6265bis sections 5.7 and 5.8.
TEST_CASE("Cookies go back to where they came from, longer paths and older ones first") {
  Jar jar;
  CHECK(jar.set(home, "host=1"));
  CHECK(jar.set(home, "domain=2; Domain=example.org; Path=/"));
  CHECK(jar.set(home, "=nameless; Path=/"));
  CHECK(jar.set(home, "empty=; Path=/dir/page"));
  CHECK(jar.get(home) == "empty=; host=1; domain=2; nameless");
  CHECK(jar.get("https://www.example.org/dir/other?x") == "host=1; domain=2; nameless");
  CHECK(jar.get("http://www.example.org/") == "domain=2; nameless");
  CHECK(jar.get("https://www.example.org:8443/") == "domain=2; nameless");
  CHECK(jar.get("https://other.example.org/dir/page") == "domain=2");
  CHECK(jar.get("https://example.org/") == "domain=2");
  CHECK(jar.get("https://badexample.org/").empty());
  CHECK(jar.get("https://org/").empty());
}

TEST_CASE("A cookie replaces its like and keeps its place") {
  Jar jar;
  jar.set(home, "a=1");
  jar.set(home, "b=2");
  jar.set(home, "a=3");
  jar.set(home, "a=4; Path=/");
  jar.set(home, "a=5; Domain=www.example.org");
  CHECK(jar.jar.size() == 4);
  CHECK(jar.get(home) == "a=3; b=2; a=5; a=4");
}

TEST_CASE("Cookies expire, Max-Age before Expires, and after 400 days at the latest") {
  Jar jar;
  std::string const past = "; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
  jar.set(home, "session=1");
  jar.set(home, "minute=2; Max-Age=60" + past);
  jar.set(home, "ever=3; Expires=Fri, 31 Dec 9999 23:59:59 GMT");
  CHECK(jar.get(home) == "session=1; minute=2; ever=3");
  jar.clock->advance(60s);
  CHECK(jar.get(home) == "session=1; ever=3");
  jar.clock->advance(24h * 400);
  CHECK(jar.get(home) == "session=1");
  jar.set(home, "session=2" + past);
  CHECK(jar.get(home).empty());
  jar.set(home, "other=2");
  jar.set(home, "other=2; Max-Age=0");
  CHECK(jar.get(home).empty());
}

TEST_CASE("A cookie for a domain that is not the host's own is refused") {
  Jar jar;
  CHECK(!jar.set(home, "a=1; Domain=other.org"));
  CHECK(!jar.set(home, "a=1; Domain=sub.www.example.org"));
  CHECK(!jar.set(home, "a=1; Domain=ple.org"));
  CHECK(!jar.set(home, "a=1; Domain=org"));
  CHECK(!jar.set("http://192.0.2.1/", "a=1; Domain=0.2.1"));
  CHECK(jar.set("http://192.0.2.1/", "a=1; Domain=192.0.2.1"));
  CHECK(jar.set("http://localhost/", "a=1; Domain=localhost"));
  CHECK(jar.get("http://sub.localhost/").empty());
  // Which of these are public suffixes the list alone knows.
  if (beast_cache::detail::is_public_suffix("co.uk")) {
    CHECK(!jar.set("https://example.co.uk/", "a=1; Domain=co.uk"));
    CHECK(!jar.set("https://someone.github.io/", "a=1; Domain=github.io"));
    CHECK(jar.set("https://example.co.uk/", "a=1; Domain=example.co.uk"));
  }
}

TEST_CASE("Secure cookies are set and sent over https alone, and not overwritten from http") {
  Jar jar;
  std::string const plain = "http://www.example.org/dir/page";
  CHECK(!jar.set(plain, "a=1; Secure"));
  CHECK(jar.set(home, "a=1; Secure; Path=/dir"));
  CHECK(jar.get(plain).empty());
  CHECK(jar.get(home) == "a=1");
  CHECK(!jar.set(plain, "a=2; Path=/dir"));
  CHECK(!jar.set(plain, "a=2; Path=/dir/deeper; Domain=example.org"));
  CHECK(jar.set(plain, "a=2; Path=/"));
  CHECK(jar.set(plain, "b=2"));
  CHECK(jar.get(home) == "a=1; b=2; a=2");
  CHECK(!jar.set(plain, "c=1; SameSite=None"));
  CHECK(jar.set(home, "c=1; SameSite=None; Secure"));
}

TEST_CASE("What a name promises has to be kept") {
  Jar jar;
  CHECK(!jar.set(home, "__Secure-a=1"));
  CHECK(jar.set(home, "__Secure-a=1; Secure"));
  CHECK(!jar.set("http://www.example.org/", "__secure-a=1; Secure"));
  CHECK(!jar.set(home, "__Host-a=1; Secure"));
  CHECK(!jar.set(home, "__HOST-a=1; Secure; Path=/; Domain=www.example.org"));
  CHECK(!jar.set(home, "__Host-a=1; Path=/"));
  CHECK(jar.set(home, "__Host-a=1; Secure; Path=/"));
  CHECK(!jar.set(home, "=__Host-a=1; Secure; Path=/"));
  CHECK(!jar.set(home, "__Secure-x; Path=/"));
}

TEST_CASE("Of one domain 50 cookies are kept and of all 3000, those that were used last") {
  Jar jar;
  for (int i = 0; i < 50; ++i) jar.set(home, "c" + std::to_string(i) + "=1; Path=/p" + std::to_string(i));
  CHECK(jar.get("https://www.example.org/p0") == "c0=1");
  jar.set(home, "new=1; Path=/");
  CHECK(jar.jar.size() == 50);
  CHECK(jar.get("https://www.example.org/p0") == "c0=1; new=1");
  CHECK(jar.get("https://www.example.org/p1") == "new=1");
  for (int i = 0; i < 3100; ++i) jar.set("https://host" + std::to_string(i) + ".test/", "a=1");
  CHECK(jar.jar.size() == CookieJar::max_cookies);
  CHECK(jar.get("https://host0.test/").empty());
  CHECK(jar.get("https://host3099.test/") == "a=1");
}

TEST_CASE("A full jar loses one cookie for each that comes") {
  Jar jar;
  std::size_t const hosts = CookieJar::max_cookies / 50;
  auto const host = [](std::size_t i) { return "https://host" + std::to_string(i) + ".test/"; };
  for (std::size_t i = 0; i < hosts; ++i) {
    for (int k = 0; k < 50; ++k) jar.set(host(i), "c" + std::to_string(k) + "=1");
  }
  for (std::size_t i = 0; i < hosts; ++i) static_cast<void>(jar.get(host(i)));
  jar.set("https://new.test/", "a=1");
  CHECK(jar.jar.size() == CookieJar::max_cookies);
  std::string const left = jar.get(host(0));
  CHECK(std::count(left.begin(), left.end(), '=') == 49);
  CHECK(left.starts_with("c1=1; "));
}

TEST_CASE("A Cookie field never becomes longer than a field can be") {
  Jar jar;
  for (int i = 0; i < 50; ++i) jar.set(home, std::to_string(i) + "=" + std::string(4000, 'x'));
  CHECK(jar.get(home).size() < 65'000);
  CHECK(jar.get(home).starts_with("0=x"));
}

TEST_CASE("What is loaded can be sent, for hosts as they are written") {
  TempDirectory directory;
  std::string const path = directory.file("cookies.txt");
  std::ofstream(path) << "Example.ORG\tFALSE\t/\tFALSE\t0\tgood\t1\n"
                      << "example.org\tFALSE\t/\tFALSE\t0\tbad\ta\rb\n"
                      << "example.org\tFALSE\t/\tFALSE\t0\tb\x01d\t1\n"
                      << "example.org\tFALSE\t/\tFALSE\t0\tworse\ta\x7f\n";
  CookieJar jar;
  jar.load(path);
  CHECK(jar.header(Url("http://example.org/")) == "good=1");
}

TEST_CASE("A jar is saved and loaded, for its owner only") {
  TempDirectory const directory;
  std::string const path = directory.file("cookies.txt");
  Jar jar;
  jar.set(home, "host=1; HttpOnly");
  jar.set(home, "domain=2; Domain=example.org; Path=/; Max-Age=3600; Secure");
  jar.set(home, "tab=a\tb");
  jar.jar.save(path);
  struct stat status;
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  Jar other;
  other.jar.load(path);
  CHECK(other.jar.size() == 2);
  CHECK(other.get(home) == "host=1; domain=2");
  CHECK(other.get("http://www.example.org/dir/") == "host=1");
  CHECK(other.get("https://example.org/") == "domain=2");
  other.jar.clear_session_cookies();
  CHECK(other.get(home) == "domain=2");
  other.clock->advance(3600s);
  CHECK(other.get(home).empty());
  other.jar.clear();
  CHECK(other.jar.size() == 0);
}

TEST_CASE("A cookie file of another program is read, lines that are none are skipped") {
  TempDirectory const directory;
  std::string const path = directory.file("cookies.txt");
  std::ofstream(path) << "# Netscape HTTP Cookie File\n\n"
                         "www.example.org\tFALSE\t/\tFALSE\t0\ta\t1\r\n"
                         "#HttpOnly_.example.org\tTRUE\t/\tTRUE\t99999999999\tb\t2\n"
                         "www.example.org\tFALSE\t/\tFALSE\t1\texpired\t1\n"
                         "www.example.org\tFALSE\tno path\tFALSE\t0\tc\t1\n"
                         "www.example.org\tFALSE\t/\tFALSE\tsoon\td\t1\n"
                         "rubbish\n"
                         "www.example.org\tFALSE\t/\tFALSE\t0\te\t";
  Jar jar;
  jar.jar.load(path);
  CHECK(jar.get(home) == "a=1; b=2; e=");
  CHECK_THROWS_AS(jar.jar.load(directory.file("none")), Error);
  CHECK_THROWS_AS(jar.jar.save("/nonexistent/cookies.txt"), Error);
}

TEST_CASE("A session with a jar keeps the cookies of each hop of a redirect, and sends them") {
  ScriptedOrigin origin([](RecordedRequest const& request) {
    std::string const target = request.target;
    if (target == "/login") return respond(302, "", "Set-Cookie: id=7; Path=/\r\nLocation: /home\r\n");
    if (target == "/logout") return respond(200, "", "Set-Cookie: id=; Path=/; Max-Age=0\r\n");
    return respond(200, request.header("Cookie").value_or("none"));
  });
  asio::io_context io;
  auto jar = std::make_shared<CookieJar>();
  auto client = std::make_shared<ClientSession>(io.get_executor(), ClientOptions().cookie_jar(jar));
  bool const cached = GENERATE(false, true);
  CachedSession above(io.get_executor(), client, memory_backend());
  auto const get = [&](std::string const& target) -> Response {
    std::string const where = origin.url(target);
    if (cached) return run(io, above.get(where));
    return run(io, client->get(where));
  };
  CHECK(get("/first").body() == "none");
  CHECK(get("/login").body() == "id=7");
  CHECK(get("/second").body() == "id=7");
  CHECK(run(io, client->get(origin.url("/own")).header("Cookie", "own=1")).body() == "own=1");
  CHECK(run(io, client->get(origin.url_at("localhost", "/other"))).body() == "none");
  get("/logout");
  CHECK(get("/third").body() == "none");
  CHECK(jar->size() == 0);
}

TEST_CASE("A site is the scheme and the name below the public suffix") {
  auto const same = [](char const* a, char const* b) { return detail::is_same_site(Url(a), Url(b)); };
  CHECK(same("http://a.example.org/", "http://b.example.org:81/"));
  CHECK(same("http://example.org/", "http://b.example.org/"));
  CHECK(same("http://localhost/", "http://localhost:81/"));
  CHECK_FALSE(same("http://example.org/", "https://example.org/"));
  CHECK_FALSE(same("http://example.org/", "http://other.org/"));
  CHECK_FALSE(same("http://192.0.2.1/", "http://193.0.2.1/"));
  CHECK_FALSE(same("http://localhost/", "http://other/"));
  CHECK_FALSE(same("http+unix://%2Fa.x.org/", "http+unix://%2Fb.x.org/"));
}

TEST_CASE(
    "Where a redirect has led from another site, Strict cookies stay, and Lax ones with unsafe methods") {
  unsigned const status = GENERATE(302u, 307u);
  ScriptedOrigin origin([](RecordedRequest const& request) {
    if (request.target == "/set")
      return respond(
          200, "",
          "Set-Cookie: s=1; SameSite=Strict\r\nSet-Cookie: l=2; SameSite=Lax\r\nSet-Cookie: u=3\r\n");
    if (request.target == "/within") return respond(307, "", "Location: /end\r\n");
    return respond(200, request.header("Cookie").value_or("none"));
  });
  ScriptedOrigin other([&](RecordedRequest const& request) {
    return respond(status, "", "Location: " + origin.url(request.target) + "\r\n");
  });
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().cookie_jar(std::make_shared<CookieJar>()));
  run(io, session.get(origin.url("/set")));
  CHECK(run(io, session.get(origin.url("/end"))).body() == "s=1; l=2; u=3");
  CHECK(run(io, session.get(origin.url("/within"))).body() == "s=1; l=2; u=3");
  std::string const from = other.url_at("localhost", "/end");
  CHECK(run(io, session.get(from)).body() == "l=2; u=3");
  CHECK(run(io, session.get(other.url_at("localhost", "/within"))).body() == "l=2; u=3");
  // 302 makes a GET of it.
  CHECK(run(io, session.post(from).body("x")).body() == (status == 307 ? "u=3" : "l=2; u=3"));
}

TEST_CASE("A request has the cookies that it was prepared with, whatever comes into the jar meanwhile") {
  ScriptedOrigin origin(
      [](RecordedRequest const& request) { return respond(200, request.header("Cookie").value_or("none")); });
  asio::io_context io;
  auto jar = std::make_shared<CookieJar>();
  ClientSession session(io.get_executor(), ClientOptions().cookie_jar(jar));
  bool const had_one = GENERATE(true, false);
  if (had_one) jar->store(Url(origin.url()), *Cookie::parse("id=guest"));
  Request request(http::verb::get, Url(origin.url()));
  session.prepare(request);
  jar->store(Url(origin.url()), *Cookie::parse("id=alice"));
  StreamedResponse response = run(io, session.send(request));
  CHECK(run(io, read_all(response.take_body())) == (had_one ? "id=guest" : "none"));
}

TEST_CASE("Variants by Cookie are told apart by what the jar sends") {
  ScriptedOrigin origin([](RecordedRequest const& request) {
    return respond(200, request.header("Cookie").value_or("none"),
                   "Cache-Control: max-age=60\r\nVary: Cookie\r\n");
  });
  asio::io_context io;
  auto jar = std::make_shared<CookieJar>();
  CachedSession session(io.get_executor(),
                        std::make_shared<ClientSession>(io.get_executor(), ClientOptions().cookie_jar(jar)),
                        memory_backend());
  CHECK(run(io, session.get(origin.url())).body() == "none");
  CHECK(run(io, session.get(origin.url())).from_cache());
  jar->store(Url(origin.url()), *Cookie::parse("a=1"));
  CHECK(run(io, session.get(origin.url())).body() == "a=1");
  CHECK(run(io, session.get(origin.url())).from_cache());
}

TEST_CASE("A jar takes back what it has not got, and nothing that has expired meanwhile") {
  Jar jar;
  TimePoint const received = jar.clock->now();
  http::fields response;
  response.insert("Set-Cookie", "a=old");
  response.insert("Set-Cookie", "b=old; Max-Age=60");
  response.insert("Set-Cookie", "c=old; Max-Age=600");
  response.insert("Set-Cookie", "d=; Max-Age=0");
  response.insert("Set-Cookie", "e=other; Domain=elsewhere.org");
  jar.clock->advance(100s);
  jar.set(home, "a=new");
  jar.set(home, "d=kept");
  jar.jar.restore(Url(home), response, received);
  CHECK(jar.get(home) == "a=new; d=kept; c=old");
  jar.clock->advance(501s);
  CHECK(jar.get(home) == "a=new; d=kept");
}

TEST_CASE("cookies of a stored answer return to the jar, where the user wants that") {
  ScriptedOrigin origin([](RecordedRequest const&) {
    return respond(200, "page", "Cache-Control: max-age=60\r\nSet-Cookie: id=1\r\n");
  });
  bool const wanted = GENERATE(true, false);
  bool const shared = GENERATE(true, false);
  CAPTURE(wanted, shared);
  asio::io_context io;
  auto jar = std::make_shared<CookieJar>();
  auto const mode = shared ? policy::CacheMode::shared_cache : policy::CacheMode::private_cache;
  CachedSession session(
      io.get_executor(), std::make_shared<ClientSession>(io.get_executor(), ClientOptions().cookie_jar(jar)),
      memory_backend(CacheOptions().restore_cookies(wanted).rules(policy::Options().mode(mode))));
  run(io, session.get(origin.url()));
  CHECK(jar->size() == 1);
  jar->clear();
  CHECK(run(io, session.get(origin.url())).from_cache());
  CHECK(jar->header(Url(origin.url())) == (wanted && !shared ? "id=1" : ""));
  jar->store(Url(origin.url()), *Cookie::parse("id=2"));
  CHECK(run(io, session.get(origin.url())).from_cache());
  CHECK(jar->header(Url(origin.url())) == "id=2");
}
