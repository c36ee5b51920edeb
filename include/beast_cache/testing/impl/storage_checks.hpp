#pragma once
// The checks of storage_suite.hpp, which is the header to include.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"
#include "beast_cache/storage/base_cache.hpp"

namespace beast_cache {
inline namespace v1 {
namespace testing {

/// Thrown by a check that fails; `what()` says what was expected.
class StorageCheckFailed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Makes the n-th of at least 1000 values, all different. Values are compared by `==`.
template <class Value>
using ValueFactory = std::function<Value(std::size_t n)>;

namespace storage_checks_impl {

inline void expect(bool condition, char const* what) {
  if (!condition) throw StorageCheckFailed(std::string("expected: ") + what);
}

inline std::string key(std::size_t n) {
  return "key " + std::to_string(100000 + n);
}

// Waits for tasks that run at the same time, and passes on the first exception.
class Group {
 public:
  explicit Group(asio::any_io_executor executor) : executor_(executor), done_(executor) {
    done_.expires_at(asio::steady_timer::time_point::max());
  }

  void add(asio::awaitable<void> task) {
    ++running_;
    asio::co_spawn(executor_, std::move(task), [this](std::exception_ptr error) {
      if (error && !error_) error_ = error;
      if (--running_ == 0) done_.cancel();
    });
  }

  asio::awaitable<void> wait() {
    if (running_ != 0) {
      try {
        co_await done_.async_wait(asio::use_awaitable);
      } catch (boost::system::system_error const&) {
      }
    }
    if (error_) std::rethrow_exception(error_);
  }

 private:
  asio::any_io_executor executor_;
  asio::steady_timer done_;
  std::size_t running_ = 0;
  std::exception_ptr error_;
};

template <class V>
class Checks {
 public:
  using Cache = BaseCache<V>;
  using Make = ValueFactory<V> const&;
  using Entry = std::pair<std::string, V>;

  static asio::awaitable<void> empty(Cache& cache, Make) {
    std::uint64_t const size = co_await cache.size();
    expect(size == 0, "size() of a new cache is 0");
    std::optional<V> const value = co_await cache.read("missing");
    expect(!value, "read() of a missing key is nothing");
    bool const found = co_await cache.contains("missing");
    expect(!found, "contains() of a missing key is false");
    bool const removed = co_await cache.remove("missing");
    expect(!removed, "remove() of a missing key is false, and no error");
    std::optional<V> const popped = co_await cache.pop("missing");
    expect(!popped, "pop() of a missing key is nothing");
    co_await cache.clear();
    Cursor<std::string> keys = cache.keys();
    std::optional<std::string> const first = co_await keys.next();
    expect(!first, "keys() of a new cache are none");
    std::optional<std::string> const after_end = co_await keys.next();
    expect(!after_end, "next() after the end is nothing again");
    Cursor<V> values = cache.values();
    std::vector<V> const batch = co_await values.next_batch();
    expect(batch.empty(), "values() of a new cache are none");
  }

  static asio::awaitable<void> write_and_read(Cache& cache, Make make) {
    co_await cache.write("k", make(1));
    bool const found = co_await cache.contains("k");
    expect(found, "contains() after write() is true");
    std::uint64_t const size = co_await cache.size();
    expect(size == 1, "size() after one write() is 1");
    std::optional<V> const value = co_await cache.read("k");
    expect(value && *value == make(1), "read() gives back what was written");
    std::optional<V> const again = co_await cache.read("k");
    expect(again && *again == make(1), "reading does not remove");
  }

  static asio::awaitable<void> replace(Cache& cache, Make make) {
    co_await cache.write("k", make(1));
    co_await cache.write("k", make(2));
    std::optional<V> const value = co_await cache.read("k");
    expect(value && *value == make(2), "write() on an existing key replaces the value");
    std::uint64_t const size = co_await cache.size();
    expect(size == 1, "replacing does not add an entry");
  }

  static asio::awaitable<void> any_key(Cache& cache, Make make) {
    std::vector<std::string> const keys = awkward_keys();
    for (std::size_t i = 0; i < keys.size(); ++i) co_await cache.write(keys[i], make(i));
    std::uint64_t const size = co_await cache.size();
    expect(size == keys.size(), "keys that differ in any byte are different keys");
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::optional<V> const value = co_await cache.read(keys[i]);
      expect(value && *value == make(i), "any bytes are a key: quotes, NUL, %, invalid UTF-8, none at all");
    }
    std::set<std::string> seen;
    Cursor<std::string> cursor = cache.keys();
    for (;;) {
      std::optional<std::string> key = co_await cursor.next();
      if (!key) break;
      seen.insert(*key);
    }
    expect(seen == std::set<std::string>(keys.begin(), keys.end()), "keys() gives the keys' exact bytes");
    for (std::size_t i = 0; i < keys.size(); ++i) {
      bool const removed = co_await cache.remove(keys[i]);
      expect(removed, "remove() finds such keys");
    }
  }

  static asio::awaitable<void> remove(Cache& cache, Make make) {
    co_await cache.write("a", make(1));
    co_await cache.write("b", make(2));
    bool const removed = co_await cache.remove("a");
    expect(removed, "remove() of a key that is there is true");
    bool const a = co_await cache.contains("a");
    bool const b = co_await cache.contains("b");
    expect(!a && b, "remove() removes that key only");
    bool const again = co_await cache.remove("a");
    expect(!again, "remove() the second time is false");
  }

  static asio::awaitable<void> bulk_remove(Cache& cache, Make make) {
    for (std::size_t i = 0; i < 10; ++i) co_await cache.write(key(i), make(i));
    std::vector<std::string> doomed;
    for (std::size_t i = 0; i < 2000; i += 2) doomed.push_back(key(i));
    doomed.push_back(key(0));
    std::size_t const removed = co_await cache.bulk_remove(std::move(doomed));
    expect(removed == 5, "bulk_remove() counts what it removed, once each; unknown keys are no error");
    for (std::size_t i = 0; i < 10; ++i) {
      bool const found = co_await cache.contains(key(i));
      expect(found == (i % 2 == 1), "bulk_remove() removes exactly the given keys");
    }
    std::size_t const none = co_await cache.bulk_remove(std::vector<std::string>());
    expect(none == 0, "bulk_remove() of nothing removes nothing");
  }

  static asio::awaitable<void> pop(Cache& cache, Make make) {
    co_await cache.write("k", make(7));
    std::size_t got = 0;
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    Group group(executor);
    for (int i = 0; i < 16; ++i) group.add(pop_one(cache, make, got));
    co_await group.wait();
    expect(got == 1, "of concurrent calls of pop() exactly one gets the value");
    bool const found = co_await cache.contains("k");
    expect(!found, "pop() removes");
  }

  static asio::awaitable<void> clear(Cache& cache, Make make) {
    for (std::size_t i = 0; i < 100; ++i) co_await cache.write(key(i), make(i));
    co_await cache.clear();
    std::uint64_t const size = co_await cache.size();
    expect(size == 0, "clear() removes everything");
    co_await cache.write("k", make(1));
    std::optional<V> const value = co_await cache.read("k");
    expect(value && *value == make(1), "a cleared cache can be written to");
  }

  static asio::awaitable<void> many(Cache& cache, Make make) {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < 600; ++i) entries.emplace_back(key(i), make(i));
    entries.emplace_back(key(0), make(999));
    co_await cache.write_many(std::move(entries));
    std::uint64_t const size = co_await cache.size();
    expect(size == 600, "write_many() writes each key once");
    std::vector<std::string> keys;
    for (std::size_t i = 700; i-- > 0;) keys.push_back(key(i));
    std::vector<std::string> same = keys;
    std::vector<std::optional<V>> const values = co_await cache.read_many(std::move(keys));
    std::vector<bool> const found = co_await cache.contains_many(std::move(same));
    expect(values.size() == 700 && found.size() == 700, "read_many() and contains_many() answer each key");
    for (std::size_t i = 0; i < 700; ++i) {
      std::size_t const n = 699 - i;
      expect(found[i] == (n < 600), "contains_many() answers in the keys' order");
      expect(values[i].has_value() == (n < 600), "read_many() finds what contains_many() finds");
      if (n < 600) expect(*values[i] == make(n == 0 ? 999 : n), "read_many() answers in the keys' order");
    }
    co_await cache.write_many(std::vector<Entry>());
    std::vector<std::optional<V>> const nothing = co_await cache.read_many(std::vector<std::string>());
    expect(nothing.empty(), "read_many() of no keys is empty");
  }

  static asio::awaitable<void> cursors(Cache& cache, Make make) {
    std::size_t const count = 999;
    for (std::size_t i = 0; i < count; ++i) co_await cache.write(key(i * 7 % count), make(i * 7 % count));
    Cursor<std::string> keys = cache.keys();
    std::size_t n = 0;
    for (;;) {
      std::optional<std::string> const next = co_await keys.next();
      if (!next) break;
      expect(*next == key(n), "keys() are complete and in the order of their bytes");
      ++n;
    }
    expect(n == count, "keys() are all there");
    Cursor<Entry> entries = cache.entries();
    std::vector<bool> seen(count);
    n = 0;
    for (;;) {
      std::optional<Entry> const next = co_await entries.next();
      if (!next) break;
      // In the order of the cache.
      std::size_t i = 0;
      while (i < count && key(i) != next->first) ++i;
      expect(i < count && !seen[i] && next->second == make(i), "entries() pair keys and values");
      seen[i] = true;
      ++n;
      Cursor<Entry> moved = std::move(entries);
      entries = std::move(moved);
    }
    expect(n == count, "entries() are all there");
    Cursor<V> values = cache.values();
    std::optional<V> const first = co_await values.next();
    std::vector<V> all;
    if (first) all.push_back(*first);
    for (;;) {
      std::vector<V> const batch = co_await values.next_batch();
      if (batch.empty()) break;
      all.insert(all.end(), batch.begin(), batch.end());
    }
    expect(all.size() == count, "values() are all there, next_batch() goes on where next() was");
    for (std::size_t i = 0; i < count; ++i) {
      bool found = false;
      for (V const& value : all) found = found || value == make(i);
      expect(found, "values() are those that were written");
    }
  }

  static asio::awaitable<void> change_during_walk(Cache& cache, Make make) {
    std::size_t const count = 800;
    for (std::size_t i = 0; i < count; ++i) co_await cache.write(key(i), make(i));
    Cursor<std::string> keys = cache.keys();
    std::size_t seen = 0;
    for (;;) {
      std::optional<std::string> next = co_await keys.next();
      if (!next) break;
      if (next->starts_with("key ")) ++seen;
      co_await cache.write("a new one, before " + *next, make(1));
      bool const removed = co_await cache.remove(*next);
      expect(removed, "a key can be removed while a cursor is open");
    }
    expect(seen == count, "a walk sees everything that was there all the time");
    Cursor<V> values = cache.values();
    std::optional<V> const first = co_await values.next();
    expect(first.has_value(), "values() has elements");
    co_await cache.clear();
    for (;;) {
      std::optional<V> const rest = co_await values.next();
      if (!rest) break;
    }
    std::uint64_t const size = co_await cache.size();
    expect(size == 0, "clear() works while a cursor is open");
  }

  static asio::awaitable<void> concurrent(Cache& cache, Make make) {
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    Group group(executor);
    for (std::size_t i = 0; i < 64; ++i) group.add(own_keys(cache, make, i));
    co_await group.wait();
    std::uint64_t const size = co_await cache.size();
    expect(size == 64 * 4, "nothing is lost between concurrent writers");
  }

  static asio::awaitable<void> close(Cache& cache, Make make) {
    co_await cache.write("k", make(1));
    co_await cache.close();
    co_await cache.close();
    Group group(co_await asio::this_coro::executor);
    group.add(fails(ignore(cache.read("k"))));
    group.add(fails(cache.write("k", make(2))));
    group.add(fails(ignore(cache.contains("k"))));
    group.add(fails(ignore(cache.remove("k"))));
    group.add(fails(ignore(cache.bulk_remove(std::vector<std::string>(1, "k")))));
    group.add(fails(ignore(cache.pop("k"))));
    group.add(fails(cache.clear()));
    group.add(fails(ignore(cache.size())));
    group.add(fails(ignore(cache.page(std::nullopt, 1))));
    group.add(fails(ignore(cache.read_many(std::vector<std::string>(1, "k")))));
    group.add(fails(cache.write_many(std::vector<Entry>(1, Entry("k", make(3))))));
    group.add(fails(ignore(cache.contains_many(std::vector<std::string>(1, "k")))));
    co_await group.wait();
  }

 private:
  static std::vector<std::string> awkward_keys() {
    std::vector<std::string> keys;
    keys.emplace_back();
    for (char const* key : {"k",
                            "K",
                            "k ",
                            "'",
                            "''",
                            "\"",
                            "`",
                            "%",
                            "_",
                            "?1",
                            "; DROP TABLE cache; --",
                            "\n",
                            "caf\xc3\xa9",
                            "cafe\xcc\x81",
                            "\xff\xfe",
                            "\xed\xa0\x80",
                            "\xc3",
                            "1",
                            "1.0",
                            "01"}) {
      keys.emplace_back(key);
    }
    keys.emplace_back("\0", 1);
    keys.emplace_back("k\0", 2);
    keys.emplace_back("k\0a", 3);
    keys.emplace_back("k\0b", 3);
    keys.emplace_back(std::string(5000, 'x'));
    return keys;
  }

  static asio::awaitable<void> pop_one(Cache& cache, Make make, std::size_t& got) {
    std::optional<V> const value = co_await cache.pop("k");
    if (!value) co_return;
    ++got;
    expect(*value == make(7), "pop() gives the value");
  }

  static asio::awaitable<void> own_keys(Cache& cache, Make make, std::size_t id) {
    for (std::size_t i = 0; i < 4; ++i) {
      std::string const own = key(id * 10 + i);
      co_await cache.write(own, make(i));
      std::optional<V> const value = co_await cache.read(own);
      expect(value && *value == make(i), "a read that begins after an awaited write sees it");
      co_await cache.write(own, make(id));
      std::optional<V> const later = co_await cache.read(own);
      expect(later && *later == make(id), "and the latest one, with other writers about");
    }
  }

  template <class R>
  static asio::awaitable<void> ignore(asio::awaitable<R> operation) {
    co_await std::move(operation);
  }

  static asio::awaitable<void> fails(asio::awaitable<void> operation) {
    error_code code;
    try {
      co_await std::move(operation);
    } catch (boost::system::system_error const& error) {
      code = error.code();
    }
    expect(code == cache_errc::closed, "an operation after close() fails with cache_errc::closed");
  }
};

}  // namespace storage_checks_impl

}  // namespace testing
}  // namespace v1
}  // namespace beast_cache
