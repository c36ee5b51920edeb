#include "beast_cache/session/redirects.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/client_session.hpp"
#include "beast_cache/testing/fake_client.hpp"
#include "support/memory_backend.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace beast_cache;
using namespace test_support;
using detail::next_hop;

namespace {

ResponseHead redirect(unsigned status, std::string_view location) {
  http::fields headers;
  headers.set(http::field::location, location);
  return ResponseHead(Url("http://h/"), status, "Moved", headers);
}

error_code refusal(Request const& request, ResponseHead const& response) {
  try {
    next_hop(request, response);
  } catch (Error const& e) {
    return e.code();
  }
  return {};
}

}  // namespace

// RFC 9110 section 15.4.
TEST_CASE("The method after a redirect follows from the status") {
  class Row {
   public:
    Row(unsigned s, http::verb b, http::verb a) : status(s), before(b), after(a) {}
    unsigned status;
    http::verb before, after;
  };
  using http::verb;
  auto const row = GENERATE(
      Row(301, verb::get, verb::get), Row(301, verb::head, verb::head), Row(301, verb::post, verb::get),
      Row(301, verb::put, verb::put), Row(302, verb::post, verb::get), Row(302, verb::delete_, verb::delete_),
      Row(303, verb::post, verb::get), Row(303, verb::put, verb::get), Row(303, verb::head, verb::head),
      Row(307, verb::post, verb::post), Row(308, verb::post, verb::post), Row(308, verb::patch, verb::patch));
  Request request(row.before, Url("http://h/a"));
  request.headers().set("Content-Type", "text/plain");
  request.headers().set("X-Own", "1");
  request.set_body("body");
  std::optional<Request> const next = next_hop(request, redirect(row.status, "b"));
  REQUIRE(next);
  CHECK(next->method() == row.after);
  CHECK(next->method_string() == std::string(http::to_string(row.after)));
  CHECK(next->url().str() == "http://h/b");
  CHECK(next->headers().count("X-Own") == 1);
  bool const rewritten = row.after != row.before;
  CHECK(next->body().empty() == rewritten);
  CHECK(next->headers().count("Content-Type") == (rewritten ? 0 : 1));
}

TEST_CASE("Only a redirect status with a Location is followed") {
  unsigned const status = GENERATE(200u, 201u, 300u, 304u, 305u, 306u, 404u);
  Request const request(http::verb::get, Url("http://h/a"));
  CHECK_FALSE(next_hop(request, redirect(status, "/b")));
  CHECK_FALSE(next_hop(request, ResponseHead(Url("http://h/"), 302, "Found", http::fields())));
}

TEST_CASE("A Location that can't be followed is refused") {
  std::string const location =
      GENERATE(as<std::string>(), "ftp://h/", "javascript:alert(1)", "file:///etc/passwd", "http://", "a\tb",
               "http://h:99999/", "//", "http://h b/", "//[x]/", "a b:c", "http:// /");
  INFO(location);
  Request const request(http::verb::get, Url("http://h/a"));
  CHECK(refusal(request, redirect(302, location)) == http_errc::redirect_target);
}

TEST_CASE("A Location is followed, percent-encoded or not") {
  class Row {
   public:
    Row(std::string_view l, std::string_view u) : location(l), url(u) {}
    std::string_view location, url;
  };
  auto const row = GENERATE(
      Row("a b", "http://h/x/a%20b"), Row("/f[1].txt?q=a|b{c}", "http://h/f%5B1%5D.txt?q=a%7Cb%7Bc%7D"),
      Row("/caf\xc3\xa9?n=\xc3\xbc#\xc3\xa4#", "http://h/caf%C3%A9?n=%C3%BC"),
      Row("https://other:8080/a b/%7e/100%", "https://other:8080/a%20b/~/100%25"),
      Row("//other?a\"b", "http://other/?a%22b"), Row("?<x>^`", "http://h/x/y?%3Cx%3E%5E%60"),
      Row("\\\\evil\\", "http://h/x/%5C%5Cevil%5C"), Row("/a b/../%zz%41", "http://h/%25zzA"),
      Row("/a//b c", "http://h/a//b%20c"), Row("x?u=http://z/ y", "http://h/x/x?u=http://z/%20y"));
  INFO(row.location);
  std::optional<Request> const next =
      next_hop(Request(http::verb::get, Url("http://h/x/y")), redirect(302, row.location));
  REQUIRE(next);
  CHECK(next->url().str() == row.url);
}

TEST_CASE("No redirect leads to a socket of this machine, or away from one") {
  Request const remote(http::verb::get, Url("http://localhost/a"));
  CHECK(refusal(remote, redirect(302, "http+unix://%2Frun%2Fa.sock/")) == http_errc::redirect_target);
  Request const local(http::verb::get, Url("http+unix://%2Frun%2Fa.sock/a"));
  for (char const* const elsewhere : {"http+unix://%2Frun%2Fb.sock/", "//%2Frun%2Fb.sock/",
                                      "https://localhost/", "http://localhost:81/", "http://192.0.2.1/"})
    CHECK(refusal(local, redirect(302, elsewhere)) == http_errc::redirect_target);
  // By its own name, and by the Host that it was sent.
  for (char const* const here : {"/b?c", "b?c", "http+unix://%2frun%2fa.sock/b?c", "http://localhost/b?c"})
    CHECK(next_hop(local, redirect(302, here))->url().str() == "http+unix://%2Frun%2Fa.sock/b?c");
}

TEST_CASE("Two Locations are refused") {
  ResponseHead response = redirect(302, "/a");
  response.headers().insert(http::field::location, "/b");
  CHECK(refusal(Request(http::verb::get, Url("http://h/a")), response) == http_errc::redirect_target);
}

TEST_CASE("From https to http is refused unless allowed") {
  Request const request(http::verb::get, Url("https://h/a"));
  CHECK(refusal(request, redirect(302, "http://h/a")) == http_errc::redirect_downgrade);
  CHECK(next_hop(request, redirect(302, "http://h/a"), true)->url().str() == "http://h/a");
  CHECK(next_hop(request, redirect(302, "//other/a"))->url().str() == "https://other/a");
}

TEST_CASE("A body that can be read only once is not sent twice") {
  Request request(http::verb::post, Url("http://h/a"));
  request.set_body(Body::from_reader(std::make_unique<StringReader>(std::string("x"))));
  CHECK(refusal(request, redirect(307, "/b")) == http_errc::body_not_replayable);
  CHECK(next_hop(request, redirect(303, "/b"))->body().empty());
}

TEST_CASE("Another origin gets no credentials and none of the caller's own fields") {
  Request request(http::verb::get, Url("https://user:pass@h/a"));
  for (char const* const name :
       {"aUTHORIZATION", "cookie", "Proxy-Authorization", "X-Api-Key", "Referer", "Origin"})
    request.headers().set(name, "secret");
  for (char const* const name : {"Accept", "accept-language", "User-Agent", "Range"})
    request.headers().set(name, "v");
  std::string const location =
      GENERATE(as<std::string>(), "https://other/", "https://h:444/", "https://u:p@other/");
  std::optional<Request> const away = next_hop(request, redirect(302, location));
  REQUIRE(away);
  CHECK(std::distance(away->headers().begin(), away->headers().end()) == 4);
  CHECK(away->url().user_info().empty());
  // Once dropped, they stay so on the way back.
  std::optional<Request> const back = next_hop(*away, redirect(302, "https://h/a"));
  REQUIRE(back);
  CHECK(back->headers().count("Authorization") == 0);

  std::optional<Request> const same = next_hop(request, redirect(302, "/b"));
  CHECK(same->headers().count("Authorization") == 1);
  CHECK(same->headers().count("X-Api-Key") == 1);
}

TEST_CASE("Another origin gets what restricts a request") {
  Request request(http::verb::put, Url("https://h/a"));
  for (char const* const name : {"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
                                 "If-Range", "Range", "Content-Range", "If", "Depth", "Overwrite"})
    request.headers().set(name, "v");
  std::optional<Request> const away = next_hop(request, redirect(307, "https://other/"));
  REQUIRE(away);
  CHECK(std::distance(away->headers().begin(), away->headers().end()) == 10);
}

TEST_CASE("Each hop has its own cookies of the jar") {
  Request request(http::verb::get, Url("https://h/a"));
  request.headers().set("Cookie", "a=1");
  std::string const location = GENERATE(as<std::string>(), "/b", "https://other/");
  CHECK(next_hop(request, redirect(302, location))->headers().count("Cookie") == (location == "/b" ? 1 : 0));
  request.set_has_jar_cookies(true);
  std::optional<Request> const next = next_hop(request, redirect(302, location));
  CHECK(next->headers().count("Cookie") == 0);
  CHECK_FALSE(next->has_jar_cookies());
}

TEST_CASE("What becomes a GET asks for no more than that") {
  Request request(http::verb::put, Url("https://h/a"));
  for (char const* const name : {"If-Match", "If-None-Match", "If", "Depth", "Overwrite", "Range", "Accept"})
    request.headers().set(name, "v");
  std::string const location = GENERATE(as<std::string>(), "/b", "https://other/");
  std::optional<Request> const next = next_hop(request, redirect(303, location));
  REQUIRE(next);
  CHECK(std::distance(next->headers().begin(), next->headers().end()) == 1);
}

TEST_CASE("A session follows redirects and keeps their history") {
  ScriptedOrigin origin([](RecordedRequest const& r) {
    if (r.target == "/one") return respond(302, "go", "Location: two?x#frag\r\n");
    if (r.target == "/two?x") return respond(301, std::string(200000, 'x'), "Location: /three\r\n");
    return respond(200, r.method + r.body);
  });
  asio::io_context io;
  ClientSession session(io.get_executor());
  Response const response = run(io, session.post(origin.url("/one")).body("b"));
  CHECK(response.body() == "GET");
  CHECK(response.url().str() == origin.url("/three"));
  REQUIRE(response.history().size() == 2);
  CHECK(response.history()[0].url().str() == origin.url("/one"));
  CHECK(response.history()[0].status() == 302);
  CHECK(response.history()[1].url().str() == origin.url("/two?x"));
  CHECK(run(io, session.get(origin.url("/one")).redirects(0)).status() == 302);
}

TEST_CASE(
    "A redirect's short body is read so that its connection serves the next hop, a long one closes it") {
  std::size_t const size = GENERATE(std::size_t{1000}, std::size_t{200000});
  ScriptedOrigin origin([size](RecordedRequest const& r) {
    if (r.target == "/one") return respond(302, std::string(size, 'x'), "Location: /two\r\n");
    return respond(200, "done");
  });
  asio::io_context io;
  ClientSession session(io.get_executor());
  CHECK(run(io, session.get(origin.url("/one"))).body() == "done");
  CHECK(origin.connection_count() == (size == 1000 ? 1 : 2));
}

TEST_CASE("A redirect's body after which the connection ends anyhow is not waited for") {
  std::string const head = "HTTP/1.1 302 Found\r\nLocation: /two\r\n";
  std::string const body =
      GENERATE(as<std::string>(), "\r\nbody", "Content-Length: 5\r\nConnection: close\r\n\r\nbody");
  // It stays open and silent.
  ScriptedOrigin origin({Script{Step::receive(), Step::send(head + body)},
                         Script{Step::receive(), Step::send(respond(200, "done"))}});
  asio::io_context io;
  ClientSession session(io.get_executor());
  CHECK(run(io, session.get(origin.url("/one"))).body() == "done");
  CHECK(origin.connection_count() == 2);
}

TEST_CASE("A redirect of unknown length is stored like any other") {
  ScriptedOrigin origin([](RecordedRequest const& r) {
    if (r.target != "/one") return respond(200, "done", "Cache-Control: no-store\r\n");
    return std::string(
        "HTTP/1.1 301 Moved\r\nLocation: /two\r\nCache-Control: max-age=60\r\n"
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
  });
  asio::io_context io;
  CachedSession session(io.get_executor(), std::make_shared<ClientSession>(io.get_executor()),
                        memory_backend());
  CHECK(run(io, session.get(origin.url("/one"))).body() == "done");
  CHECK(run(io, session.get(origin.url("/one"))).body() == "done");
  CHECK(origin.request_count() == 3);
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("A loop of redirects ends at the limit") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(302, "", "Location: /\r\n"); });
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_redirects(3));
  try {
    run(io, session.get(origin.url()));
    FAIL("followed");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::redirect_limit);
  }
  CHECK(origin.request_count() == 4);
}

TEST_CASE("User information is sent to its own origin only") {
  ScriptedOrigin target(
      [](RecordedRequest const& r) { return respond(200, r.header("Authorization").value_or("none")); });
  ScriptedOrigin origin([&](RecordedRequest const& r) {
    std::string const to = r.target == "/away" ? target.url_at("evil:one@127.0.0.1") : "/end";
    if (r.target == "/end") return respond(200, r.header("Authorization").value_or("none"));
    return respond(302, "", "Location: " + to + "\r\n");
  });
  asio::io_context io;
  ClientSession session(io.get_executor());
  CHECK(run(io, session.get(origin.url_at("a:b@127.0.0.1", "/away"))).body() == "none");
  CHECK(run(io, session.get(origin.url_at("a:b@127.0.0.1", "/here"))).body() == "Basic YTpi");
}

namespace {

// One with a limit of its own.
class Hasty final : public HttpClient {
 public:
  std::optional<std::chrono::milliseconds> timeout() const override { return std::chrono::seconds(30); }
  asio::awaitable<StreamedResponse> send(Request request) override {
    timeouts.push_back(request.timeout());
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(3));
    co_await timer.async_wait(asio::use_awaitable);
    bool const last = request.url().target() == "/3";
    std::string const next = "Location: /" + std::to_string(timeouts.size() + 1) + "\r\n";
    co_return beast_cache::testing::FakeClient::answer(request, last ? 200 : 302, last ? "" : next);
  }
  std::vector<std::optional<std::chrono::milliseconds>> timeouts;
};

}  // namespace

TEST_CASE("Through a cache the client's own limit is one for all hops") {
  asio::io_context io;
  auto const client = std::make_shared<Hasty>();
  CachedSession session(io.get_executor(), client, memory_backend());
  run(io, session.get("http://h/1"));
  REQUIRE(client->timeouts.size() == 3);
  REQUIRE(client->timeouts[1]);
  REQUIRE(client->timeouts[2]);
  CHECK(*client->timeouts[1] < std::chrono::seconds(30));
  CHECK(*client->timeouts[2] < *client->timeouts[1]);
}
