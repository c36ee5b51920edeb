// What reaches the disk, in which order, and what is there when the power fails.
#include "storage/sqlite/vfs.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <vector>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/disk.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;
using test::Disk;

namespace {

using Call = Disk::Call;

std::size_t count(std::vector<Disk::Event> const& events, Call call, std::string const& suffix) {
  return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](Disk::Event const& event) {
    return event.call == call && event.file.ends_with(suffix);
  }));
}

std::string key(int i) {
  return "key " + std::to_string(i);
}
std::string value(int i) {
  return std::string(3000, static_cast<char>('a' + i % 26)) + std::to_string(i);
}

asio::awaitable<void> write_one(SQLiteCache& cache, std::string key, std::string value) {
  co_await cache.write(std::move(key), std::move(value));
}

// One after another; `done` counts those that were acknowledged.
asio::awaitable<void> write_in_turn(SQLiteCache& cache, int writes, std::atomic<int>& done) {
  for (int i = 0; i < writes; ++i) {
    co_await cache.write(key(i), value(i));
    ++done;
  }
}

// As many as there are from the first on, without a gap; the file is sound and has no others.
asio::awaitable<void> count_prefix(SQLiteCache& cache, int most, int& found) {
  std::string sound;
  auto const check = [&](SQLiteConnection& connection) {
    sound = connection.query_text("PRAGMA integrity_check");
  };
  co_await cache.get_connection(check);
  CHECK(sound == "ok");
  found = 0;
  for (int i = 0; i < most; ++i) {
    std::optional<std::string> const there = co_await cache.read(key(i));
    if (there) {
      CHECK(*there == value(i));
      CHECK(found == i);
      ++found;
    }
  }
  std::uint64_t const size = co_await cache.size();
  CHECK(size == static_cast<std::uint64_t>(found));
}

// What is left of writes that were made until the power was cut at that call. True if it was cut.
bool survive(Durability durability, int call, unsigned seed, bool lying, int& acknowledged, int& found) {
  constexpr int writes = 30;
  TempDirectory before, after;
  bool was_cut = false;
  {
    Disk disk;
    if (lying) disk.ignore_syncs();
    std::atomic<int> done{0};
    acknowledged = 0;
    disk.cut_power_at(call, [&] { acknowledged = done; });
    SQLiteCache cache(before.file("cache"), "cache",
                      SQLiteOptions().durability(durability).checkpoint_pages(16));
    run(write_in_turn(cache, writes, done));
    was_cut = disk.was_cut();
    if (was_cut) disk.restore(after.path(), seed);
  }
  found = 0;
  if (!was_cut) return false;
  SQLiteCache cache(after.file("cache"));
  run(count_prefix(cache, writes, found));
  return true;
}

}  // namespace

TEST_CASE("A transaction reaches the log by few writes", "[storage][vfs]") {
  TempDirectory directory;
  Disk disk;
  SQLiteCache cache(directory.file("cache"));
  run(write_one(cache, "first", "value"));
  disk.take_events();
  std::vector<SQLiteCache::Entry> entries;
  for (int i = 0; i < 200; ++i) entries.emplace_back(key(i), value(i));
  auto const write_all = [](SQLiteCache& c, std::vector<SQLiteCache::Entry> all) -> asio::awaitable<void> {
    co_await c.write_many(std::move(all));
  };
  run(write_all(cache, std::move(entries)));
  auto const events = disk.take_events();
  // 200 pages at the least, each written by two calls of SQLite's.
  CHECK(count(events, Call::write, "-wal") <= 10);
  CHECK(count(events, Call::write, "-wal") >= 6);
  CHECK(count(events, Call::write, ".sqlite") == 0);
}

TEST_CASE("Durability says what a commit waits for", "[storage][vfs]") {
  for (auto const durability : {Durability::normal, Durability::full}) {
    TempDirectory directory;
    Disk disk;
    SQLiteCache cache(directory.file("cache"), "cache", SQLiteOptions().durability(durability));
    run(write_one(cache, "first", "value"));
    disk.take_events();
    for (int i = 0; i < 20; ++i) run(write_one(cache, key(i), value(i)));
    auto const events = disk.take_events();
    CHECK(count(events, Call::sync, "-wal") == (durability == Durability::full ? 20u : 0u));
    // Written they are, whether they are waited for or not.
    CHECK(count(events, Call::write, "-wal") == 20);
  }
}

TEST_CASE("PRAGMA synchronous is what it says, and is never OFF", "[storage][vfs]") {
  TempDirectory directory;
  Disk disk;
  SQLiteCache cache(directory.file("cache"));
  auto const work = [](SQLiteCache& c, std::string& modes) -> asio::awaitable<void> {
    error_code off;
    auto const set = [&](SQLiteConnection& connection) {
      for (char const* const mode : {"FULL", "normal", "EXTRA", "1", "2"}) {
        connection.execute(std::string("PRAGMA synchronous=") + mode);
        modes += connection.query_text("PRAGMA synchronous");
      }
    };
    auto const switch_off = [](SQLiteConnection& connection) {
      connection.execute("PRAGMA synchronous=OFF");
    };
    co_await c.get_connection(set, ConnectionUse::write_autocommit);
    off = co_await code_of(c.get_connection(switch_off, ConnectionUse::write_autocommit));
  };
  std::string modes;
  run(work(cache, modes));
  CHECK(modes == "21312");
  // The last one counts.
  disk.take_events();
  run(write_one(cache, "key", "value"));
  CHECK(count(disk.take_events(), Call::sync, "-wal") == 1);
}

TEST_CASE("The log is on the disk before the file is overwritten", "[storage][vfs]") {
  TempDirectory directory;
  Disk disk;
  SQLiteCache cache(directory.file("cache"), "cache", SQLiteOptions().checkpoint_pages(10));
  std::atomic<int> done{0};
  run(write_one(cache, "first", "value"));
  disk.take_events();
  run(write_in_turn(cache, 100, done));
  bool log_is_on_disk = false, file_is_on_disk = true;
  int checkpoints = 0;
  for (Disk::Event const& event : disk.take_events()) {
    bool const of_log = event.file.ends_with("-wal");
    if (event.call == Call::sync) (of_log ? log_is_on_disk : file_is_on_disk) = true;
    if (event.call != Call::write) continue;
    if (of_log) {
      log_is_on_disk = false;
      // The log is begun anew only when what was in it is in the file.
      if (event.offset == 0) CHECK(file_is_on_disk);
    } else {
      CHECK(log_is_on_disk);
      checkpoints += file_is_on_disk;
      file_is_on_disk = false;
    }
  }
  CHECK(checkpoints >= 5);
}

TEST_CASE("A write that was held back and fails is an error of its commit", "[storage][vfs]") {
  TempDirectory directory;
  Disk disk;
  SQLiteCache cache(directory.file("cache"));
  run(write_one(cache, "key", "old"));
  disk.fail_writes("-wal", 1);
  error_code code;
  std::optional<std::string> seen, after;
  auto const work = [](SQLiteCache& c, error_code& failure, std::optional<std::string>& first,
                       std::optional<std::string>& second) -> asio::awaitable<void> {
    failure = co_await code_of(c.write("key", "new"));
    first = co_await c.read("key");
    co_await c.write("key", "newer");
    second = co_await c.read("key");
  };
  run(work(cache, code, seen, after));
  CHECK(code == cache_errc::io);
  CHECK(seen == "old");
  CHECK(after == "newer");
}

namespace {

constexpr char fill[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
    " INSERT INTO mine SELECT i, randomblob(3000) FROM n;";

// With more pages than the handle may keep, so that they are in the log before the end; `last` ends it.
asio::awaitable<void> write_much(SQLiteCache& cache, std::string last) {
  auto const work = [&](SQLiteConnection& connection) {
    connection.execute("CREATE TABLE IF NOT EXISTS mine(i INTEGER PRIMARY KEY, x UNIQUE); DELETE FROM mine");
    connection.execute(std::string("BEGIN;") + fill + last);
  };
  co_await cache.get_connection(work, ConnectionUse::write_autocommit);
}

asio::awaitable<void> look_after(SQLiteCache& cache, std::string& sound, std::int64_t& rows) {
  auto const look = [&](SQLiteConnection& connection) {
    sound = connection.query_text("PRAGMA integrity_check");
    rows = connection.query_integer("SELECT count(*) FROM mine");
  };
  co_await cache.get_connection(look, ConnectionUse::write_autocommit);
}

}  // namespace

TEST_CASE("What was rolled back is not written over what others commit", "[storage][vfs]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("cache"), "cache", SQLiteOptions().cache_size(64 << 10));
  run(write_one(cache, "key", "value"));
  run(write_much(cache, "ROLLBACK"));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open_v2(directory.file("cache.sqlite").c_str(), &other, SQLITE_OPEN_READWRITE, nullptr) ==
          SQLITE_OK);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> const closed(other, sqlite3_close);
  REQUIRE(sqlite3_exec(other, fill, nullptr, nullptr, nullptr) == SQLITE_OK);
  std::string sound;
  std::int64_t rows = 0;
  run(look_after(cache, sound, rows));
  CHECK(sound == "ok");
  CHECK(rows == 300);
  run(write_one(cache, "key", "another value"));
  REQUIRE(sqlite3_exec(other, "DELETE FROM mine WHERE i > 200", nullptr, nullptr, nullptr) == SQLITE_OK);
  run(look_after(cache, sound, rows));
  CHECK(sound == "ok");
  CHECK(rows == 200);
}

TEST_CASE("A transaction whose pages could not be written is never committed", "[storage][vfs]") {
  for (int const code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    int failed = 0;
    for (int calls = 1; calls < 4; ++calls) {
      TempDirectory directory;
      Disk disk;
      SQLiteCache cache(directory.file("cache"), "cache", SQLiteOptions().cache_size(64 << 10));
      run(write_one(cache, "key", "value"));
      run(write_much(cache, "ROLLBACK"));
      disk.fail_writes("-wal", calls, code);
      auto const work = [](SQLiteCache& c, error_code& failure) -> asio::awaitable<void> {
        failure = co_await code_of(write_much(c, "COMMIT"));
      };
      error_code failure;
      run(work(cache, failure));
      failed += failure ? 1 : 0;
      disk.fail_writes("-wal", 0);
      std::string sound;
      std::int64_t rows = 0;
      run(look_after(cache, sound, rows));
      CHECK(sound == "ok");
      CHECK(rows == (failure ? 0 : 300));
      run(write_much(cache, "COMMIT"));
      run(look_after(cache, sound, rows));
      CHECK(sound == "ok");
      CHECK(rows == 300);
    }
    CHECK(failed == 3);
  }
}

TEST_CASE("A disk that is full because of the log is not full for ever", "[storage][vfs]") {
  TempDirectory directory;
  Disk disk;
  SQLiteCache cache(directory.file("cache"));
  run(write_one(cache, "key", "value"));
  disk.limit_size("-wal", 500'000);
  auto const fill = [](SQLiteCache& c, int& failed, int& last) -> asio::awaitable<void> {
    for (int i = 0; i < 300; ++i) {
      error_code const code =
          co_await code_of(c.write("key", std::string(10'000, static_cast<char>('a' + i % 26))));
      if (!code) continue;
      CHECK(code == cache_errc::full);
      ++failed;
      last = i;
    }
  };
  int failed = 0, last = 0;
  run(fill(cache, failed, last));
  CHECK(failed > 0);
  CHECK(failed < 20);
  CHECK(last < 299);
}

TEST_CASE("A checkpoint that can't write loses nothing", "[storage][vfs]") {
  for (int const code : {SQLITE_FULL, SQLITE_IOERR_WRITE}) {
    TempDirectory directory;
    constexpr int writes = 60;
    int found = 0;
    {
      Disk disk;
      SQLiteCache cache(directory.file("cache"), "cache", SQLiteOptions().checkpoint_pages(10));
      std::atomic<int> done{0};
      run(write_one(cache, "first", "value"));
      disk.fail_writes(".sqlite", 1, code);
      run(write_in_turn(cache, writes, done));
      disk.fail_writes(".sqlite", 1'000'000, code);  // and not when it closes, either
    }
    SQLiteCache cache(directory.file("cache"));
    auto const forget_first = [](SQLiteCache& c) -> asio::awaitable<void> { co_await c.remove("first"); };
    run(forget_first(cache));
    run(count_prefix(cache, writes, found));
    CHECK(found == writes);
  }
}

TEST_CASE("Pages that were read along are not used when the file has changed", "[storage][vfs]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("cache"));
  // Big enough for many pages in a row.
  auto const big = [](char c) { return std::string(1'000'000, c); };
  run(write_one(cache, "key", big('a')));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open_v2(directory.file("cache.sqlite").c_str(), &other, SQLITE_OPEN_READWRITE, nullptr) ==
          SQLITE_OK);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> const closed(other, sqlite3_close);
  auto const read_into = [](SQLiteCache& c, std::string& to) -> asio::awaitable<void> {
    bool const found = co_await c.read_into("key", to);
    CHECK(found);
  };
  for (char c = 'b'; c < 'j'; ++c) {
    std::string there;
    run(read_into(cache, there));
    CHECK((there == big(static_cast<char>(c - 1))));
    run(write_one(cache, "key", big(c)));
    // Another program moves the log into the file: the pages are where others were.
    CHECK(sqlite3_exec(other, "PRAGMA wal_checkpoint(TRUNCATE)", nullptr, nullptr, nullptr) == SQLITE_OK);
    run(read_into(cache, there));
    CHECK((there == big(c)));
  }
}

TEST_CASE("Pages in their order are read along, others between them and the file's end before them",
          "[storage][vfs]") {
  TempDirectory directory;
  Disk disk;
  auto const open = [&] {
    sqlite3* db = nullptr;
    REQUIRE(sqlite3_open_v2(directory.file("db.sqlite").c_str(), &db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, sqlite::vfs_name()) == SQLITE_OK);
    return std::unique_ptr<sqlite3, int (*)(sqlite3*)>(db, sqlite3_close);
  };
  auto const execute = [](auto const& db, char const* sql) {
    return sqlite3_exec(db.get(), sql, nullptr, nullptr, nullptr);
  };
  // A row of t fills a page; u has one page that is always read, and lies at the end of the file.
  CHECK(
      execute(open(),
              "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(id INTEGER "
              "PRIMARY KEY, v); "
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
              "INSERT INTO t SELECT i, randomblob(3000) FROM n;"
              "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
              "INSERT INTO u SELECT i, randomblob(3000) FROM n") == SQLITE_OK);
  auto const db = open();
  CHECK(execute(db, "PRAGMA cache_size=10; BEGIN; SELECT sum(length(hex(v))) FROM u WHERE id > 190") ==
        SQLITE_OK);
  disk.take_events();
  SECTION("after the file's end has been read") {
    CHECK(execute(db, "SELECT sum(length(hex(v))) FROM t") == SQLITE_OK);
    CHECK(count(disk.take_events(), Call::read, ".sqlite") < 200);
  }
  SECTION("with others between them") {
    CHECK(execute(db,
                  "SELECT sum(length(hex(t.v)) + length(hex(u.v))) FROM t CROSS JOIN u ON u.id = t.id * 7919 "
                  "% 190 WHERE t.id % 20 = 0 OR t.id % 20 > 1 AND length(hex(t.v)) = 0") == SQLITE_OK);
    CHECK(count(disk.take_events(), Call::read, ".sqlite") < 500);
  }
}

TEST_CASE("Who waits for a commit is told before its log is moved into the file", "[storage][vfs]") {
  int call = 0;
  for (bool waits : {false, true}) {
    TempDirectory directory;
    Disk disk;
    SQLiteCache cache(directory.file("cache"), "cache", SQLiteOptions().checkpoint_pages(16));
    run(write_one(cache, "first", "value"));
    disk.take_events();
    std::promise<void> told;
    bool was_told = false;
    if (waits) {
      disk.cut_power_at(call, [&] {
        was_told = told.get_future().wait_for(std::chrono::minutes(1)) == std::future_status::ready;
      });
    }
    run(write_one(cache, "long", std::string(100'000, 'x')));
    told.set_value();
    run(write_one(cache, "next", "value"));  // the checkpoint comes before it
    if (waits) {
      CHECK(disk.was_cut());
      CHECK(was_told);
      continue;
    }
    // The next time it waits before the file is written to.
    for (Disk::Event const& event : disk.take_events()) {
      if (event.call == Call::read) continue;
      ++call;
      if (event.call == Call::write && event.file.ends_with(".sqlite")) break;
    }
    CHECK(call > 1);
  }
}

TEST_CASE("What was acknowledged with Durability::full survives a power cut at any moment",
          "[storage][vfs]") {
  bool was_cut = true;
  for (int call = 1; was_cut; call += 3) {
    int acknowledged = 0, found = 0;
    was_cut = survive(Durability::full, call, static_cast<unsigned>(call), false, acknowledged, found);
    if (was_cut) CHECK(found >= acknowledged);
  }
}

TEST_CASE("With Durability::normal a power cut takes the last writes at most", "[storage][vfs]") {
  bool was_cut = true;
  for (int call = 1; was_cut; call += 2) {
    int acknowledged = 0, found = 0;
    was_cut = survive(Durability::normal, call, static_cast<unsigned>(call), false, acknowledged, found);
  }
}

TEST_CASE("The power cut would show a disk that lies", "[storage][vfs]") {
  int lost = 0;
  bool was_cut = true;
  for (int call = 5; was_cut && lost == 0; call += 7) {
    int acknowledged = 0, found = 0;
    try {
      was_cut = survive(Durability::full, call, 0, true, acknowledged, found);
      lost += was_cut && found < acknowledged;
    } catch (Error const&) {
      ++lost;
    }
  }
  CHECK(lost != 0);
}
