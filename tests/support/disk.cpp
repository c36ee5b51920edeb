#include "support/disk.hpp"

#include <algorithm>
#include <fstream>
#include <initializer_list>
#include <new>
#include <random>
#include <utility>

namespace test {
namespace {

std::string last_part(char const* path) {
  std::string name(path ? path : "temporary");
  name.erase(0, name.find_last_of('/') + 1);
  return name;
}

bool ends_with_any(std::string const& name, std::initializer_list<char const*> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(), [&](char const* s) { return name.ends_with(s); });
}

}  // namespace

// The system's file lies behind it in SQLite's memory.
class WatchedFile : public sqlite3_file {
 public:
  WatchedFile(Disk& d, std::string n) : sqlite3_file(), disk(d), name(std::move(n)) {}
  static WatchedFile& of(sqlite3_file* file) { return *static_cast<WatchedFile*>(file); }
  sqlite3_file* system() { return reinterpret_cast<sqlite3_file*>(reinterpret_cast<char*>(this) + offset()); }
  static std::size_t offset() { return (sizeof(WatchedFile) + 15) / 16 * 16; }

  int note(Disk::Call call, std::int64_t at, void const* bytes, std::size_t size) {
    return disk.note(call, name, at, bytes, size);
  }

  template <auto Function, class... Arguments>
  static auto pass(sqlite3_file* file, Arguments... arguments) {
    sqlite3_file* const below = of(file).system();
    return (below->pMethods->*Function)(below, arguments...);
  }

  static sqlite3_io_methods const& methods();

  Disk& disk;
  std::string const name;
};

sqlite3_io_methods const& WatchedFile::methods() {
  using Io = sqlite3_io_methods;
  static Io const io = [] {
    Io m{};
    m.iVersion = 3;
    m.xClose = [](sqlite3_file* file) {
      int const result = pass<&Io::xClose>(file);
      of(file).~WatchedFile();
      return result;
    };
    m.xRead = [](sqlite3_file* file, void* to, int size, sqlite3_int64 offset) {
      of(file).note(Disk::Call::read, offset, nullptr, static_cast<std::size_t>(size));
      return pass<&Io::xRead>(file, to, size, offset);
    };
    m.xWrite = [](sqlite3_file* file, void const* bytes, int size, sqlite3_int64 offset) {
      int const result = of(file).note(Disk::Call::write, offset, bytes, static_cast<std::size_t>(size));
      return result == SQLITE_OK ? pass<&Io::xWrite>(file, bytes, size, offset) : result;
    };
    m.xTruncate = [](sqlite3_file* file, sqlite3_int64 size) {
      of(file).note(Disk::Call::truncate, size, nullptr, 0);
      return pass<&Io::xTruncate>(file, size);
    };
    // The page cache of the system will do: what is durable is kept here.
    m.xSync = [](sqlite3_file* file, int) { return of(file).note(Disk::Call::sync, 0, nullptr, 0); };
    m.xFileSize = pass<&Io::xFileSize, sqlite3_int64*>;
    m.xLock = pass<&Io::xLock, int>;
    m.xUnlock = pass<&Io::xUnlock, int>;
    m.xCheckReservedLock = pass<&Io::xCheckReservedLock, int*>;
    m.xFileControl = pass<&Io::xFileControl, int, void*>;
    m.xSectorSize = pass<&Io::xSectorSize>;
    m.xDeviceCharacteristics = pass<&Io::xDeviceCharacteristics>;
    m.xShmMap = pass<&Io::xShmMap, int, int, int, void volatile**>;
    m.xShmLock = pass<&Io::xShmLock, int, int, int>;
    m.xShmBarrier = pass<&Io::xShmBarrier>;
    m.xShmUnmap = pass<&Io::xShmUnmap, int>;
    m.xFetch = pass<&Io::xFetch, sqlite3_int64, int, void**>;
    m.xUnfetch = pass<&Io::xUnfetch, sqlite3_int64, void*>;
    return m;
  }();
  return io;
}

Disk::Disk() : system_(sqlite3_vfs_find(nullptr)), vfs_(*system_) {
  vfs_.zName = "test disk";
  vfs_.pNext = nullptr;
  vfs_.szOsFile = static_cast<int>(WatchedFile::offset()) + system_->szOsFile;
  vfs_.pAppData = this;
  // Those functions of the Unix VFS that look at its pAppData are called with it; the others don't care.
  vfs_.xOpen = [](sqlite3_vfs* self, char const* path, sqlite3_file* file, int flags, int* out_flags) {
    Disk& disk = *static_cast<Disk*>(self->pAppData);
    auto* const watched = ::new (file) WatchedFile(disk, last_part(path));
    int const result = disk.system_->xOpen(disk.system_, path, watched->system(), flags, out_flags);
    if (watched->system()->pMethods) {
      watched->pMethods = &WatchedFile::methods();
    } else {
      watched->~WatchedFile();
      file->pMethods = nullptr;
    }
    return result;
  };
  vfs_.xDelete = [](sqlite3_vfs* self, char const* path, int sync) {
    Disk& disk = *static_cast<Disk*>(self->pAppData);
    disk.note(Call::remove, last_part(path), 0, nullptr, 0);
    return disk.system_->xDelete(disk.system_, path, sync);
  };
  sqlite3_vfs_register(&vfs_, 1);
}

Disk::~Disk() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(system_, 1);
}

std::vector<Disk::Event> Disk::take_events() {
  std::lock_guard const lock(mutex_);
  return std::exchange(events_, {});
}

void Disk::fail_writes(std::string suffix, int count, int code) {
  std::lock_guard const lock(mutex_);
  failing_ = std::move(suffix);
  failures_ = count;
  failure_ = code;
}

void Disk::limit_size(std::string suffix, std::int64_t size) {
  std::lock_guard const lock(mutex_);
  limited_ = std::move(suffix);
  limit_ = size;
}

void Disk::ignore_syncs() {
  std::lock_guard const lock(mutex_);
  ignores_syncs_ = true;
}

void Disk::before_changes(std::string suffix, std::function<void()> hook) {
  std::lock_guard const lock(mutex_);
  hooked_ = std::move(suffix);
  hook_ = std::move(hook);
}

void Disk::cut_power_at(int call, std::function<void()> note) {
  std::lock_guard const lock(mutex_);
  calls_to_cut_ = call;
  note_ = std::move(note);
}

bool Disk::was_cut() const {
  std::lock_guard const lock(mutex_);
  return was_cut_;
}

// Without the mutex.
void Disk::run_hook(std::string const& file) {
  std::function<void()> hook;
  {
    std::lock_guard const lock(mutex_);
    if (hook_ && file.ends_with(hooked_)) hook = hook_;
  }
  if (hook) hook();
}

int Disk::note(Call call, std::string const& file, std::int64_t offset, void const* bytes, std::size_t size) {
  if (call == Call::write || call == Call::truncate) run_hook(file);
  std::lock_guard const lock(mutex_);
  events_.emplace_back(call, file, offset, size);
  if (call == Call::read) return SQLITE_OK;
  if (calls_to_cut_ > 0 && --calls_to_cut_ == 0) {
    cut_files_ = files_;
    was_cut_ = true;
    if (call == Call::write) {
      interrupted_file_ = file;
      interrupted_.offset = offset;
      interrupted_.bytes.assign(static_cast<char const*>(bytes), size);
    }
    note_();
  }
  if (call == Call::remove) {
    files_.erase(file);
    return SQLITE_OK;
  }
  Content& content = files_[file];
  Change change;
  change.offset = offset;
  switch (call) {
    case Call::write:
      if (failures_ > 0 && file.ends_with(failing_)) {
        --failures_;
        return failure_;
      }
      if (!limited_.empty() && file.ends_with(limited_) && offset + static_cast<std::int64_t>(size) > limit_)
        return SQLITE_FULL;
      change.bytes.assign(static_cast<char const*>(bytes), size);
      content.pending.push_back(std::move(change));
      break;
    case Call::truncate:
      change.is_cut = true;
      content.pending.push_back(std::move(change));
      break;
    default:
      if (ignores_syncs_) break;
      for (Change const& pending : content.pending) apply(content.durable, pending);
      content.pending.clear();
  }
  return SQLITE_OK;
}

void Disk::apply(std::string& content, Change const& change) {
  auto const offset = static_cast<std::size_t>(change.offset);
  if (change.is_cut) {
    content.resize(offset);
    return;
  }
  content.resize(std::max(content.size(), offset + change.bytes.size()));
  content.replace(offset, change.bytes.size(), change.bytes);
}

void Disk::restore(std::string const& directory, unsigned seed) const {
  std::lock_guard const lock(mutex_);
  std::mt19937 random(seed);
  for (auto [name, content] : cut_files_) {
    if (!ends_with_any(name, {".sqlite", "-wal"})) continue;
    // Nothing of what was pending, all of it, what came first, or any of it.
    unsigned const how = random() % 4;
    std::size_t const first = random() % (content.pending.size() + 1);
    for (std::size_t i = 0; i < content.pending.size(); ++i) {
      Change const& change = content.pending[i];
      if (how == 0 || (how == 2 && i >= first) || (how == 3 && random() % 2 == 0)) continue;
      if (change.is_cut) {
        apply(content.durable, change);
        continue;
      }
      constexpr std::size_t sector = 512;
      for (std::size_t at = 0; at < change.bytes.size();) {
        std::size_t const begin = static_cast<std::size_t>(change.offset) + at;
        std::size_t const size = std::min(sector - begin % sector, change.bytes.size() - at);
        Change part;
        part.offset = static_cast<std::int64_t>(begin);
        part.bytes = change.bytes.substr(at, size);
        if (how != 3 || random() % 8 != 0) apply(content.durable, part);
        at += size;
      }
    }
    std::ofstream(directory + "/" + name, std::ios::binary) << content.durable;
  }
}

// The log's index is not there: whoever opens the file makes it anew.
void Disk::restore_written(std::string const& directory, unsigned seed) const {
  std::lock_guard const lock(mutex_);
  std::map<std::string, Content> files = cut_files_;
  if (!interrupted_.bytes.empty() && seed % 3 != 0) {
    Change part = interrupted_;
    if (seed % 3 == 1) part.bytes.resize(part.bytes.size() / 2);
    files[interrupted_file_].pending.push_back(std::move(part));
  }
  for (auto& [name, content] : files) {
    if (!ends_with_any(name, {".sqlite", "-wal", "-journal"})) continue;
    for (Change const& change : content.pending) apply(content.durable, change);
    std::ofstream(directory + "/" + name, std::ios::binary) << content.durable;
  }
}

}  // namespace test
