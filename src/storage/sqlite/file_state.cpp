#include "storage/sqlite/file_state.hpp"

#include <algorithm>
#include <filesystem>
#include <thread>

#include "storage/sqlite/format.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

using detail::FileIdentity;

void FileState::strengthen(SQLiteOptions const& options) noexcept {
  std::int64_t const asked = options.busy_timeout().count();
  std::int64_t current = busy_timeout_.load();
  while (current < asked && !busy_timeout_.compare_exchange_weak(current, asked)) {
  }
  if (options.durability() == Durability::full) full_ = true;
}

void FileState::count_rows_of(std::string const& table) {
  std::lock_guard lock(mutex_);
  // SQLite takes names that differ in case for the same.
  auto const is_it = [&](std::string const& other) {
    return sqlite3_stricmp(other.c_str(), table.c_str()) == 0;
  };
  if (std::any_of(counted_tables_.begin(), counted_tables_.end(), is_it)) return;
  counted_tables_.push_back(table);
  counted = counted_tables_.size();
}

std::vector<std::string> FileState::counted_tables() const {
  std::lock_guard lock(mutex_);
  return counted_tables_;
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
    handle = std::make_unique<Handle>(path_, true, access);
    initialise(*handle);
    tune(*handle, role);
    return handle;
  }
  std::optional<FileIdentity> identity = detail::identify(path_);
  if (!identity && role == Role::first) {
    detail::create_directories(path_.substr(0, path_.find_last_of('/')));
    detail::create_private_file(path_);
    identity = detail::identify(path_);
  }
  if (!identity) {
    std::lock_guard lock(mutex_);
    bool const was_there = identity_.has_value();
    if (options_.read_only()) identity_.reset();
    throw Error(was_there ? cache_errc::moved : cache_errc::io, path_ + ": there is no such cache file");
  }
  check_type(*identity);
  {
    std::lock_guard lock(mutex_);
    bool const is_other = identity_ && !identity_->same_file(*identity);
    if (role == Role::first || !identity_) {
      identity_ = identity;
      // Nobody has noticed yet: whatever was prepared was for the other one.
      bool const is_news = is_other && identified_for_ == generation.load();
      identified_for_ = generation.load();
      if (is_news) throw Error(cache_errc::moved, path_ + ": replaced while it was open");
    } else if (is_other) {
      if (options_.read_only())
        identity_ = identity;  // nobody else finds out: the next handle is for that one
      throw Error(cache_errc::moved, path_ + ": replaced while it was open");
    }
  }
  put_aside_log_of_other(*identity);
  handle = std::make_unique<Handle>(path_, false, access);
  handle->start_busy_deadline(busy_timeout());
  try {
    // The VFS wants this below what it does itself, whatever SQLite was built with.
    if (for_writing) handle->execute("PRAGMA synchronous=FULL");
    // In this order: another process may be making the tables and the number, in one transaction, just now.
    bool const empty = handle->query_integer("SELECT count(*) FROM sqlite_schema") == 0;
    std::int64_t const application = handle->query_integer("PRAGMA application_id");
    if (application != application_id && (application != 0 || !empty || options_.read_only())) {
      throw Error(cache_errc::not_a_cache,
                  path_ + ": a database of another program; move it away or choose another name");
    }
    if (handle->query_integer("PRAGMA user_version") > file_version) {
      throw Error(cache_errc::schema_newer, path_ + ": use that version, or another file");
    }
    if (role == Role::first) initialise(*handle);
    tune(*handle, role);
  } catch (...) {
    // Nothing of ours is in there: leave no trace, not even that of a tidy exit.
    handle->disown();
    throw;
  }
  note_log(*identity);
  return handle;
}

// Those that SQLite has made beside the file, or found there.
void FileState::note_log(FileIdentity const& file) {
  std::lock_guard const lock(mutex_);
  log_owner_ = file;
  log_ = detail::identify(path_ + "-wal");
  index_ = detail::identify(path_ + "-shm");
}

// Where another file was put into the place of the one that was open, the log of that one is still beside it:
// SQLite would take it for the new file's, and write the old pages over that. A log that came with the new
// file is left alone.
void FileState::put_aside_log_of_other(FileIdentity const& file) {
  std::lock_guard const lock(mutex_);
  if (!log_owner_ || log_owner_->same_file(file)) return;
  auto const is_there = [](std::string const& path, std::optional<FileIdentity> const& known) {
    std::optional<FileIdentity> const found = known ? detail::identify(path) : std::nullopt;
    return found && found->same_file(*known);
  };
  std::string const log = path_ + "-wal", index = path_ + "-shm";
  bool const has_log = is_there(log, log_), has_index = is_there(index, index_);
  if (options_.read_only() && (has_log || has_index))
    throw Error(cache_errc::moved, log + " is that of the file that was there before; remove it");
  std::error_code failure;
  if (has_log) std::filesystem::rename(log, log + ".replaced", failure);
  if (has_index && !failure) std::filesystem::remove(index, failure);
  if (failure) throw Error(cache_errc::io, log + ", of the file that was there before: " + failure.message());
  log_owner_.reset();
}

void FileState::initialise(Handle& handle) const {
  // Only an empty file takes these, and they have to come before the first page is written.
  if (handle.query_integer("PRAGMA page_count") == 0) {
    handle.execute("PRAGMA page_size=" + std::to_string(options_.page_size()));
    if (!memory_) handle.execute("PRAGMA auto_vacuum=INCREMENTAL");
  }
  if (!memory_) {
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
  }
  if (handle.query_integer("PRAGMA user_version") == file_version) return;
  begin_write(handle, busy_timeout());
  try {
    // Another process may have been faster.
    std::int64_t const version = handle.query_integer("PRAGMA user_version");
    if (version == 0) {
      handle.execute(
          "CREATE TABLE beast_cache_tables(name TEXT NOT NULL PRIMARY KEY COLLATE NOCASE, kind TEXT NOT NULL,"
          " version INTEGER NOT NULL, entries INTEGER)");
      handle.execute("PRAGMA application_id=" + std::to_string(application_id));
    } else if (version == 1) {
      handle.execute("ALTER TABLE beast_cache_tables ADD COLUMN entries INTEGER");
    }
    handle.execute("PRAGMA user_version=" + std::to_string(file_version));
    handle.execute("COMMIT");
  } catch (...) {
    if (handle.in_transaction()) handle.execute("ROLLBACK");
    throw;
  }
}

void FileState::tune(Handle& handle, Role role) const {
  handle.execute("PRAGMA cache_size=-" +
                 std::to_string(std::max<std::size_t>(1, options_.cache_size() / 1024)));
  if (role == Role::reader && options_.mmap_size() != 0) {
    handle.execute("PRAGMA mmap_size=" + std::to_string(options_.mmap_size()));
  }
  if (role == Role::reader) return;
  // Overwriting what is deleted makes clear() nine times slower; clear(Erase::secure) does it.
  handle.execute("PRAGMA secure_delete=OFF; PRAGMA journal_size_limit=" +
                 std::to_string(options_.wal_limit()));
  handle.execute(full_.load() ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

void FileState::begin_write(Handle& handle, std::chrono::milliseconds patience) const {
  handle.start_busy_deadline(patience);
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
