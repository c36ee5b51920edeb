// The client session against a real web server, and against servers whose certificates are wrong.
#include "support/nginx.hpp"

#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/client_session.hpp"
#include "support/environment.hpp"
#include "support/memory_backend.hpp"
#include "support/run.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

ClientOptions trusting() {
  return ClientOptions().ca_file(Certificates::shared().ca_file());
}

class Fixture {
 public:
  Nginx nginx{Certificates::shared().good()};
  asio::io_context io;
  ClientSession session{io.get_executor(), trusting()};
};

/// A body of that many bytes, made while it is read.
class Pattern final : public BodyReader {
 public:
  explicit Pattern(std::uint64_t size) : left_(size) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_));
    auto* const bytes = static_cast<char*>(buffer.data());
    for (std::size_t i = 0; i < count; ++i) bytes[i] = at(position_ + i);
    position_ += count;
    left_ -= count;
    co_return count;
  }
  static char at(std::uint64_t position) noexcept {
    return static_cast<char>(position * 31 + (position >> 10));
  }

 private:
  std::uint64_t left_;
  std::uint64_t position_ = 0;
};

/// The number of bytes, 0 when one of them is wrong.
asio::awaitable<std::uint64_t> check_pattern(ClientSession session, std::string url) {
  StreamedResponse response = co_await session.get(url).stream();
  std::string buffer(64 * 1024, '\0');
  std::uint64_t position = 0;
  for (;;) {
    std::size_t const count = co_await response.read_some(asio::buffer(buffer));
    if (count == 0) break;
    for (std::size_t i = 0; i < count; ++i) {
      if (buffer[i] != Pattern::at(position + i)) co_return 0;
    }
    position += count;
  }
  co_return position;
}

Error failure(asio::io_context& io, asio::awaitable<Response> operation) {
  try {
    run(io, std::move(operation));
  } catch (Error const& e) {
    return e;
  }
  return Error(error_code(), "no failure");
}

}  // namespace

TEST_CASE_METHOD(Fixture, "nginx answers over http and https") {
  std::string const url = GENERATE(false, true) ? nginx.url("/hello") : nginx.secure_url("/hello");
  INFO(nginx.errors());
  for (int i = 0; i < 3; ++i) {
    Response const response = run(io, session.get(url));
    CHECK(response.status() == 200);
    CHECK(response.body() == "hello nginx\n");
    CHECK(response.header("Server").starts_with("nginx"));
  }
  CHECK(run(io, session.head(url)).header("Content-Length") == "12");
  CHECK(run(io, session.get(url + "x")).status() == 404);
}

TEST_CASE_METHOD(Fixture, "nginx's redirects are followed") {
  Response const response = run(io, session.get(nginx.url("/moved")));
  CHECK(response.body() == "hello nginx\n");
  CHECK(response.history().size() == 1);
}

TEST_CASE_METHOD(Fixture, "8 MiB are streamed to nginx and back, over http and https") {
  constexpr std::uint64_t size = 8u << 20;
  bool const secure = GENERATE(false, true);
  bool const sized = GENERATE(false, true);
  std::string const url = secure ? nginx.secure_url("/files/big") : nginx.url("/files/big");
  std::optional<std::uint64_t> length;
  if (sized) length = size;
  Body body = Body::from_source([] { return std::make_unique<Pattern>(std::uint64_t{8u << 20}); }, length);
  Response const stored = run(io, session.put(url).body(std::move(body)));
  INFO(nginx.errors());
  CHECK((stored.status() == 201 || stored.status() == 204));
  CHECK(run(io, check_pattern(session, url)) == size);
  CHECK(run(io, session.get(url)).body().size() == size);
}

TEST_CASE_METHOD(Fixture, "nginx reads a posted body whole") {
  CHECK(run(io, session.post(nginx.url("/count")).body(std::string(100000, 'x'))).body() == "100000");
}

TEST_CASE_METHOD(Fixture, "500 requests at once are answered, over http and https") {
  bool const secure = GENERATE(false, true);
  std::string const url = secure ? nginx.secure_url("/hello") : nginx.url("/hello");
  int right = 0;
  std::string first_error;
  for (int i = 0; i < 500; ++i) {
    session.get(url).send([&](error_code ec, Response response) {
      if (!ec && response.body() == "hello nginx\n") ++right;
      if (ec && first_error.empty()) first_error = ec.message();
    });
  }
  io.restart();
  io.run();
  INFO(first_error);
  INFO(nginx.errors());
  CHECK(right == 500);
}

TEST_CASE("nginx compresses for a client that lets it, and the client decodes") {
  bool const secure = GENERATE(false, true);
  Nginx nginx(Certificates::shared().good(),
              "gzip on; gzip_types *; gzip_vary on; gzip_min_length 1; gzip_http_version 1.0;\n");
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += std::to_string(i) + " bottles\n";
  std::string const url = secure ? nginx.secure_url("/files/text") : nginx.url("/files/text");
  run(io, session.put(url).body(text));
  INFO(nginx.errors());
  for (int i = 0; i < 2; ++i) CHECK(run(io, session.get(url)).body() == text);
  Response const raw = run(io, session.get(url).header("Accept-Encoding", "gzip"));
  CHECK(raw.header("Content-Encoding") == "gzip");
  CHECK(raw.body().size() < text.size() / 2);
  Response const part = run(io, session.get(url).header("Range", "bytes=100000-100099"));
  CHECK(part.status() == 206);
  CHECK(part.body() == text.substr(100000, 100));

  CachedSession cached(io.get_executor(), std::make_shared<ClientSession>(session), memory_backend());
  for (int i = 0; i < 2; ++i) {
    CachedResponse const response = run(io, cached.get(url).expire_after(std::chrono::hours(1)));
    CHECK(response.from_cache() == (i == 1));
    CHECK(response.body() == text);
    CHECK(response.header("Vary") == "Accept-Encoding");
  }
}

TEST_CASE("what nginx has compressed is validated by one request, though its 304 has another tag") {
  Nginx nginx(Certificates::shared().good(), "gzip on; gzip_types *; gzip_min_length 1;\n");
  asio::io_context io;
  auto const client = std::make_shared<ClientSession>(io.get_executor(), trusting());
  std::string const text(10'000, 'x');
  std::string const url = nginx.url("/files/text");
  run(io, client->put(url).header("Date", "Sun, 06 Nov 1994 08:49:37 GMT").body(text));
  CachedSession session(io.get_executor(), client, memory_backend());
  CachedResponse const first = run(io, session.get(url));
  std::string const tag(first.header("ETag"));
  REQUIRE(tag.starts_with("W/"));
  for (int i = 0; i < 2; ++i) {
    CachedResponse const again = run(io, session.get(url).refresh());
    INFO(again.cache_status());
    CHECK(again.from_cache());
    CHECK(again.cache_status().find("fwd-status=304") != std::string::npos);
    CHECK(again.body() == text);
    // The one without W/ is of the bytes without a coding.
    CHECK(again.header("ETag") == tag);
  }
}

TEST_CASE("A connection is refused when the server's certificate is wrong, and nothing is sent") {
  class Row {
   public:
    Row(TlsFiles f, char const* r) : files(std::move(f)), reason(r) {}
    TlsFiles files;
    char const* reason;
  };
  Certificates const& made = Certificates::shared();
  int const index = GENERATE(range(0, 4));
  std::vector<Row> const rows = {Row(made.expired(), "expired"), Row(made.wrong_host(), "hostname mismatch"),
                                 Row(made.self_signed(), "self-signed"),
                                 Row(made.unknown_ca(), "unable to get")};
  Row const& row = rows[static_cast<std::size_t>(index)];
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); }, row.files);
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  Error const error = failure(io, session.get(origin.url_at("localhost")));
  CHECK(error.code() == http_errc::tls_verify);
  CHECK(std::string(error.what()).find(row.reason) != std::string::npos);
  CHECK(std::string(error.what()).find("https://localhost:") != std::string::npos);
  CHECK(origin.request_count() == 0);
}

TEST_CASE("An address is checked against the certificate's addresses, a name against its names") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); },
                        Certificates::shared().good());
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  CHECK(run(io, session.get(origin.url())).body() == "x");
  CHECK(run(io, session.get(origin.url_at("localhost"))).body() == "x");
  CHECK(failure(io, session.get(origin.url_at("127.0.0.2"))).code() == http_errc::connect);
}

TEST_CASE("The system's trust store does not know the tests' authority") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); },
                        Certificates::shared().good());
  asio::io_context io;
  ClientSession session(io.get_executor());
  error_code const code = failure(io, session.get(origin.url())).code();
  CHECK((code == http_errc::tls_verify || code == http_errc::tls_trust_store));
}

TEST_CASE("SSL_CERT_FILE is honoured, and nothing to trust is an error that says so") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); },
                        Certificates::shared().good());
  asio::io_context io;
  {
    Environment const file("SSL_CERT_FILE", Certificates::shared().ca_file());
    ClientSession session(io.get_executor());
    CHECK(run(io, session.get(origin.url())).body() == "x");
  }
  Environment const file("SSL_CERT_FILE", "/nonexistent/file");
  Environment const directory("SSL_CERT_DIR", "/nonexistent/directory");
  ClientSession session(io.get_executor());
  Error const error = failure(io, session.get(origin.url()));
  CHECK(error.code() == http_errc::tls_trust_store);
  CHECK(std::string(error.what()).find("/nonexistent/file") != std::string::npos);
}

TEST_CASE("A CA file that can't be loaded is an error that names it") {
  ScriptedOrigin origin([](RecordedRequest const&) { return respond(200, "x"); },
                        Certificates::shared().good());
  std::string const path = GENERATE(as<std::string>(), "/nonexistent/ca.pem", "/dev/null");
  asio::io_context io;
  ClientSession session(io.get_executor(), ClientOptions().ca_file(path));
  Error const error = failure(io, session.get(origin.url()));
  CHECK(error.code() == http_errc::tls_trust_store);
  CHECK(std::string(error.what()).find(path) != std::string::npos);
  CHECK(origin.request_count() == 0);
}

TEST_CASE("A server that does not speak TLS fails the handshake") {
  ScriptedOrigin origin(std::vector<Script>{{Step::send("HTTP/1.1 400 Bad Request\r\n\r\n"), Step::close()}});
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  std::string url = origin.url();
  url.replace(0, 4, "https");
  CHECK(failure(io, session.get(url)).code() == http_errc::tls_handshake);
}

TEST_CASE("A TLS handshake that stalls ends in a timeout") {
  ScriptedOrigin origin(std::vector<Script>{{}});
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting().timeout(std::chrono::milliseconds(20)));
  std::string url = origin.url();
  url.replace(0, 4, "https");
  CHECK(failure(io, session.get(url)).code() == http_errc::timeout);
}

TEST_CASE("Over TLS a body that ends with the connection needs close_notify, one with a length does not") {
  bool const clean = GENERATE(false, true);
  bool const sized = GENERATE(false, true);
  std::string const response = sized
                                   ? "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
                                   : "HTTP/1.1 200 OK\r\n\r\nhello";
  ScriptedOrigin origin({{Step::receive(), Step::send(response), clean ? Step::shut_down() : Step::close()}},
                        Certificates::shared().good());
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  if (clean || sized) {
    CHECK(run(io, session.get(origin.url())).body() == "hello");
  } else {
    CHECK(failure(io, session.get(origin.url())).code() == http_errc::truncated);
  }
}

TEST_CASE("Connections over TLS are used again, unless something is left on them") {
  std::size_t const extra = GENERATE(std::size_t{0}, std::size_t{1});
  std::string const body(30000, 'x');
  ScriptedOrigin origin([&](RecordedRequest const&) { return respond(200, body) + std::string(extra, 'H'); },
                        Certificates::shared().good());
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  for (int i = 0; i < 3; ++i) CHECK(run(io, session.get(origin.url())).body() == body);
  CHECK(origin.connection_count() == (extra == 0 ? 1 : 3));
}

TEST_CASE("A redirect from https to http is refused unless it is allowed") {
  ScriptedOrigin plain([](RecordedRequest const&) { return respond(200, "plain"); });
  ScriptedOrigin origin(
      [&](RecordedRequest const&) { return respond(302, "", "Location: " + plain.url() + "\r\n"); },
      Certificates::shared().good());
  asio::io_context io;
  ClientSession session(io.get_executor(), trusting());
  CHECK(failure(io, session.get(origin.url())).code() == http_errc::redirect_downgrade);
  CHECK(plain.request_count() == 0);
  ClientSession allowing(io.get_executor(), trusting().allow_downgrade(true));
  CHECK(run(io, allowing.get(origin.url())).body() == "plain");
}

TEST_CASE("nginx answers over a Unix-domain socket") {
  TempDirectory const directory;
  std::string const socket = directory.file("socket");
  Nginx const nginx(Certificates::shared().good(),
                    "listen unix:" + socket +
                        ";\nlocation = /who { return 200 \"$host $connection\"; }\n"
                        "location = /away { return 302 http://127.0.0.1/; }\n");
  asio::io_context io;
  auto const client =
      std::make_shared<ClientSession>(io.get_executor(), trusting().proxy("http://127.0.0.1:1"));
  ClientSession& session = *client;
  // Its sockets are open once it answers at all.
  ClientSession direct(io.get_executor());
  CHECK(run(io, direct.get(nginx.url("/hello"))).ok());
  std::string url = "http+unix://";
  for (char const c : socket) url += c == '/' ? "%2F" : std::string(1, c);

  std::string const first = run(io, session.get(url + "/who")).body();
  CHECK(first.starts_with("localhost "));
  CHECK(run(io, session.get(url + "/who")).body() == first);  // on the same connection
  Response const moved = run(io, session.get(url + "/moved"));
  CHECK(moved.body() == "hello nginx\n");
  CHECK(moved.url().str() == url + "/hello");

  CachedSession cached(io.get_executor(), client, memory_backend());
  for (bool const hit : {false, true}) {
    CachedResponse const response = run(io, cached.get(url + "/hello").expire_after(std::chrono::hours(1)));
    CHECK(response.body() == "hello nginx\n");
    CHECK(response.from_cache() == hit);
  }

  Error const away = failure(io, session.get(url + "/away"));
  CHECK(away.code() == http_errc::redirect_target);
  Error const missing = failure(io, session.get(url + "none/hello"));
  CHECK(missing.code() == http_errc::connect);
  CHECK(std::string(missing.what()).find(socket + "none: ") != std::string::npos);
  std::string const longest = "http+unix://%2F" + std::string(200, 'x') + "/";
  CHECK(failure(io, session.get(longest)).code() == http_errc::connect);
}
