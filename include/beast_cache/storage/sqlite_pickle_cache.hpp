#pragma once
/// \file sqlite_pickle_cache.hpp
/// An asynchronous store for values of one's own types. The only header, with the two that it is made of,
/// that includes cereal's archives.

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "beast_cache/storage/cereal_serializer.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"

namespace beast_cache {
inline namespace v1 {

/// `SQLiteCache` for values of type \p T: they are serialised on the cache's thread, not on the caller's (but
/// for single reads with `SQLiteOptions::inline_reads`), and stored with what tells format, type and sizes
/// and a checksum, or a signature if `SQLiteOptions::secret_key` is set.
///
/// A value that is damaged, of another type or format, or can't be decoded is treated as missing, and counted
/// in `statistics().damaged`. With a secret key a wrong or missing signature is `cache_errc::bad_signature`.
///
/// Preconditions: \p T is copyable, and cereal can serialise it or a serializer is given.
/// Everything else is as in `SQLiteCache`.
template <class T>
class SQLitePickleCache final : public BaseCache<T> {
 public:
  using typename BaseCache<T>::Entry;

  explicit SQLitePickleCache(std::string filename, std::string table_name = "cache",
                             SQLiteOptions options = SQLiteOptions(),
                             std::shared_ptr<Serializer<T> const> serializer = nullptr)
      : core_(std::make_shared<Core>(
            std::move(filename), std::move(table_name), std::move(options),
            serializer ? std::move(serializer) : std::make_shared<CerealSerializer<T> const>())) {}
  SQLitePickleCache(SQLitePickleCache&&) noexcept = default;
  SQLitePickleCache& operator=(SQLitePickleCache&&) noexcept = default;
  ~SQLitePickleCache() override = default;

  asio::awaitable<std::optional<T>> read(std::string key) override { return read_one(core_, std::move(key)); }
  asio::awaitable<void> write(std::string key, T value) override {
    return write_one(core_, std::move(key), std::move(value));
  }
  asio::awaitable<bool> contains(std::string key) override { return core_->store->contains(std::move(key)); }
  asio::awaitable<bool> remove(std::string key) override { return core_->store->remove(std::move(key)); }
  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    return core_->store->bulk_remove(std::move(keys));
  }
  asio::awaitable<std::optional<T>> pop(std::string key) override { return pop_one(core_, std::move(key)); }
  asio::awaitable<void> clear() override { return core_->store->clear(Erase::fast); }
  asio::awaitable<void> clear(Erase how) { return core_->store->clear(how); }
  asio::awaitable<std::uint64_t> size() override { return core_->store->size(); }
  asio::awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) override {
    return read_page(core_, std::move(after), limit);
  }
  asio::awaitable<std::vector<std::optional<T>>> read_many(std::vector<std::string> keys) override {
    return read_all(core_, std::move(keys));
  }
  asio::awaitable<void> write_many(std::vector<Entry> entries) override {
    return write_all(core_, std::move(entries));
  }
  asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys) override {
    return core_->store->contains_many(std::move(keys));
  }
  Cursor<std::string> keys() override { return core_->store->keys(); }
  Cursor<T> values() override {
    auto make = [core = core_](std::string_view, std::string_view bytes) {
      return core->serializer->decode(bytes);
    };
    return detail::scan_cursor<T>(core_->store, std::move(make));
  }
  Cursor<Entry> entries() override {
    auto make = [core = core_](std::string_view key, std::string_view bytes) {
      return Entry(std::string(key), core->serializer->decode(bytes));
    };
    return detail::scan_cursor<Entry>(core_->store, std::move(make));
  }
  asio::awaitable<void> close() override { return core_->store->close(); }
  asio::awaitable<VacuumProgress> vacuum(std::uint64_t budget = UINT64_MAX,
                                         std::function<void(VacuumProgress const&)> progress = nullptr) {
    return core_->store->vacuum(budget, std::move(progress));
  }

  /// A scope whose writes become one commit. How much memory a value takes is found out on the caller's
  /// thread, see `Serializer::size_of`.
  BulkCommit<T> bulk_commit() { return BulkCommit<T>(std::make_shared<Target>(core_)); }

  /// As in `SQLiteCache`.
  template <class Callable>
  asio::awaitable<std::invoke_result_t<Callable&, SQLiteConnection&>> get_connection(
      Callable callable, ConnectionUse use = ConnectionUse::write) {
    return detail::connect(core_->store, std::move(callable), use);
  }

  SQLiteStatistics statistics() const { return core_->store->statistics(); }
  asio::awaitable<SQLiteOptions> settings() { return core_->store->settings(); }
  std::string const& filename() const noexcept { return core_->store->filename(); }
  std::string const& table_name() const noexcept { return core_->store->table(); }

 private:
  class Core {
   public:
    Core(std::string filename, std::string table, SQLiteOptions options,
         std::shared_ptr<Serializer<T> const> s)
        : serializer(std::move(s)),
          store(detail::SQLiteStore::create(
              filename, table, std::move(options),
              detail::StoreFormat::sealed(serializer->format(), serializer->type_id()))) {}
    std::shared_ptr<Serializer<T> const> serializer;
    std::shared_ptr<detail::SQLiteStore> store;
  };
  using CorePtr = std::shared_ptr<Core>;

  // The sinks and sources run on the cache's thread while the coroutine that holds them is suspended.

  static asio::awaitable<std::optional<T>> read_one(CorePtr core, std::string key) {
    std::optional<T> value;
    std::vector<std::string> const keys(1, std::move(key));
    detail::ValueSink const sink = [&](std::size_t, std::string_view, std::string_view bytes) {
      value.emplace(core->serializer->decode(bytes));
    };
    co_await core->store->read(keys, sink);
    co_return value;
  }

  static asio::awaitable<std::optional<T>> pop_one(CorePtr core, std::string key) {
    std::optional<T> value;
    detail::ValueSink const sink = [&](std::size_t, std::string_view, std::string_view bytes) {
      value.emplace(core->serializer->decode(bytes));
    };
    co_await core->store->pop(key, sink);
    co_return value;
  }

  class Encode {
   public:
    explicit Encode(CorePtr core) : core_(std::move(core)) {}
    std::string_view operator()(T const& value, std::string& buffer) const {
      core_->serializer->encode(value, buffer);
      return buffer;
    }

   private:
    CorePtr core_;
  };

  static asio::awaitable<void> write_all(CorePtr core, std::vector<Entry> entries) {
    detail::EntriesOf const source(entries, Encode(core));
    if (!entries.empty()) co_await core->store->write(source);
  }

  static asio::awaitable<void> write_one(CorePtr core, std::string key, T value) {
    std::vector<Entry> entries;
    entries.emplace_back(std::move(key), std::move(value));
    return write_all(std::move(core), std::move(entries));
  }

  static asio::awaitable<std::vector<std::optional<T>>> read_all(CorePtr core,
                                                                 std::vector<std::string> keys) {
    std::vector<std::optional<T>> values(keys.size());
    detail::ValueSink const sink = [&](std::size_t i, std::string_view, std::string_view bytes) {
      values[i].emplace(core->serializer->decode(bytes));
    };
    co_await core->store->read(keys, sink);
    co_return values;
  }

  static asio::awaitable<std::vector<Entry>> read_page(CorePtr core, std::optional<std::string> after,
                                                       std::size_t limit) {
    std::vector<Entry> entries;
    detail::ValueSink const sink = [&](std::size_t, std::string_view key, std::string_view bytes) {
      entries.emplace_back(std::string(key), core->serializer->decode(bytes));
    };
    co_await core->store->page(std::move(after), limit, sink);
    co_return entries;
  }

  class Target final : public BulkTarget<T> {
   public:
    explicit Target(CorePtr core) : core_(std::move(core)) {}

    asio::awaitable<std::optional<T>> read(std::string key) override {
      std::optional<T> value;
      detail::ValueSink const sink = [&](std::size_t, std::string_view, std::string_view bytes) {
        value.emplace(core_->serializer->decode(bytes));
      };
      co_await bulk().read(key, sink);
      co_return value;
    }

    asio::awaitable<void> apply(BulkPart<T> part) override {
      detail::EntriesOf const source(part.entries, Encode(core_));
      co_await bulk().apply(detail::SQLiteBulk::Part(part, source));
    }

    void abandon() noexcept override {
      if (bulk_) bulk_->abandon();
    }
    std::size_t size_of(T const& value) const noexcept override {
      try {
        return core_->serializer->size_of(value);
      } catch (...) {
        return sizeof(T);  // the error comes when it is to be written
      }
    }

   private:
    detail::SQLiteBulk& bulk() {
      if (!bulk_) bulk_ = core_->store->begin_bulk();
      return *bulk_;
    }
    CorePtr core_;
    std::unique_ptr<detail::SQLiteBulk> bulk_;
  };

  CorePtr core_;
};

}  // namespace v1
}  // namespace beast_cache
