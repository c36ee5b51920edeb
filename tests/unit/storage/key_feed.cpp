// Many keys, one after another, by one running statement.
#include "storage/sqlite/key_feed.hpp"

#include <memory>
#include <string>
#include <vector>

#include "catch.hpp"

using namespace beast_cache;
using sqlite::Handle;
using sqlite::KeyFeed;

namespace {

constexpr char numbers[] = "SELECT t.n FROM beast_cache_feed(?1) AS feed LEFT JOIN t ON t.key = feed.key";

// A table with no, one and several rows for a key.
class Table {
 public:
  Table() : handle(":memory:", true, Handle::Access::read_write) {
    handle.execute(
        "CREATE TABLE t(key TEXT, n INTEGER, UNIQUE(key, n));"
        "INSERT INTO t VALUES('few', 1), ('many', 2), ('many', 3), ('many', 4), ('more', 5), ('more', 6)");
    handle.use_feeds();
  }

  // All of a key's.
  std::vector<std::int64_t> read(std::string const& key) {
    KeyFeed& feed = handle.feed(numbers);
    sqlite::Row const row = feed.first(key);
    std::vector<std::int64_t> read;
    if (!row.is_null(0)) read.push_back(row.integer(0));
    while (feed.next()) read.push_back(row.integer(0));
    return read;
  }

  Handle handle;
};

using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("A feed gives all rows of a key, and none of another's") {
  Table table;
  for (int i = 0; i < 3; ++i) {
    CHECK(table.read("many") == Numbers{2, 3, 4});
    CHECK(table.read("none").empty());
    CHECK(table.read("few") == Numbers{1});
    CHECK(table.read("more") == Numbers{5, 6});
    CHECK(table.read("").empty());
    CHECK(table.read("more") == Numbers{5, 6});
  }
}

TEST_CASE("A feed goes on with the next key after one that was not read to its end") {
  Table table;
  KeyFeed& feed = table.handle.feed(numbers);
  int const rows = GENERATE(1, 2, 3);
  {
    auto const key = std::make_unique<std::string>("many");
    CHECK(feed.first(*key).integer(0) == 2);
    for (int i = 1; i < rows; ++i) CHECK(feed.next());
    key->assign(1, 'z');  // and gone: it is not looked at any more
  }
  CHECK(table.read("few") == Numbers{1});
  CHECK(table.read("more") == Numbers{5, 6});
}

TEST_CASE("A feed that has ended begins anew, and sees what was written meanwhile") {
  Table table;
  CHECK(table.read("few") == Numbers{1});
  CHECK_FALSE(table.handle.feed(numbers).next());
  table.handle.end_feeds();
  table.handle.execute("INSERT INTO t VALUES('few', 7)");
  CHECK(table.read("few") == Numbers{1, 7});
}

TEST_CASE("A feed for statements with one row for each key finds them in any order") {
  Table table;
  table.handle.execute("CREATE TABLE u(key TEXT UNIQUE, n INTEGER); INSERT INTO u VALUES('a', 1), ('b', 2)");
  KeyFeed& feed =
      table.handle.feed("SELECT u.n FROM beast_cache_feed(?1) AS feed LEFT JOIN u ON u.key = feed.key");
  for (int i = 0; i < 2; ++i) {
    CHECK(feed.find("b").integer(0) == 2);
    CHECK(feed.find("c").is_null(0));
    CHECK(feed.find("a").integer(0) == 1);
    CHECK(feed.find("a").integer(0) == 1);
  }
}
