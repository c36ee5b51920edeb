#pragma once
/// \file clock.hpp
/// Time as a parameter. Nothing in the library reads the wall clock except through a `Clock`.

#include <chrono>
#include <memory>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// A point in wall-clock time with a resolution of one millisecond, as it is stored in the cache file.
using TimePoint = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// Where the cache takes the time from, for `Date`, age and expiry. Timeouts use the steady clock instead.
///
/// Thread safety: `now()` is called from any thread, at any time.
class Clock {
 public:
  Clock() = default;
  Clock(Clock const&) = delete;
  Clock& operator=(Clock const&) = delete;
  virtual ~Clock() = default;

  /// The current time. It may jump in either direction: no caller relies on it being monotonic.
  virtual TimePoint now() const noexcept = 0;
};

/// The machine's wall clock.
class SystemClock final : public Clock {
 public:
  TimePoint now() const noexcept override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

/// One shared `SystemClock`, the default wherever a clock can be passed in.
inline std::shared_ptr<Clock const> const& system_clock() {
  static std::shared_ptr<Clock const> const clock = std::make_shared<SystemClock>();
  return clock;
}

}  // namespace v1
}  // namespace beast_cache
