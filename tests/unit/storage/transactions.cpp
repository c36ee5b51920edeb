// Transactions that can't begin, go on or end; the order of what had to wait; files that were renamed.
#include <sqlite3.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;
using namespace std::chrono_literals;

namespace {

// Refuses statements about savepoints on a cache's writing handle.
class Refusal {
 public:
  std::string_view what;  // BEGIN or RELEASE; none while it is empty

  static int authorize(void* self, int action, char const* operation, char const*, char const*,
                       char const*) noexcept {
    std::string_view const refused = static_cast<Refusal*>(self)->what;
    return action == SQLITE_SAVEPOINT && operation == refused ? SQLITE_DENY : SQLITE_OK;
  }
};

asio::awaitable<void> set_up(SQLiteCache& cache, Refusal& refusal) {
  auto const install = [&](SQLiteConnection& connection) {
    sqlite3_set_authorizer(connection.native_handle(), Refusal::authorize, &refusal);
  };
  co_await cache.get_connection(install);
}

asio::awaitable<void> expect_value(SQLiteCache& cache, std::string key, std::optional<std::string> expected) {
  std::optional<std::string> const value = co_await cache.read(std::move(key));
  CHECK(value == expected);
}

asio::awaitable<void> write_two(SQLiteCache& cache, std::string value) {
  std::vector<SQLiteCache::Entry> entries;
  entries.emplace_back("a", value);
  entries.emplace_back("b", std::move(value));
  co_await cache.write_many(std::move(entries));
}

asio::awaitable<void> expect_failure(asio::awaitable<void> operation, error_code expected) {
  error_code const code = co_await code_of(std::move(operation));
  CHECK(code == expected);
}

asio::awaitable<void> read_one(SQLiteCache& cache) {
  std::optional<std::string> const value = co_await cache.read("large");
  CHECK(value.has_value());
}

}  // namespace

TEST_CASE("a transaction that can't be divided is rolled back as a whole, and the next one works",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(cache.write("first", "1"));
  Refusal refusal;
  run(set_up(cache, refusal));
  refusal.what = GENERATE(as<std::string_view>(), "BEGIN", "RELEASE");
  CAPTURE(refusal.what);
  // With another write in the same transaction, as a rule.
  asio::io_context context;
  std::exception_ptr one, two;
  asio::co_spawn(context, cache.write("c", "1"), [&](std::exception_ptr error) { one = error; });
  asio::co_spawn(context, write_two(cache, "1"), [&](std::exception_ptr error) { two = error; });
  context.run();
  CHECK(two);
  refusal.what = {};
  run(expect_value(cache, "a", std::nullopt));
  run(expect_value(cache, "b", std::nullopt));
  run(expect_value(cache, "c", one ? std::nullopt : std::optional<std::string>("1")));
  run(write_two(cache, "2"));
  run(cache.write("d", "2"));
  run(expect_value(cache, "a", "2"));
  run(expect_value(cache, "d", "2"));
}

TEST_CASE("what is queued behind a write that waited for another process has waited as well", "[storage]") {
  TempDirectory directory;
  std::string const file = directory.file("demo.sqlite");
  SQLiteCache cache(file, "cache", SQLiteOptions().busy_timeout(300ms));
  run(cache.write("first", "1"));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  constexpr int writes = 60;
  asio::io_context context;
  int failed = 0;
  auto const began = std::chrono::steady_clock::now();
  for (int i = 0; i < writes; ++i) {
    asio::co_spawn(context, expect_failure(cache.write("k", "2"), cache_errc::busy),
                   [&](std::exception_ptr error) { failed += !error; });
  }
  context.run();
  CHECK(failed == writes);
  // One after the other they would take eighteen seconds.
  CHECK(std::chrono::steady_clock::now() - began < 9s);
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  run(cache.write("k", "3"));
  run(expect_value(cache, "k", "3"));
}

TEST_CASE("what had to wait for its context keeps its order", "[storage]") {
  TempDirectory directory;
  bool const in_memory = GENERATE(true, false);
  std::string const name = in_memory ? ":memory:" : directory.file("demo");
  SQLiteCache cache(name, "cache", SQLiteOptions().max_queued_bytes(4 << 20));
  run(cache.write("large", std::string(1 << 20, 'v')));
  asio::io_context context;
  int done = 0;
  auto const count = [&](std::exception_ptr error) { done += !error; };
  std::vector<int> order;
  for (int i = 0; i < 20; ++i) asio::co_spawn(context, read_one(cache), count);
  for (int i = 0; i < 5; ++i) {
    asio::co_spawn(context, cache.write("k", std::to_string(i)), [&, i](std::exception_ptr error) {
      done += !error;
      order.push_back(i);
    });
  }
  // While it is busy, as much is read for it as it may leave untaken; the rest is put off.
  asio::post(context, [&] { run(expect_value(cache, "absent", std::nullopt)); });
  asio::co_spawn(context, cache.close(), [&](std::exception_ptr error) {
    done += !error;
    order.push_back(5);
  });
  context.run();
  CHECK(done == 26);
  CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5});
  if (in_memory) return;
  SQLiteCache again(name);
  run(expect_value(again, "k", "4"));
}

TEST_CASE("a cache that is opened by a file's new name writes there", "[storage]") {
  TempDirectory directory;
  std::string const before = directory.file("a.sqlite"), now = directory.file("b.sqlite");
  SQLiteCache old(before);
  run(old.write("k", "1"));
  for (char const* const part : {"", "-wal", "-shm"}) {
    if (std::filesystem::exists(before + part)) std::filesystem::rename(before + part, now + part);
  }
  SQLiteCache cache(now);
  for (int i = 0; i < 3; ++i) run(cache.write("x" + std::to_string(i), "2"));
  CHECK_FALSE(std::filesystem::exists(before));
  run(cache.close());
  SQLiteCache again(now);
  run(expect_value(again, "k", "1"));
  for (int i = 0; i < 3; ++i) run(expect_value(again, "x" + std::to_string(i), "2"));
}
