#pragma once
// A read transaction that many reads share, one after another.

#include <chrono>
#include <cstdint>

#include "storage/sqlite/file_state.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// Kept open for the hold time at most, for an open one keeps the write-ahead log from being used anew, and
// never across a commit: what was committed before a read was begun must be seen.
class ReadTransaction {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // Begins it, or goes on with it. True if it was begun. Throws Error(moved).
  bool enter(Handle& handle, FileState const& file, TimePoint now);
  void leave(Handle& handle);
  // What enter() does first. Throws Error(moved) once the path leads to another file.
  void check_place(FileState const& file, TimePoint now);
  // When it is to be left, if it is open.
  TimePoint end(FileState const& file) const noexcept { return began_ + file.options().hold_time(); }

 private:
  bool is_current(Handle& handle, FileState const& file, TimePoint now) noexcept;

  // What the transaction sees; it began no earlier than this was read.
  Handle::WalMark mark_{};
  bool marked_ = false;
  std::uint64_t released_ = 0;
  TimePoint began_;
  TimePoint looked_;  // whether the path still leads to the file
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
