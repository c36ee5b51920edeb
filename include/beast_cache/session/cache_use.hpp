#pragma once
/// \file cache_use.hpp
/// What a session, or one request, may do with the cache and the network.

#include <cstdint>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// How the cache is used: by a session (`CachedSession::with`), or by one request (`use`). Several that are
/// given all count: none takes back what another one forbids. `replay` counts alone.
enum class CacheUse : std::uint8_t {
  normal,         ///< as RFC 9111 and the options say
  read_only,      ///< answers and validates, and leaves the cache as it is
  offline,        ///< answers from the cache or with 504, never from the origin (RFC 9111 section 5.2.1.7)
  refresh,        ///< validates what is stored, also when it is fresh
  force_refresh,  ///< fetches anew without looking, and stores the answer, unless it is a part (206)
  disabled,       ///< neither looks in the cache nor stores there
  /// For tests: what is stored answers, whatever its age, and what is not is fetched once and stored,
  /// whatever the method and whatever its header fields say of caching. `refresh` and `force_refresh` record
  /// anew.
  record,
  /// For tests: as `record`, but without the network and without writing. A request that nothing stored
  /// answers is an error (`cache_errc::not_recorded`) that names the stored one that is most like it.
  replay
};

namespace detail {

/// What a request may not, and what it has to do: `CacheUse` taken apart.
class Limits {
 public:
  Limits() = default;
  explicit constexpr Limits(CacheUse use) noexcept : bits_(bits_of(use)) {}

  /// What either says.
  Limits operator|(Limits other) const noexcept {
    Limits both;
    both.bits_ = bits_ | other.bits_;
    unsigned const failure = both.is_after_failure() ? no_look | unreadable : 0;
    // A program under test asks in its own way: all of that is answered from what was recorded.
    if (both.names_unmatched()) both.bits_ = bits_of(CacheUse::replay) | failure;
    return both;
  }
  /// Sets or clears what `use` says.
  void set(CacheUse use, bool on) noexcept {
    if (on) {
      *this = *this | Limits(use);
    } else {
      bits_ &= ~bits_of(use);
    }
  }

  /// For the one request, beside its uses: whether it is kept out of the cache.
  void keep_out(bool on) noexcept { bits_ = on ? bits_ | kept_out : bits_ & ~kept_out; }

  /// For another try without what is stored, which could not be read.
  static Limits after_failure() noexcept {
    Limits limits;
    limits.bits_ = no_look | unreadable;
    return limits;
  }
  bool is_after_failure() const noexcept { return (bits_ & unreadable) != 0; }

  /// Whether it is `CacheUse::normal`.
  bool is_none() const noexcept { return bits_ == 0; }
  /// Whether what is stored may answer, or be validated.
  bool looks() const noexcept { return (bits_ & no_look) == 0 && !(is_recording() && validates()); }
  bool stores() const noexcept { return (bits_ & no_store) == 0; }
  /// Whether an unsafe request removes what it makes invalid, and the user's filter what it refuses.
  bool removes() const noexcept { return (bits_ & (no_remove | no_ask)) == 0; }
  bool asks() const noexcept { return (bits_ & no_ask) == 0; }
  bool validates() const noexcept { return (bits_ & validate) != 0; }
  /// Whether the program keeps the exchange out of the cache. What it records it has to find again.
  bool keeps_out() const noexcept { return (bits_ & kept_out) != 0 && !is_recording(); }
  /// Whether all is stored and answered, whatever HTTP says of it.
  bool is_recording() const noexcept { return (bits_ & any_answer) != 0; }
  /// Whether it is an error when there is no answer.
  bool names_unmatched() const noexcept { return (bits_ & unmatched) != 0; }

 private:
  static constexpr unsigned no_look = 1, no_store = 2, no_remove = 4, no_ask = 8, validate = 16,
                            any_answer = 32, unmatched = 64, kept_out = 128, unreadable = 256;
  static constexpr unsigned bits_of(CacheUse use) noexcept {
    switch (use) {
      case CacheUse::read_only:
        return no_store | no_remove;
      case CacheUse::offline:
        return no_ask;
      case CacheUse::refresh:
        return validate;
      case CacheUse::force_refresh:
        return no_look;
      case CacheUse::disabled:
        return no_look | no_store;
      case CacheUse::record:
        return any_answer;
      case CacheUse::replay:
        return any_answer | no_store | no_remove | no_ask | unmatched;
      default:
        return 0;
    }
  }

  unsigned bits_ = 0;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
