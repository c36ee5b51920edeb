#pragma once
/// HTTP/1.1 messages as pure functions over bytes: nothing here knows a socket. Internal.

#include <boost/beast/http/fields.hpp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "beast_cache/error.hpp"
#include "beast_cache/http/request.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Request line and header section, with the framing that the body asks for.
/// Errors: `http_errc::injection` for what HTTP does not allow in a method, a field name or a field value,
/// and for the fields that are the client's own; `http_errc::invalid_url` for no URL. Source: RFC 9112
/// sections 3 to 6.
std::string serialize_head(Request const& request);

/// Whether sending the request twice does what sending it once does. Source: RFC 9110 section 9.2.2.
bool is_idempotent(http::verb method) noexcept;

/// How the end of a response's body is found. Source: RFC 9112 section 6.3.
enum class Framing { none, length, chunked, until_close };

/// A response's head as it was received.
class ParsedHead {
 public:
  ParsedHead() = default;

  unsigned status = 0;
  unsigned version = 11;
  std::string reason;
  http::fields headers;
  /// Whether the server leaves the connection open after the message.
  bool keep_alive = false;
  Framing framing = Framing::none;
  /// The body's length, with `Framing::length`.
  std::uint64_t length = 0;
};

/// Finds the end of a header section in bytes that arrive piece by piece.
///
/// Lines have to end in CRLF, and none may continue the one before (obs-fold, RFC 9112 section 5.2): other
/// readers of the same bytes could see other fields.
class HeadScanner {
 public:
  explicit HeadScanner(std::size_t limit) noexcept : limit_(limit) {}

  /// @param bytes All bytes since the head's start: those of the last call, and what has arrived since.
  /// @return The size of the head with its empty line, or 0 when there is more to come.
  /// Errors: `http_errc::framing`, `http_errc::header_limit`.
  std::size_t scan(std::string_view bytes, error_code& ec) noexcept;

 private:
  std::size_t limit_;
  std::size_t line_ = 0;
  std::size_t seen_ = 0;
};

/// Parses a complete head.
/// @param text From the status line up to and with the empty line.
/// @param method Of the request: it decides whether there is a body.
/// Errors: `http_errc::framing`.
ParsedHead parse_head(std::string_view text, http::verb method, error_code& ec);

/// The framing of a chunked body, found in pieces of any size; the data is left to the caller.
///
/// Beast's own parser appends the trailer fields to the header fields and has no limit on extensions and
/// trailers, so it is not used here. Source: RFC 9112 section 7.1.
class ChunkDecoder {
 public:
  /// @param trailer_limit The largest trailer section, in bytes.
  explicit ChunkDecoder(std::size_t trailer_limit) noexcept : trailer_limit_(trailer_limit) {}

  /// Reads framing up to the next byte of data, the body's end, or the end of `bytes`.
  /// @return How many bytes were framing.
  /// Errors: `http_errc::framing`; `http_errc::header_limit` for extensions or trailers beyond their limit.
  std::size_t feed(std::string_view bytes, error_code& ec);

  /// How many bytes of data come next; 0 while framing does.
  std::uint64_t data_left() const noexcept { return state_ == State::data ? left_ : 0; }
  /// Notes that the caller took data.
  void take(std::uint64_t count) noexcept;
  bool done() const noexcept { return state_ == State::done; }
  http::fields const& trailers() const noexcept { return trailers_; }

 private:
  enum class State { size_first, size, extension, size_lf, data, data_cr, data_lf, trailers, done };

  void step(char c, error_code& ec);
  void finish(error_code& ec);

  std::size_t trailer_limit_;
  std::uint64_t extensions_ = 0;  // bytes of them
  std::uint64_t taken_ = 0;       // bytes of data
  unsigned digits_ = 0;
  std::uint64_t left_ = 0;
  State state_ = State::size_first;
  std::string trailer_text_;
  http::fields trailers_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
