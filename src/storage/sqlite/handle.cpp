#include "storage/sqlite/handle.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <cerrno>
#include <limits>
#include <random>
#include <thread>
#include <utility>

#include "storage/sqlite/key_feed.hpp"
#include "storage/sqlite/vfs.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

error_code map_error(int extended_code) noexcept {
  switch (extended_code) {
    case SQLITE_READONLY_DBMOVED:
      return cache_errc::moved;
    case SQLITE_IOERR_NOMEM:
      return cache_errc::nomem;
    default:
      break;
  }
  switch (extended_code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return cache_errc::busy;
    case SQLITE_FULL:
      return cache_errc::full;
    case SQLITE_READONLY:
    case SQLITE_PERM:
      return cache_errc::readonly;
    case SQLITE_CORRUPT:
      return cache_errc::corrupt;
    case SQLITE_NOTADB:
      return cache_errc::not_a_cache;
    case SQLITE_NOMEM:
      return cache_errc::nomem;
    case SQLITE_TOOBIG:
      return cache_errc::too_big;
    case SQLITE_INTERRUPT:
      return asio::error::operation_aborted;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_MISUSE:
    case SQLITE_AUTH:
      return cache_errc::invalid_argument;
    default:
      return cache_errc::io;
  }
}

void raise(sqlite3* db, int result, std::string const& file, char const* sql) {
  error_code code = map_error(result);
  bool const is_forbidden = (result & 0xff) == SQLITE_CANTOPEN && db && sqlite3_system_errno(db) == EACCES;
  if (is_forbidden) code = cache_errc::readonly;
  if (code == asio::error::operation_aborted) throw Error(code, file + ": interrupted");
  std::string context = file;
  context += ": ";
  context += db ? sqlite3_errmsg(db) : sqlite3_errstr(result);
  if (is_forbidden) context += ", permission denied";
  // Reading, too, needs two files beside it while nobody has it open for writing.
  if (result == SQLITE_READONLY_DIRECTORY || result == SQLITE_READONLY_CANTINIT)
    context += "; its directory has to be writable, for the -wal and -shm files beside it";
  throw SQLiteError(code, context, result, sql ? sql : "");
}

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char const c : name) {
    out += c;
    if (c == '"') out += c;
  }
  return out += '"';
}

// --- Statement ---

struct Handle::Cached {
  Cached(std::string_view t, sqlite3_stmt* s) noexcept : text(t), statement(s) {}
  Cached(Cached const&) = delete;
  Cached& operator=(Cached const&) = delete;
  ~Cached() { sqlite3_finalize(statement); }
  std::string_view const text;  // of the key in the map
  sqlite3_stmt* const statement;
  bool in_use = false;
};

Statement::Statement(Statement&& other) noexcept
    : Row(*other.handle_, std::exchange(other.statement_, nullptr)), in_use_(other.in_use_) {}

Statement::~Statement() {
  if (!statement_) return;
  if (in_use_) {
    reset();
    sqlite3_clear_bindings(statement_);
    *in_use_ = false;
  } else {
    sqlite3_finalize(statement_);
  }
}

void Statement::check(int result) const {
  if (result != SQLITE_OK) raise(handle_->db_, result, handle_->file_, sqlite3_sql(statement_));
}

Statement& Statement::bind(int index, std::int64_t value) {
  check(sqlite3_bind_int64(statement_, index, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  check(sqlite3_bind_double(statement_, index, value));
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view value) {
  char const* const data = value.data() ? value.data() : "";
  check(sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view value) {
  char const* const data = value.data() ? value.data() : "";  // a null pointer would bind NULL
  check(sqlite3_bind_blob64(statement_, index, data, value.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null(int index) {
  check(sqlite3_bind_null(statement_, index));
  return *this;
}

bool Statement::step() {
  int const result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) check(result);
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

void Statement::reset() noexcept {
  sqlite3_reset(statement_);
}

std::string_view Row::bytes(int column) const {
  void const* const data = sqlite3_column_blob(statement_, column);
  std::size_t const size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  if (!data && size == 0 && sqlite3_errcode(handle_->db_) == SQLITE_NOMEM) {
    raise(handle_->db_, SQLITE_NOMEM, handle_->file_, sqlite3_sql(statement_));
  }
  handle_->bytes_read_ += size;
  return {static_cast<char const*>(data), size};
}

// --- Handle ---

Handle::Handle(std::string const& file, bool memory, Access access)
    : file_(file), jitter_(std::random_device{}()) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
  flags |= access == Access::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  flags |= memory ? SQLITE_OPEN_MEMORY | SQLITE_OPEN_CREATE : SQLITE_OPEN_NOFOLLOW;
  int const result =
      sqlite3_open_v2(memory ? ":memory:" : file.c_str(), &db_, flags, memory ? nullptr : vfs_name());
  try {
    if (result != SQLITE_OK) raise(db_, result, file_, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    // Whatever is there can be read, by whichever options it was written.
    sqlite3_limit(db_, SQLITE_LIMIT_LENGTH, 1 << 30);
    start_busy_deadline(std::chrono::milliseconds(0));
    sqlite3_busy_handler(db_, &Handle::busy, this);
    // Checkpoints run under the write lock only: before 3.51.3 one that races a commit can corrupt the file.
    sqlite3_wal_autocheckpoint(db_, 0);
    // A damaged page must not spread by writing. For reading the check would cost a fifth of the time, and
    // every value has a checksum.
    // REPLACE is to fire the triggers of what it deletes.
    execute("PRAGMA recursive_triggers=ON");
    execute(access == Access::read_only ? "PRAGMA cell_size_check=OFF; PRAGMA mmap_size=0"
                                        : "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0");
  } catch (...) {
    statements_.clear();
    sqlite3_close(db_);
    throw;
  }
}

Handle::~Handle() {
  key_feeds_.clear();
  statements_.clear();
  sqlite3_close_v2(db_);
}

sqlite3_stmt* Handle::prepare(std::string_view sql, unsigned flags) {
  sqlite3_stmt* statement = nullptr;
  int const result =
      sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), flags, &statement, nullptr);
  if (result != SQLITE_OK) raise(db_, result, file_, std::string(sql).c_str());
  return statement;
}

Statement Handle::statement(std::string_view sql) {
  Cached& cached = find(sql);
  if (cached.in_use) return Statement(*this, prepare(sql, 0), nullptr);
  cached.in_use = true;
  return Statement(*this, cached.statement, &cached.in_use);
}

Handle::Cached& Handle::find(std::string_view sql) {
  for (Cached* const cached : recent_) {
    if (cached && cached->text == sql) return *cached;
  }
  auto at = statements_.find(sql);
  if (at == statements_.end()) {
    sqlite3_stmt* const fresh = prepare(sql, SQLITE_PREPARE_PERSISTENT);
    try {
      at = statements_.emplace(std::string(sql), nullptr).first;
      at->second = std::make_unique<Cached>(at->first, fresh);
    } catch (...) {
      sqlite3_finalize(fresh);
      if (at != statements_.end()) statements_.erase(at);
      throw;
    }
  }
  recent_[next_recent_++ % recent_.size()] = at->second.get();
  return *at->second;
}

KeyFeed& Handle::feed(std::string_view sql) {
  if (recent_feed_ && recent_feed_sql_ == sql) return *recent_feed_;
  auto at = key_feeds_.find(sql);
  if (at == key_feeds_.end()) {
    auto fresh = std::make_unique<KeyFeed>(*this, sql);
    at = key_feeds_.emplace(std::string(sql), std::move(fresh)).first;
  }
  recent_feed_sql_ = at->first;
  return *(recent_feed_ = at->second.get());
}

void Handle::end_feeds() noexcept {
  for (auto& feed : key_feeds_) feed.second->end();
}

void Handle::use_feeds() {
  int const result = KeyFeed::enable(db_);
  if (result != SQLITE_OK) raise(db_, result, file_, nullptr);
  feeds_ = true;
}

void Handle::execute(std::string const& sql) {
  int const result = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) raise(db_, result, file_, sql.c_str());
}

RoomForChanges::RoomForChanges(Handle& handle) : handle_(handle) {
  handle_.execute("PRAGMA cache_spill=-65536");
}

// With less room than the page cache has, that is what counts.
RoomForChanges::~RoomForChanges() {
  sqlite3_exec(handle_.raw(), "PRAGMA cache_spill=1", nullptr, nullptr, nullptr);
}

std::int64_t Handle::query_integer(std::string const& sql) {
  Statement query(*this, prepare(sql, 0), nullptr);
  return query.step() ? query.integer(0) : 0;
}

bool Handle::read_blob(char const* table, char const* column, std::int64_t row, char* to, std::size_t size) {
  sqlite3_blob* raw = nullptr;
  int result = sqlite3_blob_open(db_, "main", table, column, row, 0, &raw);
  std::unique_ptr<sqlite3_blob, int (*)(sqlite3_blob*)> const blob(raw, sqlite3_blob_close);
  if (result == SQLITE_ERROR) return false;  // a number is there, say
  if (result == SQLITE_OK && static_cast<std::size_t>(sqlite3_blob_bytes(raw)) != size) return false;
  if (result == SQLITE_OK) result = sqlite3_blob_read(raw, to, static_cast<int>(size), 0);
  if (result != SQLITE_OK) raise(db_, result, file_, table);
  note_bytes(size);
  return true;
}

void Handle::check_cancelled() const {
  if (cancelled()) throw Error(asio::error::operation_aborted, file_ + ": cancelled");
}

void Handle::start_busy_deadline(std::chrono::milliseconds timeout) {
  busy_until_ = std::chrono::steady_clock::now() + timeout;
}

int Handle::busy(void* self, int attempts) noexcept {
  auto& handle = *static_cast<Handle*>(self);
  auto const now = std::chrono::steady_clock::now();
  if (now >= handle.busy_until_ || handle.cancelled()) return 0;
  // Jitter, so that waiting processes do not try in step. Short first: most locks are held for a millisecond.
  handle.jitter_ = handle.jitter_ * 1664525u + 1013904223u;
  long const ceiling = std::min(20'000L, 200L << std::min(attempts, 7));
  auto const pause =
      std::chrono::microseconds(ceiling / 2 + static_cast<long>(handle.jitter_ >> 8) % ceiling);
  std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(pause, handle.busy_until_ - now));
  return 1;
}

int Handle::progress(void* self) noexcept {
  auto const& handle = *static_cast<Handle*>(self);
  return handle.may_break_off_ && handle.cancelled() ? 1 : 0;
}

void Handle::on_cancelled(std::function<bool()> is_cancelled) {
  is_cancelled_ = std::move(is_cancelled);
  sqlite3_progress_handler(db_, 4000, &Handle::progress, this);
}

// The log's index is shared memory that every reader of it compares with what it saw before, without a lock:
// its header is 48 bytes, checksummed and changed with every commit. So do we. Source:
// https://www.sqlite.org/walformat.html, "The WAL-Index File Format".
bool Handle::read_wal_mark(WalMark& mark) noexcept {
  if (!wal_index_) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(db_, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (!file || !file->pMethods || file->pMethods->iVersion < 2) return false;
    void volatile* region = nullptr;
    constexpr int region_size = 32768;
    if (file->pMethods->xShmMap(file, 0, region_size, 0, &region) != SQLITE_OK || !region) return false;
    wal_index_ = region;
  }
  auto const* const words = static_cast<std::uint64_t const volatile*>(wal_index_);
  for (std::size_t i = 0; i < mark.size(); ++i) mark[i] = words[i];
  return true;
}

bool Handle::wal_is_unread() noexcept {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db_, "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (!file || !file->pMethods || file->pMethods->iVersion < 2) return false;
  // The locks WAL_READ_LOCK(1) to (4); (0) is held by those who read from the file alone.
  constexpr int first = 4, count = 4;
  if (file->pMethods->xShmLock(file, first, count, SQLITE_SHM_LOCK | SQLITE_SHM_EXCLUSIVE) != SQLITE_OK) {
    return false;
  }
  file->pMethods->xShmLock(file, first, count, SQLITE_SHM_UNLOCK | SQLITE_SHM_EXCLUSIVE);
  return true;
}

std::int64_t Handle::wal_size() const noexcept {
  sqlite3_file* log = nullptr;
  sqlite3_file_control(db_, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
  sqlite3_int64 size = 0;
  if (!log || !log->pMethods) return 0;
  return log->pMethods->xFileSize(log, &size) == SQLITE_OK ? size : std::numeric_limits<std::int64_t>::max();
}

void Handle::disown() noexcept {
  int on = 1;
  sqlite3_file_control(db_, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
