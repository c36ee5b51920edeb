#pragma once
// One sqlite3 connection and its prepared statements. Used by one thread at a time: the lane's.

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "beast_cache/error.hpp"
#include "storage/sqlite/row_counts.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class Handle;

// The cache_errc for one of SQLite's extended result codes.
error_code map_error(int extended_code) noexcept;

// Throws a SQLiteError (or Error with operation_aborted after an interrupt) for the failed call.
[[noreturn]] void raise(sqlite3* db, int result, std::string const& file, char const* sql);

// The columns, counted from 0, of a statement's row. Views last until its next step or reset.
class Row {
 public:
  Row(Handle& handle, sqlite3_stmt* statement) noexcept : handle_(&handle), statement_(statement) {}
  std::int64_t integer(int column) const noexcept { return sqlite3_column_int64(statement_, column); }
  double real(int column) const noexcept { return sqlite3_column_double(statement_, column); }
  bool is_null(int column) const noexcept { return type(column) == SQLITE_NULL; }
  int type(int column) const noexcept { return sqlite3_column_type(statement_, column); }
  // The bytes of a text or a blob as they are stored.
  std::string_view bytes(int column) const;

 protected:
  Handle* handle_;
  sqlite3_stmt* statement_;
};

// A use of a prepared statement: bind, step, read columns. Goes back to the handle, reset and with its
// parameters unbound, when it is destroyed. Text and blobs are not copied when bound: they have to live until
// then.
class Statement : public Row {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  // Parameters are counted from 1.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind_text(int index, std::string_view value);
  Statement& bind_blob(int index, std::string_view value);
  // Text is not copied: a temporary would be gone before the first step.
  template <std::same_as<std::string> Temporary>
  Statement& bind_text(int index, Temporary&& value) = delete;
  template <std::same_as<std::string> Temporary>
  Statement& bind_blob(int index, Temporary&& value) = delete;
  Statement& bind_null(int index);

  // True if there is a row.
  bool step();
  // Runs a statement that yields no rows that matter.
  void run();
  // For the next round with other parameters.
  void reset() noexcept;

  sqlite3_stmt* raw() const noexcept { return statement_; }

 private:
  friend class Handle;
  Statement(Handle& handle, sqlite3_stmt* statement, bool* in_use) noexcept
      : Row(handle, statement), in_use_(in_use) {}
  void check(int result) const;

  bool* in_use_;  // null: not cached, to be finalised
};

class KeyFeed;

class Handle {
 public:
  enum class Access { read_write, read_only };

  // Opens without creating. `identity of the file` and its refusal are the Database's business.
  Handle(std::string const& file, bool memory, Access access);
  Handle(Handle const&) = delete;
  Handle& operator=(Handle const&) = delete;
  ~Handle();

  // A statement, prepared at its first use. The same text may be in use several times at once.
  Statement statement(std::string_view sql);
  // The same for looking up keys one after another, see KeyFeed. They keep the transaction until end_feeds().
  KeyFeed& feed(std::string_view sql);
  void end_feeds() noexcept;
  // Whether that is of use here: on a handle that reads in transactions.
  bool feeds() const noexcept { return feeds_; }
  void use_feeds();

  // Runs one or more statements without parameters, not cached.
  void execute(std::string const& sql);
  // Reads a blob of that size, page by page, right into its place. False when there is none of that
  // size.
  bool read_blob(char const* table, char const* column, std::int64_t row, char* to, std::size_t size);
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

  // Statements that run for long ask as well, every few thousand steps. (sqlite3_interrupt from another
  // thread would be lost if it came just before the statement began, and hit the next one if it came just
  // after.)
  void on_cancelled(std::function<bool()> is_cancelled);
  // A transaction that is shared must not be broken off: SQLite would roll back the neighbours' part as well.
  // Of the file that it was opened for, see FileState.
  std::uint64_t generation() const noexcept { return generation_; }
  void set_generation(std::uint64_t generation) noexcept { generation_ = generation; }

  void may_break_off(bool value) noexcept { may_break_off_ = value; }

  RowCounts& counts() noexcept { return counts_; }

  // What the write-ahead log held at some moment: it changes with every commit, by any process.
  using WalMark = std::array<std::uint64_t, 6>;
  // Costs no system call. False if the log has no shared index (not opened yet, an in-memory database).
  bool read_wal_mark(WalMark& mark) noexcept;
  // Whether no one reads from the write-ahead log, so that the next commit may begin it anew.
  bool wal_is_unread() noexcept;
  // Its length in bytes, with what it holds of earlier rounds; 0 for an in-memory database.
  std::int64_t wal_size() const noexcept;

  // Bytes of texts and blobs read so far: the lane splits its batches of completions by them.
  std::size_t bytes_read() const noexcept { return bytes_read_; }
  void note_bytes(std::size_t bytes) noexcept { bytes_read_ += bytes; }

  // How long to wait for another process's lock, from now on.
  void start_busy_deadline(std::chrono::milliseconds timeout);

  // The file is not the one that the path leads to any more: what is beside the path now must not be touched
  // when the handle closes.
  void disown() noexcept;

 private:
  friend class Row;
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
  Cached& find(std::string_view sql);

  std::string file_;
  sqlite3* db_ = nullptr;
  std::unordered_map<std::string, std::unique_ptr<Cached>, Hash, std::equal_to<>> statements_;
  // Those used lately: nearly always it is one of a few.
  std::array<Cached*, 4> recent_{};
  std::size_t next_recent_ = 0;
  std::unordered_map<std::string, std::unique_ptr<KeyFeed>, Hash, std::equal_to<>> key_feeds_;
  KeyFeed* recent_feed_ = nullptr;
  std::string_view recent_feed_sql_;
  bool feeds_ = false;
  std::function<bool()> is_cancelled_;
  bool may_break_off_ = true;
  std::uint64_t generation_ = 0;
  RowCounts counts_;
  void volatile const* wal_index_ = nullptr;
  std::chrono::steady_clock::time_point busy_until_;
  std::uint32_t jitter_;
  mutable std::size_t bytes_read_ = 0;
};

// As long as it lives, pages that a transaction has changed may take 64 MiB of memory. Else SQLite writes one
// to the log whenever the page cache is full, and reads it back when it is changed again: where rows lie
// apart in an index, that is most of the time that their removal takes. Source:
// https://www.sqlite.org/pragma.html#pragma_cache_spill
class RoomForChanges {
 public:
  explicit RoomForChanges(Handle& handle);
  RoomForChanges(RoomForChanges const&) = delete;
  RoomForChanges& operator=(RoomForChanges const&) = delete;
  ~RoomForChanges();

 private:
  Handle& handle_;
};

// A name as an SQL identifier, whatever is in it.
std::string quoted(std::string_view name);

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
