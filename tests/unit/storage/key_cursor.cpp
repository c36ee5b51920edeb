// Keys are read ahead: what that may not change.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/run.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

constexpr int count = 60'000;  // some three fetches

std::string key_of(int i) {
  return "key " + std::to_string(100'000 + i);
}

asio::awaitable<void> fill(SQLiteCache& cache) {
  auto bulk = cache.bulk_commit();
  for (int i = 0; i < count; ++i) co_await bulk.write(key_of(i), "v");
  co_await bulk.commit();
}

asio::awaitable<void> skip_batch(Cursor<std::string>& cursor) {
  static_cast<void>(co_await cursor.next_batch());
}

}  // namespace

TEST_CASE("keys come once each and in their order, whichever context asks for the next ones", "[storage]") {
  auto const readers = GENERATE(1u, 3u);
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().readers(readers));
  run(fill(cache));
  Cursor<std::string> cursor = cache.keys();
  std::vector<std::string> keys;
  int batches = 0;
  for (;;) {
    // A context each, that goes while the next keys may be on their way.
    std::vector<std::string> batch = run(cursor.next_batch());
    if (batch.empty()) break;
    ++batches;
    for (std::string& key : batch) keys.push_back(std::move(key));
  }
  CHECK(batches > 2);
  REQUIRE(keys.size() == count);
  bool in_order = true;
  for (int i = 0; i < count; ++i) in_order = in_order && keys[static_cast<std::size_t>(i)] == key_of(i);
  CHECK(in_order);
}

TEST_CASE("a cursor is dropped while its next keys are read", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(fill(cache));
  std::optional<Cursor<std::string>> cursor = cache.keys();
  std::vector<std::string> const batch = run(cursor->next_batch());
  CHECK_FALSE(batch.empty());
  cursor.reset();
  run(cache.close());
  SQLiteCache again(directory.file("demo"));
  Cursor<std::string> anew = again.keys();
  std::vector<std::string> const same = run(anew.next_batch());
  CHECK(same == batch);
}

TEST_CASE("a cursor of a cache that was closed says so, though its next keys are there", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(fill(cache));
  Cursor<std::string> cursor = cache.keys();
  std::vector<std::string> const batch = run(cursor.next_batch());
  CHECK_FALSE(batch.empty());
  run(cache.close());
  CHECK(run(code_of(skip_batch(cursor))) == cache_errc::closed);
}

TEST_CASE("a cursor whose fetch was cancelled goes on behind the last key it gave", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(fill(cache));
  Cursor<std::string> cursor = cache.keys();
  std::vector<std::string> keys = run(cursor.next_batch());
  asio::io_context io;
  asio::cancellation_signal signal;
  asio::co_spawn(io, cursor.next_batch(),
                 asio::bind_cancellation_slot(
                     signal.slot(), [&](std::exception_ptr failure, std::vector<std::string> const& batch) {
                       // It may have come too late.
                       if (!failure) keys.insert(keys.end(), batch.begin(), batch.end());
                     }));
  io.poll_one();
  signal.emit(asio::cancellation_type::terminal);
  io.run();
  std::vector<std::string> const next = run(cursor.next_batch());
  REQUIRE_FALSE(next.empty());
  CHECK(next.front() == key_of(static_cast<int>(keys.size())));
}
