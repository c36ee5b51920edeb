#include "session/http1.hpp"

#include <string>

#include "catch.hpp"

using namespace beast_cache;
using detail::ChunkDecoder;
using detail::Framing;
using detail::HeadScanner;
using detail::ParsedHead;

namespace {

ParsedHead parse(std::string const& text, error_code& ec, http::verb method = http::verb::get) {
  HeadScanner scanner(64 * 1024);
  std::size_t const size = scanner.scan(text, ec);
  if (ec) return {};
  REQUIRE(size == text.size());
  return detail::parse_head(text, method, ec);
}

/// Feeds a chunked body in pieces of that size.
std::string decode(ChunkDecoder& decoder, std::string_view text, std::size_t piece, error_code& ec) {
  std::string out;
  while (!text.empty() && !ec && !decoder.done()) {
    std::string_view bytes = text.substr(0, piece);
    std::size_t used = decoder.feed(bytes, ec);
    if (decoder.data_left() != 0) {
      std::string_view const data = bytes.substr(used, decoder.data_left());
      out += data;
      decoder.take(data.size());
      used += data.size();
    }
    text.remove_prefix(used);
  }
  return out;
}

}  // namespace

TEST_CASE("A request is written with the framing that its body asks for") {
  Request get(http::verb::get, Url("http://u:p@h:81/a?b"));
  get.headers().set("X-A", "1");
  CHECK(detail::serialize_head(get) == "GET /a?b HTTP/1.1\r\nHost: h:81\r\nX-A: 1\r\n\r\n");

  Request post(http::verb::post, Url("http://h/"));
  CHECK(detail::serialize_head(post) == "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
  post.set_body("four");
  CHECK(detail::serialize_head(post) == "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n");
  post.set_body(Body::from_source([] { return std::make_unique<StringReader>(std::string()); }));
  CHECK(detail::serialize_head(post) == "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");

  get.set_target("/%61/../a?b");  // as an intermediary received it
  CHECK(detail::serialize_head(get) == "GET /%61/../a?b HTTP/1.1\r\nHost: h:81\r\nX-A: 1\r\n\r\n");
  get.set_url(Url("http://h/c"));
  CHECK(detail::serialize_head(get) == "GET /c HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\n");
  Request options(http::verb::options, Url("http://h/"));
  options.set_target("*");
  CHECK(detail::serialize_head(options) == "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");

  Request other("PROPFIND", Url("http://h/"));
  CHECK(detail::serialize_head(other) == "PROPFIND / HTTP/1.1\r\nHost: h\r\n\r\n");
}

TEST_CASE("What could smuggle a request into another is refused") {
  Request request(http::verb::get, Url("http://h/"));
  SECTION("CR and LF in a value") {
    request.headers().set("X-A", "1\r\nX-B: 2");
  }
  SECTION("a lone LF in a value") {
    request.headers().set("X-A", "1\nX-B: 2");
  }
  SECTION("NUL in a value") {
    request.headers().set("X-A", std::string_view("a\0b", 3));
  }
  SECTION("DEL in a value") {
    request.headers().set("X-A", "a\x7f");
  }
  SECTION("a colon in a name") {
    request.headers().set("X-A: b", "1");
  }
  SECTION("a blank in a name") {
    request.headers().set("X A", "1");
  }
  SECTION("CR and LF in a name") {
    request.headers().set("X\r\nHost", "evil");
  }
  SECTION("an empty name") {
    request.headers().set("", "1");
  }
  SECTION("a target with a blank") {
    request.set_target("/a b");
  }
  SECTION("a target with CR and LF") {
    request.set_target("/\r\nX-A:1");
  }
  SECTION("a target that is a whole URL") {
    request.set_target("http://evil/");
  }
  SECTION("a method with a blank") {
    request = Request("GET /x", Url("http://h/"));
  }
  SECTION("a method with CR and LF") {
    request = Request("GET\r\n", Url("http://h/"));
  }
  SECTION("an empty method") {
    request = Request("", Url("http://h/"));
  }
  SECTION("CONNECT") {
    request = Request("CONNECT", Url("http://h/"));
  }
  SECTION("Host") {
    request.headers().set("hOST", "evil");
  }
  SECTION("Content-Length") {
    request.headers().set("Content-Length", "3");
  }
  SECTION("Transfer-Encoding") {
    request.headers().set("Transfer-Encoding", "chunked");
  }
  SECTION("Connection") {
    request.headers().set("Connection", "close");
  }
  SECTION("Upgrade") {
    request.headers().set("Upgrade", "h2c");
  }
  SECTION("TE") {
    request.headers().set("TE", "trailers");
  }
  SECTION("Trailer") {
    request.headers().set("Trailer", "x");
  }
  SECTION("Expect") {
    request.headers().set("Expect", "100-continue");
  }
  try {
    detail::serialize_head(request);
    FAIL("accepted");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::injection);
    CHECK(std::string(e.what()).find("http://h") != std::string::npos);
  }
}

TEST_CASE("A request without a URL is refused") {
  CHECK_THROWS_AS(detail::serialize_head(Request(http::verb::get, Url())), Error);
}

TEST_CASE("A head gives status, reason, fields and framing") {
  error_code ec;
  ParsedHead const head = parse("HTTP/1.1 404 Not Found\r\nA: 1\r\nA: 2\r\nContent-Length: 5\r\n\r\n", ec);
  REQUIRE_FALSE(ec);
  CHECK(head.status == 404);
  CHECK(head.reason == "Not Found");
  CHECK(head.headers.count("a") == 2);
  CHECK(head.framing == Framing::length);
  CHECK(head.length == 5);
  CHECK(head.keep_alive);
}

// RFC 9112 section 6.3.
TEST_CASE("The framing of a response follows its method, status and fields") {
  class Row {
   public:
    Row(http::verb m, char const* t, Framing f, bool k) : method(m), text(t), framing(f), keep_alive(k) {}
    http::verb method;
    char const* text;
    Framing framing;
    bool keep_alive;
  };
  auto const row = GENERATE(
      Row(http::verb::head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Framing::none, true),
      Row(http::verb::get, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", Framing::none, true),
      Row(http::verb::get, "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n", Framing::none, true),
      Row(http::verb::get, "HTTP/1.1 200 OK\r\n\r\n", Framing::until_close, true),
      Row(http::verb::get, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", Framing::chunked, true),
      Row(http::verb::get, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
          Framing::length, true),
      Row(http::verb::get, "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\n",
          Framing::length, false),
      Row(http::verb::get, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n",
          Framing::length, false));
  error_code ec;
  ParsedHead const head = parse(row.text, ec, row.method);
  INFO(row.text);
  REQUIRE_FALSE(ec);
  CHECK(head.framing == row.framing);
  CHECK(head.keep_alive == row.keep_alive);
}

TEST_CASE("A malformed or ambiguous head is refused") {
  std::string const text = GENERATE(
      as<std::string>(), "HTTP/1.1 000 X\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.\r\n\r\n",
      "HTTP/1.1 099 X\r\n\r\n", "HTTP/1.1 20 X\r\n\r\n", "HTTP/2.0 200 X\r\n\r\n", "HTTP/1.1  200 X\r\n\r\n",
      "http/1.1 200 X\r\n\r\n", "\r\nHTTP/1.1 200 X\r\n\r\n", "SSH-2.0-x\r\n", "HTTP/1.1 200 X\n\n",
      "HTTP/1.1 200 X\r\nA: b\n\r\n", "HTTP/1.1 200 X\r\nA: b\r\n c\r\n\r\n",
      "HTTP/1.1 200 X\r\n A: b\r\n\r\n", "HTTP/1.1 200 X\r\nA : b\r\n\r\n", "HTTP/1.1 200 X\r\nA\r\n\r\n",
      "HTTP/1.1 200 X\r\n: b\r\n\r\n", "HTTP/1.1 200 X\r\nA: b\rc\r\n\r\n",
      "HTTP/1.1 200 X\r\nContent-Length: +3\r\n\r\n", "HTTP/1.1 200 X\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 X\r\nContent-Length: 0x3\r\n\r\n", "HTTP/1.1 200 X\r\nContent-Length: 3 4\r\n\r\n",
      "HTTP/1.1 200 X\r\nContent-Length: \r\n\r\n",
      "HTTP/1.1 200 X\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
      "HTTP/1.1 200 X\r\nContent-Length: 99999999999999999999\r\n\r\n",
      "HTTP/1.1 200 X\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 X\r\nTransfer-Encoding: \r\n\r\n",
      "HTTP/1.0 200 X\r\nTransfer-Encoding: chunked\r\n\r\n");
  INFO(text);
  error_code ec;
  parse(text, ec);
  CHECK(ec == http_errc::framing);
}

TEST_CASE("A status line may end with the status code") {
  error_code ec;
  ParsedHead const head = parse("HTTP/1.1 404\r\nContent-Length: 3\r\n\r\n", ec);
  REQUIRE_FALSE(ec);
  CHECK(head.status == 404);
  CHECK(head.reason.empty());
  CHECK(head.length == 3);
}

TEST_CASE("A NUL in a head is refused") {
  error_code ec;
  parse(std::string("HTTP/1.1 200 X\r\nA: b\0c\r\n\r\n", 26), ec);
  CHECK(ec == http_errc::framing);
}

TEST_CASE("The end of a head is found wherever it is split") {
  std::string const text = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  std::string const more = text + "body\n\n";
  for (std::size_t split = 0; split <= text.size(); ++split) {
    HeadScanner scanner(text.size());
    error_code ec;
    std::size_t const early = scanner.scan(more.substr(0, split), ec);
    REQUIRE_FALSE(ec);
    CHECK(early == (split == text.size() ? text.size() : 0));
    if (early == 0) CHECK(scanner.scan(more, ec) == text.size());
    CHECK_FALSE(ec);
  }
}

TEST_CASE("A head larger than the limit is refused before its end is seen") {
  HeadScanner scanner(100);
  error_code ec;
  CHECK(scanner.scan("HTTP/1.1 200 OK\r\nA: " + std::string(100, 'x'), ec) == 0);
  CHECK(ec == http_errc::header_limit);
}

TEST_CASE("A chunked body is decoded in pieces of any size, its trailers apart") {
  std::string const text =
      "5\r\nhello\r\n006;name=value;q=\"x\"\r\n world\r\nA \r\n0123456789\r\n0\r\nX-T: 1\r\nCache-Control: "
      "no-store\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    ChunkDecoder decoder(1024);
    error_code ec;
    CHECK(decode(decoder, text, piece, ec) == "hello world0123456789");
    CHECK_FALSE(ec);
    CHECK(decoder.done());
    CHECK(decoder.trailers()["x-t"] == "1");
    CHECK(decoder.trailers()["cache-control"] == "no-store");
  }
}

TEST_CASE("An empty chunked body may come slowly") {
  ChunkDecoder decoder(1024);
  error_code ec;
  CHECK(decoder.feed("0\r\n", ec) == 3);
  CHECK_FALSE(decoder.done());
  CHECK(decoder.feed("\r\n", ec) == 2);
  CHECK(decoder.done());
  CHECK_FALSE(ec);
}

TEST_CASE("A malformed chunk is refused") {
  std::string const text = GENERATE(
      as<std::string>(), "\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", " 1\r\n", "1\n", "1\rx",
      "1;a\nb\r\n", "1\r\nabc", "1\r\na\rx", "10000000000000000\r\n",
      "00000000000000000000000000000000000001\r\n", "0\r\nA\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\n A: b\r\n\r\n",
      "0\r\nContent-Length: 3\r\n\r\n", "0\r\nTransfer-Encoding: chunked\r\n\r\n");
  INFO(text);
  for (std::size_t const piece : {std::size_t{1}, text.size()}) {
    ChunkDecoder decoder(1024);
    error_code ec;
    decode(decoder, text, piece, ec);
    CHECK(ec == http_errc::framing);
  }
}

TEST_CASE("Extensions and trailers without end are refused") {
  error_code ec;
  ChunkDecoder extensions(1024);
  decode(extensions, "1;" + std::string(20000, 'x'), 4096, ec);
  CHECK(ec == http_errc::header_limit);
  ec = {};
  ChunkDecoder trailers(1024);
  decode(trailers, "0\r\nA: " + std::string(2000, 'x'), 4096, ec);
  CHECK(ec == http_errc::header_limit);
}

TEST_CASE("Extensions may go on as long as there is as much data") {
  auto const framing = GENERATE(as<std::string>(), ";sig=0123456789abcdef", "          ");
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "20" + framing + "\r\n" + std::string(32, 'x') + "\r\n";
  text += "0\r\n\r\n";
  ChunkDecoder decoder(1024);
  error_code ec;
  CHECK(decode(decoder, text, 16384, ec).size() == 160'000);
  CHECK_FALSE(ec);
  // And no longer.
  std::string attack;
  for (int i = 0; i < 5000; ++i) attack += "1" + framing + "\r\nx\r\n";
  ChunkDecoder other(1024);
  decode(other, attack, 16384, ec);
  CHECK(ec == http_errc::header_limit);
}

TEST_CASE("A body of very many small chunks costs no more for each than the first") {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "1\r\nx\r\n";
  text += "0\r\n\r\n";
  ChunkDecoder decoder(1024);
  error_code ec;
  CHECK(decode(decoder, text, 16384, ec).size() == 100000);
  CHECK(decoder.done());
}
