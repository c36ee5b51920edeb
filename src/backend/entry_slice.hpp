#pragma once
// The rows of `responses` a slice at a time, in the order of their ids, without header fields and bodies.

#include <cstdint>
#include <vector>

#include "beast_cache/backend/stored_entries.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// So many rows at once: within a millisecond or two, so that other writers need not wait long.
inline constexpr std::int64_t slice_rows = 2048;

class EntrySlice {
 public:
  EntrySlice() = default;

  std::vector<StoredEntry> entries;  // those that match
  std::vector<std::int64_t> ids;     // theirs
  std::int64_t last = 0;             // the last row's id that was looked at
  std::uint64_t seen = 0;            // rows; none at the end
};

EntrySlice read_slice(sqlite::Handle& handle, EntryFilter const& filter, std::int64_t after);

// Removes those that match. Returns how many rows went.
std::uint64_t remove_slice(sqlite::Handle& handle, EntrySlice const& slice);
void remove_lost_aliases(sqlite::Handle& handle);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
