#pragma once
/// \file sqlite_statistics.hpp
/// What a cache file tells about itself, and how what is deleted goes.

#include <cstdint>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// Counters of a cache, from its construction on.
class SQLiteStatistics {
 public:
  SQLiteStatistics() = default;
  /// Transactions that this process committed to the file, by all caches on it.
  std::uint64_t commits = 0;
  /// How often the write-ahead log was moved into the file.
  std::uint64_t checkpoints = 0;
  /// Values of this cache that failed their checksum or could not be decoded, and were treated as missing.
  std::uint64_t damaged = 0;
};

/// How `clear` removes.
enum class Erase {
  /// The entries are gone; their bytes stay in free pages of the file until those are used again.
  fast,
  /// The bytes are gone as well: free pages are overwritten, the file is rewritten, the write-ahead log cut.
  /// It takes as long as writing the file, other writers wait. What a copying file system or a flash drive
  /// keeps below is beyond its reach. Cancelled, it may have removed the entries without having overwritten
  /// their bytes; so it has when it fails with `cache_errc::busy`, for another program has been reading from
  /// the file for longer than the busy timeout: once that has ended, a second call erases them.
  secure
};

/// How far a `vacuum` is.
class VacuumProgress {
 public:
  VacuumProgress() = default;
  /// Bytes given back so far.
  std::uint64_t freed = 0;
  /// Bytes of free pages that are left in the file.
  std::uint64_t left = 0;
};

}  // namespace v1
}  // namespace beast_cache
