#pragma once
/// \file memory_cache.hpp
/// A `BaseCache` in memory.

#include <boost/asio/awaitable.hpp>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"
#include "beast_cache/storage/base_cache.hpp"

namespace beast_cache {
inline namespace v1 {

/// A cache that lives and dies with the object: for tests, for short-lived programs, as a front of another.
///
/// No operation suspends or hops: each takes a mutex for as long as a map look-up needs and completes at
/// once. The size has no limit.
///
/// Preconditions: \p Value is copyable.
/// Thread safety: shared objects are safe.
template <class Value>
class MemoryCache final : public BaseCache<Value> {
 public:
  using typename BaseCache<Value>::Entry;

  MemoryCache() = default;

  asio::awaitable<std::optional<Value>> read(std::string key) override {
    std::lock_guard lock(mutex_);
    check_open();
    auto const at = map_.find(key);
    if (at == map_.end()) co_return std::nullopt;
    co_return at->second;
  }

  asio::awaitable<void> write(std::string key, Value value) override {
    std::lock_guard lock(mutex_);
    check_open();
    map_.insert_or_assign(std::move(key), std::move(value));
    co_return;
  }

  asio::awaitable<bool> contains(std::string key) override {
    std::lock_guard lock(mutex_);
    check_open();
    co_return map_.find(key) != map_.end();
  }

  asio::awaitable<bool> remove(std::string key) override {
    std::lock_guard lock(mutex_);
    check_open();
    co_return map_.erase(key) != 0;
  }

  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    std::lock_guard lock(mutex_);
    check_open();
    std::size_t removed = 0;
    for (std::string const& key : keys) removed += map_.erase(key);
    co_return removed;
  }

  asio::awaitable<std::optional<Value>> pop(std::string key) override {
    std::lock_guard lock(mutex_);
    check_open();
    auto node = map_.extract(key);
    if (node.empty()) co_return std::nullopt;
    co_return std::move(node.mapped());
  }

  asio::awaitable<void> clear() override {
    std::lock_guard lock(mutex_);
    check_open();
    map_.clear();
    co_return;
  }

  asio::awaitable<std::uint64_t> size() override {
    std::lock_guard lock(mutex_);
    check_open();
    co_return map_.size();
  }

  asio::awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) override {
    std::lock_guard lock(mutex_);
    check_open();
    std::vector<Entry> entries;
    auto at = after ? map_.upper_bound(*after) : map_.begin();
    for (; at != map_.end() && entries.size() < limit; ++at) entries.emplace_back(at->first, at->second);
    co_return entries;
  }

  /// Drops the contents: they have nowhere else to be.
  asio::awaitable<void> close() override {
    std::lock_guard lock(mutex_);
    closed_ = true;
    map_.clear();
    co_return;
  }

 private:
  void check_open() const {
    if (closed_) throw Error(cache_errc::closed, "MemoryCache: used after close()");
  }

  std::mutex mutex_;
  std::map<std::string, Value> map_;  // ordered: cursors continue after a key
  bool closed_ = false;
};

}  // namespace v1
}  // namespace beast_cache
