#pragma once
// SQLite's VFS between our handles and the system's own, so that fewer system calls do the same work:
//
//   - Writes that follow each other go to the file as one. SQLite writes each page of a transaction to the
//     write-ahead log by two calls, and each page of a checkpoint by one.
//   - When pages are read in their order (a large value, a walk over the entries), those behind them are read
//     along.
//
// Nothing becomes visible, or durable, in another order. What SQLite has written is in the file before it syncs
// it, asks for its size, reads it back, or makes it known to other connections: a commit syncs the log before
// it publishes the frames in the index (so all handles run with synchronous=FULL, and commits say themselves if
// they need not wait for the disk), a checkpoint syncs the file before it says so. An error of a write that was
// held back is that of the call that it was held back for.
//
// What is read along is good for one read transaction: while that lasts, no checkpoint overwrites a page of the
// file that it may still ask for.
// Source: https://www.sqlite.org/vfs.html and https://www.sqlite.org/walformat.html

#include <sqlite3.h>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// Its name, for sqlite3_open_v2; registered by the first call. Files are opened by the system's default VFS.
char const* vfs_name();

// With `value` a commit does not wait for the disk, as with synchronous=NORMAL; the handle has to run with FULL,
// which is what writes it. A checkpoint and a new header of the log are waited for even so.
void relax_commits(sqlite3* db, bool value) noexcept;

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
