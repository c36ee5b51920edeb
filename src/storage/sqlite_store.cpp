#include <algorithm>
#include <mutex>

#include "beast_cache/storage/impl/sqlite_store.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "storage/envelope.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using sqlite::Database;
using sqlite::Handle;
using sqlite::Mode;
using sqlite::Statement;

constexpr std::size_t max_key_size = 512 * 1024;
// Up to this many entries a batch shares its commit with its neighbours.
constexpr std::size_t small_batch = 256;
// A page of a cursor: a batch that is worth its hop, and small beside the 16 MiB that a walk may take.
constexpr std::size_t page_bytes = 1 << 20;
constexpr std::int64_t key_page = 4096;

template <class R>
asio::awaitable<R> failed(std::exception_ptr error) {
  std::rethrow_exception(error);
  co_return R();
}
template <>
asio::awaitable<void> failed<void>(std::exception_ptr error) {
  std::rethrow_exception(error);
  co_return;
}

std::string checked_table(std::string table) {
  if (table.empty() || table.find('\0') != std::string::npos) {
    throw Error(cache_errc::invalid_argument, "the table name is empty or holds a NUL byte");
  }
  std::string folded = table.substr(0, 12);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (folded.starts_with("sqlite_") || folded.starts_with("beast_cache_")) {
    throw Error(cache_errc::invalid_argument, "table name " + table + ": that prefix is reserved");
  }
  return table;
}

class TableSchema final : public sqlite::Schema {
 public:
  TableSchema(std::string const& table, bool sealed)
      : Schema(table, sealed ? "sealed" : "plain", 1), sealed_(sealed) {}

  void create(Handle& handle) const override {
    {
      Statement query = handle.statement(
          "SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')");
      query.bind_text(1, name());
      if (query.step()) {
        throw Error(cache_errc::not_a_cache, handle.file() + ": table " + name() + " is not a cache's");
      }
    }
    // A rowid table: WITHOUT ROWID is slow with values of more than a few hundred bytes.
    handle.execute("CREATE TABLE " + sqlite::quoted(name()) +
                   "(key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL" +
                   (sealed_ ? ")" : ", \"check\" NOT NULL)"));
  }

 private:
  bool sealed_;
};

class Store final : public SQLiteStore {
 public:
  Store(std::string const& filename, std::string const& table, SQLiteOptions options, StoreFormat format)
      : path_(sqlite::ResolvedPath::resolve(filename, options.use_temp())),
        table_(checked_table(table)),
        options_(std::move(options)),
        format_(format),
        sealed_(format.kind() == StoreFormat::Kind::sealed),
        guard_(options_.secret_key(), options_.salt(), table_),
        schema_(std::make_shared<TableSchema>(table_, sealed_)) {
    std::string const name = sqlite::quoted(table_);
    std::string const columns = sealed_ ? "value, NULL" : "value, \"check\"";
    select_ = "SELECT " + columns + " FROM " + name + " WHERE key = ?1";
    upsert_ = sealed_
                  ? "INSERT INTO " + name +
                        "(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
                  : "INSERT INTO " + name +
                        "(key, value, \"check\") VALUES(?1, ?2, ?3) ON CONFLICT(key) DO UPDATE SET"
                        " value = excluded.value, \"check\" = excluded.\"check\"";
    contains_ = "SELECT 1 FROM " + name + " WHERE key = ?1";
    remove_ = "DELETE FROM " + name + " WHERE key = ?1";
    clear_ = "DELETE FROM " + name;
    count_ = "SELECT count(*) FROM " + name;
    page_ = "SELECT " + columns + ", key FROM " + name + " WHERE key > ?1 ORDER BY key";
    first_page_ = "SELECT " + columns + ", key FROM " + name + " ORDER BY key";
    page_keys_ = "SELECT key FROM " + name + " WHERE key > ?1 ORDER BY key LIMIT ?2";
    first_page_keys_ = "SELECT key FROM " + name + " ORDER BY key LIMIT ?1";
  }

  ~Store() override {
    if (database_) database_->detach();
  }

  asio::awaitable<std::optional<std::string>> read_plain(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) {
      std::optional<std::string> value;
      self->find(handle, key, [&](std::string_view bytes) { value.emplace(bytes); });
      return value;
    };
    return run<std::optional<std::string>>(Mode::read, std::move(job));
  }

  asio::awaitable<void> write_plain(std::string key, std::string value) override {
    auto job = [self = self(), key = std::move(key), value = std::move(value)](Handle& handle) {
      self->check_size(key, value);
      Statement upsert = handle.statement(self->upsert_);
      self->put(upsert, key, value);
    };
    return run<void>(Mode::write_statement, std::move(job));
  }

  asio::awaitable<std::optional<std::string>> pop_plain(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) {
      std::optional<std::string> value;
      self->find(handle, key, [&](std::string_view bytes) { value.emplace(bytes); });
      self->erase(handle, key);
      return value;
    };
    return run<std::optional<std::string>>(Mode::write, std::move(job));
  }

  asio::awaitable<void> read(std::vector<std::string> const& keys, ValueSink const& sink) override {
    auto job = [self = self(), &keys, &sink](Handle& handle) {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i % 64 == 63) handle.check_cancelled();
        self->find(handle, keys[i], [&](std::string_view bytes) { sink(i, keys[i], bytes); });
      }
    };
    return run<void>(Mode::read, std::move(job));
  }

  asio::awaitable<void> write(std::vector<std::string> const& keys, std::vector<bool> const& removals,
                              ValueSource const& source, bool clear_first, bool alone) override {
    auto job = [self = self(), &keys, &removals, &source, clear_first](Handle& handle) {
      if (clear_first) handle.statement(self->clear_).run();
      Statement upsert = handle.statement(self->upsert_);
      std::string buffer;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i % 64 == 63) handle.check_cancelled();
        if (i < removals.size() && removals[i]) {
          self->erase(handle, keys[i]);
          continue;
        }
        buffer.clear();
        std::string_view const value = source(i, buffer);
        self->check_size(keys[i], value);
        self->put(upsert, keys[i], value);
      }
    };
    Mode const mode = alone || keys.size() > small_batch ? Mode::write_alone : Mode::write;
    return run<void>(mode, std::move(job));
  }

  asio::awaitable<void> pop(std::string const& key, ValueSink const& sink) override {
    auto job = [self = self(), &key, &sink](Handle& handle) {
      self->find(handle, key, [&](std::string_view bytes) { sink(0, key, bytes); });
      self->erase(handle, key);
    };
    return run<void>(Mode::write, std::move(job));
  }

  asio::awaitable<bool> contains(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) { return self->has(handle, key); };
    return run<bool>(Mode::read, std::move(job));
  }

  asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys) override {
    auto job = [self = self(), keys = std::move(keys)](Handle& handle) {
      std::vector<bool> found;
      found.reserve(keys.size());
      for (std::string const& key : keys) {
        if (found.size() % 64 == 63) handle.check_cancelled();
        found.push_back(self->has(handle, key));
      }
      return found;
    };
    return run<std::vector<bool>>(Mode::read, std::move(job));
  }

  asio::awaitable<bool> remove(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) { return self->erase(handle, key); };
    return run<bool>(Mode::write_statement, std::move(job));
  }

  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    Mode const mode = keys.size() > small_batch ? Mode::write_alone : Mode::write;
    auto job = [self = self(), keys = std::move(keys)](Handle& handle) {
      std::size_t removed = 0;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i % 64 == 63) handle.check_cancelled();
        removed += self->erase(handle, keys[i]);
      }
      return removed;
    };
    return run<std::size_t>(mode, std::move(job));
  }

  asio::awaitable<void> clear() override {
    auto job = [self = self()](Handle& handle) { handle.statement(self->clear_).run(); };
    return run<void>(Mode::write_alone, std::move(job));
  }

  asio::awaitable<std::uint64_t> size() override {
    auto job = [self = self()](Handle& handle) {
      Statement count = handle.statement(self->count_);
      count.step();
      return static_cast<std::uint64_t>(count.integer(0));
    };
    return run<std::uint64_t>(Mode::read, std::move(job));
  }

  asio::awaitable<void> page(std::optional<std::string> after, std::size_t limit,
                             ValueSink const& sink) override {
    auto job = [self = self(), after = std::move(after), limit, &sink](Handle& handle) {
      Statement query = handle.statement(after ? self->page_ : self->first_page_);
      if (after) query.bind_text(1, *after);
      std::size_t count = 0, bytes = 0;
      while (count < limit && bytes < page_bytes && query.step()) {
        std::string_view const key = query.bytes(2);
        bool const good = self->take(handle, query, key, [&](std::string_view value) {
          bytes += key.size() + value.size();
          sink(count, key, value);
        });
        if (good) ++count;  // one that is damaged is skipped, so that a page is empty only at the end
      }
    };
    return run<void>(Mode::read, std::move(job));
  }

  asio::awaitable<std::vector<std::string>> page_keys(std::optional<std::string> after) override {
    auto job = [self = self(), after = std::move(after)](Handle& handle) {
      Statement query = handle.statement(after ? self->page_keys_ : self->first_page_keys_);
      if (after) query.bind_text(1, *after);
      query.bind(after ? 2 : 1, key_page);
      std::vector<std::string> keys;
      std::size_t bytes = 0;
      while (bytes < page_bytes && query.step()) {
        keys.emplace_back(query.bytes(0));
        bytes += keys.back().size();
      }
      return keys;
    };
    return run<std::vector<std::string>>(Mode::read, std::move(job));
  }

  asio::awaitable<void> connect(ConnectionUse use,
                                std::function<void(SQLiteConnection&)> const& work) override {
    Mode mode = Mode::read;
    switch (use) {
      case ConnectionUse::read:
        mode = Mode::read;
        break;
      case ConnectionUse::read_autocommit:
        mode = Mode::read_autocommit;
        break;
      case ConnectionUse::write:
        mode = Mode::write_alone;
        break;
      case ConnectionUse::write_autocommit:
        mode = Mode::write_autocommit;
        break;
    }
    auto job = [&work](Handle& handle) {
      SQLiteConnection connection(handle.raw());
      work(connection);
    };
    return run<void>(mode, std::move(job));
  }

  asio::awaitable<void> close() override {
    std::shared_ptr<Database> database;
    auto const keep = self();
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
      database = std::move(database_);
      database_ = nullptr;
    }
    if (database) co_await database->detach_and_drain();
  }

  SQLiteStatistics statistics() const override {
    SQLiteStatistics statistics;
    statistics.damaged = damaged_.load();
    std::lock_guard lock(mutex_);
    if (database_) {
      statistics.commits = database_->commits();
      statistics.checkpoints = database_->checkpoints();
    }
    return statistics;
  }

  std::string const& filename() const noexcept override { return path_.name(); }
  std::string const& table() const noexcept override { return table_; }

 private:
  std::shared_ptr<Store> self() { return std::static_pointer_cast<Store>(shared_from_this()); }

  std::shared_ptr<Database> database() {
    std::lock_guard lock(mutex_);
    if (closed_) {
      throw Error(cache_errc::closed, path_.name() + ", table " + table_ + ": used after close()");
    }
    if (!database_) database_ = Database::open(path_, options_);
    return database_;
  }

  // Errors come with the await, as all others do.
  template <class R, class Job>
  asio::awaitable<R> run(Mode mode, Job job) {
    try {
      return database()->read(schema_, std::move(job), mode);
    } catch (...) {
      return failed<R>(std::current_exception());
    }
  }

  void check_size(std::string_view key, std::string_view value) const {
    if (key.size() > max_key_size || value.size() > options_.max_value_size()) {
      throw Error(cache_errc::too_big,
                  path_.name() + ": " +
                      (key.size() > max_key_size ? "key of " + std::to_string(key.size())
                                                 : "value of " + std::to_string(value.size())) +
                      " bytes");
    }
  }

  // Hands the verified value to `sink`. False if it is damaged.
  template <class Sink>
  bool take(Handle& handle, Statement& row, std::string_view key, Sink&& sink) {
    std::string_view const stored = row.bytes(0);
    try {
      if (sealed_) {
        sink(guard_.unseal(format_.format(), format_.type(), key, stored));
        return true;
      }
      if (guard_.is_signing()) {
        auto const mac = guard_.signature(key, stored);
        if (!Guard::equal(row.bytes(1), {reinterpret_cast<char const*>(mac.data()), mac.size()})) {
          throw Error(cache_errc::bad_signature, "unsigned, or a wrong signature");
        }
      } else if (row.type(1) == SQLITE_BLOB) {
        throw Error(cache_errc::bad_signature, "a signed value; set secret_key to read it");
      } else if (row.type(1) != SQLITE_INTEGER || row.integer(1) != guard_.checksum(key, stored)) {
        throw Error(cache_errc::bad_value, "wrong checksum");
      }
      sink(stored);
      return true;
    } catch (Error const& error) {
      if (error.code() == cache_errc::bad_signature) {
        throw Error(cache_errc::bad_signature, handle.file() + ", table " + table_ + ": " + error.what());
      }
      if (error.code() != cache_errc::bad_value) throw;
    }
    ++damaged_;
    return false;
  }

  template <class Sink>
  void find(Handle& handle, std::string const& key, Sink&& sink) {
    Statement select = handle.statement(select_);
    select.bind_text(1, key);
    if (select.step()) take(handle, select, key, std::forward<Sink>(sink));
  }

  void put(Statement& upsert, std::string_view key, std::string_view value) const {
    std::string sealed;
    std::array<unsigned char, 32> mac;
    upsert.bind_text(1, key);
    if (sealed_) {
      sealed = guard_.seal(format_.format(), format_.type(), key, value);
      upsert.bind_blob(2, sealed);
    } else {
      upsert.bind_blob(2, value);
      if (guard_.is_signing()) {
        mac = guard_.signature(key, value);
        upsert.bind_blob(3, {reinterpret_cast<char const*>(mac.data()), mac.size()});
      } else {
        upsert.bind(3, std::int64_t{guard_.checksum(key, value)});
      }
    }
    upsert.run();
    upsert.reset();
  }

  bool has(Handle& handle, std::string const& key) const {
    Statement query = handle.statement(contains_);
    query.bind_text(1, key);
    return query.step();
  }

  bool erase(Handle& handle, std::string const& key) const {
    Statement statement = handle.statement(remove_);
    statement.bind_text(1, key);
    statement.run();
    return handle.changes() != 0;
  }

  sqlite::ResolvedPath const path_;
  std::string const table_;
  SQLiteOptions const options_;
  StoreFormat const format_;
  bool const sealed_;
  Guard const guard_;
  std::shared_ptr<sqlite::Schema> const schema_;
  std::string select_, upsert_, contains_, remove_, clear_, count_, page_, first_page_, page_keys_,
      first_page_keys_;

  mutable std::mutex mutex_;
  std::shared_ptr<Database> database_;
  bool closed_ = false;
  std::atomic<std::uint64_t> damaged_{0};
};

}  // namespace

std::shared_ptr<SQLiteStore> SQLiteStore::create(std::string const& filename, std::string const& table,
                                                 SQLiteOptions options, StoreFormat format) {
  return std::make_shared<Store>(filename, table, std::move(options), format);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
