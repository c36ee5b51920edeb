// SQLiteCache by itself: an asynchronous map in an SQLite file.
// usage: key_value      makes key_value.sqlite; look at it with: sqlite3 key_value.sqlite 'select * from
// cache'
#include <beast_cache/storage/sqlite_cache.hpp>
#include <iostream>

#include "support/run.hpp"

using namespace beast_cache;

asio::awaitable<void> capitals() {
  SQLiteCache cache("key_value");
  co_await cache.write("France", "Paris");
  co_await cache.write("Japan", "Tokyo");
  co_await cache.write("Peru", "Lima");

  // What is not there is no error: it is std::nullopt.
  std::optional<std::string> capital = co_await cache.read("France");
  std::cout << capital.value() << '\n';
  bool const found = co_await cache.contains("Atlantis");
  if (!found) std::cout << "nothing is stored under Atlantis\n";

  // A cursor fetches a batch at a time, and writing meanwhile is allowed.
  co_await cache.remove("Japan");
  auto entries = cache.entries();
  for (;;) {
    auto entry = co_await entries.next();
    if (!entry) break;
    std::cout << entry->first << ": " << entry->second << '\n';
  }
  co_await cache.close();
}

// Many writes in one commit: all of them or none.
asio::awaitable<void> numbers() {
  constexpr int count = 100'000;
  SQLiteCache cache("key_value", "numbers");  // another table of the same file
  BulkCommit<std::string> bulk = cache.bulk_commit();
  for (int i = 0; i < count; ++i) co_await bulk.write(std::to_string(i), "the number " + std::to_string(i));
  co_await bulk.commit();  // without it, everything is rolled back

  for (int i = 0; i < count; ++i) {
    std::optional<std::string> value = co_await cache.read(std::to_string(i));
    if (value != "the number " + std::to_string(i)) throw std::runtime_error("lost: " + std::to_string(i));
  }
  std::uint64_t const size = co_await cache.size();
  std::cout << size << " entries written in one commit and read back\n";
  co_await cache.close();
}

asio::awaitable<void> demo() {
  co_await capitals();
  co_await numbers();
}

int main() {
  return run(demo());
}
