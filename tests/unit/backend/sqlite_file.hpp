#pragma once
// A cache's file as any other program sees it.

#include <sqlite3.h>

#include <stdexcept>
#include <string>

namespace backend_test {

class Sqlite {
 public:
  explicit Sqlite(std::string const& file) {
    if (sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr) != SQLITE_OK)
      throw std::runtime_error(sqlite3_errmsg(db_));
    sqlite3_busy_timeout(db_, 10'000);
  }
  Sqlite(Sqlite const&) = delete;
  Sqlite& operator=(Sqlite const&) = delete;
  ~Sqlite() { sqlite3_close(db_); }

  // The rows, their columns joined by '|'.
  std::string operator()(std::string const& sql) {
    std::string text;
    char* message = nullptr;
    auto const add = [](void* out, int count, char** values, char**) {
      auto& rows = *static_cast<std::string*>(out);
      if (!rows.empty()) rows += '\n';
      for (int i = 0; i < count; ++i) rows.append(i ? "|" : "").append(values[i] ? values[i] : "NULL");
      return 0;
    };
    if (sqlite3_exec(db_, sql.c_str(), add, &text, &message) != SQLITE_OK) {
      std::string const reason = message;
      sqlite3_free(message);
      throw std::runtime_error(sql + ": " + reason);
    }
    return text;
  }
  int changes() const { return sqlite3_changes(db_); }

 private:
  sqlite3* db_ = nullptr;
};

// Makes a file's tables those of version 6, whose pins knew of URLs by the key alone. Its queue, if it has one,
// stays without the triggers that knew more.
inline std::string const to_version_6 =
    "DROP TRIGGER IF EXISTS responses_stored; DROP TRIGGER IF EXISTS responses_pinned;"
    "DROP TRIGGER IF EXISTS responses_unpinned; DROP VIEW v_hosts; DROP VIEW v_entries;"
    "CREATE VIEW v_entries AS SELECT url, EXISTS(SELECT 1 FROM responses_pins WHERE key = responses.key) AS "
    "pinned FROM responses; CREATE VIEW v_hosts AS SELECT count(*) AS entries FROM v_entries;"
    "UPDATE beast_cache_tables SET version = 6 WHERE name = 'responses';";
// And of version 5, which knew less of its responses.
inline std::string const to_version_5 =
    to_version_6 +
    "DROP INDEX responses_url_key; ALTER TABLE responses DROP COLUMN url_key;"
    "UPDATE beast_cache_tables SET version = 5 WHERE name = 'responses';";

inline std::string execute(std::string const& file, std::string const& sql) {
  Sqlite connection(file);
  return connection(sql);
}

}  // namespace backend_test
