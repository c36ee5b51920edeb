#include "beast_cache/storage/sqlite_cache.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

using Store = std::shared_ptr<detail::SQLiteStore>;

asio::awaitable<std::vector<std::optional<std::string>>> read_all(Store store,
                                                                  std::vector<std::string> keys) {
  std::vector<std::optional<std::string>> values(keys.size());
  detail::ValueSink const sink = [&](std::size_t i, std::string_view, std::string_view value) {
    values[i].emplace(value);
  };
  co_await store->read(keys, sink);
  co_return values;
}

asio::awaitable<void> write_all(Store store, std::vector<std::pair<std::string, std::string>> entries) {
  std::vector<std::string> keys;
  keys.reserve(entries.size());
  for (auto& entry : entries) keys.push_back(std::move(entry.first));
  std::vector<bool> const removals;
  detail::ValueSource const source = [&](std::size_t i, std::string&) {
    return std::string_view(entries[i].second);
  };
  if (!keys.empty()) co_await store->write(keys, removals, source, false, false);
}

asio::awaitable<std::vector<std::pair<std::string, std::string>>> read_page(Store store,
                                                                            std::optional<std::string> after,
                                                                            std::size_t limit) {
  std::vector<std::pair<std::string, std::string>> entries;
  detail::ValueSink const sink = [&](std::size_t, std::string_view key, std::string_view value) {
    entries.emplace_back(key, value);
  };
  co_await store->page(std::move(after), limit, sink);
  co_return entries;
}

class KeySource final : public CursorSource<std::string> {
 public:
  explicit KeySource(Store store) : store_(std::move(store)) {}
  asio::awaitable<std::vector<std::string>> fetch() override {
    std::vector<std::string> keys = co_await store_->page_keys(after_);
    if (!keys.empty()) after_ = keys.back();
    co_return keys;
  }

 private:
  Store store_;
  std::optional<std::string> after_;
};

class Target final : public BulkTarget<std::string> {
 public:
  explicit Target(Store store) : store_(std::move(store)) {}

  asio::awaitable<std::optional<std::string>> read(std::string key) override {
    return store_->read_plain(std::move(key));
  }

  asio::awaitable<void> apply(BulkChanges<std::string> changes) override {
    std::vector<std::string> keys;
    std::vector<std::string const*> values;
    std::vector<bool> removals;
    keys.reserve(changes.entries.size());
    for (auto const& entry : changes.entries) {
      keys.push_back(entry.first);
      values.push_back(entry.second ? &*entry.second : nullptr);
      removals.push_back(!entry.second);
    }
    detail::ValueSource const source = [&](std::size_t i, std::string&) {
      return std::string_view(*values[i]);
    };
    co_await store_->write(keys, removals, source, changes.cleared, true);
  }

 private:
  Store store_;
};

}  // namespace

SQLiteCache::SQLiteCache(std::string filename, std::string table_name, SQLiteOptions options)
    : store_(detail::SQLiteStore::create(filename, table_name, std::move(options),
                                         detail::StoreFormat::plain())) {}

asio::awaitable<std::optional<std::string>> SQLiteCache::read(std::string key) {
  return store_->read_plain(std::move(key));
}
asio::awaitable<void> SQLiteCache::write(std::string key, std::string value) {
  return store_->write_plain(std::move(key), std::move(value));
}
asio::awaitable<bool> SQLiteCache::contains(std::string key) {
  return store_->contains(std::move(key));
}
asio::awaitable<bool> SQLiteCache::remove(std::string key) {
  return store_->remove(std::move(key));
}
asio::awaitable<std::size_t> SQLiteCache::bulk_remove(std::vector<std::string> keys) {
  return store_->bulk_remove(std::move(keys));
}
asio::awaitable<std::optional<std::string>> SQLiteCache::pop(std::string key) {
  return store_->pop_plain(std::move(key));
}
asio::awaitable<void> SQLiteCache::clear() {
  return store_->clear();
}
asio::awaitable<std::uint64_t> SQLiteCache::size() {
  return store_->size();
}
asio::awaitable<std::vector<SQLiteCache::Entry>> SQLiteCache::page(std::optional<std::string> after,
                                                                   std::size_t limit) {
  return read_page(store_, std::move(after), limit);
}
asio::awaitable<std::vector<std::optional<std::string>>> SQLiteCache::read_many(
    std::vector<std::string> keys) {
  return read_all(store_, std::move(keys));
}
asio::awaitable<void> SQLiteCache::write_many(std::vector<Entry> entries) {
  return write_all(store_, std::move(entries));
}
asio::awaitable<std::vector<bool>> SQLiteCache::contains_many(std::vector<std::string> keys) {
  return store_->contains_many(std::move(keys));
}
asio::awaitable<void> SQLiteCache::close() {
  return store_->close();
}

Cursor<std::string> SQLiteCache::keys() {
  return Cursor<std::string>(std::make_unique<KeySource>(store_));
}

BulkCommit<std::string> SQLiteCache::bulk_commit() {
  return BulkCommit<std::string>(std::make_shared<Target>(store_));
}

}  // namespace v1
}  // namespace beast_cache
