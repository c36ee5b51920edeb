#pragma once
// CRC-32C (Castagnoli), as in RFC 3720 appendix B.4: finds every flipped bit, every burst up to 32 bits.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// The checksum of `data` after something whose checksum is `crc` (0 at the start).
std::uint32_t crc32c(std::uint32_t crc, std::string_view data) noexcept;

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
