#include <chrono>
#include <thread>

#include "storage/sqlite/format.hpp"
#include "storage/sqlite/lane.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

using detail::FileIdentity;

void FileState::strengthen(std::chrono::milliseconds busy_timeout, bool full) noexcept {
  std::int64_t current = busy_timeout_.load();
  while (current < busy_timeout.count() &&
         !busy_timeout_.compare_exchange_weak(current, busy_timeout.count())) {
  }
  if (full) full_ = true;
}

std::optional<FileIdentity> FileState::identity() const {
  std::lock_guard lock(mutex_);
  return identity_;
}

void FileState::check_type(FileIdentity const& identity) const {
  switch (identity.type) {
    case FileIdentity::Type::regular:
      break;
    case FileIdentity::Type::symlink:
      throw Error(cache_errc::io, path_ + ": a symbolic link; give the path of the file itself");
    case FileIdentity::Type::directory:
      throw Error(cache_errc::not_a_cache, path_ + ": a directory; give the path of a file");
    case FileIdentity::Type::other:
      throw Error(cache_errc::not_a_cache, path_ + ": not a regular file");
  }
  // SQLite takes a file of a few bytes for an empty database and overwrites it; the smallest real one is a
  // page.
  if (identity.size != 0 && identity.size < 512) {
    throw Error(cache_errc::not_a_cache, path_ + ": not a database; move it away or choose another name");
  }
}

std::unique_ptr<Handle> FileState::open(Role role) {
  bool const for_writing = role != Role::reader;
  auto const access = for_writing ? Handle::Access::read_write : Handle::Access::read_only;
  std::unique_ptr<Handle> handle;
  if (memory_) {
    handle = std::make_unique<Handle>(path_, true, access, max_size_);
    initialise(*handle);
    return handle;
  }
  std::optional<FileIdentity> identity = detail::identify(path_);
  if (!identity && role == Role::first) {
    detail::create_directories(path_.substr(0, path_.find_last_of('/')));
    detail::create_private_file(path_);
    identity = detail::identify(path_);
  }
  if (!identity) throw Error(cache_errc::io, path_ + ": there is no such cache file");
  check_type(*identity);
  {
    std::lock_guard lock(mutex_);
    if (role == Role::first || !identity_) {
      identity_ = identity;
    } else if (!identity_->same_file(*identity)) {
      throw Error(cache_errc::moved, path_ + ": replaced while it was open");
    }
  }
  handle = std::make_unique<Handle>(path_, false, access, max_size_);
  handle->start_busy_deadline(busy_timeout());
  try {
    std::int64_t const application = handle->query_integer("PRAGMA application_id");
    bool const empty = handle->query_integer("SELECT count(*) FROM sqlite_schema") == 0;
    if (application != application_id && (application != 0 || !empty || read_only_)) {
      throw Error(cache_errc::not_a_cache,
                  path_ + ": a database of another program; move it away or choose another name");
    }
    if (handle->query_integer("PRAGMA user_version") > file_version) {
      throw Error(cache_errc::schema_newer, path_ + ": use that version, or another file");
    }
    if (role == Role::first) initialise(*handle);
  } catch (...) {
    // Nothing of ours is in there: leave no trace, not even that of a tidy exit.
    handle->disown();
    throw;
  }
  return handle;
}

void FileState::initialise(Handle& handle) const {
  if (!memory_) {
    // Only an empty file takes auto_vacuum, and it has to come before the first page is written.
    if (handle.query_integer("PRAGMA page_count") == 0) handle.execute("PRAGMA auto_vacuum=INCREMENTAL");
    // Changing the journal mode does not consult the busy handler.
    auto const deadline = std::chrono::steady_clock::now() + busy_timeout();
    for (;;) {
      try {
        handle.execute("PRAGMA journal_mode=WAL");
        break;
      } catch (Error const& error) {
        if (error.code() != cache_errc::busy || std::chrono::steady_clock::now() > deadline) throw;
      }
      handle.check_cancelled();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    handle.execute("PRAGMA journal_size_limit=67108864");
  }
  handle.execute(full_.load() ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  if (handle.query_integer("PRAGMA application_id") == application_id) return;
  begin_write(handle);
  try {
    // Another process may have been faster.
    if (handle.query_integer("PRAGMA application_id") != application_id) {
      handle.execute(
          "CREATE TABLE beast_cache_tables(name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, kind TEXT NOT NULL,"
          " version INTEGER NOT NULL)");
      handle.execute("PRAGMA application_id=" + std::to_string(application_id));
      handle.execute("PRAGMA user_version=" + std::to_string(file_version));
    }
    handle.execute("COMMIT");
  } catch (...) {
    if (handle.in_transaction()) handle.execute("ROLLBACK");
    throw;
  }
}

void FileState::begin_write(Handle& handle) const {
  handle.start_busy_deadline(busy_timeout());
  try {
    handle.statement("BEGIN IMMEDIATE").run();
  } catch (Error const& error) {
    if (error.code() == cache_errc::busy) handle.check_cancelled();
    throw;
  }
  if (is_in_place()) return;
  handle.statement("ROLLBACK").run();
  throw Error(cache_errc::moved, path_ + ": it will be opened anew");
}

// WAL mode does not notice that the file was unlinked or replaced: it would acknowledge writes into nothing.
bool FileState::is_in_place() const noexcept {
  if (memory_) return true;
  try {
    std::optional<FileIdentity> const known = identity();
    std::optional<FileIdentity> const now = detail::identify(path_);
    return known && now && now->same_file(*known);
  } catch (...) {
    return false;
  }
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
