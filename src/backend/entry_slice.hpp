#pragma once
// The rows of `responses` a slice at a time, in the order of their ids, without header fields and bodies.

#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "beast_cache/backend/stored_entries.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// So many rows at once: within a millisecond or two, so that other writers need not wait long.
inline constexpr std::int64_t slice_rows = 2048;
// And where they are removed: each slice writes most pages of the index by keys, in which its rows lie apart.
inline constexpr std::int64_t removed_rows = 16'384;

class EntrySlice {
 public:
  EntrySlice() = default;

  std::vector<StoredEntry> entries;  // those that match
  std::vector<std::int64_t> ids;     // theirs
  std::int64_t last = 0;             // the last row's id that was looked at
  std::uint64_t seen = 0;            // rows; none at the end
};

// Over the rows that are there when it begins. What is stored meanwhile, in place of another one too, comes
// behind its end: else there would be no end as long as somebody stores.
class Walk {
 public:
  // The last row that was passed.
  std::int64_t last() const noexcept { return last_; }
  void pass(std::int64_t row) noexcept { last_ = row; }
  // The last row of all.
  std::int64_t end(sqlite::Handle& handle);

 private:
  std::int64_t last_ = std::numeric_limits<std::int64_t>::min();
  std::optional<std::int64_t> end_;
};

// What comes after what `walk` has passed; the caller passes it once that has succeeded.
EntrySlice read_slice(sqlite::Handle& handle, EntryFilter const& filter, Walk& walk,
                      std::int64_t most = slice_rows);

void remove_lost_aliases(sqlite::Handle& handle);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
