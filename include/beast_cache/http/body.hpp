#pragma once
/// \file body.hpp
/// Bodies as streams: a `BodyReader` is read to its end once, a `Body` can be opened for that.

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/fields.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {

/// A body that is pulled piece by piece.
///
/// Destroying a reader before its end gives the rest up: a network reader closes its connection, a reader
/// that feeds the cache stores nothing.
///
/// Thread safety: one operation at a time.
class BodyReader {
 public:
  BodyReader() = default;
  BodyReader(BodyReader const&) = delete;
  BodyReader& operator=(BodyReader const&) = delete;
  virtual ~BodyReader() = default;

  /// Reads at least one byte, or finds the body's end.
  /// @param buffer Not empty; the caller keeps it alive until the operation completes.
  /// @return The number of bytes read; 0 means that the body ended and is complete. Reading on returns 0
  /// again. Errors: `http_errc::truncated` and the like when the body does not end as its framing says.
  /// Cancellation: all types; the reader can't be read any further afterwards.
  virtual asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) = 0;

  /// The number of bytes still to come, where it is known before they do.
  virtual std::optional<std::uint64_t> remaining() const noexcept { return std::nullopt; }

  /// The whole rest of the body, when it is in memory already; the reader is at its end afterwards.
  /// @return `std::nullopt` when it has to be read.
  virtual std::optional<std::string> take_buffered() { return std::nullopt; }

  /// The trailer fields; empty until the end has been read. Never merged into the header fields.
  /// Source: RFC 9110 section 6.5.
  virtual http::fields const& trailers() const noexcept {
    static http::fields const none;
    return none;
  }
};

/// A body that is in memory.
class StringReader final : public BodyReader {
 public:
  explicit StringReader(std::string text)
      : StringReader(std::make_shared<std::string const>(std::move(text))) {}
  explicit StringReader(std::shared_ptr<std::string const> text) : text_(std::move(text)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override;
  std::optional<std::uint64_t> remaining() const noexcept override { return text_->size() - position_; }
  /// The whole text, whatever of it has been read.
  std::shared_ptr<std::string const> const& text() const noexcept { return text_; }
  std::optional<std::string> take_buffered() override {
    std::string rest = text_->substr(position_);
    position_ = text_->size();
    return rest;
  }

 private:
  std::shared_ptr<std::string const> text_;
  std::size_t position_ = 0;
};

/// The body of a request: nothing, a string, or a source of readers.
///
/// A body that is repeatable can be sent again after a redirect or on a new connection.
/// Thread safety: distinct objects: safe, copies share the bytes; shared objects: const members safe.
class Body {
 public:
  /// What opens a source: called once for each time that the body is sent.
  using Open = std::function<std::unique_ptr<BodyReader>()>;

  /// No body.
  Body() = default;
  /// The bytes of `text`.
  Body(std::string text) : text_(std::make_shared<std::string const>(std::move(text))) {}
  /// The bytes of `text`, up to its NUL.
  Body(char const* text) : Body(std::string(text)) {}

  /// A body that is read from where `open` says, each time anew.
  /// @param size Its length in bytes, sent as Content-Length; without one it is sent in chunks.
  static Body from_source(Open open, std::optional<std::uint64_t> size = std::nullopt) {
    Body body;
    body.open_ = std::move(open);
    body.size_ = size;
    return body;
  }

  /// The bytes of a file, read while they are sent, on the thread that sends them; its size is taken now.
  /// Errors: `Error` with the operating system's code, naming the path.
  static Body from_file(std::string path);

  /// A body that can be read only once: a redirect or a retry that would need it again fails with
  /// `http_errc::body_not_replayable`.
  static Body from_reader(std::unique_ptr<BodyReader> reader) {
    Body body;
    body.size_ = reader->remaining();
    body.repeatable_ = false;
    auto once = std::make_shared<std::unique_ptr<BodyReader>>(std::move(reader));
    body.open_ = [once] { return std::move(*once); };
    return body;
  }

  /// True when there is no body at all.
  bool empty() const noexcept { return !text_ && !open_; }
  /// Whether `open()` can be called more than once.
  bool repeatable() const noexcept { return repeatable_; }
  /// The length in bytes, where it is known.
  std::optional<std::uint64_t> size() const noexcept {
    if (open_) return size_;
    return text_ ? text_->size() : 0;
  }
  /// The bytes, when they are in memory; null for a source.
  std::string const* text() const noexcept { return text_.get(); }

  /// A reader from the body's start.
  /// Errors: `http_errc::body_not_replayable` on the second call for a body that is not repeatable.
  std::unique_ptr<BodyReader> open() const {
    std::unique_ptr<BodyReader> reader;
    if (open_) {
      reader = open_();
      if (!reader) throw Error(http_errc::body_not_replayable, "request body");
    } else {
      reader = text_ ? std::make_unique<StringReader>(text_) : std::make_unique<StringReader>(std::string());
    }
    return reader;
  }

 private:
  std::shared_ptr<std::string const> text_;
  Open open_;
  std::optional<std::uint64_t> size_;
  bool repeatable_ = true;
};

namespace detail {

/// @param whose What the error names: where the body comes from.
inline void check_body_limit(std::uint64_t size, std::uint64_t limit, std::string_view whose) {
  if (size <= limit) return;
  std::string context(whose);
  throw Error(http_errc::body_limit,
              context.append(": more than ").append(std::to_string(limit)).append(" bytes"));
}

/// `read_all` for a reader that the caller keeps. The memory of a large body is used again when it goes.
asio::awaitable<std::shared_ptr<std::string>> read_rest(BodyReader& reader, std::uint64_t limit,
                                                        std::string_view whose);

}  // namespace detail

/// Reads a body to its end.
/// @param limit The most bytes to accept.
/// Errors: `http_errc::body_limit` when there are more; whatever the reader throws.
/// Cancellation: as the reader's.
asio::awaitable<std::string> read_all(std::unique_ptr<BodyReader> reader,
                                      std::uint64_t limit = std::numeric_limits<std::uint64_t>::max());

}  // namespace v1
}  // namespace beast_cache
