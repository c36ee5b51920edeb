#pragma once
// One sqlite3 connection and its prepared statements. Used by one thread at a time: the lane's.

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class Handle;

// The cache_errc for one of SQLite's extended result codes.
error_code map_error(int extended_code) noexcept;

// Throws a SQLiteError (or Error with operation_aborted after an interrupt) for the failed call.
[[noreturn]] void raise(sqlite3* db, int result, std::string const& file, char const* sql);

// A use of a prepared statement: bind, step, read columns. Goes back to the handle, reset and with its
// parameters unbound, when it is destroyed. Text and blobs are not copied when bound: they have to live until
// then.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Parameters are counted from 1.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind_text(int index, std::string_view value);
  Statement& bind_blob(int index, std::string_view value);
  Statement& bind_null(int index);

  // True if there is a row.
  bool step();
  // Runs a statement that yields no rows that matter.
  void run();
  // For the next round with other parameters.
  void reset() noexcept;

  // Columns are counted from 0. Views last until the next step() or reset().
  std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
  double real(int column) const noexcept { return sqlite3_column_double(statement_, column); }
  bool is_null(int column) const noexcept { return type(column) == SQLITE_NULL; }
  int type(int column) const noexcept { return sqlite3_column_type(statement_, column); }
  // The bytes of a text or a blob as they are stored.
  std::string_view bytes(int column) const;

  sqlite3_stmt* raw() const noexcept { return statement_; }

 private:
  friend class Handle;
  Statement(Handle& handle, sqlite3_stmt* statement, bool* in_use) noexcept
      : handle_(&handle), statement_(statement), in_use_(in_use) {}
  void check(int result) const;

  Handle* handle_;
  sqlite3_stmt* statement_;
  bool* in_use_;  // null: not cached, to be finalised
};

class Handle {
 public:
  enum class Access { read_write, read_only };

  // Opens without creating. `identity of the file` and its refusal are the Database's business.
  Handle(std::string const& file, bool memory, Access access, std::size_t max_size);
  Handle(Handle const&) = delete;
  Handle& operator=(Handle const&) = delete;
  ~Handle();

  // A statement, prepared at its first use. The same text may be in use several times at once.
  Statement statement(std::string_view sql);
  // Runs one or more statements without parameters, not cached.
  void execute(std::string const& sql);
  // The first column of the first row as an integer; 0 without a row.
  std::int64_t query_integer(std::string const& sql);

  bool in_transaction() const noexcept { return sqlite3_get_autocommit(db_) == 0; }
  std::int64_t changes() const noexcept { return sqlite3_changes64(db_); }
  std::int64_t last_insert_rowid() const noexcept { return sqlite3_last_insert_rowid(db_); }
  sqlite3* raw() const noexcept { return db_; }
  std::string const& file() const noexcept { return file_; }

  // Whether the operation that runs has been cancelled; a job with many steps asks between them.
  bool cancelled() const { return is_cancelled_ && is_cancelled_(); }
  void check_cancelled() const;
  void on_cancelled(std::function<bool()> is_cancelled) { is_cancelled_ = std::move(is_cancelled); }

  // Asked every few thousand steps of a statement: true stops it. An interrupt alone would be lost if it came
  // just before the statement began.
  void interrupt_when(std::function<bool()> stop);

  // Bytes of texts and blobs read so far: the lane splits its batches of completions by them.
  std::size_t bytes_read() const noexcept { return bytes_read_; }

  // How long to wait for another process's lock, from now on.
  void start_busy_deadline(std::chrono::milliseconds timeout);

  // The file is not the one that the path leads to any more: what is beside the path now must not be touched
  // when the handle closes.
  void disown() noexcept;

 private:
  friend class Statement;
  struct Cached;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>()(text);
    }
  };

  static int busy(void* self, int attempts) noexcept;
  static int progress(void* self) noexcept;
  sqlite3_stmt* prepare(std::string_view sql, unsigned flags);

  std::string file_;
  sqlite3* db_ = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Cached>, Hash, std::equal_to<>> statements_;
  std::function<bool()> is_cancelled_;
  std::function<bool()> stop_;
  std::chrono::steady_clock::time_point busy_until_;
  std::uint32_t jitter_;
  mutable std::size_t bytes_read_ = 0;
};

// A name as an SQL identifier, whatever is in it.
std::string quoted(std::string_view name);

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
