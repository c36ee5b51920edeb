#pragma once
// What the lanes of one database have in common.

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "beast_cache/storage/sqlite_options.hpp"
#include "detail/system.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class FileState {
 public:
  FileState(std::string path, bool memory, SQLiteOptions options)
      : path_(std::move(path)), memory_(memory), options_(std::move(options)) {}

  std::string const& path() const noexcept { return path_; }
  bool memory() const noexcept { return memory_; }
  SQLiteOptions const& options() const noexcept { return options_; }
  std::chrono::milliseconds busy_timeout() const { return std::chrono::milliseconds(busy_timeout_.load()); }
  bool full_durability() const noexcept { return full_.load(); }

  // Opens a handle and refuses what is not ours. The first handle decides which file it is, and creates and
  // initialises it if it has to; the others open that one or throw Error(moved).
  enum class Role { first, sibling, reader };
  std::unique_ptr<Handle> open(Role role);

  // Whether the path still leads to the file that was opened.
  bool is_in_place() const noexcept;

  // BEGIN IMMEDIATE within that time, on the file that the path leads to. Throws Error(moved).
  void begin_write(Handle& handle, std::chrono::milliseconds patience) const;

  std::optional<detail::FileIdentity> identity() const;

  // The longest and the strongest of all that was asked for.
  void strengthen(SQLiteOptions const& options) noexcept;

  // The tables whose rows are counted, see RowCounts.
  void count_rows_of(std::string const& table);
  std::vector<std::string> counted_tables() const;
  std::atomic<std::size_t> counted{0};  // how many there are

  // Grows whenever the file has to be opened anew; tables prepared for another generation are prepared again.
  std::atomic<std::uint64_t> generation{1};
  // Grows when the readers are to end their transactions, so that the write-ahead log can be used anew.
  std::atomic<std::uint64_t> release_readers{0};
  // To which size the writer brings the file when it has nothing else to do, in bytes; 0 for none.
  std::atomic<std::uint64_t> max_bytes{0};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> checkpoints{0};

 private:
  void note_log(detail::FileIdentity const& file);
  void put_aside_log_of_other(detail::FileIdentity const& file);
  void check_type(detail::FileIdentity const& identity) const;
  void initialise(Handle& handle) const;
  void tune(Handle& handle, Role role) const;

  std::string const path_;
  bool const memory_;
  SQLiteOptions const options_;
  std::atomic<std::int64_t> busy_timeout_{0};
  std::atomic<bool> full_{false};
  mutable std::mutex mutex_;
  std::optional<detail::FileIdentity> identity_;
  std::uint64_t identified_for_ = 0;                 // the generation whose file that is
  std::optional<detail::FileIdentity> log_owner_;    // the file that was open last
  std::optional<detail::FileIdentity> log_, index_;  // its -wal and -shm
  std::vector<std::string> counted_tables_;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
