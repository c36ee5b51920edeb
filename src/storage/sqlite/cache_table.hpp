#pragma once
// The table of one cache: its schema, its statements, and what its rows have to pass before they are handed
// out. Used on the lanes.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "beast_cache/storage/impl/sqlite_store.hpp"
#include "storage/envelope.hpp"
#include "storage/sqlite/database.hpp"
#include "storage/sqlite/key_feed.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class CacheTable final : public Schema {
 public:
  // Throws Error(invalid_argument) for a name that can't be a table's.
  CacheTable(std::string const& name, SQLiteOptions const& options, detail::StoreFormat format);

  void create(Handle& handle) const override;
  bool is_counted() const noexcept override { return true; }

  // Throws Error(too_big).
  void check_size(Handle& handle, std::string_view key, std::string_view value) const;

  // Hands the value to sink(bytes). False without one, or if it is damaged.
  template <class Sink>
  bool find(Handle& handle, std::string const& key, Sink&& sink) const {
    if (handle.feeds()) {
      Row const row = handle.feed(feed_).find(key);
      return !row.is_null(0) && take(handle, row, key, std::forward<Sink>(sink));
    }
    Statement select = handle.statement(select_);
    select.bind_text(1, key);
    return select.step() && take(handle, select, key, std::forward<Sink>(sink));
  }
  bool has(Handle& handle, std::string const& key) const;
  void put(Handle& handle, std::string_view key, std::string_view value) const;
  bool erase(Handle& handle, std::string const& key) const;
  // Writes and removes, in their order.
  void apply(Handle& handle, detail::EntrySource const& source) const;
  void clear(Handle& handle) const;
  // Nothing if they have to be counted.
  std::optional<std::uint64_t> stored_size(Handle& handle) const;
  std::uint64_t count(Handle& handle) const;
  // Counts them and stores the number; in a transaction of its own.
  std::uint64_t recount(Handle& handle) const;
  void forget_size(Handle& handle) const;

  // See SQLiteStore.
  void page(Handle& handle, std::optional<std::string> const& after, std::size_t limit,
            detail::ValueSink const& sink) const;
  // Some of the keys behind that one, and whether they are the last ones. They are made strings of where they
  // are wanted: as strings they would take twice the memory on its way from one processor to the other.
  class KeyPage {
   public:
    KeyPage() = default;
    // Its memory stays.
    void clear() noexcept {
      bytes_.clear();
      sizes_.clear();
      is_last = false;
    }
    void add(std::string_view key) {
      bytes_.append(key);
      sizes_.push_back(static_cast<std::uint32_t>(key.size()));
    }
    std::vector<std::string> keys() const;
    // Of one that is not empty.
    std::string last_key() const { return bytes_.substr(bytes_.size() - sizes_.back()); }
    bool is_last = false;

   private:
    std::string bytes_;  // of all of them
    std::vector<std::uint32_t> sizes_;
  };
  // @param memory For the page.
  KeyPage page_keys(Handle& handle, std::optional<std::string> const& after, KeyPage memory) const;
  bool scan(Handle& handle, detail::ScanPosition& position, detail::ValueSink const& sink) const;

  // A value that is read piece by piece.
  class Pieces {
   public:
    explicit Pieces(std::string k) : key(std::move(k)) {}
    std::string const key;
    std::int64_t row = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
    std::string check;  // as it is stored
    bool bad = false;   // not the value that was opened, damaged, or can't be read
    std::unique_ptr<detail::Guard::Running> running;
  };
  // False without a value.
  bool open(Handle& handle, Pieces& pieces) const;
  // In each transaction after open()'s, before read(). Throws Error(changed).
  void check_unchanged(Handle& handle, Pieces& pieces) const;
  // Reads what comes next, which has to be there. Throws Error(bad_value) at the end.
  void read(Handle& handle, Pieces& pieces, char* buffer, std::size_t size) const;

  std::uint64_t damaged() const noexcept { return damaged_.load(); }
  std::size_t max_value_size() const noexcept { return max_value_size_; }

 private:
  // Hands the verified value to `sink`. False if it is damaged.
  template <class Sink>
  bool take(Handle& handle, Row const& row, std::string_view key, Sink&& sink) const {
    try {
      sink(verified(row, key));
      return true;
    } catch (Error const& error) {
      judge(handle, key, error);
    }
    return false;
  }
  std::string_view verified(Row const& row, std::string_view key) const;
  // Counts a damaged value; throws what is more than that.
  void judge(Handle& handle, std::string_view key, Error const& error) const;
  // The entry, as an error names it.
  std::string entry(Handle& handle, std::string_view key) const;
  void put(Statement& upsert, std::string_view key, std::string_view value) const;

  detail::StoreFormat const format_;
  bool const sealed_;
  std::size_t const max_value_size_;
  detail::Guard const guard_;
  std::string select_, upsert_, contains_, remove_, clear_, count_, page_, first_page_, page_keys_,
      first_page_keys_, scan_, last_row_, position_, feed_, contains_feed_;
  mutable std::atomic<std::uint64_t> damaged_{0};
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
