#include "backend/sqlite_schema.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "backend/digest.hpp"
#include "backend/large_bodies.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

namespace {

// Whichever key is not that of its row's URL is one of its own.
void note_url_keys(sqlite::Handle& handle) {
  std::vector<std::pair<std::int64_t, std::string>> own;
  std::int64_t last = std::numeric_limits<std::int64_t>::min();
  for (bool more = true; more;) {
    more = false;
    {
      sqlite::Statement urls = handle.statement(sql::urls_after);
      urls.bind(1, last);
      while (urls.step()) {
        more = true;
        last = urls.integer(0);
        std::string key = sha256_hex(urls.bytes(2));
        if (urls.bytes(1) != key) own.emplace_back(last, std::move(key));
      }
    }
    for (auto const& [id, key] : own) handle.statement(sql::set_url_key).bind_text(1, key).bind(2, id).run();
    own.clear();
  }
}

}  // namespace

void ResponseSchema::create(sqlite::Handle& handle) const {
  {
    sqlite::Statement foreign = handle.statement(sql::foreign_tables);
    if (foreign.step())
      throw Error(cache_errc::not_a_cache, handle.file() + ": its table " + std::string(foreign.bytes(0)) +
                                               " is not one of responses; choose another file");
  }
  handle.execute(sql::create);
  handle.execute(sql::create_pins);
  handle.execute(sql::create_views);
  handle.execute(sql::create_secret);
  LargeBodies::create(handle);
  if (!key_check_.empty()) handle.statement(sql::store_secret).bind_text(1, key_check_).run();
}

void ResponseSchema::migrate(sqlite::Handle& handle, int from) const {
  if (from < 1 || from > 6) return Schema::migrate(handle, from);
  handle.execute(sql::migrate_6);
  if (from == 1) {
    handle.execute(sql::migrate_1);
    handle.execute(sql::create);
    handle.execute(sql::copy_1);
  } else if (from == 2) {
    handle.execute(sql::migrate_2);
    handle.execute(sql::migrate_3);
  } else if (from == 3) {
    handle.execute(sql::migrate_3);
    handle.execute(sql::migrate_3_chunks);
  }
  if (from < 5) handle.execute(sql::create_pins);
  if (from < 4) handle.execute(sql::create_secret);
  if (from < 3) LargeBodies::create(handle);
  if (from > 1 && from < 6) handle.execute(sql::migrate_5);
  if (from < 6) note_url_keys(handle);
  handle.execute(sql::create_views);
}

void ResponseSchema::check(sqlite::Handle& handle) const {
  sqlite::Statement select = handle.statement(sql::secret);
  bool const is_encrypted = select.step();
  if (is_encrypted ? select.bytes(0) == key_check_ : key_check_.empty()) return;
  std::string const what = key_check_.empty() ? "it is encrypted; give CacheOptions::encryption_key"
                           : is_encrypted     ? "it is encrypted with another key"
                                              : "it is not encrypted; choose another file";
  throw Error(cache_errc::wrong_key, handle.file() + ": " + what);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
