#include <brotli/decode.h>

#include <new>

#include "http/codings/codec.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

/// RFC 7932. Its window is at most 16 MiB: larger ones are an extension, which stays off.
class BrotliCodec final : public Codec {
 public:
  BrotliCodec() : state_(::BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
    if (!state_) throw std::bad_alloc();
  }
  ~BrotliCodec() override { ::BrotliDecoderDestroyInstance(state_); }

  Progress decode(std::string_view input, char* output, std::size_t room) override {
    Progress progress;
    if (complete()) {
      progress.malformed = !input.empty();
      return progress;
    }
    std::size_t available = input.size();
    std::size_t space = room;
    auto const* next_in = reinterpret_cast<std::uint8_t const*>(input.data());
    auto* next_out = reinterpret_cast<std::uint8_t*>(output);
    auto const result =
        ::BrotliDecoderDecompressStream(state_, &available, &next_in, &space, &next_out, nullptr);
    progress.consumed = input.size() - available;
    progress.produced = room - space;
    progress.malformed = result == BROTLI_DECODER_RESULT_ERROR;
    return progress;
  }
  bool complete() const noexcept override { return ::BrotliDecoderIsFinished(state_) == BROTLI_TRUE; }

 private:
  BrotliDecoderState* state_;
};

}  // namespace

std::unique_ptr<Codec> create_brotli_codec() {
  return std::make_unique<BrotliCodec>();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
