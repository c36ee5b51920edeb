#pragma once
// The tables of SQLiteBackend, which sqlite_format.hpp describes, and every statement that it runs.
//
// With the body in a table column of its own, updating a head rewrites the record; the checksum is in two
// parts so that it can be done without reading the body.

#include "beast_cache/backend/sqlite_format.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Both tables at once: they are used in one transaction.
class ResponseSchema final : public sqlite::Schema {
 public:
  // @param key_check What `AtRest` makes of the key.
  explicit ResponseSchema(std::string key_check)
      : Schema("responses", "http responses", sqlite_format_version), key_check_(std::move(key_check)) {}
  // Throws Error(not_a_cache) when there are tables of these names that are not ours.
  void create(sqlite::Handle& handle) const override;
  void migrate(sqlite::Handle& handle, int from) const override;
  // Throws Error(wrong_key).
  void check(sqlite::Handle& handle) const override;

 private:
  std::string const key_check_;
};

namespace sql {

// The order of the columns is that of ResponseRow's bind and read functions. The body comes last: what is in
// front of it can be read without its pages. A small one is read with its head.
inline constexpr char create[] =
    "CREATE TABLE responses("
    "id INTEGER PRIMARY KEY, key TEXT NOT NULL, variant TEXT NOT NULL, url TEXT NOT NULL, method TEXT NOT "
    "NULL, "
    "status INTEGER NOT NULL, reason TEXT NOT NULL, version INTEGER NOT NULL, headers TEXT NOT NULL, "
    "vary_headers TEXT NOT NULL, principal TEXT NOT NULL, request_time INTEGER NOT NULL, "
    "response_time INTEGER NOT NULL, created_at INTEGER, expires_at INTEGER, expires_override INTEGER, "
    "expires_fallback INTEGER, size INTEGER NOT NULL, body_checksum TEXT NOT NULL, parts TEXT NOT NULL, "
    "checksum TEXT NOT NULL, group_origin TEXT, path_key TEXT, search_key TEXT, url_key TEXT, body BLOB "
    "NOT NULL, body_id INTEGER, coding INTEGER NOT NULL DEFAULT 0, UNIQUE(key, variant));"
    "CREATE INDEX responses_expires_at ON responses(expires_at);"
    "CREATE INDEX responses_group_origin ON responses(group_origin) WHERE group_origin IS NOT NULL;"
    "CREATE INDEX responses_path_key ON responses(path_key) WHERE path_key IS NOT NULL;"
    "CREATE INDEX responses_search_key ON responses(search_key) WHERE search_key IS NOT NULL;"
    "CREATE INDEX responses_url_key ON responses(url_key) WHERE url_key IS NOT NULL;"
    "CREATE TABLE redirects("
    "id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, target_key TEXT NOT NULL, url TEXT NOT NULL, "
    "target_url TEXT NOT NULL);"
    "CREATE INDEX redirects_target_key ON redirects(target_key);";
inline constexpr char create_pins[] =
    "CREATE TABLE responses_pins(key TEXT PRIMARY KEY, url TEXT NOT NULL) WITHOUT ROWID;";
inline constexpr char create_views[] =
    "CREATE VIEW v_entries AS SELECT url, substr(url, instr(url, '://') + 3, instr(substr(url, instr(url, "
    "'://') + 3) || '/', '/') - 1) AS host, method, status, size, datetime(created_at / 1000, 'unixepoch') "
    "AS "
    "created, CASE expires_at WHEN 9223372036854775807 THEN 'never' ELSE datetime(expires_at / 1000, "
    "'unixepoch') END AS expires, expires_at <= unixepoch() * 1000 AS stale, EXISTS(SELECT 1 FROM "
    "responses_pins WHERE key IN (responses.key, responses.url_key)) AS pinned FROM responses;"
    "CREATE VIEW v_hosts AS SELECT host, count(*) AS entries, sum(size) AS bytes, sum(stale) AS stale FROM "
    "v_entries GROUP BY host ORDER BY bytes DESC;";
inline constexpr char create_secret[] = "CREATE TABLE responses_secret(key_check TEXT NOT NULL);";
inline constexpr char store_secret[] = "INSERT INTO responses_secret VALUES(?1)";
inline constexpr char secret[] = "SELECT key_check FROM responses_secret";
// Version 5 did not know the URLs of responses with keys of their own.
inline constexpr char migrate_5[] =
    "ALTER TABLE responses ADD COLUMN url_key TEXT;"
    "CREATE INDEX responses_url_key ON responses(url_key) WHERE url_key IS NOT NULL;";
inline constexpr char urls_after[] =
    "SELECT id, key, url FROM responses WHERE id > ?1 ORDER BY id LIMIT 1000";
inline constexpr char set_url_key[] = "UPDATE responses SET url_key = ?1 WHERE id = ?2";
// The views and triggers of version 6 know of pins by `key` alone, those of version 4 of none. The queue is
// made anew by the next store.
inline constexpr char migrate_6[] =
    "DROP VIEW IF EXISTS v_hosts; DROP VIEW IF EXISTS v_entries;"
    "DROP TRIGGER IF EXISTS responses_stored; DROP TRIGGER IF EXISTS responses_removed;"
    "DROP TRIGGER IF EXISTS responses_pinned; DROP TRIGGER IF EXISTS responses_unpinned;"
    "DROP TABLE IF EXISTS responses_queue; DROP TABLE IF EXISTS responses_queue_sums;";
// Version 3 had nothing coded.
inline constexpr char migrate_3[] = "ALTER TABLE responses ADD COLUMN coding INTEGER NOT NULL DEFAULT 0;";
inline constexpr char migrate_3_chunks[] =
    "ALTER TABLE responses_chunks ADD COLUMN coding INTEGER NOT NULL DEFAULT 0;";
// Version 2 had no large bodies and no views.
inline constexpr char migrate_2[] = "ALTER TABLE responses ADD COLUMN body_id INTEGER;";

// Version 1 had no parts, no groups and no search keys either.
inline constexpr char migrate_1[] =
    "DROP INDEX responses_expires_at; DROP INDEX redirects_target_key;"
    "ALTER TABLE responses RENAME TO responses_1; ALTER TABLE redirects RENAME TO redirects_1;";
inline constexpr char copy_1[] =
    "INSERT INTO responses SELECT id, key, variant, url, method, status, reason, version, headers, "
    "vary_headers, "
    "principal, request_time, response_time, created_at, expires_at, expires_override, expires_fallback, "
    "size, "
    "body_checksum, '', checksum, NULL, NULL, NULL, NULL, body, NULL, 0 FROM responses_1;"
    "INSERT INTO redirects SELECT id, key, target_key, url, target_url FROM redirects_1;"
    "DROP TABLE responses_1; DROP TABLE redirects_1;";

inline constexpr char foreign_tables[] =
    "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name COLLATE NOCASE IN ('responses', "
    "'redirects', 'responses_bodies', 'responses_chunks', 'responses_secret', 'responses_pins', 'v_entries', "
    "'v_hosts', 'responses_queue', 'responses_queue_sums') LIMIT 1";

// A body comes with its head where it is small, and may be the answer.
#define BEAST_CACHE_HEAD_COLUMNS(with_body)                                                                 \
  "SELECT id, url, method, status, reason, version, headers, vary_headers, principal, request_time, "       \
  "response_time, created_at, expires_at, expires_override, expires_fallback, size, body_checksum, parts, " \
  "checksum, body_id, CASE WHEN " with_body " THEN coding END, CASE WHEN " with_body " THEN body END FROM "
#define BEAST_CACHE_OF_PRINCIPAL "size <= 32768 AND principal = ?2"
inline constexpr char heads[] = BEAST_CACHE_HEAD_COLUMNS(BEAST_CACHE_OF_PRINCIPAL) "responses WHERE key = ?1";
inline constexpr char heads_by_search[] =
    BEAST_CACHE_HEAD_COLUMNS(BEAST_CACHE_OF_PRINCIPAL) "responses WHERE search_key = ?1";
inline constexpr char head[] =
    BEAST_CACHE_HEAD_COLUMNS("size <= 32768") "responses WHERE id = ?1 AND key = ?2";
// For a sqlite::KeyFeed, which can't tell the keys apart in a scan of the table: so the index is named.
inline constexpr char heads_fed[] = BEAST_CACHE_HEAD_COLUMNS("size <= 32768")
    "beast_cache_feed(?1) AS fed LEFT JOIN responses INDEXED BY sqlite_autoindex_responses_1 "
    "ON responses.key = fed.key";
inline constexpr char has_path_fed[] =
    "SELECT EXISTS(SELECT 1 FROM responses WHERE path_key = fed.key) FROM beast_cache_feed(?1) AS fed";
#undef BEAST_CACHE_OF_PRINCIPAL
#undef BEAST_CACHE_HEAD_COLUMNS
inline constexpr char search_rule[] =
    "SELECT headers FROM responses WHERE path_key = ?1 ORDER BY id DESC LIMIT 1";
inline constexpr char search_rules[] =
    "SELECT headers FROM responses WHERE path_key = ?1 ORDER BY id DESC LIMIT ?2";
inline constexpr char rows_of_path[] = "SELECT id FROM responses WHERE path_key = ?1";
inline constexpr char body_form[] = "SELECT coding, length(body) FROM responses WHERE id = ?1";
inline constexpr char body[] = "SELECT body FROM responses WHERE id = ?1";

// REPLACE gives the row a new id: what is stored last is the newest.
inline constexpr char store[] =
    "INSERT OR REPLACE INTO responses(url, method, status, reason, version, headers, vary_headers, "
    "principal, "
    "request_time, response_time, created_at, expires_at, expires_override, expires_fallback, size, "
    "body_checksum, parts, group_origin, path_key, search_key, url_key, checksum, key, variant, body, "
    "body_id, coding) "
    "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, "
    "?22, ?23, ?24, ?25, ?26, ?27)";
inline constexpr char count_variants[] = "SELECT count(*) FROM responses WHERE key = ?1";
inline constexpr char drop_oldest[] =
    "DELETE FROM responses WHERE id IN (SELECT id FROM responses WHERE key = ?1 "
    "ORDER BY response_time DESC, id DESC LIMIT -1 OFFSET ?2)";
inline constexpr char count_variants_of_principal[] =
    "SELECT count(*) FROM responses WHERE key = ?1 AND principal = ?2";
inline constexpr char drop_oldest_of_principal[] =
    "DELETE FROM responses WHERE id IN (SELECT id FROM responses WHERE key = ?1 AND principal = ?3 "
    "ORDER BY response_time DESC, id DESC LIMIT -1 OFFSET ?2)";

inline constexpr char variants_after[] =
    "SELECT key, variant, size FROM responses WHERE (key, variant) > (?1, ?2) ORDER BY key, variant LIMIT ?3";
inline constexpr char variant_keys_after[] =
    "SELECT key, variant, 0 FROM responses WHERE (key, variant) > (?1, ?2) ORDER BY key, variant LIMIT ?3";
inline constexpr char count_responses[] = "SELECT count(*) FROM responses";
inline constexpr char find_variant[] =
    "SELECT id, size, body_checksum FROM responses WHERE key = ?1 AND variant = ?2";
inline constexpr char find_times[] =
    "SELECT response_time, status FROM responses WHERE key = ?1 AND variant = ?2";
inline constexpr char freshen[] =
    "UPDATE responses SET url = ?1, method = ?2, status = ?3, reason = ?4, version = ?5, headers = ?6, "
    "vary_headers = ?7, principal = ?8, request_time = ?9, response_time = ?10, created_at = ?11, "
    "expires_at = ?12, expires_override = ?13, expires_fallback = ?14, size = ?15, body_checksum = ?16, "
    "parts = ?17, group_origin = ?18, path_key = ?19, search_key = ?20, url_key = ?21, checksum = ?22 WHERE "
    "id = ?23";

inline constexpr char last_row[] = "SELECT coalesce(max(id), 0) FROM responses";
inline constexpr char entries_between[] =
    "SELECT id, url, method, status, size, created_at, expires_at, EXISTS(SELECT 1 FROM responses_pins WHERE "
    "key IN (responses.key, responses.url_key)) FROM responses WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT "
    "?3";
inline constexpr char keys_between[] =
    "SELECT id, key FROM responses WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3";
inline constexpr char key_of_row[] = "SELECT key FROM responses WHERE id = ?1";
inline constexpr char grouped[] =
    "SELECT id, headers FROM responses WHERE group_origin = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4";
inline constexpr char store_alias[] =
    "INSERT INTO redirects(key, target_key, url, target_url) VALUES(?1, ?2, ?3, ?4) "
    "ON CONFLICT(key) DO UPDATE SET target_key = ?2, target_url = ?4";
inline constexpr char alias[] = "SELECT target_url FROM redirects WHERE key = ?1";
inline constexpr char aliases_after[] =
    "SELECT url, target_url FROM redirects WHERE url > ?1 ORDER BY url LIMIT ?2";
inline constexpr char count_redirects[] = "SELECT count(*) FROM redirects";
inline constexpr char count_aliases[] = "SELECT count(*) FROM redirects WHERE target_key = ?1";
inline constexpr char drop_oldest_aliases[] =
    "DELETE FROM redirects WHERE id IN (SELECT id FROM redirects WHERE target_key = ?1 "
    "ORDER BY id DESC LIMIT -1 OFFSET ?2)";
inline constexpr char pin[] = "INSERT OR IGNORE INTO responses_pins(key, url) VALUES(?1, ?2)";
inline constexpr char unpin[] = "DELETE FROM responses_pins WHERE key = ?1";
inline constexpr char clear_pins[] = "DELETE FROM responses_pins";
inline constexpr char remove_row[] = "DELETE FROM responses WHERE id = ?1";
inline constexpr char reindex[] = "REINDEX responses";
inline constexpr char rows_of_url[] = "SELECT id FROM responses WHERE key = ?1";
inline constexpr char remove_own_keys[] = "DELETE FROM responses WHERE url_key = ?1";
inline constexpr char remove_alias[] = "DELETE FROM redirects WHERE key = ?1";
inline constexpr char remove_aliases_to[] = "DELETE FROM redirects WHERE target_key = ?1";
inline constexpr char has_url[] =
    "SELECT EXISTS(SELECT 1 FROM responses WHERE key = ?1) OR EXISTS(SELECT 1 FROM responses WHERE url_key = "
    "?2) OR EXISTS(SELECT 1 FROM redirects JOIN responses "
    "ON responses.key = redirects.target_key WHERE redirects.key = ?1)";
// Up to one of them in the order of their index, which is all that is read to find them. (With their ids
// from a query of its own, SQLite looks up each row once more.)
inline constexpr char expired_after[] =
    "SELECT expires_at, id FROM responses WHERE expires_at <= ?1 ORDER BY expires_at, id LIMIT 1 OFFSET ?2";
inline constexpr char count_expired[] = "SELECT count(*) FROM responses WHERE expires_at <= ?1";
inline constexpr char remove_expired[] =
    "DELETE FROM responses WHERE expires_at <= ?1 AND (expires_at < ?1 OR id <= ?2)";
inline constexpr char remove_lost_aliases[] =
    "DELETE FROM redirects WHERE NOT EXISTS (SELECT 1 FROM responses WHERE key = redirects.target_key)";
inline constexpr char clear_redirects[] = "DELETE FROM redirects";

}  // namespace sql

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
