#pragma once
// Keeps the stored responses within bounds by S3-FIFO (Yang et al., SOSP 2023): of what comes in, most is
// never asked for again and leaves by a short queue; what was asked for meanwhile, or comes back soon, goes
// into the long one, around which it is passed as often as it is used. tests/bench/eviction.cpp compares it
// with others.
//
// `responses_queue` and `responses_queue_sums` are described in sqlite_format.hpp. Triggers keep both,
// whoever stores or removes a response; the tables are made by the first store that has bounds. A hit writes
// nothing: uses are noted in memory, and written when the backend is closed.

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backend/large_bodies.hpp"
#include "beast_cache/config.hpp"
#include "storage/sqlite/handle.hpp"
#include "storage/sqlite/write_epochs.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Hits of this process that the table does not know of yet, in two generations: many are of rows that were
// replaced or removed and are never asked for, so when the younger one is full the older one, which has not
// been used for that long, is forgotten. Thread safety: all functions.
class RecentUses {
 public:
  void note(std::int64_t id);
  // How many there were, which are forgotten.
  std::int64_t take(std::int64_t id);
  bool empty() const;
  // Writes all of them.
  void write(sqlite::Handle& handle);

 private:
  using Uses = std::unordered_map<std::int64_t, std::int64_t>;  // by id, which is in one of both

  mutable std::mutex mutex_;
  Uses young_, old_;
};

// What had to go. It is being written as long as this lives: what goes out of the file goes out of memory.
class Evicted {
 public:
  Evicted(std::string_view url, std::string_view key, std::int64_t size, sqlite::WriteEpochs& epochs)
      : url_(url),
        size_(static_cast<std::uint64_t>(size)),
        writing_(std::make_unique<sqlite::Writing>(epochs, key)) {}
  std::string const& url() const noexcept { return url_; }
  // Of body and header fields, in bytes.
  std::uint64_t size() const noexcept { return size_; }

 private:
  std::string url_;
  std::uint64_t size_;
  std::unique_ptr<sqlite::Writing> writing_;
};

// What comes in: a response, which may replace another one, or a piece of a body.
class Incoming {
 public:
  explicit Incoming(std::uint64_t piece) noexcept : size(piece) {}
  Incoming(std::uint64_t response, std::string_view k, std::string_view v) noexcept
      : size(response), key(k), variant(v) {}
  bool is_response() const noexcept { return !key.empty(); }

  std::uint64_t const size;
  std::string_view const key, variant;
};

class Bounds {
 public:
  // 0 for none.
  Bounds(std::uint64_t bytes, std::uint64_t entries) noexcept : bytes_(bytes), entries_(entries) {}
  bool any() const noexcept { return bytes_ != 0 || entries_ != 0; }
  std::uint64_t bytes() const noexcept { return bytes_; }

  // Before something is stored, in the same transaction: removes others until there is room, and adds them to
  // `evicted`. Throws Error(full) when there is none and nothing is left that may go.
  void make_room(sqlite::Handle& handle, Incoming const& incoming, RecentUses& uses, LargeBodies& bodies,
                 std::vector<Evicted>& evicted) const;

 private:
  class Sums;
  bool has_room(sqlite::Handle& handle, Sums const& sums, Incoming const& incoming) const;
  bool is_exceeded(sqlite::Handle& handle) const;

  std::uint64_t bytes_, entries_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
