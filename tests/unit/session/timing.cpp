// Deadlines, cancellation, threads and lifetimes of the client session.
#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <thread>

#include "beast_cache/session/client_session.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace beast_cache;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

error_code code_of_get(asio::io_context& io, ClientSession& session, std::string const& url,
                       std::chrono::milliseconds timeout) {
  try {
    run(io, session.get(url).timeout(timeout));
  } catch (boost::system::system_error const& e) {
    CHECK(std::string(e.what()).find("http://127.0.0.1:") != std::string::npos);
    return e.code();
  }
  return {};
}

/// A response that stops at that point, for ever.
std::vector<Script> stalling(std::string sent) {
  return {{Step::receive(), Step::send(std::move(sent))}};
}

/// Reads a whole response, with every type of cancellation let through.
asio::awaitable<void> get_cancellable(ClientSession session, std::string url) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  Response const response = co_await session.get(url);
}

asio::awaitable<void> hold_connection(ClientSession session, std::string url, asio::steady_timer& release) {
  StreamedResponse const response = co_await session.get(url).stream();
  error_code ec;
  co_await release.async_wait(asio::redirect_error(asio::use_awaitable, ec));
}

asio::awaitable<void> get_many(ClientSession session, std::string url, int count, std::atomic<int>& right) {
  for (int i = 0; i < count; ++i) {
    Response const response = co_await session.get(url).timeout(20s);
    if (response.body() == "x") ++right;
  }
}

asio::awaitable<void> fail_many(ClientSession session, std::string url, int count,
                                std::atomic<int>& timeouts) {
  for (int i = 0; i < count; ++i) {
    try {
      Response const response = co_await session.get(url).timeout(1ms);
    } catch (Error const& e) {
      if (e.code() == http_errc::timeout) ++timeouts;
    }
  }
}

/// Takes that long before it reads on.
asio::awaitable<std::size_t> read_slowly(ClientSession session, std::string url,
                                         std::chrono::milliseconds pause) {
  StreamedResponse response = co_await session.get(url).stream();
  std::string buffer(64 * 1024, '\0');
  std::size_t size = co_await response.read_some(asio::buffer(buffer));
  asio::steady_timer timer(co_await asio::this_coro::executor, pause);
  co_await timer.async_wait(asio::use_awaitable);
  for (;;) {
    std::size_t const count = co_await response.read_some(asio::buffer(buffer));
    if (count == 0) break;
    size += count;
  }
  co_return size;
}

void run_on_threads(asio::io_context& io, int count) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&io] { io.run(); });
  for (auto& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("A server that stalls anywhere ends in a timeout") {
  std::string const sent = GENERATE(
      as<std::string>(), "", "HTTP/1.1 200", "HTTP/1.1 100 Continue\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "HTTP/1.1 200 OK\r\n\r\nhello");
  ScriptedOrigin origin(stalling(sent));
  asio::io_context io;
  ClientSession session(io.get_executor());
  CHECK(code_of_get(io, session, origin.url(), 20ms) == http_errc::timeout);
  CHECK(origin.wait_for_open(0));
}

TEST_CASE("A server that stalls anywhere ends in a timeout, however long the whole may take") {
  std::string const sent =
      GENERATE(as<std::string>(), "", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
  ScriptedOrigin origin(stalling(sent));
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().timeouts(Timeouts().stall(20ms)));
  CHECK(code_of_get(io, session, origin.url(), std::chrono::hours(1)) == http_errc::timeout);
  CHECK(origin.wait_for_open(0));

  ScriptedOrigin deaf(std::vector<Script>{{Step::receive(), Step::send(std::string(1, 'H'))}});
  CHECK_THROWS_AS(run(io, session.post(deaf.url()).body(std::string(8 << 20, 'x')).timeout(1h)), Error);
}

TEST_CASE("Neither a server that goes on nor a caller that waits has stalled") {
  // Long enough for a busy machine: an origin that needed half a second for its first byte has been seen.
  std::string const body(std::size_t{8} << 20, 'x');
  ScriptedOrigin origin([&](RecordedRequest const&) { return respond(200, body); });
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().timeouts(Timeouts().stall(4s)));
  CHECK(run(io, read_slowly(session, origin.url(), 5s)) == body.size());
  // The deadline still counts.
  CHECK(code_of_get(io, session, origin.url(), 0ms) == http_errc::timeout);
}

TEST_CASE("A server that never reads ends in a timeout") {
  ScriptedOrigin origin(std::vector<Script>{{Step::receive(), Step::send(std::string(1, 'H'))}});
  asio::io_context io;
  ClientSession session(io.get_executor());
  // The connection is accepted and its request never answered, however long the body.
  CHECK_THROWS_AS(run(io, session.post(origin.url()).body(std::string(8 << 20, 'x')).timeout(30ms)), Error);
}

TEST_CASE("A timeout of zero fails at once, and one without end does not fail") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  asio::io_context io;
  ClientSession session(io.get_executor());
  CHECK(code_of_get(io, session, origin.url(), 0ms) == http_errc::timeout);
  CHECK_FALSE(code_of_get(io, session, origin.url(), std::chrono::milliseconds::max()));
  // Nor is it sent over a connection that is there: the origin has seen one request, and answers fast.
  CHECK(code_of_get(io, session, origin.url(), 0ms) == http_errc::timeout);
  CHECK(origin.request_count() == 1);
}

TEST_CASE("The default timeout is the session's") {
  ScriptedOrigin origin(stalling(""));
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().timeout(20ms));
  try {
    run(io, session.get(origin.url()));
    FAIL("answered");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::timeout);
  }
}

TEST_CASE("The time of waiting for a connection counts") {
  ScriptedOrigin origin(stalling("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_connections_per_origin(1));
  asio::steady_timer release(io, std::chrono::steady_clock::time_point::max());
  asio::co_spawn(io, hold_connection(session, origin.url(), release), asio::detached);
  while (origin.request_count() == 0) io.poll_one();
  CHECK(code_of_get(io, session, origin.url(), 20ms) == http_errc::timeout);
  CHECK(origin.connection_count() == 1);
  release.expires_at(std::chrono::steady_clock::time_point::min());  // for later waits as well
  io.restart();
  io.run();
  CHECK(origin.wait_for_open(0));
}

TEST_CASE("A request can be cancelled at every step, by every type of cancellation") {
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  ScriptedOrigin origin([](RecordedRequest const&) {
    return std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
  });
  bool completed = false;
  int steps = 0;
  for (; !completed && steps < 200; ++steps) {
    asio::io_context io;
    ClientSession session(io.get_executor());
    asio::cancellation_signal signal;
    error_code code;
    int calls = 0;
    asio::co_spawn(io, get_cancellable(session, origin.url()),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr failure) {
                     ++calls;
                     try {
                       if (failure) std::rethrow_exception(failure);
                     } catch (boost::system::system_error const& e) {
                       code = e.code();
                     }
                   }));
    for (int i = 0; i < steps && calls == 0; ++i) io.run_one();
    completed = calls == 1;
    if (!completed) {
      signal.emit(type);
      io.run();
      // What was complete when it was cancelled may say so.
      CHECK((code == asio::error::operation_aborted || !code));
    }
    CHECK(calls == 1);
    // One that was complete before the cancellation took hold may have kept its connection, or not.
    if (completed || code) CHECK(origin.wait_for_open(completed ? 1 : 0));
  }
  CHECK(completed);
  CHECK(steps > 3);
}

TEST_CASE("A request that waits for a connection can be cancelled, and its place goes to the next") {
  ScriptedOrigin origin(
      std::vector<Script>{{Step::receive(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")},
                          {Step::receive(), Step::send(respond(200, "x"))}});
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_connections_per_origin(1));
  asio::steady_timer release(io, std::chrono::steady_clock::time_point::max());
  asio::co_spawn(io, hold_connection(session, origin.url(), release), asio::detached);
  while (origin.request_count() == 0) io.poll_one();
  asio::cancellation_signal signal;
  error_code first;
  error_code second = asio::error::would_block;
  session.get(origin.url())
      .send(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, Response const&) { first = ec; }));
  session.get(origin.url()).send([&](error_code ec, Response const&) { second = ec; });
  io.poll();
  signal.emit(asio::cancellation_type::terminal);
  release.expires_at(std::chrono::steady_clock::time_point::min());  // for later waits as well
  io.restart();
  io.run();
  CHECK(first == asio::error::operation_aborted);
  CHECK_FALSE(second);
}

TEST_CASE("Requests that wait when the session closes fail as closed") {
  ScriptedOrigin origin(stalling("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_connections_per_origin(1));
  asio::steady_timer release(io, std::chrono::steady_clock::time_point::max());
  asio::co_spawn(io, hold_connection(session, origin.url(), release), asio::detached);
  while (origin.request_count() == 0) io.poll_one();
  error_code waiting;
  session.get(origin.url()).send([&](error_code ec, Response const&) { waiting = ec; });
  io.poll();
  run(io, session.close());
  release.expires_at(std::chrono::steady_clock::time_point::min());  // for later waits as well
  io.restart();
  io.run();
  CHECK(waiting == http_errc::closed);
}

TEST_CASE("One session serves a context that four threads run, without a strand of the caller's") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  ScriptedOrigin silent(stalling("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"));
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().max_connections_per_origin(6));
  std::atomic<int> right = 0;
  std::atomic<int> timeouts = 0;
  for (int i = 0; i < 20; ++i) {
    asio::co_spawn(io, get_many(session, origin.url(), 20, right), asio::detached);
    asio::co_spawn(io, fail_many(session, silent.url(), 3, timeouts), asio::detached);
  }
  run_on_threads(io, 4);
  CHECK(right == 400);
  CHECK(timeouts == 60);
}

TEST_CASE("Operations outlive their session") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  asio::io_context io;
  error_code code = asio::error::would_block;
  {
    ClientSession session(io.get_executor());
    session.get(origin.url()).send([&](error_code ec, Response const&) { code = ec; });
  }
  io.run();
  CHECK_FALSE(code);
  CHECK(origin.wait_for_open(0));
}

TEST_CASE("A context may be destroyed with requests at any step, and before the session") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, std::string(100000, 'x')); });
  int completed = 0;
  for (int steps = 0; steps < 60; ++steps) {
    std::optional<ClientSession> session;
    {
      asio::io_context io;
      session.emplace(io.get_executor(), ClientOptions().max_connections_per_origin(2));
      for (int i = 0; i < 4; ++i)
        session->get(origin.url()).send([&](error_code, Response const&) { ++completed; });
      for (int i = 0; i < steps; ++i) io.run_one();
    }
  }
  CHECK(completed > 0);
  CHECK(origin.wait_for_open(0));
}
