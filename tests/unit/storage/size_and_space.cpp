// size() without counting, what is left of erased values, vacuum, and the settings in force.
#include <sqlite3.h>

#include <boost/asio/detached.hpp>
#include <filesystem>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/command.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

using Bulk = BulkCommit<std::string>;

std::vector<SQLiteCache::Entry> numbered(int from, int count, std::size_t size = 10) {
  std::vector<SQLiteCache::Entry> entries;
  for (int i = from; i < from + count; ++i)
    entries.emplace_back("k" + std::to_string(i), std::string(size, 'v'));
  return entries;
}

// By size(), and by counting.
asio::awaitable<void> expect_size(SQLiteCache& cache, std::uint64_t expected) {
  std::uint64_t const size = co_await cache.size();
  CHECK(size == expected);
  auto const count = [](SQLiteConnection& connection) {
    return connection.query_integer("SELECT count(*) FROM cache");
  };
  std::int64_t const counted = co_await cache.get_connection(count, ConnectionUse::read);
  CHECK(counted == static_cast<std::int64_t>(size));
}

asio::awaitable<void> sql(SQLiteCache& cache, std::string statements, ConnectionUse use) {
  auto const execute = [&statements](SQLiteConnection& connection) { connection.execute(statements); };
  co_await cache.get_connection(execute, use);
}

asio::awaitable<void> fill(SQLiteCache& cache, int count, std::size_t size = 10) {
  std::vector<SQLiteCache::Entry> entries = numbered(0, count, size);
  co_await cache.write_many(std::move(entries));
}

asio::awaitable<void> fill_and_close(std::string file, int count) {
  SQLiteCache cache(file);
  co_await fill(cache, count);
  co_await cache.close();
}

std::string tool(TempDirectory const& directory, std::string const& statements) {
  return command("sqlite3 " + directory.file("demo.sqlite") + " \"" + statements + "\"");
}

// In another process: to open and close the file in this one would drop SQLite's locks.
std::string files_with(TempDirectory const& directory, std::string const& text) {
  return command("grep -l -a -c " + text + " " + directory.path() + "/* | sed 's#.*/##' || true");
}

}  // namespace

// --- size ---

TEST_CASE("size is exact after every operation", "[storage]") {
  TempDirectory directory;
  for (std::string const& file : {directory.file("demo"), std::string(":memory:")}) {
    SQLiteCache cache(file, "cache", SQLiteOptions().max_value_size(2 << 20));
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      co_await expect_size(c, 0);
      co_await c.write("a", "1");
      co_await expect_size(c, 1);
      co_await c.write("a", "2");
      co_await expect_size(c, 1);
      co_await fill(c, 10);
      co_await expect_size(c, 11);
      std::vector<SQLiteCache::Entry> overlapping = numbered(5, 10);
      overlapping.emplace_back("k5", "twice");
      co_await c.write_many(std::move(overlapping));
      co_await expect_size(c, 16);
      co_await c.remove("a");
      co_await c.remove("a");
      co_await expect_size(c, 15);
      std::vector<std::string> keys(2, "k0");
      keys.push_back("missing");
      keys.push_back("k1");
      co_await c.bulk_remove(std::move(keys));
      co_await expect_size(c, 13);
      co_await c.pop("k2");
      co_await c.pop("k2");
      co_await expect_size(c, 12);
      error_code const single = co_await code_of(c.write("big", std::string((2 << 20) + 1, 'v')));
      CHECK(single == cache_errc::too_big);
      std::vector<SQLiteCache::Entry> with_big = numbered(100, 10);
      with_big.emplace_back("big", std::string((2 << 20) + 1, 'v'));
      error_code const several = co_await code_of(c.write_many(std::move(with_big)));
      CHECK(several == cache_errc::too_big);
      co_await expect_size(c, 12);
      co_await c.clear();
      co_await expect_size(c, 0);
      co_await fill(c, 7);
      co_await expect_size(c, 7);
      co_await c.clear(Erase::secure);
      co_await expect_size(c, 0);
      co_await c.write("a", "1");
      co_await expect_size(c, 1);
    }(cache));
  }
}

TEST_CASE("size is exact after bulks, committed, dropped and nested", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (int const pads : {0, 9}) {
      CAPTURE(pads);
      co_await c.clear();
      co_await fill(c, 10);
      auto const change = [](Bulk& bulk, std::string key, int n) -> asio::awaitable<void> {
        co_await bulk.remove("k0");
        co_await bulk.remove("missing");
        co_await bulk.write(key, "1");
        co_await bulk.write("k1", "again");
        for (int i = 0; i < n; ++i) co_await bulk.write("pad", std::string(1 << 20, 'v'));
      };
      {
        Bulk bulk = c.bulk_commit();
        co_await change(bulk, "a", pads);
      }
      co_await expect_size(c, 10);
      std::uint64_t const pad = pads != 0;
      Bulk bulk = c.bulk_commit();
      co_await change(bulk, "a", pads);
      co_await bulk.commit();
      co_await expect_size(c, 10 + pad);
      {
        Bulk dropped = bulk.bulk_commit();
        co_await dropped.clear();
        co_await change(dropped, "b", pads);
        Bulk inside = dropped.bulk_commit();
        co_await change(inside, "c", pads);
        co_await inside.commit();
      }
      Bulk kept = bulk.bulk_commit();
      co_await change(kept, "d", pads);
      {
        Bulk dropped = kept.bulk_commit();
        co_await change(dropped, "e", pads);
      }
      co_await kept.commit();
      co_await bulk.commit();
      co_await expect_size(c, 11 + pad);
      co_await bulk.clear();
      co_await change(bulk, "f", pads);
      co_await bulk.commit();
      co_await expect_size(c, 2 + pad);
    }
  }(cache));
}

TEST_CASE("size is exact after many writers, of one cache, of two and of two tables", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo")), same(directory.file("demo"));
  SQLiteCache other(directory.file("demo"), "other");
  asio::io_context context;
  int failures = 0;
  auto const churn = [](SQLiteCache& c, int id) -> asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      std::string const key = "k" + std::to_string((id * 37 + i * 11) % 60);
      if ((id + i) % 3 == 0) {
        co_await c.remove(key);
      } else {
        co_await c.write(key, std::to_string(i));
      }
      std::uint64_t const size = co_await c.size();
      CHECK(size <= 60);
    }
  };
  for (int id = 0; id < 12; ++id) {
    SQLiteCache& target = id % 3 == 0 ? cache : id % 3 == 1 ? same : other;
    asio::co_spawn(context, churn(target, id), [&](std::exception_ptr e) { failures += e != nullptr; });
  }
  context.run();
  CHECK(failures == 0);
  run(expect_size(cache, std::stoull(tool(directory, "select count(*) from cache"))));
  run(expect_size(same, std::stoull(tool(directory, "select count(*) from cache"))));
  run([](SQLiteCache& c, std::uint64_t expected) -> asio::awaitable<void> {
    std::uint64_t const size = co_await c.size();
    CHECK(size == expected);
  }(other, std::stoull(tool(directory, "select count(*) from other"))));
}

namespace {

asio::awaitable<void> write_until(SQLiteCache& cache, int id, bool const& over) {
  for (int i = 0; !over; ++i) co_await cache.write(std::to_string(id) + "-" + std::to_string(i % 50), "v");
}

// Its first write is one of those that share a transaction with the others'.
asio::awaitable<void> write_into_each(std::string file, int tables, bool& over) {
  for (int i = 0; i < tables; ++i) {
    SQLiteCache table(file, "table" + std::to_string(i));
    co_await table.write("new", "v");
    std::uint64_t const size = co_await table.size();
    CHECK(size == 2);
  }
  over = true;
}

asio::awaitable<void> make_each(std::string file, int tables) {
  for (int i = 0; i < tables; ++i) {
    SQLiteCache table(file, "table" + std::to_string(i));
    co_await table.write("old", "v");
  }
}

}  // namespace

TEST_CASE("size is exact for a table that was opened while others write", "[storage]") {
  TempDirectory directory;
  std::string const file = directory.file("demo");
  run(make_each(file, 30));
  SQLiteCache busy(file, "busy");
  asio::io_context context;
  bool over = false;
  int failures = 0;
  for (int id = 0; id < 50; ++id) asio::co_spawn(context, write_until(busy, id, over), asio::detached);
  asio::co_spawn(context, write_into_each(file, 30, over),
                 [&](std::exception_ptr e) { failures += e != nullptr; });
  context.run();
  CHECK(failures == 0);
}

TEST_CASE("size is exact after SQL of the user's own", "[storage]") {
  for (ConnectionUse const use : {ConnectionUse::write, ConnectionUse::write_autocommit}) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    run([](SQLiteCache& c, ConnectionUse u) -> asio::awaitable<void> {
      co_await fill(c, 20);
      co_await sql(c, "INSERT INTO cache VALUES('a', x'00', 0), ('b', x'00', 0)", u);
      co_await expect_size(c, 22);
      co_await sql(c, "DELETE FROM cache WHERE key IN ('a', 'k0', 'missing')", u);
      co_await expect_size(c, 20);
      co_await sql(c, "INSERT OR REPLACE INTO cache VALUES('b', x'01', 0), ('c', x'00', 0)", u);
      co_await expect_size(c, 21);
      co_await sql(c, "INSERT OR IGNORE INTO cache VALUES('b', x'02', 0)", u);
      co_await expect_size(c, 21);
      co_await sql(c, "UPDATE OR REPLACE cache SET key = 'k1' WHERE key = 'k2'", u);
      co_await expect_size(c, 20);
      co_await sql(c, "DELETE FROM cache", u);
      co_await expect_size(c, 0);
      co_await fill(c, 5);
      co_await expect_size(c, 5);
    }(cache, use));
  }
}

TEST_CASE("size is exact after SQL of the user's own that was rolled back, as a whole or in part",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await fill(c, 20);
    error_code const failed = co_await code_of(
        sql(c, "DELETE FROM cache WHERE key < 'k2'; INSERT INTO nowhere VALUES(1)", ConnectionUse::write));
    CHECK(failed == cache_errc::invalid_argument);
    co_await expect_size(c, 20);
    co_await sql(c,
                 "SAVEPOINT mine; INSERT INTO cache VALUES('a', x'00', 0); ROLLBACK TO mine; RELEASE mine;"
                 "INSERT INTO cache VALUES('b', x'00', 0)",
                 ConnectionUse::write);
    co_await expect_size(c, 21);
    co_await sql(c, "BEGIN; DELETE FROM cache WHERE key = 'b'; ROLLBACK", ConnectionUse::write_autocommit);
    co_await expect_size(c, 21);
  }(cache));
}

TEST_CASE("size is exact after SQL of the user's own on the table of a cache that nobody has opened",
          "[storage]") {
  TempDirectory directory;
  run(fill_and_close(directory.file("demo"), 3));
  run([](std::string file) -> asio::awaitable<void> {
    SQLiteCache other(file, "other");
    co_await other.write("x", "1");
    co_await sql(other, "DELETE FROM cache WHERE key = 'k0'", ConnectionUse::write);
    co_await other.close();
  }(directory.file("demo")));
  SQLiteCache cache(directory.file("demo"));
  run(expect_size(cache, 2));
}

TEST_CASE("size is exact after SQL of the user's own that ends its transaction", "[storage]") {
  std::string const insert = "INSERT INTO cache VALUES('a', x'00', 0);";
  std::vector<std::string> ends{"COMMIT", "COMMIT; BEGIN", "ROLLBACK; BEGIN"};
  ends.push_back("COMMIT; BEGIN; DELETE FROM cache; ROLLBACK");
  ends.push_back("COMMIT; BEGIN; DELETE FROM cache; ROLLBACK; BEGIN");
  for (std::string const& end : ends) {
    for (bool const fails : {false, true}) {
      CAPTURE(end, fails);
      TempDirectory directory;
      SQLiteCache cache(directory.file("demo"));
      run([](SQLiteCache& c, std::string statements, bool f) -> asio::awaitable<void> {
        co_await fill(c, 5);
        if (f) statements += "; SELECT * FROM nowhere";
        error_code const code = co_await code_of(sql(c, std::move(statements), ConnectionUse::write));
        CHECK(code.failed() == f);
      }(cache, insert + end, fails));
      std::string const counted = tool(directory, "select count(*) from cache");
      CHECK(counted == (end.starts_with("ROLLBACK") ? "5\n" : "6\n"));
      run(expect_size(cache, std::stoull(counted)));
    }
  }
}

TEST_CASE("size is exact for two caches whose names differ in case: they have one table", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "Cache"), same(directory.file("demo"), "cache");
  run([](SQLiteCache& c, SQLiteCache& s) -> asio::awaitable<void> {
    co_await c.write("x", "1");
    co_await s.write("y", "1");
    co_await expect_size(c, 2);
    for (SQLiteCache* const which : {&s, &c}) {
      Bulk bulk = which->bulk_commit();
      co_await bulk.clear();
      for (int i = 0; i < 5; ++i) co_await bulk.write("k" + std::to_string(i), "v");
      co_await bulk.commit();
      co_await expect_size(c, 5);
      co_await expect_size(s, 5);
    }
  }(cache, same));
}

TEST_CASE("size after another tool's changes is right once write_autocommit was used", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(fill(cache, 20));
  tool(directory, "delete from cache where key < 'k15'");
  run(sql(cache, "SELECT 1", ConnectionUse::write_autocommit));
  run(expect_size(cache, std::stoull(tool(directory, "select count(*) from cache"))));
}

TEST_CASE("size is exact after SQL of the user's own during which somebody else counted", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  std::string const count = "sqlite3 " + directory.file("demo.sqlite") +
                            " \"UPDATE beast_cache_tables SET entries = (SELECT count(*) FROM cache)\"";
  run([](SQLiteCache& c, std::string const& ask) -> asio::awaitable<void> {
    co_await c.write("k", "v");
    auto const work = [&](SQLiteConnection& db) {
      command(ask);
      db.execute("INSERT INTO cache SELECT key || 'x', \"check\", value FROM cache");
    };
    co_await c.get_connection(work, ConnectionUse::write_autocommit);
    std::uint64_t const size = co_await c.size();
    CHECK(size == 2);
  }(cache, count));
}

TEST_CASE("a file of the first version is brought up to date and counted", "[storage]") {
  TempDirectory directory;
  {
    SQLiteCache cache(directory.file("demo"));
    run(fill(cache, 20));
  }
  tool(directory, "alter table beast_cache_tables drop column entries; pragma user_version=1");
  {
    SQLiteCache reader(directory.file("demo"), "cache", SQLiteOptions().read_only(true));
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      std::optional<std::string> const value = co_await c.read("k7");
      CHECK(value == std::string(10, 'v'));
      co_await expect_size(c, 20);
    }(reader));
  }
  CHECK(tool(directory, "pragma user_version") == "1\n");
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("a", "1");
    co_await expect_size(c, 21);
    co_await c.remove("k0");
    co_await expect_size(c, 20);
  }(cache));
  CHECK(tool(directory, "pragma user_version") != "1\n");
}

// --- space ---

TEST_CASE("clear(secure) leaves nothing of the values in any file, clear leaves a cache that works",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c, TempDirectory& d) -> asio::awaitable<void> {
    std::string big;
    for (int i = 0; i < 2000; ++i) big += "needle in a haystack ";
    for (int i = 0; i < 50; ++i) co_await c.write("secretkey" + std::to_string(i), big);
    co_await c.write("overwritten", "needle");
    co_await c.write("overwritten", "something else");
    co_await c.remove("secretkey3");
    CHECK(!files_with(d, "needle").empty());
    co_await c.clear(Erase::secure);
    CHECK(files_with(d, "needle") == "");
    CHECK(files_with(d, "secretkey") == "");
    co_await expect_size(c, 0);
    co_await c.write("after", "value");
    std::optional<std::string> const value = co_await c.read("after");
    CHECK(value == "value");
    co_await fill(c, 1000, 1024);
    co_await c.clear();
    co_await expect_size(c, 0);
    std::optional<std::string> const gone = co_await c.read("k0");
    CHECK_FALSE(gone);
    co_await fill(c, 1000, 1024);
    co_await expect_size(c, 1000);
  }(cache, directory));
  CHECK(tool(directory, "pragma integrity_check") == "ok\n");
}

TEST_CASE("clear(secure) of one table keeps the other tables of the file", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "first"), other(directory.file("demo"));
  run([](SQLiteCache& c, SQLiteCache& o) -> asio::awaitable<void> {
    co_await fill(c, 100, 1024);
    co_await fill(o, 100, 1024);
    co_await c.clear(Erase::secure);
    co_await expect_size(o, 100);
    std::optional<std::string> const value = co_await o.read("k99");
    CHECK(value == std::string(1024, 'v'));
    std::uint64_t const size = co_await c.size();
    CHECK(size == 0);
  }(cache, other));
}

TEST_CASE("clear(secure) fails as long as another program reads what it is to erase", "[storage]") {
  // Such a reader keeps the write-ahead log from being begun anew; one that reads from the file alone, for
  // the log had been moved there, keeps it from being moved.
  bool const from_file = GENERATE(false, true);
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache",
                    SQLiteOptions().busy_timeout(std::chrono::milliseconds(30)));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::string big;
    for (int i = 0; i < 1000; ++i) big += "needle in a haystack ";
    for (int i = 0; i < 50; ++i) co_await c.write("k" + std::to_string(i), big);
  }(cache));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(directory.file("demo.sqlite").c_str(), &other) == SQLITE_OK);
  auto const execute = [&](char const* statement) {
    REQUIRE(sqlite3_exec(other, statement, nullptr, nullptr, nullptr) == SQLITE_OK);
  };
  if (from_file) execute("PRAGMA wal_checkpoint");
  execute("BEGIN; SELECT count(*) FROM cache");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::string what;
    error_code const code = co_await code_of(c.clear(Erase::secure), &what);
    CHECK(code == cache_errc::busy);
    CHECK_THAT(what, Catch::Matchers::Contains("demo.sqlite"));
    co_await expect_size(c, 0);
  }(cache));
  CHECK(files_with(directory, "needle") != "");
  execute("COMMIT");
  run([](SQLiteCache& c) -> asio::awaitable<void> { co_await c.clear(Erase::secure); }(cache));
  CHECK(files_with(directory, "needle") == "");
  sqlite3_close(other);
}

TEST_CASE("vacuum gives free pages back within its budget, in steps between which others go on",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c, std::string file) -> asio::awaitable<void> {
    auto const checkpointed_size = [file] { return std::filesystem::file_size(file); };
    co_await fill(c, 20'000, 1024);
    co_await c.clear();
    co_await c.write("stays", "v");
    std::uint64_t last_freed = 0;
    int calls = 0;
    std::function<void(VacuumProgress const&)> progress = [&](VacuumProgress const& p) {
      CHECK(p.freed >= last_freed);
      last_freed = p.freed;
      ++calls;
    };
    VacuumProgress const some = co_await c.vacuum(1 << 20, progress);
    CHECK(some.freed > 0);
    CHECK(some.freed <= 1 << 20);
    CHECK(some.left > 10 << 20);
    CHECK(calls >= 1);
    CHECK(last_freed == some.freed);
    VacuumProgress const none = co_await c.vacuum(0);
    CHECK(none.freed == 0);
    CHECK(none.left == some.left);
    last_freed = 0;
    calls = 0;
    auto const executor = co_await asio::this_coro::executor;
    int written = 0, between = 0;
    std::function<void(VacuumProgress const&)> writing = [&](VacuumProgress const& p) {
      ++calls;
      if (p.left != 0) between = written;
      asio::co_spawn(executor, c.write("w" + std::to_string(calls), "v"),
                     [&](std::exception_ptr e) { written += !e; });
    };
    VacuumProgress const rest = co_await c.vacuum(UINT64_MAX, writing);
    CHECK(rest.left == 0);
    CHECK(rest.freed >= some.left);
    CHECK(calls > 1);
    CHECK(between > 0);
    // Behind all of them.
    auto const checkpoint = [](SQLiteConnection& connection) {
      connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
    };
    co_await c.get_connection(checkpoint, ConnectionUse::write_autocommit);
    CHECK(written == calls);
    CHECK(checkpointed_size() < 4 << 20);
    std::optional<std::string> const value = co_await c.read("stays");
    CHECK(value == "v");
    co_await expect_size(c, static_cast<std::uint64_t>(calls) + 1);
  }(cache, directory.file("demo.sqlite")));
  CHECK(tool(directory, "pragma integrity_check") == "ok\n");
}

// --- settings ---

TEST_CASE("settings reads back every option as it is in force", "[storage]") {
  TempDirectory directory;
  SQLiteOptions const options = SQLiteOptions()
                                    .busy_timeout(std::chrono::milliseconds(1234))
                                    .durability(Durability::full)
                                    .max_value_size(54321)
                                    .checkpoint_pages(77)
                                    .wal_limit(3 << 20)
                                    .page_size(8192)
                                    .cache_size(4 << 20)
                                    .mmap_size(1 << 20)
                                    .readers(2)
                                    .inline_reads(true)
                                    .hold_time(std::chrono::microseconds(500))
                                    .spin_time(std::chrono::microseconds(7))
                                    .max_queued_operations(99)
                                    .max_queued_bytes(12345678)
                                    .secret_key("secret")
                                    .salt("pepper");
  {
    SQLiteCache cache(directory.file("demo"), "cache", options);
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      SQLiteOptions const s = co_await c.settings();
      CHECK(s.busy_timeout() == std::chrono::milliseconds(1234));
      CHECK(s.durability() == Durability::full);
      CHECK_FALSE(s.fast_save());
      CHECK(s.max_value_size() == 54321);
      CHECK(s.checkpoint_pages() == 77);
      CHECK(s.wal_limit() == 3 << 20);
      CHECK(s.page_size() == 8192);
      CHECK(s.cache_size() == 4 << 20);
      CHECK(s.mmap_size() == 1 << 20);
      CHECK(s.readers() == 2);
      CHECK(s.inline_reads());
      CHECK(s.hold_time() == std::chrono::microseconds(500));
      CHECK(s.spin_time() == std::chrono::microseconds(7));
      CHECK(s.max_queued_operations() == 99);
      CHECK(s.max_queued_bytes() == 12345678);
      CHECK_FALSE(s.read_only());
      CHECK(s.secret_key().empty());
      CHECK(s.salt() != "pepper");
      co_await c.close();
    }(cache));
  }
  SQLiteCache again(directory.file("demo"), "cache", SQLiteOptions().page_size(1024));
  // The longest busy timeout and the strongest durability hold for all.
  SQLiteCache second(directory.file("demo"), "second",
                     SQLiteOptions()
                         .busy_timeout(std::chrono::seconds(60))
                         .durability(Durability::full)
                         .max_value_size(4321));
  run([](SQLiteCache& c, SQLiteCache& other) -> asio::awaitable<void> {
    SQLiteOptions const s = co_await c.settings();
    CHECK(s.page_size() == 8192);
    CHECK(s.durability() == Durability::normal);
    CHECK(s.cache_size() == 8 << 20);
    CHECK(s.mmap_size() == 0);
    co_await other.write("k", "v");
    co_await c.write("k", "v");
    SQLiteOptions const shared = co_await c.settings();
    CHECK(shared.busy_timeout() == std::chrono::seconds(60));
    CHECK(shared.durability() == Durability::full);
    // That is each cache's own.
    CHECK(shared.max_value_size() == SQLiteOptions().max_value_size());
    SQLiteOptions const others = co_await other.settings();
    CHECK(others.max_value_size() == 4321);
  }(again, second));
}

TEST_CASE("a busy timeout without end is a year", "[storage]") {
  // Added to the time of now, more would be in the past: nothing would be waited for.
  SQLiteOptions const options = SQLiteOptions().busy_timeout(std::chrono::milliseconds::max());
  CHECK(options.busy_timeout() == std::chrono::hours(24 * 365));
}

TEST_CASE("options out of their range are refused", "[storage]") {
  using namespace std::chrono_literals;
  SQLiteOptions o;
  CHECK_THROWS_AS(o.busy_timeout(-1ms), std::invalid_argument);
  CHECK_THROWS_AS(o.max_value_size(0), std::invalid_argument);
  CHECK_THROWS_AS(o.max_value_size(1'000'000'000), std::invalid_argument);
  CHECK_THROWS_AS(o.checkpoint_pages(0), std::invalid_argument);
  CHECK_THROWS_AS(o.checkpoint_pages(1'000'000'001), std::invalid_argument);
  CHECK_THROWS_AS(o.wal_limit((1 << 20) - 1), std::invalid_argument);
  for (std::size_t const bad : {0u, 1u, 256u, 1000u, 4097u, 131072u}) {
    CHECK_THROWS_AS(o.page_size(bad), std::invalid_argument);
  }
  CHECK_THROWS_AS(o.cache_size(0), std::invalid_argument);
  CHECK_THROWS_AS(o.cache_size((std::size_t{1} << 40) + 1), std::invalid_argument);
  CHECK_THROWS_AS(o.mmap_size((std::size_t{1} << 40) + 1), std::invalid_argument);
  CHECK_THROWS_AS(o.readers(0), std::invalid_argument);
  CHECK_THROWS_AS(o.readers(65), std::invalid_argument);
  CHECK_THROWS_AS(o.hold_time(-1us), std::invalid_argument);
  CHECK_THROWS_AS(o.hold_time(1000001us), std::invalid_argument);
  CHECK_THROWS_AS(o.spin_time(-1us), std::invalid_argument);
  CHECK_THROWS_AS(o.spin_time(10001us), std::invalid_argument);
  CHECK_THROWS_AS(o.max_queued_operations(0), std::invalid_argument);
  CHECK_THROWS_AS(o.max_queued_bytes(0), std::invalid_argument);
  // And what was refused changed nothing.
  CHECK(o.page_size() == 4096);
  CHECK(o.readers() == 1);
  CHECK(o.wal_limit() == std::size_t{128} << 20);
}
