#pragma once
// Times a loop of operations: so many to warm up, then either so long or so many.

#include <chrono>
#include <cstddef>

namespace bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Shared by all the coroutines (of one thread) or by the one raw loop of a variant:
///
///     while (meter.next()) operation();
class Meter {
 public:
  static Meter timed(std::size_t warm_up, double seconds) { return Meter(warm_up, 0, seconds); }
  /// For what has to do the same work on both sides, such as writes with their checkpoints.
  static Meter counted(std::size_t warm_up, std::size_t count) { return Meter(warm_up, count, 0); }

  /// Whether to do one more operation.
  bool next() noexcept {
    if (stopped_) return false;
    if (count_ == warm_up_) begin_ = Clock::now();
    if (count_ > warm_up_ && over()) {
      stopped_ = true;
      end_ = Clock::now();
      return false;
    }
    ++count_;
    return true;
  }

  /// The loop has ended and everything begun is complete: a counted run ends here.
  void finish() noexcept {
    if (limit_ != 0) end_ = Clock::now();
  }

  std::size_t measured() const noexcept { return count_ - warm_up_; }
  /// Operations a second.
  double rate() const {
    return static_cast<double>(measured()) / std::chrono::duration<double>(end_ - begin_).count();
  }

 private:
  Meter(std::size_t warm_up, std::size_t limit, double seconds)
      : warm_up_(warm_up), limit_(limit), seconds_(seconds) {}

  bool over() const noexcept {
    if (limit_ != 0) return measured() == limit_;
    // Looking at the clock costs something too.
    return count_ % 16 == 0 && seconds_since(begin_) >= seconds_;
  }

  std::size_t warm_up_;
  std::size_t limit_;
  double seconds_;
  std::size_t count_ = 0;
  bool stopped_ = false;
  Clock::time_point begin_{};
  Clock::time_point end_{};
};

}  // namespace bench
