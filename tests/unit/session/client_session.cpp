#include "beast_cache/session/client_session.hpp"

#include <atomic>

#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

/// One session on one context.
class Client {
 public:
  explicit Client(ClientOptions options = {}) : session(io.get_executor(), std::move(options)) {}

  Response get(std::string const& url) { return run(io, session.get(url)); }

  /// The code that an operation fails with, and none when it doesn't.
  template <class T>
  error_code failure(asio::awaitable<T> operation) {
    what.clear();
    try {
      run(io, std::move(operation));
    } catch (boost::system::system_error const& e) {
      what = e.what();
      return e.code();
    }
    return {};
  }

  asio::io_context io;
  ClientSession session;
  std::string what;
};

std::vector<Script> once(std::string response) {
  return {{Step::receive(), Step::send(std::move(response)), Step::close()}};
}

asio::awaitable<std::string> read_pieces(ClientSession session, std::string url, std::size_t piece) {
  StreamedResponse response = co_await session.get(url).stream();
  std::string text;
  std::string buffer(piece, '\0');
  for (;;) {
    std::size_t const count = co_await response.read_some(asio::buffer(buffer));
    if (count == 0) break;
    text.append(buffer, 0, count);
  }
  // Reading on finds the end again.
  std::size_t const more = co_await response.read_some(asio::buffer(buffer));
  if (more != 0) text += "?";
  for (auto const& field : response.body().trailers())
    text.append("|").append(field.name_string()).append("=").append(field.value());
  co_return text;
}

asio::awaitable<void> read_head_only(ClientSession session, std::string url) {
  StreamedResponse const response = co_await session.get(url).stream();
}

}  // namespace

TEST_CASE("A GET over http gives status, fields and body") {
  ScriptedOrigin origin([](RecordedRequest const& request) {
    return respond(200, "hello " + request.target, "X-Answer: yes\r\n");
  });
  Client client;

  Response const response =
      run(client.io, client.session.get(origin.url("/a?b=c")).header("X-Ask", "please"));

  CHECK(response.status() == 200);
  CHECK(response.reason() == "Scripted");
  CHECK(response.header("x-answer") == "yes");
  CHECK(response.body() == "hello /a?b=c");
  CHECK(response.url().str() == origin.url("/a?b=c"));
  RecordedRequest const request = origin.requests().at(0);
  CHECK(request.method == "GET");
  CHECK(request.header("Host") == "127.0.0.1:" + std::to_string(origin.port()));
  CHECK(request.header("X-Ask") == "please");
  CHECK(request.header("User-Agent").value_or("").starts_with("beast_cache/"));
  CHECK_FALSE(request.header("Content-Length"));
}

TEST_CASE("Requests one after another use one connection") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  Client client;
  for (int i = 0; i < 5; ++i) CHECK(client.get(origin.url()).status() == 200);
  CHECK(origin.request_count() == 5);
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("User-Agent and Accept are sent where they are missing, unless they are turned off") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  asio::io_context io;
  ClientSession talkative(io.get_executor());
  ClientSession silent(io.get_executor(), ClientOptions().user_agent("").accept("").decompress(false));
  run(io, talkative.get(origin.url()));
  run(io, talkative.get(origin.url()).header("Accept", "text/html"));
  run(io, silent.get(origin.url()));
  auto const requests = origin.requests();
  CHECK(requests[0].header("Accept") == "*/*");
  CHECK(requests[0].header("User-Agent").value().starts_with("beast_cache/"));
  CHECK(requests[1].header("Accept") == "text/html");
  CHECK(requests[2].head ==
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(origin.port()) + "\r\n\r\n");
}

TEST_CASE("Every method goes out under its name") {
  ScriptedOrigin origin([](RecordedRequest const& r) {
    return r.method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"
                              : respond(200, r.method + r.body);
  });
  Client client;
  std::string const url = origin.url();
  CHECK(run(client.io, client.session.post(url).body("1")).body() == "POST1");
  CHECK(run(client.io, client.session.put(url).body("2")).body() == "PUT2");
  CHECK(run(client.io, client.session.patch(url).body("3")).body() == "PATCH3");
  CHECK(run(client.io, client.session.delete_(url)).body() == "DELETE");
  CHECK(run(client.io, client.session.options(url)).body() == "OPTIONS");
  CHECK(run(client.io, client.session.request("X-ODD", url)).body() == "X-ODD");
  Response const head = run(client.io, client.session.head(url));
  CHECK(head.body().empty());
  CHECK(head.header("Content-Length") == "7");
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("A body from a source is sent with its length, or in chunks when that is not known") {
  ScriptedOrigin origin([](RecordedRequest const& r) { return respond(200, r.body); });
  Client client;
  std::string const text(200000, 'x');
  Body::Open const open = [text] { return std::make_unique<StringReader>(text); };

  CHECK(run(client.io, client.session.post(origin.url()).body(Body::from_source(open, text.size()))).body() ==
        text);
  CHECK(run(client.io, client.session.post(origin.url()).body(Body::from_source(open))).body() == text);

  auto const requests = origin.requests();
  CHECK(requests[0].header("Content-Length") == "200000");
  CHECK_FALSE(requests[0].header("Transfer-Encoding"));
  CHECK_FALSE(requests[1].header("Content-Length"));
  CHECK(requests[1].header("Transfer-Encoding") == "chunked");
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("What the socket takes no more of is sent when it does") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  Client client;
  // More than a socket's buffer holds, and no two pieces of it are the same.
  std::string body;
  while (body.size() < (std::size_t{12} << 20)) body.append(std::to_string(body.size())).push_back(' ');
  CHECK(run(client.io, client.session.post(origin.url()).body(body)).ok());
  CHECK(run(client.io, client.session.post(origin.url()).body("small")).ok());
  auto const requests = origin.requests();
  CHECK((requests.at(0).body == body));
  CHECK(requests.at(1).body == "small");
  CHECK(origin.connection_count() == 1);
}

TEST_CASE("A source that is shorter or longer than was said fails the request") {
  ScriptedOrigin origin([](RecordedRequest const& r) { return respond(200, r.body); });
  Client client;
  std::uint64_t const said = GENERATE(as<std::uint64_t>(), 3, 5);
  Body body = Body::from_source([] { return std::make_unique<StringReader>(std::string("four")); }, said);
  CHECK(client.failure(client.session.post(origin.url()).body(std::move(body))) == http_errc::framing);
  CHECK(origin.request_count() == 0);
}

TEST_CASE("A body is read in pieces of any size, whatever its framing") {
  std::string const body = "The quick brown fox";
  std::string const response =
      GENERATE(as<std::string>(), "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nThe quick brown fox",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nThe \r\nf;x\r\nquick brown "
               "fox\r\n0\r\nT: 1\r\n\r\n",
               "HTTP/1.1 200 OK\r\n\r\nThe quick brown fox");
  bool const chunked = response.find("chunked") != std::string::npos;
  ScriptedOrigin origin(once(response));
  Client client;
  for (std::size_t const piece : {1, 3, 18, 19, 20, 8192})
    CHECK(run(client.io, read_pieces(client.session, origin.url(), piece)) ==
          (chunked ? body + "|T=1" : body));
}

TEST_CASE("A response cut off at any byte is an error, and is never taken for complete") {
  std::string const response = GENERATE(
      as<std::string>(), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n");
  bool const is_reset = GENERATE(false, true);
  std::vector<Script> scripts;
  for (std::size_t cut = 0; cut < response.size(); ++cut)
    scripts.push_back(
        {Step::receive(), Step::send(response.substr(0, cut)), is_reset ? Step::reset() : Step::close()});
  ScriptedOrigin origin(std::move(scripts));
  Client client;
  for (std::size_t cut = 0; cut < response.size(); ++cut) {
    INFO(cut);
    CHECK(client.failure(client.session.get(origin.url("/secret"))) == http_errc::truncated);
    CHECK(client.what.find("http://127.0.0.1:") != std::string::npos);
  }
  CHECK(origin.connection_count() == response.size());
}

TEST_CASE("A response may come byte by byte") {
  std::string const response =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
  Script script = {Step::receive()};
  for (char const c : response) script.push_back(Step::send(std::string(1, c)));
  ScriptedOrigin origin({script});
  Client client;
  CHECK(client.get(origin.url()).body() == "hello");
}

TEST_CASE("A malformed response is a framing error, and its connection is not used again") {
  std::string const response =
      GENERATE(as<std::string>(), "HTTP/1.1 000 X\r\n\r\n", "HTTP/1.1 101 Switching Protocols\r\n\r\n",
               "garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n");
  ScriptedOrigin origin(
      {{Step::receive(), Step::send(response)}, {Step::receive(), Step::send(respond(200, "next"))}});
  Client client;
  CHECK(client.failure(client.session.get(origin.url())) == http_errc::framing);
  CHECK(client.get(origin.url()).body() == "next");
  CHECK(origin.connection_count() == 2);
}

TEST_CASE("Header sections are bounded") {
  ScriptedOrigin origin(once("HTTP/1.1 200 OK\r\nA: " + std::string(70000, 'x')));
  Client client;
  CHECK(client.failure(client.session.get(origin.url())) == http_errc::header_limit);
  Client small(ClientOptions().max_header_size(30));
  ScriptedOrigin other(once(respond(200, "x", "A: some field of this response\r\n")));
  CHECK(small.failure(small.session.get(other.url())) == http_errc::header_limit);
}

TEST_CASE("A whole body is bounded, a streamed one is not") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "0123456789"); });
  Client client(ClientOptions().max_body_size(9));
  CHECK(client.failure(client.session.get(origin.url())) == http_errc::body_limit);
  CHECK(client.what.find(origin.url("")) != std::string::npos);
  CHECK(run(client.io, read_pieces(client.session, origin.url(), 100)) == "0123456789");
}

TEST_CASE("Interim responses are passed on and bounded") {
  std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nSet-Cookie: no\r\n\r\n";
  std::string many;
  int const count = GENERATE(1, 16, 17);
  for (int i = 0; i < count; ++i) many += interim;
  ScriptedOrigin origin(once(many + respond(200, "x")));
  Client client;
  int seen = 0;
  auto request =
      client.session.get(origin.url()).on_interim([&](unsigned status, http::fields const& headers) {
        if (status == 103 && headers.count("Link") == 1) ++seen;
      });
  if (count == 17) {
    CHECK(client.failure(asio::awaitable<Response>(std::move(request))) == http_errc::interim_flood);
  } else {
    Response const response = run(client.io, asio::awaitable<Response>(std::move(request)));
    CHECK(response.body() == "x");
    CHECK(response.headers().count("Set-Cookie") == 0);
    CHECK(seen == count);
  }
}

TEST_CASE("A connection with something left on it is not used again") {
  std::string const first = GENERATE(
      as<std::string>(),
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
      "HTTP/1.1 204 No Content\r\n\r\nbody", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody",
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore");
  ScriptedOrigin origin(
      {{Step::receive(), Step::send(first)}, {Step::receive(), Step::send(respond(200, "next"))}});
  Client client;
  CHECK(client.get(origin.url()).ok());
  CHECK(client.get(origin.url()).body() == "next");
  CHECK(origin.connection_count() == 2);
}

TEST_CASE("An idle connection that says something or closes is discarded before it is used") {
  Step const last = GENERATE(Step::send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), Step::close());
  // The last step is taken before the response to the other session, so it has arrived by then.
  ScriptedOrigin origin({{Step::receive(), Step::send(respond(200, "one")), last},
                         {Step::receive(), Step::send(respond(200, "two"))}});
  Client client;
  CHECK(client.get(origin.url()).body() == "one");
  {
    Client other;
    CHECK(other.get(origin.url()).body() == "two");
  }
  CHECK(run(client.io, client.session.post(origin.url()).body("not repeated")).body() == "two");
}

TEST_CASE("A request on a connection that dies before an answer is sent once more, if that is safe") {
  std::vector<Script> const scripts = {
      {Step::receive(), Step::send(respond(200, "one")), Step::receive(), Step::close()},
      {Step::receive(), Step::send(respond(200, "two"))}};
  ScriptedOrigin origin(scripts);
  Client client;
  CHECK(client.get(origin.url()).body() == "one");
  SECTION("GET") {
    CHECK(client.get(origin.url()).body() == "two");
  }
  SECTION("PUT with a repeatable body") {
    CHECK(run(client.io, client.session.put(origin.url()).body("b")).body() == "two");
    CHECK(origin.requests().back().body == "b");
  }
  SECTION("not POST") {
    CHECK(client.failure(client.session.post(origin.url()).body("b")) == http_errc::truncated);
    CHECK(origin.connection_count() == 1);
  }
  SECTION("not a body that can be read only once") {
    Body body = Body::from_reader(std::make_unique<StringReader>(std::string("b")));
    CHECK(client.failure(client.session.put(origin.url()).body(std::move(body))) == http_errc::truncated);
    CHECK(origin.connection_count() == 1);
  }
}

TEST_CASE("A request is not sent again once an answer began, and not twice") {
  std::string const partial = GENERATE(as<std::string>(), "H", "HTTP/1.1 200 OK\r\n");
  ScriptedOrigin origin({{Step::receive(), Step::send(respond(200, "one")), Step::receive(),
                          Step::send(partial), Step::close()},
                         {Step::receive(), Step::close()}});
  Client client;
  CHECK(client.get(origin.url()).body() == "one");
  CHECK(client.failure(client.session.get(origin.url())) == http_errc::truncated);
  CHECK(origin.connection_count() == 1);

  ScriptedOrigin dead({{Step::receive(), Step::send(respond(200, "one")), Step::receive(), Step::close()},
                       {Step::receive(), Step::close()}});
  CHECK(client.get(dead.url()).body() == "one");
  CHECK(client.failure(client.session.get(dead.url())) == http_errc::truncated);
  CHECK(dead.connection_count() == 2);
}

TEST_CASE("An answer that comes before the request has been read is an answer") {
  ScriptedOrigin origin(once("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"));
  Client client;
  CHECK(run(client.io, client.session.post(origin.url()).body(std::string(100, 'x'))).status() == 413);
}

TEST_CASE("A body that is given up closes its connection") {
  ScriptedOrigin origin(once("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + std::string(100, 'x')));
  Client client;
  run(client.io, read_head_only(client.session, origin.url()));
  CHECK(origin.wait_for_open(0));
}

TEST_CASE("localhost and the names below it are this machine, whatever the resolver says") {
  // RFC 6761 section 6.3
  std::string const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
  for (std::string const host : {"localhost", "LOCALHOST", "some.name.localhost", "localhost."}) {
    INFO(host);
    ScriptedOrigin origin(once(answer));
    Client client;
    CHECK(client.get("http://" + host + ":" + std::to_string(origin.port()) + "/").body() == "ok");
  }
}

TEST_CASE("An unknown host, a refused connection and a malformed URL are errors of their own") {
  Client client;
  CHECK(client.failure(client.session.get("http://name.invalid/")) == http_errc::resolve);
  CHECK(client.what.find("http://name.invalid") != std::string::npos);
  std::string url;
  {
    ScriptedOrigin origin(std::vector<Script>{{}});
    url = origin.url();
  }
  CHECK(client.failure(client.session.get(url)) == http_errc::connect);
  CHECK(client.what.find(url.substr(0, url.size() - 1)) != std::string::npos);
  CHECK(client.failure(client.session.get("no url")) == http_errc::invalid_url);
  CHECK(client.failure(client.session.get("http://u:secret@name.invalid/")) == http_errc::resolve);
  CHECK(client.what.find("secret") == std::string::npos);
}

TEST_CASE("What HTTP does not allow in a header is refused before a connection is made") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  Client client;
  CHECK(client.failure(client.session.get(origin.url()).header("A", "b\r\nC: d")) == http_errc::injection);
  CHECK(client.what.find("header A") != std::string::npos);
  CHECK(client.failure(client.session.get(origin.url()).header("Content-Length", "3")) ==
        http_errc::injection);
  CHECK(origin.connection_count() == 0);
}

TEST_CASE("User information becomes Basic authorization, unless the caller set one") {
  ScriptedOrigin origin(
      [](RecordedRequest const& r) { return respond(200, r.header("Authorization").value_or("none")); });
  Client client;
  CHECK(client.get(origin.url_at("Aladdin:open%20sesame@127.0.0.1")).body() ==
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  std::string const url = origin.url_at("a:b@127.0.0.1");
  CHECK(run(client.io, client.session.get(url).header("Authorization", "Bearer x")).body() == "Bearer x");
  CHECK(client.get(origin.url()).body() == "none");
}

TEST_CASE("After close, requests fail as closed, and closing twice is fine") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  Client client;
  CHECK(client.get(origin.url()).ok());
  run(client.io, client.session.close());
  CHECK(origin.wait_for_open(0));
  run(client.io, client.session.close());
  CHECK(client.failure(client.session.get(origin.url())) == http_errc::closed);
}

TEST_CASE("500 requests at once are all answered, over no more connections than allowed") {
  ScriptedOrigin origin([](RecordedRequest const& r) { return respond(200, r.target); });
  Client client(ClientOptions().max_connections_per_origin(8));
  int right = 0;
  for (int i = 0; i < 500; ++i) {
    std::string const target = "/" + std::to_string(i);
    client.session.get(origin.url(target)).send([&right, target](error_code ec, Response response) {
      if (!ec && response.body() == target) ++right;
    });
  }
  client.io.restart();
  client.io.run();
  CHECK(right == 500);
  CHECK(origin.connection_count() == 8);
}

TEST_CASE("Waiting requests get a place also when connections fail") {
  std::atomic<int> count = 0;
  ScriptedOrigin origin([&](RecordedRequest const&) {
    return ++count % 3 == 0 ? std::string("garbage\r\n\r\n") : respond(200, "x", "Connection: close\r\n");
  });
  Client client(ClientOptions().max_connections_per_origin(2));
  int done = 0;
  for (int i = 0; i < 60; ++i)
    client.session.get(origin.url()).send([&](error_code, Response const&) { ++done; });
  client.io.restart();
  client.io.run();
  CHECK(done == 60);
}

TEST_CASE("Idle connections expire") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); });
  Client client(ClientOptions().idle_timeout(std::chrono::milliseconds(0)));
  CHECK(client.get(origin.url()).ok());
  CHECK(client.get(origin.url()).ok());
  CHECK(origin.connection_count() == 2);
}
