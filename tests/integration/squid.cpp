// The client session through a real proxy.
#include "support/squid.hpp"

#include "beast_cache/session/client_session.hpp"
#include "support/nginx.hpp"
#include "support/run.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

class Fixture {
 public:
  ClientOptions through(std::string const& user_info = "me:p%40ss") const {
    return ClientOptions().ca_file(Certificates::shared().ca_file()).proxy(squid.url(user_info));
  }

  Squid squid;
  ScriptedOrigin plain{[](RecordedRequest const& r) {
    if (r.target == "/moved") return respond(302, "", "Location: /here\r\n");
    return respond(200, r.target + " " + r.method + r.body);
  }};
  ScriptedOrigin secure{[](RecordedRequest const& r) {
                          if (r.target == "/moved") return respond(302, "", "Location: /here\r\n");
                          return respond(200, r.target + " " + r.method + r.body);
                        },
                        Certificates::shared().good()};
  asio::io_context io;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "squid passes http on, and https through a tunnel") {
  ScriptedOrigin const& origin = GENERATE(false, true) ? secure : plain;
  ClientSession session(io.get_executor(), through());
  for (int i = 0; i < 3; ++i)
    CHECK(run(io, session.get(origin.url_at("localhost", "/a"))).body() == "/a GET");
  CHECK(run(io, session.post(origin.url_at("localhost", "/b")).body("text")).body() == "/b POSTtext");
  Response const moved = run(io, session.get(origin.url_at("localhost", "/moved")));
  CHECK(moved.body() == "/here GET");
  CHECK(moved.history().size() == 1);
  for (auto const& request : origin.requests()) CHECK_FALSE(request.header("Proxy-Authorization"));
  bool const is_forwarded = &origin == &plain;
  if (!is_forwarded) CHECK(origin.connection_count() == 1);
  CHECK(origin.requests()[0].header("Via").has_value() == is_forwarded);
}

TEST_CASE_METHOD(Fixture, "squid refuses who is not known to it, and that is no answer of the origin's") {
  ScriptedOrigin const& origin = GENERATE(false, true) ? secure : plain;
  ClientSession session(io.get_executor(), through("me:wrong"));
  try {
    run(io, session.get(origin.url_at("localhost")));
    FAIL("answered");
  } catch (ProxyError const& e) {
    CHECK(e.status() == 407);
  }
  CHECK(origin.connection_count() == 0);
}

TEST_CASE_METHOD(Fixture, "squid can't reach a server: for https that is an error with its status") {
  ClientSession session(io.get_executor(), through());
  std::string url;
  {
    ScriptedOrigin const gone([](RecordedRequest const&) { return respond(200, ""); });
    url = gone.url_at("localhost");
  }
  CHECK(run(io, session.get(url)).status() == 503);
  url.replace(0, 4, "https");
  try {
    run(io, session.get(url));
    FAIL("answered");
  } catch (ProxyError const& e) {
    CHECK(e.status() == 503);
  }
}

TEST_CASE_METHOD(Fixture, "Through a tunnel the server's own certificate is checked") {
  ScriptedOrigin const wrong([](RecordedRequest const&) { return respond(200, "x"); },
                             Certificates::shared().wrong_host());
  ClientSession session(io.get_executor(), through());
  try {
    run(io, session.get(wrong.url_at("localhost")));
    FAIL("answered");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::tls_verify);
  }
  CHECK(wrong.request_count() == 0);
}
