#include <limits>
#include <set>
#include <string>
#include <vector>

#include "backend/entry_slice.hpp"
#include "backend/sqlite_schema.hpp"
#include "backend/stored_responses.hpp"
#include "beast_cache/backend/cache_key.hpp"
#include "beast_cache/policy/cache_groups.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

namespace {

template <class Remove>
void remove_or_reindex(sqlite::Handle& handle, Remove const& remove) {
  try {
    remove();
    return;
  } catch (Error const& error) {
    if (error.code() != cache_errc::corrupt) throw;
  }
  // The damage is in a column that is indexed: SQLite does not find the row's entry. Left so, the row could
  // be neither removed nor replaced.
  handle.execute(sql::reindex);
  remove();
}

}  // namespace

void remove_row(sqlite::Handle& handle, std::int64_t id) {
  remove_or_reindex(handle, [&] { handle.statement(sql::remove_row).bind(1, id).run(); });
}

void remove_rows(sqlite::Handle& handle, std::vector<std::int64_t> const& ids) {
  constexpr std::size_t many = 256;
  static std::string const remove_many = [] {
    std::string sql = "DELETE FROM responses WHERE id IN (?";
    for (std::size_t i = 1; i < many; ++i) sql += ",?";
    return sql += ')';
  }();
  std::size_t at = 0;
  for (; ids.size() - at >= many; at += many) {
    remove_or_reindex(handle, [&] {
      sqlite::Statement remove = handle.statement(remove_many);
      for (std::size_t i = 0; i < many; ++i) remove.bind(static_cast<int>(i) + 1, ids[at + i]);
      remove.run();
    });
  }
  for (; at < ids.size(); ++at) remove_row(handle, ids[at]);
}

std::optional<SearchKey> find_search(sqlite::Handle& handle, Url const& url, AtRest const& at_rest) {
  std::string const path = SearchKey::path_of(url);
  sqlite::Statement rule = handle.statement(sql::search_rule);
  rule.bind_text(1, path);
  if (!rule.step()) return std::nullopt;
  std::optional<http::fields> const headers = ResponseRow::decode_fields(at_rest, rule.bytes(0));
  return headers ? SearchKey::of(url, *headers) : std::nullopt;
}

namespace {

// Of one path: to decode all heads of more than these would hold up those who write.
constexpr std::int64_t most_ruled = 16'384;

// What its query comes to by each No-Vary-Search that there is for the path: only the newest is looked up,
// but when that goes, it is another's turn. Nothing where there are too many responses to tell.
std::optional<std::set<std::string>> searches(sqlite::Handle& handle, Url const& url, std::string const& path,
                                              AtRest const& at_rest) {
  std::set<std::string> rules, found;
  sqlite::Statement rows = handle.statement(sql::search_rules);
  rows.bind_text(1, path).bind(2, most_ruled + 1);
  for (std::int64_t seen = 0; rows.step(); ++seen) {
    if (seen == most_ruled) return std::nullopt;
    std::optional<http::fields> const headers = ResponseRow::decode_fields(at_rest, rows.bytes(0));
    if (!headers) continue;
    std::string rule;
    auto const lines = headers->equal_range("No-Vary-Search");
    for (auto line = lines.first; line != lines.second; ++line) rule.append(line->value()).append(1, ',');
    if (!rules.insert(std::move(rule)).second) continue;
    std::optional<SearchKey> const search = SearchKey::of(url, *headers);
    if (search) found.insert(search->search());
  }
  return found;
}

void collect(sqlite::Handle& handle, char const* sql, int column, std::string const& key,
             std::vector<std::int64_t>& rows) {
  sqlite::Statement found = handle.statement(sql);
  found.bind_text(1, key);
  while (found.step()) rows.push_back(found.integer(column));
}

}  // namespace

bool remove_with_aliases(sqlite::Handle& handle, std::string const& key) {
  std::vector<std::int64_t> rows;
  collect(handle, sql::rows_of_url, 0, key, rows);
  remove_rows(handle, rows);
  handle.statement(sql::remove_alias).bind_text(1, key).run();
  bool const was_alias = handle.changes() != 0;
  handle.statement(sql::remove_aliases_to).bind_text(1, key).run();
  return was_alias || !rows.empty();
}

bool remove_others(sqlite::Handle& handle, Url const& url, AtRest const& at_rest) {
  std::string const url_key = create_key(url);
  handle.statement(sql::remove_own_keys).bind_text(1, url_key).run();
  bool const had_own_keys = handle.changes() != 0;
  std::vector<std::int64_t> rows;
  std::string const path = SearchKey::path_of(url);
  auto const found = searches(handle, url, path, at_rest);
  if (!found) {
    collect(handle, sql::rows_of_path, 0, path, rows);
  } else {
    for (std::string const& search : *found)
      collect(handle, sql::heads_by_search, ResponseRow::id_column, search, rows);
  }
  remove_rows(handle, rows);
  return had_own_keys || !rows.empty();
}

RemovedSlice remove_groups(sqlite::Handle& handle, Url const& origin, std::vector<std::string> const& groups,
                           AtRest const& at_rest, Walk& walk) {
  RemovedSlice slice;
  slice.last = walk.last();
  std::int64_t const end = walk.end(handle);
  std::vector<std::int64_t> rows;
  {
    std::string const place(origin.origin());
    sqlite::Statement grouped = handle.statement(sql::grouped);
    grouped.bind_text(1, place).bind(2, walk.last()).bind(3, end).bind(4, removed_rows);
    while (grouped.step()) {
      slice.last = grouped.integer(0);
      ++slice.seen;
      std::optional<http::fields> const headers = ResponseRow::decode_fields(at_rest, grouped.bytes(1));
      // What can't be read might have named one.
      if (!headers || policy::shares_group(*headers, groups)) rows.push_back(grouped.integer(0));
    }
  }
  remove_rows(handle, rows);
  slice.removed = rows.size();
  slice.is_last = slice.seen < static_cast<std::uint64_t>(removed_rows);
  return slice;
}

std::uint64_t remove_expired(sqlite::Handle& handle, TimePoint now, std::uint64_t most) {
  std::int64_t until = now.time_since_epoch().count();
  std::int64_t last = std::numeric_limits<std::int64_t>::max();
  std::uint64_t removed = 0;
  {
    sqlite::Statement after = handle.statement(sql::expired_after);
    after.bind(1, until).bind(2, static_cast<std::int64_t>(most) - 1);
    if (after.step()) {
      until = after.integer(0);
      last = after.integer(1);
      removed = most;
    }
  }
  if (removed == 0) {
    sqlite::Statement count = handle.statement(sql::count_expired);
    count.bind(1, until);
    if (count.step()) removed = static_cast<std::uint64_t>(count.integer(0));
  }
  remove_or_reindex(handle,
                    [&] { handle.statement(sql::remove_expired).bind(1, until).bind(2, last).run(); });
  if (removed < most) remove_lost_aliases(handle);
  return removed;
}

void clear_responses(sqlite::Handle& handle) {
  LargeBodies::clear(handle);
  handle.statement(sql::clear_redirects).run();
  handle.statement(sql::clear_pins).run();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
