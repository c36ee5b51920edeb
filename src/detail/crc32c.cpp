#include "detail/crc32c.hpp"

#include <array>
#include <cstring>

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

struct Tables {
  std::array<std::array<std::uint32_t, 256>, 8> table{};
  constexpr Tables() {
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0u);
      table[0][i] = crc;
    }
    for (std::size_t i = 0; i < 256; ++i) {
      for (std::size_t k = 1; k < 8; ++k)
        table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 0xff];
    }
  }
};
constexpr Tables tables;

// Slicing by 8.
std::uint32_t portable(std::uint32_t crc, unsigned char const* p, std::size_t n) noexcept {
  auto const& t = tables.table;
  for (; n >= 8; p += 8, n -= 8) {
    std::uint32_t const low = crc ^ (std::uint32_t{p[0]} | std::uint32_t{p[1]} << 8 |
                                     std::uint32_t{p[2]} << 16 | std::uint32_t{p[3]} << 24);
    crc = t[7][low & 0xff] ^ t[6][low >> 8 & 0xff] ^ t[5][low >> 16 & 0xff] ^ t[4][low >> 24] ^ t[3][p[4]] ^
          t[2][p[5]] ^ t[1][p[6]] ^ t[0][p[7]];
  }
  for (; n; ++p, --n) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
  return crc;
}

#if defined(__x86_64__) && defined(__GNUC__)
// What `count` zero bytes make of a checksum, byte by byte of the checksum.
template <std::size_t count>
struct Zeros {
  std::array<std::array<std::uint32_t, 256>, 4> table{};
  constexpr Zeros() {
    // A checksum is linear: what becomes of each bit gives the tables of the bytes. What 2 n zero bytes make
    // of it is what n of them make of what n of them made. (Byte after byte is more than clang evaluates.)
    std::array<std::uint32_t, 32> bits{}, power{};
    for (std::size_t bit = 0; bit < 32; ++bit) {
      bits[bit] = 1u << bit;
      power[bit] = (bits[bit] >> 8) ^ tables.table[0][bits[bit] & 0xff];
    }
    for (std::size_t left = count; left != 0; left >>= 1) {
      if (left & 1) bits = after(power, bits);
      power = after(power, power);
    }
    for (std::size_t byte = 0; byte < 4; ++byte) {
      for (std::size_t i = 0; i < 256; ++i) {
        for (std::size_t bit = 0; bit < 8; ++bit) {
          if (i >> bit & 1) table[byte][i] ^= bits[8 * byte + bit];
        }
      }
    }
  }
  static constexpr std::array<std::uint32_t, 32> after(std::array<std::uint32_t, 32> const& second,
                                                       std::array<std::uint32_t, 32> const& first) {
    std::array<std::uint32_t, 32> both{};
    for (std::size_t bit = 0; bit < 32; ++bit) {
      for (std::size_t i = 0; i < 32; ++i) {
        if (first[bit] >> i & 1) both[bit] ^= second[i];
      }
    }
    return both;
  }
  std::uint32_t operator()(std::uint64_t crc) const noexcept {
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^
           table[3][crc >> 24];
  }
};

// The instruction takes three cycles but can begin anew with each: three parts at a time, put together at the
// end.
constexpr std::size_t small_part = 168, big_part = 2048;
constexpr Zeros<small_part> small_zeros;
constexpr Zeros<big_part> big_zeros;

__attribute__((target("sse4.2"))) inline std::uint64_t word(std::uint64_t crc,
                                                            unsigned char const* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  return __builtin_ia32_crc32di(crc, word);
}

template <std::size_t part>
__attribute__((target("sse4.2"))) std::uint64_t three_parts(std::uint64_t first, unsigned char const* p,
                                                            Zeros<part> const& zeros) noexcept {
  std::uint64_t second = 0, third = 0;
  for (std::size_t i = 0; i < part; i += 8) {
    first = word(first, p + i);
    second = word(second, p + part + i);
    third = word(third, p + 2 * part + i);
  }
  return zeros(zeros(first) ^ second) ^ third;
}

__attribute__((target("sse4.2"))) std::uint32_t hardware(std::uint32_t crc, unsigned char const* p,
                                                         std::size_t n) noexcept {
  std::uint64_t wide = crc;
  for (; n >= 3 * big_part; p += 3 * big_part, n -= 3 * big_part) wide = three_parts(wide, p, big_zeros);
  for (; n >= 3 * small_part; p += 3 * small_part, n -= 3 * small_part) {
    wide = three_parts(wide, p, small_zeros);
  }
  for (; n >= 8; p += 8, n -= 8) wide = word(wide, p);
  crc = static_cast<std::uint32_t>(wide);
  for (; n; ++p, --n) crc = __builtin_ia32_crc32qi(crc, *p);
  return crc;
}
bool has_hardware() noexcept {
  return __builtin_cpu_supports("sse4.2");
}
#else
std::uint32_t hardware(std::uint32_t crc, unsigned char const* p, std::size_t n) noexcept {
  return portable(crc, p, n);
}
bool has_hardware() noexcept {
  return false;
}
#endif

}  // namespace

std::uint32_t crc32c(std::uint32_t crc, std::string_view data) noexcept {
  static bool const fast = has_hardware();
  auto const* const p = reinterpret_cast<unsigned char const*>(data.data());
  return ~(fast ? hardware(~crc, p, data.size()) : portable(~crc, p, data.size()));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
