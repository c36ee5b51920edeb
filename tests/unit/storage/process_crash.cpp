// What is there when a program has crashed, and that nobody writes while the log is moved into the file.
#include <sqlite3.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/disk.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/child_process.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;
using test::Disk;

namespace {

// --- writers of single values ---

constexpr std::size_t most_writers = 4;
using Counts = std::array<int, most_writers>;

std::string key(std::size_t writer, int i) {
  return "writer " + std::to_string(writer) + ", " + std::to_string(i);
}
std::string value(std::size_t writer, int i) {
  return std::string(3000, static_cast<char>('a' + (static_cast<int>(writer) + i) % 26)) + std::to_string(i);
}

// How many of each writer's were.
class Acknowledged {
 public:
  void add(std::size_t writer) { ++counts_.at(writer); }
  Counts now() const {
    Counts counts{};
    for (std::size_t i = 0; i < most_writers; ++i) counts[i] = counts_[i];
    return counts;
  }

 private:
  std::array<std::atomic<int>, most_writers> counts_{};
};

asio::awaitable<void> write_in_turn(SQLiteCache& cache, std::size_t writer, int writes,
                                    Acknowledged& acknowledged) {
  for (int i = 0; i < writes; ++i) {
    co_await cache.write(key(writer, i), value(writer, i));
    acknowledged.add(writer);
  }
}

// Each writer has one under way at a time.
void write_at_once(SQLiteCache& cache, std::size_t writers, int writes, Acknowledged& acknowledged) {
  asio::io_context context;
  int failed = 0;
  for (std::size_t writer = 0; writer < writers; ++writer) {
    asio::co_spawn(context, write_in_turn(cache, writer, writes, acknowledged),
                   [&](std::exception_ptr error) { failed += error != nullptr; });
  }
  context.run();
  CHECK(failed == 0);
}

asio::awaitable<void> check_soundness(SQLiteCache& cache) {
  auto const check = [](SQLiteConnection& connection) {
    return connection.query_text("PRAGMA integrity_check");
  };
  std::string const sound = co_await cache.get_connection(check);
  CHECK(sound == "ok");
}

// As many of each writer's as there are from its first on, without a gap; the file is sound and has no
// others.
asio::awaitable<void> count_found(SQLiteCache& cache, Counts& found) {
  co_await check_soundness(cache);
  int total = 0;
  for (std::size_t writer = 0; writer < most_writers; ++writer) {
    int count = 0;
    bool more = true;
    while (more) {
      std::optional<std::string> const there = co_await cache.read(key(writer, count));
      more = there.has_value();
      if (!more) continue;
      bool const right = *there == value(writer, count);
      CHECK(right);
      ++count;
    }
    found.at(writer) = count;
    total += count;
  }
  std::uint64_t const size = co_await cache.size();
  CHECK(size == static_cast<std::uint64_t>(total));
}

class Outcome {
 public:
  Counts acknowledged{}, found{};
};

enum class Crash { of_program, of_machine };

// What is left of writes that were made until everything ended at that call, the one of closing the file
// included. Nothing if there was no such call.
std::optional<Outcome> survive(Crash crash, Durability durability, std::size_t writers, int call,
                               unsigned seed) {
  constexpr int writes = 30;
  TempDirectory before, after;
  Outcome outcome;
  {
    Disk disk;
    Acknowledged acknowledged;
    disk.cut_power_at(call, [&] { outcome.acknowledged = acknowledged.now(); });
    SQLiteCache cache(before.file("cache"), "cache",
                      SQLiteOptions().durability(durability).checkpoint_pages(16));
    write_at_once(cache, writers, writes / static_cast<int>(writers), acknowledged);
    run(cache.close());
    if (!disk.was_cut()) return std::nullopt;
    if (crash == Crash::of_program) {
      disk.restore_written(after.path(), seed);
    } else {
      disk.restore(after.path(), seed);
    }
  }
  SQLiteCache cache(after.file("cache"));
  run(count_found(cache, outcome.found));
  return outcome;
}

// --- transactions of many changes, more than the handle keeps in memory ---

constexpr int batch_size = 300;
using State = std::vector<std::optional<std::string>>;

std::string batch_key(int i) {
  return "key " + std::to_string(i);
}
std::string batch_value(int batch, int i) {
  return std::string(500, static_cast<char>('a' + batch % 26)) + std::to_string(i);
}

// Written by write_many, by a bulk that removes some as well, and bulk_remove, in turn.
asio::awaitable<void> write_batch(SQLiteCache& cache, int batch) {
  if (batch % 3 == 0) {
    std::vector<SQLiteCache::Entry> entries;
    for (int i = 0; i < batch_size; ++i) entries.emplace_back(batch_key(i), batch_value(batch, i));
    co_await cache.write_many(std::move(entries));
  } else if (batch % 3 == 1) {
    BulkCommit<std::string> bulk = cache.bulk_commit();
    for (int i = 0; i < 150; ++i) co_await bulk.write(batch_key(i), batch_value(batch, i));
    for (int i = 150; i < 200; ++i) co_await bulk.remove(batch_key(i));
    co_await bulk.commit();
  } else {
    std::vector<std::string> keys;
    for (int i = 0; i < 100; ++i) keys.push_back(batch_key(i));
    std::size_t const removed = co_await cache.bulk_remove(std::move(keys));
    CHECK(removed == 100);
  }
}

State state_after(int batches) {
  State state(batch_size);
  for (int batch = 0; batch < batches; ++batch) {
    for (int i = 0; i < batch_size; ++i) {
      std::optional<std::string>& there = state[static_cast<std::size_t>(i)];
      bool const writes = batch % 3 == 0 || (batch % 3 == 1 && i < 150);
      bool const removes = (batch % 3 == 1 && i >= 150 && i < 200) || (batch % 3 == 2 && i < 100);
      if (writes) there = batch_value(batch, i);
      if (removes) there.reset();
    }
  }
  return state;
}

asio::awaitable<void> write_batches(SQLiteCache& cache, int batches, std::atomic<int>& acknowledged) {
  for (int batch = 0; batch < batches; ++batch) {
    co_await write_batch(cache, batch);
    ++acknowledged;
  }
}

asio::awaitable<void> read_state(SQLiteCache& cache, State& state) {
  co_await check_soundness(cache);
  std::vector<std::string> keys;
  for (int i = 0; i < batch_size; ++i) keys.push_back(batch_key(i));
  state = co_await cache.read_many(std::move(keys));
  std::uint64_t left = 0;
  for (auto const& there : state) left += there.has_value();
  std::uint64_t const size = co_await cache.size();
  CHECK(size == left);
}

// False if there was no such call.
bool batches_survive(Durability durability, int call, unsigned seed) {
  TempDirectory before, after;
  int noted = 0;
  {
    Disk disk;
    std::atomic<int> acknowledged{0};
    disk.cut_power_at(call, [&] { noted = acknowledged; });
    SQLiteOptions const options =
        SQLiteOptions().durability(durability).checkpoint_pages(50).cache_size(64 << 10);
    SQLiteCache cache(before.file("cache"), "cache", options);
    run(write_batches(cache, 6, acknowledged));
    run(cache.close());
    if (!disk.was_cut()) return false;
    disk.restore_written(after.path(), seed);
  }
  SQLiteCache cache(after.file("cache"));
  State state;
  run(read_state(cache, state));
  bool const whole = state == state_after(noted) || state == state_after(noted + 1);
  CHECK(whole);
  return true;
}

constexpr int stride(int usual) {
  return under_thread_sanitizer ? 5 * usual : usual;
}

}  // namespace

TEST_CASE("What was acknowledged survives a crash of the program at any moment", "[storage][crash]") {
  for (Durability const durability : {Durability::normal, Durability::full}) {
    for (std::size_t const writers : {std::size_t{1}, most_writers}) {
      unsigned crashes = 0;
      for (int call = 1;; call += stride(3)) {
        CAPTURE(static_cast<int>(durability), writers, call);
        std::optional<Outcome> const outcome = survive(Crash::of_program, durability, writers, call, crashes);
        if (!outcome) break;
        ++crashes;
        for (std::size_t writer = 0; writer < most_writers; ++writer) {
          CHECK(outcome->found[writer] >= outcome->acknowledged[writer]);
          CHECK(outcome->found[writer] <= outcome->acknowledged[writer] + 1);
        }
      }
      CHECK(crashes > 3);
    }
  }
}

TEST_CASE("With Durability::normal a crash of the machine takes what one of the program leaves",
          "[storage][crash]") {
  int lost = 0;
  for (int call = 40; lost == 0; call += 7) {
    std::optional<Outcome> const outcome =
        survive(Crash::of_machine, Durability::normal, 1, call, static_cast<unsigned>(call));
    if (!outcome) break;
    lost += outcome->found[0] < outcome->acknowledged[0];
  }
  CHECK(lost != 0);
}

TEST_CASE("A crash of the program leaves whole transactions, all of those that were acknowledged",
          "[storage][crash]") {
  for (Durability const durability : {Durability::normal, Durability::full}) {
    unsigned crashes = 0;
    for (int call = 1;; call += stride(7)) {
      CAPTURE(static_cast<int>(durability), call);
      bool const crashed = batches_survive(durability, call, crashes);
      if (!crashed) break;
      ++crashes;
    }
    CHECK(crashes > 2);
  }
}

// --- a process that is killed ---

namespace {

asio::awaitable<void> write_and_tell(SQLiteCache& cache, std::size_t writer, Parent& parent) {
  constexpr int writers = static_cast<int>(most_writers);
  // It would end sooner or later even if nobody killed it.
  for (int i = 0; i < 100'000; ++i) {
    co_await cache.write(key(writer, i), value(writer, i));
    parent.tell_number(i * writers + static_cast<int>(writer));
  }
}

// Takes the numbers that the child tells, as many at the most; each writer's come in their order.
int take_numbers(Child& child, int most, Counts& acknowledged) {
  constexpr int writers = static_cast<int>(most_writers);
  int taken = 0;
  while (taken < most) {
    std::optional<int> const number = child.await_number();
    if (!number) break;
    ++taken;
    int& count = acknowledged.at(static_cast<std::size_t>(*number % writers));
    CHECK(*number / writers == count);
    ++count;
  }
  return taken;
}

asio::awaitable<void> look_before(SQLiteCache& cache) {
  bool const found = co_await cache.contains("another");
  CHECK_FALSE(found);
}

asio::awaitable<void> write_after(SQLiteCache& cache) {
  co_await cache.write("another", "value");
  std::optional<std::string> const there = co_await cache.read("another");
  CHECK(there == "value");
  co_await check_soundness(cache);
}

void kill_after(int writes, Durability durability, bool beside) {
  TempDirectory directory;
  std::string const file = directory.file("demo");
  std::optional<SQLiteCache> cache;
  if (beside) {
    cache.emplace(file);
    run(look_before(*cache));
  }
  Counts acknowledged{}, found{};
  {
    Child child("[.killed]", file);
    CHECK(child.tell_number(durability == Durability::full ? 1 : 0));
    int const taken = take_numbers(child, writes, acknowledged);
    child.kill();
    CHECK(taken == writes);
    // What it had told before it went.
    take_numbers(child, 1'000'000, acknowledged);
    int const status = child.end();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGKILL);
  }
  if (!cache) cache.emplace(file);
  run(count_found(*cache, found));
  for (std::size_t writer = 0; writer < most_writers; ++writer) {
    CHECK(found[writer] >= acknowledged[writer]);
    CHECK(found[writer] <= acknowledged[writer] + 1);
  }
  run(write_after(*cache));
}

}  // namespace

TEST_CASE("What a process had acknowledged when it was killed is there, for those beside it and those after",
          "[storage][crash]") {
  for (Durability const durability : {Durability::normal, Durability::full}) {
    for (bool const beside : {false, true}) {
      for (int const writes : {1, 40, 200}) {
        CAPTURE(static_cast<int>(durability), beside, writes);
        kill_after(writes, durability, beside);
      }
    }
  }
}

// Not a test by itself: what the process does that is killed.
TEST_CASE("child that writes until it is killed", "[.killed]") {
  Parent parent;
  std::optional<int> const full = parent.await_number();
  REQUIRE(full);
  Durability const durability = *full != 0 ? Durability::full : Durability::normal;
  SQLiteCache cache(Parent::file(), "cache", SQLiteOptions().durability(durability).checkpoint_pages(20));
  asio::io_context context;
  int failed = 0;
  for (std::size_t writer = 0; writer < most_writers; ++writer) {
    asio::co_spawn(context, write_and_tell(cache, writer, parent),
                   [&](std::exception_ptr error) { failed += error != nullptr; });
  }
  context.run();
  CHECK(failed == 0);
}

// --- the write lock ---

namespace {

// What becomes of an attempt to begin to write just now, by a connection that knows nothing of the library.
int begin_to_write(std::string const& file, std::string const& vfs) {
  sqlite3* db = nullptr;
  int result = sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, vfs.c_str());
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> const closed(db, sqlite3_close);
  if (result != SQLITE_OK) return result;
  sqlite3_extended_result_codes(db, 1);
  result = sqlite3_exec(db, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr);
  if (result == SQLITE_OK) sqlite3_exec(db, "ROLLBACK", nullptr, nullptr, nullptr);
  return result;
}

// Such an attempt at each change of the database file itself.
class Attempts {
 public:
  // While no Disk is there yet.
  explicit Attempts(std::string file) : file_(std::move(file)), system_(sqlite3_vfs_find(nullptr)->zName) {}
  void watch(Disk& disk) {
    disk.before_changes(".sqlite", [this] {
      ++made;
      refused += begin() == SQLITE_BUSY;
    });
  }
  int begin() const { return begin_to_write(file_, system_); }
  std::atomic<int> made{0}, refused{0};

 private:
  std::string const file_, system_;
};

std::vector<SQLiteCache::Entry> megabytes() {
  std::vector<SQLiteCache::Entry> entries;
  for (int i = 0; i < 600; ++i) entries.emplace_back(key(0, i), value(0, i));
  return entries;
}

asio::awaitable<void> write_one(SQLiteCache& cache) {
  co_await cache.write("one", "value");
}

asio::awaitable<void> write_sixty(SQLiteCache& cache) {
  for (int i = 0; i < 60; ++i) co_await cache.write(key(0, i), value(0, i));
}

asio::awaitable<void> write_beyond_limit(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> entries = megabytes();
  co_await cache.write_many(std::move(entries));
  co_await write_one(cache);  // the checkpoint comes before it
}

asio::awaitable<void> vacuum(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> entries = megabytes();
  co_await cache.write_many(std::move(entries));
  co_await cache.clear();
  VacuumProgress const done = co_await cache.vacuum();
  CHECK(done.freed != 0);
}

asio::awaitable<void> erase(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> entries = megabytes();
  co_await cache.write_many(std::move(entries));
  co_await cache.clear(Erase::secure);
}

class Way {
 public:
  Way(char const* n, asio::awaitable<void> (*w)(SQLiteCache&), SQLiteOptions o = SQLiteOptions())
      : name(n), work(w), options(std::move(o)) {}
  char const* name;
  asio::awaitable<void> (*work)(SQLiteCache&);
  SQLiteOptions options;
};

}  // namespace

TEST_CASE("Nobody can begin to write while the log is moved into the file", "[storage][crash]") {
  std::vector<Way> ways;
  ways.emplace_back("after commits", write_sixty, SQLiteOptions().checkpoint_pages(10));
  ways.emplace_back("beyond the log's limit", write_beyond_limit, SQLiteOptions().wal_limit(1 << 20));
  ways.emplace_back("by vacuum", vacuum);
  ways.emplace_back("by clear(Erase::secure)", erase);
  ways.emplace_back("by close", write_one);
  for (Way const& way : ways) {
    CAPTURE(way.name);
    TempDirectory directory;
    Attempts attempts(directory.file("cache.sqlite"));
    Disk disk;
    SQLiteCache cache(directory.file("cache"), "cache", way.options);
    run(write_one(cache));
    attempts.watch(disk);
    run(way.work(cache));
    std::uint64_t const checkpoints = cache.statistics().checkpoints;
    CHECK((checkpoints != 0) == (way.work != write_one));
    run(cache.close());
    CHECK(attempts.made.load() > 0);
    CHECK(attempts.refused.load() == attempts.made.load());
    CHECK(attempts.begin() == SQLITE_OK);
  }
}

TEST_CASE("A checkpoint of SQLite's own would let somebody write meanwhile", "[storage][crash]") {
  TempDirectory directory;
  Attempts attempts(directory.file("plain.sqlite"));
  Disk disk;
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(directory.file("plain.sqlite").c_str(), &raw) == SQLITE_OK);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> const db(raw, sqlite3_close);
  REQUIRE(sqlite3_exec(raw,
                       "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t(x);"
                       "INSERT INTO t VALUES(randomblob(50000))",
                       nullptr, nullptr, nullptr) == SQLITE_OK);
  attempts.watch(disk);
  CHECK(sqlite3_wal_checkpoint_v2(raw, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr) == SQLITE_OK);
  CHECK(attempts.made.load() > 0);
  CHECK(attempts.refused.load() == 0);
}
