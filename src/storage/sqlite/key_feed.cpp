#include "storage/sqlite/key_feed.hpp"

#include <new>
#include <utility>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

constexpr char pointer_type[] = "beast_cache_feed";
enum Column : int { key_column, feed_column };

struct Cursor : sqlite3_vtab_cursor {
  KeyFeed* feed = nullptr;
};

int connect(sqlite3* db, void*, int, char const* const*, sqlite3_vtab** table, char**) {
  *table = new (std::nothrow) sqlite3_vtab{};
  if (!*table) return SQLITE_NOMEM;
  return sqlite3_declare_vtab(db, "CREATE TABLE feed(key TEXT, feed HIDDEN)");
}

int disconnect(sqlite3_vtab* table) {
  delete table;
  return SQLITE_OK;
}

int best_index(sqlite3_vtab*, sqlite3_index_info* info) {
  for (int i = 0; i < info->nConstraint; ++i) {
    auto const& constraint = info->aConstraint[i];
    if (constraint.iColumn != feed_column || constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) continue;
    if (!constraint.usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    info->estimatedCost = 1;
    return SQLITE_OK;
  }
  return SQLITE_CONSTRAINT;
}

int open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) {
  auto* const fresh = new (std::nothrow) Cursor;
  *cursor = fresh;
  return fresh ? SQLITE_OK : SQLITE_NOMEM;
}

int close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}

int filter(sqlite3_vtab_cursor* cursor, int, char const*, int, sqlite3_value** values) {
  auto* const self = static_cast<Cursor*>(cursor);
  self->feed = static_cast<KeyFeed*>(sqlite3_value_pointer(values[0], pointer_type));
  if (!self->feed) return SQLITE_MISUSE;
  self->feed->asked();
  return SQLITE_OK;
}

// There is always one more key.
int next(sqlite3_vtab_cursor* cursor) {
  static_cast<Cursor*>(cursor)->feed->asked();
  return SQLITE_OK;
}
int at_end(sqlite3_vtab_cursor*) {
  return 0;
}

int column(sqlite3_vtab_cursor* cursor, sqlite3_context* context, int index) {
  if (index != key_column) return SQLITE_OK;
  std::optional<std::string_view> const key = static_cast<Cursor*>(cursor)->feed->key();
  if (key)
    sqlite3_result_text64(context, key->data() ? key->data() : "", key->size(), SQLITE_STATIC, SQLITE_UTF8);
  return SQLITE_OK;
}

int row_id(sqlite3_vtab_cursor*, sqlite3_int64* row) {
  *row = 0;
  return SQLITE_OK;
}

// Eponymous: no xCreate.
sqlite3_module make_module() {
  sqlite3_module module{};
  module.xConnect = connect;
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xOpen = open;
  module.xClose = close;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = row_id;
  return module;
}

sqlite3_module const module = make_module();

}  // namespace

int KeyFeed::enable(sqlite3* db) noexcept {
  return sqlite3_create_module_v2(db, "beast_cache_feed", &module, nullptr, nullptr);
}

KeyFeed::KeyFeed(Handle& handle, std::string_view sql) : handle_(handle), sql_(sql) {
  int result = sqlite3_prepare_v3(handle.raw(), sql_.data(), static_cast<int>(sql_.size()),
                                  SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (result == SQLITE_OK) result = sqlite3_bind_pointer(statement_, 1, this, pointer_type, nullptr);
  if (result == SQLITE_OK) return;
  sqlite3_finalize(statement_);
  raise(handle.raw(), result, handle.file(), sql_.c_str());
}

KeyFeed::~KeyFeed() {
  sqlite3_finalize(statement_);
}

Row KeyFeed::find(std::string_view key) {
  key_ = key;
  step();
  return Row(handle_, statement_);
}

Row KeyFeed::first(std::string_view key) {
  // What is left of the key before would be compared with that, which may be gone.
  if (!std::exchange(all_seen_, false)) end();
  return find(key);
}

// A key that is NULL has no rows: it stands behind those of the last one until the next one is known.
bool KeyFeed::next() {
  key_.reset();
  step();
  all_seen_ = asked_;
  return !all_seen_;
}

void KeyFeed::step() {
  running_ = true;
  asked_ = false;
  int const result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return;
  end();
  raise(handle_.raw(), result, handle_.file(), sql_.c_str());
}

void KeyFeed::end() noexcept {
  if (!running_) return;
  running_ = false;
  sqlite3_reset(statement_);
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
