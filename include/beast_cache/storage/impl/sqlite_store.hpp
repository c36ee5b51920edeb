#pragma once
// The table of one cache in an SQLite file, below SQLiteCache and SQLitePickleCache. Not for users.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "beast_cache/storage/sqlite_connection.hpp"
#include "beast_cache/storage/sqlite_options.hpp"

namespace beast_cache {
inline namespace v1 {

class SQLiteStatistics;

namespace detail {

// How values are stored: as they are, or sealed with what tells how to decode them.
class StoreFormat {
 public:
  enum class Kind { plain, sealed };
  static StoreFormat plain() { return StoreFormat(Kind::plain, 0, 0); }
  static StoreFormat sealed(std::uint8_t format, std::uint32_t type) {
    return StoreFormat(Kind::sealed, format, type);
  }
  Kind kind() const noexcept { return kind_; }
  std::uint8_t format() const noexcept { return format_; }
  std::uint32_t type() const noexcept { return type_; }

 private:
  StoreFormat(Kind kind, std::uint8_t format, std::uint32_t type)
      : kind_(kind), format_(format), type_(type) {}
  Kind kind_;
  std::uint8_t format_;
  std::uint32_t type_;
};

// Runs on the lane: takes the value that was found for the index-th key. Throws Error(bad_value) for one that
// can't be decoded, which is then as good as missing.
using ValueSink = std::function<void(std::size_t index, std::string_view key, std::string_view value)>;
// Runs on the lane: the bytes of the index-th value; a view of memory of its own, or of `buffer`.
using ValueSource = std::function<std::string_view(std::size_t index, std::string& buffer)>;

// Sinks, sources and everything passed by reference have to live until the operation has completed: that is,
// in the awaiting coroutine.
class SQLiteStore : public std::enable_shared_from_this<SQLiteStore> {
 public:
  static std::shared_ptr<SQLiteStore> create(std::string const& filename, std::string const& table,
                                             SQLiteOptions options, StoreFormat format);
  virtual ~SQLiteStore() = default;

  virtual asio::awaitable<std::optional<std::string>> read_plain(std::string key) = 0;
  virtual asio::awaitable<void> write_plain(std::string key, std::string value) = 0;
  virtual asio::awaitable<std::optional<std::string>> pop_plain(std::string key) = 0;

  virtual asio::awaitable<void> read(std::vector<std::string> const& keys, ValueSink const& sink) = 0;
  // Writes the index-th value under the index-th key, or removes that key. `clear_first` empties the table
  // before. All of it or nothing; `alone` in a commit of its own.
  virtual asio::awaitable<void> write(std::vector<std::string> const& keys, std::vector<bool> const& removals,
                                      ValueSource const& source, bool clear_first, bool alone) = 0;
  virtual asio::awaitable<void> pop(std::string const& key, ValueSink const& sink) = 0;
  virtual asio::awaitable<bool> contains(std::string key) = 0;
  virtual asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys) = 0;
  virtual asio::awaitable<bool> remove(std::string key) = 0;
  virtual asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) = 0;
  virtual asio::awaitable<void> clear() = 0;
  virtual asio::awaitable<std::uint64_t> size() = 0;
  virtual asio::awaitable<void> page(std::optional<std::string> after, std::size_t limit,
                                     ValueSink const& sink) = 0;
  virtual asio::awaitable<std::vector<std::string>> page_keys(std::optional<std::string> after) = 0;
  virtual asio::awaitable<void> connect(ConnectionUse use,
                                        std::function<void(SQLiteConnection&)> const& job) = 0;
  virtual asio::awaitable<void> close() = 0;

  virtual SQLiteStatistics statistics() const = 0;
  virtual std::string const& filename() const noexcept = 0;
  virtual std::string const& table() const noexcept = 0;
};

// get_connection() of the caches.
template <class Callable, class R = std::invoke_result_t<Callable&, SQLiteConnection&>>
asio::awaitable<R> connect(std::shared_ptr<SQLiteStore> store, Callable callable, ConnectionUse use) {
  if constexpr (std::is_void_v<R>) {
    std::function<void(SQLiteConnection&)> const job = [&](SQLiteConnection& c) { callable(c); };
    co_await store->connect(use, job);
  } else {
    std::optional<R> result;
    std::function<void(SQLiteConnection&)> const job = [&](SQLiteConnection& c) {
      result.emplace(callable(c));
    };
    co_await store->connect(use, job);
    co_return std::move(*result);
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
