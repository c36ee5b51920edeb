// Bulks whose transaction has begun: who waits for them, and how they end when something fails or goes.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <optional>

#include "beast_cache/storage/sqlite_pickle_cache.hpp"
#include "catch.hpp"
#include "support/command.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

using Bulk = BulkCommit<std::string>;

// Ten entries that are too much to be held back.
asio::awaitable<void> spill(Bulk& bulk) {
  for (int i = 0; i < 10; ++i) co_await bulk.write("bulk" + std::to_string(i), std::string(1 << 20, 'v'));
}

template <class Cache>
asio::awaitable<void> expect_size(Cache& cache, std::uint64_t expected) {
  std::uint64_t const size = co_await cache.size();
  CHECK(size == expected);
}

asio::awaitable<void> create(SQLiteCache& cache) {
  co_await cache.write("first", "1");
}

template <class R>
asio::awaitable<void> drop(asio::awaitable<R> operation) {
  co_await std::move(operation);
}

SQLiteOptions impatient() {
  return SQLiteOptions().busy_timeout(std::chrono::milliseconds(1));
}

std::string tool(TempDirectory const& directory, std::string const& sql) {
  return command("sqlite3 " + directory.file("demo.sqlite") + " \"" + sql + "\"");
}

}  // namespace

TEST_CASE("other writes queue behind a bulk that has begun, and succeed after its end", "[storage]") {
  for (bool const committed : {true, false}) {
    CAPTURE(committed);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    SQLiteCache other(directory.file("demo"), "other");
    run(create(cache));
    run(create(other));
    asio::io_context context;
    int done = 0, failed = 0;
    auto const count = [&](std::exception_ptr error, auto const&...) { ++(error ? failed : done); };
    auto const bulk_of_one = [](SQLiteCache& c) -> asio::awaitable<void> {
      Bulk bulk = c.bulk_commit();
      co_await bulk.write("small bulk", "1");
      co_await bulk.commit();
    };
    auto const hold = [](SQLiteCache& c, bool commit, auto start, int& ended) -> asio::awaitable<void> {
      Bulk bulk = c.bulk_commit();
      co_await spill(bulk);
      start();
      // A few turns through both lanes: whoever did not wait would be done.
      for (int i = 0; i < 5; ++i) {
        co_await expect_size(c, 1);
        bool const own = co_await bulk.contains("bulk0");
        CHECK(own);
      }
      CHECK(ended == 0);
      if (commit) co_await bulk.commit();
    };
    auto const start = [&] {
      asio::co_spawn(context, cache.write("k", "v"), count);
      asio::co_spawn(context, cache.remove("first"), count);
      asio::co_spawn(context, cache.pop("nothing"), count);
      asio::co_spawn(context, other.write("k", "v"), count);
      asio::co_spawn(context, bulk_of_one(cache), count);
    };
    asio::co_spawn(context, hold(cache, committed, start, done), asio::detached);
    context.run();
    CHECK(done == 5);
    CHECK(failed == 0);
    CHECK(tool(directory, "select count(*) from cache; select count(*) from other") ==
          (committed ? "12\n2\n" : "2\n2\n"));
  }
}

TEST_CASE("past the busy timeout a write behind a bulk fails with busy, and the bulk goes on", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", impatient());
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await create(c);
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    std::string what;
    error_code const write = co_await code_of(c.write("k", "v"), &what);
    CHECK(write == cache_errc::busy);
    CHECK_THAT(what, Catch::Matchers::Contains("demo.sqlite"));
    error_code const clear = co_await code_of(c.clear());
    CHECK(clear == cache_errc::busy);
    co_await expect_size(c, 1);
    co_await bulk.write("last", "1");
    co_await bulk.commit();
    co_await expect_size(c, 12);
    co_await c.write("k", "v");
    co_await expect_size(c, 13);
  }(cache));
}

TEST_CASE("another process's writes fail with busy behind a bulk, its reads do not", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c, TempDirectory& d) -> asio::awaitable<void> {
    co_await create(c);
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    CHECK(tool(d, "select count(*) from cache") == "1\n");
    CHECK_THROWS(command("sqlite3 " + d.file("demo.sqlite") + " 'delete from cache' 2>&1"));
    co_await bulk.commit();
    CHECK(tool(d, "delete from cache where key = 'first'; select count(*) from cache") == "10\n");
  }(cache, directory));
}

TEST_CASE("a cache object that is new to the file reads while a bulk is written", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", impatient());
  run([](SQLiteCache& c, std::string file) -> asio::awaitable<void> {
    co_await create(c);
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    SQLiteCache other(file, "cache", impatient());
    error_code const code = co_await code_of(drop(other.read("first")));
    CHECK_FALSE(code);
    co_await bulk.commit();
  }(cache, directory.file("demo")));
}

TEST_CASE("a bulk that goes with its io_context lets the writers go on", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  asio::io_context writers;
  bool written = false;
  {
    asio::io_context context;
    bool held = false;
    auto const hold = [](SQLiteCache& c, bool& holds) -> asio::awaitable<void> {
      Bulk bulk = c.bulk_commit();
      co_await spill(bulk);
      holds = true;
      asio::steady_timer never(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
      co_await never.async_wait(asio::use_awaitable);
      co_await bulk.commit();
    };
    asio::co_spawn(context, hold(cache, held), asio::detached);
    while (!held) context.run_one();
    asio::co_spawn(writers, cache.write("k", "v"), [&](std::exception_ptr e) { written = !e; });
    writers.poll();
    CHECK_FALSE(written);
  }
  writers.run();
  CHECK(written);
  CHECK(tool(directory, "select count(*) from cache") == "2\n");
}

// --- failures ---

TEST_CASE("after a failed entry a bulk that has begun fails until it was told, and writes nothing",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().max_value_size(2 << 20));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await create(c);
    for (bool const rolled_back : {false, true}) {
      Bulk bulk = c.bulk_commit();
      co_await spill(bulk);
      error_code const write = co_await code_of(bulk.write("too big", std::string((2 << 20) + 1, 'v')));
      CHECK(write == cache_errc::too_big);
      error_code const again = co_await code_of(bulk.write("k", "v"));
      CHECK(again == cache_errc::too_big);
      error_code const remove = co_await code_of(bulk.remove("first"));
      CHECK(remove == cache_errc::too_big);
      error_code const clear = co_await code_of(bulk.clear());
      CHECK(clear == cache_errc::too_big);
      error_code const read = co_await code_of(drop(bulk.read("first")));
      CHECK(read == cache_errc::too_big);
      error_code const contains = co_await code_of(drop(bulk.contains("first")));
      CHECK(contains == cache_errc::too_big);
      {
        Bulk nested = bulk.bulk_commit();
        error_code const nested_write = co_await code_of(nested.write("k", "v"));
        CHECK(nested_write == cache_errc::too_big);
      }
      co_await c.write("others go on", "1");
      if (rolled_back) {
        bulk.rollback();
      } else {
        error_code const commit = co_await code_of(bulk.commit());
        CHECK(commit == cache_errc::too_big);
      }
      co_await expect_size(c, 2);
      co_await bulk.write("used again", "1");
      co_await bulk.commit();
      co_await expect_size(c, 3);
      co_await c.remove("used again");
    }
  }(cache));
  CHECK(tool(directory, "select key from cache order by key") == "first\nothers go on\n");
}

TEST_CASE("a bulk whose nested scope failed can be used again", "[storage]") {
  SQLiteCache cache(":memory:", "cache", SQLiteOptions().max_value_size(2 << 20));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    co_await bulk.write("lost", "1");
    {
      Bulk nested = bulk.bulk_commit();
      co_await spill(nested);
      error_code const write = co_await code_of(nested.write("too big", std::string((2 << 20) + 1, 'v')));
      CHECK(write == cache_errc::too_big);
      error_code const nested_commit = co_await code_of(nested.commit());
      CHECK(nested_commit == cache_errc::too_big);
    }
    error_code const commit = co_await code_of(bulk.commit());
    CHECK(commit == cache_errc::too_big);
    co_await expect_size(c, 0);
    co_await bulk.write("used again", "1");
    co_await bulk.commit();
    co_await expect_size(c, 1);
  }(cache));
}

TEST_CASE("a commit that fails leaves an empty bulk that can be used again", "[storage]") {
  SQLiteCache cache(":memory:", "cache", SQLiteOptions().max_value_size(2 << 20));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (bool const begun : {false, true}) {
      Bulk bulk = c.bulk_commit();
      if (begun) co_await spill(bulk);
      co_await code_of(bulk.write("too big", std::string((2 << 20) + 1, 'v')));
      error_code const commit = co_await code_of(bulk.commit());
      CHECK(commit == cache_errc::too_big);
      co_await expect_size(c, 0);
      co_await bulk.write("used again", "1");
      co_await bulk.commit();
      co_await expect_size(c, 1);
      co_await c.clear();
    }
  }(cache));
}

TEST_CASE("a failed read fails the bulk, begun or not, as every other operation does", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().secret_key("secret"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await create(c);
    auto const forge = [](SQLiteConnection& connection) {
      connection.execute("UPDATE cache SET value = 'x'");
    };
    co_await c.get_connection(forge);
    for (bool const begun : {false, true}) {
      Bulk bulk = c.bulk_commit();
      co_await bulk.write("k", "v");
      if (begun) co_await spill(bulk);
      error_code const read = co_await code_of(drop(bulk.read("first")));
      CHECK(read == cache_errc::bad_signature);
      error_code const write = co_await code_of(bulk.write("k", "v"));
      CHECK(write == cache_errc::bad_signature);
      error_code const commit = co_await code_of(bulk.commit());
      CHECK(commit == cache_errc::bad_signature);
      co_await expect_size(c, 1);
    }
  }(cache));
}

TEST_CASE("a cache closed while a bulk is open ends it as a whole, and does not hang", "[storage]") {
  for (bool const begun : {false, true}) {
    CAPTURE(begun);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    bool committed = false;
    run([](SQLiteCache& c, bool spills, bool& commits) -> asio::awaitable<void> {
      co_await create(c);
      Bulk bulk = c.bulk_commit();
      co_await bulk.write("k", "v");
      if (spills) co_await spill(bulk);
      co_await c.close();
      error_code const code = co_await code_of(bulk.commit());
      if (code) CHECK(code == cache_errc::closed);
      commits = !code;
    }(cache, begun, committed));
    std::string const expected = !committed ? "1\n" : begun ? "12\n" : "2\n";
    CHECK(tool(directory, "select count(*) from cache") == expected);
  }
}

TEST_CASE("a cache closed while another one has its file open does not wait for its own bulk", "[storage]") {
  for (bool const begun : {false, true}) {
    CAPTURE(begun);
    TempDirectory directory;
    // Waited for, it would be for an hour.
    SQLiteOptions const patient = SQLiteOptions().busy_timeout(std::chrono::hours(1));
    SQLiteCache cache(directory.file("demo"), "cache", patient);
    SQLiteCache sibling(directory.file("demo"), "sibling", patient);
    run([](SQLiteCache& c, SQLiteCache& other, bool spills) -> asio::awaitable<void> {
      co_await create(c);
      co_await create(other);
      Bulk bulk = c.bulk_commit();
      co_await bulk.write("k", "v");
      if (spills) co_await spill(bulk);
      co_await c.close();
      co_await other.write("while it is not committed", "v");
      error_code const code = co_await code_of(bulk.commit());
      CHECK(code == cache_errc::closed);
    }(cache, sibling, begun));
    CHECK(tool(directory, "select count(*) from cache") == "1\n");
    CHECK(tool(directory, "select count(*) from sibling") == "2\n");
  }
}

// --- other caches ---

TEST_CASE("nobody sees a bulk of a cache in memory before its commit", "[storage]") {
  SQLiteCache cache(":memory:", "cache", impatient());
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await create(c);
    Bulk small = c.bulk_commit();
    co_await small.write("k", "v");
    co_await expect_size(c, 1);
    co_await small.commit();
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    // There is one handle: a read waits for the bulk, or sees what there was before it; never a part of it.
    std::optional<std::string> part;
    error_code code;
    try {
      part = co_await c.read("bulk0");
    } catch (Error const& error) {
      code = error.code();
    }
    CHECK_FALSE(part);
    if (code) CHECK(code == cache_errc::busy);
    bulk.rollback();
    co_await expect_size(c, 2);
    co_await spill(bulk);
    co_await bulk.commit();
    co_await expect_size(c, 12);
  }(cache));
}

TEST_CASE("bulks of a SQLitePickleCache behave alike", "[storage]") {
  using Values = std::vector<int>;
  TempDirectory directory;
  SQLitePickleCache<Values> cache(directory.file("demo"), "cache", impatient());
  run([](SQLitePickleCache<Values>& c) -> asio::awaitable<void> {
    Values const first(3, 1);
    co_await c.write("first", first);
    for (int const count : {100, 40'000}) {
      auto bulk = c.bulk_commit();
      for (int i = 0; i < count; ++i) co_await bulk.write("k" + std::to_string(i), Values(4, i));
      co_await bulk.remove("first");
      std::optional<Values> const own = co_await bulk.read("k7");
      CHECK(own == Values(4, 7));
      bool const removed = co_await bulk.contains("first");
      CHECK_FALSE(removed);
      std::optional<Values> const outside = co_await c.read("k7");
      CHECK_FALSE(outside);
      if (count > 1000) {
        error_code const code = co_await code_of(c.write("k", first));
        CHECK(code == cache_errc::busy);
      }
      bulk.rollback();
      co_await expect_size(c, 1);
    }
    auto bulk = c.bulk_commit();
    co_await bulk.clear();
    for (int i = 0; i < 40'000; ++i) co_await bulk.write("k" + std::to_string(i), Values(4, i));
    auto nested = bulk.bulk_commit();
    co_await nested.write("nested", first);
    co_await nested.commit();
    co_await bulk.commit();
    co_await expect_size(c, 40'001);
    std::optional<Values> const value = co_await c.read("k39999");
    CHECK(value == Values(4, 39'999));
  }(cache));
}

TEST_CASE("more writes than are let to the lanes hold up neither the bulk that they wait for nor a read",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache",
                    SQLiteOptions().max_queued_operations(8).busy_timeout(std::chrono::hours(1)));
  run(create(cache));
  asio::io_context context;
  int done = 0;
  auto const count = [&](std::exception_ptr error, auto const&...) { done += error ? 100 : 1; };
  asio::cancellation_signal cancel;
  int cancelled = 0;
  auto const note = [&](std::exception_ptr error) { cancelled += error ? 1 : 0; };
  auto const begin_others = [&] {
    for (int i = 0; i < 50; ++i) asio::co_spawn(context, cache.write("k" + std::to_string(i), "v"), count);
    asio::co_spawn(context, cache.write("cancelled", "v"), asio::bind_cancellation_slot(cancel.slot(), note));
  };
  auto const cancel_one = [&] { cancel.emit(asio::cancellation_type::terminal); };
  auto const hold = [](SQLiteCache& c, auto begin, auto give_up, int& ended,
                       int& gone) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    begin();
    for (int i = 0; i < 5; ++i) {
      co_await expect_size(c, 1);
      co_await bulk.write("more" + std::to_string(i), std::string(1 << 20, 'v'));
    }
    give_up();
    co_await expect_size(c, 1);
    CHECK(ended == 0);
    CHECK(gone == 1);
    co_await bulk.commit();
  };
  asio::co_spawn(context, hold(cache, begin_others, cancel_one, done, cancelled), asio::detached);
  context.run();
  CHECK(done == 50);
  run(expect_size(cache, 66));
}

TEST_CASE("a context is destroyed while its writes wait for another one's bulk", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  asio::io_context context;
  auto const hold = [](SQLiteCache& c) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    auto others = std::make_unique<asio::io_context>();
    for (int i = 0; i < 20; ++i) asio::co_spawn(*others, c.write("k", "v"), asio::detached);
    others->poll();
    co_await expect_size(c, 1);
    others.reset();
    co_await bulk.commit();
    co_await expect_size(c, 11);
    co_await c.write("k", "v");
  };
  asio::co_spawn(context, hold(cache), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  context.run();
  run(expect_size(cache, 12));
}

TEST_CASE("a bulk whose file was replaced fails with moved, and holds nobody up", "[storage]") {
  bool const noticed = GENERATE(false, true);
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().busy_timeout(std::chrono::hours(1)));
  run(create(cache));
  run([](SQLiteCache& c, TempDirectory const& where, bool wait) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    co_await spill(bulk);
    for (std::string const suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(where.file("demo.sqlite" + suffix));
    error_code found;
    for (int i = 0; wait && !found && i < 100'000; ++i) found = co_await code_of(drop(c.read("first")));
    if (wait) CHECK(found == cache_errc::moved);
    error_code const commit = co_await code_of(bulk.commit());
    CHECK(commit == cache_errc::moved);
  }(cache, directory, noticed));
  run([](SQLiteCache& c) -> asio::awaitable<void> { co_await c.write("k", "v"); }(cache));
  run(expect_size(cache, 1));
}

TEST_CASE("what waited for a bulk that was given up comes before what is written after it", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  asio::io_context context;
  auto const work = [](SQLiteCache& c, asio::io_context& io) -> asio::awaitable<void> {
    for (int i = 0; i < 20; ++i) {
      std::optional<Bulk> bulk(c.bulk_commit());
      co_await spill(*bulk);
      asio::co_spawn(io, c.write("k", "old"), asio::detached);
      std::uint64_t const there = i == 0 ? 1 : 2;
      co_await expect_size(c, there);
      bulk.reset();
      co_await c.write("k", "new");
      std::optional<std::string> const value = co_await c.read("k");
      CHECK(value == "new");
    }
  };
  asio::co_spawn(context, work(cache, context), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
  context.run();
}
