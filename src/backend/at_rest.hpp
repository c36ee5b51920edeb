#pragma once
// How bytes lie in the file: as they came, compressed, encrypted, or first the one and then the other.
//
// A coded text says nothing of itself: a column beside it does (`Coding`). An encrypted one is a nonce of 12
// random bytes, the ciphertext, and a tag of 16 bytes (AES-256-GCM), which also binds it to its part: the
// fields of a response are no body, a piece of one body none of another.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// What a column says of the bytes beside it: one compression, and whether they are encrypted.
enum Coding : std::int64_t { as_it_came = 0, zlib = 1, zstd = 2, encrypted = 4 };

// Thread safety: const members safe.
class AtRest {
 public:
  // Some bytes as they are to be stored.
  class Coded {
   public:
    // The bytes have to outlive it.
    explicit Coded(std::string_view bytes) noexcept : bytes_(bytes) {}
    Coded(std::int64_t coding, std::string bytes) : coding_(coding), own_(std::move(bytes)) {}

    std::int64_t coding() const noexcept { return coding_; }
    bool is_compressed() const noexcept { return (coding_ & ~encrypted) != 0; }
    std::string_view bytes() const noexcept { return coding_ == as_it_came ? bytes_ : own_; }

   private:
    std::int64_t coding_ = as_it_came;
    std::string_view bytes_;
    std::string own_;
  };

  // What this build compresses with.
  static Coding best_compression() noexcept;

  // @param compression as_it_came for none. @param key 32 bytes, or none: nothing is encrypted.
  AtRest(Coding compression, std::string_view key);

  bool encrypts() const noexcept { return encrypts_; }
  // The key for signatures where the user has given none of their own; empty where nothing is encrypted.
  std::string signing_key() const;
  // What tells in the file with which key it was made, without giving it away; empty where nothing is
  // encrypted.
  std::string key_check() const;

  // @param compressible Whether it is worth trying. It is compressed if that saves an eighth.
  Coded encode(std::string_view part, std::string_view bytes, bool compressible) const;
  // @param size What it was before. Returns whether it can be what was encoded; what is neither compressed
  // nor encrypted can. Throws Error(bad_value) for what this build can't read.
  bool decode(std::string_view part, std::int64_t coding, std::string_view stored, char* to,
              std::size_t size) const;
  // The same; a forged size does not allocate.
  std::optional<std::string> decode(std::string_view part, std::int64_t coding, std::string_view stored,
                                    std::uint64_t size) const;

  // Text that is too short to be compressed; as it is where nothing is encrypted.
  std::string encode_text(std::string_view part, std::string text) const;
  std::optional<std::string> decode_text(std::string_view part, std::string_view stored) const;

 private:
  std::string encrypt(std::string_view part, std::string_view bytes) const;
  std::optional<std::string> decrypt(std::string_view part, std::string_view stored) const;

  Coding const compression_;
  bool const encrypts_;
  std::array<unsigned char, 32> key_{};
  std::array<unsigned char, 32> user_key_{};
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
