#pragma once
/// \file base_cache.hpp
/// The interface of every key-value store of the library, and of the user's own.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/storage/cursor.hpp"

namespace beast_cache {
inline namespace v1 {

/// An asynchronous map from keys (any bytes, compared byte by byte) to values.
///
/// A cache of one's own derives from it and implements the pure functions; the others have a default that is
/// made of those. `testing/storage_suite.hpp` checks that an implementation keeps this contract.
///
/// Every operation belongs to one awaiting coroutine and resumes it on its own executor.
///
/// Errors: thrown as `Error` with a `cache_errc`; a missing key is not an error. After `close` every
/// operation fails with `cache_errc::closed`. Cancellation: terminal, partial and total. A cancelled
/// operation throws `operation_aborted` and has had no effect; one whose effect is already in place reports
/// success instead. Thread safety: all operations may run at the same time, from any executor, as long as the
/// object lives.
template <class Value>
class BaseCache {
 public:
  using value_type = Value;
  using Entry = std::pair<std::string, Value>;

  BaseCache(BaseCache const&) = delete;
  BaseCache& operator=(BaseCache const&) = delete;
  virtual ~BaseCache() = default;

  /// The value of \p key, or nothing.
  virtual asio::awaitable<std::optional<Value>> read(std::string key) = 0;

  /// Stores \p value under \p key, in place of what was there. A later read by anyone sees it.
  virtual asio::awaitable<void> write(std::string key, Value value) = 0;

  /// Whether there is a value for \p key.
  virtual asio::awaitable<bool> contains(std::string key) = 0;

  /// Removes \p key. @return whether there was something to remove.
  virtual asio::awaitable<bool> remove(std::string key) = 0;

  /// Removes all of \p keys, any number; those that are not there are no error. @return how many were
  /// removed.
  virtual asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) = 0;

  /// Reads and removes \p key in one step: of several concurrent calls only one gets the value. What can't be
  /// read, as `read` can't, stays.
  virtual asio::awaitable<std::optional<Value>> pop(std::string key) = 0;

  /// Removes everything.
  virtual asio::awaitable<void> clear() = 0;

  /// The number of entries.
  virtual asio::awaitable<std::uint64_t> size() = 0;

  /// The first entries whose keys come after \p after (from the beginning without it), in the order of the
  /// keys' bytes: at most \p limit, fewer if they would be big, none only at the end. The cursors are made of
  /// it.
  virtual asio::awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) = 0;

  /// Waits for the operations under way and releases what the cache holds. Calling it again does nothing.
  /// Cancelled, it stops waiting; the cache is closed nevertheless.
  virtual asio::awaitable<void> close() = 0;

  /// Cursors over the cache, which has to outlive them.
  virtual Cursor<std::string> keys();
  virtual Cursor<Value> values();
  virtual Cursor<Entry> entries();

  /// The values of \p keys, in their order.
  virtual asio::awaitable<std::vector<std::optional<Value>>> read_many(std::vector<std::string> keys);

  /// Writes all of \p entries; of two with one key the later one stays.
  virtual asio::awaitable<void> write_many(std::vector<Entry> entries);

  /// For each of \p keys, in their order, whether it is there.
  virtual asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys);

 protected:
  BaseCache() = default;
  BaseCache(BaseCache&&) noexcept = default;
  BaseCache& operator=(BaseCache&&) noexcept = default;
};

namespace detail {

// Walks a cache by page() and keeps one part of each entry.
template <class Value, class T, class Projection>
class PageSource final : public CursorSource<T> {
 public:
  explicit PageSource(BaseCache<Value>& cache) noexcept : cache_(cache) {}

  asio::awaitable<std::vector<T>> fetch() override {
    std::vector<std::pair<std::string, Value>> page = co_await cache_.page(after_, page_size);
    std::vector<T> out;
    out.reserve(page.size());
    if (!page.empty()) after_ = page.back().first;
    for (auto& entry : page) out.push_back(Projection::apply(std::move(entry)));
    co_return out;
  }

 private:
  static constexpr std::size_t page_size = 256;
  BaseCache<Value>& cache_;
  std::optional<std::string> after_;
};

struct KeyOf {
  template <class Entry>
  static std::string apply(Entry&& entry) {
    return std::move(entry.first);
  }
};
struct ValueOf {
  template <class Entry>
  static auto apply(Entry&& entry) {
    return std::move(entry.second);
  }
};
struct WholeEntry {
  template <class Entry>
  static auto apply(Entry&& entry) {
    return std::move(entry);
  }
};

}  // namespace detail

template <class Value>
Cursor<std::string> BaseCache<Value>::keys() {
  return Cursor<std::string>(std::make_unique<detail::PageSource<Value, std::string, detail::KeyOf>>(*this));
}

template <class Value>
Cursor<Value> BaseCache<Value>::values() {
  return Cursor<Value>(std::make_unique<detail::PageSource<Value, Value, detail::ValueOf>>(*this));
}

template <class Value>
Cursor<std::pair<std::string, Value>> BaseCache<Value>::entries() {
  return Cursor<Entry>(std::make_unique<detail::PageSource<Value, Entry, detail::WholeEntry>>(*this));
}

template <class Value>
asio::awaitable<std::vector<std::optional<Value>>> BaseCache<Value>::read_many(
    std::vector<std::string> keys) {
  std::vector<std::optional<Value>> values;
  values.reserve(keys.size());
  for (std::string& key : keys) {
    std::optional<Value> value = co_await read(std::move(key));
    values.push_back(std::move(value));
  }
  co_return values;
}

template <class Value>
asio::awaitable<void> BaseCache<Value>::write_many(std::vector<Entry> entries) {
  for (Entry& entry : entries) co_await write(std::move(entry.first), std::move(entry.second));
}

template <class Value>
asio::awaitable<std::vector<bool>> BaseCache<Value>::contains_many(std::vector<std::string> keys) {
  std::vector<bool> found;
  found.reserve(keys.size());
  for (std::string& key : keys) {
    bool const there = co_await contains(std::move(key));
    found.push_back(there);
  }
  co_return found;
}

}  // namespace v1
}  // namespace beast_cache
