#pragma once
/// \file sqlite_connection.hpp
/// The way through to SQLite itself.

#include <cstdint>
#include <string>

#include "beast_cache/config.hpp"

struct sqlite3;

namespace beast_cache {
inline namespace v1 {

/// How `get_connection` runs a callable.
enum class ConnectionUse {
  read,             ///< on the reading handle, in a read transaction; a statement that writes fails
  read_autocommit,  ///< on the reading handle, outside any transaction
  write,  ///< on the writing handle, in a write transaction: committed on return, rolled back on a throw
  write_autocommit  ///< on the writing handle, outside any transaction: each statement commits, PRAGMA and
                    ///< VACUUM work
};

/// A connection of the cache, for as long as the callable given to `get_connection` runs, on the thread that
/// runs it. Neither it nor anything made from it may leave the callable.
class SQLiteConnection {
 public:
  explicit SQLiteConnection(sqlite3* handle) noexcept : handle_(handle) {}
  SQLiteConnection(SQLiteConnection const&) = delete;
  SQLiteConnection& operator=(SQLiteConnection const&) = delete;

  /// The handle, for SQLite's own functions. Not to be closed.
  sqlite3* native_handle() const noexcept { return handle_; }

  /// Runs one or more statements and drops their rows. Errors: `SQLiteError`.
  void execute(std::string const& sql);

  /// The first column of the first row as an integer, or 0 without a row. Errors: `SQLiteError`.
  std::int64_t query_integer(std::string const& sql);

  /// The first column of the first row as bytes, or empty without a row. Errors: `SQLiteError`.
  std::string query_text(std::string const& sql);

  /// How many rows the latest INSERT, UPDATE or DELETE changed.
  std::int64_t changes() const noexcept;

 private:
  sqlite3* handle_;
};

}  // namespace v1
}  // namespace beast_cache
