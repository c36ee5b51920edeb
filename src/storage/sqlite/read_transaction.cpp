#include "storage/sqlite/read_transaction.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

bool ReadTransaction::is_current(Handle& handle, FileState const& file, TimePoint now) noexcept {
  Handle::WalMark newest;
  return marked_ && now < end(file) && released_ == file.release_readers.load(std::memory_order_relaxed) &&
         handle.read_wal_mark(newest) && newest == mark_;
}

// A reader does not notice by itself that its file was replaced or removed. Asking takes a system call: not
// for each transaction.
void ReadTransaction::check_place(FileState const& file, TimePoint now) {
  if (now - looked_ < file.options().hold_time()) return;
  if (!file.is_in_place()) throw Error(cache_errc::moved, file.path() + ": it will be opened anew");
  looked_ = now;
}

bool ReadTransaction::enter(Handle& handle, FileState const& file, TimePoint now) {
  if (handle.in_transaction()) {
    if (is_current(handle, file, now)) return false;
    leave(handle);
  }
  // One that SQLite ended by itself may have left them running, in its snapshot.
  handle.end_feeds();
  check_place(file, now);
  handle.start_busy_deadline(file.busy_timeout());
  released_ = file.release_readers.load(std::memory_order_relaxed);
  marked_ = handle.read_wal_mark(mark_);
  began_ = now;
  handle.statement("BEGIN").run();
  return true;
}

void ReadTransaction::leave(Handle& handle) {
  handle.end_feeds();
  handle.statement("COMMIT").run();
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
