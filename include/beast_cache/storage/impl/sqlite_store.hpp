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

#include "beast_cache/storage/bulk_commit.hpp"
#include "beast_cache/storage/cursor.hpp"
#include "beast_cache/storage/sqlite_connection.hpp"
#include "beast_cache/storage/sqlite_options.hpp"
#include "beast_cache/storage/sqlite_statistics.hpp"
#include "beast_cache/storage/value_reader.hpp"

namespace beast_cache {
inline namespace v1 {
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

// Where a walk over the rows is. Those that are made meanwhile, in place of removed ones too, come behind its
// end, but for as many as the last ones that were removed: else there would be no end as long as somebody
// writes.
class ScanPosition {
 public:
  ScanPosition() = default;

  std::int64_t row = INT64_MIN;     // the last one that was passed
  std::optional<std::int64_t> end;  // the last one of all
};

// What is to be written. The lane asks for it.
class EntrySource {
 public:
  virtual std::size_t size() const noexcept = 0;
  virtual std::string const& key(std::size_t index) const = 0;
  // The bytes, in memory of their own or in `buffer`, which is empty; nothing if the key is to be removed.
  virtual std::optional<std::string_view> value(std::size_t index, std::string& buffer) const = 0;

 protected:
  ~EntrySource() = default;
};

// Entries are pairs of a key and a value, or of a key and an optional value. encode(value, buffer) makes the
// bytes.
template <class Entry, class Encode>
class EntriesOf final : public EntrySource {
 public:
  EntriesOf(std::vector<Entry> const& entries, Encode encode)
      : entries_(entries), encode_(std::move(encode)) {}
  std::size_t size() const noexcept override { return entries_.size(); }
  std::string const& key(std::size_t index) const override { return entries_[index].first; }
  std::optional<std::string_view> value(std::size_t index, std::string& buffer) const override {
    return encoded(entries_[index].second, buffer);
  }

 private:
  template <class T>
  std::optional<std::string_view> encoded(T const& value, std::string& buffer) const {
    return encode_(value, buffer);
  }
  template <class T>
  std::optional<std::string_view> encoded(std::optional<T> const& value, std::string& buffer) const {
    if (!value) return std::nullopt;
    return encode_(*value, buffer);
  }
  std::vector<Entry> const& entries_;
  Encode encode_;
};

// Sinks, sources and everything passed by reference have to live until the operation has completed: that is,
// in the awaiting coroutine.

// A bulk's transaction; rolled back with the object unless it was committed.
class SQLiteBulk {
 public:
  SQLiteBulk() = default;
  SQLiteBulk(SQLiteBulk const&) = delete;
  SQLiteBulk& operator=(SQLiteBulk const&) = delete;
  virtual ~SQLiteBulk() = default;
  // The numbers and flags are those of BulkPart.
  class Part {
   public:
    template <class Value>
    Part(BulkPart<Value> const& part, EntrySource const& s)
        : undo(part.undo),
          enter(part.enter),
          leave(part.leave),
          clear(part.clear),
          commit(part.commit),
          source(s) {}
    int undo, enter, leave;
    bool clear, commit;
    EntrySource const& source;
  };
  virtual asio::awaitable<void> apply(Part part) = 0;
  virtual asio::awaitable<void> read(std::string const& key, ValueSink const& sink) = 0;
  virtual void abandon() noexcept = 0;
};

class SQLiteStore : public std::enable_shared_from_this<SQLiteStore> {
 public:
  static std::shared_ptr<SQLiteStore> create(std::string const& filename, std::string const& table,
                                             SQLiteOptions options, StoreFormat format);
  virtual ~SQLiteStore() = default;

  virtual asio::awaitable<std::optional<std::string>> read_plain(std::string key) = 0;
  virtual asio::awaitable<bool> read_into(std::string key, std::string& value) = 0;
  virtual asio::awaitable<std::optional<ValueReader>> open_plain(std::string key) = 0;
  virtual asio::awaitable<void> write_plain(std::string key, std::string value) = 0;
  virtual asio::awaitable<std::optional<std::string>> pop_plain(std::string key) = 0;

  virtual asio::awaitable<void> read(std::vector<std::string> const& keys, ValueSink const& sink) = 0;
  // All of it or nothing.
  virtual asio::awaitable<void> write(EntrySource const& source) = 0;
  virtual asio::awaitable<void> pop(std::string const& key, ValueSink const& sink) = 0;
  virtual asio::awaitable<bool> contains(std::string key) = 0;
  virtual asio::awaitable<std::vector<bool>> contains_many(std::vector<std::string> keys) = 0;
  virtual asio::awaitable<bool> remove(std::string key) = 0;
  virtual asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) = 0;
  virtual asio::awaitable<void> clear(Erase how) = 0;
  virtual asio::awaitable<std::uint64_t> size() = 0;
  virtual asio::awaitable<VacuumProgress> vacuum(std::uint64_t budget,
                                                 std::function<void(VacuumProgress const&)> progress) = 0;
  // In the order of the keys.
  virtual asio::awaitable<void> page(std::optional<std::string> after, std::size_t limit,
                                     ValueSink const& sink) = 0;
  // In their order, by the index alone.
  virtual Cursor<std::string> keys() = 0;
  // In the order in which they lie in the file, beyond what was passed. False at the end.
  virtual asio::awaitable<bool> scan(ScanPosition& position, ValueSink const& sink) = 0;
  virtual std::unique_ptr<SQLiteBulk> begin_bulk() = 0;
  virtual asio::awaitable<void> connect(ConnectionUse use,
                                        std::function<void(SQLiteConnection&)> const& job) = 0;
  virtual asio::awaitable<void> close() = 0;

  virtual SQLiteStatistics statistics() const = 0;
  virtual asio::awaitable<SQLiteOptions> settings() = 0;
  virtual std::string const& filename() const noexcept = 0;
  virtual std::string const& table() const noexcept = 0;
};

// Walks a table as scan() does; make(key, value) makes an element, on the lane.
template <class T, class Make>
class ScanSource final : public CursorSource<T> {
 public:
  ScanSource(std::shared_ptr<SQLiteStore> store, Make make)
      : store_(std::move(store)), make_(std::move(make)) {}

  asio::awaitable<std::vector<T>> fetch() override {
    std::vector<T> batch;
    ValueSink const sink = [&](std::size_t, std::string_view key, std::string_view value) {
      batch.push_back(make_(key, value));
    };
    // Only damaged values in a page do not mean the end.
    bool more = true;
    while (more && batch.empty()) {
      ScanPosition position = position_;
      more = co_await store_->scan(position, sink);
      position_ = position;  // only now: a step that was cancelled half-way is taken again
    }
    co_return batch;
  }

 private:
  std::shared_ptr<SQLiteStore> store_;
  Make make_;
  ScanPosition position_;
};

template <class T, class Make>
Cursor<T> scan_cursor(std::shared_ptr<SQLiteStore> store, Make make) {
  return Cursor<T>(std::make_unique<ScanSource<T, Make>>(std::move(store), std::move(make)));
}

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
