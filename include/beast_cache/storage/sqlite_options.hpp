#pragma once
/// \file sqlite_options.hpp
/// What can be set for a cache file.

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
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
/// strongest durability of any of them hold for all; the other options are taken from whoever comes first.
class SQLiteOptions {
 public:
  SQLiteOptions() = default;

  /// How long an operation waits for another process's lock before it fails with `cache_errc::busy`.
  /// Default: 10 s. @throws std::invalid_argument if negative.
  SQLiteOptions& busy_timeout(std::chrono::milliseconds value) {
    if (value.count() < 0) throw std::invalid_argument("busy_timeout: must not be negative");
    busy_timeout_ = value;
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

  /// After how many pages (of 4 KiB) in the write-ahead log they are moved into the file. Default: 1000.
  /// @throws std::invalid_argument if 0.
  SQLiteOptions& checkpoint_pages(std::size_t value) {
    if (value == 0) throw std::invalid_argument("checkpoint_pages: must be at least 1");
    checkpoint_pages_ = value;
    return *this;
  }
  std::size_t checkpoint_pages() const noexcept { return checkpoint_pages_; }

  /// Worker threads of one's own for the blocking work, never the I/O executor itself; the cache needs up to
  /// two at a time, and they have to run until the cache is gone. Default: the cache has its own threads.
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
  std::chrono::milliseconds busy_timeout_{10'000};
  Durability durability_ = Durability::normal;
  bool use_temp_ = false;
  bool read_only_ = false;
  std::size_t max_value_size_ = std::size_t{512} << 20;
  std::size_t checkpoint_pages_ = 1000;
  asio::any_io_executor executor_;
  std::string secret_key_;
  std::string salt_ = "beast_cache";
};

}  // namespace v1
}  // namespace beast_cache
