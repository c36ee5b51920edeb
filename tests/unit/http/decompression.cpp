#include "beast_cache/http/decompression.hpp"

#include <boost/asio/buffer.hpp>

#include "beast_cache/http/response.hpp"
#include "catch.hpp"
#include "support/codings.hpp"
#include "support/run.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

std::size_t const mebibyte = std::size_t{1} << 20;

/// A body that comes in two pieces, or in pieces of one size.
class Pieces final : public BodyReader {
 public:
  Pieces(std::string text, std::size_t first, std::size_t others)
      : text_(std::move(text)), next_(first), others_(others) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::size_t const most = std::min(next_, buffer.size());
    std::size_t const count = text_.copy(static_cast<char*>(buffer.data()), most, position_);
    position_ += count;
    next_ = others_;
    co_return count;
  }

 private:
  std::string text_;
  std::size_t position_ = 0;
  std::size_t next_;
  std::size_t others_;
};

StreamedResponse respond(std::string const& encoding, std::unique_ptr<BodyReader> body,
                         unsigned status = 200) {
  http::fields headers;
  if (!encoding.empty()) headers.insert(http::field::content_encoding, encoding);
  headers.insert(http::field::content_length, "17");
  headers.insert(http::field::etag, "\"1\"");
  ResponseHead head(Url("http://origin.test/"), status, "", std::move(headers));
  return StreamedResponse(std::move(head), std::move(body));
}
StreamedResponse respond(std::string const& encoding, std::string body, unsigned status = 200) {
  return respond(encoding, std::make_unique<StringReader>(std::move(body)), status);
}

StreamedResponse decoded(std::string const& encoding, std::string body, Decompression const& how = {}) {
  return detail::decode(respond(encoding, std::move(body)), http::verb::get, how);
}

asio::awaitable<std::string> read_in_pieces(std::unique_ptr<BodyReader> body, std::size_t piece) {
  std::string text;
  std::string buffer(piece, '\0');
  for (;;) {
    std::size_t const count = co_await body->read_some(asio::buffer(buffer));
    if (count == 0) break;
    text.append(buffer, 0, count);
  }
  std::size_t const more = co_await body->read_some(asio::buffer(buffer));
  if (more != 0) text += "?";
  co_return text;
}

std::string read(StreamedResponse response) {
  return run(read_all(response.take_body()));
}
std::string whole(std::string const& encoding, std::string body, Decompression const& how = {}) {
  return read(decoded(encoding, std::move(body), how));
}

/// What reading fails with; nothing when it doesn't.
error_code failure(std::string const& encoding, std::string body, Decompression const& how = {}) {
  try {
    whole(encoding, std::move(body), how);
  } catch (Error const& e) {
    CHECK(std::string(e.what()).find("http://origin.test") != std::string::npos);
    return e.code();
  }
  return {};
}

struct Sample {
  std::string encoding;
  std::string body;
};

bool has(std::string_view coding) {
  return detail::accepted_codings().find(coding) != std::string::npos;
}

/// The sample text in each coding that is built in.
std::vector<Sample> samples() {
  std::string const text = sample_text();
  std::vector<Sample> all = {{"gzip", gzip(text)},
                             {"x-gzip", gzip(text)},
                             {"deflate", deflated(text, 15)},
                             {"deflate", deflated(text, -15)},
                             {"deflate, gzip", gzip(deflated(text, 15))}};
  if (has("br")) all.push_back({"br", brotli_sample()});
  if (has("zstd")) all.push_back({"zstd", zstd_sample()});
  return all;
}

}  // namespace

TEST_CASE("A coded body is decoded however it is cut into pieces") {
  for (Sample const& sample : samples()) {
    INFO(sample.encoding);
    for (std::size_t split = 1; split <= sample.body.size(); ++split) {
      auto body = std::make_unique<Pieces>(sample.body, split, sample.body.size());
      auto response = detail::decode(respond(sample.encoding, std::move(body)), http::verb::get, {});
      if (read(std::move(response)) != sample_text()) FAIL("split at " << split);
    }
    for (std::size_t const out : {std::size_t{1}, std::size_t{7}, std::size_t{100000}}) {
      auto body = std::make_unique<Pieces>(sample.body, 1, 1);
      auto response = detail::decode(respond(sample.encoding, std::move(body)), http::verb::get, {});
      CHECK(run(read_in_pieces(response.take_body(), out)) == sample_text());
    }
  }
}

TEST_CASE("A coded body that ends too early is truncated, wherever it ends") {
  for (Sample const& sample : samples()) {
    INFO(sample.encoding);
    for (std::size_t size = 1; size < sample.body.size(); ++size) {
      error_code const ec = failure(sample.encoding, sample.body.substr(0, size));
      if (ec != http_errc::encoding_truncated) FAIL("at " << size << ": " << ec.message());
    }
    CHECK(whole(sample.encoding, "").empty());
  }
}

TEST_CASE("A coded body with something behind it, or a wrong one where there is a checksum, is malformed") {
  for (Sample const& sample : samples()) {
    INFO(sample.encoding);
    CHECK(failure(sample.encoding, sample.body + "rubbish") == http_errc::bad_encoding);
    CHECK(failure(sample.encoding, "This is no coded text.") == http_errc::bad_encoding);
  }
  std::string const good = gzip(sample_text());
  for (std::size_t i = good.size() - 8; i < good.size(); ++i) {  // CRC and size: RFC 1952 section 2.3.1
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CHECK(failure("gzip", bad) == http_errc::bad_encoding);
  }
  std::string bad = deflated(sample_text(), 15);
  bad.back() = static_cast<char>(bad.back() ^ 1);
  CHECK(failure("deflate", bad) == http_errc::bad_encoding);
}

TEST_CASE("After an error a decoded body can't be read on") {
  StreamedResponse response = decoded("gzip", gzip("text") + "rubbish");
  std::string buffer(100, '\0');
  CHECK(run(response.read_some(asio::buffer(buffer))) == 4);
  for (int i = 0; i < 2; ++i) {
    error_code code;
    try {
      run(response.read_some(asio::buffer(buffer)));
    } catch (Error const& e) {
      code = e.code();
    }
    CHECK(code == http_errc::bad_encoding);
  }
}

TEST_CASE("Members of gzip and frames of zstd may follow one another") {
  CHECK(whole("gzip", gzip("one ") + gzip("two ") + gzip("")) == "one two ");
  if (has("zstd")) CHECK(whole("zstd", zstd_sample() + zstd_sample()) == sample_text() + sample_text());
}

TEST_CASE("A zstd frame whose window is larger than 8 MiB is refused") {
  if (!has("zstd")) return;
  CHECK(failure("zstd", zstd_with_large_window()) == http_errc::bad_encoding);
}

TEST_CASE("The decoded response has neither Content-Encoding nor Content-Length") {
  StreamedResponse const response = decoded("GZIP", gzip("text"));
  CHECK(response.headers().count(http::field::content_encoding) == 0);
  CHECK(response.headers().count(http::field::content_length) == 0);
  CHECK(response.header("ETag") == "\"1\"");
}

TEST_CASE("Codings are taken off in the reverse order of the list, over several lines") {
  std::string const body = deflated(gzip("text"), 15);
  CHECK(whole("gzip, deflate", body) == "text");
  CHECK(whole(" , gzip,,identity , deflate ,", body) == "text");
  StreamedResponse response = respond("gzip", body);
  response.headers().insert(http::field::content_encoding, "deflate");
  CHECK(read(detail::decode(std::move(response), http::verb::get, {})) == "text");
}

TEST_CASE("What can't be decoded is passed through with its fields") {
  for (char const* const encoding : {"", "identity", "compress", "gzip, aes128gcm", "gzip;q=1", "g z i p"}) {
    INFO(encoding);
    std::string const body = gzip("text");
    StreamedResponse response = decoded(encoding, body);
    CHECK(response.header("Content-Encoding") == encoding);
    CHECK(response.header("Content-Length") == "17");
    CHECK(read(std::move(response)) == body);
  }
}

TEST_CASE("What has no body of its own to decode is left alone") {
  for (unsigned const status : {204u, 206u, 304u}) {
    auto const response = detail::decode(respond("gzip", gzip("text"), status), http::verb::get, {});
    CHECK(response.header("Content-Encoding") == "gzip");
  }
  auto const head = detail::decode(respond("gzip", ""), http::verb::head, {});
  CHECK(head.header("Content-Length") == "17");
  auto const off = detail::decode(respond("gzip", gzip("text")), http::verb::get, Decompression::off());
  CHECK(off.header("Content-Encoding") == "gzip");
}

TEST_CASE("Three codings on top of each other are refused") {
  CHECK(failure("gzip, gzip, gzip", gzip(gzip(gzip("text")))) == http_errc::bad_encoding);
}

TEST_CASE("A body that is denser, or larger, than allowed ends in an error before it is decoded") {
  std::string const zeros(16 * mebibyte, '\0');
  std::vector<Sample> bombs = {
      {"gzip", gzip(zeros)}, {"deflate", deflated(zeros, -15)}, {"gzip, gzip", gzip(gzip(zeros))}};
  if (has("br")) bombs.push_back({"br", brotli_bomb()});
  if (has("zstd")) bombs.push_back({"zstd", zstd_bomb()});
  for (Sample const& bomb : bombs) {
    INFO(bomb.encoding << " of " << bomb.body.size() << " bytes");
    CHECK(failure(bomb.encoding, bomb.body) == http_errc::encoding_limit);
    Decompression const sized = Decompression().max_ratio(0).max_size(16 * mebibyte - 1);
    CHECK(failure(bomb.encoding, bomb.body, sized) == http_errc::encoding_limit);
    Decompression const enough = Decompression().max_ratio(0).max_size(16 * mebibyte);
    CHECK(whole(bomb.encoding, bomb.body, enough).size() == zeros.size());
  }
}

TEST_CASE("The ratio counts from 1 MiB on") {
  std::string const zeros(mebibyte, '\0');
  CHECK(whole("gzip", gzip(zeros)) == zeros);
  CHECK(failure("gzip", gzip(zeros + "x")) == http_errc::encoding_limit);
  CHECK(whole("gzip", gzip(zeros + "x"), Decompression().max_ratio(1032)) == zeros + "x");
}
