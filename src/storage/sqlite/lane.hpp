#pragma once
// The two kinds of lanes of a database: what runs in which transaction.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "detail/offload.hpp"
#include "detail/system.hpp"
#include "storage/sqlite/handle.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// How a lane runs an operation.
enum class Mode : int {
  read,              // in a read transaction that it shares with its neighbours
  read_autocommit,   // outside any transaction, on the reader's handle
  write,             // a savepoint in a transaction that it shares with its neighbours
  write_statement,   // the same without the savepoint: the job is one statement, or can't fail half-way
  write_alone,       // in a transaction of its own
  write_autocommit,  // outside any transaction; what it leaves open is rolled back
  barrier,           // touches nothing: completes after all that was submitted before
  close              // closes the handle; the next operation opens it again
};

// What the lanes of one database have in common.
class FileState {
 public:
  FileState(std::string path, bool memory, bool read_only, std::size_t max_size, std::size_t checkpoint_pages)
      : path_(std::move(path)),
        memory_(memory),
        read_only_(read_only),
        max_size_(max_size),
        checkpoint_pages_(checkpoint_pages) {}

  std::string const& path() const noexcept { return path_; }
  bool memory() const noexcept { return memory_; }
  bool read_only() const noexcept { return read_only_; }
  std::size_t checkpoint_pages() const noexcept { return checkpoint_pages_; }
  std::chrono::milliseconds busy_timeout() const { return std::chrono::milliseconds(busy_timeout_.load()); }

  // Opens a handle and refuses what is not ours. The first handle decides which file it is, and creates and
  // initialises it if it has to; the others open that one or throw Error(moved).
  enum class Role { first, sibling, reader };
  std::unique_ptr<Handle> open(Role role);

  // Whether the path still leads to the file that was opened.
  bool is_in_place() const noexcept;

  // BEGIN IMMEDIATE within the busy deadline, on the file that the path leads to. Throws Error(moved).
  void begin_write(Handle& handle) const;

  std::optional<detail::FileIdentity> identity() const;

  // The longest and the strongest of all that was asked for.
  void strengthen(std::chrono::milliseconds busy_timeout, bool full) noexcept;

  std::atomic<std::int64_t> busy_timeout_{0};
  std::atomic<bool> full_{false};
  // Grows with every commit of this process: a read transaction that began before it is too old.
  std::atomic<std::uint64_t> commit_sequence{0};
  // Grows whenever the file has to be opened anew; tables prepared for another generation are prepared again.
  std::atomic<std::uint64_t> generation{1};
  std::atomic<std::uint64_t> commits{0};
  std::atomic<std::uint64_t> checkpoints{0};

 private:
  void check_type(detail::FileIdentity const& identity) const;
  void initialise(Handle& handle) const;

  std::string const path_;
  bool const memory_;
  bool const read_only_;
  std::size_t const max_size_;
  std::size_t const checkpoint_pages_;
  mutable std::mutex mutex_;
  std::optional<detail::FileIdentity> identity_;
};

// Runs operations on one handle. Completions are posted after the batch, earlier if they hold much or took
// long.
class SQLiteLane : public detail::Lane {
 public:
  SQLiteLane(asio::any_io_executor worker, std::shared_ptr<FileState> file)
      : Lane(std::move(worker)), file_(std::move(file)) {}
  ~SQLiteLane() override { drop_handle(); }

 protected:
  void interrupt_current() noexcept override;
  void run_batch(detail::OperationList operations) noexcept override;

  virtual void run_one(detail::Operation* operation) = 0;  // throws: the operation has failed
  virtual void end_batch() noexcept = 0;                   // ends the transaction
  virtual void close_handle() noexcept = 0;

  // True if it was opened just now.
  bool open_handle(FileState::Role role);
  void finished(detail::Operation* operation) noexcept { finished_.push_back(operation); }
  void flush() noexcept;
  Handle& handle() noexcept { return *handle_; }
  bool has_handle() const noexcept { return handle_ != nullptr; }
  FileState& file() noexcept { return *file_; }
  void drop_handle() noexcept;
  // A handle that had an I/O error is not to be trusted with its caches and locks.
  void distrust(std::exception_ptr const& error) noexcept;
  bool distrusted() const noexcept { return distrusted_; }

 private:
  std::shared_ptr<FileState> file_;
  std::mutex handle_mutex_;  // the handle's existence, against interrupt_current()
  std::unique_ptr<Handle> handle_;
  std::uint64_t generation_ = 0;
  bool distrusted_ = false;
  detail::OperationList finished_;
  std::size_t flushed_bytes_ = 0;
  std::chrono::steady_clock::time_point flushed_at_;
};

class ReaderLane final : public SQLiteLane {
 public:
  using SQLiteLane::SQLiteLane;

 private:
  void run_one(detail::Operation* operation) override;
  void end_batch() noexcept override;
  void close_handle() noexcept override;

  std::uint64_t snapshot_ = 0;  // the commit_sequence before the transaction began
  std::chrono::steady_clock::time_point began_;
};

class WriterLane final : public SQLiteLane {
 public:
  using SQLiteLane::SQLiteLane;

 private:
  void run_one(detail::Operation* operation) override;
  void end_batch() noexcept override;
  void close_handle() noexcept override;

  void open();
  void run_grouped(detail::Operation* operation, bool savepoint);
  void run_alone(detail::Operation* operation);
  void run_autocommit(detail::Operation* operation);
  void run_read(detail::Operation* operation);
  void commit_group() noexcept;
  void fail_group(std::exception_ptr error) noexcept;
  void committed() noexcept;
  void checkpoint() noexcept;

  std::unique_ptr<Handle> sibling_;  // holds the write lock during a checkpoint
  detail::OperationList group_;      // run, to be completed by the commit
  std::size_t group_size_ = 0;
  bool full_ = false;
  int wal_pages_ = 0;
  int next_checkpoint_ = 0;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
