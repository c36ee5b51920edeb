// Faults of the HTTP client that were found and mended.
#include "beast_cache/session/client_session.hpp"

#include <boost/asio/io_context.hpp>

#include "catch.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace beast_cache;
using namespace test_support;

TEST_CASE("a connection whose deadline passed after its last byte had come is not used again") {
  std::string const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n";
  ScriptedOrigin const origin([&](RecordedRequest const&) { return answer; });
  asio::io_context io;
  ClientSession session(io.get_executor());
  StreamedResponse response =
      run(io, session.get(origin.url()).timeout(std::chrono::milliseconds(50)).stream());
  // Until nothing is left to run: the deadline's timer has gone off.
  io.restart();
  io.run();
  bool whole = false;
  try {
    whole = run(io, read_all(response.take_body())) == "body";
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::timeout);
  }
  CAPTURE(whole);
  CHECK(run(io, session.get(origin.url())).body() == "body");
}

TEST_CASE("a field that is longer than Beast can hold is an error of the response") {
  std::string const field = "X-Long: " + std::string(70000, 'x') + "\r\n";
  ScriptedOrigin const origin([&](RecordedRequest const&) { return respond(200, "body", field); });
  asio::io_context io;
  ClientSession session(io.get_executor(),
                        ClientOptions().max_header_size(std::numeric_limits<std::size_t>::max()));
  try {
    run(io, session.get(origin.url()));
    FAIL("answered");
  } catch (Error const& e) {
    CHECK(e.code().category() == http_category());
  }
}

TEST_CASE("an idle timeout without end keeps connections, and does not overflow") {
  ScriptedOrigin const origin([](RecordedRequest const&) { return respond(200, "body"); });
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().idle_timeout(std::chrono::milliseconds::max()));
  CHECK(run(io, session.get(origin.url())).ok());
  CHECK(run(io, session.get(origin.url())).ok());
  CHECK(origin.connection_count() == 1);
}
