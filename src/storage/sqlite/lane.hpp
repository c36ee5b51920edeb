#pragma once
// The two kinds of lanes of a database: what runs in which transaction.

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "detail/offload.hpp"
#include "storage/sqlite/file_state.hpp"
#include "storage/sqlite/handle.hpp"
#include "storage/sqlite/inline_reader.hpp"
#include "storage/sqlite/read_transaction.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// How a lane runs an operation.
enum class Mode : int {
  read,              // in a read transaction that it shares with its neighbours
  read_one,          // the same for a single statement, which needs no transaction
  read_autocommit,   // outside any transaction, on the reader's handle
  write,             // a savepoint in a transaction that it shares with its neighbours
  write_statement,   // the same without the savepoint: the job is one statement, or can't fail half-way
  write_alone,       // in a transaction of its own
  write_autocommit,  // outside any transaction; what it leaves open is rolled back
  // Parts of a transaction that spans several operations with one scope; all others' writes wait meanwhile.
  bulk_begin,
  bulk_more,
  bulk_commit,
  checkpoint,      // runs the job, then moves the write-ahead log into the file, as far as that goes
  checkpoint_all,  // the same, but fails with `busy` unless the next commit can begin the log anew
  barrier,         // touches nothing: completes after all that was submitted before
  close            // closes the handle; the next operation opens it again
};

// Runs operations on one handle. Completions are posted when the queue is empty, earlier if they hold much or
// took long.
class SQLiteLane : public detail::Lane {
 public:
  SQLiteLane(detail::LaneOptions options, std::shared_ptr<FileState> file)
      : Lane(std::move(options)), file_(std::move(file)) {}
  ~SQLiteLane() override { drop_handle(); }

 protected:
  void run_batch(detail::OperationList operations) noexcept override;
  void drained() noexcept override;

  // Runs what was claimed. What it throws is the operation's failure.
  virtual void run_one(detail::Operation* operation) = 0;
  // Before each operation.
  virtual void attend() noexcept {}
  // True if what was claimed was put aside, to be claimed and run later.
  virtual bool put_aside(detail::Operation*) { return false; }
  // Nothing is left to run: ends the transaction that must not wait.
  virtual void settle() noexcept {}

  // To be run before everything else.
  void resume(detail::OperationList operations) noexcept;

  // True if it was opened just now.
  bool open_handle(FileState::Role role);
  void finished(detail::Operation* operation) noexcept;
  void flush() noexcept;
  Handle& handle() noexcept { return *handle_; }
  bool has_handle() const noexcept { return handle_ != nullptr; }
  FileState& file() noexcept { return *file_; }
  Clock::time_point now() const noexcept { return now_; }
  Clock::time_point batch_began() const noexcept { return batch_began_; }
  void drop_handle() noexcept;
  // A handle that had an I/O error is not to be trusted with its caches and locks.
  void distrust(std::exception_ptr const& error) noexcept;
  // Whether the file was opened anew, or is to be, since the handle was.
  bool is_late() const noexcept { return handle_->generation() != file_->generation.load(); }
  // The operation's failure, which says nothing about the file that is there now.
  [[noreturn]] void fail_late();
  // Since it was asked last.
  bool found_disk_full() noexcept { return std::exchange(disk_full_, false); }

 private:
  void run_queue() noexcept;
  void run(detail::Operation* operation) noexcept;
  void check_epoch(std::uint64_t generation);

  std::shared_ptr<FileState> file_;
  std::unique_ptr<Handle> handle_;
  bool distrusted_ = false;
  bool disk_full_ = false;
  bool came_late_ = false;       // the operation that failed just now, and nothing is wrong with the file
  detail::OperationList queue_;  // of the batch that runs
  detail::OperationList finished_;
  std::size_t finished_count_ = 0;
  std::size_t flushed_bytes_ = 0;
  Clock::time_point flushed_at_;
  Clock::time_point now_;
  Clock::time_point batch_began_;
};

class ReaderLane final : public SQLiteLane {
 public:
  // Looks after `inlined`, if there is one.
  ReaderLane(detail::LaneOptions options, std::shared_ptr<FileState> file,
             std::shared_ptr<InlineReader> inlined)
      : SQLiteLane(std::move(options), std::move(file)), inline_(std::move(inlined)) {}

  // Any thread: there is something to look after.
  void look() noexcept { wake(); }

 private:
  void run_one(detail::Operation* operation) override;
  Clock::time_point stay_until() noexcept override;
  bool leave() noexcept override;

  ReadTransaction transaction_;
  std::shared_ptr<InlineReader> const inline_;
};

// A bulk that was dropped without a commit. Made with the bulk, so that dropping it can't fail.
class AbandonedBulk {
 public:
  explicit AbandonedBulk(std::uint64_t s) noexcept : scope(s) {}
  std::uint64_t const scope;
  AbandonedBulk* next = nullptr;
};

class WriterLane final : public SQLiteLane {
 public:
  using SQLiteLane::SQLiteLane;
  ~WriterLane() override;

  // Any thread: rolls back the bulk of that scope, if it has begun.
  void abandon(std::unique_ptr<AbandonedBulk> bulk) noexcept;

 private:
  void run_one(detail::Operation* operation) override;
  void attend() noexcept override;
  bool put_aside(detail::Operation* operation) override;
  void settle() noexcept override;
  Clock::time_point stay_until() noexcept override;
  bool leave() noexcept override;

  void open(detail::Operation* operation);
  void begin(detail::Operation* operation);
  bool is_outdated() noexcept;
  void run_grouped(detail::Operation* operation, bool savepoint);
  void run_alone(detail::Operation* operation);
  void run_autocommit(detail::Operation* operation);
  void run_read(detail::Operation* operation);
  void run_bulk(detail::Operation* operation);
  void run_checkpoint(detail::Operation* operation);
  void end_bulk() noexcept;
  void look_after_bulk() noexcept;
  void commit();
  void roll_back() noexcept;
  void commit_group() noexcept;
  void complete_group() noexcept;
  void fail_group(std::exception_ptr error) noexcept;
  void committed() noexcept;
  void look_after_log() noexcept;
  int checkpoint_threshold() noexcept;
  bool lock_out_writers() noexcept;
  void let_in_writers() noexcept;
  bool move_log() noexcept;
  void checkpoint() noexcept;
  bool begin_log_anew() noexcept;
  void may_shrink() noexcept;
  bool shrink() noexcept;
  bool free_some();
  void come_again(Clock::time_point when);

  std::unique_ptr<Handle> sibling_;  // holds the write lock during a checkpoint
  detail::OperationList group_;      // run, to be completed by the commit
  std::size_t group_size_ = 0;
  Clock::time_point group_began_;
  Clock::time_point gave_up_at_ = Clock::time_point::min();  // waiting for another process's lock

  std::uint64_t bulk_ = 0;        // the scope that has the transaction
  detail::OperationList parked_;  // wait for it
  std::atomic<AbandonedBulk*> abandoned_{nullptr};
  std::optional<asio::steady_timer> timer_;  // wakes a pump that can't sleep on its thread

  bool full_ = false;
  int shrink_tries_ = 0;         // how often to look whether the file is too large; none left until a commit
  bool cuts_file_ = false;       // pages were freed, and the file is not shorter yet
  bool awaits_readers_ = false;  // for that
  std::size_t page_size_ = 4096;
  Clock::time_point next_try_;  // of moving the log where the disk is full
  int wal_pages_ = 0;
  int next_checkpoint_ = 0;
  bool log_is_long_ = false;  // so that it is to be moved into the file
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
