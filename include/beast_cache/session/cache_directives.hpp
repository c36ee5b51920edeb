#pragma once
/// \file cache_directives.hpp
/// What one request of a `CachedSession` asks of the cache beyond its header fields.

#include <optional>

#include "beast_cache/backend/expiration.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/session/cache_use.hpp"

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
  /// What the request may do with the cache and the network, beside what was said before. Default:
  /// `CacheUse::normal`.
  CacheDirectives& use(CacheUse use) {
    limits_.set(use, true);
    return *this;
  }
  /// Whether a stored answer is validated with the origin even when it is fresh: `CacheUse::refresh`.
  /// Default: false.
  CacheDirectives& refresh(bool on) {
    limits_.set(CacheUse::refresh, on);
    return *this;
  }

  /// Whether it is answered from the cache or with 504, never from the origin: `CacheUse::offline`. Default:
  /// false.
  CacheDirectives& only_if_cached(bool on) {
    limits_.set(CacheUse::offline, on);
    return *this;
  }
  /// Whether the exchange is kept out of the cache: neither answered from it nor stored there. Default:
  /// false.
  CacheDirectives& no_store(bool on) {
    limits_.keep_out(on);
    return *this;
  }
  /// Adds what a session says of all its requests.
  CacheDirectives& add(detail::Limits limits) {
    limits_ = limits_ | limits;
    return *this;
  }

  std::optional<Expiration> const& expire_after() const noexcept { return expire_after_; }
  detail::Limits limits() const noexcept { return limits_; }
  bool refresh() const noexcept { return limits_.validates(); }
  bool only_if_cached() const noexcept { return !limits_.asks(); }
  bool no_store() const noexcept { return limits_.keeps_out(); }

 private:
  std::optional<Expiration> expire_after_;
  detail::Limits limits_;
};

}  // namespace v1
}  // namespace beast_cache
