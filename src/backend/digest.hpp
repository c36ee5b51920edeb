#pragma once
// SHA-256 and HMAC-SHA-256 by OpenSSL. The algorithms are fetched once; each thread keeps its contexts.

#include <string>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// 64 hexadecimal digits. Throws Error(nomem).
std::string sha256_hex(std::string_view data);
std::string hmac_sha256_hex(std::string_view key, std::string_view data);

// Two hexadecimal digits for each byte.
std::string hex(std::string_view bytes);

// Appends `part` behind its length, so that ("ab", "c") and ("a", "bc") stay apart.
void append_part(std::string& parts, std::string_view part);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
