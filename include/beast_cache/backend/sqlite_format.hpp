#pragma once
// clang-format off
/// The file of a `SQLiteBackend`, for those who read it with other programs. Reading it while it is in use is
/// safe (`sqlite3 -readonly`); what writes to it should be this library: the checksums tell.
///
/// Times are milliseconds since 1970 (UTC): `datetime(expires_at / 1000, 'unixepoch')` shows one;
/// 9223372036854775807 is never, NULL not set. Checksums are hexadecimal: CRC-32C, or with
/// `SQLiteOptions::secret_key` HMAC-SHA-256. They are of the bytes as they came. For people there are the views
/// `v_entries` and `v_hosts`, with readable times. A table `cache` and others may be in the same file: those
/// of `SQLiteCache`. `beast_cache_tables` says of each table of the library what it is, and in which version.
///
/// `responses`: one row for each variant of a stored response
///
/// | column | type | meaning |
/// |---|---|---|
/// | `id` | INTEGER | row number; of two rows the later one was stored later |
/// | `key` | TEXT | `create_key(url)`, or `create_key(request, options)` where that differs: 64 digits |
/// | `variant` | TEXT | `create_variant()`: what tells the rows with one key apart |
/// | `url` | TEXT | normalised, without user information |
/// | `method` | TEXT | of the request that brought it: GET, HEAD, or of a query by its body |
/// | `status` | INTEGER | of the status line, as the next two |
/// | `reason` | TEXT | |
/// | `version` | INTEGER | 11 or 10 |
/// | `headers` | TEXT | the header block, `Name: value` CR LF for each line |
/// | `vary_headers` | TEXT | the same of the request's fields that Vary names |
/// | `principal` | TEXT | keyed hash of the request's Authorization; empty without one |
/// | `request_time` | INTEGER | when the request was sent |
/// | `response_time` | INTEGER | when the head arrived |
/// | `created_at` | INTEGER | when the response was first stored |
/// | `expires_at` | INTEGER | when it stops being fresh |
/// | `expires_override` | INTEGER | the user's `expire_after`, as a time |
/// | `expires_fallback` | INTEGER | the user's default, as a time |
/// | `size` | INTEGER | the body's length in bytes |
/// | `body_checksum` | TEXT | of the body; where it is in pieces, `chunks:` and its `token` |
/// | `parts` | TEXT | of a stored 206: the ranges that the body is made of; empty for a whole response |
/// | `checksum` | TEXT | of everything else in the row but `id`, `variant` and the columns below |
/// | `group_origin` | TEXT | the URL's origin where the response belongs to cache groups (RFC 9875), else NULL |
/// | `path_key` | TEXT | where No-Vary-Search makes differences of the query count for nothing: `create_key` of the URL without its query, else NULL |
/// | `search_key` | TEXT | and with what is left of the query |
/// | `url_key` | TEXT | `create_key(url)` where `key` is another one, else NULL |
/// | `body` | BLOB | as it came, or coded; empty where it is in pieces |
/// | `body_id` | INTEGER | of its row in `responses_bodies` where it is in pieces, else NULL |
/// | `coding` | INTEGER | of `body`: 0 as it came, 1 zlib, 2 zstd; 4 more where it is encrypted: a nonce of 12 bytes, the ciphertext and a tag of 16 (AES-256-GCM). Then `headers` and `vary_headers` are encrypted as well |
///
/// `redirects`: one row for each URL that redirected
///
/// | column | type | meaning |
/// |---|---|---|
/// | `id` | INTEGER | row number |
/// | `key` | TEXT | `create_key(url)` |
/// | `target_key` | TEXT | `create_key(target_url)` |
/// | `url` | TEXT | which redirected |
/// | `target_url` | TEXT | where that led in the end |
///
/// `responses_pins`: one row for each URL whose responses no bound takes away, stored or not
///
/// | column | type | meaning |
/// |---|---|---|
/// | `key` | TEXT | `create_key(url)`, or the URL's key by the user's key function |
/// | `url` | TEXT | |
///
/// `responses_bodies`: one row for each body of more than 256 KiB
///
/// | column | type | meaning |
/// |---|---|---|
/// | `id` | INTEGER | row number |
/// | `token` | TEXT | 32 random hexadecimal digits |
/// | `state` | INTEGER | 0 being written, 1 stored, 2 no response has it any more |
/// | `touched` | INTEGER | when its last piece was written |
///
/// `responses_chunks`: its pieces
///
/// | column | type | meaning |
/// |---|---|---|
/// | `id` | INTEGER | 16777216 times the body's `id`, plus the number of the piece, from 0 |
/// | `checksum` | TEXT | of token, number and data: a piece of another body does not pass |
/// | `data` | BLOB | 256 KiB, of the last piece what is left; as they came, or coded |
/// | `coding` | INTEGER | as in `responses` |
///
/// `responses_secret`: one row in a file that is encrypted
///
/// | column | type | meaning |
/// |---|---|---|
/// | `key_check` | TEXT | by which a wrong key is told |
///
/// `responses_queue`: in which order responses leave a file that has bounds. One row for each response and, for
/// some time, each that left by the short queue. Made by the first store with bounds
///
/// | column | type | meaning |
/// |---|---|---|
/// | `place` | INTEGER | order in its queue |
/// | `queue` | INTEGER | 0 short, 1 long, 2 those that left, 3 pinned |
/// | `id` | INTEGER | of the response, NULL for one that left |
/// | `name` | TEXT | the beginning of its key |
/// | `size` | INTEGER | in bytes, of body and header fields |
/// | `uses` | INTEGER | up to 3, since it was last passed over |
///
/// `responses_queue_sums`: how much is in each queue
///
/// | column | type | meaning |
/// |---|---|---|
/// | `queue` | INTEGER | |
/// | `entries` | INTEGER | rows |
/// | `bytes` | INTEGER | the sum of their sizes |
///
/// Versions (`SELECT version FROM beast_cache_tables WHERE name = 'responses'`). A file of an earlier one is made
/// one of this version when it is opened for writing, in one transaction; one of a later version is refused.
///
/// | version | what came with it |
/// |---|---|
/// | 1 | `responses` and `redirects` |
/// | 2 | `parts`, `group_origin`, `path_key`, `search_key` |
/// | 3 | `body_id`, `responses_bodies`, `responses_chunks`, the views |
/// | 4 | `coding`, `responses_secret` |
/// | 5 | `responses_pins` |
/// | 6 | `url_key` |
/// | 7 | pins, the queue and the views know URLs by `url_key`, too |
// clang-format on

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// The version of these tables.
inline constexpr int sqlite_format_version = 7;

}  // namespace v1
}  // namespace beast_cache
