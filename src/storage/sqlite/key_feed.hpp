#pragma once
// Looking up many keys, one after another, by one running statement.
//
// To run a statement once for each key, SQLite opens cursors, takes memory for the row and gives all of it
// back again: about a third of the time of a look-up. So we leave the statement running: it joins the table
// with a virtual table of one column, which asks for the next key just when a row is wanted.
//
//   SELECT t.value FROM beast_cache_feed(?1) AS feed LEFT JOIN cache AS t ON t.key = feed.key
//
// While it runs it holds its read transaction; end() lets go of it.
// Source: https://www.sqlite.org/vtab.html, "Table-valued functions" and sqlite3_bind_pointer.

#include <sqlite3.h>

#include <optional>
#include <string>
#include <string_view>

#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class KeyFeed {
 public:
  // The statement's one parameter is the feed. Throws SQLiteError.
  KeyFeed(Handle& handle, std::string_view sql);
  KeyFeed(KeyFeed const&) = delete;
  KeyFeed& operator=(KeyFeed const&) = delete;
  ~KeyFeed();

  // The row of the key, whose columns are NULL if there is none. Lasts until the next call. For statements
  // that give one row for each key.
  Row find(std::string_view key);
  // The same for other statements: the first row, and whether there is one more, which is in the same place
  // then. The key has to live until there is none, or the feed is used again.
  Row first(std::string_view key);
  bool next();
  void end() noexcept;

  // Makes the virtual table known to a connection.
  static int enable(sqlite3* db) noexcept;

  // SQLite wants the next key; null if there is none yet.
  void asked() noexcept { asked_ = true; }
  std::optional<std::string_view> key() const noexcept { return key_; }

 private:
  void step();

  Handle& handle_;
  std::string const sql_;
  sqlite3_stmt* statement_ = nullptr;
  std::optional<std::string_view> key_;
  bool asked_ = false;  // since the last step began
  bool running_ = false;
  bool all_seen_ = false;  // of the last key's rows
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
