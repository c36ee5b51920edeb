#include "storage/sqlite/lane.hpp"

#include <boost/asio/error.hpp>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

using Clock = std::chrono::steady_clock;
using detail::Operation;
using detail::OperationList;

// A read transaction is not held longer than this: it would keep the WAL from being reused.
constexpr auto hold_time = std::chrono::milliseconds(2);
// With big values it is better to hand over some of them early, while they are in the processor's cache.
constexpr std::size_t flush_bytes = 512 * 1024;
// Of the writes that share a transaction.
constexpr std::size_t group_limit = 1024;

Mode mode_of(Operation const& operation) noexcept {
  return static_cast<Mode>(operation.mode());
}

// A write that shares its transaction is not interrupted: SQLite would roll back its neighbours with it. Jobs
// of many steps ask check_cancelled() instead.
bool interruptible(Operation const& operation) noexcept {
  Mode const mode = mode_of(operation);
  return mode != Mode::write && mode != Mode::write_statement;
}

}  // namespace

// --- SQLiteLane ---

void SQLiteLane::interrupt_current() noexcept {
  // A write that shares its transaction is not interrupted: SQLite would roll back its neighbours with it.
  // Jobs of many steps ask check_cancelled() instead.
  Mode const mode = mode_of(*current());
  if (mode == Mode::write || mode == Mode::write_statement) return;
  std::lock_guard lock(handle_mutex_);
  if (handle_) sqlite3_interrupt(handle_->raw());
}

bool SQLiteLane::open_handle(FileState::Role role) {
  std::uint64_t const generation = file_->generation.load();
  if (handle_ && (generation_ != generation || distrusted_)) drop_handle();
  if (handle_) return false;
  std::unique_ptr<Handle> fresh = file_->open(role);
  fresh->on_cancelled([this] { return current() && current()->cancel_requested(); });
  fresh->interrupt_when(
      [this] { return current() && current()->cancel_requested() && interruptible(*current()); });
  std::lock_guard lock(handle_mutex_);
  handle_ = std::move(fresh);
  generation_ = generation;
  return true;
}

void SQLiteLane::drop_handle() noexcept {
  distrusted_ = false;
  if (!handle_) return;
  // Closing the last handle removes the write-ahead log, by its name: never somebody else's.
  if (generation_ != file_->generation.load() || !file_->is_in_place()) handle_->disown();
  std::unique_ptr<Handle> old;
  {
    std::lock_guard lock(handle_mutex_);
    old.swap(handle_);
  }
  flushed_bytes_ = 0;
}

void SQLiteLane::distrust(std::exception_ptr const& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (Error const& e) {
    if (e.code() == cache_errc::io) distrusted_ = true;
    if (e.code() == cache_errc::moved) ++file_->generation;
  } catch (...) {
  }
}

void SQLiteLane::flush() noexcept {
  if (!finished_.empty()) detail::OperationService::finish(std::move(finished_));
  finished_ = OperationList();
}

void SQLiteLane::run_batch(OperationList operations) noexcept {
  flushed_at_ = Clock::now();
  while (!operations.empty()) {
    Operation* const operation = operations.pop_front();
    if (!operation->claim()) {
      skip(operation);
      continue;
    }
    set_current(operation);
    try {
      run_one(operation);
    } catch (...) {
      operation->fail(std::current_exception());
      distrust(operation->error());
      finished(operation);
    }
    set_current(nullptr);
    std::size_t const bytes = handle_ ? handle_->bytes_read() : 0;
    auto const now = Clock::now();
    if (bytes - flushed_bytes_ >= flush_bytes || now - flushed_at_ >= hold_time) {
      flush();
      flushed_bytes_ = bytes;
      flushed_at_ = now;
    }
  }
  end_batch();
  flush();
}

// --- ReaderLane ---

void ReaderLane::run_one(Operation* operation) {
  switch (mode_of(*operation)) {
    case Mode::barrier:
      finished(operation);
      return;
    case Mode::close:
      close_handle();
      finished(operation);
      return;
    case Mode::read:
    case Mode::read_autocommit:
      break;
    default:
      throw Error(cache_errc::readonly, file().path() + ": opened with read_only");
  }
  open_handle(FileState::Role::reader);
  std::uint64_t const sequence = file().commit_sequence.load();
  bool const autocommit = mode_of(*operation) == Mode::read_autocommit;
  auto const now = Clock::now();
  // A write of this process that has completed since then must be seen.
  if (handle().in_transaction() && (autocommit || snapshot_ != sequence || now - began_ >= hold_time)) {
    handle().statement("COMMIT").run();
  }
  handle().start_busy_deadline(file().busy_timeout());
  if (!autocommit && !handle().in_transaction()) {
    handle().statement("BEGIN").run();
    snapshot_ = sequence;
    began_ = now;
  }
  operation->run(&handle());
  if (operation->failed()) distrust(operation->error());
  if (autocommit && handle().in_transaction()) handle().statement("ROLLBACK").run();
  finished(operation);
}

void ReaderLane::end_batch() noexcept {
  if (!has_handle() || !handle().in_transaction()) return;
  try {
    handle().statement("COMMIT").run();
  } catch (...) {
    drop_handle();
  }
}

void ReaderLane::close_handle() noexcept {
  drop_handle();
}

// --- WriterLane ---

void WriterLane::open() {
  bool const fresh = open_handle(FileState::Role::first);
  if (!fresh && full_ == file().full_.load()) return;
  if (fresh) {
    sibling_.reset();
    wal_pages_ = next_checkpoint_ = 0;
    sqlite3_wal_hook(
        handle().raw(),
        [](void* self, sqlite3*, char const*, int pages) {
          static_cast<WriterLane*>(self)->wal_pages_ = pages;
          return SQLITE_OK;
        },
        this);
  }
  full_ = file().full_.load();
  handle().execute(full_ ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

void WriterLane::run_one(Operation* operation) {
  switch (mode_of(*operation)) {
    case Mode::barrier:
      commit_group();
      finished(operation);
      return;
    case Mode::close:
      commit_group();
      close_handle();
      finished(operation);
      return;
    case Mode::write:
      run_grouped(operation, true);
      return;
    case Mode::write_statement:
      run_grouped(operation, false);
      return;
    case Mode::write_alone:
      run_alone(operation);
      return;
    case Mode::write_autocommit:
    case Mode::read_autocommit:
      run_autocommit(operation);
      return;
    case Mode::read:
      run_read(operation);
      return;
  }
}

void WriterLane::run_grouped(Operation* operation, bool savepoint) {
  if (group_.empty()) {
    commit_group();
    set_current(operation);
    open();
    file().begin_write(handle());
  }
  if (savepoint) handle().statement("SAVEPOINT job").run();
  operation->run(&handle());
  if (!operation->failed()) {
    if (savepoint) handle().statement("RELEASE job").run();
    group_.push_back(operation);
    if (++group_size_ >= group_limit) commit_group();
    return;
  }
  if (!handle().in_transaction()) {
    // A full disk or an I/O error made SQLite roll back the whole transaction.
    fail_group(operation->error());
    distrust(operation->error());
  } else if (savepoint) {
    try {
      handle().statement("ROLLBACK TO job").run();
      handle().statement("RELEASE job").run();
    } catch (...) {
      if (handle().in_transaction()) handle().execute("ROLLBACK");
      fail_group(std::current_exception());
    }
  }
  finished(operation);
}

void WriterLane::run_alone(Operation* operation) {
  commit_group();
  set_current(operation);
  open();
  file().begin_write(handle());
  operation->run(&handle());
  set_current(nullptr);  // from here on a cancellation comes too late
  if (!operation->failed()) {
    try {
      if (handle().in_transaction()) handle().statement("COMMIT").run();
      committed();
    } catch (...) {
      operation->fail(std::current_exception());
    }
  }
  if (handle().in_transaction()) handle().statement("ROLLBACK").run();
  if (operation->failed()) distrust(operation->error());
  finished(operation);
}

void WriterLane::run_autocommit(Operation* operation) {
  commit_group();
  set_current(operation);
  open();
  handle().start_busy_deadline(file().busy_timeout());
  int const changes = sqlite3_total_changes(handle().raw());
  operation->run(&handle());
  set_current(nullptr);
  if (handle().in_transaction()) handle().statement("ROLLBACK").run();
  if (operation->failed()) distrust(operation->error());
  if (sqlite3_total_changes(handle().raw()) != changes) {
    committed();
  } else {
    ++file().commit_sequence;  // a statement that counts no changes, such as CREATE
  }
  finished(operation);
}

void WriterLane::run_read(Operation* operation) {
  commit_group();
  set_current(operation);
  open();
  handle().statement("BEGIN").run();
  operation->run(&handle());
  if (handle().in_transaction()) handle().statement("ROLLBACK").run();
  finished(operation);
}

void WriterLane::commit_group() noexcept {
  set_current(nullptr);
  if (!has_handle() || !handle().in_transaction()) return;
  try {
    handle().start_busy_deadline(file().busy_timeout());
    handle().statement("COMMIT").run();
  } catch (...) {
    try {
      if (handle().in_transaction()) handle().statement("ROLLBACK").run();
    } catch (...) {
    }
    distrust(std::current_exception());
    fail_group(std::current_exception());
    return;
  }
  if (group_.empty()) return;
  committed();
  while (!group_.empty()) finished(group_.pop_front());
  group_size_ = 0;
}

void WriterLane::fail_group(std::exception_ptr error) noexcept {
  while (!group_.empty()) {
    Operation* const operation = group_.pop_front();
    operation->fail(error);
    finished(operation);
  }
  group_size_ = 0;
}

void WriterLane::committed() noexcept {
  ++file().commit_sequence;
  ++file().commits;
  int const threshold = static_cast<int>(file().checkpoint_pages());
  if (wal_pages_ < threshold) next_checkpoint_ = threshold;
  if (wal_pages_ >= next_checkpoint_ && !file().memory()) {
    checkpoint();
    next_checkpoint_ = wal_pages_ + threshold / 4;
  }
}

void WriterLane::checkpoint() noexcept {
  // Before 3.51.3 a checkpoint during which another connection commits may leave pages behind and corrupt the
  // file. So no one else commits meanwhile: a second handle holds the write lock.
  try {
    if (!sibling_) {
      sibling_ = file().open(FileState::Role::sibling);
      sibling_->disown();
    }
    sibling_->start_busy_deadline(std::chrono::milliseconds(0));
    sibling_->statement("BEGIN IMMEDIATE").run();
  } catch (...) {
    return;  // another process is writing: with one of the next commits, then
  }
  if (sqlite3_wal_checkpoint_v2(handle().raw(), "main", SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr) ==
      SQLITE_OK) {
    ++file().checkpoints;
  }
  try {
    sibling_->statement("ROLLBACK").run();
  } catch (...) {
    sibling_.reset();
  }
}

void WriterLane::end_batch() noexcept {
  commit_group();
}

void WriterLane::close_handle() noexcept {
  sibling_.reset();
  drop_handle();
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
