// Proxies and phases of an exchange, against peers that are scripted byte by byte.
#include <boost/asio/ip/tcp.hpp>

#include "beast_cache/session/client_session.hpp"
#include "support/environment.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/socks_server.hpp"

using namespace beast_cache;
using namespace test_support;
using namespace std::chrono_literals;

namespace {

// Long enough for all that does not hang, on a busy machine too.
constexpr auto short_time = 60ms;
constexpr char credentials[] = "Basic bWU6cEBzcw==";  // me:p@ss

std::string proxy_url(ScriptedOrigin const& proxy, std::string const& user_info = "") {
  return "http://" + user_info + "127.0.0.1:" + std::to_string(proxy.port());
}

class Client {
 public:
  explicit Client(ClientOptions options) : session(io.get_executor(), std::move(options)) {}

  Response get(std::string const& url) { return run(io, session.get(url)); }

  /// What a GET fails with.
  template <class E>
  E failure(std::string const& url) {
    try {
      run(io, session.get(url));
    } catch (E const& e) {
      return e;
    }
    throw std::runtime_error(url + " was answered");
  }

  asio::io_context io;
  ClientSession session;
};

Script say(std::string bytes) {
  return {Step::receive(), Step::send(std::move(bytes)), Step::close()};
}

}  // namespace

TEST_CASE("Over an HTTP proxy, http is asked for by the whole URL, on one connection for all hosts") {
  ScriptedOrigin const proxy([](RecordedRequest const& r) { return respond(200, r.target); });
  Client client(ClientOptions().proxy(proxy_url(proxy, "me:p%40ss@")));
  CHECK(client.get("http://one.test/a?b").body() == "http://one.test/a?b");
  CHECK(client.get("http://two.test:81/").body() == "http://two.test:81/");
  auto const requests = proxy.requests();
  CHECK(requests[0].header("Host") == "one.test");
  CHECK(requests[1].header("Host") == "two.test:81");
  CHECK(requests[1].header("Proxy-Authorization") == credentials);
  CHECK_FALSE(requests[1].header("Authorization"));
  CHECK(proxy.connection_count() == 1);
}

TEST_CASE("Redirects behind a proxy go through it, and its credentials to nobody else") {
  ScriptedOrigin const direct([](RecordedRequest const&) { return respond(200, "direct"); });
  ScriptedOrigin const proxy([](RecordedRequest const& r) {
    if (r.target == "http://one.test/") return respond(302, "", "Location: http://two.test/next\r\n");
    return respond(200, r.target);
  });
  Environment const exception("no_proxy", "127.0.0.1");
  Environment const variable("http_proxy", proxy_url(proxy, "me:p%40ss@"));
  Client client(ClientOptions().proxy_from_environment(true));
  CHECK(client.get("http://one.test/").body() == "http://two.test/next");
  for (auto const& request : proxy.requests()) CHECK(request.header("Proxy-Authorization") == credentials);

  CHECK(client.get(direct.url("/")).body() == "direct");
  CHECK_FALSE(direct.requests().back().header("Proxy-Authorization"));
}

TEST_CASE("A request's own Proxy-Authorization goes nowhere") {
  ScriptedOrigin const origin([](RecordedRequest const&) { return respond(200, "x"); });
  Client client{ClientOptions()};
  run(client.io, client.session.get(origin.url()).header("proxy-authorization", credentials));
  CHECK_FALSE(origin.requests()[0].header("Proxy-Authorization"));
}

TEST_CASE("A proxy that wants other credentials is no answer of the origin's") {
  ScriptedOrigin const proxy({say(respond(407, "who are you?", "Proxy-Authenticate: Basic\r\n"))});
  Client client(ClientOptions().proxy(proxy_url(proxy)));
  for (char const* url : {"http://one.test/", "https://one.test/"}) {
    ProxyError const error = client.failure<ProxyError>(url);
    CHECK(error.code() == http_errc::proxy);
    CHECK(error.status() == 407);
    CHECK(std::string(error.what()).find("one.test") != std::string::npos);
  }
}

TEST_CASE("A CONNECT that is refused is an error with the proxy's status, and nothing is sent on") {
  unsigned const status = GENERATE(300u, 302u, 403u, 404u, 502u, 503u);
  ScriptedOrigin const proxy({say(respond(status, "<html>", "Location: http://evil.test/\r\n"))});
  Client client(ClientOptions().proxy(proxy_url(proxy, "me:p%40ss@")));
  ProxyError const error = client.failure<ProxyError>("https://one.test/secret");
  CHECK(error.status() == status);
  CHECK(std::string(error.what()).find("p@ss") == std::string::npos);
  CHECK(std::string(error.what()).find("p%40ss") == std::string::npos);
  auto const requests = proxy.requests();
  REQUIRE(requests.size() == 1);
  CHECK(requests[0].head == "CONNECT one.test:443 HTTP/1.1\r\nHost: one.test:443\r\nProxy-Authorization: " +
                                std::string(credentials) + "\r\n\r\n");
}

TEST_CASE("A proxy that speaks nonsense, or beyond its turn, is an error") {
  std::string flood;
  for (int i = 0; i < 17; ++i) flood += "HTTP/1.1 100 Continue\r\n\r\n";
  std::string const said = GENERATE_COPY(
      as<std::string>(), "", "nonsense\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 200", flood,
      "HTTP/1.1 200 OK\r\nA: " + std::string(20000, 'x') + "\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\n\r\n\x16\x03\x01");
  ScriptedOrigin const proxy({say(said)});
  Client client(ClientOptions().proxy(proxy_url(proxy)));
  CHECK(client.failure<ProxyError>("https://one.test/").status() < 200);
}

TEST_CASE("A tunnel that was opened is the server's: what does not speak TLS fails the handshake") {
  ScriptedOrigin const proxy({say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")});
  Client client(ClientOptions().proxy(proxy_url(proxy)));
  error_code const code = client.failure<Error>("https://one.test/").code();
  CHECK((code == http_errc::tls_handshake || code == http_errc::tls_trust_store));
}

TEST_CASE("A proxy that can't be reached is named") {
  Client client(ClientOptions().proxy("http://127.0.0.1:1"));
  Error const error = client.failure<Error>("http://one.test/");
  CHECK(error.code() == http_errc::connect);
  CHECK(std::string(error.what()).find("http://127.0.0.1:1") != std::string::npos);
  Client unknown(ClientOptions().proxy("http://no-such-host.invalid"));
  CHECK(unknown.failure<Error>("http://one.test/").code() == http_errc::resolve);
  asio::io_context io;
  CHECK_THROWS_AS(ClientSession(io.get_executor(), ClientOptions().proxy("https://proxy.test")), Error);
}

TEST_CASE("A SOCKS proxy gets the name and not an address of it") {
  bool const has_user = GENERATE(false, true);
  SocksServer const socks(has_user ? "me" : "", has_user ? "p@ss" : "");
  ScriptedOrigin const origin([](RecordedRequest const& r) { return respond(200, r.target); });
  Client client(ClientOptions().proxy(socks.url(has_user ? "me:p%40ss@" : "")));
  std::string const port = ":" + std::to_string(origin.port());
  CHECK(client.get("http://no-such-host.invalid" + port + "/a").body() == "/a");
  CHECK(client.get("http://no-such-host.invalid" + port + "/b").body() == "/b");
  CHECK(client.get("http://192.0.2.1" + port + "/c").body() == "/c");
  CHECK(client.get("http://[2001:db8::1]" + port + "/d").body() == "/d");
  CHECK(socks.targets() ==
        std::vector<std::string>{"no-such-host.invalid" + port, "192.0.2.1" + port, "2001:db8::1" + port});
  CHECK_FALSE(origin.requests()[0].header("Proxy-Authorization"));
  CHECK(origin.requests()[0].header("Host") == "no-such-host.invalid" + port);
}

TEST_CASE("A SOCKS proxy that does not know the user is an error") {
  SocksServer const socks("me", "p@ss");
  for (char const* user_info : {"", "me:wrong@", "you:p%40ss@"}) {
    Client client(ClientOptions().proxy(socks.url(user_info)));
    ProxyError const error = client.failure<ProxyError>("http://one.test/");
    CHECK(error.status() == 0);
    CHECK(std::string(error.what()).find("wrong") == std::string::npos);
  }
  CHECK(socks.targets().empty());
}

TEST_CASE("A SOCKS proxy that breaks off anywhere, refuses or speaks nonsense is an error") {
  std::string const good("\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50", 12);
  std::vector<std::string> bad;
  for (std::size_t cut = 0; cut < good.size(); ++cut) bad.push_back(good.substr(0, cut));
  for (char reply = 1; reply < 11; ++reply) {
    bad.push_back(good);
    bad.back()[3] = reply;
  }
  for (std::size_t const index : {0, 1, 2, 5}) {
    bad.push_back(good);
    bad.back()[index] = '\x07';
  }
  for (std::string const& said : bad) {
    ScriptedOrigin const proxy({{Step::send(said), Step::close()}});
    Client client(ClientOptions().proxy("socks5h://127.0.0.1:" + std::to_string(proxy.port())));
    INFO(said.size());
    CHECK(client.failure<ProxyError>("http://one.test/").status() == 0);
  }
  ScriptedOrigin const proxy({{Step::send(good), Step::receive(), Step::send(respond(200, "x"))}});
  Client client(ClientOptions().proxy("socks5h://127.0.0.1:" + std::to_string(proxy.port())));
  CHECK(client.get("http://one.test/").body() == "x");
}

TEST_CASE("A timeout says in which phase it was") {
  class Row {
   public:
    Row(char const* s, Timeouts const& t, Phase p) : sent(s), timeouts(t), phase(p) {}
    char const* sent;
    Timeouts timeouts;
    Phase phase;
  };
  std::vector<Row> const rows = {
      Row("", Timeouts().first_byte(short_time), Phase::first_byte),
      Row("H", Timeouts().between_bytes(short_time), Phase::receive),
      Row("HTTP/1.1 100 Continue\r\n\r\n", Timeouts().between_bytes(short_time), Phase::receive),
      Row("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Timeouts().between_bytes(short_time),
          Phase::receive),
      // Counts for the first byte as well, which a busy machine may keep waiting.
      Row("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", Timeouts().stall(2s), Phase::receive),
      Row("", Timeouts().stall(short_time), Phase::first_byte),
  };
  for (Row const& row : rows) {
    INFO(row.sent);
    ScriptedOrigin const origin(std::vector<Script>{{Step::receive(), Step::send(row.sent)}});
    Client client(ClientOptions().timeout(1h).timeouts(row.timeouts));
    TimeoutError const error = client.failure<TimeoutError>(origin.url());
    CHECK(error.code() == http_errc::timeout);
    CHECK(to_string(error.phase()) == to_string(row.phase));
    CHECK(origin.wait_for_open(0));
  }
}

TEST_CASE("The whole budget says in which phase it ended") {
  ScriptedOrigin const origin(std::vector<Script>{{Step::receive(), Step::send("HTTP/1.1 200 OK\r\n")}});
  Client client(ClientOptions().timeout(2s));
  Phase const phase = client.failure<TimeoutError>(origin.url()).phase();
  CHECK((phase == Phase::receive || phase == Phase::first_byte));
}

TEST_CASE("The TLS handshake and a proxy's answer have limits of their own") {
  ScriptedOrigin const silent(std::vector<Script>{{}});
  Client tls(ClientOptions().timeout(1h).timeouts(Timeouts().tls(short_time).first_byte(1h)));
  std::string url = silent.url();
  url.replace(0, 4, "https");
  CHECK(tls.failure<TimeoutError>(url).phase() == Phase::tls);
  for (std::string const scheme : {"http", "socks5h"}) {
    Client proxied(ClientOptions()
                       .timeout(1h)
                       .timeouts(Timeouts().connect(short_time))
                       .proxy(scheme + "://127.0.0.1:" + std::to_string(silent.port())));
    CHECK(proxied.failure<TimeoutError>("https://one.test/").phase() == Phase::proxy);
  }
}

TEST_CASE("A server that takes nothing of a request ends in a timeout of that phase") {
  asio::io_context io;
  // Nobody accepts: the system takes what its buffers hold.
  asio::ip::tcp::acceptor const deaf(io, asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  ClientSession session(io.get_executor(),
                        ClientOptions().timeout(1h).timeouts(Timeouts().between_bytes(short_time)));
  std::string const url = "http://127.0.0.1:" + std::to_string(deaf.local_endpoint().port());
  try {
    run(io, session.put(url).body(std::string(std::size_t{64} << 20, 'x')));
    FAIL("answered");
  } catch (TimeoutError const& e) {
    CHECK(e.phase() == Phase::send);
  }
}

TEST_CASE("Limits are for one part each: none of them ends an exchange that goes on") {
  ScriptedOrigin const origin([](RecordedRequest const&) { return respond(200, std::string(300000, 'x')); });
  Client client(ClientOptions().timeouts(
      Timeouts().queue(20s).resolve(20s).connect(20s).tls(20s).first_byte(20s).between_bytes(20s)));
  for (int i = 0; i < 3; ++i) CHECK(client.get(origin.url()).body().size() == 300000);
  CHECK(origin.connection_count() == 1);
}

TEST_CASE(
    "What is ambiguous or malformed is a framing error, wherever it is split, and ends the connection") {
  std::string const bad = GENERATE(
      as<std::string>(),
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nx",
      "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n");
  std::vector<Script> scripts;
  for (std::size_t split = 1; split < bad.size(); ++split)
    scripts.push_back({Step::receive(), Step::send(bad.substr(0, split)), Step::send(bad.substr(split))});
  std::size_t const count = scripts.size();
  ScriptedOrigin const origin(std::move(scripts));
  Client client{ClientOptions()};
  for (std::size_t i = 0; i < count; ++i)
    CHECK(client.failure<Error>(origin.url()).code() == http_errc::framing);
  CHECK(origin.connection_count() == count);
  CHECK(origin.wait_for_open(0));
}

TEST_CASE("A body that comes with the answer to HEAD is never the next answer") {
  std::string const evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
  ScriptedOrigin const origin(
      {{Step::receive(), Step::send("HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n" + evil)},
       {Step::receive(), Step::send(respond(200, "next"))}});
  Client client{ClientOptions()};
  CHECK(run(client.io, client.session.head(origin.url())).body().empty());
  CHECK(client.get(origin.url()).body() == "next");
  CHECK(origin.connection_count() == 2);
}
