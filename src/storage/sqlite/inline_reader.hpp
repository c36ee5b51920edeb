#pragma once
// SQLiteOptions::inline_reads.

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

#include "storage/sqlite/file_state.hpp"
#include "storage/sqlite/handle.hpp"
#include "storage/sqlite/read_transaction.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// A handle for reads on the callers' threads, one at a time. Reads that follow each other share a
// transaction; as the caller may not come back, a reading lane with a thread of its own ends it in time.
class InlineReader {
 public:
  using TimePoint = ReadTransaction::TimePoint;

  explicit InlineReader(bool is_looked_after) noexcept : keeps_(is_looked_after) {}

  // The handle, locked while this lives.
  class Use {
   public:
    Use(InlineReader& reader, FileState& file);
    Use(Use const&) = delete;
    Use& operator=(Use const&) = delete;
    // False if another thread is at it.
    explicit operator bool() const noexcept { return lock_.owns_lock(); }
    Handle& handle() const noexcept { return *reader_.handle_; }
    // Of the file, see FileState.
    std::uint64_t generation() const noexcept { return reader_.generation_; }
    // Whether the lane has to be woken to look after the transaction.
    bool needs_attention() const noexcept { return needs_attention_; }
    // After an error the handle is not to be trusted.
    void failed() noexcept { reader_.handle_.reset(); }

   private:
    InlineReader& reader_;
    std::unique_lock<std::mutex> lock_;
    bool needs_attention_ = false;
  };

  // Lane: when it is to look again; the past if there is no need.
  TimePoint stay_until(FileState const& file) noexcept;
  // Lane: ends the transaction if its time is up. False if it is to look again.
  bool leave(FileState const& file) noexcept;

  void close() noexcept;

 private:
  void open(FileState& file);

  bool const keeps_;
  std::mutex mutex_;
  std::unique_ptr<Handle> handle_;
  std::uint64_t generation_ = 0;
  ReadTransaction transaction_;
  bool attended_ = false;  // the lane knows of the transaction
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
