#include "beast_cache/session/client_session.hpp"

#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace beast_cache;
using namespace test_support;

TEST_CASE("A GET over http gives status, fields and body") {
  ScriptedOrigin origin([](RecordedRequest const& request) {
    return respond(200, "hello " + request.target, "X-Answer: yes\r\n");
  });
  asio::io_context io;
  ClientSession session(io.get_executor());

  Response const response = run(io, session.get(origin.url("/a?b=c")).header("X-Ask", "please"));

  CHECK(response.status() == 200);
  CHECK(response.reason() == "Scripted");
  CHECK(response.header("x-answer") == "yes");
  CHECK(response.body() == "hello /a?b=c");
  CHECK(response.url().str() == origin.url("/a?b=c"));
  RecordedRequest const request = origin.requests().at(0);
  CHECK(request.method == "GET");
  CHECK(request.header("Host") == "127.0.0.1:" + std::to_string(origin.port()));
  CHECK(request.header("X-Ask") == "please");
  CHECK_FALSE(request.header("Content-Length"));
}

TEST_CASE("Requests one after another use one connection") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  asio::io_context io;
  ClientSession session(io.get_executor());

  for (int i = 0; i < 5; ++i) CHECK(run(io, session.get(origin.url())).status() == 200);

  CHECK(origin.request_count() == 5);
  CHECK(origin.connection_count() == 1);
}
