#pragma once
// A cache of one's own, as examples/own_cache.cpp uses it.

#include <beast_cache/error.hpp>
#include <beast_cache/storage/base_cache.hpp>
#include <list>
#include <map>
#include <mutex>

/// Keeps the `capacity` entries that were read or written last.
///
/// No operation waits for anything, so none suspends: the mutex is held for a look-up, never across co_await.
template <class Value>
class LruCache final : public beast_cache::BaseCache<Value> {
  template <class T>
  using awaitable = boost::asio::awaitable<T>;
  using List = std::list<std::pair<std::string, Value>>;

 public:
  using typename beast_cache::BaseCache<Value>::Entry;

  explicit LruCache(std::size_t capacity) : capacity_(capacity) {}

  awaitable<std::optional<Value>> read(std::string key) override {
    auto const lock = open();
    auto const at = index_.find(key);
    if (at == index_.end()) co_return std::nullopt;
    used_.splice(used_.begin(), used_, at->second);
    co_return at->second->second;
  }
  awaitable<void> write(std::string key, Value value) override {
    auto const lock = open();
    erase(key);
    used_.emplace_front(key, std::move(value));
    index_.emplace(std::move(key), used_.begin());
    if (index_.size() > capacity_) erase(std::string(used_.back().first));
    co_return;
  }
  awaitable<bool> contains(std::string key) override {
    auto const lock = open();
    co_return index_.contains(key);
  }
  awaitable<bool> remove(std::string key) override {
    auto const lock = open();
    co_return erase(key);
  }
  awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    auto const lock = open();
    std::size_t removed = 0;
    for (auto const& key : keys) removed += erase(key);
    co_return removed;
  }
  awaitable<std::optional<Value>> pop(std::string key) override {
    auto const lock = open();
    auto const at = index_.find(key);
    if (at == index_.end()) co_return std::nullopt;
    std::optional<Value> value(std::move(at->second->second));
    erase(key);
    co_return value;
  }
  awaitable<void> clear() override {
    auto const lock = open();
    index_.clear();
    used_.clear();
    co_return;
  }
  awaitable<std::uint64_t> size() override {
    auto const lock = open();
    co_return index_.size();
  }
  // In the order of the keys, from after `after` on: keys(), values() and entries() are made of it.
  awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) override {
    auto const lock = open();
    std::vector<Entry> entries;
    auto at = after ? index_.upper_bound(*after) : index_.begin();
    for (; at != index_.end() && entries.size() < limit; ++at) entries.push_back(*at->second);
    co_return entries;
  }
  awaitable<void> close() override {
    std::lock_guard const lock(mutex_);
    closed_ = true;
    co_return;
  }

 private:
  std::unique_lock<std::mutex> open() {
    std::unique_lock lock(mutex_);
    if (closed_) throw beast_cache::Error(beast_cache::cache_errc::closed, "LruCache: used after close()");
    return lock;
  }
  bool erase(std::string const& key) {
    auto const at = index_.find(key);
    if (at == index_.end()) return false;
    used_.erase(at->second);
    index_.erase(at);
    return true;
  }

  std::mutex mutex_;
  std::size_t capacity_;
  bool closed_ = false;
  List used_;  // the entry used last comes first
  std::map<std::string, typename List::iterator> index_;
};
