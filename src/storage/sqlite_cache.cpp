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

std::string_view as_it_is(std::string const& value, std::string&) {
  return value;
}

asio::awaitable<void> write_all(Store store, std::vector<std::pair<std::string, std::string>> entries) {
  detail::EntriesOf const source(entries, as_it_is);
  if (!entries.empty()) co_await store->write(source);
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

class Target final : public BulkTarget<std::string> {
 public:
  explicit Target(Store store) : store_(std::move(store)) {}

  asio::awaitable<std::optional<std::string>> read(std::string key) override {
    std::optional<std::string> value;
    detail::ValueSink const sink = [&](std::size_t, std::string_view, std::string_view bytes) {
      value.emplace(bytes);
    };
    co_await bulk().read(key, sink);
    co_return value;
  }

  asio::awaitable<void> apply(BulkPart<std::string> part) override {
    detail::EntriesOf const source(part.entries, as_it_is);
    co_await bulk().apply(detail::SQLiteBulk::Part(part, source));
  }

  void abandon() noexcept override {
    if (bulk_) bulk_->abandon();
  }
  std::size_t size_of(std::string const& value) const noexcept override { return value.size(); }

 private:
  // The file is opened by the first operation that needs it.
  detail::SQLiteBulk& bulk() {
    if (!bulk_) bulk_ = store_->begin_bulk();
    return *bulk_;
  }
  Store store_;
  std::unique_ptr<detail::SQLiteBulk> bulk_;
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
  return store_->clear(Erase::fast);
}
asio::awaitable<void> SQLiteCache::clear(Erase how) {
  return store_->clear(how);
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
  return store_->keys();
}
Cursor<std::string> SQLiteCache::values() {
  auto const make = [](std::string_view, std::string_view value) { return std::string(value); };
  return detail::scan_cursor<std::string>(store_, make);
}
Cursor<SQLiteCache::Entry> SQLiteCache::entries() {
  auto const make = [](std::string_view key, std::string_view value) {
    return Entry(std::string(key), std::string(value));
  };
  return detail::scan_cursor<Entry>(store_, make);
}

asio::awaitable<bool> SQLiteCache::read_into(std::string key, std::string& value) {
  return store_->read_into(std::move(key), value);
}
asio::awaitable<std::optional<ValueReader>> SQLiteCache::open(std::string key) {
  return store_->open_plain(std::move(key));
}
asio::awaitable<VacuumProgress> SQLiteCache::vacuum(std::uint64_t budget,
                                                    std::function<void(VacuumProgress const&)> progress) {
  return store_->vacuum(budget, std::move(progress));
}

BulkCommit<std::string> SQLiteCache::bulk_commit() {
  return BulkCommit<std::string>(std::make_shared<Target>(store_));
}

}  // namespace v1
}  // namespace beast_cache
