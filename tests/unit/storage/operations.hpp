#pragma once
// Every operation of SQLiteCache on a cache that holds three entries, and what there is after it.
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "unit/storage/probes.hpp"

namespace operations {

using namespace beast_cache;

using Contents = std::map<std::string, std::string>;
using Operation = asio::awaitable<void> (*)(SQLiteCache&);

inline Contents const three{{"a", "1"}, {"b", "2"}, {"c", "3"}};

class Case {
 public:
  Case(char const* n, Operation o, Contents a = three) : name(n), operation(o), after(std::move(a)) {}
  Case& with(Operation operation) {
    prepare = operation;
    return *this;
  }
  char const* name;
  Operation operation;
  Contents after;  // what there is when it has succeeded
  Operation prepare = nullptr;
  bool partly = false;  // documented: a part of the effect may be there when it was cancelled
};

inline std::vector<std::pair<std::string, std::string>> numbered(int count) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < count; ++i) entries.emplace_back("m" + std::to_string(i), std::string(100, 'v'));
  return entries;
}

inline Contents three_and(std::vector<std::pair<std::string, std::string>> const& more) {
  Contents contents = three;
  contents.insert(more.begin(), more.end());
  return contents;
}

// --- the operations ---

inline asio::awaitable<void> op_read(SQLiteCache& cache) {
  std::optional<std::string> const value = co_await cache.read("a");
  CHECK(value == "1");
}
inline asio::awaitable<void> op_read_into(SQLiteCache& cache) {
  std::string value = "before";
  bool const found = co_await cache.read_into("a", value);
  CHECK(found);
  CHECK(value == "1");
}
inline asio::awaitable<void> op_write(SQLiteCache& cache) {
  co_await cache.write("d", "4");
}
inline asio::awaitable<void> op_replace(SQLiteCache& cache) {
  co_await cache.write("a", "4");
}
inline asio::awaitable<void> op_contains(SQLiteCache& cache) {
  bool const found = co_await cache.contains("a");
  CHECK(found);
}
inline asio::awaitable<void> op_remove(SQLiteCache& cache) {
  bool const removed = co_await cache.remove("a");
  CHECK(removed);
}
inline asio::awaitable<void> op_bulk_remove(SQLiteCache& cache) {
  std::vector<std::string> keys{"a", "b", "x"};
  std::size_t const removed = co_await cache.bulk_remove(std::move(keys));
  CHECK(removed == 2);
}
inline asio::awaitable<void> op_bulk_remove_300(SQLiteCache& cache) {
  std::vector<std::string> keys{"a", "b"};
  for (auto const& entry : numbered(300)) keys.push_back(entry.first);
  std::size_t const removed = co_await cache.bulk_remove(std::move(keys));
  CHECK(removed == 2);
}
inline asio::awaitable<void> op_pop(SQLiteCache& cache) {
  std::optional<std::string> const value = co_await cache.pop("a");
  CHECK(value == "1");
}
inline asio::awaitable<void> op_clear(SQLiteCache& cache) {
  co_await cache.clear();
}
inline asio::awaitable<void> op_clear_secure(SQLiteCache& cache) {
  co_await cache.clear(Erase::secure);
}
inline asio::awaitable<void> op_size(SQLiteCache& cache) {
  std::uint64_t const size = co_await cache.size();
  CHECK(size == 3);
}
inline asio::awaitable<void> op_page(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> const page = co_await cache.page("a", 10);
  CHECK(page.size() == 2);
}
inline asio::awaitable<void> op_read_many(SQLiteCache& cache) {
  std::vector<std::string> keys{"a", "x", "c"};
  std::vector<std::optional<std::string>> const values = co_await cache.read_many(std::move(keys));
  REQUIRE(values.size() == 3);
  CHECK(values[0] == "1");
  CHECK_FALSE(values[1]);
  CHECK(values[2] == "3");
}
inline asio::awaitable<void> op_write_many(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> entries = numbered(2);
  co_await cache.write_many(std::move(entries));
}
inline asio::awaitable<void> op_write_many_300(SQLiteCache& cache) {
  std::vector<SQLiteCache::Entry> entries = numbered(300);
  co_await cache.write_many(std::move(entries));
}
inline asio::awaitable<void> op_contains_many(SQLiteCache& cache) {
  std::vector<std::string> keys{"a", "x", "c"};
  std::vector<bool> const found = co_await cache.contains_many(std::move(keys));
  CHECK(found == std::vector<bool>{true, false, true});
}
inline asio::awaitable<void> op_keys(SQLiteCache& cache) {
  Cursor<std::string> keys = cache.keys();
  int count = 0;
  for (;;) {
    std::optional<std::string> const key = co_await keys.next();
    if (!key) break;
    ++count;
  }
  CHECK(count == 3);
}
inline asio::awaitable<void> op_values(SQLiteCache& cache) {
  Cursor<std::string> values = cache.values();
  std::optional<std::string> const value = co_await values.next();
  CHECK(value.has_value());
}
inline asio::awaitable<void> op_entries(SQLiteCache& cache) {
  Cursor<SQLiteCache::Entry> entries = cache.entries();
  std::optional<SQLiteCache::Entry> const entry = co_await entries.next();
  CHECK(entry.has_value());
}
inline asio::awaitable<void> op_open(SQLiteCache& cache) {
  std::optional<ValueReader> reader = co_await cache.open("a");
  REQUIRE(reader.has_value());
  std::string_view const piece = co_await reader->next();
  CHECK(piece == "1");
}
inline asio::awaitable<void> op_settings(SQLiteCache& cache) {
  SQLiteOptions const options = co_await cache.settings();
  CHECK(options.page_size() == 4096);
}
inline asio::awaitable<void> op_vacuum(SQLiteCache& cache) {
  VacuumProgress const done = co_await cache.vacuum();
  CHECK(done.left == 0);
}
inline asio::awaitable<void> leave_free_pages(SQLiteCache& cache) {
  co_await cache.write("big", std::string(3 << 20, 'b'));
  co_await cache.remove("big");
}

inline asio::awaitable<void> connect(SQLiteCache& cache, std::string sql, ConnectionUse use) {
  auto const live = std::make_shared<Live>();
  auto callable = [live, sql](SQLiteConnection& connection) { return connection.query_integer(sql); };
  std::int64_t const result = co_await cache.get_connection(std::move(callable), use);
  CHECK(result == (sql.starts_with("SELECT") ? 3 : 0));
}
inline asio::awaitable<void> op_connection_read(SQLiteCache& cache) {
  co_await connect(cache, "SELECT count(*) FROM cache", ConnectionUse::read);
}
inline asio::awaitable<void> op_connection_read_autocommit(SQLiteCache& cache) {
  co_await connect(cache, "SELECT count(*) FROM cache", ConnectionUse::read_autocommit);
}
inline asio::awaitable<void> op_connection_write(SQLiteCache& cache) {
  co_await connect(cache, "DELETE FROM cache WHERE key = 'a'", ConnectionUse::write);
}
inline asio::awaitable<void> op_connection_write_autocommit(SQLiteCache& cache) {
  co_await connect(cache, "DELETE FROM cache WHERE key = 'a'", ConnectionUse::write_autocommit);
}
inline asio::awaitable<void> forget_size(SQLiteCache& cache) {
  co_await connect(cache, "SELECT 3", ConnectionUse::write_autocommit);
}

inline asio::awaitable<void> op_bulk(SQLiteCache& cache) {
  BulkCommit<std::string> bulk = cache.bulk_commit();
  co_await bulk.write("d", "4");
  co_await bulk.remove("a");
  std::optional<std::string> const old = co_await bulk.read("b");
  CHECK(old == "2");
  co_await bulk.commit();
}
inline asio::awaitable<void> op_bulk_nested(SQLiteCache& cache) {
  BulkCommit<std::string> bulk = cache.bulk_commit();
  co_await bulk.clear();
  {
    BulkCommit<std::string> inner = bulk.bulk_commit();
    co_await inner.write("d", "4");
    co_await inner.commit();
  }
  co_await bulk.commit();
}
// Beyond what a bulk holds back: its transaction spans several operations.
inline asio::awaitable<void> op_bulk_big(SQLiteCache& cache) {
  BulkCommit<std::string> bulk = cache.bulk_commit();
  for (int i = 0; i < 9; ++i) co_await bulk.write("m" + std::to_string(i), std::string(1 << 20, 'v'));
  std::optional<std::string> const old = co_await bulk.read("b");
  CHECK(old == "2");
  BulkCommit<std::string> inner = bulk.bulk_commit();
  co_await inner.write("m9", std::string(1 << 20, 'v'));
  co_await inner.commit();
  co_await bulk.commit();
}
inline asio::awaitable<void> op_close(SQLiteCache& cache) {
  co_await cache.close();
}

inline Contents without_a() {
  return Contents{{"b", "2"}, {"c", "3"}};
}

inline std::vector<Case> small_cases() {
  std::vector<Case> cases;
  cases.emplace_back("read", op_read);
  cases.emplace_back("read_into", op_read_into);
  cases.emplace_back("write", op_write, three_and({{"d", "4"}}));
  cases.emplace_back("write over another", op_replace, Contents{{"a", "4"}, {"b", "2"}, {"c", "3"}});
  cases.emplace_back("contains", op_contains);
  cases.emplace_back("remove", op_remove, without_a());
  cases.emplace_back("bulk_remove", op_bulk_remove, Contents{{"c", "3"}});
  cases.emplace_back("bulk_remove of 300", op_bulk_remove_300, Contents{{"c", "3"}});
  cases.emplace_back("pop", op_pop, without_a());
  cases.emplace_back("clear", op_clear, Contents{});
  cases.emplace_back("size", op_size);
  cases.emplace_back("size, not known", op_size).with(forget_size);
  cases.emplace_back("page", op_page);
  cases.emplace_back("read_many", op_read_many);
  cases.emplace_back("write_many", op_write_many, three_and(numbered(2)));
  cases.emplace_back("write_many of 300", op_write_many_300, three_and(numbered(300)));
  cases.emplace_back("contains_many", op_contains_many);
  cases.emplace_back("keys", op_keys);
  cases.emplace_back("values", op_values);
  cases.emplace_back("entries", op_entries);
  cases.emplace_back("open and next", op_open);
  cases.emplace_back("settings", op_settings);
  cases.emplace_back("get_connection, read", op_connection_read);
  cases.emplace_back("get_connection, read_autocommit", op_connection_read_autocommit);
  cases.emplace_back("get_connection, write", op_connection_write, without_a());
  cases.emplace_back("get_connection, write_autocommit", op_connection_write_autocommit, without_a());
  cases.emplace_back("bulk_commit", op_bulk, Contents{{"b", "2"}, {"c", "3"}, {"d", "4"}});
  cases.emplace_back("bulk_commit, nested", op_bulk_nested, Contents{{"d", "4"}});
  cases.emplace_back("close", op_close);
  return cases;
}

inline std::vector<Case> big_cases() {
  Contents megabytes = three;
  for (int i = 0; i < 10; ++i) megabytes["m" + std::to_string(i)] = std::string(1 << 20, 'v');
  std::vector<Case> cases;
  cases.emplace_back("vacuum", op_vacuum).with(leave_free_pages);
  cases.emplace_back("clear, secure", op_clear_secure, Contents{}).partly = true;
  cases.emplace_back("bulk_commit of 10 MiB", op_bulk_big, std::move(megabytes));
  return cases;
}

}  // namespace operations
