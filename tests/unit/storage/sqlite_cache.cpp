#include "beast_cache/storage/sqlite_cache.hpp"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "beast_cache/storage/sqlite_pickle_cache.hpp"
#include "catch.hpp"
#include "support/command.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

template <class R>
asio::awaitable<void> drop(asio::awaitable<R> operation) {
  co_await std::move(operation);
}

std::string contents(std::string const& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

asio::awaitable<void> write_one(SQLiteCache& cache) {
  co_await cache.write("k", "v");
}

asio::awaitable<void> expect_code(SQLiteCache& cache, cache_errc expected, std::string part_of_what) {
  std::string what;
  error_code const read = co_await code_of(drop(cache.read("k")), &what);
  CHECK(read == expected);
  CHECK_THAT(what, Catch::Matchers::Contains(part_of_what));
  error_code const write = co_await code_of(cache.write("k", "v"));
  CHECK(write == expected);
}

asio::awaitable<void> write_numbers(SQLiteCache cache, int from, int count) {
  for (int i = from; i < from + count; ++i) co_await cache.write(std::to_string(i), "v" + std::to_string(i));
}

}  // namespace

// --- names and places ---

TEST_CASE("a cache's file gets .sqlite only when its name has no extension", "[storage]") {
  TempDirectory directory;
  CHECK(SQLiteCache(directory.file("demo")).filename() == directory.file("demo.sqlite"));
  CHECK(SQLiteCache(directory.file("demo.db")).filename() == directory.file("demo.db"));
  CHECK(SQLiteCache(directory.file("a.b/demo")).filename() == directory.file("a.b/demo.sqlite"));
  CHECK(SQLiteCache(directory.file(".hidden")).filename() == directory.file(".hidden.sqlite"));
  CHECK(SQLiteCache(":memory:").filename() == ":memory:");
  CHECK(SQLiteCache("relative").filename() == std::filesystem::current_path().string() + "/relative.sqlite");
  CHECK(SQLiteCache("~/x.db").filename() == std::string(std::getenv("HOME")) + "/x.db");
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("names that can't be a cache are refused at once", "[storage]") {
  CHECK_THROWS_AS(SQLiteCache(""), Error);
  CHECK_THROWS_AS(SQLiteCache("dir/"), Error);
  CHECK_THROWS_AS(SQLiteCache(".."), Error);
  CHECK_THROWS_AS(SQLiteCache(std::string("a\0b", 3)), Error);
  CHECK_THROWS_AS(SQLiteCache("demo", ""), Error);
  CHECK_THROWS_AS(SQLiteCache("demo", std::string("a\0b", 3)), Error);
  CHECK_THROWS_AS(SQLiteCache("demo", "SQLite_x"), Error);
  CHECK_THROWS_AS(SQLiteCache("demo", "beast_cache_tables"), Error);
  CHECK_THROWS_AS(SQLiteCache("../demo", "t", SQLiteOptions().use_temp(true)), Error);
  CHECK_THROWS_AS(SQLiteOptions().busy_timeout(std::chrono::milliseconds(-1)), std::invalid_argument);
  CHECK_THROWS_AS(SQLiteOptions().max_value_size(0), std::invalid_argument);
  CHECK_THROWS_AS(SQLiteOptions().checkpoint_pages(0), std::invalid_argument);
}

TEST_CASE("options can be read back and have safe defaults", "[storage]") {
  SQLiteOptions options;
  CHECK(options.durability() == Durability::normal);
  CHECK(options.fast_save());
  CHECK(options.busy_timeout() == std::chrono::seconds(10));
  CHECK_FALSE(options.read_only());
  options.fast_save(false).salt("pepper").secret_key("k").use_temp(true).max_value_size(5).checkpoint_pages(
      7);
  CHECK(options.durability() == Durability::full);
  CHECK(options.salt() == "pepper");
  CHECK(options.secret_key() == "k");
  CHECK(options.use_temp());
  CHECK(options.max_value_size() == 5);
  CHECK(options.checkpoint_pages() == 7);
}

TEST_CASE("any table name that SQLite takes works and is quoted", "[storage]") {
  TempDirectory directory;
  for (std::string const table :
       {"a\"; DROP TABLE t; --", "`", "[y]", "new\nline", "\xc3\xa9t\xc3\xa9", "select", "1", " "}) {
    SQLiteCache cache(directory.file("names"), table);
    run(write_one(cache));
    SQLiteCache again(directory.file("names"), table);
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      std::uint64_t const size = co_await c.size();
      CHECK(size == 1);
    }(again));
  }
  SQLiteCache big(directory.file("names"), std::string(1000, 'n'));
  run(write_one(big));
  CHECK(command("sqlite3 " + directory.file("names.sqlite") + " 'select count(*) from beast_cache_tables'") ==
        "9\n");
}

TEST_CASE("a cache file is readable by its owner only, and so are its companions", "[storage]") {
  TempDirectory directory;
  mode_t const before = ::umask(0);
  SQLiteCache cache(directory.file("new/private"));
  run(write_one(cache));
  ::umask(before);
  for (std::string const suffix : {".sqlite", ".sqlite-wal", ".sqlite-shm"}) {
    struct stat st {};
    REQUIRE(::stat(directory.file("new/private" + suffix).c_str(), &st) == 0);
    CHECK((st.st_mode & 0777) == 0600);
  }
  struct stat st {};
  REQUIRE(::stat(directory.file("new").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0700);
}

TEST_CASE("use_temp puts a relative name into a private directory and refuses one that is not", "[storage]") {
  TempDirectory directory;
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  ::setenv("XDG_RUNTIME_DIR", directory.path().c_str(), 1);
  SQLiteCache cache("inside", "cache", SQLiteOptions().use_temp(true));
  run(write_one(cache));
  CHECK(std::filesystem::exists(directory.file("inside.sqlite")));
  TempDirectory elsewhere;
  SQLiteCache absolute(elsewhere.file("outside"), "cache", SQLiteOptions().use_temp(true));
  run(write_one(absolute));
  CHECK(std::filesystem::exists(elsewhere.file("outside.sqlite")));
  REQUIRE(::chmod(elsewhere.path().c_str(), 0755) == 0);
  ::setenv("XDG_RUNTIME_DIR", elsewhere.path().c_str(), 1);
  SQLiteCache open_to_all("inside", "cache", SQLiteOptions().use_temp(true));
  run(expect_code(open_to_all, cache_errc::io, "use_temp"));
  ::unsetenv("XDG_RUNTIME_DIR");
}

// --- bad places ---

TEST_CASE("a path below a regular file is a clear error", "[storage]") {
  TempDirectory directory;
  std::ofstream(directory.file("plain")) << "x";
  SQLiteCache cache(directory.file("plain/demo"));
  run(expect_code(cache, cache_errc::io, "plain"));
}

TEST_CASE("a directory in place of the file is a clear error", "[storage]") {
  TempDirectory directory;
  std::filesystem::create_directory(directory.file("demo.sqlite"));
  SQLiteCache cache(directory.file("demo"));
  run(expect_code(cache, cache_errc::not_a_cache, "a directory"));
}

TEST_CASE("a symbolic link in place of the file is refused", "[storage]") {
  TempDirectory directory;
  std::filesystem::create_symlink(directory.file("victim"), directory.file("demo.sqlite"));
  SQLiteCache cache(directory.file("demo"));
  run(expect_code(cache, cache_errc::io, "symbolic link"));
  CHECK_FALSE(std::filesystem::exists(directory.file("victim")));
}

TEST_CASE("a file that is not a database is refused and left as it was", "[storage]") {
  for (std::string const& text :
       {std::string("x"), std::string("not a database\n"), std::string(8192, 'z'), std::string(4096, '\0')}) {
    TempDirectory directory;
    std::ofstream(directory.file("demo.sqlite"), std::ios::binary) << text;
    SQLiteCache cache(directory.file("demo"));
    run(expect_code(cache, cache_errc::not_a_cache, "demo.sqlite"));
    CHECK(contents(directory.file("demo.sqlite")) == text);
    CHECK_FALSE(std::filesystem::exists(directory.file("demo.sqlite-wal")));
  }
}

TEST_CASE("another program's database is refused and left as it was", "[storage]") {
  TempDirectory directory;
  command("sqlite3 " + directory.file("demo.sqlite") + " 'create table cache(key, value)'");
  std::string const before = contents(directory.file("demo.sqlite"));
  SQLiteCache cache(directory.file("demo"));
  run(expect_code(cache, cache_errc::not_a_cache, "another program"));
  CHECK(contents(directory.file("demo.sqlite")) == before);
}

TEST_CASE("a table that is not a cache's, or another kind of cache's, is refused", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(write_one(cache));
  command("sqlite3 " + directory.file("demo.sqlite") + " 'create table mine(x)'");
  SQLiteCache mine(directory.file("demo"), "MINE");
  run(expect_code(mine, cache_errc::not_a_cache, "MINE"));
  SQLitePickleCache<std::string> pickle(directory.file("demo"), "cache");
  run([](SQLitePickleCache<std::string>& c) -> asio::awaitable<void> {
    error_code const code = co_await code_of(drop(c.read("k")));
    CHECK(code == cache_errc::not_a_cache);
  }(pickle));
}

TEST_CASE("a file or table of a newer version is refused and left as it was", "[storage]") {
  for (std::string const change : {"pragma user_version=99", "update beast_cache_tables set version = 9"}) {
    TempDirectory directory;
    {
      SQLiteCache cache(directory.file("demo"));
      run(write_one(cache));
    }
    command("sqlite3 " + directory.file("demo.sqlite") + " '" + change + "'");
    std::string const before = contents(directory.file("demo.sqlite"));
    SQLiteCache cache(directory.file("demo"));
    run(expect_code(cache, cache_errc::schema_newer, "demo.sqlite"));
    CHECK(contents(directory.file("demo.sqlite")) == before);
  }
}

TEST_CASE("a file that is replaced while it is open gets no acknowledged write, and then is opened anew",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(write_one(cache));
  for (std::string const suffix : {"", "-wal", "-shm"}) {
    std::filesystem::rename(directory.file("demo.sqlite" + suffix), directory.file("old.sqlite" + suffix));
  }
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    error_code const code = co_await code_of(c.write("k2", "v"));
    CHECK(code == cache_errc::moved);
    co_await c.write("k3", "v");
    std::uint64_t const size = co_await c.size();
    CHECK(size == 1);
  }(cache));
  CHECK(command("sqlite3 " + directory.file("old.sqlite") + " 'select key from cache'") == "k\n");
}

TEST_CASE("what is under way when a file turns out to be replaced fails with moved, and nothing else",
          "[storage]") {
  bool const in_line = GENERATE(false, true);
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().inline_reads(in_line));
  run(write_one(cache));
  for (std::string const suffix : {"", "-wal", "-shm"})
    std::filesystem::remove(directory.file("demo.sqlite" + suffix));
  asio::io_context context;
  int moved = 0, done = 0;
  auto const note = [&](std::exception_ptr error, auto const&...) {
    try {
      if (error) std::rethrow_exception(error);
      ++done;
    } catch (Error const& e) {
      INFO(e.what());
      CHECK(e.code() == cache_errc::moved);
      ++moved;
    }
  };
  for (int i = 0; i < 10; ++i) {
    asio::co_spawn(context, cache.write("k", "v"), note);
    asio::co_spawn(context, cache.read("k"), note);
  }
  context.run();
  CHECK(moved > 0);
  CHECK(moved + done == 20);
  run(write_one(cache));
}

TEST_CASE("reads notice that their file was replaced, in a cache that never writes too", "[storage]") {
  bool const read_only = GENERATE(false, true);
  TempDirectory directory;
  auto const fill = [&](char const* name, std::string value) {
    SQLiteCache cache(directory.file(name));
    run([](SQLiteCache& c, std::string v) -> asio::awaitable<void> {
      co_await c.write("k", std::move(v));
      co_await c.close();
    }(cache, std::move(value)));
  };
  fill("demo", "old");
  fill("new", "new");
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().read_only(read_only));
  auto const look = [](SQLiteCache& c, std::string& found) -> asio::awaitable<void> {
    std::optional<std::string> value = co_await c.read("k");
    found = value.value_or("none");
  };
  std::string found;
  run(look(cache, found));
  CHECK(found == "old");
  std::filesystem::rename(directory.file("new.sqlite"), directory.file("demo.sqlite"));
  for (std::string const suffix : {"-wal", "-shm"})
    std::filesystem::remove(directory.file("demo.sqlite" + suffix));
  std::vector<error_code> codes;
  // Within the hold time it may go unnoticed.
  for (int i = 0; i < 100'000 && found != "new"; ++i) {
    try {
      run(look(cache, found));
    } catch (Error const& e) {
      codes.push_back(e.code());
    }
  }
  CHECK(found == "new");
  CHECK(codes.size() <= 2);
  for (error_code const& code : codes) CHECK(code == cache_errc::moved);
}

// --- sizes ---

TEST_CASE("a value can be read whatever the reader's own limit is", "[storage]") {
  TempDirectory directory;
  std::string const large(5'000'000, 'v');
  {
    SQLiteCache cache(directory.file("demo"));
    run([](SQLiteCache& c, std::string const& v) -> asio::awaitable<void> {
      co_await c.write("k", v);
      co_await c.close();
    }(cache, large));
  }
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().max_value_size(1000));
  run([](SQLiteCache& c, std::string const& v) -> asio::awaitable<void> {
    std::optional<std::string> const value = co_await c.read("k");
    CHECK(value == v);
    std::vector<std::string> const all = co_await c.values().next_batch();
    CHECK(all.size() == 1);
    std::optional<std::string> const none = co_await c.read(std::string(3'000'000, 'k'));
    CHECK_FALSE(none);
    error_code const code = co_await code_of(c.write("k", std::string(1001, 'v')));
    CHECK(code == cache_errc::too_big);
  }(cache, large));
}

TEST_CASE("a key or value beyond its limit fails before anything is written", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().max_value_size(1000));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("fits", std::string(1000, 'v'));
    error_code const value = co_await code_of(c.write("k", std::string(1001, 'v')));
    CHECK(value == cache_errc::too_big);
    error_code const key = co_await code_of(c.write(std::string(1 << 20, 'k'), "v"));
    CHECK(key == cache_errc::too_big);
    std::vector<std::pair<std::string, std::string>> entries;
    entries.emplace_back("a", "1");
    entries.emplace_back("b", std::string(2000, 'v'));
    error_code const many = co_await code_of(c.write_many(std::move(entries)));
    CHECK(many == cache_errc::too_big);
    std::uint64_t const size = co_await c.size();
    CHECK(size == 1);
  }(cache));
}

TEST_CASE("values around the page size and of a megabyte come back whole", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (std::size_t const n : {0u, 1u, 4095u, 4096u, 4097u, 65536u, 1u << 20, 5u << 20}) {
      std::string const value(n, static_cast<char>('a' + n % 26));
      co_await c.write(std::to_string(n), value);
      std::optional<std::string> const back = co_await c.read(std::to_string(n));
      CHECK((back && *back == value));
    }
  }(cache));
}

TEST_CASE("300 000 keys can be removed at once", "[storage]") {
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::vector<std::string> keys;
    for (int i = 0; i < 300000; ++i) keys.push_back(std::to_string(i));
    for (int i = 0; i < 10; ++i) co_await c.write(std::to_string(i * 30000), "v");
    std::size_t const removed = co_await c.bulk_remove(std::move(keys));
    CHECK(removed == 10);
  }(cache));
}

// --- one file, several caches ---

TEST_CASE("two caches on two tables of one file keep apart and share the threads", "[storage]") {
  TempDirectory directory;
  SQLiteCache one(directory.file("demo"), "one"), two(directory.path() + "/./demo.sqlite", "two");
  run([](SQLiteCache& a, SQLiteCache& b) -> asio::awaitable<void> {
    co_await a.write("k", "a");
    co_await b.write("k", "b");
    std::optional<std::string> const from_a = co_await a.read("k");
    std::optional<std::string> const from_b = co_await b.read("k");
    CHECK(from_a == "a");
    CHECK(from_b == "b");
    co_await a.close();
    std::optional<std::string> const after = co_await b.read("k");
    CHECK(after == "b");
    CHECK(b.statistics().commits >= 2);
  }(one, two));
}

TEST_CASE("two caches on one table see each other's writes", "[storage]") {
  TempDirectory directory;
  SQLiteCache one(directory.file("demo")), two(directory.file("demo"));
  run([](SQLiteCache& a, SQLiteCache& b) -> asio::awaitable<void> {
    for (int i = 0; i < 100; ++i) {
      co_await a.write("k", std::to_string(i));
      std::optional<std::string> const value = co_await b.read("k");
      CHECK(value == std::to_string(i));
    }
  }(one, two));
}

TEST_CASE("a table name's ASCII case does not count", "[storage]") {
  TempDirectory directory;
  SQLiteCache lower(directory.file("demo"), "cache"), upper(directory.file("demo"), "CACHE");
  run([](SQLiteCache& a, SQLiteCache& b) -> asio::awaitable<void> {
    co_await a.write("k", "v");
    std::optional<std::string> const value = co_await b.read("k");
    CHECK(value == "v");
  }(lower, upper));
}

TEST_CASE("an awaited write is seen by a read from another executor", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  asio::io_context other;
  auto work = asio::make_work_guard(other);
  std::thread thread([&] { other.run(); });
  run([](SQLiteCache& c, asio::io_context& elsewhere) -> asio::awaitable<void> {
    for (int i = 0; i < 200; ++i) {
      co_await c.write("k", std::to_string(i));
      auto reading = c.read("k");
      std::optional<std::string> const value =
          co_await asio::co_spawn(elsewhere, std::move(reading), asio::use_awaitable);
      CHECK(value == std::to_string(i));
    }
  }(cache, other));
  work.reset();
  thread.join();
}

TEST_CASE("500 operations at once all succeed", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  asio::io_context context;
  int failures = 0;
  for (int i = 0; i < 500; ++i) {
    asio::co_spawn(context, cache.write(std::to_string(i), "v"),
                   [&](std::exception_ptr e) { failures += e != nullptr; });
  }
  context.run();
  context.restart();
  int found = 0;
  for (int i = 0; i < 500; ++i) {
    asio::co_spawn(context, cache.read(std::to_string(i)),
                   [&](std::exception_ptr e, std::optional<std::string> value) {
                     failures += e != nullptr;
                     found += value.has_value();
                   });
  }
  context.run();
  CHECK(failures == 0);
  CHECK(found == 500);
  CHECK(cache.statistics().commits < 500);
}

TEST_CASE("the user's own threads can do the blocking work", "[storage]") {
  TempDirectory directory;
  asio::thread_pool pool(2);
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().executor(pool.get_executor()));
  run(write_numbers(std::move(cache), 0, 100));
  pool.join();
  CHECK(command("sqlite3 " + directory.file("demo.sqlite") + " 'select count(*) from cache'") == "100\n");
}

TEST_CASE("worker threads that are gone are an error, not a hang", "[storage]") {
  TempDirectory directory;
  auto pool = std::make_unique<asio::io_context>();
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().executor(pool->get_executor()));
  asio::io_context context;
  error_code code;
  asio::co_spawn(context, code_of(write_one(cache)), [&](std::exception_ptr, error_code c) { code = c; });
  context.poll();
  pool.reset();
  context.run();
  CHECK(code == cache_errc::no_threads);
}

TEST_CASE("a read-only cache reads, and refuses to write", "[storage]") {
  TempDirectory directory;
  SQLiteOptions const read_only = SQLiteOptions().read_only(true);
  SQLiteCache missing(directory.file("missing"), "cache", read_only);
  run(expect_code(missing, cache_errc::io, "no such cache"));
  CHECK_FALSE(std::filesystem::exists(directory.file("missing.sqlite")));
  SQLiteCache writer(directory.file("demo"));
  run(write_one(writer));
  SQLiteCache reader(directory.file("demo"), "cache", read_only);
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::optional<std::string> const value = co_await c.read("k");
    CHECK(value == "v");
    error_code const code = co_await code_of(c.write("k", "w"));
    CHECK(code == cache_errc::readonly);
    error_code const clear = co_await code_of(c.clear());
    CHECK(clear == cache_errc::readonly);
  }(reader));
}

// --- bulk_commit ---

TEST_CASE("100 000 writes of a bulk_commit are one commit and can be counted with the sqlite3 tool",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::uint64_t const nothing = co_await c.size();
    std::uint64_t const before = c.statistics().commits + nothing;
    auto bulk = c.bulk_commit();
    for (int i = 0; i < 100000; ++i) co_await bulk.write(std::to_string(i), "value " + std::to_string(i));
    std::uint64_t const meanwhile = co_await c.size();
    CHECK(meanwhile == 0);
    std::optional<std::string> const own = co_await bulk.read("77");
    CHECK(own == "value 77");
    std::optional<std::string> const others = co_await c.read("77");
    CHECK(!others);
    co_await bulk.commit();
    CHECK(c.statistics().commits == before + 1);
    for (int i = 0; i < 100000; i += 997) {
      std::optional<std::string> const value = co_await c.read(std::to_string(i));
      CHECK(value == "value " + std::to_string(i));
    }
    std::uint64_t const size = co_await c.size();
    CHECK(size == 100000);
    co_await c.close();
  }(cache));
  CHECK(command("sqlite3 " + directory.file("demo.sqlite") +
                " 'select count(*) from cache; pragma integrity_check'") == "100000\nok\n");
}

TEST_CASE("a bulk that is empty commits nothing, four at once make four commits", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(write_one(cache));
  std::uint64_t const before = cache.statistics().commits;
  asio::io_context context;
  auto const task = [](SQLiteCache& c, int id) -> asio::awaitable<void> {
    auto bulk = c.bulk_commit();
    co_await bulk.commit();
    for (int i = 0; i < 250; ++i) co_await bulk.write(std::to_string(id * 1000 + i), "v");
    co_await bulk.commit();
  };
  for (int id = 0; id < 4; ++id) asio::co_spawn(context, task(cache, id), asio::detached);
  context.run();
  CHECK(cache.statistics().commits == before + 4);
}

TEST_CASE("a bulk that is left without commit changes nothing, nested ones join their outer one",
          "[storage]") {
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("old", "1");
    {
      auto bulk = c.bulk_commit();
      co_await bulk.write("gone", "1");
      co_await bulk.clear();
      bool const old = co_await bulk.contains("old");
      CHECK_FALSE(old);
    }
    auto bulk = c.bulk_commit();
    co_await bulk.remove("old");
    {
      auto inner = bulk.bulk_commit();
      co_await inner.write("kept", "1");
      bool const seen_inside = co_await inner.contains("old");
      CHECK_FALSE(seen_inside);
      bool const seen_outside = co_await bulk.contains("kept");
      CHECK_FALSE(seen_outside);
      co_await inner.commit();
    }
    {
      auto inner = bulk.bulk_commit();
      co_await inner.write("dropped", "1");
      co_await inner.clear();
    }
    co_await bulk.commit();
    std::vector<std::string> keys;
    auto cursor = c.keys();
    for (;;) {
      std::optional<std::string> key = co_await cursor.next();
      if (!key) break;
      keys.push_back(std::move(*key));
    }
    CHECK(keys == std::vector<std::string>(1, "kept"));
  }(cache));
}

TEST_CASE("one failing entry of a bulk fails the whole of it and nothing else", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().max_value_size(1000));
  asio::io_context context;
  asio::co_spawn(context, write_numbers(SQLiteCache(directory.file("demo")), 0, 50), asio::detached);
  error_code code;
  auto const task = [](SQLiteCache& c) -> asio::awaitable<void> {
    auto bulk = c.bulk_commit();
    co_await bulk.write("a", "fine");
    co_await bulk.write("b", std::string(2000, 'v'));
    co_await bulk.commit();
  };
  asio::co_spawn(context, code_of(task(cache)), [&](std::exception_ptr, error_code c) { code = c; });
  context.run();
  CHECK(code == cache_errc::too_big);
  cache = SQLiteCache(":memory:");
  CHECK(command("sqlite3 " + directory.file("demo.sqlite") + " 'select count(*) from cache'") == "50\n");
}

// --- get_connection ---

TEST_CASE("get_connection runs a callable on the cache's thread, with or without a transaction",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("k", "v");
    auto const id = [](SQLiteConnection&) { return std::this_thread::get_id(); };
    std::thread::id const thread = co_await c.get_connection(id);
    CHECK(thread != std::this_thread::get_id());
    auto const own_table = [](SQLiteConnection& connection) {
      connection.execute("CREATE TABLE notes(text)");
      connection.execute("INSERT INTO notes VALUES('hello')");
      return connection.changes();
    };
    std::int64_t const changes = co_await c.get_connection(own_table);
    CHECK(changes == 1);
    auto const text = [](SQLiteConnection& connection) {
      return connection.query_text("SELECT text FROM notes");
    };
    std::string const note = co_await c.get_connection(text, ConnectionUse::read);
    CHECK(note == "hello");
    auto const broken = [](SQLiteConnection& connection) {
      connection.execute("INSERT INTO notes VALUES('lost')");
      connection.execute("INSERT INTO nowhere VALUES(1)");
    };
    std::string what;
    error_code const code = co_await code_of(c.get_connection(broken), &what);
    CHECK(code == cache_errc::invalid_argument);
    CHECK_THAT(what, Catch::Matchers::Contains("nowhere") && Catch::Matchers::Contains("demo.sqlite"));
    auto const count = [](SQLiteConnection& connection) {
      return connection.query_integer("SELECT count(*) FROM notes");
    };
    std::int64_t const notes = co_await c.get_connection(count, ConnectionUse::read_autocommit);
    CHECK(notes == 1);
    auto const left_open = [](SQLiteConnection& connection) {
      connection.execute("BEGIN; INSERT INTO notes VALUES('left open')");
      CHECK(connection.native_handle() != nullptr);
    };
    co_await c.get_connection(left_open, ConnectionUse::write_autocommit);
    std::int64_t const still = co_await c.get_connection(count, ConnectionUse::read);
    CHECK(still == 1);
    auto const vacuum = [](SQLiteConnection& connection) { connection.execute("VACUUM"); };
    co_await c.get_connection(vacuum, ConnectionUse::write_autocommit);
    auto const sneaky = [](SQLiteConnection& connection) { connection.execute("DELETE FROM notes"); };
    error_code const denied = co_await code_of(c.get_connection(sneaky, ConnectionUse::read));
    CHECK(denied == cache_errc::readonly);
    auto const throws = [](SQLiteConnection&) { throw std::logic_error("mine"); };
    bool mine = false;
    try {
      co_await c.get_connection(throws);
    } catch (std::logic_error const&) {
      mine = true;
    }
    CHECK(mine);
  }(cache));
}

// --- what SQLite must be set to ---

TEST_CASE("the handles are in WAL mode, never checkpoint by themselves and keep to the durability",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c, std::string file) -> asio::awaitable<void> {
    auto const settings = [](SQLiteConnection& connection) {
      return connection.query_text("PRAGMA journal_mode") + " " +
             connection.query_text("PRAGMA wal_autocheckpoint") + " " +
             connection.query_text("PRAGMA synchronous") + " " +
             connection.query_text("PRAGMA trusted_schema") + " " +
             connection.query_text("PRAGMA auto_vacuum");
    };
    std::string const writer = co_await c.get_connection(settings, ConnectionUse::write_autocommit);
    CHECK(writer == "wal 0 1 0 2");
    std::string const reader = co_await c.get_connection(settings, ConnectionUse::read_autocommit);
    CHECK_THAT(reader, Catch::Matchers::StartsWith("wal 0 "));
    SQLiteCache full(file, "other", SQLiteOptions().durability(Durability::full));
    co_await full.write("k", "v");
    std::string const stronger = co_await c.get_connection(settings, ConnectionUse::write_autocommit);
    CHECK(stronger == "wal 0 2 0 2");
  }(cache, directory.file("demo")));
}

TEST_CASE("the write-ahead log is moved into the file as it grows, and used again", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().checkpoint_pages(50));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (int i = 0; i < 400; ++i)
      co_await c.write("k" + std::to_string(i % 10), std::string(20000, static_cast<char>('a' + i % 26)));
    CHECK(c.statistics().checkpoints >= 10);
  }(cache));
  CHECK(std::filesystem::file_size(directory.file("demo.sqlite-wal")) < 2'000'000);
}
