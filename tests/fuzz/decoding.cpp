// Content codings: whatever the bytes are, they are decoded alike in one piece and in many, or refused.

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "beast_cache/http/decompression.hpp"
#include "beast_cache/http/response.hpp"
#include "fuzz/fuzz.hpp"

using namespace beast_cache;

namespace {

/// A body in pieces of one size.
class Pieces final : public BodyReader {
 public:
  Pieces(std::string_view text, std::size_t piece) : text_(text), piece_(piece) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    std::size_t const count = text_.copy(static_cast<char*>(buffer.data()), std::min(piece_, buffer.size()));
    text_.remove_prefix(count);
    co_return count;
  }

 private:
  std::string_view text_;
  std::size_t piece_;
};

/// What the body decodes to; nothing when it can't be.
std::optional<std::string> decode_in(std::string_view encoding, std::string_view body, std::size_t piece) {
  http::fields headers;
  headers.insert(http::field::content_encoding, encoding);
  ResponseHead head(Url(), 200, "", std::move(headers));
  StreamedResponse coded(std::move(head), std::make_unique<Pieces>(body, piece));
  StreamedResponse response = detail::decode(std::move(coded), http::verb::get, Decompression());
  asio::io_context io;
  std::optional<std::string> text;
  asio::co_spawn(io, read_all(response.take_body(), 1u << 22),
                 [&](std::exception_ptr failure, std::string all) {
                   if (!failure) text = std::move(all);
                 });
  io.run();
  return text;
}

}  // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  constexpr std::string_view encodings[] = {"gzip", "deflate", "br", "zstd", "gzip, deflate"};
  if (size == 0 || size > 4000) return 0;
  std::string_view const encoding = encodings[data[0] % std::size(encodings)];
  std::string_view const body = fuzz::text_of(data + 1, size - 1);
  auto const whole = decode_in(encoding, body, body.size() + 1);
  fuzz::require(decode_in(encoding, body, 1) == whole);
  if (whole) fuzz::require(whole->size() <= (1u << 20) || whole->size() / 200 <= body.size());
  return 0;
}
