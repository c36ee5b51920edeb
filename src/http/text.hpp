#pragma once
/// What the readers of field values share. Internal.

#include <algorithm>
#include <string>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr char to_lower(char c) noexcept {
  return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}
inline std::string to_lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = to_lower(c);
  return out;
}

/// Beast 1.81's own reads a byte behind both where only the last characters' case differs.
constexpr bool iequals(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_lower(x) == to_lower(y); });
}

/// RFC 9110 section 5.5.
constexpr bool is_field_value(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
  });
}

/// Takes off what stands in front of `separator`, which goes too.
constexpr std::string_view cut(std::string_view& text, char separator) noexcept {
  std::string_view const part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
