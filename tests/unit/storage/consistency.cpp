// Who sees which writes, and when: from every executor, cache object and process.
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/child_process.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

// The same for every way in which reads are done.
class Variant {
 public:
  Variant(char const* n, SQLiteOptions o) : name(n), options(std::move(o)) {}
  char const* name;
  SQLiteOptions options;
};

std::vector<Variant> variants(asio::thread_pool& pool) {
  std::vector<Variant> all;
  all.emplace_back("default", SQLiteOptions());
  all.emplace_back("inline_reads", SQLiteOptions().inline_reads(true));
  all.emplace_back("readers(3)", SQLiteOptions().readers(3));
  all.emplace_back("the user's threads", SQLiteOptions().executor(pool.get_executor()));
  all.emplace_back("held for long", SQLiteOptions().hold_time(std::chrono::seconds(1)));
  return all;
}

asio::awaitable<void> read_until(SQLiteCache& cache, std::string key, std::atomic<bool>& stop) {
  while (!stop) {
    std::optional<std::string> const value = co_await cache.read(key);
    CHECK(value.has_value());
  }
}

asio::awaitable<void> write_value(SQLiteCache& cache, std::string key, std::string value) {
  co_await cache.write(std::move(key), std::move(value));
}

// A context that a thread of its own runs.
class Elsewhere {
 public:
  Elsewhere() : work_(context.get_executor()), thread_([this] { context.run(); }) {}
  ~Elsewhere() {
    work_.reset();
    thread_.join();
  }
  asio::io_context context;

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

// Reads all the time, so that there always is a read transaction that could be too old.
class ConstantReaders {
 public:
  ConstantReaders(SQLiteCache& cache, std::string const& key) {
    for (int i = 0; i < 3; ++i)
      asio::co_spawn(elsewhere_.context, read_until(cache, key, stop_), asio::detached);
  }
  ~ConstantReaders() { stop_ = true; }

 private:
  std::atomic<bool> stop_{false};
  Elsewhere elsewhere_;
};

// Each time that the other process says it has written, its value has to be there.
int rounds_seen(Child& child, SQLiteCache& cache, int rounds) {
  int seen = 0;
  for (int i = 0; i < rounds && child.await(); ++i) {
    std::optional<std::string> value;
    auto const read = [](SQLiteCache& c, std::optional<std::string>& v) -> asio::awaitable<void> {
      std::optional<std::string> found = co_await c.read("n");
      v = std::move(found);
    };
    run(read(cache, value));
    seen += value == std::to_string(i);
    child.tell();
  }
  return seen;
}

asio::awaitable<void> ping_pong(SQLiteCache& mine, SQLiteCache& other, asio::io_context& elsewhere,
                                int& seen) {
  for (int i = 0; i < 500; ++i) {
    std::string const text = std::to_string(i);
    co_await mine.write("n", text);
    std::optional<std::string> const there =
        co_await asio::co_spawn(elsewhere, other.read("n"), asio::use_awaitable);
    std::optional<std::string> const here = co_await mine.read("n");
    std::vector<std::string> keys{"n", "n"};
    std::vector<std::optional<std::string>> const many = co_await other.read_many(std::move(keys));
    if (there == text && here == text && many[0] == text && many[1] == text) ++seen;
  }
}

// --- halves of a transaction ---

constexpr int total = 1000;

asio::awaitable<void> open_accounts(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> accounts{{"a", std::to_string(total)}, {"b", "0"}};
  co_await cache.write_many(std::move(accounts));
  auto const table = [](SQLiteConnection& connection) {
    connection.execute("CREATE TABLE account(id INTEGER PRIMARY KEY, n INTEGER)");
    connection.execute("INSERT INTO account VALUES(1, 1000), (2, 0)");
  };
  co_await cache.get_connection(table);
}

// From one account to the other, by each kind of transaction in turn.
asio::awaitable<void> move_amounts(SQLiteCache& cache, std::atomic<bool>& stop) {
  for (int i = 1; i <= 600; ++i) {
    std::string const a = std::to_string(total - i), b = std::to_string(i);
    if (i % 3 == 0) {
      BulkCommit<std::string> bulk = cache.bulk_commit();
      co_await bulk.write("a", a);
      co_await bulk.write("b", b);
      co_await bulk.commit();
    } else {
      std::vector<SQLiteCache::Entry> accounts{{"a", a}, {"b", b}};
      co_await cache.write_many(std::move(accounts));
    }
    auto const move = [](SQLiteConnection& connection) {
      connection.execute("UPDATE account SET n = n - 1 WHERE id = 1");
      connection.execute("UPDATE account SET n = n + 1 WHERE id = 2");
    };
    co_await cache.get_connection(move);
  }
  stop = true;
}

asio::awaitable<void> watch_accounts(SQLiteCache& cache, std::atomic<bool>& stop, int& wrong, int& looked) {
  while (!stop) {
    std::vector<std::string> keys{"a", "b"};
    std::vector<std::optional<std::string>> const values = co_await cache.read_many(std::move(keys));
    if (std::stoi(values[0].value()) + std::stoi(values[1].value()) != total) ++wrong;
    auto const sum = [](SQLiteConnection& connection) {
      return connection.query_integer("SELECT n FROM account WHERE id = 1") +
             connection.query_integer("SELECT n FROM account WHERE id = 2");
    };
    std::int64_t const both = co_await cache.get_connection(sum, ConnectionUse::read);
    if (both != total) ++wrong;
    ++looked;
  }
}

// --- files ---

std::map<std::string, std::string> files_in(std::string const& directory) {
  std::map<std::string, std::string> files;
  for (auto const& entry : std::filesystem::directory_iterator(directory)) {
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().filename().string()] = std::string(std::istreambuf_iterator<char>(in), {});
  }
  return files;
}

asio::awaitable<void> overwrite(SQLiteCache& cache, int id, std::string wal, std::uintmax_t& biggest) {
  for (int i = 0; i < 4000; ++i) {
    co_await cache.write(std::to_string((id * 4000 + i) % 100),
                         std::string(2000, static_cast<char>('a' + id)));
    std::error_code none;
    std::uintmax_t const size = std::filesystem::file_size(wal, none);
    if (!none) biggest = std::max(biggest, size);
  }
}

asio::awaitable<void> look(SQLiteCache& cache) {
  std::optional<std::string> const value = co_await cache.read("n");
  CHECK(value == "0");
  std::uint64_t const size = co_await cache.size();
  CHECK(size == 1);
  std::vector<SQLiteCache::Entry> const page = co_await cache.page(std::nullopt, 10);
  CHECK(page.size() == 1);
  error_code const code = co_await code_of(cache.write("n", "1"));
  CHECK(code == cache_errc::readonly);
  error_code const cleared = co_await code_of(cache.clear());
  CHECK(cleared == cache_errc::readonly);
}

asio::awaitable<void> close(SQLiteCache& cache) {
  co_await cache.close();
}

}  // namespace

TEST_CASE("a write that completed is seen by every executor and cache object", "[storage]") {
  asio::thread_pool pool(4);
  for (Variant const& variant : variants(pool)) {
    CAPTURE(variant.name);
    TempDirectory directory;
    SQLiteCache mine(directory.file("demo"), "cache", variant.options);
    SQLiteCache other(directory.file("demo"), "cache", variant.options);
    run(write_value(mine, "n", "first"));
    int seen = 0;
    {
      ConstantReaders const readers(other, "n");
      Elsewhere elsewhere;
      run(ping_pong(mine, other, elsewhere.context, seen));
    }
    CHECK(seen == 500);
  }
}

TEST_CASE("a write that completed in another process is seen by the next read", "[storage]") {
  asio::thread_pool pool(4);
  for (Variant const& variant : variants(pool)) {
    for (bool const read_only : {false, true}) {
      CAPTURE(variant.name, read_only);
      TempDirectory directory;
      {
        SQLiteCache first(directory.file("demo"));
        run(write_value(first, "n", "first"));
        run(close(first));
      }
      Child child("[.pinger]", directory.file("demo"));
      SQLiteOptions options = variant.options;
      SQLiteCache cache(directory.file("demo"), "cache", options.read_only(read_only));
      int seen = 0;
      {
        ConstantReaders const readers(cache, "n");
        seen = rounds_seen(child, cache, 500);
      }
      CHECK(seen == 500);
      CHECK(child.end() == 0);
    }
  }
}

TEST_CASE("child that writes and says so", "[.pinger]") {
  Parent parent;
  SQLiteCache cache(Parent::file(), "cache", SQLiteOptions().checkpoint_pages(50));
  for (int i = 0; i < 500; ++i) {
    run(write_value(cache, "n", std::to_string(i)));
    parent.tell();
    REQUIRE(parent.await());
  }
}

TEST_CASE("nobody ever sees a half of a transaction", "[storage]") {
  asio::thread_pool pool(4);
  for (Variant const& variant : variants(pool)) {
    CAPTURE(variant.name);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", variant.options);
    SQLiteCache other(directory.file("demo"), "cache", variant.options);
    run(open_accounts(cache));
    std::atomic<bool> stop{false};
    int wrong = 0, looked = 0, failed = 0;
    {
      Elsewhere elsewhere;
      for (int i = 0; i < 3; ++i) {
        asio::co_spawn(elsewhere.context, watch_accounts(i == 0 ? cache : other, stop, wrong, looked),
                       [&](std::exception_ptr error) { failed += error != nullptr; });
      }
      try {
        run(move_amounts(cache, stop));
      } catch (...) {
        ++failed;
        stop = true;
      }
    }
    CHECK(failed == 0);
    CHECK(wrong == 0);
    CHECK(looked > 0);
  }
}

TEST_CASE("the write-ahead log stays bounded under constant readers of two processes", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache",
                    SQLiteOptions().wal_limit(std::size_t{4} << 20).checkpoint_pages(200));
  run(write_value(cache, "0", "first"));
  Child child("[.reader]", directory.file("demo"));
  REQUIRE(child.await());
  std::uintmax_t biggest = 0;
  int failed = 0;
  {
    ConstantReaders const readers(cache, "0");
    asio::io_context context;
    for (int i = 0; i < 10; ++i) {
      asio::co_spawn(context, overwrite(cache, i, directory.file("demo.sqlite-wal"), biggest),
                     [&](std::exception_ptr error) { failed += error != nullptr; });
    }
    context.run();
  }
  CHECK(failed == 0);
  CHECK(biggest > 0);
  // Without a bound it would hold all that was written, more than 80 MB. The writer waits only for some
  // milliseconds for a reader that the system does not let run, hence more than the limit.
  CHECK(biggest <= std::uintmax_t{16} << 20);
  CHECK(child.end() == 0);
}

TEST_CASE("the write-ahead log stays within its limit whatever the size of the pages", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache",
                    SQLiteOptions().page_size(65536).wal_limit(std::size_t{4} << 20));
  std::uintmax_t biggest = 0;
  for (int i = 0; i < 200; ++i) {
    run(write_value(cache, std::to_string(i % 10), std::string(100'000, static_cast<char>('a' + i % 26))));
    biggest = std::max(biggest, std::filesystem::file_size(directory.file("demo.sqlite-wal")));
  }
  CHECK(biggest > 0);
  CHECK(biggest <= std::uintmax_t{4} << 20);
}

TEST_CASE("child that reads all the time", "[.reader]") {
  Parent parent;
  SQLiteCache cache(Parent::file());
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::optional<std::string> const value = co_await c.read("0");
    CHECK(value.has_value());
  }(cache));
  ConstantReaders const readers(cache, "0");
  parent.tell();
  CHECK_FALSE(parent.await());  // until the parent ends it
}

TEST_CASE("a read-only cache changes neither the file nor its log, neither alone nor beside a writer",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache writer(directory.file("demo"));
  run(write_value(writer, "n", "0"));
  auto const beside = [&] {
    auto files = files_in(directory.path());
    files.erase("demo.sqlite-shm");  // the locks and marks of the readers
    return files;
  };
  {
    auto const before = beside();
    REQUIRE(before.count("demo.sqlite-wal") == 1);
    SQLiteCache reader(directory.file("demo"), "cache", SQLiteOptions().read_only(true));
    run(look(reader));
    run(close(reader));
    bool const same = beside() == before;
    CHECK(same);
  }
  run(close(writer));
  {
    auto const before = files_in(directory.path());
    REQUIRE(before.size() == 1);
    SQLiteCache reader(directory.file("demo"), "cache", SQLiteOptions().read_only(true));
    run(look(reader));
    run(close(reader));
    auto after = files_in(directory.path());
    CHECK(after.at("demo.sqlite") == before.at("demo.sqlite"));
    // What SQLite itself needs for reading in WAL mode, when no writer is there to have made it: an empty log
    // and the shared memory in which the readers mark themselves.
    CHECK(after["demo.sqlite-wal"].empty());
    after.erase("demo.sqlite-wal");
    after.erase("demo.sqlite-shm");
    CHECK(after.size() == 1);
  }
}

TEST_CASE("the transaction that inline reads share ends though nobody reads any more", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().inline_reads(true));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("k", "v");
    for (int i = 0; i < 100; ++i) {
      std::optional<std::string> const value = co_await c.read("k");
      CHECK(value == "v");
    }
    // Seen though it was made outside of the transaction that is open.
    co_await c.write("k", "w");
    std::optional<std::string> const value = co_await c.read("k");
    CHECK(value == "w");
  }(cache));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(directory.file("demo.sqlite").c_str(), &other) == SQLITE_OK);
  sqlite3_busy_timeout(other, 60'000);
  // It opens the log.
  REQUIRE(sqlite3_exec(other, "SELECT count(*) FROM cache", nullptr, nullptr, nullptr) == SQLITE_OK);
  int log = -1, moved = -1;
  // Waits for those who read from the log.
  CHECK(sqlite3_wal_checkpoint_v2(other, nullptr, SQLITE_CHECKPOINT_TRUNCATE, &log, &moved) == SQLITE_OK);
  CHECK(log == 0);
  sqlite3_close(other);
}

TEST_CASE("a walk ends although whoever walks replaces what it sees", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::vector<std::pair<std::string, std::string>> entries;
    for (int i = 0; i < 3000; ++i) entries.emplace_back(std::to_string(i), std::string(1024, 'v'));
    co_await c.write_many(std::move(entries));
    std::size_t seen = 0;
    auto cursor = c.entries();
    bool more = true;
    while (more && seen <= 3000) {
      auto batch = co_await cursor.next_batch();
      more = !batch.empty();
      seen += batch.size();
      std::vector<std::string> old;
      for (auto& [key, value] : batch) {
        old.push_back(key);
        key.insert(0, "new ");
      }
      co_await c.write_many(std::move(batch));
      co_await c.bulk_remove(std::move(old));
    }
    CHECK(seen == 3000);
    std::uint64_t const size = co_await c.size();
    CHECK(size == 3000);
  }(cache));
}

TEST_CASE("nothing is written by a connection that is for reading, whatever the database", "[storage]") {
  TempDirectory directory;
  std::string const name = GENERATE(as<std::string>(), ":memory:", "demo");
  SQLiteCache cache(name == "demo" ? directory.file(name) : name);
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("k", "v");
    for (ConnectionUse const use : {ConnectionUse::read, ConnectionUse::read_autocommit}) {
      auto const work = [](SQLiteConnection& db) { db.execute("DELETE FROM cache"); };
      error_code const code = co_await code_of(c.get_connection(work, use));
      CHECK(code == cache_errc::readonly);
    }
    std::uint64_t const size = co_await c.size();
    CHECK(size == 1);
    bool const removed = co_await c.remove("k");
    CHECK(removed);
  }(cache));
}

TEST_CASE("two names of one file that are opened at once are one database", "[storage]") {
  TempDirectory directory;
  {
    SQLiteCache cache(directory.file("one"));
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      co_await c.write("k", "v");
      co_await c.close();
    }(cache));
  }
  std::filesystem::create_hard_link(directory.file("one.sqlite"), directory.file("two.sqlite"));
  SQLiteCache one(directory.file("one")), two(directory.file("two"));
  run([](SQLiteCache& a, SQLiteCache& b) -> asio::awaitable<void> {
    auto first = a.write("x", "v");
    auto second = b.write("y", "v");  // before either has begun
    co_await std::move(first);
    co_await std::move(second);
    for (int i = 0; i < 20; ++i) {
      std::string const key = std::to_string(i);
      co_await a.write("a" + key, "v");
      co_await b.write("b" + key, "v");
      bool const there = co_await a.contains("b" + key);
      CHECK(there);
    }
    std::uint64_t const size = co_await b.size();
    CHECK(size == 43);
  }(one, two));
}
