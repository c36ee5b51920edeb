#include "beast_cache/backend/sqlite_backend.hpp"

#include <atomic>
#include <boost/asio/error.hpp>
#include <mutex>

#include "backend/eviction.hpp"
#include "backend/sqlite_schema.hpp"
#include "backend/stored_responses.hpp"
#include "storage/sqlite/database.hpp"

// Jobs are named lambdas that refer to the coroutine's locals: the coroutine does not go before its job.

namespace beast_cache {
inline namespace v1 {

using detail::Found;
using sqlite::Handle;

// What the copies of a backend share.
class SQLiteBackend::Impl {
 public:
  Impl(std::string const& cache_name, detail::Bounds bounds, SQLiteOptions storage)
      : path_(sqlite::ResolvedPath::resolve(cache_name, storage.use_temp())),
        bounds_(bounds),
        storage_(std::move(storage)),
        seal_(storage_.secret_key(), storage_.salt()) {}

  ~Impl() {
    if (database_) database_->detach();
  }

  std::string const& path() const noexcept { return path_.name(); }
  detail::Seal const& seal() const noexcept { return seal_; }
  std::shared_ptr<sqlite::Schema> schema() const noexcept { return schema_; }

  // Opened by the first operation. Throws Error(closed) after close().
  std::shared_ptr<sqlite::Database> database() {
    std::lock_guard lock(mutex_);
    if (closed_) throw Error(cache_errc::closed, path() + ": used after close()");
    if (!database_) database_ = sqlite::Database::open(path_, storage_);
    return database_;
  }

  // The database to be closed; null when there is none, or when it has been done.
  std::shared_ptr<sqlite::Database> take_database() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    return std::move(database_);
  }

  detail::Bounds const& bounds() const noexcept { return bounds_; }
  detail::RecentUses& recent() noexcept { return recent_; }

  // Before anything is written. Throws Error(too_big).
  void check_size(detail::RowToStore const& row, Url const& url) const {
    if (row.size() > storage_.max_value_size())
      throw Error(cache_errc::too_big, path() + ": the response of " + url.str());
  }

 private:
  sqlite::ResolvedPath const path_;
  detail::Bounds const bounds_;
  detail::RecentUses recent_;
  SQLiteOptions const storage_;
  detail::Seal const seal_;
  std::shared_ptr<sqlite::Schema> const schema_ = std::make_shared<detail::ResponseSchema>();
  std::mutex mutex_;
  std::shared_ptr<sqlite::Database> database_;
  bool closed_ = false;

  friend class SQLiteBackend;

  // What was used lately counts for the next process, too. It is no reason not to close if that can't be
  // written.
  static asio::awaitable<void> write_uses(std::shared_ptr<Impl> self,
                                          std::shared_ptr<sqlite::Database> database) {
    if (self->recent_.empty() || self->storage_.read_only()) co_return;
    auto job = [&](Handle& handle) { self->recent_.write(handle); };
    try {
      co_await database->write(self->schema(), std::move(job));
    } catch (Error const& error) {
      if (error.code() == asio::error::operation_aborted) throw;
    }
  }

  // Takes rows out of the way that did not pass. It is no part of the look-up's outcome whether that works.
  static asio::awaitable<void> discard(std::shared_ptr<Impl> self, LookupQuery const& query,
                                       std::vector<std::int64_t> const& rows) {
    auto job = [&](Handle& handle) { detail::remove_damaged(handle, query, self->seal(), rows); };
    try {
      std::shared_ptr<sqlite::Database> const database = self->database();
      co_await database->write(self->schema(), std::move(job));
    } catch (Error const& error) {
      if (error.code() == asio::error::operation_aborted) throw;
    }
  }
};

namespace {

void report_damage(Observer* observer, std::string const& path, LookupQuery const& query) {
  if (!observer) return;
  std::string const& url = query.url().str();
  try {
    observer->on_cache_error(
        "lookup", url,
        std::make_exception_ptr(Error(cache_errc::bad_value, path + ": removed what was stored for " + url)));
  } catch (...) {
    // An observer's exceptions are its own.
  }
}

}  // namespace

SQLiteBackend::SQLiteBackend(std::string cache_name, CacheOptions options, SQLiteOptions storage)
    : CacheBackend(std::move(options)),
      impl_(std::make_shared<Impl>(cache_name,
                                   detail::Bounds(this->options().max_bytes(), this->options().max_entries()),
                                   std::move(storage))) {}

SQLiteBackend::~SQLiteBackend() = default;

std::string const& SQLiteBackend::path() const noexcept {
  return impl_->path();
}

asio::awaitable<Lookup> SQLiteBackend::lookup(LookupQuery query) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<Observer> const observer = options().observer();
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [&](Handle& handle) { return detail::find_response(handle, query, impl->seal()); };
  Found found = co_await database->read(impl->schema(), std::move(job));
  if (!found.damaged.empty()) {
    report_damage(observer.get(), impl->path(), query);
    co_await Impl::discard(impl, query, found.damaged);
  }
  if (found.lookup.selected() && impl->bounds().any()) impl->recent().note(found.selected);
  if (!found.lookup.selected() && found.rejected.size() > found.damaged.size())
    throw Error(cache_errc::bad_signature, impl->path() + ": the response stored for " + query.url().str());
  co_return std::move(found.lookup);
}

asio::awaitable<void> SQLiteBackend::store(CachedResponse response) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  detail::RowToStore const row(response);
  impl->check_size(row, response.url());
  auto job = [&](Handle& handle) {
    if (impl->bounds().any()) impl->bounds().make_room(handle, row.size(), impl->recent());
    row.store(handle, impl->seal(), max_variants);
  };
  co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<bool> SQLiteBackend::freshen(CachedResponse response) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  detail::RowToStore const row(response);
  impl->check_size(row, response.url());
  auto job = [&](Handle& handle) { return row.freshen(handle, impl->seal()); };
  co_return co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<void> SQLiteBackend::store_alias(Url from, Url to) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [&](Handle& handle) { detail::store_alias(handle, from, to); };
  co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<bool> SQLiteBackend::remove_with_aliases(Url url) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [&](Handle& handle) { return detail::remove_with_aliases(handle, url); };
  co_return co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_groups(Url origin, std::vector<std::string> groups) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [&](Handle& handle) { return detail::remove_groups(handle, origin, groups); };
  co_return co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<bool> SQLiteBackend::has_url(Url url) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [&](Handle& handle) { return detail::has_url(handle, url); };
  co_return co_await database->read(impl->schema(), std::move(job));
}

asio::awaitable<std::uint64_t> SQLiteBackend::remove_expired(TimePoint now) {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [now](Handle& handle) { return detail::remove_expired(handle, now); };
  co_return co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<void> SQLiteBackend::clear() {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->database();
  auto job = [](Handle& handle) { detail::clear_responses(handle); };
  co_await database->write(impl->schema(), std::move(job));
}

asio::awaitable<void> SQLiteBackend::close() {
  std::shared_ptr<Impl> const impl = impl_;
  std::shared_ptr<sqlite::Database> const database = impl->take_database();
  if (!database) co_return;
  co_await Impl::write_uses(impl, database);
  co_await database->detach_and_drain();
}

}  // namespace v1
}  // namespace beast_cache
