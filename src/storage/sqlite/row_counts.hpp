#pragma once
// How many rows the tables of caches have, kept in the catalogue so that size() need not count them. SQLite's
// update hook tells of every row that a handle inserts or deletes, by whichever statement; the difference is
// written with the transaction that made it.

#include <sqlite3.h>

#include <cstdint>
#include <string>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class Handle;

class RowCounts {
 public:
  RowCounts() = default;
  RowCounts(RowCounts const&) = delete;
  RowCounts& operator=(RowCounts const&) = delete;

  // From now on these tables are counted, the ones so far among them.
  void watch(sqlite3* db, std::vector<std::string> const& tables);
  std::size_t watched() const noexcept { return tables_.size(); }

  // Around one of several jobs in a transaction: undo() takes back what was counted since mark().
  void mark() noexcept;
  void undo() noexcept;
  // The same around the savepoint of a bulk's nested scope, of which there may be one at each depth from 1
  // on.
  void mark(int depth);
  void undo(int depth) noexcept;
  // The transaction was rolled back.
  void reset() noexcept;

  // DELETE without WHERE does not tell its rows to the hook.
  void emptied(std::string const& table) noexcept;

  // How often the hook was told of rows of the tables that are counted.
  std::int64_t touched() const noexcept { return touched_; }

  // Before the commit.
  void write(Handle& handle);

 private:
  struct Difference {
    std::int64_t rows = 0;
    enum Base { stored, empty } base = stored;
    bool none() const noexcept { return rows == 0 && base == stored; }
  };
  struct Table {
    std::string name;
    Difference now, marked;
    std::vector<Difference> nested;
  };

  static void changed(void* self, int operation, char const* database, char const* table,
                      sqlite3_int64 row) noexcept;

  std::vector<Table> tables_;
  std::int64_t touched_ = 0;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
