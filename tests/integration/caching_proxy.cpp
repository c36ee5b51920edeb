// examples/caching_proxy as its clients see it.
#include <cstdio>

#include "catch.hpp"
#include "support/nginx.hpp"
#include "support/proxy_process.hpp"
#include "support/scripted_origin.hpp"

using namespace test_support;

namespace {

constexpr char const* fresh = "Cache-Control: max-age=3600\r\n";

std::string echo(RecordedRequest const& request) {
  return respond(200, request.method + " " + request.target + " " + request.body, fresh);
}

bool has(std::optional<std::string> const& text, std::string_view part) {
  return text && text->find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("The second GET through the proxy is a hit, with its age and what the cache did") {
  std::string const threads = GENERATE("1", "4");
  ScriptedOrigin const origin([](RecordedRequest const&) {
    return respond(200, "the page", "Cache-Control: max-age=3600\r\nAge: 7\r\n");
  });
  ProxyProcess const proxy(origin.url(""), {"--threads", threads});
  Answer const first = proxy.get("/page");
  CHECK(first.body == "the page");
  CHECK(first.header("Cache-Status").value_or("").starts_with("beast_cache; fwd=uri-miss"));
  CHECK(first.header("Age") == "7");
  CHECK(first.header("Via") == "1.1 beast_cache");
  CHECK(first.header("Content-Length") == "8");
  Answer const second = proxy.get("/page");
  CHECK(second.body == "the page");
  CHECK(second.header("Cache-Status").value_or("").starts_with("beast_cache; hit"));
  CHECK(std::stoul(second.header("Age").value_or("0")) >= 7);
  CHECK(second.header("Date") == first.header("Date"));
  CHECK(second.header("Via") == "1.1 beast_cache");
  CHECK(second.header("Content-Length") == "8");
  CHECK(origin.request_count() == 1);
}

TEST_CASE("What is fresh is served from the cache as soon as the first answer has arrived whole") {
  std::string const body = GENERATE(as<std::string>(), "", "x", std::string(300'000, 'x'));
  bool const chunked = GENERATE(false, true);
  ScriptedOrigin const origin([&](RecordedRequest const&) {
    if (!chunked) return respond(200, body, fresh);
    std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=3600\r\n\r\n";
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", body.size());
    if (!body.empty()) text += size + body + "\r\n";
    return text + "0\r\n\r\n";
  });
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  for (int i = 0; i < 20; ++i) {
    std::string const target = "/" + std::to_string(i);
    CHECK(client.get(target).body == body);
    Answer const second = client.get(target);
    CHECK(second.body == body);
    CHECK(has(second.header("Cache-Status"), "hit"));
    CHECK(second.header("Age").has_value());
    CHECK(second.header("Content-Length") == std::to_string(body.size()));
  }
  CHECK(origin.request_count() == 20);
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("A private answer is stored by a private cache alone") {
  bool const is_private = GENERATE(false, true);
  ScriptedOrigin const origin(
      [](RecordedRequest const&) { return respond(200, "x", "Cache-Control: private, max-age=3600\r\n"); });
  std::vector<std::string> options;
  if (is_private) options.push_back("--private");
  ProxyProcess const proxy(origin.url(""), options);
  proxy.get("/");
  CHECK(has(proxy.get("/").header("Cache-Status"), "hit") == is_private);
}

TEST_CASE("A request reaches the origin as it came, but for what concerns one connection") {
  ScriptedOrigin const origin(echo);
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  std::string const target = "/%61/../B?c=%7e&d='(1)'";
  client.send(
      "M-SEARCH " + target +
      " HTTP/1.1\r\nHost: client\r\nX-One: 1\r\naccept-LANGUAGE: fr\r\nX-One: 2\r\n"
      "Connection: X-Drop, close\r\nx-drop: 1\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Connection: x\r\n"
      "Upgrade: h2c\r\nHTTP2-Settings: x\r\nVia: 1.0 before\r\nCookie: a=b\r\nContent-Length: 4\r\n\r\nbody");
  Answer const answer = client.read_answer();
  CHECK(answer.body == "M-SEARCH " + target + " body");
  CHECK(answer.header("Connection") == "close");
  CHECK(client.read_to_end().empty());
  REQUIRE(origin.request_count() == 1);
  CHECK(origin.requests()[0].head ==
        "M-SEARCH " + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(origin.port()) +
            "\r\nX-One: 1\r\nX-One: 2\r\naccept-LANGUAGE: fr\r\nVia: 1.0 before\r\n"
            "Via: 1.1 beast_cache\r\nCookie: a=b\r\nContent-Length: 4\r\n\r\n");
}

TEST_CASE("The forms of a request target are understood") {
  ScriptedOrigin const origin(echo);
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  CHECK(client.ask("OPTIONS", "*").body == "OPTIONS * ");
  CHECK(client.get("http://elsewhere:1/a?b").body == "GET /a?b ");
  CHECK(client.get("http://elsewhere?b").body == "GET /?b ");
  CHECK(client.get("http://elsewhere").body == "GET / ");
  CHECK(client.ask("OPTIONS", "/x", "Max-Forwards: 1\r\n").body == "OPTIONS /x ");
  CHECK(origin.requests().back().header("Max-Forwards") == "0");
  std::size_t const count = origin.request_count();
  CHECK(client.ask("OPTIONS", "/x", "Max-Forwards: 0\r\n").status == 200);
  CHECK(client.ask("TRACE", "/x", "Max-Forwards: 0\r\n").status == 501);
  CHECK(origin.request_count() == count);
}

TEST_CASE("What the origin makes of dot segments is not stored for another target") {
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    return respond(200, request.target, "Cache-Control: max-age=3600\r\n");
  });
  ProxyProcess const proxy(origin.url(""));
  for (char const* const target : {"/a/../page", "/a/%2e%2E/page?x", "/./page"})
    CHECK(proxy.get(target).body == target);
  CHECK(proxy.get("/page").body == "/page");
  CHECK(proxy.get("/page?x").body == "/page?x");
  CHECK(proxy.get("/a/..b").body == "/a/..b");
  CHECK(has(proxy.get("/a/..b").header("Cache-Status"), "hit"));
}

TEST_CASE("An answer reaches the client as it came, but for what concerns one connection") {
  ScriptedOrigin const origin([](RecordedRequest const&) {
    return std::string(
        "HTTP/1.1 299 My Own Reason\r\nSet-Cookie: a\r\nX-Odd: \r\nset-COOKIE: b\r\nConnection: X-Drop\r\n"
        "X-Drop: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nVia: 1.0 far\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Cache-Status: far; hit\r\nContent-Length: 2\r\n\r\nok");
  });
  ProxyProcess const proxy(origin.url(""));
  Answer const answer = proxy.get("/");
  CHECK(answer.head.starts_with("HTTP/1.1 299 My Own Reason\r\n"));
  CHECK(answer.body == "ok");
  CHECK(answer.header("Set-Cookie") == "a|b");
  CHECK(answer.header("X-Odd") == "");
  CHECK(answer.header("Via") == "1.0 far|1.1 beast_cache");
  CHECK(answer.header("Cache-Status").value_or("").starts_with("far; hit|beast_cache; fwd="));
  CHECK(answer.header("Date") == "Sun, 06 Nov 1994 08:49:37 GMT");
  for (char const* name : {"Connection", "X-Drop", "Keep-Alive", "Proxy-Connection", "Upgrade"}) {
    CAPTURE(name);
    CHECK_FALSE(answer.header(name));
  }
}

TEST_CASE("Trailers are passed on to a client that asks for them") {
  ScriptedOrigin const origin([](RecordedRequest const&) {
    return std::string(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\nKeep-Alive: "
        "1\r\n\r\n");
  });
  ProxyProcess const proxy(origin.url(""));
  for (std::string const te : {"TE: deflate;q=0.5, trailers\r\n", ""}) {
    RawClient client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: client\r\nConnection: TE, close\r\n" + te + "\r\n");
    CHECK(client.read_head().status == 200);
    CHECK(client.read_to_end() ==
          "3\r\nabc\r\n0\r\n" + std::string(te.empty() ? "" : "X-Sum: 6\r\n") + "\r\n");
  }
}

TEST_CASE("A redirect is the client's to follow") {
  ScriptedOrigin const origin(
      [](RecordedRequest const&) { return respond(302, "", "Location: /there\r\n"); });
  ProxyProcess const proxy(origin.url(""));
  Answer const answer = proxy.get("/");
  CHECK(answer.status == 302);
  CHECK(answer.header("Location") == "/there");
  CHECK(origin.request_count() == 1);
}

TEST_CASE("Answers without a body have none, and keep their length") {
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    if (request.method == "HEAD") return std::string("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n");
    if (request.target == "/304") return std::string("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n");
    return std::string("HTTP/1.1 204 No Content\r\n\r\n");
  });
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  Answer const head = client.ask("HEAD", "/");
  CHECK(head.status == 200);
  CHECK(head.header("Content-Length") == "7");
  CHECK(client.get("/304", "If-None-Match: \"1\"\r\n").status == 304);
  Answer const empty = client.get("/204");
  CHECK(empty.status == 204);
  CHECK_FALSE(empty.header("Content-Length"));
  CHECK_FALSE(empty.header("Transfer-Encoding"));
}

TEST_CASE(
    "HTTP/1.0 clients get no chunks, and keep their connection only where they ask and the length is known") {
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    if (request.target == "/chunked")
      return std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    return "HTTP/1.1 103 Early Hints\r\n\r\n" + respond(200, "abc");
  });
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  Answer const kept = client.read_head();
  CHECK(kept.status == 200);  // RFC 9110 section 15.2: no 1xx
  CHECK(kept.header("Connection") == "keep-alive");
  CHECK(client.read(3) == "abc");
  client.send("GET /chunked HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  Answer const closed = client.read_head();
  CHECK(closed.header("Connection") == "close");
  CHECK_FALSE(closed.header("Transfer-Encoding"));
  CHECK(client.read_to_end() == "abc");
  CHECK(origin.requests()[0].header("Via") == "1.0 beast_cache");
}

TEST_CASE("Interim responses are passed on when they come") {
  // The origin never gets further than these.
  ScriptedOrigin const origin(std::vector<Script>{
      {Step::receive(),
       Step::send("HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nConnection: X\r\nX: 1\r\n\r\n"
                  "HTTP/1.1 199 Odd\r\n\r\n")}});
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  client.send("GET / HTTP/1.1\r\nHost: client\r\n\r\n");
  CHECK(client.read_head().head == "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n");
  CHECK(client.read_head().status == 199);
}

TEST_CASE("A client that expects 100 Continue gets it when its body is wanted") {
  ScriptedOrigin origin(echo);
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  client.send("PUT /x HTTP/1.1\r\nHost: client\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  CHECK(client.read_head().head == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("body");
  CHECK(client.read_answer().body == "PUT /x body");
  CHECK_FALSE(origin.requests()[0].header("Expect"));

  client.send("PUT /x HTTP/1.1\r\nHost: client\r\nExpect: 200-ok\r\nContent-Length: 4\r\n\r\n");
  CHECK(client.read_head().status == 417);
}

TEST_CASE("A request body without a length is streamed in chunks") {
  ScriptedOrigin const origin(echo);
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  for (int i = 0; i < 2; ++i) {
    client.send(
        "POST /x HTTP/1.1\r\nHost: client\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"1\"\r\nabc\r\n");
    client.send("2\r\nde\r\n");
    client.send("0\r\nX-Trailer: 1\r\n\r\n");
    CHECK(client.read_answer().body == "POST /x abcde");
  }
  CHECK(origin.requests()[1].header("Transfer-Encoding") == "chunked");
  CHECK_FALSE(origin.requests()[1].header("X-Trailer"));
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("Bodies are passed on piece by piece") {
  SECTION("the answer's") {
    std::string const framing =
        GENERATE("Content-Length: 8\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    ScriptedOrigin const origin(
        std::vector<Script>{{Step::receive(), Step::send("HTTP/1.1 200 OK\r\n" + framing)}});
    ProxyProcess const proxy(origin.url(""));
    RawClient client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: client\r\n\r\n");
    CHECK(client.read_head().status == 200);
    CHECK(client.read(4).find_first_of("h4") == 0);  // the other half never comes
  }
  SECTION("many MiB both ways, in little memory") {
    Nginx const nginx(Certificates::shared().good());
    ProxyProcess const proxy(nginx.url(""));
    std::size_t const before = proxy.peak_memory();
    RawClient client = proxy.connect();
    constexpr std::size_t size = 64u << 20;
    std::string const piece(1u << 20, 'x');
    client.send("PUT /files/big HTTP/1.1\r\nHost: client\r\nContent-Length: " + std::to_string(size) +
                "\r\n\r\n");
    for (std::size_t sent = 0; sent < size; sent += piece.size()) client.send(piece);
    CHECK(client.read_answer().status == 201);
    client.send("GET /files/big HTTP/1.1\r\nHost: client\r\n\r\n");
    CHECK(client.read_head().header("Content-Length") == std::to_string(size));
    std::size_t right = 0;
    for (std::size_t i = 0; i < size; i += piece.size()) right += client.read(piece.size()) == piece;
    CHECK(right == size / piece.size());
    CHECK(proxy.peak_memory() - before < size / 2);
  }
}

TEST_CASE("Requests that come at once on one connection are answered in their order") {
  ScriptedOrigin const origin(echo);
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  client.send(
      "GET /1 HTTP/1.1\r\nHost: c\r\n\r\nPOST /2 HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\nxGET /1 "
      "HTTP/1.1\r\nHost: c\r\n\r\n");
  CHECK(client.read_answer().body == "GET /1 ");
  CHECK(client.read_answer().body == "POST /2 x");
  CHECK(has(client.read_answer().header("Cache-Status"), "hit"));
}
