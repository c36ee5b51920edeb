// More operations than the cache takes at a time.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <deque>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/probes.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

std::array<SQLiteOptions, 2> narrow() {
  return {SQLiteOptions().max_queued_operations(8), SQLiteOptions().max_queued_bytes(1000)};
}

asio::awaitable<void> create(SQLiteCache& cache) {
  co_await cache.write("first", std::string(500, 'v'));
  bool const found = co_await cache.contains("first");
  CHECK(found);
}

asio::awaitable<void> expect_size(SQLiteCache& cache, std::uint64_t expected) {
  std::uint64_t const size = co_await cache.size();
  CHECK(size == expected);
}

asio::awaitable<void> expect_value(SQLiteCache& cache, std::string key, std::optional<std::string> expected) {
  std::optional<std::string> const value = co_await cache.read(std::move(key));
  CHECK(value == expected);
}

asio::awaitable<void> write_and_read(SQLiteCache& cache, int id, int& correct) {
  std::string const key = "key " + std::to_string(id);
  for (int i = 0; i < 20; ++i) {
    std::string const text = std::to_string(i) + std::string(300, 'v');
    co_await cache.write(key, text);
    std::optional<std::string> const value = co_await cache.read(key);
    if (value == text) ++correct;
  }
}

asio::awaitable<void> write_one(SQLiteCache& cache, std::string key, std::string value) {
  Live const live;
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await cache.write(std::move(key), std::move(value));
}

// The writer's lane held by an operation of a context of its own, which has to run once more afterwards.
class Held {
 public:
  explicit Held(SQLiteCache& cache) {
    asio::co_spawn(context_, hold_lane(cache, gate_), asio::detached);
    context_.poll();
    gate_.wait_until_entered();
  }
  void let_go() {
    gate_.open();
    context_.restart();
    context_.run();
  }

 private:
  Gate gate_;
  asio::io_context context_;
};

}  // namespace

TEST_CASE("thousands of operations past the bounds complete, each coroutine's in its order", "[storage]") {
  for (SQLiteOptions const& options : narrow()) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", options);
    run(create(cache));
    asio::io_context context;
    int correct = 0, failed = 0;
    for (int i = 0; i < 200; ++i) {
      asio::co_spawn(context, write_and_read(cache, i, correct),
                     [&](std::exception_ptr error) { failed += error != nullptr; });
    }
    context.run();
    CHECK(failed == 0);
    CHECK(correct == 200 * 20);
    run(expect_size(cache, 201));
  }
}

TEST_CASE("writes that had to wait happen in the order in which they were begun", "[storage]") {
  for (SQLiteOptions const& options : narrow()) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", options);
    run(create(cache));
    asio::io_context context;
    int done = 0;
    for (int i = 0; i < 3000; ++i) {
      asio::co_spawn(context, cache.write("same", std::to_string(i)),
                     [&](std::exception_ptr error) { done += !error; });
    }
    context.run();
    CHECK(done == 3000);
    run(expect_value(cache, "same", "2999"));
  }
}

TEST_CASE("operations that wait for room are cancelled at once, the others go on", "[storage]") {
  for (SQLiteOptions const& options : narrow()) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", options);
    run(create(cache));
    Held held(cache);
    asio::io_context context;
    std::deque<asio::cancellation_signal> signals(100);
    int aborted = 0, written = 0;
    for (int i = 0; i < 100; ++i) {
      asio::co_spawn(context, code_of(write_one(cache, std::to_string(i), std::string(300, 'v'))),
                     asio::bind_cancellation_slot(signals[static_cast<std::size_t>(i)].slot(),
                                                  [&](std::exception_ptr, error_code code) {
                                                    aborted += code == asio::error::operation_aborted;
                                                    written += !code;
                                                  }));
    }
    context.poll();
    CHECK(aborted + written == 0);
    // Some of those that the lane has, most of those that wait: the odd ones.
    for (std::size_t i = 1; i < 100; i += 2) signals[i].emit(asio::cancellation_type::partial);
    context.poll();
    CHECK(aborted == 50);
    CHECK(written == 0);
    CHECK(Live::count == 50);
    held.let_go();
    context.restart();
    context.run();
    CHECK(aborted == 50);
    CHECK(written == 50);
    run(expect_size(cache, 51));
    run(expect_value(cache, "97", std::nullopt));
    run(expect_value(cache, "98", std::string(300, 'v')));
  }
}

TEST_CASE("a context is destroyed while its operations wait for room", "[storage]") {
  for (SQLiteOptions const& options : narrow()) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", options);
    run(create(cache));
    Held held(cache);
    {
      asio::io_context context;
      for (int i = 0; i < 100; ++i) {
        asio::co_spawn(context, write_one(cache, std::to_string(i), std::string(300, 'v')), asio::detached);
      }
      context.poll();
      CHECK(Live::count == 100);
    }
    CHECK(Live::count == 0);
    held.let_go();
    run(expect_size(cache, 1));
    run(write_one(cache, "after", "v"));
    run(expect_size(cache, 2));
  }
}

TEST_CASE("a context that does not run holds up nobody but itself", "[storage]") {
  for (SQLiteOptions const& options : narrow()) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", options);
    run(create(cache));
    asio::io_context stopped;
    int taken = 0;
    for (int i = 0; i < 500; ++i) {
      asio::co_spawn(stopped, cache.read("first"), [&](std::exception_ptr, std::optional<std::string> value) {
        taken += value.has_value();
      });
      asio::co_spawn(stopped, cache.write("stopped " + std::to_string(i), std::string(300, 'v')),
                     [&](std::exception_ptr error) { taken += !error; });
    }
    // Begun, as far as there is room, and then nothing is taken.
    for (int i = 0; i < 1000; ++i) stopped.run_one();
    int const before = taken;
    asio::io_context context;
    int correct = 0;
    for (int i = 0; i < 100; ++i) asio::co_spawn(context, write_and_read(cache, i, correct), asio::detached);
    context.run();
    CHECK(correct == 100 * 20);
    CHECK(taken == before);
    stopped.run();
    CHECK(taken == 1000);
    run(expect_size(cache, 601));
  }
}

TEST_CASE("100 000 writes begun at once complete", "[storage]") {
  constexpr int count = under_thread_sanitizer ? 20'000 : 100'000;
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  asio::io_context context;
  int done = 0;
  for (int i = 0; i < count; ++i) {
    asio::co_spawn(context, cache.write(std::to_string(i), "v"), [&](std::exception_ptr e) { done += !e; });
  }
  context.run();
  CHECK(done == count);
  run(expect_size(cache, count));
}
