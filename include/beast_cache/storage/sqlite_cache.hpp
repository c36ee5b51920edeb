#pragma once
/// \file sqlite_cache.hpp
/// An asynchronous key-value store in an SQLite file.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "beast_cache/storage/base_cache.hpp"
#include "beast_cache/storage/bulk_commit.hpp"
#include "beast_cache/storage/impl/sqlite_store.hpp"
#include "beast_cache/storage/sqlite_connection.hpp"
#include "beast_cache/storage/sqlite_options.hpp"
#include "beast_cache/storage/sqlite_statistics.hpp"
#include "beast_cache/storage/value_reader.hpp"

namespace beast_cache {
inline namespace v1 {

/// A `BaseCache` of byte strings in one table of an SQLite file.
///
/// The object is a handle: moving it is cheap, and what was begun through it goes on when it is gone. Nothing
/// touches the disk before the first operation; that creates the file (readable by its owner only), missing
/// directories and the table.
///
/// The table can be read with any SQLite tool: `select key, value from cache`. Its columns are key (TEXT),
/// value (BLOB) and "check" (CRC-32C of table, key and value, or their HMAC-SHA-256), which every read
/// verifies: a damaged value counts as missing.
///
/// Consistency: a completed write is in the file; see `Durability` for crashes. A read sees every write that
/// completed before it began, by any cache of any process on the file, and never a part of a transaction.
/// Several processes may use one file. That it was replaced or removed is noticed by writes at once, by reads
/// within `hold_time`.
///
/// `size` takes the same time whatever the number of entries: it is kept with them. A tool outside of this
/// library that adds or removes rows makes it wrong, until something runs with
/// `ConnectionUse::write_autocommit`.
///
/// Errors: `cache_errc`, see `BaseCache`; busy (another process held the lock past the timeout), not_a_cache,
/// schema_newer, moved (so do those under way; the next one opens the file
/// anew), too_big, bad_signature, forked.
/// Executor and hops: one hop to the cache's thread and one back, shared with what else is queued there.
/// Thread safety: shared objects are safe.
class SQLiteCache final : public BaseCache<std::string> {
 public:
  /// @param filename `.sqlite` is appended if the base name has no extension; `~` is the home directory;
  /// `:memory:` is a database in memory, for this cache alone.
  /// @param table_name any UTF-8 text, not beginning with "sqlite_" or "beast_cache_"; ASCII case does not
  /// count. Errors: `cache_errc::invalid_argument`; no I/O is done.
  explicit SQLiteCache(std::string filename, std::string table_name = "cache",
                       SQLiteOptions options = SQLiteOptions());
  SQLiteCache(SQLiteCache&&) noexcept = default;
  SQLiteCache& operator=(SQLiteCache&&) noexcept = default;
  ~SQLiteCache() override = default;

  asio::awaitable<std::optional<std::string>> read(std::string key) override;
  asio::awaitable<void> write(std::string key, std::string value) override;
  asio::awaitable<bool> contains(std::string key) override;
  asio::awaitable<bool> remove(std::string key) override;
  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override;
  asio::awaitable<std::optional<std::string>> pop(std::string key) override;
  asio::awaitable<void> clear() override;
  asio::awaitable<void> clear(Erase how);
  asio::awaitable<std::uint64_t> size() override;
  asio::awaitable<std::vector<Entry>> page(std::optional<std::string> after, std::size_t limit) override;
  asio::awaitable<std::vector<std::optional<std::string>>> read_many(std::vector<std::string> keys) override;
  asio::awaitable<void> write_many(std::vector<Entry> entries) override;
  asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys) override;
  Cursor<std::string> keys() override;
  /// Values and entries come in the order in which they lie in the file, which is faster than that of the
  /// keys.
  Cursor<std::string> values() override;
  Cursor<Entry> entries() override;
  asio::awaitable<void> close() override;

  /// Reads into \p value, whose memory is used again: for big values. @return whether there is one; if not,
  /// \p value is as it was. \p value has to live until the operation has completed.
  asio::awaitable<bool> read_into(std::string key, std::string& value);

  /// The value of \p key to be read piece by piece, or nothing.
  asio::awaitable<std::optional<ValueReader>> open(std::string key);

  /// Gives the free pages of the file back to the file system, up to \p budget bytes, in steps between which
  /// others' operations go on. \p progress is called after each, on the caller's executor.
  /// @return what was freed, and what is left. Cancellation: between two steps; what was freed stays so.
  asio::awaitable<VacuumProgress> vacuum(std::uint64_t budget = UINT64_MAX,
                                         std::function<void(VacuumProgress const&)> progress = nullptr);

  /// A scope whose writes become one commit.
  BulkCommit<std::string> bulk_commit();

  /// Runs `callable(SQLiteConnection&)` on the cache's own thread and returns what it returns.
  /// Do not await an operation of the cache in it, and name a capturing callable before the awaited call (g++
  /// 12).
  template <class Callable>
  asio::awaitable<std::invoke_result_t<Callable&, SQLiteConnection&>> get_connection(
      Callable callable, ConnectionUse use = ConnectionUse::write) {
    return detail::connect(store_, std::move(callable), use);
  }

  SQLiteStatistics statistics() const { return store_->statistics(); }

  /// The options in force, as the file and its handles have them; without the secret key and its salt.
  asio::awaitable<SQLiteOptions> settings() { return store_->settings(); }

  /// The file's name as the path rule made it, absolute unless use_temp.
  std::string const& filename() const noexcept { return store_->filename(); }
  std::string const& table_name() const noexcept { return store_->table(); }

 private:
  std::shared_ptr<detail::SQLiteStore> store_;
};

}  // namespace v1
}  // namespace beast_cache
