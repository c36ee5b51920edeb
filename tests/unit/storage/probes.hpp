#pragma once
// What the tests of concurrency and lifetime look at and hold on to.
#include <atomic>
#include <semaphore>

#include "beast_cache/storage/sqlite_cache.hpp"

// Counts the coroutine frames, or callables, that hold one.
class Live {
 public:
  Live() { ++count; }
  Live(Live const&) = delete;
  Live& operator=(Live const&) = delete;
  ~Live() { --count; }
  static inline std::atomic<int> count = 0;
};

// Holds a lane's thread inside a callable until it is let go.
class Gate {
 public:
  void block() {
    entered_.release();
    leave_.acquire();
  }
  void wait_until_entered() { entered_.acquire(); }
  void open() { leave_.release(); }

 private:
  std::binary_semaphore entered_{0};
  std::binary_semaphore leave_{0};
};

// Holds the lane of that use.
inline beast_cache::asio::awaitable<void> hold_lane(
    beast_cache::SQLiteCache& cache, Gate& gate,
    beast_cache::ConnectionUse use = beast_cache::ConnectionUse::write) {
  auto const block = [&gate](beast_cache::SQLiteConnection&) { gate.block(); };
  co_await cache.get_connection(block, use);
}
