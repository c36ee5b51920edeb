#pragma once
// What a cookie jar holds. Internal.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/cookie.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// RFC 6265bis section 5.7.
struct CookieEntry {
  std::string name;
  std::string value;
  std::string domain;
  std::string path;
  TimePoint expires = TimePoint::max();  // with `max()` it is one of the session
  std::uint64_t created = 0;             // in the order of the jar's events
  std::uint64_t used = 0;
  bool persistent = false;
  bool host_only = true;
  bool secure = false;
  bool http_only = false;
  SameSite same_site = SameSite::unset;

  bool same_place(CookieEntry const& other) const noexcept {
    return name == other.name && domain == other.domain && host_only == other.host_only && path == other.path;
  }
};

using CookieDomains = std::map<std::string, std::vector<CookieEntry>, std::less<>>;

/// Netscape's format.
std::string format_cookies(CookieDomains const& domains);
/// @param add Called for each line that is a cookie.
void parse_cookies(std::string_view text, std::function<void(CookieEntry)> const& add);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
