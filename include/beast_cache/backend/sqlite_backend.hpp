#pragma once
/// \file sqlite_backend.hpp
/// Responses in one SQLite file, in tables that a person can read.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/backend/stored_entries.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/storage/cursor.hpp"
#include "beast_cache/storage/sqlite_options.hpp"

namespace beast_cache {
inline namespace v1 {

/// A `CacheBackend` in one SQLite file: `SQLiteBackend{"demo"}` keeps responses in `demo.sqlite`.
///
/// Tables `responses` (one row a variant, the body as it came) and `redirects`, in plain columns; times are
/// milliseconds since 1970, `9223372036854775807` is never. `backend/sqlite_format.hpp` describes each
/// column. A body of more than 256 KiB comes in pieces, in tables of its own: it is written while it arrives
/// (and can be seen when it is complete) and read while it is passed on, so that neither takes more memory
/// than a few of the pieces. Who reads one that is removed meanwhile through this backend or a copy of it
/// reads it to its end; if another process removes it, the reader gets `cache_errc::changed`. Every row
/// carries a checksum that is verified before it is used: a damaged one is removed, counts as a miss and is
/// reported to the observer. With `SQLiteOptions::secret_key` it is a signature, and a response that someone
/// else wrote is an error, `cache_errc::bad_signature`, until it is stored anew. Each operation is one
/// transaction and one thread hop; a hit writes nothing.
///
/// It is a handle: copies share the file and its threads. Nothing touches the disk before the first
/// operation.
///
/// Errors: `SQLiteError` and `Error` with a `cache_errc`, naming the file.
/// Cancellation: all types. What had not begun is skipped; a store that was cancelled is either done or not.
/// Executor and hops: one hop to the file's threads and one back to the caller's executor for each operation.
/// Thread safety: all operations may be called from any thread at any time.
class SQLiteBackend final : public CacheBackend {
 public:
  /// @param cache_name The file, by the same rule as `SQLiteCache`: `.sqlite` is appended to a name without
  ///   an extension, `~` is expanded, `:memory:` is a database in memory.
  /// @param storage `max_value_size` is the most that header fields and body may have together, where the
  /// body
  ///   is not in pieces; below 256 KiB no body is.
  /// Errors: `cache_errc::invalid_argument` for a name that can't be used.
  explicit SQLiteBackend(std::string cache_name, CacheOptions options = CacheOptions(),
                         SQLiteOptions storage = SQLiteOptions());
  ~SQLiteBackend() override;

  std::shared_ptr<ReadyResponse const> glance(Request const& request, TimePoint now) override;
  asio::awaitable<Lookup> lookup(LookupQuery query) override;
  asio::awaitable<void> store(StoredResponse response) override;
  asio::awaitable<bool> store_if(StoredResponse response, IsCurrent current) override;
  std::unique_ptr<BodyWriter> write_body() override;
  asio::awaitable<bool> freshen(StoredResponse response) override;
  asio::awaitable<void> store_alias(Url from, Url to) override;
  asio::awaitable<bool> remove_with_aliases(Url url) override;
  asio::awaitable<bool> remove_key(std::string key) override;
  /// Other writers go on between the slices of 16 384 responses with a group. Cancellation: all types; what
  /// earlier slices removed stays so.
  asio::awaitable<std::uint64_t> remove_groups(Url origin, std::vector<std::string> groups,
                                               RemovalProgress progress = RemovalProgress()) override;
  asio::awaitable<bool> has_url(Url url) override;
  using CacheBackend::remove_expired;
  /// Other writers go on between the slices of 131 072 rows, whose pages take up to 64 MiB of memory.
  /// Cancellation: all types; what earlier slices removed stays so.
  asio::awaitable<std::uint64_t> remove_expired(TimePoint now,
                                                RemovalProgress progress = RemovalProgress()) override;
  asio::awaitable<void> clear() override;
  asio::awaitable<void> close() override;

  /// The table `responses`. Keys are `KEY/VARIANT`, of the columns of these names: those of one URL begin
  /// with its `create_key` and lie together. A response is written under its own key only.
  /// Errors: `cache_errc::bad_value` for reading what is damaged, which cursors pass over;
  ///   `invalid_argument` for `write` under another key. Executor and hops: one each; a body in pieces takes
  ///   one more for each. `close` closes the backend.
  std::shared_ptr<BaseCache<CachedResponse>> responses() const override;
  /// The table `redirects`: keys and values are URLs, the one that redirected and the one that it led to in
  /// the end. Errors: `http_errc::invalid_url` for writing what is none.
  std::shared_ptr<BaseCache<std::string>> redirects() const override;

  /// Lists what is stored, without reading bodies. `co_await backend.entries(filter).next()`.
  /// Executor and hops: a hop for each 2048 rows that are looked at, each a transaction of its own.
  Cursor<StoredEntry> entries(EntryFilter filter = EntryFilter()) const override;
  /// Removes what matches, and the aliases that lead nowhere then; other writers go on between the slices of
  /// 16 384 rows. @return How many responses.
  /// Cancellation: all types; what earlier slices removed stays so.
  asio::awaitable<std::uint64_t> remove_matching(EntryFilter filter,
                                                 RemovalProgress progress = RemovalProgress());
  /// Removes what can't be used any more because it is damaged: rows whose checksum is wrong, and whose body
  /// is, or is missing. What is signed with another key is somebody else's, and stays. @return How many
  /// responses. Cancellation: all types; what is removed stays so. Executor and hops: a hop for each 256
  /// rows, whose bodies are read, one for each MiB of the larger ones, and one more where something is
  /// removed.
  asio::awaitable<std::uint64_t> remove_invalid(RemovalProgress progress = RemovalProgress());

  /// Keeps whatever is stored for a URL, now or later, from being taken out for want of room (`max_bytes`,
  /// `max_entries`). It expires as ever, and is replaced or removed by everything else; the pin stays until
  /// `unpin` or `clear`. Where all that could make room is pinned, what comes in is not stored:
  /// `cache_errc::full`. @return False when it was pinned already.
  asio::awaitable<bool> pin(Url url);
  /// @return False when it was not pinned.
  asio::awaitable<bool> unpin(Url url);

  /// What each host has stored: `example.org`, `example.org:8443` with another port than the scheme's own.
  asio::awaitable<std::map<std::string, HostUse>> hosts() const;

  /// The file, as it was resolved from the name; absolute unless use_temp.
  std::string const& path() const noexcept;

 private:
  class Impl;
  class EntrySource;
  class ResponseView;
  class RedirectView;
  std::shared_ptr<Impl> impl_;
};

}  // namespace v1
}  // namespace beast_cache
