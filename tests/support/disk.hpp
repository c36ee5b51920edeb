#pragma once
// SQLite's files with a disk under them that can be watched, that fails, and whose power can be cut.

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace test {

// While it lives, SQLite's default VFS: the system's, in which every call is noted. One at a time.
class Disk {
 public:
  enum class Call { read, write, sync, truncate, remove };
  class Event {
   public:
    Event(Call c, std::string f, std::int64_t o, std::size_t s)
        : call(c), file(std::move(f)), offset(o), size(s) {}
    Call call;
    std::string file;  // the last part of its path
    std::int64_t offset;
    std::size_t size;
  };

  Disk();
  Disk(Disk const&) = delete;
  Disk& operator=(Disk const&) = delete;
  ~Disk();

  // What was done since the last call.
  std::vector<Event> take_events();
  // The next `count` writes to files that end so fail with that code, with nothing written.
  void fail_writes(std::string suffix, int count, int code = SQLITE_IOERR_WRITE);
  // Those that would make such a file longer than that fail with SQLITE_FULL.
  void limit_size(std::string suffix, std::int64_t size);
  // A disk that says it has written, and has not.
  void ignore_syncs();
  // Called before each write to such files, and before each that makes one shorter, on the thread that does
  // so and with the locks that it has. It may use files, but none of this disk.
  void before_changes(std::string suffix, std::function<void()> hook);

  // Just before the n-th writing, syncing, cutting or removing call from now the power goes: what was not
  // synced is there or not, in sectors of 512 bytes, in any order. `note` is called at that moment. The
  // program does not notice.
  void cut_power_at(int call, std::function<void()> note);
  bool was_cut() const;
  // Puts what the disk held then, as `seed` decides, into a directory.
  void restore(std::string const& directory, unsigned seed) const;
  // As if only the program had ended then: all that was written, synced or not, and of a write that was about
  // to be made nothing, the first half or all of it, as `seed` decides.
  void restore_written(std::string const& directory, unsigned seed) const;

 private:
  friend class WatchedFile;
  class Change {
   public:
    bool is_cut = false;  // to the length `offset`
    std::int64_t offset = 0;
    std::string bytes;
  };
  class Content {
   public:
    std::string durable;
    std::vector<Change> pending;
  };

  void run_hook(std::string const& file);
  int note(Call call, std::string const& file, std::int64_t offset, void const* bytes, std::size_t size);
  static void apply(std::string& content, Change const& change);

  mutable std::mutex mutex_;
  std::vector<Event> events_;
  std::string failing_;
  int failures_ = 0, failure_ = SQLITE_OK;
  std::string limited_;
  std::int64_t limit_ = 0;
  bool ignores_syncs_ = false;
  std::string hooked_;
  std::function<void()> hook_;
  int calls_to_cut_ = 0;
  std::function<void()> note_;
  std::map<std::string, Content> files_, cut_files_;
  std::string interrupted_file_;
  Change interrupted_;  // the write that was about to be made
  bool was_cut_ = false;
  sqlite3_vfs* const system_;
  sqlite3_vfs vfs_;
};

}  // namespace test
