#pragma once
/// \file cookie.hpp
/// A cookie as a server sets it.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// How far a cookie goes with requests that another site caused: a redirect from there. In the order of
/// strictness; `none` needs Secure.
enum class SameSite { unset, none, lax, strict };

/// What one Set-Cookie field says.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
/// Source: RFC 6265bis section 5.6.
class Cookie {
 public:
  Cookie() = default;

  /// Reads a Set-Cookie field. Attributes that are malformed are left out, as the RFC says.
  /// @return `std::nullopt` for a cookie that is to be ignored: with control characters, empty, or of more
  /// than 4096 bytes.
  static std::optional<Cookie> parse(std::string_view set_cookie);

  /// May be empty.
  std::string const& name() const noexcept { return name_; }
  std::string const& value() const noexcept { return value_; }
  /// The Domain attribute in lower case, without a leading dot; empty without one.
  std::string const& domain() const noexcept { return domain_; }
  /// The Path attribute; empty without one that begins with a slash.
  std::string const& path() const noexcept { return path_; }
  /// The Expires attribute.
  std::optional<TimePoint> expires() const noexcept { return expires_; }
  /// The Max-Age attribute, which counts more than Expires; zero and less: it is to be removed.
  std::optional<std::chrono::seconds> max_age() const noexcept { return max_age_; }
  bool secure() const noexcept { return secure_; }
  bool http_only() const noexcept { return http_only_; }
  SameSite same_site() const noexcept { return same_site_; }

 private:
  void set_attribute(std::string_view name, std::string_view value);

  std::string name_;
  std::string value_;
  std::string domain_;
  std::string path_;
  std::optional<TimePoint> expires_;
  std::optional<std::chrono::seconds> max_age_;
  bool secure_ = false;
  bool http_only_ = false;
  SameSite same_site_ = SameSite::unset;
};

namespace detail {

/// A date as cookies have it, in nearly any order. Source: RFC 6265bis section 5.1.1.
std::optional<TimePoint> parse_cookie_date(std::string_view text) noexcept;

}  // namespace detail

}  // namespace v1
}  // namespace beast_cache
