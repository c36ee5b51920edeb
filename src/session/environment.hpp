#pragma once
/// Variables of the environment that decide whom to trust and whom to talk to. Internal.

#include <cstdlib>
#include <string>

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// As OpenSSL takes it: empty for a program that runs with other rights than its caller's.
inline std::string environment(char const* name) {
#if defined(__GLIBC__)
  char const* const value = ::secure_getenv(name);
#else
  char const* const value = std::getenv(name);
#endif
  return value ? value : "";
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
