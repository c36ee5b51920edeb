#include "beast_cache/storage/sqlite_connection.hpp"

#include <sqlite3.h>

#include <memory>
#include <string_view>

#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

std::string file_of(sqlite3* handle) {
  char const* const name = sqlite3_db_filename(handle, "main");
  return name && *name ? name : ":memory:";
}

// The statement, at its first row if it has one.
using Query = std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>;
Query first_row(sqlite3* handle, std::string const& sql, bool& found) {
  sqlite3_stmt* statement = nullptr;
  int result = sqlite3_prepare_v2(handle, sql.c_str(), -1, &statement, nullptr);
  Query query(statement, sqlite3_finalize);
  if (result == SQLITE_OK && statement) result = sqlite3_step(statement);
  if (result != SQLITE_OK && result != SQLITE_ROW && result != SQLITE_DONE) {
    sqlite::raise(handle, result, file_of(handle), sql.c_str());
  }
  found = result == SQLITE_ROW;
  return query;
}

}  // namespace

void SQLiteConnection::execute(std::string const& sql) {
  int const result = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) sqlite::raise(handle_, result, file_of(handle_), sql.c_str());
}

std::int64_t SQLiteConnection::query_integer(std::string const& sql) {
  bool found = false;
  Query const query = first_row(handle_, sql, found);
  return found ? sqlite3_column_int64(query.get(), 0) : 0;
}

std::string SQLiteConnection::query_text(std::string const& sql) {
  bool found = false;
  Query const query = first_row(handle_, sql, found);
  if (!found) return std::string();
  auto const* const data = static_cast<char const*>(sqlite3_column_blob(query.get(), 0));
  return std::string(data ? data : "", static_cast<std::size_t>(sqlite3_column_bytes(query.get(), 0)));
}

std::int64_t SQLiteConnection::changes() const noexcept {
  return sqlite3_changes64(handle_);
}

}  // namespace v1
}  // namespace beast_cache
