#include "storage/sqlite/cache_table.hpp"

#include <algorithm>
#include <array>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

using detail::Guard;

constexpr std::size_t max_key_size = 512 * 1024;
// A page of a cursor: a batch that is worth its hop, and small beside the 16 MiB that a walk may take.
constexpr std::size_t page_bytes = 1 << 20;

std::string checked_name(std::string table) {
  if (table.empty() || table.find('\0') != std::string::npos) {
    throw Error(cache_errc::invalid_argument, "the table name is empty or holds a NUL byte");
  }
  std::string folded = table.substr(0, 12);
  for (char& c : folded) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  if (folded.starts_with("sqlite_") || folded.starts_with("beast_cache_")) {
    throw Error(cache_errc::invalid_argument, "table name " + table + ": that prefix is reserved");
  }
  return table;
}

std::string_view view(std::array<unsigned char, 32> const& bytes) noexcept {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

// What a string takes of a batch, beside its bytes.
constexpr std::size_t overhead = sizeof(std::string);

}  // namespace

CacheTable::CacheTable(std::string const& table, SQLiteOptions const& options, detail::StoreFormat format)
    : Schema(checked_name(table), format.kind() == detail::StoreFormat::Kind::sealed ? "sealed" : "plain", 1),
      format_(format),
      sealed_(format.kind() == detail::StoreFormat::Kind::sealed),
      max_value_size_(options.max_value_size()),
      guard_(options.secret_key(), options.salt(), table) {
  std::string const name = quoted(table);
  std::string const columns = sealed_ ? "value, NULL" : "value, \"check\"";
  select_ = "SELECT " + columns + " FROM " + name + " WHERE key = ?1";
  upsert_ = sealed_ ? "INSERT INTO " + name +
                          "(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = excluded.value"
                    : "INSERT INTO " + name +
                          "(key, value, \"check\") VALUES(?1, ?2, ?3) ON CONFLICT(key) DO UPDATE SET"
                          " value = excluded.value, \"check\" = excluded.\"check\"";
  contains_ = "SELECT 1 FROM " + name + " WHERE key = ?1";
  remove_ = "DELETE FROM " + name + " WHERE key = ?1";
  clear_ = "DELETE FROM " + name;
  count_ = "SELECT count(*) FROM " + name;
  page_ = "SELECT " + columns + ", key FROM " + name + " WHERE key > ?1 ORDER BY key";
  first_page_ = "SELECT " + columns + ", key FROM " + name + " ORDER BY key";
  page_keys_ = "SELECT key FROM " + name + " WHERE key > ?1 ORDER BY key";
  first_page_keys_ = "SELECT key FROM " + name + " ORDER BY key";
  scan_ =
      "SELECT " + columns + ", key, rowid FROM " + name + " WHERE rowid > ?1 AND rowid <= ?2 ORDER BY rowid";
  last_row_ = "SELECT coalesce(max(rowid), 0) FROM " + name;
  std::string const fed =
      " FROM beast_cache_feed(?1) AS feed LEFT JOIN " + name + " AS t ON t.key = feed.key";
  feed_ = (sealed_ ? "SELECT t.value, NULL" : "SELECT t.value, t.\"check\"") + fed;
  contains_feed_ = "SELECT t.rowid" + fed;
  position_ = "SELECT rowid, length(value), \"check\" FROM " + name + " WHERE key = ?1";
}

void CacheTable::create(Handle& handle) const {
  {
    Statement query = handle.statement(
        "SELECT 1 FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')");
    query.bind_text(1, name());
    if (query.step()) {
      throw Error(cache_errc::not_a_cache, handle.file() + ": table " + name() + " is not a cache's");
    }
  }
  // A rowid table: WITHOUT ROWID is slow with values of more than a few hundred bytes. The check comes before
  // the value, for what is behind a big value is found only by following the list of its pages. (Files in
  // which it comes last are as good.)
  handle.execute("CREATE TABLE " + quoted(name()) + "(key TEXT NOT NULL PRIMARY KEY, " +
                 (sealed_ ? "" : "\"check\" NOT NULL, ") + "value BLOB NOT NULL)");
}

void CacheTable::check_size(Handle& handle, std::string_view key, std::string_view value) const {
  if (key.size() <= max_key_size && value.size() <= max_value_size_) return;
  auto const what = [](std::size_t size, char const* limit, std::size_t most) {
    return std::to_string(size) + " bytes; " + limit + " is " + std::to_string(most);
  };
  throw Error(cache_errc::too_big,
              handle.file() + (key.size() > max_key_size
                                   ? ": key of " + what(key.size(), "the limit", max_key_size)
                                   : ": value of " + what(value.size(), "max_value_size", max_value_size_)));
}

std::string_view CacheTable::verified(Row const& row, std::string_view key) const {
  std::string_view const stored = row.bytes(0);
  if (sealed_) return guard_.unseal(format_.format(), format_.type(), key, stored);
  if (guard_.is_signing()) {
    if (!Guard::equal(row.bytes(1), view(guard_.signature(key, stored)))) {
      throw Error(cache_errc::bad_signature, "unsigned, or a wrong signature");
    }
  } else if (row.type(1) == SQLITE_BLOB) {
    throw Error(cache_errc::bad_signature, "a signed value; set secret_key to read it");
  } else if (row.type(1) != SQLITE_INTEGER || row.integer(1) != guard_.checksum(key, stored)) {
    throw Error(cache_errc::bad_value, "wrong checksum");
  }
  return stored;
}

std::string CacheTable::entry(Handle& handle, std::string_view key) const {
  constexpr std::size_t most = 256;
  std::string text = handle.file() + ", table " + name() + ": key ";
  return text.append(key.substr(0, most)).append(key.size() > most ? "..." : "");
}

void CacheTable::judge(Handle& handle, std::string_view key, Error const& error) const {
  if (error.code() == cache_errc::bad_signature) throw Error(error.code(), entry(handle, key));
  if (error.code() != cache_errc::bad_value) throw error;
  ++damaged_;
}

bool CacheTable::has(Handle& handle, std::string const& key) const {
  if (handle.feeds()) return !handle.feed(contains_feed_).find(key).is_null(0);
  Statement query = handle.statement(contains_);
  query.bind_text(1, key);
  return query.step();
}

void CacheTable::put(Handle& handle, std::string_view key, std::string_view value) const {
  check_size(handle, key, value);
  Statement upsert = handle.statement(upsert_);
  put(upsert, key, value);
}

void CacheTable::put(Statement& upsert, std::string_view key, std::string_view value) const {
  std::string sealed;
  std::array<unsigned char, 32> mac;
  upsert.bind_text(1, key);
  if (sealed_) {
    sealed = guard_.seal(format_.format(), format_.type(), key, value);
    upsert.bind_blob(2, sealed);
  } else {
    upsert.bind_blob(2, value);
    if (guard_.is_signing()) {
      mac = guard_.signature(key, value);
      upsert.bind_blob(3, view(mac));
    } else {
      upsert.bind(3, std::int64_t{guard_.checksum(key, value)});
    }
  }
  upsert.run();
  upsert.reset();
}

bool CacheTable::erase(Handle& handle, std::string const& key) const {
  Statement statement = handle.statement(remove_);
  statement.bind_text(1, key);
  statement.run();
  return handle.changes() != 0;
}

void CacheTable::apply(Handle& handle, detail::EntrySource const& source) const {
  Statement upsert = handle.statement(upsert_);
  std::string buffer;
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (i % 64 == 63) handle.check_cancelled();
    std::string const& key = source.key(i);
    buffer.clear();
    std::optional<std::string_view> const value = source.value(i, buffer);
    if (value) {
      check_size(handle, key, *value);
      put(upsert, key, *value);
    } else {
      erase(handle, key);
    }
  }
}

void CacheTable::clear(Handle& handle) const {
  handle.statement(clear_).run();
  handle.counts().emptied(name());
}

std::optional<std::uint64_t> CacheTable::stored_size(Handle& handle) const {
  Statement query = handle.statement("SELECT entries FROM beast_cache_tables WHERE name = ?1");
  query.bind_text(1, name());
  if (!query.step() || query.is_null(0)) return std::nullopt;
  return static_cast<std::uint64_t>(query.integer(0));
}

std::uint64_t CacheTable::count(Handle& handle) const {
  Statement query = handle.statement(count_);
  query.step();
  return static_cast<std::uint64_t>(query.integer(0));
}

std::uint64_t CacheTable::recount(Handle& handle) const {
  std::uint64_t const size = count(handle);
  Statement update = handle.statement("UPDATE beast_cache_tables SET entries = ?2 WHERE name = ?1");
  update.bind_text(1, name()).bind(2, static_cast<std::int64_t>(size)).run();
  return size;
}

void CacheTable::forget_size(Handle& handle) const {
  // All tables': the user's statements may touch any of them.
  handle.statement("UPDATE beast_cache_tables SET entries = NULL WHERE entries IS NOT NULL").run();
}

void CacheTable::page(Handle& handle, std::optional<std::string> const& after, std::size_t limit,
                      detail::ValueSink const& sink) const {
  Statement query = handle.statement(after ? page_ : first_page_);
  if (after) query.bind_text(1, *after);
  std::size_t count = 0, bytes = 0, rows = 0;
  while (count < limit && bytes < page_bytes && query.step()) {
    if (++rows % 256 == 0) handle.check_cancelled();
    std::string_view const key = query.bytes(2);
    bool const good = take(handle, query, key, [&](std::string_view value) {
      bytes += key.size() + value.size() + 2 * overhead;
      sink(count, key, value);
    });
    if (good) ++count;  // one that is damaged is skipped, so that a page is empty only at the end
  }
}

CacheTable::KeyPage CacheTable::page_keys(Handle& handle, std::optional<std::string> const& after,
                                          KeyPage memory) const {
  Statement query = handle.statement(after ? page_keys_ : first_page_keys_);
  if (after) query.bind_text(1, *after);
  KeyPage page = std::move(memory);
  page.clear();
  std::size_t bytes = 0;
  while (bytes < page_bytes) {
    page.is_last = !query.step();
    if (page.is_last) break;
    std::string_view const key = query.bytes(0);
    page.add(key);
    bytes += key.size() + overhead;
  }
  return page;
}

std::vector<std::string> CacheTable::KeyPage::keys() const {
  std::vector<std::string> keys;
  keys.reserve(sizes_.size());
  std::size_t at = 0;
  for (std::uint32_t const size : sizes_) {
    keys.emplace_back(bytes_, at, size);
    at += size;
  }
  return keys;
}

bool CacheTable::scan(Handle& handle, detail::ScanPosition& position, detail::ValueSink const& sink) const {
  if (!position.end) {
    Statement last = handle.statement(last_row_);
    position.end = last.step() ? last.integer(0) : 0;
  }
  Statement query = handle.statement(scan_);
  query.bind(1, position.row).bind(2, *position.end);
  std::size_t count = 0, bytes = 0;
  while (bytes < page_bytes) {
    if (!query.step()) return false;
    if (++count % 256 == 0) handle.check_cancelled();
    position.row = query.integer(3);
    std::string_view const key = query.bytes(2);
    take(handle, query, key, [&](std::string_view value) {
      bytes += key.size() + value.size() + 2 * overhead;
      sink(count, key, value);
    });
  }
  return true;
}

bool CacheTable::open(Handle& handle, Pieces& pieces) const {
  Statement query = handle.statement(position_);
  query.bind_text(1, pieces.key);
  if (!query.step()) return false;
  pieces.row = query.integer(0);
  pieces.size = static_cast<std::uint64_t>(query.integer(1));
  if (guard_.is_signing() != (query.type(2) == SQLITE_BLOB)) {
    judge(handle, pieces.key,
          Error(cache_errc::bad_signature,
                guard_.is_signing() ? "an unsigned value" : "a signed value; set secret_key to read it"));
  }
  pieces.check = query.bytes(2);
  pieces.running = std::make_unique<Guard::Running>(guard_, pieces.key, pieces.size);
  return true;
}

void CacheTable::check_unchanged(Handle& handle, Pieces& pieces) const {
  Statement query = handle.statement(position_);
  query.bind_text(1, pieces.key);
  bool const same = query.step() && query.integer(0) == pieces.row &&
                    static_cast<std::uint64_t>(query.integer(1)) == pieces.size &&
                    query.bytes(2) == pieces.check;
  pieces.bad = !same;
  if (!same) throw Error(cache_errc::changed, entry(handle, pieces.key));
}

void CacheTable::read(Handle& handle, Pieces& pieces, char* buffer, std::size_t size) const {
  sqlite3_blob* raw = nullptr;
  int result = sqlite3_blob_open(handle.raw(), "main", name().c_str(), "value", pieces.row, 0, &raw);
  std::unique_ptr<sqlite3_blob, int (*)(sqlite3_blob*)> const blob(raw, sqlite3_blob_close);
  // In steps, so that the check finds the bytes in the processor's cache.
  constexpr std::size_t step_size = 64 * 1024;
  for (std::size_t done = 0, step = 0; result == SQLITE_OK && done < size; done += step) {
    step = std::min(step_size, size - done);
    result = sqlite3_blob_read(raw, buffer + done, static_cast<int>(step), static_cast<int>(pieces.offset));
    pieces.bad = result != SQLITE_OK;  // there is no beginning again in the middle
    if (pieces.bad) break;
    pieces.running->update({buffer + done, step});
    pieces.offset += step;
  }
  if (result != SQLITE_OK) raise(handle.raw(), result, handle.file(), position_.c_str());
  handle.note_bytes(size);
  if (pieces.offset < pieces.size) return;
  bool good = false;
  if (guard_.is_signing()) {
    good = Guard::equal(pieces.check, view(pieces.running->signature()));
  } else {
    // As text, as SQLite gives an INTEGER whose bytes are asked for.
    good = pieces.check == std::to_string(pieces.running->checksum());
  }
  if (good) return;
  pieces.bad = true;
  ++damaged_;
  throw Error(guard_.is_signing() ? cache_errc::bad_signature : cache_errc::bad_value,
              entry(handle, pieces.key));
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
