#include "storage/sqlite_maintenance.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <exception>
#include <optional>

// Jobs refer to the coroutine's locals: it does not go before its job.

namespace beast_cache {
inline namespace v1 {
namespace detail {

using sqlite::Database;
using sqlite::Handle;
using sqlite::Kind;
using sqlite::Mode;

asio::awaitable<std::uint64_t> read_size(DatabasePtr database, TablePtr table) {
  Database::Steps const steps(*database);
  auto ask = [&](Handle& handle) -> std::optional<std::uint64_t> {
    // A file of the first version does not have it, and only a writer brings that up to date.
    if (database->options().read_only() && handle.query_integer("PRAGMA user_version") < 2)
      return std::nullopt;
    return table->stored_size(handle);
  };
  std::optional<std::uint64_t> size = co_await database->run(table, Kind(Mode::read_one), ask);
  if (size) co_return *size;
  // The user's own statements went over the table: it has to be counted once.
  if (database->options().read_only()) {
    auto count = [&](Handle& handle) { return table->count(handle); };
    co_return co_await database->run(table, Kind(Mode::read), count);
  }
  auto recount = [&](Handle& handle) { return table->recount(handle); };
  co_return co_await database->run(table, Kind(Mode::write_alone), recount);
}

asio::awaitable<VacuumProgress> vacuum_in_slices(DatabasePtr database, TablePtr table, std::uint64_t budget,
                                                 std::function<void(VacuumProgress const&)> progress) {
  Database::Steps const steps(*database);
  // As many as can be moved in some milliseconds, during which other writers wait.
  constexpr std::int64_t slice = 256;
  VacuumProgress done;
  bool more = true;
  while (more) {
    std::int64_t freed = 0, left = 0, page_size = 0;
    std::uint64_t const rest = budget - std::min(budget, done.freed);
    auto step = [&](Handle& handle) {
      page_size = handle.query_integer("PRAGMA page_size");
      std::int64_t const before = handle.query_integer("PRAGMA freelist_count");
      std::int64_t const wanted =
          std::min<std::int64_t>(slice, static_cast<std::int64_t>(std::min<std::uint64_t>(
                                            rest / static_cast<std::uint64_t>(page_size), INT64_MAX)));
      if (before != 0 && wanted != 0) {
        handle.execute("PRAGMA incremental_vacuum(" + std::to_string(wanted) + ")");
      }
      left = handle.query_integer("PRAGMA freelist_count");
      freed = before - left;
    };
    co_await database->run(table, Kind(Mode::write_alone), step);
    done.freed += static_cast<std::uint64_t>(freed * page_size);
    done.left = static_cast<std::uint64_t>(left * page_size);
    more = freed > 0 && left > 0;
    if (freed > 0 && progress) progress(done);
  }
  if (done.freed != 0) {
    // The file gets shorter when the log is moved into it.
    auto nothing = [](Handle&) {};
    co_await database->run(table, Kind(Mode::checkpoint), nothing);
  }
  co_return done;
}

namespace {

// Moves the write-ahead log into the file and begins it anew, cut to its own length: a single page, which
// this commit writes. (An UPDATE that changes nothing would write none.) Throws Error(busy) where it is not
// cut, for someone reads from it, or another process has written meanwhile.
asio::awaitable<void> cut_log(DatabasePtr database, TablePtr table) {
  auto nothing = [](Handle&) {};
  co_await database->run(table, Kind(Mode::checkpoint_all), nothing);
  std::string const limit = std::to_string(database->options().wal_limit());
  auto cut = [&](Handle& handle) {
    std::int64_t const page_size = handle.query_integer("PRAGMA page_size");
    handle.execute("PRAGMA journal_size_limit=0");
    try {
      handle.execute("PRAGMA user_version=" + std::to_string(handle.query_integer("PRAGMA user_version")));
    } catch (...) {
      handle.execute("PRAGMA journal_size_limit=" + limit);
      throw;
    }
    handle.execute("PRAGMA journal_size_limit=" + limit);
    // Source: https://www.sqlite.org/fileformat2.html, "The Write-Ahead Log".
    constexpr std::int64_t header = 32, frame_header = 24;
    if (handle.wal_size() > header + frame_header + page_size)
      throw Error(cache_errc::busy, handle.file() + ": another process writes to it");
  };
  co_await database->run(table, Kind(Mode::write_autocommit), cut);
  co_await database->run(table, Kind(Mode::checkpoint), nothing);
}

}  // namespace

asio::awaitable<void> erase_securely(DatabasePtr database, TablePtr table) {
  Database::Steps const steps(*database);
  auto rewrite = [&](Handle& handle) {
    handle.execute("PRAGMA secure_delete=ON");
    try {
      database->begin_write(handle);
      table->clear(handle);
      handle.counts().write(handle);
      handle.execute("COMMIT");
      handle.execute("VACUUM");
    } catch (...) {
      if (handle.in_transaction()) handle.execute("ROLLBACK");
      handle.execute("PRAGMA secure_delete=OFF");
      throw;
    }
    handle.execute("PRAGMA secure_delete=OFF");
  };
  co_await database->run(table, Kind(Mode::write_autocommit), rewrite);
  // Whoever reads from the log keeps it, with all that is to be erased. They are waited for here, not on the
  // lane: others go on meanwhile.
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  auto const deadline = asio::steady_timer::clock_type::now() + database->busy_timeout();
  for (;;) {
    bool erased = false;
    bool const is_last = asio::steady_timer::clock_type::now() >= deadline;
    try {
      co_await cut_log(database, table);
      erased = true;
    } catch (Error const& error) {
      if (error.code() != cache_errc::busy) throw;
      if (is_last) {
        throw Error(cache_errc::busy, database->path() +
                                          ": somebody else reads from it; the entries are "
                                          "removed, but not erased: clear it again after that");
      }
    }
    if (erased) co_return;
    timer.expires_after(std::chrono::milliseconds(5));
    error_code ec;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    if (ec) throw Error(ec, "cancelled");
  }
}

asio::awaitable<SQLiteOptions> read_settings(DatabasePtr database, TablePtr table) {
  SQLiteOptions settings = database->options();
  settings.secret_key(std::string()).salt(std::string());
  settings.max_value_size(table->max_value_size());
  settings.busy_timeout(database->busy_timeout());
  settings.durability(database->full_durability() ? Durability::full : Durability::normal);
  settings.readers(std::max<std::size_t>(1, database->readers()));
  auto ask = [&](Handle& handle) {
    auto const value = [&](char const* name) {
      return static_cast<std::size_t>(std::max<std::int64_t>(0, handle.query_integer(name)));
    };
    std::size_t const page_size = value("PRAGMA page_size");
    settings.page_size(page_size);
    settings.mmap_size(value("PRAGMA mmap_size"));
    // In KiB if negative, else in pages.
    std::int64_t const cache = handle.query_integer("PRAGMA cache_size");
    settings.cache_size(std::max<std::size_t>(1, cache < 0 ? static_cast<std::size_t>(-cache) * 1024
                                                           : static_cast<std::size_t>(cache) * page_size));
  };
  co_await database->run(table, Kind(Mode::read), ask);
  co_return settings;
}

namespace {

// Whether a handle commits meanwhile.
class Commits {
 public:
  explicit Commits(sqlite3* db) noexcept : db_(db) { sqlite3_commit_hook(db, &Commits::note, this); }
  Commits(Commits const&) = delete;
  Commits& operator=(Commits const&) = delete;
  ~Commits() { sqlite3_commit_hook(db_, nullptr, nullptr); }
  bool any() const noexcept { return any_; }

 private:
  static int note(void* self) noexcept {
    static_cast<Commits*>(self)->any_ = true;
    return 0;
  }
  sqlite3* const db_;
  bool any_ = false;
};

class QueryOnly {
 public:
  explicit QueryOnly(Handle& handle) : handle_(handle) { handle_.execute("PRAGMA query_only=ON"); }
  QueryOnly(QueryOnly const&) = delete;
  QueryOnly& operator=(QueryOnly const&) = delete;
  ~QueryOnly() {
    // It touches nothing and waits for nobody; a handle that can't do that can't do anything.
    sqlite3_exec(handle_.raw(), "PRAGMA query_only=OFF", nullptr, nullptr, nullptr);
  }

 private:
  Handle& handle_;
};

}  // namespace

asio::awaitable<void> run_on_connection(DatabasePtr database, TablePtr table, ConnectionUse use,
                                        std::function<void(SQLiteConnection&)> const& work) {
  auto run = [&](Handle& handle) {
    SQLiteConnection connection(handle.raw());
    work(connection);
  };
  // What it throws is kept: what it has written stays, perhaps.
  auto attempt = [&](Handle& handle) {
    std::exception_ptr failure;
    try {
      run(handle);
    } catch (...) {
      failure = std::current_exception();
    }
    return failure;
  };
  auto forget_size = [&](Handle& handle, std::exception_ptr& failure) {
    handle.may_break_off(false);
    if (failure && handle.in_transaction()) handle.execute("ROLLBACK");
    handle.start_busy_deadline(database->busy_timeout());
    try {
      table->forget_size(handle);
    } catch (...) {
      if (!failure) failure = std::current_exception();
    }
  };
  // A table that was touched has to be counted anew: the hook is told neither of the rows that REPLACE and
  // DELETE without WHERE remove, nor of a ROLLBACK TO, and nobody here counts those of caches that are not
  // open.
  auto write = [&](Handle& handle) {
    std::int64_t const touched = handle.counts().touched();
    std::int64_t const changes = sqlite3_total_changes64(handle.raw());
    Commits const commits(handle.raw());
    std::exception_ptr failure = attempt(handle);
    bool const changed =
        handle.counts().touched() != touched || sqlite3_total_changes64(handle.raw()) != changes;
    // What the callable itself has committed stays, whatever comes after.
    if (changed && (!failure || commits.any())) forget_size(handle, failure);
    if (failure) std::rethrow_exception(failure);
  };
  // Outside a transaction the number can't be stored with the change: it is forgotten before.
  // And once more after it: somebody may have counted meanwhile.
  auto write_autocommit = [&](Handle& handle) {
    table->forget_size(handle);
    std::int64_t const changes = sqlite3_total_changes64(handle.raw());
    std::exception_ptr failure = attempt(handle);
    bool const changed = sqlite3_total_changes64(handle.raw()) != changes;
    if (changed && !handle.in_transaction()) forget_size(handle, failure);
    if (failure) std::rethrow_exception(failure);
  };
  // A database in memory has one handle for everything; a file's readers can't write anyway.
  auto read = [&](Handle& handle) {
    std::optional<QueryOnly> query_only;
    if (database->memory()) query_only.emplace(handle);
    run(handle);
  };
  switch (use) {
    case ConnectionUse::read:
      co_await database->run(table, Kind(Mode::read), read);
      break;
    case ConnectionUse::read_autocommit:
      co_await database->run(table, Kind(Mode::read_autocommit), read);
      break;
    case ConnectionUse::write:
      co_await database->run(table, Kind(Mode::write_alone), write);
      break;
    case ConnectionUse::write_autocommit:
      co_await database->run(table, Kind(Mode::write_autocommit), write_autocommit);
      break;
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
