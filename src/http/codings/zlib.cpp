#include <zlib.h>

#include <algorithm>
#include <new>
#include <string>

#include "http/codings/codec.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr int largest_window = 15;
constexpr int with_gzip_header = 16;  // added to the window: what inflateInit2 wants

class Inflater {
 public:
  explicit Inflater(int window) {
    int const result = ::inflateInit2(&stream_, window);
    if (result != Z_OK) throw std::bad_alloc();
  }
  Inflater(Inflater const&) = delete;
  Inflater& operator=(Inflater const&) = delete;
  ~Inflater() { ::inflateEnd(&stream_); }

  Progress run(std::string_view input, char* output, std::size_t room) {
    constexpr std::size_t most = std::size_t{1} << 30;  // zlib counts in unsigned int
    auto const available = static_cast<uInt>(std::min(input.size(), most));
    auto const space = static_cast<uInt>(std::min(room, most));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));
    stream_.avail_in = available;
    stream_.next_out = reinterpret_cast<Bytef*>(output);
    stream_.avail_out = space;
    int const result = ::inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_MEM_ERROR) throw std::bad_alloc();
    Progress progress;
    progress.consumed = available - stream_.avail_in;
    progress.produced = space - stream_.avail_out;
    // Z_BUF_ERROR: there was nothing to do.
    progress.malformed = result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR;
    at_end_ = result == Z_STREAM_END;
    return progress;
  }
  bool at_end() const noexcept { return at_end_; }
  void restart() {
    ::inflateReset(&stream_);
    at_end_ = false;
  }

 private:
  z_stream stream_{};
  bool at_end_ = false;
};

class GzipCodec final : public Codec {
 public:
  Progress decode(std::string_view input, char* output, std::size_t room) override {
    if (inflater_.at_end()) {
      if (input.empty()) return {};
      // Members may follow one another; what follows and is none is malformed. RFC 1952 section 2.2.
      inflater_.restart();
    }
    return inflater_.run(input, output, room);
  }
  bool complete() const noexcept override { return inflater_.at_end(); }

 private:
  Inflater inflater_{largest_window + with_gzip_header};
};

/// "deflate" means zlib's format, but some servers send the raw stream (RFC 9110 section 8.4.1.2, note). The
/// first two bytes tell which.
class DeflateCodec final : public Codec {
 public:
  Progress decode(std::string_view input, char* output, std::size_t room) override {
    Progress all;
    if (!inflater_) {
      std::size_t const missing = std::min(start_.size() + input.size(), std::size_t{2}) - start_.size();
      start_.append(input.substr(0, missing));
      all.consumed = missing;
      if (start_.size() < 2) return all;
      inflater_ = std::make_unique<Inflater>(has_zlib_header() ? largest_window : -largest_window);
    }
    if (!start_.empty()) {
      Progress const first = inflater_->run(start_, output, room);
      start_.erase(0, first.consumed);
      all.produced = first.produced;
      all.malformed = first.malformed;
      if (all.malformed || !start_.empty() || all.produced == room) return all;
    }
    input.remove_prefix(all.consumed);
    if (inflater_->at_end()) {
      all.malformed = !input.empty();
      return all;
    }
    Progress const rest = inflater_->run(input, output + all.produced, room - all.produced);
    all.consumed += rest.consumed;
    all.produced += rest.produced;
    all.malformed = rest.malformed;
    return all;
  }
  bool complete() const noexcept override { return inflater_ && start_.empty() && inflater_->at_end(); }

 private:
  // RFC 1950 section 2.2.
  bool has_zlib_header() const noexcept {
    unsigned const method = static_cast<unsigned char>(start_[0]);
    unsigned const flags = static_cast<unsigned char>(start_[1]);
    return (method & 0xf) == 8 && method >> 4 <= 7 && (method * 256 + flags) % 31 == 0;
  }

  std::string start_;
  std::unique_ptr<Inflater> inflater_;
};

}  // namespace

std::unique_ptr<Codec> create_gzip_codec() {
  return std::make_unique<GzipCodec>();
}
std::unique_ptr<Codec> create_deflate_codec() {
  return std::make_unique<DeflateCodec>();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
