#pragma once
// The inside of a ValueReader.

#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "beast_cache/storage/value_reader.hpp"
#include "storage/sqlite/cache_table.hpp"
#include "storage/sqlite/database.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class ValueSteps {
 public:
  ValueSteps(std::shared_ptr<sqlite::Database> database, std::shared_ptr<sqlite::CacheTable> table,
             std::string key)
      : database_(std::move(database)), table_(std::move(table)), pieces_(std::move(key)) {}
  ValueSteps(ValueSteps const&) = delete;
  ValueSteps& operator=(ValueSteps const&) = delete;
  ~ValueSteps();

  std::uint64_t size() const noexcept { return pieces_.size; }

  static asio::awaitable<std::optional<ValueReader>> open(std::shared_ptr<ValueSteps> self);
  static asio::awaitable<std::string_view> next(std::shared_ptr<ValueSteps> self);

 private:
  void fill(sqlite::Handle& handle);
  void fill_or_remember(sqlite::Handle& handle, bool may_have_changed);
  std::string_view from_window() noexcept;

  std::shared_ptr<sqlite::Database> const database_;
  std::shared_ptr<sqlite::CacheTable> const table_;
  sqlite::CacheTable::Pieces pieces_;
  std::unique_ptr<char[]> window_;  // what was read ahead
  std::size_t filled_ = 0;
  std::size_t given_ = 0;  // of it
  std::exception_ptr failure_;
};

asio::awaitable<std::optional<ValueReader>> open_steps(std::shared_ptr<sqlite::Database> database,
                                                       std::shared_ptr<sqlite::CacheTable> table,
                                                       std::string key);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
