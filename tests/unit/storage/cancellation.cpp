// Every operation cancelled at each of its points in turn, and its context destroyed there. A point is a
// handler of the caller's context, one of the worker's, or an event in SQLite while the operation runs: the
// test drives both contexts on one thread, so that it stands between any two of them.
#include <sqlite3.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/operations.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;
using namespace operations;

namespace {

// --- the world that they run in ---

enum class Lanes { by_hand, own_threads };
enum class Start { cold, warm };  // whether the file is open

class World {
 public:
  World(Lanes lanes, Start start) : lanes_(lanes), start_(start) {
    open();
    if (lanes == Lanes::by_hand && start == Start::warm) watch();
  }

  // As a case finds it.
  void reset(Operation prepare) {
    on_event = [] {};
    run(fill(*cache_));
    if (prepare) run(prepare(*cache_));
    if (start_ == Start::warm) {
      run(op_contains(*cache_));
    } else {
      run(op_close(*cache_));
      open();
    }
  }

  void open() {
    SQLiteOptions options;
    if (lanes_ == Lanes::by_hand) options.executor(worker_.get_executor());
    cache_.emplace(directory_.file("demo"), "cache", options);
  }
  SQLiteCache& cache() { return *cache_; }

  // One handler of the context or of the worker; false if there is none, and none will come.
  bool step(asio::io_context& context) {
    context.restart();
    if (lanes_ == Lanes::own_threads) return context.run_one() != 0;
    if (context.poll_one() != 0) return true;
    worker_.restart();
    return worker_.poll_one() != 0;
  }

  void must_step(asio::io_context& context) {
    if (!step(context)) FAIL("it has not completed, and nothing is left to run");
  }

  void run(asio::awaitable<void> task) {
    asio::io_context context;
    bool done = false;
    std::exception_ptr failure;
    asio::co_spawn(context, std::move(task), [&](std::exception_ptr error) {
      failure = error;
      done = true;
    });
    while (!done) must_step(context);
    if (failure) std::rethrow_exception(failure);
  }

  // Called for each statement that begins and each row, if both the file and the contexts are in our hands.
  std::function<void()> on_event = [] {};

  Contents contents() {
    Contents contents;
    run(collect(*cache_, contents));
    return contents;
  }

 private:
  void watch() {
    run(trace(*cache_, ConnectionUse::write, on_event));
    run(trace(*cache_, ConnectionUse::read_autocommit, on_event));
  }

  static asio::awaitable<void> fill(SQLiteCache& cache) {
    co_await cache.clear();
    std::vector<SQLiteCache::Entry> entries(three.begin(), three.end());
    co_await cache.write_many(std::move(entries));
  }

  static asio::awaitable<void> trace(SQLiteCache& cache, ConnectionUse use, std::function<void()>& callback) {
    auto install = [&callback](SQLiteConnection& connection) {
      auto const event = [](unsigned, void* self, void*, void*) {
        (*static_cast<std::function<void()>*>(self))();
        return 0;
      };
      sqlite3_trace_v2(connection.native_handle(), SQLITE_TRACE_STMT | SQLITE_TRACE_ROW, event, &callback);
    };
    co_await cache.get_connection(std::move(install), use);
  }

  static asio::awaitable<void> collect(SQLiteCache& cache, Contents& contents) {
    co_await cache.write("after", "5");  // it takes writes as well
    bool const removed = co_await cache.remove("after");
    CHECK(removed);
    Cursor<SQLiteCache::Entry> entries = cache.entries();
    for (;;) {
      std::optional<SQLiteCache::Entry> entry = co_await entries.next();
      if (!entry) break;
      contents.insert(std::move(*entry));
    }
    std::uint64_t const size = co_await cache.size();
    CHECK(size == contents.size());
  }

  Lanes const lanes_;
  Start const start_;
  TempDirectory directory_;
  asio::io_context worker_;
  std::optional<SQLiteCache> cache_;
};

asio::awaitable<void> attempt(asio::awaitable<void> operation) {
  Live const live;
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  co_await std::move(operation);
}

enum class Result { before_the_end, after_the_end, aborted };

Result cancel_at(World& world, asio::awaitable<void> operation, asio::cancellation_type type, int point) {
  asio::io_context context;
  asio::cancellation_signal signal;
  int points = 0, completed = 0;
  bool emitted = false;
  error_code code;
  auto const reached = [&] {
    if (points++ != point || completed != 0) return;
    emitted = true;
    signal.emit(type);
  };
  world.on_event = [&] {
    bool const before = emitted;
    reached();
    context.restart();
    if (emitted && !before) context.poll_one();  // co_spawn sends it on by a handler
  };
  asio::co_spawn(context, attempt(std::move(operation)),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
                   ++completed;
                   if (!error) return;
                   try {
                     std::rethrow_exception(error);
                   } catch (boost::system::system_error const& e) {
                     code = e.code();
                   }
                 }));
  reached();
  while (completed == 0) {
    world.must_step(context);
    reached();
  }
  context.restart();
  context.poll();
  world.on_event = [] {};
  CHECK(completed == 1);
  CHECK(Live::count == 0);
  if (code) {
    CHECK(code == asio::error::operation_aborted);
    CHECK(emitted);
    return Result::aborted;
  }
  return emitted ? Result::before_the_end : Result::after_the_end;
}

// What there has to be afterwards; megabytes, and so not compared by CHECK itself.
void check_contents(World& world, Case const& c, bool done, bool not_done) {
  if (c.operation == op_close) world.open();
  Contents const contents = world.contents();
  bool const good = ((done || c.partly) && contents == c.after) || (not_done && contents == three);
  CHECK(good);
}

asio::awaitable<void> walk(Cursor<SQLiteCache::Entry>& entries, std::vector<std::string>& keys) {
  for (;;) {
    std::optional<SQLiteCache::Entry> const entry = co_await entries.next();
    if (!entry) break;
    keys.push_back(entry->first);
  }
}

asio::awaitable<void> read_pieces(ValueReader& reader, std::string& value) {
  for (;;) {
    std::string_view const piece = co_await reader.next();
    if (piece.empty()) break;
    value += piece;
  }
}

asio::awaitable<void> open_value(SQLiteCache& cache, std::optional<ValueReader>& reader) {
  reader = co_await cache.open("big");
}

asio::awaitable<void> write_big(SQLiteCache& cache, std::string const& value) {
  co_await cache.write("big", value);
}

asio::awaitable<void> expect_closed(SQLiteCache& cache) {
  error_code const code = co_await code_of(op_write(cache));
  CHECK(code == cache_errc::closed);
  co_await cache.close();
}

void cancel_everywhere(Case const& c, Lanes lanes, Start start, asio::cancellation_type type,
                       int stride = 1) {
  CAPTURE(c.name, static_cast<int>(lanes), static_cast<int>(start), static_cast<int>(type));
  World world(lanes, start);
  int aborted = 0;
  for (int point = 0;; point += stride) {
    CAPTURE(point);
    world.reset(c.prepare);
    Result const result = cancel_at(world, c.operation(world.cache()), type, point);
    aborted += result == Result::aborted;
    if (c.operation == op_close) world.run(expect_closed(world.cache()));
    check_contents(world, c, result != Result::aborted, result == Result::aborted);
    if (result == Result::after_the_end) break;
  }
  if (lanes == Lanes::by_hand) CHECK(aborted > 0);
}

void destroy_everywhere(Case const& c, Lanes lanes, Start start) {
  CAPTURE(c.name, static_cast<int>(lanes), static_cast<int>(start));
  World world(lanes, start);
  bool done = false;
  for (int point = 0; !done; ++point) {
    CAPTURE(point);
    world.reset(c.prepare);
    {
      asio::io_context context;
      asio::co_spawn(context, attempt(c.operation(world.cache())), [&](std::exception_ptr error) {
        CHECK_FALSE(error);
        done = true;
      });
      for (int i = 0; i < point && !done; ++i) world.must_step(context);
    }
    CHECK(Live::count == 0);
    check_contents(world, c, true, !done);
  }
}

constexpr asio::cancellation_type types[] = {
    asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total};

}  // namespace

TEST_CASE("an operation cancelled at any point completes once, with its result or without effect",
          "[storage]") {
  for (Case const& c : small_cases()) {
    for (asio::cancellation_type const type : types) cancel_everywhere(c, Lanes::by_hand, Start::warm, type);
  }
}

TEST_CASE("so does one that has to open the file first", "[storage]") {
  for (Case const& c : small_cases()) {
    if (c.operation == op_close) continue;  // there is nothing to close
    cancel_everywhere(c, Lanes::by_hand, Start::cold, asio::cancellation_type::total);
  }
}

TEST_CASE("so does one of many steps", "[storage]") {
  for (Case const& c : big_cases()) {
    cancel_everywhere(c, Lanes::by_hand, Start::warm, asio::cancellation_type::terminal, 7);
  }
}

TEST_CASE("so does one that is cancelled while the cache's threads are at it", "[storage]") {
  for (Case const& c : small_cases()) {
    if (c.operation == op_close) continue;
    cancel_everywhere(c, Lanes::own_threads, Start::warm, asio::cancellation_type::total);
  }
}

TEST_CASE("a context destroyed at any point takes the operation with it, and nothing else", "[storage]") {
  for (Case const& c : small_cases()) {
    for (Start const start : {Start::warm, Start::cold}) destroy_everywhere(c, Lanes::by_hand, start);
  }
  for (Case const& c : big_cases()) destroy_everywhere(c, Lanes::by_hand, Start::warm);
}

TEST_CASE("so does one that is destroyed while the cache's threads are at the operation", "[storage]") {
  for (Case const& c : small_cases()) destroy_everywhere(c, Lanes::own_threads, Start::warm);
}

TEST_CASE("a cursor and a value's reader whose step was cancelled go on where they were", "[storage]") {
  World world(Lanes::by_hand, Start::warm);
  world.reset(op_write_many_300);
  std::string const big(std::size_t{5} << 19, 'x');
  world.run(write_big(world.cache(), big));
  int aborted = 0;
  for (int point = 0;; point += 20) {
    CAPTURE(point);
    Cursor<SQLiteCache::Entry> entries = world.cache().entries();
    std::vector<std::string> keys;
    Result const result = cancel_at(world, walk(entries, keys), asio::cancellation_type::terminal, point);
    aborted += result == Result::aborted;
    world.run(walk(entries, keys));
    CHECK(keys.size() == 304);
    std::sort(keys.begin(), keys.end());
    CHECK(std::unique(keys.begin(), keys.end()) == keys.end());
    if (result == Result::after_the_end) break;
  }
  for (int point = 0;; ++point) {
    CAPTURE(point);
    std::optional<ValueReader> reader;
    world.run(open_value(world.cache(), reader));
    REQUIRE(reader.has_value());
    std::string value;
    Result const result =
        cancel_at(world, read_pieces(*reader, value), asio::cancellation_type::terminal, point);
    aborted += result == Result::aborted;
    world.run(read_pieces(*reader, value));
    bool const same = value == big;
    CHECK(same);
    if (result == Result::after_the_end) break;
  }
  CHECK(aborted > 10);
}
