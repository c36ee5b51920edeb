#include "detail/operation.hpp"

#include <algorithm>
#include <boost/asio/defer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <optional>
#include <thread>

#include "beast_cache/error.hpp"
#include "detail/completion.hpp"
#include "detail/lane.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

asio::execution_context::id OperationService::id;

namespace {

std::exception_ptr aborted() {
  return std::make_exception_ptr(Error(asio::error::operation_aborted, "cancelled"));
}

}  // namespace

Operation::Operation(OperationKind const& kind, asio::any_io_executor const& executor)
    : executor_(asio::prefer(executor, asio::execution::outstanding_work.tracked)),
      service_(asio::use_service<OperationService>(asio::query(executor, asio::execution::context))),
      quick_(kind.quick),
      mode_(kind.mode),
      scope_(kind.scope),
      epoch_(kind.epoch),
      weight_(kind.weight) {}

void Operation::cancel() noexcept {
  cancel_requested_.store(true);
  int expected = queued;
  if (state_.compare_exchange_strong(expected, cancelled)) {
    error_ = aborted();
    service_.post_cancelled(this);
  }
}

bool Operation::has_to_wait() const noexcept {
  return service_.congested(*lane_);
}

bool Operation::is_polled_for() const noexcept {
  return service_.has_poller();
}

void Operation::put_off(OperationList& behind) noexcept {
  service_.put_off(this, behind);
}

bool Operation::put_aside() noexcept {
  return service_.put_aside(this);
}

void Operation::take_up() noexcept {
  service_.take_up(this);
}

Operation* OperationList::await_link(std::atomic<Operation*> const& link) noexcept {
  for (unsigned tries = 0;; ++tries) {
    if (Operation* const operation = link.load(std::memory_order_acquire)) return operation;
    if (tries < 64) {
      detail::pause_processor();
    } else {
      std::this_thread::yield();  // its thread has lost the processor
    }
  }
}

// --- OperationService ---

void OperationService::submit(Operation* operation) noexcept {
  // Once it is linked the operation may be cancelled by another thread, complete, and let go of the lane.
  auto const lane = operation->lane_->shared_from_this();
  std::optional<Poller> poller;
  {
    std::lock_guard lock(mutex_);
    forks_ = fork_generation();
    operation->service_next_ = first_;
    operation->service_previous_ = nullptr;
    if (first_) first_->service_previous_ = operation;
    first_ = operation;
    if (!waiting_.empty() || !has_room(*operation)) {
      waiting_.push_back(operation);
      return;
    }
    admit(operation);
    if (is_worth_polling(*operation)) {
      set_polled(operation->executor_);
      poller.emplace(*this, polled_, lane->options().spin);
    }
  }
  // Not under the mutex, which would halve the rate of small look-ups. (So another thread's operation that is
  // submitted while a lane gives some back may come before these.)
  lane->link(operation);
  lane->rouse();
  if (!poller) return;
  try {
    Poller::start(std::move(*poller));
  } catch (...) {
    // Then it is posted.
  }
}

bool OperationService::is_worth_polling(Operation const& operation) noexcept {
  if (polled_ || rests_ || !operation.quick_ || operation.lane_->options().spin.count() == 0) return false;
  if (polls_to_skip_ == 0) return true;
  --polls_to_skip_;
  return false;
}

void OperationService::set_polled(asio::any_io_executor executor) noexcept {
  polled_ = std::move(executor);
  has_poller_.store(static_cast<bool>(polled_), std::memory_order_relaxed);
}

void OperationService::stop_polling() noexcept {
  if (forks_ != fork_generation()) return;  // see shutdown()
  OperationList ready;
  {
    std::lock_guard lock(mutex_);
    ready = end_polling();
  }
  if (ready.empty()) return;
  asio::any_io_executor const executor(ready.front()->executor_);
  asio::post(executor, CompletionBatch(std::move(ready), 0, 0));
}

OperationList OperationService::take_ready() noexcept {
  std::lock_guard lock(mutex_);
  OperationList ready = end_polling();
  rests_ = !ready.empty();
  failed_polls_ = rests_ ? 0 : std::min(10u, failed_polls_ + 1);
  if (!rests_) polls_to_skip_ = 1u << failed_polls_;
  return ready;
}

OperationList OperationService::end_polling() noexcept {
  set_polled(asio::any_io_executor());
  has_ready_.store(false, std::memory_order_relaxed);
  take(std::exchange(ready_count_, 0), std::exchange(ready_bytes_, 0));
  return std::move(ready_);
}

bool OperationService::resume_polling(asio::any_io_executor const& executor) noexcept {
  std::lock_guard lock(mutex_);
  rests_ = false;
  if (stopped_ || quick_ == 0) return false;
  set_polled(executor);
  return true;
}

bool OperationService::has_room(Operation const& operation) const noexcept {
  LaneOptions const& limits = operation.lane_->options();
  return operations_ < limits.max_operations && bytes_ < limits.max_bytes;
}

void OperationService::admit(Operation* operation) noexcept {
  operation->admitted_ = true;
  ++operations_;
  quick_ += operation->quick_ ? 1 : 0;
  bytes_ += operation->weight_;
}

// Takes it out of the count.
void OperationService::forget(Operation* operation) noexcept {
  if (!std::exchange(operation->admitted_, false)) return;
  --operations_;
  quick_ -= operation->quick_ ? 1 : 0;
  bytes_ -= operation->weight_;
}

void OperationService::admit_waiting() noexcept {
  while (!waiting_.empty()) {
    Operation* const operation = waiting_.front();
    if (operation->state_.load() != Operation::queued) {
      // A shell: it was cancelled, and its lane may be gone.
      waiting_.pop_front()->release();
      continue;
    }
    if (!has_room(*operation)) return;
    waiting_.pop_front();
    admit(operation);
    // Whoever cancels it now has to come past the mutex before it may complete; not so the lane.
    auto const lane = operation->lane_->shared_from_this();
    lane->link(operation);
    lane->rouse();
  }
}

void OperationService::taken(std::size_t operations, std::size_t bytes) noexcept {
  std::lock_guard lock(mutex_);
  take(operations, bytes);
}

void OperationService::take(std::size_t operations, std::size_t bytes) noexcept {
  operations_ -= operations;
  bytes_ -= bytes;
  untaken_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  admit_waiting();
}

bool OperationService::congested(Lane const& lane) const noexcept {
  return untaken_bytes_.load(std::memory_order_relaxed) >= lane.options().max_bytes;
}

// A claimed operation that is not run after all. False when its context has gone: then nobody has it any
// more.
bool OperationService::take_back(Operation* operation) noexcept {
  forget(operation);
  if (!stopped_) return true;
  operation->references_.fetch_sub(1, std::memory_order_acq_rel);
  bury(operation);
  changed_.notify_all();
  return false;
}

void OperationService::put_off(Operation* operation, OperationList& behind) noexcept {
  Lane& lane = *operation->lane_;
  std::lock_guard lock(mutex_);
  if (!take_back(operation)) return;
  bool const taken_meanwhile = !congested(lane);
  OperationList given_back;
  if (reopen(operation)) given_back.push_back(operation);
  behind.append(lane.take_all());
  OperationList others;
  while (!behind.empty()) {
    Operation* const next = behind.pop_front();
    bool const is_ours = &next->service_ == this;
    if (is_ours) forget(next);
    (is_ours ? given_back : others).push_back(next);
  }
  behind = std::move(others);
  // Those that wait already came later.
  given_back.append(std::move(waiting_));
  waiting_ = std::move(given_back);
  if (taken_meanwhile) admit_waiting();
}

bool OperationService::put_aside(Operation* operation) noexcept {
  std::lock_guard lock(mutex_);
  if (!take_back(operation)) return false;
  bool const waits = reopen(operation);
  admit_waiting();
  return waits;
}

void OperationService::take_up(Operation* operation) noexcept {
  std::lock_guard lock(mutex_);
  if (!operation->admitted_) admit(operation);
}

// Makes a claimed operation one that has not begun. False if it is cancelled instead.
bool OperationService::reopen(Operation* operation) noexcept {
  // From here on it can be cancelled as one that has not begun. Who tried just before left word.
  operation->state_.store(Operation::queued);
  if (operation->cancel_requested_.load()) {
    int expected = Operation::queued;
    if (operation->state_.compare_exchange_strong(expected, Operation::cancelled)) {
      operation->error_ = aborted();
      operation->references_.fetch_sub(1, std::memory_order_acq_rel);
      unlink(operation);
      asio::post(operation->executor_, CancelledCompletion(operation));
      return false;
    }
  }
  return true;
}

void OperationService::unlink(Operation* operation) noexcept {
  (operation->service_previous_ ? operation->service_previous_->service_next_ : first_) =
      operation->service_next_;
  if (operation->service_next_) operation->service_next_->service_previous_ = operation->service_previous_;
}

void OperationService::bury(Operation* operation) noexcept {
  unlink(operation);
  operation->service_next_ = std::exchange(dead_, operation);
}

void OperationService::post_cancelled(Operation* operation) noexcept {
  std::lock_guard lock(mutex_);
  forget(operation);
  if (stopped_) {
    bury(operation);
    changed_.notify_all();
    return;
  }
  unlink(operation);
  asio::post(operation->executor_, CancelledCompletion(operation));
  admit_waiting();
}

void OperationService::finish(OperationList operations) noexcept {
  while (!operations.empty()) {
    OperationList same, others;
    OperationService& service = operations.front()->service_;
    asio::any_io_executor const& executor = operations.front()->executor_;
    same.push_back(operations.pop_front());
    while (!operations.empty()) {
      Operation* const operation = operations.pop_front();
      bool const belongs = &operation->service_ == &service && operation->executor_ == executor;
      (belongs ? same : others).push_back(operation);
    }
    service.finish_batch(std::move(same));
    operations = std::move(others);
  }
}

void OperationService::finish_batch(OperationList operations) noexcept {
  OperationList finished;
  std::size_t count = 0, bytes = 0;
  {
    std::lock_guard lock(mutex_);
    while (!operations.empty()) {
      Operation* const operation = operations.pop_front();
      // The lane's part ends here; the completion's keeps the operation.
      operation->references_.fetch_sub(1, std::memory_order_acq_rel);
      if (stopped_) {
        bury(operation);
      } else {
        unlink(operation);
        std::size_t const weight = operation->weight_ + operation->result_weight_;
        bytes_ += operation->result_weight_;
        untaken_bytes_.fetch_add(weight, std::memory_order_relaxed);
        quick_ -= operation->quick_ ? 1 : 0;
        ++count;
        bytes += weight;
        finished.push_back(operation);
      }
    }
    if (stopped_) {
      changed_.notify_all();
      return;
    }
    if (finished.front()->executor_ == polled_) {
      ready_.append(std::move(finished));
      ready_count_ += count;
      ready_bytes_ += bytes;
      has_ready_.store(true, std::memory_order_release);
      return;
    }
    ++posting_;
  }
  // Outside the mutex: the thread that this wakes takes it first of all.
  {
    // Its end may be the end of the context's work, and looks at the context once more.
    asio::any_io_executor const executor(finished.front()->executor_);
    asio::post(executor, CompletionBatch(std::move(finished), count, bytes));
  }
  --posting_;  // the service may be gone now
}

void OperationService::shutdown() noexcept {
  // In a child process there are no lanes, and the mutex may have been one's: what is outstanding is left.
  if (forks_ != fork_generation()) return;
  std::unique_lock lock(mutex_);
  stopped_ = true;
  for (Operation* operation = first_; operation;) {
    Operation* const next = operation->service_next_;
    operation->cancel_requested_.store(true, std::memory_order_relaxed);
    int expected = Operation::queued;
    if (operation->state_.compare_exchange_strong(expected, Operation::cancelled)) bury(operation);
    operation = next;
  }
  while (!ready_.empty()) {
    Operation* const operation = ready_.pop_front();
    operation->service_next_ = std::exchange(dead_, operation);
  }
  set_polled(asio::any_io_executor());
  // Shells by now.
  while (!waiting_.empty()) waiting_.pop_front()->release();
  changed_.wait(lock, [this] { return first_ == nullptr; });
  // A lane may be handing over the last ones, which takes the context: for some instructions.
  while (posting_.load() != 0) std::this_thread::yield();
  Operation* dead = std::exchange(dead_, nullptr);
  lock.unlock();
  while (dead) std::exchange(dead, dead->service_next_)->abandon();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
