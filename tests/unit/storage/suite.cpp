// The storage suite over every cache of the library.
#include "beast_cache/testing/storage_suite.hpp"

#include "beast_cache/storage/memory_cache.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "beast_cache/storage/sqlite_pickle_cache.hpp"
#include "catch.hpp"
#include "support/temp_directory.hpp"
// After cereal.hpp: cereal 1.3.2's chrono.hpp relies on its macros without including it.
#include <cereal/types/chrono.hpp>
#include <cereal/types/optional.hpp>

using namespace beast_cache;
namespace bt = beast_cache::testing;

namespace {

struct Point {
  Point() = default;
  explicit Point(std::size_t n)
      : name("point " + std::to_string(n) + std::string("\0x", 2)),
        x(0.1 * static_cast<double>(n)),
        at(std::chrono::milliseconds(n)),
        tags(n % 3, "tag") {
    if (n % 2) note = std::string();
  }
  bool operator==(Point const&) const = default;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, x, at, tags, note);
  }

  std::string name;
  double x = 0;
  std::chrono::system_clock::time_point at;
  std::vector<std::string> tags;
  std::optional<std::string> note;
};

std::string text(std::size_t n) {
  if (n == 0) return std::string();
  return "value " + std::to_string(n) + std::string("\0'\"\xff", 4) + std::string(n % 7 * 100, 'v');
}

template <class Value>
void run_all(bt::CacheFactory<Value> const& make_cache, bt::ValueFactory<Value> const& make_value) {
  for (auto const& check : bt::storage_checks<Value>()) {
    INFO(check.name);
    CHECK_NOTHROW(bt::run_storage_check(check, make_cache, make_value));
  }
}

template <class Cache, class Value>
void run_in_files(bt::ValueFactory<Value> const& make_value, SQLiteOptions options) {
  TempDirectory directory;
  int n = 0;
  run_all<Value>(
      [&] { return std::make_unique<Cache>(directory.file(std::to_string(n++)), "a table", options); },
      make_value);
}

}  // namespace

TEST_CASE("MemoryCache passes the storage suite", "[storage]") {
  run_all<std::string>([] { return std::make_unique<MemoryCache<std::string>>(); }, text);
  run_all<Point>([] { return std::make_unique<MemoryCache<Point>>(); },
                 [](std::size_t n) { return Point(n); });
}

TEST_CASE("SQLiteCache passes the storage suite", "[storage]") {
  run_in_files<SQLiteCache, std::string>(text, SQLiteOptions());
}

TEST_CASE("SQLiteCache passes the storage suite in memory", "[storage]") {
  run_all<std::string>([] { return std::make_unique<SQLiteCache>(":memory:"); }, text);
}

TEST_CASE("SQLiteCache passes the storage suite with signed values and full durability", "[storage]") {
  run_in_files<SQLiteCache, std::string>(text,
                                         SQLiteOptions().secret_key("secret").durability(Durability::full));
}

TEST_CASE("SQLitePickleCache passes the storage suite", "[storage]") {
  run_in_files<SQLitePickleCache<Point>, Point>([](std::size_t n) { return Point(n); }, SQLiteOptions());
  run_in_files<SQLitePickleCache<std::string>, std::string>(text,
                                                            SQLiteOptions().secret_key("secret").salt("s"));
}
