#pragma once
/// One content coding, taken off piece by piece. Internal.

#include <cstddef>
#include <memory>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// How far one step of a codec came.
struct Progress {
  std::size_t consumed = 0;
  std::size_t produced = 0;
  bool malformed = false;
};

/// A decoder that keeps its state between pieces of any size.
class Codec {
 public:
  Codec() = default;
  Codec(Codec const&) = delete;
  Codec& operator=(Codec const&) = delete;
  virtual ~Codec() = default;

  /// Decodes until the input or the room is used up, or a part of the stream ends. Without input it hands out
  /// what it holds back.
  /// @param room Not 0.
  virtual Progress decode(std::string_view input, char* output, std::size_t room) = 0;
  /// Whether the input may end here.
  virtual bool complete() const noexcept = 0;
};

std::unique_ptr<Codec> create_gzip_codec();
std::unique_ptr<Codec> create_deflate_codec();
#ifdef BEAST_CACHE_HAS_BROTLI
std::unique_ptr<Codec> create_brotli_codec();
#endif
#ifdef BEAST_CACHE_HAS_ZSTD
std::unique_ptr<Codec> create_zstd_codec();
#endif

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
