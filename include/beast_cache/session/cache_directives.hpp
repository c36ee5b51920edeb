#pragma once
/// \file cache_directives.hpp
/// What one request of a `CachedSession` asks of the cache beyond its header fields.

#include <optional>

#include "beast_cache/backend/expiration.hpp"
#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// The cache's options of one request. Every setter returns the object, so that they can be chained.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class CacheDirectives {
 public:
  CacheDirectives() = default;

  /// How long the answer is fresh, whatever lifetime the origin gives it. `do_not_cache` (or zero) neither
  /// looks in the cache nor stores there. Default: what the response and the backend's options say.
  CacheDirectives& expire_after(Expiration expiration) {
    expire_after_ = expiration;
    return *this;
  }
  /// Whether a stored answer is validated with the origin even when it is fresh. Default: false.
  CacheDirectives& refresh(bool on) {
    refresh_ = on;
    return *this;
  }

  /// Whether it is answered from the cache or with 504, never from the origin. Default: false.
  /// Source: RFC 9111 section 5.2.1.7.
  CacheDirectives& only_if_cached(bool on) {
    only_if_cached_ = on;
    return *this;
  }

  std::optional<Expiration> const& expire_after() const noexcept { return expire_after_; }
  bool refresh() const noexcept { return refresh_; }
  bool only_if_cached() const noexcept { return only_if_cached_; }

 private:
  std::optional<Expiration> expire_after_;
  bool refresh_ = false;
  bool only_if_cached_ = false;
};

}  // namespace v1
}  // namespace beast_cache
