#include "storage/sqlite/vfs.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

constexpr char name[] = "beast_cache";

// Contiguous writes of one transaction that have not been made yet.
class HeldWrites {
 public:
  // False if it does not fit behind, or into, what is held.
  bool add(void const* bytes, std::size_t count, sqlite3_int64 offset) noexcept {
    if (count > capacity || failure_ != SQLITE_OK) return false;
    if (!bytes_) bytes_.reset(new (std::nothrow) char[capacity]);
    if (!bytes_) return false;
    if (size_ == 0) start_ = offset;
    if (offset < start_ || offset > end()) return false;
    std::size_t const at = static_cast<std::size_t>(offset - start_);
    if (at + count > capacity) return false;
    std::memcpy(bytes_.get() + at, bytes, count);
    size_ = std::max(size_, at + count);
    return true;
  }
  bool overlaps(std::size_t count, sqlite3_int64 offset) const noexcept {
    return failure_ != SQLITE_OK ||
           (size_ != 0 && offset < end() && offset + static_cast<sqlite3_int64>(count) > start_);
  }
  // If that fails, it goes on failing until the transaction is over: it must not be committed without them.
  int make(sqlite3_file* file) noexcept {
    if (size_ == 0 || failure_ != SQLITE_OK) return failure_;
    int const count = static_cast<int>(std::exchange(size_, 0));
    return failure_ = file->pMethods->xWrite(file, bytes_.get(), count, start_);
  }
  // The transaction is over: what it has not committed must not be written over another's.
  void drop() noexcept {
    size_ = 0;
    failure_ = SQLITE_OK;
  }

 private:
  sqlite3_int64 end() const noexcept { return start_ + static_cast<sqlite3_int64>(size_); }
  // Less than 128 KiB: of what is more SQLite's VFS for Unix writes the rest by itself, but of exactly that
  // nothing.
  static constexpr std::size_t capacity = 120 * 1024;
  std::unique_ptr<char[]> bytes_;
  sqlite3_int64 start_ = 0;
  std::size_t size_ = 0;
  int failure_ = SQLITE_OK;
};

// Pages that were read along with one that was asked for. Between those that are read in their order there
// may be others, as of an index.
class ReadAhead {
 public:
  // False if the page is to be read alone.
  bool read(sqlite3_file* file, void* to, std::size_t count, sqlite3_int64 offset) noexcept {
    sqlite3_int64 const end = offset + static_cast<sqlite3_int64>(count);
    if (offset >= start_ && end <= start_ + static_cast<sqlite3_int64>(size_)) {
      next_ = end;
      std::memcpy(to, bytes_.get() + (offset - start_), count);
      return true;
    }
    bool const goes_on = offset == next_, begins = offset == last_;
    last_ = end;
    if (!goes_on && !begins) return false;
    next_ = end;
    // Two pages in a row may be by chance: little at first.
    window_ = goes_on ? std::min(4 * window_, capacity) : least;
    sqlite3_int64 const until = offset + static_cast<sqlite3_int64>(window_);
    if (until >= beyond_ || count >= window_) return false;
    if (!bytes_) bytes_.reset(new (std::nothrow) char[capacity]);
    if (!bytes_) return false;
    size_ = 0;
    // Beyond the end of the file SQLite's error is to come from a page that it asked for.
    if (file->pMethods->xRead(file, bytes_.get(), static_cast<int>(window_), offset) != SQLITE_OK) {
      beyond_ = until;
      return false;
    }
    start_ = offset;
    size_ = window_;
    std::memcpy(to, bytes_.get(), count);
    return true;
  }
  void forget() noexcept {
    size_ = 0;
    beyond_ = nowhere;
  }

 private:
  static constexpr std::size_t least = 16 * 1024, capacity = 64 * 1024;
  static constexpr sqlite3_int64 nowhere = std::numeric_limits<sqlite3_int64>::max();
  std::unique_ptr<char[]> bytes_;
  sqlite3_int64 start_ = 0;
  std::size_t size_ = 0, window_ = 0;
  sqlite3_int64 next_ = -1;         // of those in order
  sqlite3_int64 last_ = -1;         // where the last read ended
  sqlite3_int64 beyond_ = nowhere;  // the file's end
};

class File : public sqlite3_file {
 public:
  enum class Kind { database, log, other };

  static int open(char const* path, sqlite3_file* memory, int flags, int* out_flags) noexcept;

  int close() noexcept {
    if (database_) database_->log_ = nullptr;
    int const result = base()->pMethods ? base()->pMethods->xClose(base()) : SQLITE_OK;
    this->~File();
    return result;
  }

  int read(void* to, int count, sqlite3_int64 offset) noexcept {
    if (held_.overlaps(static_cast<std::size_t>(count), offset)) {
      if (int const result = held_.make(base()); result != SQLITE_OK) return result;
    }
    bool const is_page = count >= 512 && (count & (count - 1)) == 0 && offset % count == 0;
    if (kind_ == Kind::database && is_shared_ && is_page &&
        ahead_.read(base(), to, static_cast<std::size_t>(count), offset)) {
      return SQLITE_OK;
    }
    return base()->pMethods->xRead(base(), to, count, offset);
  }

  int write(void const* bytes, int count, sqlite3_int64 offset) noexcept {
    ahead_.forget();
    if (kind_ == Kind::log && offset == 0) header_is_new_ = true;
    if (database_ && database_->syncs_commits_) {
      std::size_t const size = static_cast<std::size_t>(count);
      if (held_.add(bytes, size, offset)) return SQLITE_OK;
      if (int const result = held_.make(base()); result != SQLITE_OK) return result;
      if (held_.add(bytes, size, offset)) return SQLITE_OK;
    }
    return base()->pMethods->xWrite(base(), bytes, count, offset);
  }

  int sync(int flags) noexcept {
    if (int const result = held_.make(base()); result != SQLITE_OK) return result;
    if (database_ && database_->is_commit_relaxed() && !header_is_new_) return SQLITE_OK;
    int const result = base()->pMethods->xSync(base(), flags);
    if (result == SQLITE_OK) header_is_new_ = false;
    return result;
  }

  int control(int operation, void* argument) noexcept {
    if (operation == SQLITE_FCNTL_PRAGMA && kind_ == Kind::database) {
      int const result = pragma(static_cast<char**>(argument));
      if (result != SQLITE_NOTFOUND) return result;
    }
    return base()->pMethods->xFileControl(base(), operation, argument);
  }

  int map(int region, int size, int extend, void volatile** address) noexcept {
    int const result = base()->pMethods->xShmMap(base(), region, size, extend, address);
    if (result == SQLITE_OK) is_shared_ = true;
    return result;
  }
  int unmap(int remove) noexcept {
    is_shared_ = has_checkpoint_lock_ = false;
    ahead_.forget();
    return base()->pMethods->xShmUnmap(base(), remove);
  }
  int lock_index(int first, int count, int flags) noexcept {
    constexpr int write_lock = 0, checkpoint_lock = 1;
    ahead_.forget();
    // A transaction begins, or ends: what is held now was rolled back.
    if (first == write_lock && log_) log_->held_.drop();
    int const result = base()->pMethods->xShmLock(base(), first, count, flags);
    bool const concerns = first <= checkpoint_lock && checkpoint_lock < first + count;
    if (result == SQLITE_OK && concerns) has_checkpoint_lock_ = (flags & SQLITE_SHM_LOCK) != 0;
    return result;
  }
  int lock(int level) noexcept {
    ahead_.forget();
    int const result = base()->pMethods->xLock(base(), level);
    if (result == SQLITE_OK) level_ = std::max(level_, level);
    return result;
  }
  int unlock(int level) noexcept {
    ahead_.forget();
    int const result = base()->pMethods->xUnlock(base(), level);
    if (result == SQLITE_OK) level_ = level;
    return result;
  }

  // Makes the writes that were held back, then calls the system's function.
  template <auto Function, class... Arguments>
  static int after_writes(sqlite3_file* file, Arguments... arguments) noexcept {
    File& self = *static_cast<File*>(file);
    self.ahead_.forget();
    if (int const result = self.held_.make(self.base()); result != SQLITE_OK) return result;
    return (self.base()->pMethods->*Function)(self.base(), arguments...);
  }
  template <auto Function, class... Arguments>
  static auto pass(sqlite3_file* file, Arguments... arguments) noexcept {
    File& self = *static_cast<File*>(file);
    return (self.base()->pMethods->*Function)(self.base(), arguments...);
  }

 private:
  File(Kind kind, File* database) noexcept : sqlite3_file(), kind_(kind), database_(database) {}
  struct Free {
    void operator()(void* memory) const noexcept { std::free(memory); }
  };
  sqlite3_file* base() const noexcept { return base_.get(); }
  // PRAGMA synchronous. SQLite itself is to go on with FULL, or EXTRA, once it has been set.
  int pragma(char** words) noexcept {
    if (sqlite3_stricmp(words[1], "synchronous") != 0) return SQLITE_NOTFOUND;
    if (!words[2]) {
      if (!relaxed_) return SQLITE_NOTFOUND;
      words[0] = sqlite3_mprintf("1");
      return words[0] ? SQLITE_OK : SQLITE_NOMEM;
    }
    auto const is_any_of = [&](auto... names) { return ((sqlite3_stricmp(words[2], names) == 0) || ...); };
    if (is_any_of("2", "full", "3", "extra")) {
      relaxed_ = false;
      syncs_commits_ = true;
      return SQLITE_NOTFOUND;
    }
    if (is_any_of("1", "normal", "on", "yes", "true")) {
      relaxed_ = syncs_commits_;
      return relaxed_ ? SQLITE_OK : SQLITE_NOTFOUND;
    }
    // SQLite takes many other words for OFF.
    words[0] =
        sqlite3_mprintf("synchronous: NORMAL, FULL or EXTRA; OFF corrupts the file when the power fails");
    return SQLITE_ERROR;
  }

  // A checkpoint is never: the log has to be on the disk before the file is overwritten. The one of the last
  // connection that closes holds the file's lock instead of the index's.
  bool is_commit_relaxed() const noexcept {
    return relaxed_ && !has_checkpoint_lock_ && level_ < SQLITE_LOCK_EXCLUSIVE;
  }

  Kind const kind_;
  File* const database_;  // of a log
  File* log_ = nullptr;   // of a database
  std::unique_ptr<sqlite3_file, Free> base_;
  HeldWrites held_;
  ReadAhead ahead_;
  bool is_shared_ = false;      // the log's index is: what is read follows its rules
  bool syncs_commits_ = false;  // of a database: SQLite does, which makes the writes that were held back
  bool relaxed_ = false;        // of a database: its commits need not wait for the disk
  bool has_checkpoint_lock_ = false;
  int level_ = SQLITE_LOCK_NONE;
  bool header_is_new_ = false;  // of a log, and not on the disk yet
};

constexpr sqlite3_io_methods methods_of(int version) noexcept {
  using Io = sqlite3_io_methods;
  Io io{};
  io.iVersion = version;
  io.xClose = [](sqlite3_file* f) { return static_cast<File*>(f)->close(); };
  io.xRead = [](sqlite3_file* f, void* to, int count, sqlite3_int64 offset) {
    return static_cast<File*>(f)->read(to, count, offset);
  };
  io.xWrite = [](sqlite3_file* f, void const* bytes, int count, sqlite3_int64 offset) {
    return static_cast<File*>(f)->write(bytes, count, offset);
  };
  io.xSync = [](sqlite3_file* f, int flags) { return static_cast<File*>(f)->sync(flags); };
  io.xFileControl = [](sqlite3_file* f, int operation, void* argument) {
    return static_cast<File*>(f)->control(operation, argument);
  };
  io.xTruncate = File::after_writes<&Io::xTruncate, sqlite3_int64>;
  io.xFileSize = File::after_writes<&Io::xFileSize, sqlite3_int64*>;
  io.xLock = [](sqlite3_file* f, int level) { return static_cast<File*>(f)->lock(level); };
  io.xUnlock = [](sqlite3_file* f, int level) { return static_cast<File*>(f)->unlock(level); };
  io.xCheckReservedLock = File::pass<&Io::xCheckReservedLock, int*>;
  io.xSectorSize = File::pass<&Io::xSectorSize>;
  io.xDeviceCharacteristics = File::pass<&Io::xDeviceCharacteristics>;
  if (version < 2) return io;
  io.xShmMap = [](sqlite3_file* f, int region, int size, int extend, void volatile** address) {
    return static_cast<File*>(f)->map(region, size, extend, address);
  };
  io.xShmUnmap = [](sqlite3_file* f, int remove) { return static_cast<File*>(f)->unmap(remove); };
  io.xShmLock = [](sqlite3_file* f, int first, int count, int flags) {
    return static_cast<File*>(f)->lock_index(first, count, flags);
  };
  io.xShmBarrier = [](sqlite3_file* f) { File::pass<&Io::xShmBarrier>(f); };
  if (version < 3) return io;
  io.xFetch = File::pass<&Io::xFetch, sqlite3_int64, int, void**>;
  io.xUnfetch = File::pass<&Io::xUnfetch, sqlite3_int64, void*>;
  return io;
}

constexpr sqlite3_io_methods methods[] = {methods_of(1), methods_of(2), methods_of(3)};

// Not cached: a program may choose another one for the files that are opened from then on.
sqlite3_vfs* system_vfs() noexcept {
  sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
  return vfs->zName == name ? vfs->pNext : vfs;  // ours, if a program has made it the default
}

int File::open(char const* path, sqlite3_file* memory, int flags, int* out_flags) noexcept {
  memory->pMethods = nullptr;
  sqlite3_vfs* const vfs = system_vfs();
  auto* const base = static_cast<sqlite3_file*>(std::calloc(1, static_cast<std::size_t>(vfs->szOsFile)));
  if (!base) return SQLITE_NOMEM;
  Kind kind = Kind::other;
  File* database = nullptr;
  if (flags & SQLITE_OPEN_MAIN_DB) kind = Kind::database;
  if (flags & SQLITE_OPEN_WAL) {
    kind = Kind::log;
    database = static_cast<File*>(sqlite3_database_file_object(path));
  }
  auto* const file = ::new (memory) File(kind, database);
  file->base_.reset(base);
  int const result = vfs->xOpen(vfs, path, base, flags, out_flags);
  if (!base->pMethods) {
    file->~File();
    return result;
  }
  if (database) database->log_ = file;
  int const version = base->pMethods->iVersion;
  file->pMethods = &methods[version < 2 || !base->pMethods->xShmMap ? 0 : std::min(version, 3) - 1];
  return result;
}

// All but the opening of files is the system's.
template <auto Function, class... Arguments>
auto ask_system(sqlite3_vfs*, Arguments... arguments) noexcept {
  sqlite3_vfs* const vfs = system_vfs();
  return (vfs->*Function)(vfs, arguments...);
}

sqlite3_vfs make_vfs() noexcept {
  using Vfs = sqlite3_vfs;
  Vfs vfs{};
  vfs.iVersion = 2;
  vfs.szOsFile = static_cast<int>(sizeof(File));
  vfs.mxPathname = system_vfs()->mxPathname;
  vfs.zName = name;
  vfs.xOpen = [](Vfs*, char const* path, sqlite3_file* file, int flags, int* out_flags) {
    return File::open(path, file, flags, out_flags);
  };
  vfs.xDelete = ask_system<&Vfs::xDelete, char const*, int>;
  vfs.xAccess = ask_system<&Vfs::xAccess, char const*, int, int*>;
  vfs.xFullPathname = ask_system<&Vfs::xFullPathname, char const*, int, char*>;
  vfs.xDlOpen = ask_system<&Vfs::xDlOpen, char const*>;
  vfs.xDlError = [](Vfs*, int size, char* text) { ask_system<&Vfs::xDlError>(nullptr, size, text); };
  vfs.xDlSym = [](Vfs*, void* library, char const* symbol) {
    return ask_system<&Vfs::xDlSym>(nullptr, library, symbol);
  };
  vfs.xDlClose = [](Vfs*, void* library) { ask_system<&Vfs::xDlClose>(nullptr, library); };
  vfs.xRandomness = ask_system<&Vfs::xRandomness, int, char*>;
  vfs.xSleep = ask_system<&Vfs::xSleep, int>;
  vfs.xCurrentTime = ask_system<&Vfs::xCurrentTime, double*>;
  vfs.xGetLastError = ask_system<&Vfs::xGetLastError, int, char*>;
  vfs.xCurrentTimeInt64 = [](Vfs*, sqlite3_int64* now) {
    sqlite3_vfs* const system = system_vfs();
    if (system->iVersion >= 2 && system->xCurrentTimeInt64) return system->xCurrentTimeInt64(system, now);
    double days = 0;
    int const result = system->xCurrentTime(system, &days);
    *now = static_cast<sqlite3_int64>(days * 86'400'000.0);
    return result;
  };
  return vfs;
}

}  // namespace

char const* vfs_name() {
  static int const registered = [] {
    sqlite3_initialize();
    static sqlite3_vfs vfs = make_vfs();
    return sqlite3_vfs_register(&vfs, 0);
  }();
  return registered == SQLITE_OK ? name : nullptr;  // the system's, then
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
