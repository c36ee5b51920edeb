#pragma once
// SQLite's VFS between our handles and the system's own, so that fewer system calls do the same work:
//
//   - The write-ahead log's frames go to the file some thirty at a time. SQLite writes each by two calls.
//   - When pages are read in their order (a large value, a walk over the entries), those behind them are read
//     along.
//
// Nothing becomes visible, or durable, in another order. What SQLite has written to the log is in the file
// before it syncs it, asks for its size, reads it back, or makes it known to other connections: a commit
// syncs the log before it publishes the frames in the index. For that SQLite has to run with
// synchronous=FULL, which writing handles are set to first; PRAGMA synchronous=NORMAL is then done here: the
// sync of a commit writes what was held back, and waits for the disk no more than SQLite does in that mode,
// that is, for checkpoints and for a new header of the log. OFF is refused. An error of a write that was held
// back is that of the call that it was held back for, and of all that come until the transaction is over;
// what a transaction did not commit is forgotten with its lock. (The database file is written as SQLite says:
// a checkpoint that ends early tells nobody but the index, and could not be stopped any more by an error.)
//
// What is read along is good for one read transaction: while that lasts, no checkpoint overwrites a page of
// the file that it may still ask for. Source: https://www.sqlite.org/vfs.html and
// https://www.sqlite.org/walformat.html

#include <sqlite3.h>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// Its name, for sqlite3_open_v2; registered by the first call. Files are opened by the system's default VFS.
char const* vfs_name();

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
