// Each step of an exchange fails once, and each is cancelled once: over http, over https, through a tunnel.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <set>

#include "beast_cache/session/client_session.hpp"
#include "support/exchange_log.hpp"
#include "support/nginx.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/squid.hpp"
#include "support/syscalls.hpp"

using namespace beast_cache;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

// Some reads, whatever the buffers' size.
std::string const& page() {
  static std::string const text(300'000, 'x');
  return text;
}

/// What an exchange that fails in a phase fails with.
http_errc expected(Phase phase) {
  switch (phase) {
    case Phase::resolve:
      return http_errc::resolve;
    case Phase::connect:
      return http_errc::connect;
    case Phase::proxy:
      return http_errc::proxy;
    case Phase::tls:
      return http_errc::tls_handshake;
    default:
      return http_errc::truncated;
  }
}

/// A way to an origin.
class Way {
 public:
  /// @param proxy Null: the connection is to the origin itself.
  explicit Way(bool secure, Squid const* proxy = nullptr)
      : origin(answer, secure ? std::optional(Certificates::shared().good()) : std::nullopt),
        // squid asks the machine's own resolver.
        url(origin.url_at(proxy ? "localhost" : "a.wild.test", "/page")) {
    options.ca_file(Certificates::shared().ca_file());
    if (proxy) {
      std::string address = proxy->url("me:p%40ss");
      address.replace(address.find("127.0.0.1"), 9, "proxy.wild.test");
      options.proxy(address);
    }
  }

  ScriptedOrigin origin;
  std::string url;
  ClientOptions options;

 private:
  static std::string answer(RecordedRequest const&) { return respond(200, page()); }
};

/// Lets each call fail in turn. @return The phases in which that happened.
std::set<Phase> fail_each_call(Way const& way) {
  std::set<Phase> phases;
  bool answered = false;
  for (std::size_t step = 1; !answered && step < 1000; ++step) {
    INFO("call " << step);
    asio::io_context io;
    auto const log = std::make_shared<ExchangeLog>();
    ClientSession session(io.get_executor(), ClientOptions(way.options).observer(log));
    {
      FailingCalls const calls(step);
      try {
        answered = run(io, session.get(way.url)).body() == page();
      } catch (Error const& e) {
        INFO(calls.failed() << ": " << e.what());
        auto const events = log->take();
        REQUIRE(events.size() == 1);
        phases.insert(events[0].phase());
        CHECK(events[0].error() == e.code());
        CHECK(e.code() == expected(events[0].phase()));
        // A server that does not take the request may have answered it: RFC 9112 section 9.5.
        CHECK(calls.calls_after() <= (calls.failed() == "send" ? 1 : 0));
      }
      CHECK(answered == calls.failed().empty());
    }
    // It is not used again, nor is anything left of it.
    if (!answered) CHECK(way.origin.wait_for_open(0));
    std::size_t const connections = way.origin.connection_count();
    CHECK(run(io, session.get(way.url)).body() == page());
    // A proxy may be about to make the connection that nobody wants any more.
    bool const is_new = way.origin.connection_count() > connections;
    CHECK(is_new != answered);
  }
  CHECK(answered);
  return phases;
}

asio::awaitable<bool> get_page(ClientSession session, std::string url) {
  Response const response = co_await session.get(url);
  co_return response.body() == page();
}

/// Cancels after each handler in turn.
void cancel_each_step(Way const& way) {
  bool answered = false;
  std::size_t cancelled = 0;
  for (int step = 0; !answered && step < 1000; ++step) {
    INFO("handler " << step);
    asio::io_context io;
    auto const log = std::make_shared<ExchangeLog>();
    ClientSession session(io.get_executor(), ClientOptions(way.options).observer(log));
    asio::cancellation_signal signal;
    error_code code;
    bool done = false;
    asio::co_spawn(io, get_page(session, way.url),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr failure, bool whole) {
                     done = true;
                     answered = whole;
                     try {
                       if (failure) std::rethrow_exception(failure);
                     } catch (boost::system::system_error const& e) {
                       code = e.code();
                     }
                   }));
    for (int i = 0; i < step && !done; ++i) io.run_one();
    bool const in_time = !done;
    if (in_time) signal.emit(asio::cancellation_type::terminal);
    while (!done) io.run_one();
    if (code) {
      ++cancelled;
      CHECK(code == asio::error::operation_aborted);
      auto const events = log->take();
      for (ExchangeEvent const& event : events) CHECK(event.error() == asio::error::operation_aborted);
      CHECK(events.size() <= 1);
      CHECK(way.origin.wait_for_open(0));
    }
    CHECK(run(io, session.get(way.url)).body() == page());
    // What was complete when it was cancelled is so.
    answered = answered && !in_time;
  }
  CHECK(answered);
  CHECK(cancelled > 3);
}

}  // namespace

TEST_CASE("Whichever step fails, the error says where, and the next request works: http") {
  std::set<Phase> const phases = fail_each_call(Way(false));
  CHECK(phases == std::set{Phase::resolve, Phase::connect, Phase::first_byte, Phase::receive});
}

TEST_CASE("Whichever step fails, the error says where, and the next request works: https") {
  std::set<Phase> const phases = fail_each_call(Way(true));
  CHECK(phases == std::set{Phase::resolve, Phase::connect, Phase::tls, Phase::first_byte, Phase::receive});
}

TEST_CASE("Whichever step fails, the error says where, and the next request works: a tunnel") {
  Squid const squid;
  std::set<Phase> const phases = fail_each_call(Way(true, &squid));
  CHECK(phases == std::set{Phase::resolve, Phase::connect, Phase::proxy, Phase::tls, Phase::first_byte,
                           Phase::receive});
}

TEST_CASE("Whichever step is cancelled, the next request works") {
  cancel_each_step(Way(false));
  cancel_each_step(Way(true));
  Squid const squid;
  cancel_each_step(Way(true, &squid));
}

TEST_CASE("A name that nobody answers for ends in a timeout of its own") {
  Way const way(false);
  asio::io_context io;
  auto const log = std::make_shared<ExchangeLog>();
  ClientSession session(
      io.get_executor(),
      ClientOptions(way.options).observer(log).timeout(1h).timeouts(Timeouts().resolve(20ms).connect(1h)));
  {
    StalledResolver const stalled;
    try {
      run(io, session.get(way.url));
      FAIL("answered");
    } catch (TimeoutError const& e) {
      CHECK(e.phase() == Phase::resolve);
    }
  }
  auto const events = log->take();
  REQUIRE(events.size() == 1);
  CHECK(events[0].phase() == Phase::resolve);
  CHECK(events[0].error() == http_errc::timeout);
  CHECK(run(io, session.get(way.url)).body() == page());
}
