#include "storage/sqlite/lane.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>

namespace beast_cache {
inline namespace v1 {
namespace sqlite {
namespace {

using detail::Operation;
using detail::OperationList;

// With big values it is better to hand over some of them early, while they are in the processor's cache.
constexpr std::size_t flush_bytes = 512 * 1024;
// With many small ones, so that the caller goes on while the lane does.
constexpr std::size_t flush_count = 32;
// And what took that long, if handing over costs next to nothing since the caller looks for it.
constexpr std::chrono::microseconds polled_flush_time{20};

Mode mode_of(Operation const& operation) noexcept {
  return static_cast<Mode>(operation.mode());
}

}  // namespace

// --- SQLiteLane ---

// What was opened meanwhile is another file, in which nobody has looked for the operation's tables.
void SQLiteLane::check_epoch(std::uint64_t generation) {
  std::uint64_t const epoch = current() ? current()->epoch() : 0;
  if (epoch != 0 && epoch != generation) fail_late();
}

void SQLiteLane::fail_late() {
  came_late_ = true;
  throw Error(cache_errc::moved, file_->path() + ": opened anew");
}

bool SQLiteLane::open_handle(FileState::Role role) {
  std::uint64_t const generation = file_->generation.load();
  check_epoch(generation);
  if (handle_ && (handle_->generation() != generation || distrusted_)) drop_handle();
  if (handle_) return false;
  handle_ = file_->open(role);
  handle_->on_cancelled([this] { return current() && current()->cancel_requested(); });
  handle_->set_generation(generation);
  return true;
}

void SQLiteLane::drop_handle() noexcept {
  distrusted_ = false;
  if (!handle_) return;
  // Closing the last handle removes the write-ahead log, by its name: never somebody else's.
  if (is_late() || !file_->is_in_place()) handle_->disown();
  handle_.reset();
  flushed_bytes_ = 0;
}

void SQLiteLane::distrust(std::exception_ptr const& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (Error const& e) {
    if (e.code() == cache_errc::io) distrusted_ = true;
    if (e.code() == cache_errc::full) disk_full_ = true;
    if (e.code() == cache_errc::moved && !std::exchange(came_late_, false)) ++file_->generation;
  } catch (...) {
  }
}

void SQLiteLane::finished(Operation* operation) noexcept {
  finished_.push_back(operation);
  ++finished_count_;
}

void SQLiteLane::flush() noexcept {
  if (finished_count_ != 0) detail::OperationService::finish(std::move(finished_));
  finished_ = OperationList();
  finished_count_ = 0;
  flushed_at_ = now_;
}

void SQLiteLane::resume(OperationList operations) noexcept {
  operations.append(std::move(queue_));
  queue_ = std::move(operations);
}

void SQLiteLane::run_batch(OperationList operations) noexcept {
  queue_.append(std::move(operations));
  batch_began_ = now_ = Clock::now();
  if (finished_count_ == 0) flushed_at_ = now_;
  run_queue();
}

void SQLiteLane::run_queue() noexcept {
  while (!queue_.empty()) {
    attend();
    Operation* const operation = queue_.pop_front();
    if (!queue_.empty()) queue_.front()->prefetch();
    if (!operation->claim()) {
      skip(operation);
      continue;
    }
    if (put_aside(operation)) continue;
    if (operation->has_to_wait()) {
      flush();
      operation->put_off(queue_);
      continue;
    }
    run(operation);
  }
}

void SQLiteLane::run(Operation* operation) noexcept {
  bool const small = mode_of(*operation) == Mode::read_one;
  set_current(operation);
  try {
    check_epoch(file_->generation.load());
    run_one(operation);
  } catch (...) {
    operation->fail(std::current_exception());
    distrust(operation->error());
    finished(operation);
  }
  set_current(nullptr);
  // Looking at the clock is a part of what a small read takes.
  if (!small || finished_count_ % 4 == 0) now_ = Clock::now();
  std::size_t const bytes = handle_ ? handle_->bytes_read() : 0;
  if (bytes - flushed_bytes_ >= flush_bytes || finished_count_ >= flush_count ||
      now_ - flushed_at_ >= file_->options().hold_time() ||
      (now_ - flushed_at_ >= polled_flush_time && finished_count_ != 0 &&
       finished_.front()->is_polled_for())) {
    flush();
    flushed_bytes_ = bytes;
  }
}

void SQLiteLane::drained() noexcept {
  now_ = Clock::now();
  settle();
  // What waited for a bulk may go on now.
  while (!queue_.empty()) {
    run_queue();
    settle();
  }
  flush();
}

// --- ReaderLane ---

void ReaderLane::run_one(Operation* operation) {
  switch (mode_of(*operation)) {
    case Mode::barrier:
      finished(operation);
      return;
    case Mode::close:
      drop_handle();
      finished(operation);
      return;
    case Mode::read:
    case Mode::read_one:
    case Mode::read_autocommit:
      break;
    default:
      throw Error(cache_errc::readonly, file().path() + ": opened with read_only");
  }
  if (open_handle(FileState::Role::reader)) handle().use_feeds();
  bool const autocommit = mode_of(*operation) == Mode::read_autocommit;
  if (!autocommit) {
    bool const begun = transaction_.enter(handle(), file(), now());
    // A lane that is never idle must not forget those who read by themselves.
    if (begun && inline_) inline_->leave(file());
  } else {
    if (handle().in_transaction()) transaction_.leave(handle());
    handle().start_busy_deadline(file().busy_timeout());
  }
  std::size_t const before = handle().bytes_read();
  operation->run(&handle());
  operation->add_result(handle().bytes_read() - before);
  if (operation->failed()) distrust(operation->error());
  // Without a transaction they would keep one of their own.
  if (autocommit || !handle().in_transaction()) handle().end_feeds();
  if (autocommit && handle().in_transaction()) handle().statement("ROLLBACK").run();
  finished(operation);
}

detail::Lane::Clock::time_point ReaderLane::stay_until() noexcept {
  // Short: an open read transaction keeps the write-ahead log from being used anew.
  auto until = Clock::time_point::min();
  if (has_handle() && handle().in_transaction()) until = transaction_.end(file());
  return inline_ ? std::max(until, inline_->stay_until(file())) : until;
}

bool ReaderLane::leave() noexcept {
  if (has_handle() && handle().in_transaction()) {
    try {
      transaction_.leave(handle());
    } catch (...) {
      drop_handle();
    }
  }
  return !inline_ || inline_->leave(file());
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
