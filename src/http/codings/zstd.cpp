#include <zstd.h>

#include <new>

#include "http/codings/codec.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// RFC 9659 section 3: a sender's window is 8 MiB at most, so that a receiver's memory is bounded.
constexpr int largest_window_log = 23;

class ZstdCodec final : public Codec {
 public:
  ZstdCodec() : context_(::ZSTD_createDCtx()) {
    if (!context_) throw std::bad_alloc();
    ::ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, largest_window_log);
  }
  ~ZstdCodec() override { ::ZSTD_freeDCtx(context_); }

  Progress decode(std::string_view input, char* output, std::size_t room) override {
    // Between two frames, of which there may be several, there is nothing to hand out.
    if (at_end_ && input.empty()) return {};
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    ZSTD_outBuffer out{output, room, 0};
    std::size_t const result = ::ZSTD_decompressStream(context_, &out, &in);
    Progress progress;
    progress.consumed = in.pos;
    progress.produced = out.pos;
    progress.malformed = ::ZSTD_isError(result) != 0;
    at_end_ = result == 0;
    return progress;
  }
  bool complete() const noexcept override { return at_end_; }

 private:
  ZSTD_DCtx* context_;
  bool at_end_ = false;
};

}  // namespace

std::unique_ptr<Codec> create_zstd_codec() {
  return std::make_unique<ZstdCodec>();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
