#pragma once
// The other side: SQLite's C interface, one handle, prepared statements, no library of ours.

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "support/arguments.hpp"

namespace bench {

class RawStatement {
 public:
  RawStatement(sqlite3* db, char const* sql);
  RawStatement(RawStatement const&) = delete;
  RawStatement& operator=(RawStatement const&) = delete;
  ~RawStatement() { sqlite3_finalize(statement_); }

  /// The bytes have to stay until the statement is reset.
  void bind_text(int index, std::string_view text) {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  void bind_blob(int index, std::string_view bytes) {
    sqlite3_bind_blob(statement_, index, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
  }
  void bind(int index, sqlite3_int64 value) { sqlite3_bind_int64(statement_, index, value); }
  /// Whether there is a row. @throws std::runtime_error
  bool step();
  std::string_view bytes(int column) const {
    auto const* const data = static_cast<char const*>(sqlite3_column_blob(statement_, column));
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
  }
  sqlite3_int64 integer(int column) const { return sqlite3_column_int64(statement_, column); }
  void reset() { sqlite3_reset(statement_); }
  /// Steps to the end and resets.
  void run();

 private:
  sqlite3_stmt* statement_ = nullptr;
};

/// A handle with the PRAGMAs of the library's reading or writing one, and its checkpoint interval.
class RawDatabase {
 public:
  enum class Role { reader, writer };
  RawDatabase(Arguments const& arguments, Role role);
  RawDatabase(RawDatabase const&) = delete;
  RawDatabase& operator=(RawDatabase const&) = delete;
  ~RawDatabase() { sqlite3_close(db_); }

  void execute(std::string const& sql);
  sqlite3* handle() const noexcept { return db_; }

 private:
  sqlite3* db_ = nullptr;
};

inline constexpr char raw_select[] = "SELECT value FROM cache WHERE key = ?1";
inline constexpr char raw_contains[] = "SELECT 1 FROM cache WHERE key = ?1";
inline constexpr char raw_upsert[] =
    "INSERT INTO cache(key, value, \"check\") VALUES(?1, ?2, ?3)"
    " ON CONFLICT(key) DO UPDATE SET value = excluded.value, \"check\" = excluded.\"check\"";

/// One read by a prepared raw_select. @throws std::runtime_error if the key is not there.
std::string raw_read(RawStatement& select, std::string_view key);

/// One write by a prepared raw_upsert. The raw side computes no checksum: it stores a constant for it.
void raw_write(RawStatement& upsert, std::string_view key, std::string_view value);

}  // namespace bench
