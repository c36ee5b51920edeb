#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <mutex>
#include <set>
#include <utility>

#include "beast_cache/storage/impl/sqlite_store.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "storage/sqlite/cache_table.hpp"
#include "storage/sqlite/database.hpp"
#include "storage/sqlite_maintenance.hpp"
#include "storage/value_steps.hpp"

// Jobs that capture by reference refer to the awaiting coroutine's locals: it does not go before its job.

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using sqlite::CacheTable;
using sqlite::Database;
using sqlite::Handle;
using sqlite::Kind;
using sqlite::Mode;

// Up to this many entries a batch shares its commit with its neighbours.
constexpr std::size_t small_batch = 256;
// Values from this size on are read into memory that the caller's thread made: memory that one thread takes
// and another gives back again and again makes the allocator slow.
constexpr std::size_t big_value = 128;
constexpr std::size_t biggest_reserve = std::size_t{1} << 20;

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

// The bulks of one cache that have begun: they end with it, and nobody waits for them.
class BegunBulks {
 public:
  void add(std::uint64_t scope) {
    std::lock_guard const lock(mutex_);
    scopes_.insert(scope);
  }
  void remove(std::uint64_t scope) noexcept {
    std::lock_guard const lock(mutex_);
    scopes_.erase(scope);
  }
  // On the lane: throws Error(closed) after close().
  void check_open(Handle& handle) const {
    std::lock_guard const lock(mutex_);
    if (closed_) throw Error(cache_errc::closed, handle.file() + ": a bulk_commit used after close()");
  }
  void close(Database& database) {
    std::lock_guard const lock(mutex_);
    closed_ = true;
    for (std::uint64_t const scope : scopes_)
      database.abandon(std::make_unique<sqlite::AbandonedBulk>(scope));
    scopes_.clear();
  }

 private:
  mutable std::mutex mutex_;
  bool closed_ = false;
  std::set<std::uint64_t> scopes_;
};

class Bulk final : public SQLiteBulk {
 public:
  Bulk(std::shared_ptr<Database> database, std::shared_ptr<CacheTable> table,
       std::shared_ptr<BegunBulks> begun)
      : database_(std::move(database)), table_(std::move(table)), begun_(std::move(begun)) {}
  ~Bulk() override { abandon(); }

  asio::awaitable<void> apply(Part part) override {
    auto job = [table = table_, begun = begun_, part](Handle& handle) {
      begun->check_open(handle);
      // SQLite's savepoints; their names are the nested scopes' depths.
      auto const nested = [&](char const* command, int depth) {
        if (depth != 0) handle.execute(command + std::to_string(depth));
      };
      nested("ROLLBACK TO nested", part.undo);
      nested("RELEASE nested", part.undo);
      if (part.undo != 0) handle.counts().undo(part.undo);
      nested("SAVEPOINT nested", part.enter);
      if (part.enter != 0) handle.counts().mark(part.enter);
      if (part.clear) table->clear(handle);
      table->apply(handle, part.source);
      nested("RELEASE nested", part.leave);
    };
    if (!node_ && part.commit) {
      // The whole at once: nobody has to wait for more of it.
      return database_->run(table_, Kind(Mode::write_alone), std::move(job));
    }
    Mode mode = part.commit ? Mode::bulk_commit : Mode::bulk_more;
    std::uint64_t const scope = node_ ? node_->scope : Database::new_scope();
    if (!node_) {
      mode = Mode::bulk_begin;
      node_ = std::make_unique<sqlite::AbandonedBulk>(scope);
      begun_->add(scope);
    }
    return run(mode, scope, std::move(job));
  }

  asio::awaitable<void> read(std::string const& key, ValueSink const& sink) override {
    auto job = [table = table_, begun = begun_, &key, &sink](Handle& handle) {
      begun->check_open(handle);
      table->find(handle, key, [&](std::string_view bytes) { sink(0, key, bytes); });
    };
    if (!node_) return database_->run(table_, Kind(Mode::read), std::move(job));
    return database_->run(table_, Kind(Mode::bulk_more, 0, node_->scope), std::move(job));
  }

  void abandon() noexcept override {
    if (!node_) return;
    begun_->remove(node_->scope);
    database_->abandon(std::move(node_));
  }

 private:
  template <class Job>
  asio::awaitable<void> run(Mode mode, std::uint64_t scope, Job job) {
    co_await database_->run(table_, Kind(mode, 0, scope), std::move(job));
    if (mode != Mode::bulk_commit) co_return;
    begun_->remove(scope);
    node_.reset();
  }

  std::shared_ptr<Database> const database_;
  std::shared_ptr<CacheTable> const table_;
  std::shared_ptr<BegunBulks> const begun_;
  std::unique_ptr<sqlite::AbandonedBulk> node_;  // once it has begun
};

class Store final : public SQLiteStore {
 public:
  Store(std::string const& filename, std::string const& table, SQLiteOptions options, StoreFormat format)
      : path_(sqlite::ResolvedPath::resolve(filename, options.use_temp())),
        options_(std::move(options)),
        table_(std::make_shared<CacheTable>(table, options_, format)),
        schema_(table_) {}

  ~Store() override {
    if (database_) database_->detach();
  }

  asio::awaitable<std::optional<std::string>> read_plain(std::string key) override {
    std::string buffer;
    if (std::size_t const size = likely_size_.load(std::memory_order_relaxed)) buffer.reserve(size);
    auto job = [self = self(), key = std::move(key), value = std::move(buffer)](Handle& handle) mutable {
      std::optional<std::string> result;
      self->table_->find(handle, key, [&](std::string_view bytes) {
        self->note_size(bytes.size());
        // One that would waste most of what was reserved gets its own.
        if (value.capacity() > 4 * bytes.size() + 8 * big_value) {
          result.emplace(bytes);
        } else {
          value.assign(bytes);
          result.emplace(std::move(value));
        }
      });
      return result;
    };
    return run<std::optional<std::string>>(Kind(Mode::read_one), std::move(job));
  }

  asio::awaitable<bool> read_into(std::string key, std::string& value) override {
    auto job = [self = self(), key = std::move(key), &value](Handle& handle) {
      return self->table_->find(handle, key, [&](std::string_view bytes) { value.assign(bytes); });
    };
    return run<bool>(Kind(Mode::read_one), std::move(job));
  }

  asio::awaitable<std::optional<ValueReader>> open_plain(std::string key) override {
    return with_database(
        [&](auto database) { return open_steps(std::move(database), table_, std::move(key)); });
  }

  asio::awaitable<void> write_plain(std::string key, std::string value) override {
    std::size_t const bytes = key.size() + value.size();
    auto job = [self = self(), key = std::move(key), value = std::move(value)](Handle& handle) {
      self->table_->put(handle, key, value);
    };
    return run<void>(Kind(Mode::write_statement, bytes), std::move(job));
  }

  asio::awaitable<std::optional<std::string>> pop_plain(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) {
      std::optional<std::string> value;
      self->table_->find(handle, key, [&](std::string_view bytes) { value.emplace(bytes); });
      if (value) self->table_->erase(handle, key);  // what can't be read is not lost to who only looks
      return value;
    };
    return run<std::optional<std::string>>(Kind(Mode::write), std::move(job));
  }

  asio::awaitable<void> read(std::vector<std::string> const& keys, ValueSink const& sink) override {
    auto job = [self = self(), &keys, &sink](Handle& handle) {
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i % 64 == 63) handle.check_cancelled();
        self->table_->find(handle, keys[i], [&](std::string_view bytes) { sink(i, keys[i], bytes); });
      }
    };
    return run<void>(Kind(keys.size() == 1 ? Mode::read_one : Mode::read), std::move(job));
  }

  asio::awaitable<void> write(EntrySource const& source) override {
    auto job = [self = self(), &source](Handle& handle) { self->table_->apply(handle, source); };
    Mode const mode = source.size() > small_batch ? Mode::write_alone : Mode::write;
    return run<void>(Kind(mode), std::move(job));
  }

  asio::awaitable<void> pop(std::string const& key, ValueSink const& sink) override {
    auto job = [self = self(), &key, &sink](Handle& handle) {
      bool const found =
          self->table_->find(handle, key, [&](std::string_view bytes) { sink(0, key, bytes); });
      if (found) self->table_->erase(handle, key);
    };
    return run<void>(Kind(Mode::write), std::move(job));
  }

  asio::awaitable<bool> contains(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) {
      return self->table_->has(handle, key);
    };
    return run<bool>(Kind(Mode::read_one), std::move(job));
  }

  asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys) override {
    auto job = [self = self(), keys = std::move(keys)](Handle& handle) {
      std::vector<bool> found;
      found.reserve(keys.size());
      for (std::string const& key : keys) {
        if (found.size() % 64 == 63) handle.check_cancelled();
        found.push_back(self->table_->has(handle, key));
      }
      return found;
    };
    return run<std::vector<bool>>(Kind(Mode::read), std::move(job));
  }

  asio::awaitable<bool> remove(std::string key) override {
    auto job = [self = self(), key = std::move(key)](Handle& handle) {
      return self->table_->erase(handle, key);
    };
    return run<bool>(Kind(Mode::write_statement), std::move(job));
  }

  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    Mode const mode = keys.size() > small_batch ? Mode::write_alone : Mode::write;
    auto job = [self = self(), keys = std::move(keys)](Handle& handle) {
      std::size_t removed = 0;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        if (i % 64 == 63) handle.check_cancelled();
        removed += self->table_->erase(handle, keys[i]);
      }
      return removed;
    };
    return run<std::size_t>(Kind(mode), std::move(job));
  }

  asio::awaitable<void> clear(Erase how) override {
    if (how == Erase::secure) {
      return with_database([&](auto database) { return erase_securely(std::move(database), table_); });
    }
    auto job = [self = self()](Handle& handle) { self->table_->clear(handle); };
    return run<void>(Kind(Mode::write_alone), std::move(job));
  }

  asio::awaitable<std::uint64_t> size() override {
    return with_database([&](auto database) { return read_size(std::move(database), table_); });
  }

  asio::awaitable<VacuumProgress> vacuum(std::uint64_t budget,
                                         std::function<void(VacuumProgress const&)> progress) override {
    return with_database([&](auto database) {
      return vacuum_in_slices(std::move(database), table_, budget, std::move(progress));
    });
  }

  asio::awaitable<void> page(std::optional<std::string> after, std::size_t limit,
                             ValueSink const& sink) override {
    auto job = [self = self(), after = std::move(after), limit, &sink](Handle& handle) {
      self->table_->page(handle, after, limit, sink);
    };
    return run<void>(Kind(Mode::read), std::move(job));
  }

  Cursor<std::string> keys() override { return Cursor<std::string>(std::make_unique<KeySource>(self())); }

  asio::awaitable<bool> scan(ScanPosition& position, ValueSink const& sink) override {
    auto job = [self = self(), &position, &sink](Handle& handle) {
      return self->table_->scan(handle, position, sink);
    };
    return run<bool>(Kind(Mode::read), std::move(job));
  }

  std::unique_ptr<SQLiteBulk> begin_bulk() override {
    return std::make_unique<Bulk>(database(), table_, bulks_);
  }

  asio::awaitable<void> connect(ConnectionUse use,
                                std::function<void(SQLiteConnection&)> const& work) override {
    return with_database(
        [&](auto database) { return run_on_connection(std::move(database), table_, use, work); });
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
    if (!database) co_return;
    bulks_->close(*database);
    co_await database->detach_and_drain();
  }

  SQLiteStatistics statistics() const override {
    SQLiteStatistics statistics;
    statistics.damaged = table_->damaged();
    std::lock_guard lock(mutex_);
    if (database_) {
      statistics.commits = database_->commits();
      statistics.checkpoints = database_->checkpoints();
    }
    return statistics;
  }

  asio::awaitable<SQLiteOptions> settings() override {
    return with_database([&](auto database) { return read_settings(std::move(database), table_); });
  }

  std::string const& filename() const noexcept override { return path_.name(); }
  std::string const& table() const noexcept override { return table_->name(); }

 private:
  std::shared_ptr<Store> self() { return std::static_pointer_cast<Store>(shared_from_this()); }

  std::shared_ptr<Database> database() {
    std::lock_guard lock(mutex_);
    if (closed_) {
      throw Error(cache_errc::closed, path_.name() + ", table " + table_->name() + ": used after close()");
    }
    if (!database_) database_ = Database::open(path_, options_);
    return database_;
  }

  // Errors come with the await, as all others do.
  template <class Begin>
  auto with_database(Begin begin) -> decltype(begin(std::shared_ptr<Database>())) {
    using R = typename decltype(begin(std::shared_ptr<Database>()))::value_type;
    try {
      return begin(database());
    } catch (...) {
      return failed<R>(std::current_exception());
    }
  }

  using KeyPage = CacheTable::KeyPage;

  // Keys that the lane reads while the caller looks at those before.
  class KeysAhead {
   public:
    void put(KeyPage page) {
      std::lock_guard const lock(mutex_);
      if (!passed_) page_ = std::move(page);
    }
    // Nothing if they are not there yet: who asks reads them himself.
    std::optional<KeyPage> take() {
      std::lock_guard const lock(mutex_);
      passed_ = true;
      return std::exchange(page_, std::nullopt);
    }

   private:
    std::mutex mutex_;
    bool passed_ = false;
    std::optional<KeyPage> page_;
  };

  class KeySource final : public CursorSource<std::string> {
   public:
    explicit KeySource(std::shared_ptr<Store> store) : store_(std::move(store)) {}
    asio::awaitable<std::vector<std::string>> fetch() override {
      if (is_last_) co_return std::vector<std::string>();
      KeyPage page = co_await store_->page_keys(after_, std::exchange(ahead_, nullptr));
      is_last_ = page.is_last;
      if (!is_last_) {
        after_ = page.last_key();
        asio::any_io_executor const executor = co_await asio::this_coro::executor;
        ahead_ = store_->read_ahead(after_, executor, std::exchange(spare_, KeyPage()));
      }
      std::vector<std::string> keys = page.keys();
      spare_ = std::move(page);
      co_return keys;
    }

   private:
    std::shared_ptr<Store> store_;
    std::optional<std::string> after_;
    bool is_last_ = false;
    std::shared_ptr<KeysAhead> ahead_;
    KeyPage spare_;  // memory for the page after that
  };

  asio::awaitable<KeyPage> page_keys(std::optional<std::string> after, std::shared_ptr<KeysAhead> ahead) {
    // What was begun before is done by now: the lane takes one after the other. Not so if there are several.
    auto job = [self = self(), after = std::move(after), ahead = std::move(ahead)](Handle& handle) {
      std::optional<KeyPage> page;
      if (ahead) page = ahead->take();
      return page ? std::move(*page) : self->table_->page_keys(handle, after, KeyPage());
    };
    return run<KeyPage>(Kind(Mode::read), std::move(job));
  }

  // Nothing if that can't be begun. A failure is found again by who asks for them.
  std::shared_ptr<KeysAhead> read_ahead(std::optional<std::string> after,
                                        asio::any_io_executor const& executor, KeyPage memory) {
    auto ahead = std::make_shared<KeysAhead>();
    auto job = [self = self(), after = std::move(after), ahead,
                memory = std::move(memory)](Handle& handle) mutable {
      ahead->put(self->table_->page_keys(handle, after, std::move(memory)));
    };
    auto const ignored = [](std::exception_ptr const&) noexcept {};
    try {
      bool const begun = database()->start(schema_, Kind(Mode::read), executor, std::move(job), ignored);
      return begun ? ahead : nullptr;
    } catch (Error const&) {  // it is closed
      return nullptr;
    }
  }

  template <class R, class Job>
  asio::awaitable<R> run(Kind kind, Job job) {
    try {
      return database()->run(schema_, kind, std::move(job));
    } catch (...) {
      return failed<R>(std::current_exception());
    }
  }

  // What the next value to be read will probably need.
  void note_size(std::size_t size) noexcept {
    std::size_t const reserve = size < big_value ? 0 : std::min(size, biggest_reserve);
    if (likely_size_.load(std::memory_order_relaxed) != reserve) {
      likely_size_.store(reserve, std::memory_order_relaxed);
    }
  }

  sqlite::ResolvedPath const path_;
  SQLiteOptions const options_;
  std::shared_ptr<CacheTable> const table_;
  std::shared_ptr<BegunBulks> const bulks_ = std::make_shared<BegunBulks>();
  std::shared_ptr<sqlite::Schema> const schema_;  // the same, so that no operation has to convert it
  std::atomic<std::size_t> likely_size_{0};

  mutable std::mutex mutex_;
  std::shared_ptr<Database> database_;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<SQLiteStore> SQLiteStore::create(std::string const& filename, std::string const& table,
                                                 SQLiteOptions options, StoreFormat format) {
  return std::make_shared<Store>(filename, table, std::move(options), format);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
