#pragma once
// Bytes that show where they belong.

#include <string>

namespace test_support {

inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 9);
  return bytes;
}

}  // namespace test_support
