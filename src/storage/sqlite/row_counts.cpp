#include "storage/sqlite/row_counts.hpp"

#include <algorithm>

#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

void RowCounts::watch(sqlite3* db, std::vector<std::string> const& tables) {
  for (std::size_t i = tables_.size(); i < tables.size(); ++i) tables_.push_back({tables[i], {}, {}, {}});
  if (!tables_.empty()) sqlite3_update_hook(db, &RowCounts::changed, this);
}

void RowCounts::changed(void* self, int operation, char const*, char const* name, sqlite3_int64) noexcept {
  auto& counts = *static_cast<RowCounts*>(self);
  for (Table& table : counts.tables_) {
    if (sqlite3_stricmp(table.name.c_str(), name) != 0) continue;
    ++counts.touched_;
    if (operation != SQLITE_UPDATE) table.now.rows += operation == SQLITE_INSERT ? 1 : -1;
    return;
  }
}

void RowCounts::mark() noexcept {
  for (Table& table : tables_) table.marked = table.now;
}

void RowCounts::undo() noexcept {
  for (Table& table : tables_) table.now = table.marked;
}

void RowCounts::mark(int depth) {
  for (Table& table : tables_) {
    table.nested.resize(static_cast<std::size_t>(depth));
    table.nested.back() = table.now;
  }
}

void RowCounts::undo(int depth) noexcept {
  auto const at = static_cast<std::size_t>(depth) - 1;
  for (Table& table : tables_) table.now = at < table.nested.size() ? table.nested[at] : Difference();
}

void RowCounts::reset() noexcept {
  for (Table& table : tables_) {
    table.now = Difference();
    table.nested.clear();
  }
}

void RowCounts::emptied(std::string const& name) noexcept {
  for (Table& table : tables_) {
    if (sqlite3_stricmp(table.name.c_str(), name.c_str()) == 0) table.now = {0, Difference::empty};
  }
}

void RowCounts::write(Handle& handle) {
  for (Table& table : tables_) {
    if (table.now.none()) continue;
    Statement update = handle.statement(
        "UPDATE beast_cache_tables SET entries = CASE ?3 WHEN 0 THEN entries + ?2 ELSE ?2 END"
        " WHERE name = ?1");
    update.bind_text(1, table.name).bind(2, table.now.rows).bind(3, std::int64_t{table.now.base}).run();
  }
  reset();
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
