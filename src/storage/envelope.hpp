#pragma once
// What guards a stored value: a checksum, or a signature when there is a secret key, over the table, the key
// and the value with everything that says how to read it. So a value can't be changed, cut, or moved to
// another key or table unnoticed. Verified before anything is decoded.
//
// A sealed value (integers little-endian):
//   0  "BCv1"            8  type      u32        24  check: CRC-32C u32, or HMAC-SHA-256 32 bytes
//   4  format  u8       12  key size  u32            payload
//   5  flags   u8       16  payload size u64
//   6  0       u16
// flags: 1 = signed. `format` is the serializer's, `type` says what was serialised.
//
// A plain value of SQLiteCache has its check in a column of its own: an INTEGER, or a BLOB of 32 bytes.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "beast_cache/config.hpp"

struct evp_mac_ctx_st;  // OpenSSL's EVP_MAC_CTX

namespace beast_cache {
inline namespace v1 {
namespace detail {

class Guard {
 public:
  // Without a key it makes checksums, with one signatures. `table` is compared as SQLite does: ASCII case
  // apart.
  Guard(std::string_view secret_key, std::string_view salt, std::string_view table);

  bool is_signing() const noexcept { return signing_; }

  // For plain values.
  std::uint32_t checksum(std::string_view key, std::string_view value) const;
  std::array<unsigned char, 32> signature(std::string_view key, std::string_view value) const;

  std::string seal(std::uint8_t format, std::uint32_t type, std::string_view key,
                   std::string_view payload) const;

  // The payload within `sealed`. Throws Error(bad_value), or bad_signature when signing.
  std::string_view unseal(std::uint8_t format, std::uint32_t type, std::string_view key,
                          std::string_view sealed) const;

  static bool equal(std::string_view a, std::string_view b) noexcept;  // in constant time

  // The check of a plain value that comes in pieces.
  class Running {
   public:
    Running(Guard const& guard, std::string_view key, std::uint64_t size);
    Running(Running const&) = delete;
    Running& operator=(Running const&) = delete;
    ~Running();
    void update(std::string_view piece);
    std::uint32_t checksum() const noexcept { return crc_; }
    std::array<unsigned char, 32> signature();

   private:
    std::uint32_t crc_ = 0;
    evp_mac_ctx_st* mac_ = nullptr;
  };

 private:
  // Each part with its length in front, so that no two different inputs give the same bytes; without the
  // payload itself.
  template <class Sink>
  void feed(std::string_view head, std::string_view key, std::uint64_t payload_size, Sink&& sink) const;
  std::uint32_t crc(std::string_view head, std::string_view key, std::string_view payload) const;
  std::array<unsigned char, 32> hmac(std::string_view head, std::string_view key,
                                     std::string_view payload) const;

  std::array<unsigned char, 32> secret_{};
  bool signing_;
  std::string table_;
  std::uint32_t plain_begin_ = 0;  // the checksum of what comes first in every plain value's
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
