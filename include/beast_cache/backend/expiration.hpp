#pragma once
/// \file expiration.hpp
/// How long a user wants a response to be kept: a duration, a time, for ever, or not at all.

#include <chrono>
#include <optional>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// The type of `never_expires`.
struct NeverExpires {
  explicit NeverExpires() = default;
};
/// The type of `do_not_cache`.
struct DoNotCache {
  explicit DoNotCache() = default;
};
/// Keep for ever.
inline constexpr NeverExpires never_expires{};
/// Neither look in the cache nor store there.
inline constexpr DoNotCache do_not_cache{};

/// What `expire_after` takes.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class Expiration {
 public:
  /// That long after the response came. Zero or less: `do_not_cache`.
  template <class Rep, class Period>
  Expiration(std::chrono::duration<Rep, Period> lifetime)
      : lifetime_(clamp(std::chrono::duration<double, std::milli>(lifetime).count())),
        store_(lifetime_.count() > 0) {}
  /// At that time; `TimePoint::max()` is never.
  template <class Duration>
  Expiration(std::chrono::time_point<std::chrono::system_clock, Duration> when)
      : when_(std::chrono::floor<std::chrono::milliseconds>(when)) {}
  Expiration(NeverExpires) : when_(TimePoint::max()) {}
  Expiration(DoNotCache) : store_(false) {}

  /// Whether the response may be stored and looked up at all.
  bool stores() const noexcept { return store_; }
  /// When a response that came at `now` expires; `TimePoint::max()` for never.
  TimePoint at(TimePoint now) const noexcept {
    if (when_) return *when_;
    return now > TimePoint::max() - lifetime_ ? TimePoint::max() : now + lifetime_;
  }

 private:
  static std::chrono::milliseconds clamp(double milliseconds) {
    constexpr double most = 1e15;  // 31 000 years
    if (!(milliseconds > 0)) return std::chrono::milliseconds(0);
    return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds < 1      ? 1
                                                               : milliseconds < most ? milliseconds
                                                                                     : most));
  }

  std::optional<TimePoint> when_;
  std::chrono::milliseconds lifetime_{0};
  bool store_ = true;
};

}  // namespace v1
}  // namespace beast_cache
