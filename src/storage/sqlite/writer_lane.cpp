#include <algorithm>
#include <boost/asio/error.hpp>
#include <thread>

#include "storage/sqlite/lane.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

using detail::Operation;
using detail::OperationList;

// Of the writes that share a transaction.
constexpr std::size_t group_limit = 1024;

Mode mode_of(Operation const& operation) noexcept {
  return static_cast<Mode>(operation.mode());
}

}  // namespace

WriterLane::~WriterLane() {
  while (!parked_.empty()) skip(parked_.pop_front());
  while (AbandonedBulk* const bulk = abandoned_.load()) {
    abandoned_.store(bulk->next);
    delete bulk;
  }
}

void WriterLane::open(Operation* operation) {
  set_current(operation);
  bool const fresh = open_handle(FileState::Role::first);
  if (fresh) {
    sibling_.reset();
    wal_pages_ = next_checkpoint_ = shrink_tries_ = 0;
    log_is_long_ = cuts_file_ = awaits_readers_ = false;
    page_size_ = static_cast<std::size_t>(handle().query_integer("PRAGMA page_size"));
    sqlite3_wal_hook(
        handle().raw(),
        [](void* self, sqlite3*, char const*, int pages) {
          static_cast<WriterLane*>(self)->wal_pages_ = pages;
          return SQLITE_OK;
        },
        this);
  }
  if (handle().counts().watched() != file().counted.load()) {
    handle().counts().watch(handle().raw(), file().counted_tables());
  }
  if (fresh || full_ != file().full_durability()) {
    full_ = file().full_durability();
    handle().execute(full_ ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
  }
  // One that shares its transaction can't be broken off, only asked.
  switch (mode_of(*operation)) {
    case Mode::write:
    case Mode::write_statement:
    case Mode::bulk_begin:
    case Mode::bulk_more:
      handle().may_break_off(false);
      break;
    default:
      handle().may_break_off(true);
  }
}

void WriterLane::run_one(Operation* operation) {
  switch (mode_of(*operation)) {
    case Mode::barrier:
      commit_group();
      finished(operation);
      return;
    case Mode::close:
      commit_group();
      end_bulk();
      sibling_.reset();
      drop_handle();
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
    case Mode::bulk_begin:
    case Mode::bulk_more:
    case Mode::bulk_commit:
      run_bulk(operation);
      return;
    case Mode::checkpoint:
    case Mode::checkpoint_all:
      run_checkpoint(operation);
      return;
    case Mode::write_autocommit:
    case Mode::read_autocommit:
      run_autocommit(operation);
      return;
    case Mode::read:
    case Mode::read_one:
      run_read(operation);
      return;
  }
}

void WriterLane::begin(Operation* operation) {
  commit_group();
  open(operation);
  // What was queued while another one waited for nothing has waited as long.
  bool const has_waited = gave_up_at_ >= batch_began();
  try {
    file().begin_write(handle(), has_waited ? std::chrono::milliseconds(0) : file().busy_timeout());
  } catch (Error const& error) {
    if (error.code() == cache_errc::busy) gave_up_at_ = Clock::now();
    throw;
  }
  gave_up_at_ = Clock::time_point::min();
}

void WriterLane::commit() {
  if (is_late()) fail_late();
  if (!file().is_in_place())
    throw Error(cache_errc::moved, file().path() + ": replaced while it was written to");
  handle().counts().write(handle());
  handle().statement("COMMIT").run();
}

void WriterLane::roll_back() noexcept {
  if (!has_handle()) return;
  handle().counts().reset();
  if (!handle().in_transaction()) return;
  try {
    handle().statement("ROLLBACK").run();
  } catch (...) {
    drop_handle();  // which rolls back
  }
}

// What a cache that was opened meanwhile asks for is asked of the transactions that begin after it.
bool WriterLane::is_outdated() noexcept {
  return full_ != file().full_durability() || handle().counts().watched() != file().counted.load();
}

void WriterLane::run_grouped(Operation* operation, bool savepoint) {
  if (!group_.empty() && is_outdated()) commit_group();
  if (group_.empty()) {
    // Also when a failed one left the transaction open with nothing in it.
    begin(operation);
    group_began_ = Clock::now();  // a checkpoint may have come before
  }
  try {
    handle().counts().mark();
    if (savepoint) handle().statement("SAVEPOINT job").run();
    operation->run(&handle());
    if (savepoint && !operation->failed()) handle().statement("RELEASE job").run();
  } catch (...) {
    // What it did can't be told from what the others did.
    roll_back();
    fail_group(std::current_exception());
    throw;
  }
  if (!operation->failed()) {
    group_.push_back(operation);
    if (++group_size_ >= group_limit || now() - group_began_ >= file().options().hold_time()) commit_group();
    return;
  }
  handle().counts().undo();
  if (!handle().in_transaction()) {
    // A full disk or an I/O error made SQLite roll back the whole transaction.
    fail_group(operation->error());
    distrust(operation->error());
  } else if (savepoint) {
    try {
      handle().statement("ROLLBACK TO job").run();
      handle().statement("RELEASE job").run();
    } catch (...) {
      roll_back();
      fail_group(std::current_exception());
    }
  }
  if (group_.empty()) roll_back();
  finished(operation);
}

void WriterLane::run_alone(Operation* operation) {
  begin(operation);
  operation->run(&handle());
  set_current(nullptr);  // from here on a cancellation comes too late
  if (!operation->failed()) {
    try {
      if (handle().in_transaction()) commit();
      committed();
    } catch (...) {
      operation->fail(std::current_exception());
    }
  }
  roll_back();
  if (operation->failed()) distrust(operation->error());
  finished(operation);
}

void WriterLane::run_autocommit(Operation* operation) {
  commit_group();
  open(operation);
  handle().start_busy_deadline(file().busy_timeout());
  int const changes = sqlite3_total_changes(handle().raw());
  operation->run(&handle());
  set_current(nullptr);
  roll_back();
  if (operation->failed()) distrust(operation->error());
  if (sqlite3_total_changes(handle().raw()) != changes) committed();
  finished(operation);
}

void WriterLane::run_read(Operation* operation) {
  commit_group();
  open(operation);
  handle().start_busy_deadline(file().busy_timeout());
  std::size_t const before = handle().bytes_read();
  handle().statement("BEGIN").run();
  operation->run(&handle());
  operation->add_result(handle().bytes_read() - before);
  set_current(nullptr);
  roll_back();
  if (operation->failed()) distrust(operation->error());
  finished(operation);
}

void WriterLane::commit_group() noexcept {
  set_current(nullptr);  // a cancellation comes too late
  if (!group_.empty()) complete_group();
  look_after_log();
}

void WriterLane::complete_group() noexcept {
  try {
    handle().start_busy_deadline(file().busy_timeout());
    commit();
  } catch (...) {
    roll_back();
    distrust(std::current_exception());
    fail_group(std::current_exception());
    return;
  }
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

void WriterLane::settle() noexcept {
  commit_group();
  look_after_bulk();
  // It may be the log that takes the room, which only a commit would have moved into the file. Where that
  // does not help it is not tried each time.
  bool const tries =
      found_disk_full() && bulk_ == 0 && has_handle() && !file().memory() && now() >= next_try_;
  if (tries && !begin_log_anew()) next_try_ = now() + std::chrono::seconds(1);
}

// --- bulks ---

void WriterLane::attend() noexcept {
  look_after_bulk();
}

bool WriterLane::put_aside(Operation* operation) {
  Mode const mode = mode_of(*operation);
  if (bulk_ == 0 || operation->scope() == bulk_ || mode == Mode::close) {
    if (operation->noted_time() != Clock::time_point()) operation->take_up();  // it was put aside before
    return false;
  }
  if (operation->noted_time() == Clock::time_point()) operation->note_time(now());
  if (operation->put_aside()) parked_.push_back(operation);
  return true;
}

void WriterLane::run_bulk(Operation* operation) {
  Mode const mode = mode_of(*operation);
  if (mode == Mode::bulk_begin) {
    begin(operation);
    bulk_ = operation->scope();
  } else if (bulk_ != operation->scope()) {
    throw Error(cache_errc::closed, file().path() + ": the bulk was rolled back when the file was closed");
  } else if (is_late()) {
    end_bulk();
    fail_late();
  }
  operation->run(&handle());
  set_current(nullptr);  // from here on a cancellation comes too late
  if (!operation->failed() && mode == Mode::bulk_commit) {
    try {
      commit();
      committed();
    } catch (...) {
      operation->fail(std::current_exception());
    }
  }
  if (operation->failed()) distrust(operation->error());
  if (operation->failed() || mode == Mode::bulk_commit) end_bulk();
  finished(operation);
}

void WriterLane::end_bulk() noexcept {
  if (bulk_ == 0) return;
  bulk_ = 0;
  roll_back();
  resume(std::move(parked_));
  parked_ = OperationList();
}

void WriterLane::abandon(std::unique_ptr<AbandonedBulk> bulk) noexcept {
  AbandonedBulk* const node = bulk.release();
  node->next = abandoned_.load(std::memory_order_relaxed);
  while (!abandoned_.compare_exchange_weak(node->next, node)) {
  }
  wake();
}

// Rolls back one that was given up, and ends the patience of those that wait for one.
void WriterLane::look_after_bulk() noexcept {
  if (abandoned_.load(std::memory_order_relaxed)) {
    AbandonedBulk* next = abandoned_.exchange(nullptr);
    while (next) {
      std::unique_ptr<AbandonedBulk> const given_up(next);
      next = given_up->next;
      if (given_up->scope == bulk_) end_bulk();
    }
  }
  while (!parked_.empty() && now() - parked_.front()->noted_time() >= file().busy_timeout()) {
    Operation* const operation = parked_.pop_front();
    if (!operation->claim()) {
      skip(operation);
      continue;
    }
    operation->take_up();
    if (mode_of(*operation) != Mode::barrier) {
      operation->fail(std::make_exception_ptr(
          Error(cache_errc::busy, file().path() + ": a bulk_commit of this process is being written")));
    }
    finished(operation);
  }
}

detail::Lane::Clock::time_point WriterLane::stay_until() noexcept {
  if (parked_.empty())
    return awaits_readers_ ? Clock::now() + file().options().hold_time() : Clock::time_point::min();
  return parked_.front()->noted_time() + file().busy_timeout();
}

bool WriterLane::leave() noexcept {
  if (parked_.empty() && !shrink()) return true;
  if (options().owns_thread) return false;
  try {
    come_again(stay_until());
  } catch (...) {
    // Then the next operation finds what there is to do.
  }
  return true;
}

// A thread that others use as well is not kept.
void WriterLane::come_again(Clock::time_point when) {
  if (!timer_) timer_.emplace(options().worker);
  timer_->expires_at(when);
  std::weak_ptr<Lane> const weak = weak_from_this();
  timer_->async_wait([weak](error_code ec) {
    if (auto const lane = std::static_pointer_cast<WriterLane>(weak.lock()); lane && !ec) lane->wake();
  });
}

// --- the write-ahead log ---

// In pages of this file: it may have been made with others. Never so many that the log is as long as it may
// be before the first attempt.
int WriterLane::checkpoint_threshold() noexcept {
  SQLiteOptions const& options = file().options();
  std::size_t const asked = options.checkpoint_pages() * options.page_size() / page_size_;
  std::size_t const most = options.wal_limit() / 2 / (page_size_ + 24);
  return static_cast<int>(std::clamp<std::size_t>(asked, 1, most));
}

void WriterLane::committed() noexcept {
  ++file().commits;
  if (file().memory()) return;
  may_shrink();
  int const threshold = checkpoint_threshold();
  if (wal_pages_ < threshold) next_checkpoint_ = threshold;
  log_is_long_ = wal_pages_ >= next_checkpoint_;
}

// Between transactions. A checkpoint takes longer than a commit: those who wait for that are told first.
void WriterLane::look_after_log() noexcept {
  if (!log_is_long_ || !has_handle() || handle().in_transaction()) return;
  log_is_long_ = false;
  flush();
  checkpoint();
  next_checkpoint_ = wal_pages_ + std::max(1, checkpoint_threshold() / 4);
  std::size_t const size = static_cast<std::size_t>(wal_pages_) * (page_size_ + 24);
  // Half of it: what is written between two attempts has to have room as well.
  if (size > file().options().wal_limit() / 2) begin_log_anew();
}

// Before 3.51.3 a checkpoint during which another connection commits may leave pages behind and corrupt the
// file. So no one else commits meanwhile: a second handle holds the write lock. False if another process has
// it.
bool WriterLane::lock_out_writers() noexcept {
  try {
    if (!sibling_) {
      sibling_ = file().open(FileState::Role::sibling);
      sibling_->disown();
    }
    sibling_->start_busy_deadline(std::chrono::milliseconds(0));
    sibling_->statement("BEGIN IMMEDIATE").run();
    return true;
  } catch (...) {
    return false;
  }
}

void WriterLane::let_in_writers() noexcept {
  try {
    sibling_->statement("ROLLBACK").run();
  } catch (...) {
    sibling_.reset();
  }
}

// With the writers locked out: moves what no reader needs any more into the file. True if that is all.
bool WriterLane::move_log() noexcept {
  int log = -1, moved = -1;
  if (sqlite3_wal_checkpoint_v2(handle().raw(), "main", SQLITE_CHECKPOINT_PASSIVE, &log, &moved) ==
      SQLITE_OK) {
    ++file().checkpoints;
  }
  // Readers that begin now read from the file alone.
  ++file().release_readers;
  return log >= 0 && log == moved;
}

void WriterLane::checkpoint() noexcept {
  if (!lock_out_writers()) return;  // with one of the next commits, then
  move_log();
  let_in_writers();
}

void WriterLane::run_checkpoint(Operation* operation) {
  commit_group();
  open(operation);
  operation->run(&handle());
  bool const all = file().memory() || begin_log_anew();
  if (!all && !operation->failed() && mode_of(*operation) == Mode::checkpoint_all) {
    operation->fail(std::make_exception_ptr(
        Error(cache_errc::busy, file().path() + ": someone else reads from its write-ahead log, or writes")));
  }
  finished(operation);
}

// The commit after a complete checkpoint begins the log anew, unless someone still reads from it. Under
// constant reading there is always one, here or in another process; so for once the writers wait until all
// those have left who were there before. False if they have not, or another process writes.
bool WriterLane::begin_log_anew() noexcept {
  auto const deadline = Clock::now() + std::max<Clock::duration>(10 * file().options().hold_time(),
                                                                 std::chrono::milliseconds(20));
  auto const wait_for = [&](auto condition) {
    while (!condition()) {
      if (Clock::now() >= deadline) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return true;
  };
  if (!lock_out_writers()) return false;
  bool const complete = wait_for([this] { return move_log(); });
  let_in_writers();
  // Locked out once more, for the second handle itself reads from the log that it found.
  if (!complete || !lock_out_writers()) return false;
  bool const unread = wait_for([this] { return handle().wal_is_unread(); });
  let_in_writers();
  return unread;
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
