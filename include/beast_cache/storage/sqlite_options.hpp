#pragma once
/// \file sqlite_options.hpp
/// What can be set for a cache file.

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// How much of what was acknowledged survives a crash. After a crash of the process both keep everything.
enum class Durability {
  /// A crash of the machine may lose the latest writes, never tears or corrupts (WAL, synchronous=NORMAL).
  normal,
  /// A crash of the machine loses nothing that was acknowledged (WAL, synchronous=FULL): a disk flush per
  /// commit.
  full
};

/// Options of a cache file, set by chained calls: `SQLiteOptions().durability(Durability::full)`.
///
/// Caches of one process on one file share its threads and handles. There, the longest busy timeout and the
/// strongest durability of any of them hold for all. `max_value_size`, `secret_key` and `salt` are each
/// cache's own, and who has the file `read_only` shares only with those who have, too; the other options are
/// taken from whoever comes first.
class SQLiteOptions {
 public:
  SQLiteOptions() = default;

  /// How long an operation waits for another process's lock before it fails with `cache_errc::busy`; a year
  /// at most. Default: 10 s. @throws std::invalid_argument if negative.
  SQLiteOptions& busy_timeout(std::chrono::milliseconds value) {
    if (value.count() < 0) throw std::invalid_argument("busy_timeout: must not be negative");
    busy_timeout_ = std::min<std::chrono::milliseconds>(value, std::chrono::hours(24 * 365));
    return *this;
  }
  std::chrono::milliseconds busy_timeout() const noexcept { return busy_timeout_; }

  /// Default: `Durability::normal`.
  SQLiteOptions& durability(Durability value) {
    durability_ = value;
    return *this;
  }
  Durability durability() const noexcept { return durability_; }

  /// True is another word for `Durability::normal`, false for `Durability::full`. What it means elsewhere,
  /// SQLite's synchronous=OFF, is not offered: it corrupts the file on a power failure.
  SQLiteOptions& fast_save(bool value) { return durability(value ? Durability::normal : Durability::full); }
  bool fast_save() const noexcept { return durability_ == Durability::normal; }

  /// Puts a relative file name into a directory for temporary files that only this user can access. Ignored
  /// for absolute names. Default: false.
  SQLiteOptions& use_temp(bool value) {
    use_temp_ = value;
    return *this;
  }
  bool use_temp() const noexcept { return use_temp_; }

  /// Opens an existing file for reading; writes fail with `cache_errc::readonly`. Default: false.
  SQLiteOptions& read_only(bool value) {
    read_only_ = value;
    return *this;
  }
  bool read_only() const noexcept { return read_only_; }

  /// The largest value accepted, in bytes; a bigger one fails with `cache_errc::too_big` before anything is
  /// written. Default: 512 MiB. @throws std::invalid_argument if 0 or above 1 000 000 000 bytes less 1 MiB.
  SQLiteOptions& max_value_size(std::size_t value) {
    if (value == 0 || value > 1'000'000'000 - (1 << 20)) {
      throw std::invalid_argument("max_value_size: out of range");
    }
    max_value_size_ = value;
    return *this;
  }
  std::size_t max_value_size() const noexcept { return max_value_size_; }

  /// After how many pages in the write-ahead log they are moved into the file. More makes writing faster (a
  /// page that is written often is moved once) and the log longer. Default: 10 000, 40 MB with pages of 4
  /// KiB.
  /// @throws std::invalid_argument if 0 or above 1 000 000 000.
  SQLiteOptions& checkpoint_pages(std::size_t value) {
    checkpoint_pages_ = in_range("checkpoint_pages", value, 1, 1'000'000'000);
    return *this;
  }
  std::size_t checkpoint_pages() const noexcept { return checkpoint_pages_; }

  /// The size in bytes beyond which the write-ahead log does not grow: at half of it a writer waits, for some
  /// milliseconds, for the readers of any process whose transactions keep the log from being used anew. Only
  /// a reader that holds a transaction open for longer, of another program, can make it longer, and a
  /// transaction that does not fit, such as a `bulk_commit` or `write_many` of more bytes than that.
  /// Default: 128 MiB. @throws std::invalid_argument below 1 MiB.
  SQLiteOptions& wal_limit(std::size_t value) {
    wal_limit_ = in_range("wal_limit", value, std::size_t{1} << 20, std::size_t{1} << 40);
    return *this;
  }
  std::size_t wal_limit() const noexcept { return wal_limit_; }

  /// The page size in bytes of a file that is created; one that exists keeps its own. Default: 4096.
  /// @throws std::invalid_argument if not a power of two from 512 to 65536.
  SQLiteOptions& page_size(std::size_t value) {
    if ((value & (value - 1)) != 0) throw std::invalid_argument("page_size: not a power of two");
    page_size_ = in_range("page_size", value, 512, 65536);
    return *this;
  }
  std::size_t page_size() const noexcept { return page_size_; }

  /// The memory in bytes that each handle (a reader's, the writer's) may use for pages. What is not there
  /// comes from the operating system's cache, which costs about as much as the read itself. 8 MiB hold the
  /// index of some 300 000 keys of 12 bytes; a program with memory to spare makes its reads up to twice as
  /// fast by giving the file's size here. Default: 8 MiB. @throws std::invalid_argument if 0 or above 1 TiB.
  SQLiteOptions& cache_size(std::size_t value) {
    cache_size_ = in_range("cache_size", value, 1, std::size_t{1} << 40);
    return *this;
  }
  std::size_t cache_size() const noexcept { return cache_size_; }

  /// How many bytes of the file the readers map into memory instead of reading them. Faster, but when someone
  /// truncates the file from outside, the program gets a SIGBUS instead of an error. Default: 0.
  /// @throws std::invalid_argument above 1 TiB.
  SQLiteOptions& mmap_size(std::size_t value) {
    mmap_size_ = in_range("mmap_size", value, 0, std::size_t{1} << 40);
    return *this;
  }
  std::size_t mmap_size() const noexcept { return mmap_size_; }

  /// How many threads read, each with a handle of its own. More than one pays only with processors to spare,
  /// or with a slow disk. Default: 1. @throws std::invalid_argument if 0 or above 64.
  SQLiteOptions& readers(std::size_t value) {
    readers_ = in_range("readers", value, 1, 64);
    return *this;
  }
  std::size_t readers() const noexcept { return readers_; }

  /// Reads of single values run on the caller's thread: no hop, but the thread waits for the disk when a page
  /// is not in memory. For caches that fit in memory, and for programs that block anyway. A read that would
  /// have to wait for another thread's goes to the reader as usual. Reads that follow each other share a
  /// transaction (`hold_time`), which the reader's thread ends if it is the cache's own. Default: false.
  SQLiteOptions& inline_reads(bool value) {
    inline_reads_ = value;
    return *this;
  }
  bool inline_reads() const noexcept { return inline_reads_; }

  /// How long a transaction may be kept for what comes after: reads share one for that long, and queued
  /// writes are committed together for that long. A read sees the newest commit nevertheless. Default: 2 ms.
  /// @throws std::invalid_argument if negative or above 1 s.
  SQLiteOptions& hold_time(std::chrono::microseconds value) {
    if (value.count() < 0 || value > std::chrono::seconds(1)) {
      throw std::invalid_argument("hold_time: out of range");
    }
    hold_time_ = value;
    return *this;
  }
  std::chrono::microseconds hold_time() const noexcept { return hold_time_; }

  /// How long a thread of the cache looks for more work before it sleeps, when there are processors to spare
  /// and work has been coming that often: to wake it takes longer. 0 for never. Default: 100 us.
  /// @throws std::invalid_argument if negative or above 10 ms.
  SQLiteOptions& spin_time(std::chrono::microseconds value) {
    if (value.count() < 0 || value > std::chrono::milliseconds(10)) {
      throw std::invalid_argument("spin_time: out of range");
    }
    spin_time_ = value;
    return *this;
  }
  std::chrono::microseconds spin_time() const noexcept { return spin_time_; }

  /// How many operations of one execution context, and how many bytes in them, the cache takes at a time.
  /// Those beyond wait in their order, so that results do not pile up faster than they are taken. Default:
  /// 1024 and 64 MiB. @throws std::invalid_argument if 0.
  SQLiteOptions& max_queued_operations(std::size_t value) {
    max_queued_operations_ = in_range("max_queued_operations", value, 1, SIZE_MAX);
    return *this;
  }
  std::size_t max_queued_operations() const noexcept { return max_queued_operations_; }
  SQLiteOptions& max_queued_bytes(std::size_t value) {
    max_queued_bytes_ = in_range("max_queued_bytes", value, 1, SIZE_MAX);
    return *this;
  }
  std::size_t max_queued_bytes() const noexcept { return max_queued_bytes_; }

  /// Worker threads of one's own for the blocking work, never the I/O executor itself; the cache needs one
  /// for writing and one for each reader, and they have to run until the cache is gone. Default: the cache
  /// has its own threads.
  SQLiteOptions& executor(asio::any_io_executor value) {
    executor_ = std::move(value);
    return *this;
  }
  asio::any_io_executor const& executor() const noexcept { return executor_; }

  /// Signs the values with HMAC-SHA-256, so that a value that someone else wrote or changed is an error
  /// (`cache_errc::bad_signature`) on reading. Anyone who has the key can sign. Default: empty, no signature;
  /// a checksum then guards against damage, not against people.
  SQLiteOptions& secret_key(std::string value) {
    secret_key_ = std::move(value);
    return *this;
  }
  std::string const& secret_key() const noexcept { return secret_key_; }

  /// Makes the signatures of two applications with one key differ. Default: "beast_cache".
  SQLiteOptions& salt(std::string value) {
    salt_ = std::move(value);
    return *this;
  }
  std::string const& salt() const noexcept { return salt_; }

 private:
  static std::size_t in_range(char const* name, std::size_t value, std::size_t least, std::size_t most) {
    if (value < least || value > most) throw std::invalid_argument(std::string(name) + ": out of range");
    return value;
  }

  std::chrono::milliseconds busy_timeout_{10'000};
  Durability durability_ = Durability::normal;
  bool use_temp_ = false;
  bool read_only_ = false;
  std::size_t max_value_size_ = std::size_t{512} << 20;
  std::size_t checkpoint_pages_ = 10'000;
  std::size_t wal_limit_ = std::size_t{128} << 20;
  std::size_t page_size_ = 4096;
  std::size_t cache_size_ = std::size_t{8} << 20;
  std::size_t mmap_size_ = 0;
  std::size_t readers_ = 1;
  bool inline_reads_ = false;
  std::chrono::microseconds hold_time_{2'000};
  std::chrono::microseconds spin_time_{100};
  std::size_t max_queued_operations_ = 1024;
  std::size_t max_queued_bytes_ = std::size_t{64} << 20;
  asio::any_io_executor executor_;
  std::string secret_key_;
  std::string salt_ = "beast_cache";
};

}  // namespace v1
}  // namespace beast_cache
