// Content codings, as the users of the sessions and the origins see them.
#include "beast_cache/http/decompression.hpp"

#include "support/cached_world.hpp"
#include "support/codings.hpp"
#include "support/memory_backend.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"

using namespace test_support;

namespace {

std::string const accepted = beast_cache::detail::accepted_codings();
std::string const gzipped_fields = "Content-Encoding: gzip\r\n";

class Client {
 public:
  explicit Client(ClientOptions options = {}) : session(io.get_executor(), std::move(options)) {}

  template <class T>
  T run(asio::awaitable<T> operation) {
    return test_support::run(io, std::move(operation));
  }
  template <class T>
  error_code failure(asio::awaitable<T> operation) {
    try {
      run(std::move(operation));
    } catch (Error const& e) {
      return e.code();
    }
    return {};
  }

  asio::io_context io;
  ClientSession session;
};

/// A cached session in front of an origin that compresses for those who accept it.
class CompressingWorld {
 public:
  explicit CompressingWorld(std::string fields = "Cache-Control: max-age=60\r\nVary: Accept-Encoding\r\n")
      : fields_(std::move(fields)),
        origin([this](RecordedRequest const& request) { return answer(request); }) {}

  CachedSession open(ClientOptions options = {}) {
    return CachedSession(io.get_executor(),
                         std::make_shared<ClientSession>(io.get_executor(), std::move(options)), backend);
  }
  template <class T>
  T run(asio::awaitable<T> operation) {
    return test_support::run(io, std::move(operation));
  }
  /// What the cache holds, as it is stored.
  std::vector<CachedResponse> stored() {
    std::vector<CachedResponse> all;
    for (auto& [key, value] : run(responses->page(std::nullopt, 100))) all.push_back(value);
    return all;
  }

 private:
  std::string answer(RecordedRequest const& request) const {
    bool const codes = request.header("Accept-Encoding").value_or("").find("gzip") != std::string::npos;
    std::string const tag = codes ? "\"coded\"" : "\"plain\"";
    std::string const fields = fields_ + "ETag: " + tag + "\r\n" + (codes ? gzipped_fields : "");
    if (request.header("If-None-Match") == tag) return respond(304, "", fields);
    std::string body = codes ? gzip(sample_text()) : sample_text();
    if (request.header("Range") == "bytes=10-19")
      return respond(206, body.substr(10, 10),
                     fields + "Content-Range: bytes 10-19/" + std::to_string(body.size()) + "\r\n");
    if (request.target == "/broken") body.resize(body.size() - 1);
    if (request.target == "/wrong") body.back() = static_cast<char>(body.back() ^ 1);
    return respond(200, body, fields);
  }

  std::string fields_;

 public:
  asio::io_context io;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<MemoryCache<CachedResponse>> responses = std::make_shared<MemoryCache<CachedResponse>>();
  std::shared_ptr<CacheBackend> backend = std::make_shared<CacheBackend>(
      responses, std::make_shared<MemoryCache<std::string>>(), CacheOptions().clock(clock));
  ScriptedOrigin origin;
};

}  // namespace

TEST_CASE("A client asks for the codings that it knows, and decodes them") {
  ScriptedOrigin origin([](RecordedRequest const& request) {
    return respond(200, gzip(request.header("Accept-Encoding").value_or("none")), gzipped_fields);
  });
  Client client;
  for (int i = 0; i < 3; ++i) {
    Response const response = client.run(client.session.get(origin.url()));
    CHECK(response.body() == accepted);
    CHECK(response.headers().count(http::field::content_encoding) == 0);
    CHECK(response.headers().count(http::field::content_length) == 0);
  }
  CHECK(origin.connection_count() == 1);  // each body was read to its end
}

TEST_CASE("A caller who sets Accept-Encoding gets the body as it was sent") {
  std::string const body = gzip(sample_text());
  ScriptedOrigin origin([&](RecordedRequest const&) { return respond(200, body, gzipped_fields); });
  Client client;
  Response const response = client.run(client.session.get(origin.url()).header("accept-encoding", "gzip"));
  CHECK(response.body() == body);
  CHECK(response.header("Content-Encoding") == "gzip");
  CHECK(response.header("Content-Length") == std::to_string(body.size()));
  CHECK(origin.requests().back().header("Accept-Encoding") == "gzip");
}

TEST_CASE("Without decompression nothing is asked for and nothing is decoded") {
  std::string const body = gzip(sample_text());
  ScriptedOrigin origin([&](RecordedRequest const&) { return respond(200, body, gzipped_fields); });
  Client client(ClientOptions().decompress(false));
  CHECK(client.run(client.session.get(origin.url())).body() == body);
  CHECK(!origin.requests().back().header("Accept-Encoding"));
}

TEST_CASE("A request for a range asks for no coding") {
  ScriptedOrigin origin([](RecordedRequest const&) {
    return respond(206, "part", "Content-Encoding: gzip\r\nContent-Range: bytes 0-3/100\r\n");
  });
  Client client;
  CHECK(client.run(client.session.get(origin.url()).header("Range", "bytes=0-3")).body() == "part");
  CHECK(origin.requests().back().header("Accept-Encoding") == "identity");
}

TEST_CASE("Redirects are followed without decoding them, and what they lead to is decoded") {
  ScriptedOrigin other([](RecordedRequest const&) { return respond(200, gzip("there"), gzipped_fields); });
  ScriptedOrigin origin([&](RecordedRequest const&) {
    return respond(302, "this is not gzip", gzipped_fields + "Location: " + other.url() + "\r\n");
  });
  Client client;
  CHECK(client.run(client.session.get(origin.url())).body() == "there");
  CHECK(other.requests().back().header("Accept-Encoding") == accepted);
}

TEST_CASE("The answer to HEAD shows the fields of the coded body") {
  ScriptedOrigin origin(std::vector<Script>{
      {Step::receive(),
       Step::send("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n")}});
  Client client;
  Response const response = client.run(client.session.head(origin.url()));
  CHECK(response.header("Content-Encoding") == "gzip");
  CHECK(response.header("Content-Length") == "99");
}

TEST_CASE("A coded body that is cut off by the connection is truncated at each byte") {
  std::string const body = gzip("a text");
  Client client;
  for (std::size_t size = 0; size < body.size(); ++size) {
    bool const chunked = size % 2 == 0;
    std::string const framing =
        chunked ? "Transfer-Encoding: chunked\r\n\r\n19\r\n" : "Content-Length: 26\r\n\r\n";
    REQUIRE(body.size() == 26);
    ScriptedOrigin origin(std::vector<Script>{
        {Step::receive(), Step::send("HTTP/1.1 200 OK\r\n" + gzipped_fields + framing + body.substr(0, size)),
         Step::close()}});
    if (client.failure(client.session.get(origin.url())) != http_errc::truncated) FAIL("at " << size);
  }
}

TEST_CASE("A bomb ends in an error, also when its status is one, and its connection is closed") {
  std::string const bomb = gzip(std::string(std::size_t{16} << 20, '\0'));
  unsigned const status = GENERATE(200u, 404u);
  ScriptedOrigin origin([&](RecordedRequest const&) { return respond(status, bomb + bomb, gzipped_fields); });
  Client client(ClientOptions().max_decoded_size(2'000'000).max_decoded_ratio(0));
  CHECK(client.failure(client.session.get(origin.url())) == http_errc::encoding_limit);
  CHECK(origin.wait_for_open(0));
}

TEST_CASE("A hit is decoded as the miss was, and the cache holds what was sent") {
  CompressingWorld world;
  CachedSession session = world.open();
  for (int i = 0; i < 3; ++i) {
    CachedResponse const response = world.run(session.get(world.origin.url()));
    CHECK(response.from_cache() == (i > 0));
    CHECK(response.body() == sample_text());
    CHECK(response.headers().count(http::field::content_encoding) == 0);
    CHECK(response.headers().count(http::field::content_length) == 0);
    CHECK(response.header("ETag") == "\"coded\"");
    CHECK(response.created_at());
  }
  CHECK(world.origin.request_count() == 1);
  REQUIRE(world.stored().size() == 1);
  CachedResponse const stored = world.stored().front();
  CHECK(stored.body() == gzip(sample_text()));
  CHECK(stored.header("Content-Encoding") == "gzip");
  CHECK(stored.header("Content-Length") == std::to_string(stored.body().size()));
}

TEST_CASE("A stored coded answer is validated by its own entity tag") {
  CompressingWorld world;
  CachedSession session = world.open();
  world.run(session.get(world.origin.url()));
  world.clock->advance(61s);
  CachedResponse const validated = world.run(session.get(world.origin.url()));
  CHECK(world.origin.requests().back().header("If-None-Match") == "\"coded\"");
  CHECK(validated.from_cache());
  CHECK(validated.body() == sample_text());
  CachedResponse const not_modified =
      world.run(session.get(world.origin.url()).header("If-None-Match", "\"coded\""));
  CHECK(not_modified.status() == 304);
  CHECK(not_modified.body().empty());
  CHECK(world.origin.request_count() == 2);
}

TEST_CASE("Variants are kept apart by the Accept-Encoding that the origin sees") {
  CompressingWorld world;
  CachedSession session = world.open();
  std::string const url_text = world.origin.url();
  CHECK(world.run(session.get(url_text)).body() == sample_text());
  // Another client, with the codings written out and nothing decoded, may use the same variant.
  CachedResponse const raw = world.run(session.get(url_text).header("Accept-Encoding", accepted));
  CHECK(raw.from_cache());
  CHECK(raw.header("Content-Encoding") == "gzip");
  CHECK(raw.body() == gzip(sample_text()));
  CachedResponse const plain = world.run(session.get(url_text).header("Accept-Encoding", "identity"));
  CHECK(!plain.from_cache());
  CHECK(plain.header("ETag") == "\"plain\"");
  CHECK(plain.body() == sample_text());
  CHECK(world.run(world.open(ClientOptions().decompress(false)).get(url_text)).header("ETag") == "\"plain\"");
  CHECK(world.stored().size() >= 2);
}

TEST_CASE(
    "A range is one of the plain body, whatever is stored of the coded one, and whether or not it varies") {
  auto const vary = GENERATE(as<std::string>(), "", "Vary: Accept-Encoding\r\n");
  CompressingWorld world("Cache-Control: max-age=60\r\n" + vary);
  CachedSession session = world.open();
  world.run(session.get(world.origin.url()));
  CachedResponse const part = world.run(session.get(world.origin.url()).header("Range", "bytes=10-19"));
  CHECK(part.status() == 206);
  CHECK(part.header("ETag") == "\"plain\"");
  CHECK(part.body() == sample_text().substr(10, 10));
  // And does not take the place of what is stored.
  CHECK(world.run(session.get(world.origin.url())).from_cache());
}

TEST_CASE("A body that can't be decoded is not stored") {
  CompressingWorld world;
  CachedSession session = world.open();
  std::string const target = GENERATE(as<std::string>(), "/broken", "/wrong");
  for (std::size_t i = 1; i < 3; ++i) {
    error_code code;
    try {
      world.run(session.get(world.origin.url(target)));
    } catch (Error const& e) {
      code = e.code();
    }
    CHECK((code == http_errc::encoding_truncated || code == http_errc::bad_encoding));
    CHECK(world.origin.request_count() == i);
  }
  CHECK(world.stored().empty());
}

TEST_CASE("A coded download that broke off is resumed, and decoded as a whole") {
  std::string const coded = gzip(sample_text());
  std::string const fields = "Cache-Control: max-age=60\r\nETag: \"coded\"\r\n" + gzipped_fields;
  std::size_t const half = coded.size() / 2;
  std::string const size = std::to_string(coded.size());
  ScriptedOrigin origin(std::vector<Script>{
      {Step::receive(),
       Step::send("HTTP/1.1 200 OK\r\n" + fields + "Content-Length: " + size + "\r\n\r\n" +
                  coded.substr(0, half)),
       Step::close()},
      {Step::receive(), Step::send(respond(206, coded.substr(half),
                                           fields + "Content-Range: bytes " + std::to_string(half) + "-" +
                                               std::to_string(coded.size() - 1) + "/" + size + "\r\n"))}});
  asio::io_context io;
  CachedSession session(io.get_executor(), std::make_shared<ClientSession>(io.get_executor()),
                        memory_backend());
  CHECK_THROWS_AS(run(io, session.get(origin.url())), Error);
  CachedResponse const response = run(io, session.get(origin.url()));
  CHECK(response.body() == sample_text());
  CHECK(origin.requests().back().header("Range") == "bytes=" + std::to_string(half) + "-");
  CachedResponse const hit = run(io, session.get(origin.url()));
  CHECK(hit.from_cache());
  CHECK(hit.body() == sample_text());
}

TEST_CASE("What is served stale and validated in the background is decoded") {
  CompressingWorld world(
      "Cache-Control: max-age=60, stale-while-revalidate=600\r\nVary: Accept-Encoding\r\n");
  CachedSession session = world.open();
  world.run(session.get(world.origin.url()));
  world.clock->advance(61s);
  CachedResponse const stale = world.run(session.get(world.origin.url()));
  CHECK(stale.from_cache());
  CHECK(stale.body() == sample_text());
  world.run(session.close());
  CHECK(world.origin.requests().back().header("If-None-Match") == "\"coded\"");
  CHECK(world.origin.requests().back().header("Accept-Encoding") == accepted);
}
