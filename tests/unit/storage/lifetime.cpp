// Cancellation, contexts and caches that go at the wrong moment, processes that share a file.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/command.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/probes.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

asio::awaitable<void> write_key(SQLiteCache& cache, std::string key) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await cache.write(std::move(key), "v");
}

asio::awaitable<void> create(SQLiteCache& cache) {
  co_await cache.write("first", "v");
}

asio::awaitable<void> expect_key(SQLiteCache& cache, std::string key, bool expected) {
  bool const found = co_await cache.contains(std::move(key));
  CHECK(found == expected);
}

asio::awaitable<void> count_forever(SQLiteCache& cache) {
  auto const count = [](SQLiteConnection& connection) {
    return connection.query_integer(
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c");
  };
  co_await cache.get_connection(count, ConnectionUse::read);
}

asio::awaitable<void> work(SQLiteCache cache, int id) {
  Live const live;
  for (int i = 0; i < 1000; ++i) {
    std::string const key =
        std::to_string(id) + " a key that does not fit into a small string " + std::to_string(i);
    co_await cache.write(key, "v");
    std::optional<std::string> const value = co_await cache.read(key);
    CHECK(value == "v");
  }
}

// The identities of this process's threads.
std::set<std::string> threads() {
  std::set<std::string> ids;
  for (auto const& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    ids.insert(thread.path().filename().string());
  }
  return ids;
}

}  // namespace

TEST_CASE("a queued operation is cancelled at once, whatever kind of cancellation it is", "[storage]") {
  for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                          asio::cancellation_type::total}) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    run(create(cache));
    Gate gate;
    asio::io_context context;
    asio::co_spawn(context, hold_lane(cache, gate), asio::detached);
    context.poll();
    gate.wait_until_entered();
    asio::cancellation_signal signal;
    error_code code;
    bool done = false;
    asio::co_spawn(context, code_of(write_key(cache, "cancelled")),
                   asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error, error_code c) {
                     code = error ? error_code() : c;
                     done = true;
                   }));
    context.restart();
    context.poll();
    CHECK_FALSE(done);
    signal.emit(type);
    context.restart();
    context.poll();
    CHECK(done);
    CHECK(code == asio::error::operation_aborted);
    gate.open();
    context.restart();
    context.run();
    CHECK(done);
    run(expect_key(cache, "cancelled", false));
  }
}

TEST_CASE("the losers of || are cancelled without waiting for the lane", "[storage]") {
  using namespace asio::experimental::awaitable_operators;
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  Gate gate;
  asio::io_context context;
  asio::co_spawn(context, hold_lane(cache, gate), asio::detached);
  context.poll();
  gate.wait_until_entered();
  bool done = false;
  auto const race = [](SQLiteCache& c, bool& finished) -> asio::awaitable<void> {
    asio::steady_timer now(co_await asio::this_coro::executor, asio::steady_timer::clock_type::now());
    auto both = c.write("loser", "v") || now.async_wait(asio::use_awaitable);
    auto const winner = co_await std::move(both);
    CHECK(winner.index() == 1);
    finished = true;
  };
  asio::co_spawn(context, race(cache, done), asio::detached);
  context.restart();
  while (!done) context.run_one();
  gate.open();
  context.run();
  run(expect_key(cache, "loser", false));
}

TEST_CASE("a running query is interrupted, and only that", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  asio::io_context context;
  asio::cancellation_signal signal;
  error_code code;
  bool found = false;
  asio::co_spawn(
      context, code_of(count_forever(cache)),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, error_code c) { code = c; }));
  asio::co_spawn(context, cache.contains("first"), [&](std::exception_ptr, bool there) { found = there; });
  context.poll();
  // Queued or running: either way it must end, for it would never end by itself.
  signal.emit(asio::cancellation_type::terminal);
  context.restart();
  context.run();
  CHECK(code == asio::error::operation_aborted);
  CHECK(found);
}

TEST_CASE("a write that is already committed when it is cancelled reports success", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  Gate reader;
  asio::io_context context;
  asio::cancellation_signal signal;
  error_code code = asio::error::fault;
  auto const write = [](SQLiteCache& c) -> asio::awaitable<void> { co_await c.write("k", "v"); };
  asio::co_spawn(
      context, code_of(write(cache)),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, error_code c) { code = c; }));
  context.poll();
  // Through the writer's queue behind it: when this is done, so is the write.
  std::promise<void> behind;
  asio::io_context other;
  asio::co_spawn(other, hold_lane(cache, reader), [&](std::exception_ptr) { behind.set_value(); });
  std::thread thread([&] { other.run(); });
  reader.wait_until_entered();
  signal.emit(asio::cancellation_type::terminal);
  reader.open();
  thread.join();
  context.restart();
  context.run();
  CHECK_FALSE(code);
  run(expect_key(cache, "k", true));
}

TEST_CASE("an io_context can be destroyed with operations queued, running and completed", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  for (int round = 0; round < 60; ++round) {
    {
      asio::io_context context;
      for (int i = 0; i < 8; ++i) {
        SQLiteCache another(directory.file("demo"));
        asio::co_spawn(context, work(std::move(another), i), asio::detached);
      }
      for (int i = 0; i < round; ++i) context.run_one();
    }
    REQUIRE(Live::count == 0);
  }
  run(create(cache));
  CHECK(command("sqlite3 " + directory.file("demo.sqlite") + " 'pragma integrity_check'") == "ok\n");
}

TEST_CASE("destroying an io_context interrupts the query that it waits for", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  {
    asio::io_context context;
    asio::co_spawn(context, count_forever(cache), asio::detached);
    asio::co_spawn(context, count_forever(cache), asio::detached);
    context.poll();
  }
  run(expect_key(cache, "first", true));
}

TEST_CASE("a cache dropped with operations under way finishes them and loses nothing", "[storage]") {
  TempDirectory directory;
  int acknowledged = 0;
  {
    asio::io_context context;
    {
      SQLiteCache cache(directory.file("demo"));
      for (int i = 0; i < 200; ++i) {
        asio::co_spawn(context, cache.write(std::to_string(i), "v"),
                       [&](std::exception_ptr e) { acknowledged += !e; });
      }
    }
    context.run();
  }
  CHECK(acknowledged == 200);
  CHECK(command("sqlite3 " + directory.file("demo.sqlite") + " 'select count(*) from cache'") == "200\n");
  CHECK(command("ls " + directory.path()) == "demo.sqlite\n");
}

TEST_CASE("close waits for what is under way and ends the threads with the last cache", "[storage]") {
  TempDirectory directory;
  std::thread([] {}).join();  // ThreadSanitizer starts a thread of its own with the program's first
  std::set<std::string> const before = threads();
  SQLiteCache cache(directory.file("demo"));
  asio::io_context context;
  int completed = 0, completed_before_close = -1;
  for (int i = 0; i < 100; ++i) {
    asio::co_spawn(context, cache.write(std::to_string(i), "v"),
                   [&](std::exception_ptr e) { completed += !e; });
  }
  auto const close = [](SQLiteCache& c, int& count, int& at_close) -> asio::awaitable<void> {
    co_await c.write("first",
                     "v");  // read-your-writes, and the reader's handle is open when the cache closes
    bool const there = co_await c.contains("first");
    CHECK(there);
    co_await c.close();
    at_close = count;
    co_await c.close();
  };
  // The first operation makes the tables; the others follow when it is done.
  while (completed < 1) context.run_one();
  asio::co_spawn(context, close(cache, completed, completed_before_close), asio::detached);
  context.restart();  // all of them may have completed at once, and left the context without work
  context.run();
  CHECK(completed_before_close == 100);
  // A joined thread may be listed by the system for a moment more; one that goes on would be listed for ever.
  auto const all_known = [&] {
    std::set<std::string> const now = threads();
    return std::includes(before.begin(), before.end(), now.begin(), now.end());
  };
  while (!all_known()) std::this_thread::yield();
  CHECK(all_known());
  CHECK_FALSE(std::filesystem::exists(directory.file("demo.sqlite-wal")));
}

TEST_CASE("close waits for an operation that still has to make its table", "[storage]") {
  TempDirectory directory;
  SQLiteCache first(directory.file("demo"), "first");
  SQLiteCache second(directory.file("demo"), "second");
  run(create(first));
  asio::io_context context;
  Gate gate;
  asio::co_spawn(context, hold_lane(first, gate), asio::detached);
  context.poll();
  gate.wait_until_entered();
  bool written = false, written_before_close = false;
  asio::co_spawn(context, second.write("k", "v"), [&](std::exception_ptr e) { written = !e; });
  asio::co_spawn(context, second.close(),
                 [&](std::exception_ptr e) { written_before_close = !e && written; });
  context.poll();
  gate.open();
  context.run();
  CHECK(written_before_close);
}

TEST_CASE("close does not wait for a context that stands still", "[storage]") {
  TempDirectory directory;
  SQLiteOptions options;
  options.busy_timeout(std::chrono::milliseconds(1));
  SQLiteCache cache(directory.file("demo"), "cache", options);
  asio::io_context still;
  bool written = false;
  asio::co_spawn(still, cache.write("k", "v"), [&](std::exception_ptr e) { written = !e; });
  still.poll();
  // It is between two steps, and goes on when the file has been closed.
  run(cache.close());
  CHECK_FALSE(written);
  still.restart();
  still.run();
  CHECK(written);
}

namespace {

asio::awaitable<void> read_once(SQLiteCache& cache, bool& done) {
  std::optional<std::string> const value = co_await cache.read("k");
  done = value == "v";
}

// Between two operations it runs another context until that has read something.
asio::awaitable<void> read_and_block(SQLiteCache& cache, int& stuck) {
  for (int i = 0; i < 20; ++i) {
    co_await cache.read("k");
    asio::io_context inner;
    bool done = false;
    asio::co_spawn(inner, read_once(cache, done), asio::detached);
    inner.run_for(std::chrono::seconds(20));
    stuck += !done;
    if (stuck != 0) co_return;
  }
}

}  // namespace

TEST_CASE("a handler may run another context that reads, and wait for that", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(cache.write("k", "v"));
  asio::io_context context;
  int stuck = 0;
  for (int i = 0; i < 8; ++i) asio::co_spawn(context, read_and_block(cache, stuck), asio::detached);
  context.run();
  CHECK(stuck == 0);
}

TEST_CASE("a handler may run its own context until another operation is done", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(cache.write("k", "v"));
  asio::io_context context;
  int stuck = 0;
  auto const wait_for_another = [&](std::exception_ptr) {
    bool done = false;
    asio::co_spawn(context, read_once(cache, done), asio::detached);
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done && std::chrono::steady_clock::now() < until) context.run_one_for(std::chrono::seconds(1));
    stuck += !done;
  };
  bool ignored = false;
  for (int i = 0; i < 8; ++i) asio::co_spawn(context, read_once(cache, ignored), wait_for_another);
  // They are all done when their handlers run: the lane has come to what was asked for after them.
  asio::post(context, [&] { run(read_once(cache, ignored)); });
  context.run();
  CHECK(stuck == 0);
}

// --- processes ---

TEST_CASE("another process's lock is waited for as long as the busy timeout, readers go on", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache",
                    SQLiteOptions().busy_timeout(std::chrono::milliseconds(0)));
  run(create(cache));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(directory.file("demo.sqlite").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::string what;
    error_code const code = co_await code_of(c.write("k", "v"), &what);
    CHECK(code == cache_errc::busy);
    CHECK_THAT(what, Catch::Matchers::Contains("demo.sqlite"));
    bool const found = co_await c.contains("first");
    CHECK(found);
  }(cache));
  REQUIRE(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  run(write_key(cache, "k"));
}

TEST_CASE("a write that waits for another process's lock can be cancelled", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().busy_timeout(std::chrono::hours(1)));
  run(create(cache));
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(directory.file("demo.sqlite").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  asio::io_context context;
  asio::cancellation_signal signal;
  error_code code;
  auto const write = [](SQLiteCache& c) -> asio::awaitable<void> { co_await c.write("k", "v"); };
  asio::co_spawn(
      context, code_of(write(cache)),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, error_code c) { code = c; }));
  context.poll();
  signal.emit(asio::cancellation_type::terminal);
  context.restart();
  context.run();
  CHECK(code == asio::error::operation_aborted);
  sqlite3_close(other);
}

TEST_CASE("eight processes write to one file at once and nothing is lost", "[storage]") {
  TempDirectory directory;
  std::array<pid_t, 8> children{};
  std::string const self = std::filesystem::read_symlink("/proc/self/exe").string();
  ::setenv("BEAST_CACHE_TEST_FILE", directory.file("shared").c_str(), 1);
  for (std::size_t i = 0; i < children.size(); ++i) {
    ::setenv("BEAST_CACHE_TEST_CHILD", std::to_string(i).c_str(), 1);
    children[i] = ::fork();
    if (children[i] == 0) {
      ::execl(self.c_str(), self.c_str(), "[.child]", static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
  ::unsetenv("BEAST_CACHE_TEST_CHILD");
  ::unsetenv("BEAST_CACHE_TEST_FILE");
  for (pid_t const child : children) {
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  CHECK(command("sqlite3 " + directory.file("shared.sqlite") +
                " 'select count(*) from cache; pragma integrity_check'") == "1600\nok\n");
}

// Not a test by itself: what each of the eight processes does.
TEST_CASE("child of the test with eight processes", "[.child]") {
  char const* const file = std::getenv("BEAST_CACHE_TEST_FILE");
  char const* const child = std::getenv("BEAST_CACHE_TEST_CHILD");
  REQUIRE((file && child));
  SQLiteCache cache(file, "cache",
                    SQLiteOptions().busy_timeout(std::chrono::minutes(5)).checkpoint_pages(20));
  asio::io_context context;
  std::string failure;
  int written = 0;
  for (int i = 0; i < 10; ++i) {
    auto const task = [](SQLiteCache& c, std::string prefix, int& n) -> asio::awaitable<void> {
      for (int k = 0; k < 20; ++k) {
        co_await c.write(prefix + std::to_string(k), std::string(500, 'v'));
        std::optional<std::string> const value = co_await c.read(prefix + std::to_string(k));
        if (value) ++n;
      }
    };
    asio::co_spawn(context, task(cache, std::string(child) + "/" + std::to_string(i) + "/", written),
                   [&](std::exception_ptr error) {
                     try {
                       if (error) std::rethrow_exception(error);
                     } catch (std::exception const& e) {
                       failure = e.what();
                     }
                   });
  }
  context.run();
  CHECK(failure == "");
  CHECK(written == 200);
}

TEST_CASE("a file that was open at fork() is refused in the child", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  bool const drops = GENERATE(false, true);
  pid_t const child = ::fork();
  if (child == 0) {
    // No CHECK here: it is not this process's report.
    int failed = 0;
    auto const is_refused = [](SQLiteCache& other) {
      try {
        run(create(other));
      } catch (Error const& error) {
        return error.code() == cache_errc::forked;
      }
      return false;
    };
    if (!is_refused(cache)) failed |= 1;
    if (drops) cache = SQLiteCache(directory.file("another"));
    // SQLite would take no locks for it, for it believes to have the parent's.
    SQLiteCache fresh(directory.file("demo"));
    if (!is_refused(fresh)) failed |= 2;
    ::_exit(failed);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  run(write_key(cache, "after"));
  run(expect_key(cache, "after", true));
}

// ThreadSanitizer can't start threads in a child of a program that has some.
TEST_CASE("a file that was closed before fork() can be opened in the child", "[storage]") {
  if constexpr (under_thread_sanitizer) return;
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  run(cache.close());
  pid_t const child = ::fork();
  if (child == 0) {
    int failed = 0;
    try {
      SQLiteCache fresh(directory.file("demo"));
      run(write_key(fresh, "of the child"));
    } catch (std::exception const&) {
      failed = 1;
    }
    ::_exit(failed);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  SQLiteCache again(directory.file("demo"));
  run(expect_key(again, "of the child", true));
}

TEST_CASE("a child process can destroy the context of operations that its parent has under way",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(create(cache));
  Gate gate;
  auto context = std::make_unique<asio::io_context>();
  asio::co_spawn(*context, hold_lane(cache, gate), asio::detached);
  asio::co_spawn(*context, write_key(cache, "queued"), asio::detached);
  context->poll();
  gate.wait_until_entered();
  pid_t const child = ::fork();
  if (child == 0) {
    ::alarm(30);  // instead of hanging
    context.reset();
    ::_exit(0);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  gate.open();
  context->run();
  run(expect_key(cache, "queued", true));
}
