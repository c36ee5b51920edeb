#include "beast_cache/http/body.hpp"

#include "detail/body_buffers.hpp"

namespace beast_cache {
inline namespace v1 {

asio::awaitable<std::size_t> StringReader::read_some(asio::mutable_buffer buffer) {
  auto const copied = asio::buffer_copy(buffer, asio::buffer(*text_) + position_);
  position_ += copied;
  co_return copied;
}

namespace detail {

asio::awaitable<std::shared_ptr<std::string>> read_rest(BodyReader& reader, std::uint64_t limit,
                                                        std::string_view whose) {
  std::optional<std::string> buffered = reader.take_buffered();
  if (buffered) {
    check_body_limit(buffered->size(), limit, whose);
    co_return std::make_shared<std::string>(std::move(*buffered));
  }
  std::uint64_t const expected = reader.remaining().value_or(16384);
  if (reader.remaining()) check_body_limit(expected, limit, whose);
  // A length that the peer announced is a hint: memory is taken as the bytes arrive.
  constexpr std::uint64_t largest_hint = 1u << 20;
  std::shared_ptr<std::string> const text =
      BodyBuffers::instance().take(static_cast<std::size_t>(std::min(expected, largest_hint)) + 1);
  std::size_t filled = 0;
  for (;;) {
    if (filled == text->size()) text->resize(text->size() * 2);
    std::size_t const count =
        co_await reader.read_some(asio::buffer(text->data() + filled, text->size() - filled));
    if (count == 0) break;
    filled += count;
    check_body_limit(filled, limit, whose);
  }
  text->resize(filled);
  co_return text;
}

}  // namespace detail

asio::awaitable<std::string> read_all(std::unique_ptr<BodyReader> reader, std::uint64_t limit) {
  std::shared_ptr<std::string> const text = co_await detail::read_rest(*reader, limit, "body");
  co_return std::move(*text);
}

}  // namespace v1
}  // namespace beast_cache
