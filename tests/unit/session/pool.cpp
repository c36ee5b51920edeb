// The limits on connections, and whose turn it is.
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "beast_cache/session/client_session.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace beast_cache;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

/// Reads a whole answer, and gives its connection back when it is told to.
asio::awaitable<void> hold_connection(ClientSession session, std::string url, asio::steady_timer& release) {
  StreamedResponse response = co_await session.get(url).stream();
  error_code ec;
  co_await release.async_wait(asio::redirect_error(asio::use_awaitable, ec));
  std::string const rest = co_await read_all(response.take_body());
  if (rest.empty()) throw std::runtime_error("no body");
}

/// Two origins, and a session that has one connection to the first of them in use.
class World {
 public:
  explicit World(ClientOptions const& options) : session(io.get_executor(), options) {
    asio::co_spawn(io, hold_connection(session, a.url("/held"), release), asio::detached);
    while (a.request_count() == 0) io.poll_one();
  }

  void ask(ScriptedOrigin const& origin, std::string const& name) {
    session.get(origin.url("/" + name)).send([this, name](error_code ec, Response const& response) {
      order += name + (!ec && response.ok() ? " " : "(" + ec.message() + ") ");
    });
    io.poll();
  }
  void let_go() {
    release.expires_at(std::chrono::steady_clock::time_point::min());
    io.restart();
    io.run();
  }

  // More than the buffer of a connection, so that its end is not there with its head.
  ScriptedOrigin a{[](RecordedRequest const&) { return respond(200, std::string(100000, 'a')); }};
  ScriptedOrigin b{[](RecordedRequest const&) { return respond(200, "b"); }};
  asio::io_context io;
  asio::steady_timer release{io, std::chrono::steady_clock::time_point::max()};
  ClientSession session;
  std::string order;
};

}  // namespace

TEST_CASE(
    "Who waits for one of the connections in all is served in the order of arrival, whatever the origin") {
  World world(ClientOptions().max_connections(1));
  world.ask(world.a, "a1");
  world.ask(world.b, "b1");
  world.ask(world.a, "a2");
  world.ask(world.a, "a3");
  world.ask(world.b, "b2");
  CHECK(world.order.empty());
  CHECK(world.b.connection_count() == 0);
  world.let_go();
  CHECK(world.order == "a1 b1 a2 a3 b2 ");
}

TEST_CASE("Who waits for their own origin alone does not keep others waiting") {
  World world(ClientOptions().max_connections_per_origin(1).max_connections(2));
  world.ask(world.a, "a1");
  CHECK(run(world.io, world.session.get(world.b.url())).body() == "b");
  CHECK(world.order.empty());
  // Both connections are in use or kept; the one that is idle makes room.
  ScriptedOrigin const c([](RecordedRequest const&) { return respond(200, "c"); });
  CHECK(run(world.io, world.session.get(c.url())).body() == "c");
  CHECK(world.b.wait_for_open(0));
  world.let_go();
  CHECK(world.order == "a1 ");
  CHECK(world.a.connection_count() == 1);
}

TEST_CASE("The connection that is idle for the longest time makes room for another") {
  ScriptedOrigin const a([](RecordedRequest const&) { return respond(200, "a"); });
  ScriptedOrigin const b([](RecordedRequest const&) { return respond(200, "b"); });
  ScriptedOrigin const c([](RecordedRequest const&) { return respond(200, "c"); });
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_connections(2));
  CHECK(run(io, session.get(a.url())).body() == "a");
  CHECK(run(io, session.get(b.url())).body() == "b");
  CHECK(run(io, session.get(a.url())).body() == "a");
  CHECK(run(io, session.get(c.url())).body() == "c");
  CHECK(b.wait_for_open(0));
  CHECK(run(io, session.get(a.url())).body() == "a");
  CHECK(a.connection_count() == 1);
}

TEST_CASE("Waiting for a connection has a deadline of its own") {
  World world(ClientOptions().max_connections(1).timeouts(Timeouts().queue(300ms)));
  ScriptedOrigin const& origin = GENERATE(true, false) ? world.a : world.b;
  try {
    run(world.io, world.session.get(origin.url()).timeout(1h));
    FAIL("answered");
  } catch (TimeoutError const& e) {
    CHECK(e.code() == http_errc::timeout);
    CHECK(e.phase() == Phase::queue);
    CHECK(std::string(e.what()).find("1 in all") != std::string::npos);
  }
  world.ask(world.b, "b1");
  world.let_go();
  CHECK(world.order == "b1 ");
}

TEST_CASE("A connection that can't be made, or breaks, gives its place to the next") {
  World world(ClientOptions().max_connections(1));
  ScriptedOrigin const broken(std::vector<Script>{{Step::receive(), Step::reset()}});
  world.ask(broken, "broken");
  world.ask(world.b, "b1");
  world.ask(broken, "broken");
  world.ask(world.a, "a1");
  world.let_go();
  CHECK(world.order == "broken(the response was cut off) b1 broken(the response was cut off) a1 ");
}

TEST_CASE("Many requests to many origins are all answered over a few connections") {
  std::vector<std::unique_ptr<ScriptedOrigin>> origins;
  for (int i = 0; i < 8; ++i)
    origins.push_back(
        std::make_unique<ScriptedOrigin>([](RecordedRequest const&) { return respond(200, "x"); }));
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_connections(3).max_connections_per_origin(2));
  int right = 0;
  for (int i = 0; i < 400; ++i) {
    auto const& origin = origins[static_cast<std::size_t>(i * 7 % 8)];
    session.get(origin->url()).send([&](error_code ec, Response const& response) {
      if (!ec && response.body() == "x") ++right;
    });
  }
  io.run();
  CHECK(right == 400);
  run(io, session.close());
  for (auto const& origin : origins) CHECK(origin->wait_for_open(0));
}
