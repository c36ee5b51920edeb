#pragma once
/// \file options.hpp
/// What a user may choose about the caching rules.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

namespace detail {

/// Longer than any time that matters, and far from overflow whatever is added to it.
inline constexpr std::chrono::milliseconds forever{std::int64_t{1} << 56};

}  // namespace detail

/// Who the cache answers: one user, or several.
enum class CacheMode : std::uint8_t {
  private_cache,  ///< one user's own; the default
  shared_cache    ///< several users: `private`, `s-maxage`, `proxy-revalidate` and `Authorization` count
};

/// The options of the rules. Every setter returns the object, so that they can be chained.
///
/// Thread safety: distinct objects are independent; a shared object may be read by many threads.
class Options {
 public:
  Options() = default;

  /// Private or shared cache. Default: private.
  Options& mode(CacheMode m) noexcept { return mode_ = m, *this; }
  /// Whether Cache-Control, Expires and Pragma count, of requests and of responses. Default: true. When
  /// false, an entry is fresh exactly until the time that the user has set for it; Vary, the methods, Range
  /// and (in a shared cache) Authorization count all the same.
  Options& cache_control(bool on) noexcept { return cache_control_ = on, *this; }
  /// Whether a response without an explicit expiry is fresh for a part of the time that it had gone
  /// unmodified (RFC 9111 section 4.2.2). Default: true.
  Options& heuristics(bool on) noexcept { return heuristics_ = on, *this; }
  /// That part, in percent; values above 100 count as 100. Default: 10.
  Options& heuristic_percent(unsigned p) noexcept { return heuristic_percent_ = p < 100 ? p : 100, *this; }
  /// The longest heuristic lifetime; a negative one counts as zero, one too long to be counted as no bound.
  /// Default: 24 hours.
  Options& heuristic_cap(std::chrono::seconds s) noexcept {
    constexpr auto most = std::chrono::floor<std::chrono::seconds>(detail::forever);
    return heuristic_cap_ = std::clamp(s, std::chrono::seconds{0}, most), *this;
  }
  /// Whether a stale response may stand in when the origin can't be reached, unless the origin or the
  /// request forbids it (RFC 9111 section 4.2.4). Default: true.
  Options& stale_on_error(bool on) noexcept { return stale_on_error_ = on, *this; }
  /// Whether stale-while-revalidate and stale-if-error are followed (RFC 5861). Default: true.
  Options& stale_extensions(bool on) noexcept { return stale_extensions_ = on, *this; }
  /// Whether Set-Cookie is left out of what is stored. Default: false.
  Options& strip_set_cookie(bool on) noexcept { return strip_set_cookie_ = on, *this; }
  /// The response fields whose directives count in place of Cache-Control and Expires, the first that is
  /// valid (RFC 9213). Default: `CDN-Cache-Control` in a shared cache, none in a private one.
  Options& targeted_fields(std::vector<std::string> names) {
    return targeted_fields_ = std::move(names), *this;
  }

  CacheMode mode() const noexcept { return mode_; }
  bool shared() const noexcept { return mode_ == CacheMode::shared_cache; }
  bool cache_control() const noexcept { return cache_control_; }
  bool heuristics() const noexcept { return heuristics_; }
  unsigned heuristic_percent() const noexcept { return heuristic_percent_; }
  std::chrono::seconds heuristic_cap() const noexcept { return heuristic_cap_; }
  bool stale_on_error() const noexcept { return stale_on_error_; }
  bool stale_extensions() const noexcept { return stale_extensions_; }
  bool strip_set_cookie() const noexcept { return strip_set_cookie_; }
  std::span<std::string const> targeted_fields() const noexcept {
    static std::string const cdn[] = {"CDN-Cache-Control"};
    if (targeted_fields_) return *targeted_fields_;
    return shared() ? std::span<std::string const>(cdn) : std::span<std::string const>();
  }

 private:
  std::optional<std::vector<std::string>> targeted_fields_;
  std::chrono::seconds heuristic_cap_{std::chrono::hours{24}};
  unsigned heuristic_percent_ = 10;
  CacheMode mode_ = CacheMode::private_cache;
  bool cache_control_ = true;
  bool heuristics_ = true;
  bool stale_on_error_ = true;
  bool stale_extensions_ = true;
  bool strip_set_cookie_ = false;
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
