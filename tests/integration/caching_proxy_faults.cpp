// examples/caching_proxy where origin, clients or the operator do their worst.
#include <sys/resource.h>

#include <condition_variable>
#include <mutex>

#include "catch.hpp"
#include "support/proxy_process.hpp"
#include "support/scripted_origin.hpp"

using namespace test_support;

namespace {

std::string echo(RecordedRequest const& request) {
  return respond(200, request.method + " " + request.target + " " + request.body,
                 "Cache-Control: max-age=3600\r\n");
}

bool has(std::optional<std::string> const& text, std::string_view part) {
  return text && text->find(part) != std::string::npos;
}

/// Something that one thread waits for until another lets it happen.
class Gate {
 public:
  void open() {
    std::lock_guard const lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30), [this] { return open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace

TEST_CASE("An origin that fails is 502 or 504 with a text, unless something stale may be used") {
  SECTION("nobody listens") {
    std::string const down = [] { return ScriptedOrigin(echo).url(""); }();
    ProxyProcess const proxy(down);
    RawClient client = proxy.connect();
    Answer const answer = client.get("/");
    CHECK(answer.status == 502);
    CHECK(answer.body.starts_with("502 Bad Gateway: "));
    CHECK(answer.body.find(down.substr(7)) != std::string::npos);
    CHECK(has(answer.header("Cache-Status"), "beast_cache; detail=\""));
    CHECK(client.ask("HEAD", "/").status == 502);
    // The body was never asked for.
    client.send("PUT / HTTP/1.1\r\nHost: client\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    Answer const refused = client.read_head();
    CHECK(refused.status == 502);
    CHECK(refused.header("Connection") == "close");
  }
  SECTION("the origin says nothing") {
    ScriptedOrigin const origin(std::vector<Script>{{Step::receive()}});
    ProxyProcess const proxy(origin.url(""), {"--timeout", "50"});
    Answer const answer = proxy.get("/");
    CHECK(answer.status == 504);
    CHECK(answer.body.starts_with("504 Gateway Timeout: "));
  }
  SECTION("the answer is malformed") {
    ScriptedOrigin const origin(std::vector<Script>{{Step::receive(), Step::send("nonsense\r\n\r\n")}});
    ProxyProcess const proxy(origin.url(""));
    CHECK(proxy.get("/").status == 502);
  }
  SECTION("stale") {
    std::string const stale = "Cache-Control: max-age=0\r\nETag: \"1\"\r\n";
    ScriptedOrigin const origin(
        std::vector<Script>{{Step::receive(), Step::send(respond(200, "old", stale)), Step::receive(),
                             Step::send(respond(200, "old", stale + "Connection: close\r\n")), Step::close()},
                            {Step::receive(), Step::close()}});
    ProxyProcess const proxy(origin.url(""));
    CHECK(proxy.get("/").body == "old");
    CHECK(proxy.get("/").header("Cache-Status").value_or("").find("fwd=stale") != std::string::npos);
    Answer const answer = proxy.get("/");
    CHECK(answer.status == 200);
    CHECK(answer.body == "old");
    CHECK(answer.header("Age").has_value());
    CHECK(has(answer.header("Cache-Status"), "origin unreachable"));
  }
  SECTION("only-if-cached") {
    ScriptedOrigin const origin(echo);
    ProxyProcess const proxy(origin.url(""));
    CHECK(proxy.get("/", "Cache-Control: only-if-cached\r\n").status == 504);
    CHECK(origin.request_count() == 0);
  }
}

TEST_CASE("A request on an origin connection that died is sent again, if that is safe") {
  std::string const method = GENERATE("GET", "POST");
  Script const dies = {Step::receive(), Step::send(respond(200, "first")), Step::receive(), Step::close()};
  ScriptedOrigin const origin({dies, {Step::receive(), Step::send(respond(200, "second"))}});
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  CHECK(client.ask(method, "/").body == "first");
  Answer const second = client.ask(method, "/");
  if (method == "GET") {
    CHECK(second.body == "second");
  } else {
    CHECK(second.status == 502);
  }
  CHECK(origin.connection_count() == (method == "GET" ? 2 : 1));
}

TEST_CASE("An answer that is cut off is never complete for the client") {
  std::string const rest =
      GENERATE("Content-Length: 8\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  std::string const version = GENERATE("1.0", "1.1");
  ScriptedOrigin const origin(std::vector<Script>{
      {Step::receive(), Step::send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n" + rest),
       Step::close()}});
  ProxyProcess const proxy(origin.url(""));
  RawClient client = proxy.connect();
  client.send("GET / HTTP/" + version + "\r\nHost: client\r\n\r\n");
  bool reset = false;
  std::string const text = client.read_to_end(&reset);
  bool const is_chunked = text.find("chunked") != std::string::npos;
  if (version == "1.1") CHECK(is_chunked == (rest[0] == 'T'));
  CHECK(text.find("\r\n0\r\n") == std::string::npos);
  bool const has_length = text.find("Content-Length: 8") != std::string::npos;
  CHECK((is_chunked || has_length || reset));
  // Nothing of it was stored.
  RawClient next = proxy.connect();
  next.send("GET / HTTP/1.1\r\nHost: client\r\n\r\n");
  CHECK_FALSE(has(next.read_head().header("Cache-Status"), "hit"));
}

TEST_CASE("Malformed requests are refused, and the proxy goes on") {
  class Row {
   public:
    Row(std::string t, unsigned s) : text(std::move(t)), status(s) {}
    std::string text;
    unsigned status;
  };
  std::string const host = "Host: client\r\n";
  std::vector<Row> const rows = {
      Row("nonsense\r\n\r\n", 400),
      Row("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
      Row("GET / HTTP/1.1\r\n\r\n", 400),
      Row("GET / HTTP/1.1\r\n" + host + host + "\r\n", 400),
      Row("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
      Row("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400),
      Row("GET / HTTP/2.0\r\n" + host + "\r\n", 505),
      Row("GET nothing HTTP/1.1\r\n" + host + "\r\n", 400),
      Row("GET * HTTP/1.1\r\n" + host + "\r\n", 400),
      Row("GET /a#b HTTP/1.1\r\n" + host + "\r\n", 400),
      Row("GET /a|b HTTP/1.1\r\n" + host + "\r\n", 400),
      Row("GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400),
      Row("CONNECT client:80 HTTP/1.1\r\n" + host + "\r\n", 501),
      Row("GET / HTTP/1.1\r\n" + host + "X : 1\r\n\r\n", 400),
      Row("GET / HTTP/1.1\r\n" + host + "X: \x01\r\n\r\n", 400),
      Row("GET / HTTP/1.1\r\n" + host + "X: " + std::string(100'000, 'x') + "\r\n\r\n", 431),
      Row("GET /" + std::string(100'000, 'x') + " HTTP/1.1\r\n" + host + "\r\n", 431),
      Row("POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400),
      Row("POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
      Row("POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400),
      Row("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
      Row("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\n\r\n", 400),
      Row("POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
      Row("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
      Row("POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(500'000, 'e'),
          400),
  };
  ScriptedOrigin const origin(echo);
  ProxyProcess const proxy(origin.url(""));
  for (Row const& row : rows) {
    CAPTURE(row.text.substr(0, 200));
    RawClient client = proxy.connect();
    client.send(row.text);
    Answer const answer = client.read_answer();
    CHECK(answer.status == row.status);
    CHECK(answer.header("Content-Type") == "text/plain");
    CHECK(answer.body.starts_with(std::to_string(row.status) + " "));
  }
  CHECK(proxy.get("/ok").body == "GET /ok ");
}

TEST_CASE("A client that goes away in the middle takes nobody with it") {
  ScriptedOrigin const origin(echo);
  ProxyProcess const proxy(origin.url(""));
  proxy.connect().send("GET /");
  proxy.connect().send("POST / HTTP/1.1\r\nHost: client\r\nContent-Length: 100\r\n\r\nhalf");
  proxy.connect().send("GET /never-read HTTP/1.1\r\nHost: client\r\n\r\n");
  RawClient slow = proxy.connect();
  slow.send("POST / HTTP/1.1\r\nHost: client\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  slow.shut_down();
  CHECK(slow.read_to_end().empty());
  CHECK(proxy.get("/ok").body == "GET /ok ");
}

TEST_CASE("SIGTERM ends idle connections at once and the others after their answer") {
  Gate arrived, go;
  ScriptedOrigin const origin([&](RecordedRequest const& request) {
    if (request.target == "/slow") {
      arrived.open();
      go.wait();
    }
    return echo(request);
  });
  ProxyProcess proxy(origin.url(""), {"--threads", "2"});
  RawClient idle = proxy.connect();
  CHECK(idle.get("/").status == 200);
  std::optional<RawClient> busy(proxy.connect());
  busy->send("GET /slow HTTP/1.1\r\nHost: client\r\n\r\n");
  REQUIRE(arrived.wait());
  proxy.terminate();
  CHECK(idle.read_to_end().empty());
  CHECK_THROWS(proxy.connect());
  go.open();
  Answer const answer = busy->read_answer();
  CHECK(answer.body == "GET /slow ");
  CHECK(answer.header("Connection") == "close");
  CHECK(busy->read_to_end().empty());
  busy.reset();  // the proxy waits for that, though not for long
  CHECK(proxy.wait() == 0);
}

TEST_CASE("1000 connections are open at the same time, and each is served") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  REQUIRE(limit.rlim_max >= 1200);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  ScriptedOrigin const origin(echo);
  ProxyProcess proxy(origin.url(""), {"--threads", "2"});
  std::vector<RawClient> clients;
  clients.reserve(1000);
  for (int i = 0; i < 1000; ++i) clients.push_back(proxy.connect());
  for (int round = 0; round < 2; ++round) {
    for (RawClient& client : clients) client.send("GET /page HTTP/1.1\r\nHost: client\r\n\r\n");
    std::size_t right = 0;
    for (RawClient& client : clients) right += client.read_answer().body == "GET /page ";
    CHECK(right == clients.size());
  }
  proxy.terminate();
  CHECK(proxy.wait() == 0);
  for (RawClient& client : clients) CHECK(client.read_to_end().empty());
}
