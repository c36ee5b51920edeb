#include "backend/entry_slice.hpp"

#include "backend/sqlite_schema.hpp"
#include "backend/stored_responses.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

std::optional<TimePoint> time_of(sqlite::Statement const& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return TimePoint(std::chrono::milliseconds(row.integer(column)));
}

}  // namespace

std::int64_t Walk::end(sqlite::Handle& handle) {
  if (!end_) {
    sqlite::Statement last = handle.statement(sql::last_row);
    end_ = last.step() ? last.integer(0) : 0;
  }
  return *end_;
}

EntrySlice read_slice(sqlite::Handle& handle, EntryFilter const& filter, Walk& walk, std::int64_t most) {
  EntrySlice slice;
  slice.last = walk.last();
  std::int64_t const end = walk.end(handle);
  sqlite::Statement rows = handle.statement(sql::entries_between);
  rows.bind(1, walk.last()).bind(2, end).bind(3, most);
  while (rows.step()) {
    slice.last = rows.integer(0);
    ++slice.seen;
    std::optional<Url> url = Url::parse(rows.bytes(1));
    if (!url) continue;  // damaged: found when its URL is looked up
    StoredEntry entry(std::move(*url), http::string_to_verb(rows.bytes(2)),
                      static_cast<unsigned>(rows.integer(3)), static_cast<std::uint64_t>(rows.integer(4)),
                      time_of(rows, 5), time_of(rows, 6), rows.integer(7) != 0);
    if (!filter.matches(entry)) continue;
    slice.entries.push_back(std::move(entry));
    slice.ids.push_back(slice.last);
  }
  return slice;
}

void remove_lost_aliases(sqlite::Handle& handle) {
  handle.statement(sql::remove_lost_aliases).run();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
