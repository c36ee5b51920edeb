#pragma once
/// \file decompression.hpp
/// Whether the content codings are taken off a response's body, and within which bounds.

#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <string>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

class StreamedResponse;

/// What a client does about Content-Encoding.
///
/// Where it is on, a body in gzip, deflate (in zlib's format or raw), br or zstd, the last two where the
/// library was built with them, or in two of those on top of each other, is decoded while it is read. The
/// response then shows what there is to read: without Content-Encoding, and without Content-Length, which
/// would be that of the coded bytes. ETag stays the server's, and names the coded form. Left as they are,
/// with both fields: bodies in a coding that is not known, and parts (206), which can't be decoded alone.
///
/// Reading a decoded body fails with `http_errc::bad_encoding` where it is malformed, with
/// `http_errc::encoding_truncated` where the coding goes on behind the body's end, and with
/// `http_errc::encoding_limit` beyond the bounds.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class Decompression {
 public:
  /// On, with the default bounds.
  Decompression() = default;
  /// Every body is left as it was sent.
  static Decompression off() {
    Decompression none;
    none.enabled_ = false;
    return none;
  }

  bool enabled() const noexcept { return enabled_; }

  /// The largest decoded body, in bytes. Default: 1 GiB.
  Decompression& max_size(std::uint64_t bytes) { return max_size_ = bytes, *this; }
  std::uint64_t max_size() const noexcept { return max_size_; }

  /// How many decoded bytes there may be for each one that was received, once there are more than 1 MiB; 0:
  /// any number. Text seldom comes to 20, and gzip can't exceed 1032. Default: 200.
  Decompression& max_ratio(std::uint32_t ratio) { return max_ratio_ = ratio, *this; }
  std::uint32_t max_ratio() const noexcept { return max_ratio_; }

 private:
  std::uint64_t max_size_ = std::uint64_t{1} << 30;
  std::uint32_t max_ratio_ = 200;
  bool enabled_ = true;
};

namespace detail {

/// The codings that can be taken off, as the value of Accept-Encoding.
std::string const& accepted_codings();

/// The response as its reader is to see it: with the codings taken off where that can be done.
/// @param method Of the request: the answer to HEAD has no body to decode.
/// Errors: `http_errc::bad_encoding` for more than two codings on top of each other.
/// Source: RFC 9110 section 8.4.
StreamedResponse decode(StreamedResponse response, http::verb method, Decompression const& how);

}  // namespace detail

}  // namespace v1
}  // namespace beast_cache
