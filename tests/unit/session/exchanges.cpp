// What an observer is told of a client's exchanges.
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/client_session.hpp"
#include "support/exchange_log.hpp"
#include "support/memory_backend.hpp"
#include "support/nginx.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/socks_server.hpp"

using namespace beast_cache;
using namespace test_support;
using namespace std::chrono_literals;
using Cause = ExchangeEvent::Cause;

namespace {

class Client {
 public:
  explicit Client(ClientOptions options = {}) : session(io.get_executor(), options.observer(log)) {}

  Response get(std::string const& url) { return run(io, session.get(url)); }
  error_code failure(std::string const& url) {
    try {
      get(url);
    } catch (Error const& e) {
      return e.code();
    }
    return {};
  }
  /// The only event.
  ExchangeEvent event() {
    auto events = log->take();
    REQUIRE(events.size() == 1);
    return events[0];
  }

  asio::io_context io;
  std::shared_ptr<ExchangeLog> log = std::make_shared<ExchangeLog>();
  ClientSession session;
};

/// The parts it came to, each as `name:offset+duration`, in milliseconds.
std::string phases(ExchangeEvent const& event) {
  std::string text;
  for (int i = 1; i <= static_cast<int>(Phase::receive); ++i) {
    auto const phase = static_cast<Phase>(i);
    if (!event.has(phase)) continue;
    text.append(text.empty() ? "" : " ").append(to_string(phase));
    text +=
        ":" + std::to_string(event.offset(phase) / 1ms) + "+" + std::to_string(event.duration(phase) / 1ms);
  }
  return text;
}

std::size_t size_of(RecordedRequest const& request) {
  return request.head.size() + request.body.size();
}

asio::awaitable<void> give_up_body(ClientSession session, std::string url) {
  StreamedResponse const response = co_await session.get(url).stream();
}

class Throwing final : public Observer {
 public:
  void on_exchange(ExchangeEvent const&) override { throw std::runtime_error("an observer's own"); }
};

}  // namespace

TEST_CASE("An event's parts follow one another, on the clock of who notes them") {
  ExchangeEvent::Clock::time_point const start(1h);
  ExchangeEvent event(7, Cause::request, "GET", Url("http://h/"), start);
  CHECK(event.phase() == Phase::queue);
  event.begin(Phase::connect, start + 3ms);
  event.begin(Phase::send, start + 10ms);
  event.count(5);
  event.begin(Phase::first_byte, start + 11ms);
  event.begin(Phase::receive, start + 20ms);
  event.count(6);
  event.end(start + 50ms);
  CHECK(phases(event) == "queue:0+3 connect:3+7 send:10+1 first_byte:11+9 receive:20+30");
  CHECK(event.duration() == 50ms);
  CHECK(event.duration(Phase::tls) == 0ms);
  CHECK(event.bytes_sent() == 5);
  CHECK(event.bytes_received() == 6);
  CHECK(event.started() == start);
}

TEST_CASE("An exchange is told with its parts, its bytes and its connection") {
  std::string const answer = respond(200, std::string(100'000, 'x'));
  ScriptedOrigin const origin([&](RecordedRequest const&) { return answer; });
  Client client;
  client.get(origin.url("/a?b"));
  ExchangeEvent const first = client.event();
  CHECK(phases(first) == "queue:0+1 resolve:1+1 connect:2+1 send:3+1 first_byte:4+1 receive:5+1");
  CHECK(first.duration() == 6ms);
  CHECK(first.method() == "GET");
  CHECK(first.url().str() == origin.url("/a?b"));
  CHECK(first.status() == 200);
  CHECK_FALSE(first.error());
  CHECK_FALSE(first.reused());
  CHECK(first.cause() == Cause::request);
  CHECK(first.bytes_sent() == size_of(origin.requests()[0]));
  CHECK(first.bytes_received() == answer.size());

  run(client.io, client.session.post(origin.url()).body("four"));
  ExchangeEvent const second = client.event();
  CHECK(phases(second) == "queue:0+1 send:1+1 first_byte:2+1 receive:3+1");
  CHECK(second.reused());
  CHECK(second.method() == "POST");
  CHECK(second.request() == first.request() + 1);
  CHECK(second.bytes_sent() == size_of(origin.requests()[1]));
}

TEST_CASE("TLS and a proxy that opens the way are parts of their own") {
  ScriptedOrigin const origin([](RecordedRequest const&) { return respond(200, "x"); },
                              Certificates::shared().good());
  ClientOptions options;
  options.ca_file(Certificates::shared().ca_file());
  Client direct(options);
  direct.get(origin.url_at("localhost"));
  ExchangeEvent const event = direct.event();
  CHECK(phases(event) == "queue:0+1 resolve:1+1 connect:2+1 tls:3+1 send:4+1 first_byte:5+1 receive:6+1");
  // What TLS adds is not counted.
  CHECK(event.bytes_sent() == size_of(origin.requests()[0]));
  CHECK(event.bytes_received() == respond(200, "x").size());

  SocksServer const proxy;
  Client proxied(options.proxy(proxy.url()));
  proxied.get(origin.url_at("localhost"));
  ExchangeEvent const through = proxied.event();
  CHECK(phases(through) ==
        "queue:0+1 resolve:1+1 connect:2+1 proxy:3+1 tls:4+1 send:5+1 first_byte:6+1 receive:7+1");
  CHECK(through.bytes_sent() == size_of(origin.requests()[1]));
}

TEST_CASE("A failed exchange is told with its error, and where it happened") {
  ScriptedOrigin const origin(
      {{Step::receive(), Step::close()},
       {Step::receive(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"), Step::close()}});
  Client client;
  CHECK(client.failure(origin.url()) == http_errc::truncated);
  ExchangeEvent event = client.event();
  CHECK(event.error() == http_errc::truncated);
  CHECK(event.phase() == Phase::first_byte);
  CHECK(event.status() == 0);

  CHECK(client.failure(origin.url()) == http_errc::truncated);
  event = client.event();
  CHECK(event.error() == http_errc::truncated);
  CHECK(event.phase() == Phase::receive);
  CHECK(event.status() == 200);

  CHECK(client.failure("http://127.0.0.1:1/") == http_errc::connect);
  event = client.event();
  CHECK(event.error() == http_errc::connect);
  CHECK(event.phase() == Phase::connect);
  CHECK(event.bytes_sent() == 0);

  // Nothing was sent, and nothing tried.
  CHECK_THROWS_AS(run(client.io, client.session.get(origin.url()).header("A", "b\nc")), Error);
  CHECK(client.log->take().empty());
}

TEST_CASE("A body that is given up is told as such") {
  ScriptedOrigin const origin([](RecordedRequest const&) { return respond(200, std::string(100'000, 'x')); });
  Client client;
  run(client.io, give_up_body(client.session, origin.url()));
  ExchangeEvent const event = client.event();
  CHECK(event.error() == asio::error::operation_aborted);
  CHECK(event.phase() == Phase::receive);
  CHECK(event.status() == 200);
}

TEST_CASE("Redirects and retries are exchanges of one request") {
  ScriptedOrigin const origin(
      {{Step::receive(), Step::send(respond(302, "", "Location: /two\r\n")), Step::receive(), Step::close()},
       {Step::receive(), Step::send(respond(200, "two"))}});
  Client client;
  CHECK(client.get(origin.url("/one")).body() == "two");
  auto const events = client.log->take();
  REQUIRE(events.size() == 3);
  for (unsigned i = 0; i < 3; ++i) {
    CHECK(events[i].request() == events[0].request());
    CHECK(events[i].number() == i + 1);
  }
  CHECK(events[0].status() == 302);
  CHECK(events[1].cause() == Cause::redirect);
  CHECK(events[1].reused());
  CHECK(events[1].error() == http_errc::truncated);
  CHECK(events[1].url().target() == "/two");
  CHECK(events[2].cause() == Cause::retry);
  CHECK_FALSE(events[2].reused());
  CHECK(events[2].status() == 200);
}

TEST_CASE("What the cache answers is no exchange, and an observer's exceptions are its own") {
  ScriptedOrigin const origin(
      [](RecordedRequest const&) { return respond(200, "x", "Cache-Control: max-age=60\r\n"); });
  asio::io_context io;
  auto const log = std::make_shared<ExchangeLog>();
  auto const client = std::make_shared<ClientSession>(io.get_executor(), ClientOptions().observer(log));
  CachedSession cached(io.get_executor(), client, memory_backend());
  for (int i = 0; i < 3; ++i) CHECK(run(io, cached.get(origin.url())).body() == "x");
  CHECK(log->take().size() == 1);

  ClientSession throwing(io.get_executor(), ClientOptions().observer(std::make_shared<Throwing>()));
  CHECK(run(io, throwing.get(origin.url())).body() == "x");
}
