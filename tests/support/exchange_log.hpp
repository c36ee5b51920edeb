#pragma once
// An observer that keeps what it is told of exchanges.

#include <atomic>
#include <chrono>
#include <mutex>
#include <vector>

#include "beast_cache/backend/observer.hpp"

namespace test_support {

/// Its clock is turned by reading it: each reading is one millisecond later than the one before.
class ExchangeLog final : public beast_cache::Observer {
 public:
  void on_exchange(beast_cache::ExchangeEvent const& event) override {
    std::lock_guard const lock(mutex_);
    events_.push_back(event);
  }
  std::chrono::steady_clock::time_point now() const noexcept override {
    return std::chrono::steady_clock::time_point(std::chrono::milliseconds(++readings_));
  }

  /// Takes what was told since the last call.
  std::vector<beast_cache::ExchangeEvent> take() {
    std::lock_guard const lock(mutex_);
    return std::exchange(events_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<beast_cache::ExchangeEvent> events_;
  mutable std::atomic<int> readings_ = 0;
};

}  // namespace test_support
