#pragma once
// Keeps the stored responses within bounds by S3-FIFO (Yang et al., SOSP 2023): of what comes in, most is
// never asked for again and leaves by a short queue; what was asked for meanwhile, or comes back soon, goes
// into the long one, around which it is passed as often as it is used. tests/bench/eviction.cpp compares it
// with others.
//
// responses_queue: one row for each response and, for some time, each that left by the short queue (a ghost)
//   place    order in its queue
//   queue    0 short, 1 long, 2 ghosts
//   id       of the response; NULL for a ghost
//   name     the beginning of the response's key
//   size     in bytes, of body and header fields
//   uses     up to 3, since it was last passed over
// responses_queue_sums: how many rows and bytes each queue has
//
// Triggers keep both, whoever stores or removes a response; the tables are made by the first store that has
// bounds. A hit writes nothing: uses are noted in memory, and written when the backend is closed.

#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "backend/large_bodies.hpp"
#include "beast_cache/config.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Hits of this process that the table does not know of yet. Thread safety: all functions.
class RecentUses {
 public:
  void note(std::int64_t id);
  // How many there were, which are forgotten.
  std::int64_t take(std::int64_t id);
  bool empty() const;
  // Writes all of them.
  void write(sqlite::Handle& handle);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::int64_t, std::int64_t> uses_;
};

class Bounds {
 public:
  // 0 for none.
  Bounds(std::uint64_t bytes, std::uint64_t entries) noexcept : bytes_(bytes), entries_(entries) {}
  bool any() const noexcept { return bytes_ != 0 || entries_ != 0; }

  // Before a response of `size` bytes is stored, in the same transaction: removes others until there is room.
  void make_room(sqlite::Handle& handle, std::uint64_t size, RecentUses& uses, LargeBodies& bodies) const;

 private:
  class Sums;
  bool has_room(sqlite::Handle& handle, Sums const& sums, std::uint64_t size) const;

  std::uint64_t bytes_, entries_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
