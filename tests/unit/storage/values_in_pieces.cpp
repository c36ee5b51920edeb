// Values read piece by piece, values read into memory of one's own, and walks over what changes meanwhile.
#include <filesystem>
#include <set>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/command.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

constexpr std::size_t kib = 1024, mib = kib * kib;

// No two pieces of it are alike.
std::string pattern(std::size_t size) {
  std::string value(size, '\0');
  std::uint32_t x = 1;
  for (char& c : value) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return value;
}

asio::awaitable<ValueReader> open(SQLiteCache& cache, std::string key) {
  std::optional<ValueReader> reader = co_await cache.open(std::move(key));
  if (!reader) throw std::runtime_error("no value");
  co_return std::move(*reader);
}

asio::awaitable<void> next(ValueReader& reader, std::string& value) {
  std::string_view const piece = co_await reader.next();
  value += piece;
}

// What the pieces fail with; none if the value was read to its end.
asio::awaitable<error_code> read_to_the_end(ValueReader& reader, std::string& value) {
  for (;;) {
    std::size_t const before = value.size();
    error_code const code = co_await code_of(next(reader, value));
    if (code || value.size() == before) co_return code;
  }
}

asio::awaitable<void> write_numbered(SQLiteCache& cache, int count, std::size_t size) {
  std::vector<SQLiteCache::Entry> entries;
  for (int i = 0; i < count; ++i) entries.emplace_back("k" + std::to_string(i), std::string(size, 'v'));
  co_await cache.write_many(std::move(entries));
}

template <class R>
asio::awaitable<void> drop(asio::awaitable<R> operation) {
  co_await std::move(operation);
}

void sql(TempDirectory const& directory, std::string const& statement) {
  command("sqlite3 " + directory.file("demo.sqlite") + " \"" + statement + "\"");
}

}  // namespace

TEST_CASE("the pieces of a value make the value, whatever its size", "[storage]") {
  for (char const* const secret : {"", "secret"}) {
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().secret_key(secret));
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      for (std::size_t const size : {std::size_t{0}, std::size_t{1}, 256 * kib - 1, 256 * kib, 256 * kib + 1,
                                     mib - 1, mib, mib + 1, 5 * mib}) {
        CAPTURE(size);
        std::string const written = pattern(size);
        co_await c.write("k", written);
        ValueReader reader = co_await open(c, "k");
        CHECK(reader.size() == size);
        std::string value;
        for (;;) {
          std::string_view const piece = co_await reader.next();
          if (piece.empty()) break;
          CHECK(piece.size() <= 256 * kib);
          value += piece;
        }
        CHECK((value == written));
        std::string_view const after = co_await reader.next();
        CHECK(after.empty());
      }
      std::optional<ValueReader> const missing = co_await c.open("missing");
      CHECK_FALSE(missing);
      CHECK(c.statistics().damaged == 0);
    }(cache));
  }
}

TEST_CASE("a value that is overwritten, removed or cleared between two pieces has changed, and stays so",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (int how = 0; how < 6; ++how) {
      CAPTURE(how);
      co_await c.write("k", pattern(5 * mib));
      ValueReader reader = co_await open(c, "k");
      std::string value;
      co_await next(reader, value);
      std::string other = pattern(5 * mib);
      if (how == 0) other.back() = 'x';
      if (how == 1) other.pop_back();
      bool put_back = true;
      if (how <= 1) {
        put_back = false;
        co_await c.write("k", std::move(other));
      }
      if (how == 2) co_await c.remove("k");
      if (how == 3) co_await c.clear();
      if (how == 4) co_await drop(c.pop("k"));
      if (how == 5) co_await c.clear(Erase::secure);
      error_code const changed = co_await read_to_the_end(reader, value);
      CHECK(changed == cache_errc::changed);
      CHECK(value.size() < 5 * mib);
      if (put_back) co_await c.write("k", pattern(5 * mib));
      error_code const still = co_await read_to_the_end(reader, value);
      CHECK(still == cache_errc::changed);
      ValueReader fresh = co_await open(c, "k");
      value.clear();
      error_code const code = co_await read_to_the_end(fresh, value);
      CHECK_FALSE(code);
      CHECK(value.size() >= 5 * mib - 1);
    }
    CHECK(c.statistics().damaged == 0);
  }(cache));
}

TEST_CASE("writes elsewhere do not disturb a value that is being read", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::string const written = pattern(5 * mib);
    co_await c.write("k", written);
    ValueReader reader = co_await open(c, "k");
    std::string value;
    for (int i = 0;; ++i) {
      std::size_t const before = value.size();
      co_await next(reader, value);
      if (value.size() == before) break;
      co_await c.write("other" + std::to_string(i), pattern(100 * kib));
    }
    CHECK((value == written));
  }(cache));
}

TEST_CASE("a damaged value fails in place of its last piece, and is counted", "[storage]") {
  for (char const* const secret : {"", "secret"}) {
    CAPTURE(secret);
    TempDirectory directory;
    SQLiteOptions const options = SQLiteOptions().secret_key(secret);
    for (std::size_t const size : {std::size_t{10}, 256 * kib, 3 * mib}) {
      CAPTURE(size);
      {
        SQLiteCache cache(directory.file("demo"), "cache", options);
        run([](SQLiteCache& c, std::size_t n) -> asio::awaitable<void> {
          co_await c.write("k", std::string(n, 'v'));
        }(cache, size));
      }
      sql(directory, "update cache set value = cast('w' || substr(value, 2) as blob)");
      SQLiteCache cache(directory.file("demo"), "cache", options);
      run([](SQLiteCache& c, std::size_t n, cache_errc expected) -> asio::awaitable<void> {
        ValueReader reader = co_await open(c, "k");
        std::string value;
        error_code const code = co_await read_to_the_end(reader, value);
        CHECK(code == expected);
        CHECK(value.size() < n);
        if (expected == cache_errc::bad_value) CHECK(c.statistics().damaged == 1);
      }(cache, size, *secret ? cache_errc::bad_signature : cache_errc::bad_value));
    }
  }
}

TEST_CASE("a value that somebody else has emptied is damaged, one that is empty is not", "[storage]") {
  for (char const* const secret : {"", "secret"}) {
    CAPTURE(secret);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().secret_key(secret));
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      co_await c.write("k", "value");
      co_await c.write("empty", "");
    }(cache));
    sql(directory, "update cache set value = x''");
    run([](SQLiteCache& c, cache_errc expected) -> asio::awaitable<void> {
      ValueReader emptied = co_await open(c, "k");
      std::string value;
      error_code const code = co_await read_to_the_end(emptied, value);
      CHECK(code == expected);
      ValueReader empty = co_await open(c, "empty");
      error_code const none = co_await read_to_the_end(empty, value);
      CHECK_FALSE(none);
      CHECK(value.empty());
    }(cache, *secret ? cache_errc::bad_signature : cache_errc::bad_value));
  }
}

TEST_CASE("a value with the wrong kind of signature is refused when it is opened for reading", "[storage]") {
  TempDirectory directory;
  SQLiteCache plain(directory.file("demo"));
  SQLiteCache signing(directory.file("demo"), "cache", SQLiteOptions().secret_key("secret"));
  SQLiteCache other(directory.file("demo"), "cache", SQLiteOptions().secret_key("another"));
  run([](SQLiteCache& p, SQLiteCache& s, SQLiteCache& o) -> asio::awaitable<void> {
    co_await p.write("unsigned", "v");
    co_await s.write("signed", "v");
    error_code const forged = co_await code_of(drop(s.open("unsigned")));
    CHECK(forged == cache_errc::bad_signature);
    error_code const without = co_await code_of(drop(p.open("signed")));
    CHECK(without == cache_errc::bad_signature);
    ValueReader reader = co_await open(o, "signed");
    std::string value;
    error_code const wrong = co_await read_to_the_end(reader, value);
    CHECK(wrong == cache_errc::bad_signature);
    CHECK(value.empty());
  }(plain, signing, other));
}

TEST_CASE("a value's reader goes on when its cache object is gone", "[storage]") {
  TempDirectory directory;
  run([](std::string file) -> asio::awaitable<void> {
    std::optional<ValueReader> reader;
    {
      SQLiteCache cache(file);
      co_await cache.write("k", pattern(3 * mib));
      reader = co_await cache.open("k");
    }
    std::string value;
    error_code const code = co_await read_to_the_end(*reader, value);
    CHECK_FALSE(code);
    CHECK((value == pattern(3 * mib)));
  }(directory.file("demo")));
}

TEST_CASE("read_into uses the memory that there is and leaves it alone when there is nothing", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("big", pattern(100 * kib));
    co_await c.write("small", "v");
    co_await c.write("empty", "");
    std::string value;
    value.reserve(200 * kib);
    char const* const memory = value.data();
    for (char const* const key : {"big", "small", "big", "empty"}) {
      std::optional<std::string> const expected = co_await c.read(key);
      bool const found = co_await c.read_into(key, value);
      CHECK(found);
      CHECK((value == expected));
      CHECK(value.data() == memory);
    }
    value = "before";
    bool const found = co_await c.read_into("missing", value);
    CHECK_FALSE(found);
    CHECK(value == "before");
  }(cache));
  sql(directory, "update cache set value = x'00' where key = 'small'");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::string value = "before";
    bool const damaged = co_await c.read_into("small", value);
    CHECK_FALSE(damaged);
    CHECK(value == "before");
    CHECK(c.statistics().damaged == 1);
  }(cache));
}

// --- cursors ---

TEST_CASE("values and entries come in batches of about a megabyte, damaged ones left out", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(write_numbered(cache, 3000, kib));
  sql(directory, "update cache set value = x'00' where key like '%7'");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    int batches = 0;
    std::set<std::string> seen;
    Cursor<SQLiteCache::Entry> entries = c.entries();
    for (;;) {
      std::vector<SQLiteCache::Entry> const batch = co_await entries.next_batch();
      if (batch.empty()) break;
      ++batches;
      CHECK(batch.size() <= 1100);
      for (auto const& [key, value] : batch) {
        CHECK(key.back() != '7');
        CHECK(seen.insert(key).second);
      }
    }
    CHECK(seen.size() == 2700);
    CHECK(batches >= 3);
    CHECK(batches <= 6);
    CHECK(c.statistics().damaged == 300);
    std::size_t count = 0;
    Cursor<std::string> values = c.values();
    for (;;) {
      std::vector<std::string> const batch = co_await values.next_batch();
      if (batch.empty()) break;
      CHECK(batch.size() <= 1100);
      count += batch.size();
    }
    CHECK(count == 2700);
    CHECK(c.statistics().damaged == 600);
  }(cache));
}

TEST_CASE("a walk over a table of nothing but damaged values ends empty", "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(write_numbered(cache, 3000, kib));
  sql(directory, "update cache set value = x'00'");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    Cursor<std::string> values = c.values();
    std::optional<std::string> const value = co_await values.next();
    CHECK_FALSE(value);
    Cursor<std::string> keys = c.keys();
    std::size_t count = 0;
    for (;;) {
      std::optional<std::string> const key = co_await keys.next();
      if (!key) break;
      ++count;
    }
    CHECK(count == 3000);
  }(cache));
}

TEST_CASE("what is there all the time is seen once by a walk, whatever is written and removed meanwhile",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  run(write_numbered(cache, 4000, kib));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (bool const by_keys : {true, false}) {
      std::multiset<std::string> seen;
      Cursor<std::string> keys = c.keys();
      Cursor<SQLiteCache::Entry> entries = c.entries();
      for (int i = 0;; ++i) {
        std::optional<std::string> key;
        if (by_keys) {
          key = co_await keys.next();
        } else {
          std::optional<SQLiteCache::Entry> const entry = co_await entries.next();
          if (entry) key = entry->first;
        }
        if (!key) break;
        seen.insert(*key);
        if (i % 10 != 0 || i > 5000) continue;
        // Even keys stay; odd ones go, are overwritten, come back; new ones come.
        std::string const odd = "k" + std::to_string((i * 7) % 4000 | 1);
        bool const removed = co_await c.remove(odd);
        if (!removed || i % 20 == 0) co_await c.write(odd, "back");
        co_await c.write("k" + std::to_string(i) + "-new", std::string(kib, 'n'));
      }
      int missing = 0, twice = 0;
      for (int i = 0; i < 4000; i += 2) {
        std::size_t const count = seen.count("k" + std::to_string(i));
        missing += count == 0;
        twice += count > 1;
      }
      CHECK(missing == 0);
      CHECK(twice == 0);
    }
    Cursor<std::string> cleared = c.values();
    std::optional<std::string> const first = co_await cleared.next();
    CHECK(first);
    co_await c.clear();
    std::size_t rest = 0;
    for (;;) {
      std::optional<std::string> const value = co_await cleared.next();
      if (!value) break;
      ++rest;
    }
    CHECK(rest < 4000);  // what was at hand already
  }(cache));
}

TEST_CASE("an open walk and an open value do not keep the write-ahead log from being used anew",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"), "cache",
                    SQLiteOptions().checkpoint_pages(100).wal_limit(1 << 20));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await write_numbered(c, 3000, kib);
    co_await c.write("big", pattern(5 * mib));
    ValueReader reader = co_await open(c, "big");
    std::string piece;
    co_await next(reader, piece);
    Cursor<std::string> values = c.values();
    for (int i = 0; i < 1000; ++i) {
      std::optional<std::string> const value = co_await values.next();
      CHECK(value);
      co_await c.write("w" + std::to_string(i % 5), std::string(20 * kib, static_cast<char>('a' + i % 26)));
    }
  }(cache));
  // 20 MB were written, and 5 MiB in one transaction.
  CHECK(std::filesystem::file_size(directory.file("demo.sqlite-wal")) < 12 * mib);
  CHECK(cache.statistics().checkpoints >= 5);
}
