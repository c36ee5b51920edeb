// Bulks held back in memory and bulks whose transaction has begun: what is seen, what is kept, who waits.
#include "beast_cache/storage/bulk_commit.hpp"

#include <algorithm>
#include <map>
#include <thread>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/command.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

using Bulk = BulkCommit<std::string>;
using Contents = std::map<std::string, std::string>;

// Of 1 KiB: far below, and far above, the 8 MiB that a bulk holds back.
constexpr int few = 100;
constexpr int many = 20'000;

asio::awaitable<void> fill(Bulk& bulk, std::string prefix, int count, char what = 'v') {
  for (int i = 0; i < count; ++i) co_await bulk.write(prefix + std::to_string(i), std::string(1024, what));
}

// Enough for a transaction to begin, or nothing.
asio::awaitable<void> pad(Bulk& bulk, std::string key, bool enough) {
  for (int i = 0; enough && i < 9; ++i) co_await bulk.write(key, std::string(1 << 20, 'p'));
}

asio::awaitable<void> expect_size(SQLiteCache& cache, std::uint64_t expected) {
  std::uint64_t const size = co_await cache.size();
  CHECK(size == expected);
}

// An expected value of "" stands for none.
template <class Readable>
asio::awaitable<void> expect(Readable& from, std::string key, std::string expected) {
  bool const there = co_await from.contains(key);
  CHECK(there == !expected.empty());
  std::optional<std::string> const value = co_await from.read(std::move(key));
  CHECK(value.value_or("") == expected);
}

asio::awaitable<Contents> contents(SQLiteCache& cache) {
  Contents all;
  Cursor<SQLiteCache::Entry> entries = cache.entries();
  for (;;) {
    std::optional<SQLiteCache::Entry> entry = co_await entries.next();
    if (!entry) break;
    all.insert(std::move(*entry));
  }
  co_return all;
}

std::string tool(TempDirectory const& directory, std::string const& sql) {
  return command("sqlite3 " + directory.file("demo.sqlite") + " \"" + sql + "\"");
}

// Takes parts and notes how big they are.
class Scale final : public BulkTarget<std::string> {
 public:
  asio::awaitable<std::optional<std::string>> read(std::string) override { co_return std::nullopt; }
  asio::awaitable<void> apply(BulkPart<std::string> part) override {
    std::size_t bytes = 0;
    for (auto const& [key, value] : part.entries) bytes += value ? value->size() : 0;
    biggest = std::max(biggest, bytes);
    total += bytes;
    co_return;
  }
  void abandon() noexcept override {}
  std::size_t size_of(std::string const& value) const noexcept override { return value.size(); }
  std::size_t biggest = 0, total = 0;
};

}  // namespace

// --- who sees what ---

TEST_CASE("nobody but its owner sees anything of a bulk before its commit, everybody all of it after",
          "[storage]") {
  for (int const count : {few, many}) {
    CAPTURE(count);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    run([](SQLiteCache& c, TempDirectory& d, int n) -> asio::awaitable<void> {
      SQLiteCache other(d.file("demo"));
      co_await c.write("old", "1");
      co_await expect_size(other, 1);
      Bulk bulk = c.bulk_commit();
      co_await bulk.remove("old");
      co_await fill(bulk, "k", n);
      co_await expect(bulk, "old", "");
      for (SQLiteCache* const outside : {&c, &other}) {
        co_await expect_size(*outside, 1);
        co_await expect(*outside, "old", "1");
        co_await expect(*outside, "k0", "");
        Contents const all = co_await contents(*outside);
        CHECK(all.size() == 1);
      }
      std::thread([&] { run(expect(other, "k0", "")); }).join();
      CHECK(tool(d, "select count(*), min(key) from cache") == "1|old\n");
      co_await bulk.commit();
      for (SQLiteCache* const outside : {&c, &other}) {
        co_await expect_size(*outside, static_cast<std::uint64_t>(n));
        co_await expect(*outside, "old", "");
        co_await expect(*outside, "k" + std::to_string(n - 1), std::string(1024, 'v'));
      }
      std::thread([&] { run(expect(other, "k0", std::string(1024, 'v'))); }).join();
      CHECK(tool(d, "select count(*), min(key) from cache") == std::to_string(n) + "|k0\n");
    }(cache, directory, count));
  }
}

TEST_CASE("readers on another executor see each bulk as a whole, while it is written and committed",
          "[storage]") {
  TempDirectory directory;
  SQLiteCache cache(directory.file("demo"));
  auto const overwrite = [](SQLiteCache& c, char version) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    co_await fill(bulk, "k", many, version);
    co_await bulk.commit();
  };
  run(overwrite(cache, 'a'));
  int torn = 0, rounds = 0;
  std::thread reader([&] {
    auto const watch = [](SQLiteCache c, int& halves, int& seen) -> asio::awaitable<void> {
      for (char newest = 'a'; newest != 'd'; ++seen) {
        std::vector<std::string> keys(1, "k0");
        keys.push_back("k10000");
        keys.push_back("k" + std::to_string(many - 1));
        std::vector<std::optional<std::string>> const values = co_await c.read_many(std::move(keys));
        if (values[0] != values[1] || values[0] != values[2] || values[0]->front() < newest) ++halves;
        newest = values[0]->front();
      }
    };
    run(watch(SQLiteCache(directory.file("demo")), torn, rounds));
  });
  std::string distinct;
  for (char const version : {'b', 'c', 'd'}) {
    run(overwrite(cache, version));
    distinct += tool(directory, "select count(distinct value), substr(min(value), 1, 1) from cache");
  }
  reader.join();
  CHECK(torn == 0);
  CHECK(rounds > 0);
  CHECK(distinct == "1|b\n1|c\n1|d\n");
}

TEST_CASE("a bulk's owner sees its own changes before and after the transaction has begun", "[storage]") {
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    co_await c.write("there", "before");
    Bulk bulk = c.bulk_commit();
    co_await expect(bulk, "there", "before");
    co_await bulk.write("k", "1");
    co_await expect(bulk, "k", "1");
    co_await bulk.write("k", "2");
    co_await expect(bulk, "k", "2");
    co_await bulk.remove("there");
    co_await expect(bulk, "there", "");
    co_await fill(bulk, "f", many);
    co_await expect(bulk, "k", "2");
    co_await expect(bulk, "there", "");
    co_await expect(bulk, "f0", std::string(1024, 'v'));
    co_await bulk.write("f0", "again");
    co_await expect(bulk, "f0", "again");
    co_await bulk.remove("f1");
    co_await expect(bulk, "f1", "");
    co_await bulk.clear();
    co_await expect(bulk, "f0", "");
    co_await expect(bulk, "f2", "");
    co_await expect(bulk, "k", "");
    co_await bulk.write("k", "3");
    co_await expect(bulk, "k", "3");
    co_await bulk.commit();
    Contents const all = co_await contents(c);
    Contents const expected{{"k", "3"}};
    CHECK(all == expected);
    co_await expect_size(c, 1);
  }(cache));
}

TEST_CASE("operations on one key in a bulk take effect in their order, wherever the transaction begins",
          "[storage]") {
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    // Three operations, two bits each; a place where the bulk is made to begin, or none.
    for (int code = 0; code < 64 * 4; ++code) {
      int const place = code / 64;
      if (place != 0 && code % 3 != 0) continue;
      co_await c.clear();
      co_await c.write("k", "before");
      co_await c.write("bystander", "here");
      Contents model{{"k", "before"}, {"bystander", "here"}};
      Bulk bulk = c.bulk_commit();
      for (int step = 0; step < 3; ++step) {
        switch (code >> (2 * step) & 3) {
          case 0:
            co_await bulk.write("k", "one");
            model["k"] = "one";
            break;
          case 1:
            co_await bulk.write("k", "two");
            model["k"] = "two";
            break;
          case 2:
            co_await bulk.remove("k");
            model.erase("k");
            break;
          default:
            co_await bulk.clear();
            model.clear();
        }
        if (place == step + 1) {
          co_await pad(bulk, "pad", true);
          model["pad"] = std::string(1 << 20, 'p');
        }
        std::string const k = model.count("k") ? model["k"] : "";
        co_await expect(bulk, "k", k);
        std::string const bystander = model.count("bystander") ? "here" : "";
        co_await expect(bulk, "bystander", bystander);
      }
      co_await bulk.commit();
      Contents const all = co_await contents(c);
      CAPTURE(code);
      CHECK(all == model);
      co_await expect_size(c, model.size());
    }
  }(cache));
}

// --- rollback ---

TEST_CASE("a bulk that is left, rolled back or thrown out of changes nothing and keeps nobody waiting",
          "[storage]") {
  for (int const count : {few, many}) {
    CAPTURE(count);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    run([](SQLiteCache& c, int n) -> asio::awaitable<void> {
      co_await c.write("old", "1");
      {
        Bulk bulk = c.bulk_commit();
        co_await bulk.clear();
        co_await fill(bulk, "k", n);
      }
      co_await c.write("after leaving", "1");
      co_await expect_size(c, 2);
      Bulk bulk = c.bulk_commit();
      co_await fill(bulk, "k", n);
      co_await bulk.remove("old");
      bulk.rollback();
      co_await c.write("after rollback", "1");
      co_await expect(bulk, "old", "1");
      co_await expect(bulk, "k0", "");
      bool thrown = false;
      try {
        Bulk another = c.bulk_commit();
        co_await fill(another, "k", n);
        throw std::domain_error("mine");
      } catch (std::domain_error const&) {
        thrown = true;
      }
      CHECK(thrown);
      co_await c.write("after an exception", "1");
      co_await bulk.write("used again", "1");
      co_await bulk.commit();
      co_await expect_size(c, 5);
    }(cache, count));
    CHECK(tool(directory, "select count(*) from cache; pragma integrity_check") == "5\nok\n");
  }
}

// --- nested ---

TEST_CASE("nested scopes are committed and dropped, each by itself, in memory and in the transaction",
          "[storage]") {
  for (int const which : {0, 1, 2, 3}) {
    bool const outer_big = which & 1, inner_big = which & 2;
    CAPTURE(outer_big, inner_big);
    TempDirectory directory;
    SQLiteCache cache(directory.file("demo"));
    run([](SQLiteCache& c, bool outer, bool inner) -> asio::awaitable<void> {
      co_await c.write("base", "0");
      Bulk bulk = c.bulk_commit();
      co_await bulk.write("outer", "1");
      co_await pad(bulk, "outer pad", outer);
      {
        Bulk dropped = bulk.bulk_commit();
        co_await dropped.remove("base");
        co_await dropped.write("outer", "2");
        co_await dropped.write("dropped", "1");
        co_await pad(dropped, "dropped pad", inner);
        co_await expect(dropped, "base", "");
        co_await expect(dropped, "outer", "2");
        co_await expect(dropped, "dropped", "1");
      }
      co_await expect(bulk, "base", "0");
      co_await expect(bulk, "outer", "1");
      co_await expect(bulk, "dropped", "");
      {
        Bulk kept = bulk.bulk_commit();
        co_await expect(kept, "dropped", "");
        co_await kept.write("kept", "1");
        co_await pad(kept, "kept pad", inner);
        {
          Bulk deep = kept.bulk_commit();
          co_await deep.write("deep", "1");
          co_await pad(deep, "deep pad", inner);
          co_await deep.commit();
        }
        Bulk deep = kept.bulk_commit();
        co_await deep.clear();
        co_await deep.write("deep and dropped", "1");
        co_await pad(deep, "dropped pad", inner);
        deep.rollback();
        co_await expect(kept, "deep", "1");
        co_await expect(kept, "deep and dropped", "");
        co_await deep.write("deep again", "1");
        co_await deep.commit();
        co_await expect(kept, "deep again", "1");
        co_await kept.commit();
      }
      {
        Bulk dropped = bulk.bulk_commit();
        co_await dropped.clear();
        co_await pad(dropped, "dropped pad", inner);
        Bulk deep = dropped.bulk_commit();
        co_await deep.write("committed into what is dropped", "1");
        co_await pad(deep, "dropped pad", inner);
        co_await deep.commit();
      }
      co_await expect(bulk, "kept", "1");
      co_await expect(bulk, "committed into what is dropped", "");
      co_await expect_size(c, 1);
      co_await bulk.commit();
      Contents const all = co_await contents(c);
      std::string keys;
      for (auto const& [key, value] : all) keys += key + ",";
      std::string expected = "base,deep,deep again,";
      if (inner) expected += "deep pad,";
      expected += "kept,";
      if (inner) expected += "kept pad,";
      expected += "outer,";
      if (outer) expected += "outer pad,";
      CHECK(keys == expected);
      co_await expect_size(c, all.size());
    }(cache, outer_big, inner_big));
    CHECK(tool(directory, "pragma integrity_check") == "ok\n");
  }
}

TEST_CASE("many small nested scopes hold no more in memory than one big one", "[storage]") {
  for (int const depth : {1, 2}) {
    CAPTURE(depth);
    auto const scale = std::make_shared<Scale>();
    run([](std::shared_ptr<Scale> s, int d) -> asio::awaitable<void> {
      Bulk bulk(s);
      Bulk middle = bulk.bulk_commit();
      for (int i = 0; i < 50; ++i) {
        Bulk nested = (d == 1 ? bulk : middle).bulk_commit();
        co_await nested.write("k" + std::to_string(i), std::string(1 << 20, 'v'));
        co_await nested.commit();
      }
      CHECK(s->total >= std::size_t{40} << 20);
      co_await middle.commit();
      co_await bulk.commit();
    }(scale, depth));
    CHECK(scale->total == std::size_t{50} << 20);
    CHECK(scale->biggest <= std::size_t{9} << 20);
  }
}

TEST_CASE("a scope is not written to while one nested in it has changes, in memory or in the transaction",
          "[storage]") {
  bool const big = GENERATE(false, true);
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c, bool enough) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    Bulk sibling = bulk.bulk_commit();
    co_await bulk.write("outer", "1");
    {
      Bulk inner = bulk.bulk_commit();
      Bulk deep = inner.bulk_commit();
      co_await bulk.write("before", "1");
      co_await deep.write("inner", "1");
      co_await pad(deep, "pad", enough);
      error_code const between = co_await code_of(inner.write("no", "1"));
      CHECK(between == cache_errc::invalid_argument);
      error_code const beside = co_await code_of(sibling.write("no", "1"));
      CHECK(beside == cache_errc::invalid_argument);
      error_code const write = co_await code_of(bulk.write("no", "1"));
      CHECK(write == cache_errc::invalid_argument);
      error_code const remove = co_await code_of(bulk.remove("no"));
      CHECK(remove == cache_errc::invalid_argument);
      error_code const clear = co_await code_of(bulk.clear());
      CHECK(clear == cache_errc::invalid_argument);
      error_code const commit = co_await code_of(bulk.commit());
      CHECK(commit == cache_errc::invalid_argument);
      co_await deep.commit();
      error_code const still = co_await code_of(bulk.write("no", "1"));
      CHECK(still == cache_errc::invalid_argument);
      co_await inner.commit();
      co_await sibling.write("sibling", "1");
      co_await sibling.commit();
    }
    co_await bulk.write("after", "1");
    co_await bulk.commit();
    co_await expect_size(c, 5 + enough);
  }(cache, big));
}

TEST_CASE("a scope is written to again when the changes of those nested in it were dropped", "[storage]") {
  bool const by_rollback = GENERATE(false, true);
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c, bool rollback) -> asio::awaitable<void> {
    Bulk bulk = c.bulk_commit();
    Bulk inner = bulk.bulk_commit();
    {
      Bulk deep = inner.bulk_commit();
      co_await deep.write("no", "1");
      if (rollback) deep.rollback();
    }
    co_await expect(inner, "no", "");
    co_await bulk.write("yes", "1");
    co_await inner.write("inner", "1");
    co_await inner.commit();
    co_await bulk.commit();
    co_await expect_size(c, 2);
  }(cache, by_rollback));
}

TEST_CASE("a scope that was rolled back goes on whatever becomes of one nested in it", "[storage]") {
  for (bool const commits : {false, true}) {
    for (bool const big : {false, true}) {
      CAPTURE(commits, big);
      SQLiteCache cache(":memory:");
      run([](SQLiteCache& c, bool committed, bool enough) -> asio::awaitable<void> {
        Bulk bulk = c.bulk_commit();
        co_await bulk.write("outer", "1");
        Bulk middle = bulk.bulk_commit();
        {
          Bulk inner = middle.bulk_commit();
          co_await inner.write("inner", "1");
          co_await pad(inner, "pad", enough);
          co_await inner.write("inner too", "1");
          middle.rollback();
          co_await expect(inner, "inner too", "");
          co_await expect(middle, "inner", "");
          for (int i = 0; i < 3; ++i) {
            co_await middle.write("middle" + std::to_string(i), std::string(1 << 20, 'm'));
          }
          if (committed) co_await inner.commit();
        }
        co_await expect(middle, "middle0", std::string(1 << 20, 'm'));
        co_await middle.commit();
        co_await bulk.commit();
        co_await expect_size(c, 4);
      }(cache, commits, big));
    }
  }
}

TEST_CASE("a bulk rolled back under a nested scope can be used again when that one is gone", "[storage]") {
  SQLiteCache cache(":memory:");
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    for (bool const big : {false, true}) {
      Bulk bulk = c.bulk_commit();
      {
        Bulk inner = bulk.bulk_commit();
        co_await inner.write("inner", "1");
        co_await pad(inner, "pad", big);
        bulk.rollback();
      }
      co_await bulk.write("again", "1");
      co_await bulk.commit();
      co_await expect(c, "again", "1");
      co_await expect(c, "inner", "");
      co_await c.clear();
    }
  }(cache));
}
