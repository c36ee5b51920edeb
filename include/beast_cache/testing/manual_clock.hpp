#pragma once
/// \file manual_clock.hpp
/// A clock that a test turns by hand.

#include <atomic>
#include <chrono>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace testing {

/// Stands still until it is told otherwise. Starts at 2026-01-01 00:00:00 UTC.
///
/// Thread safety: distinct objects: safe; shared objects: safe.
class ManualClock final : public Clock {
 public:
  ManualClock() = default;

  TimePoint now() const noexcept override { return TimePoint(std::chrono::milliseconds(now_.load())); }
  /// Turns the clock on, or back with a negative duration.
  void advance(std::chrono::milliseconds by) noexcept { now_ += by.count(); }
  void set(TimePoint when) noexcept { now_ = when.time_since_epoch().count(); }

 private:
  std::atomic<std::int64_t> now_{1767225600000};
};

}  // namespace testing
}  // namespace v1
}  // namespace beast_cache
