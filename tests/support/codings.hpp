#pragma once
// Bodies in content codings, for the tests of those who take them off.

#include <zlib.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace test_support {

/// What the bodies below hold.
inline std::string sample_text() {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "line " + std::to_string(i) + " of a text that is compressed\n";
  return text;
}

/// @param window As deflateInit2 wants it: 31 for gzip, 15 for zlib's format, -15 for the raw stream.
inline std::string deflated(std::string_view text, int window) {
  z_stream stream{};
  if (::deflateInit2(&stream, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2");
  std::string coded(::deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(coded.data());
  stream.avail_out = static_cast<uInt>(coded.size());
  int const result = ::deflate(&stream, Z_FINISH);
  coded.resize(stream.total_out);
  ::deflateEnd(&stream);
  if (result != Z_STREAM_END) throw std::runtime_error("deflate");
  return coded;
}
inline std::string gzip(std::string_view text) {
  return deflated(text, 31);
}

inline std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return bytes;
}

/// The sample text as the brotli command makes it with -q 11.
inline std::string brotli_sample() {
  return from_hex(
      "1bbd05009c0976ac9689b46cf8112adda453d207ccad0cc362e3ad41c8cce624884219e2e00068789444230bfc5e55692f1687"
      "1a3d"
      "d4cb4710faff3dd777f3144a955aa3ada3abd723760d982c36879b87572f6631982c36879b87572f5631982c36879b87170e");
}
/// The sample text as the zstd command makes it with -19.
inline std::string zstd_sample() {
  return from_hex(
      "28b52ffd60be04350300d2041011a06fa064436b0cffef05b624951bbf553cc71432c47b873fa69021de3bf831850cf1de7d4c"
      "2143"
      "bc3750abd645279489ab638b9a657b9765c44c72e015dd0b28a811c0b7ff67e035ab01113404ffbf43987effdab65fb61da2cd"
      "6143"
      "809781679555");
}

/// 16 MiB of NUL in 26 bytes.
inline std::string brotli_bomb() {
  return from_hex("cbffff3f002400e2b14072effff2ffff0f8004401c1680eefd1f");
}
/// 16 MiB of NUL in 518 bytes: blocks of one repeated byte. RFC 8878 section 3.1.1.2.
inline std::string zstd_bomb() {
  std::string frame = from_hex("28b52ffd0050");  // magic, no size, a window of 1 MiB
  for (int i = 0; i < 128; ++i) frame += from_hex(i < 127 ? "02001000" : "03001000");
  return frame;
}
/// A frame that wants a window of 16 MiB, twice what RFC 9659 allows.
inline std::string zstd_with_large_window() {
  return from_hex("28b52ffd007003001000");
}

}  // namespace test_support
