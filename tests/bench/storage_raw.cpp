#include "storage_raw.hpp"

#include <fstream>
#include <stdexcept>

#include "beast_cache/storage/sqlite_options.hpp"

namespace bench {
namespace {

[[noreturn]] void fail(sqlite3* db) {
  throw std::runtime_error(std::string("raw: ") + sqlite3_errmsg(db));
}

}  // namespace

RawStatement::RawStatement(sqlite3* db, char const* sql) {
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement_, nullptr) != SQLITE_OK) fail(db);
}

bool RawStatement::step() {
  int const result = sqlite3_step(statement_);
  if (result != SQLITE_ROW && result != SQLITE_DONE) fail(sqlite3_db_handle(statement_));
  return result == SQLITE_ROW;
}

void RawStatement::run() {
  while (step()) {
  }
  reset();
}

RawDatabase::RawDatabase(Arguments const& arguments, Role role) {
  std::string const& file = arguments.text("file");
  if (sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr) !=
      SQLITE_OK) {
    fail(db_);
  }
  std::ifstream in(file + ".pragmas");
  std::string reader, writer;
  if (!std::getline(in, reader) || !std::getline(in, writer)) throw std::runtime_error(file + ".pragmas");
  execute(role == Role::reader ? reader : writer);
  execute(arguments.text("durability", "normal") == "full" ? "PRAGMA synchronous=FULL"
                                                           : "PRAGMA synchronous=NORMAL");
  std::size_t const pages = beast_cache::SQLiteOptions().checkpoint_pages();
  execute("PRAGMA wal_autocheckpoint=" + std::to_string(arguments.number("checkpoint-pages", pages)));
}

void RawDatabase::execute(std::string const& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail(db_);
}

std::string raw_read(RawStatement& select, std::string_view key) {
  select.bind_text(1, key);
  if (!select.step()) throw std::runtime_error("raw: a key is missing");
  std::string value(select.bytes(0));
  select.reset();
  return value;
}

void raw_write(RawStatement& upsert, std::string_view key, std::string_view value) {
  upsert.bind_text(1, key);
  upsert.bind_blob(2, value);
  upsert.bind(3, 0x7fffffff);
  upsert.run();
}

}  // namespace bench
