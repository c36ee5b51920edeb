#include "detail/offload.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

asio::execution_context::id OperationService::id;

namespace {

std::exception_ptr aborted() {
  return std::make_exception_ptr(Error(asio::error::operation_aborted, "cancelled"));
}

}  // namespace

// The handler that carries finished operations to one executor. Destroyed without being called, when the
// context goes down, it takes the coroutines with it.
class CompletionBatch {
 public:
  explicit CompletionBatch(OperationList operations) noexcept : operations_(std::move(operations)) {}
  CompletionBatch(CompletionBatch&& other) noexcept = default;
  CompletionBatch(CompletionBatch const&) = delete;
  CompletionBatch& operator=(CompletionBatch const&) = delete;

  ~CompletionBatch() {
    while (!operations_.empty()) operations_.pop_front()->abandon();
  }

  void operator()() {
    while (!operations_.empty()) {
      Operation* const operation = operations_.pop_front();
      if (operations_.empty()) {
        operation->complete();
        return;
      }
      // Copied first: complete() frees the operation.
      asio::any_io_executor const executor(operations_.front()->executor_);
      try {
        operation->complete();
      } catch (...) {
        // A handler's exception leaves through the caller's run(); the others must not be lost with it.
        asio::post(executor, CompletionBatch(std::move(operations_)));
        throw;
      }
    }
  }

 private:
  OperationList operations_;
};

// The same for one operation that may still be in the lane's queue, so that its link can't be used.
class CancelledCompletion {
 public:
  explicit CancelledCompletion(Operation* operation) noexcept : operation_(operation) {}
  CancelledCompletion(CancelledCompletion&& other) noexcept
      : operation_(std::exchange(other.operation_, nullptr)) {}
  CancelledCompletion(CancelledCompletion const&) = delete;
  CancelledCompletion& operator=(CancelledCompletion const&) = delete;
  ~CancelledCompletion() {
    if (operation_) operation_->abandon();
  }
  void operator()() { std::exchange(operation_, nullptr)->complete(); }

 private:
  Operation* operation_;
};

Operation::Operation(int mode, asio::any_io_executor const& executor)
    : executor_(asio::prefer(executor, asio::execution::outstanding_work.tracked)),
      service_(asio::use_service<OperationService>(asio::query(executor, asio::execution::context))),
      mode_(mode) {}

void Operation::cancel() noexcept {
  cancel_requested_.store(true, std::memory_order_relaxed);
  int expected = queued;
  if (state_.compare_exchange_strong(expected, cancelled)) {
    error_ = aborted();
    service_.post_cancelled(this);
  } else if (expected == running) {
    lane_->interrupt(this);
  }
}

void OperationService::add(Operation* operation) noexcept {
  std::lock_guard lock(mutex_);
  operation->service_next_ = first_;
  operation->service_previous_ = nullptr;
  if (first_) first_->service_previous_ = operation;
  first_ = operation;
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
  if (stopped_) {
    bury(operation);
    changed_.notify_all();
    return;
  }
  unlink(operation);
  asio::post(operation->executor_, CancelledCompletion(operation));
}

void OperationService::finish(OperationList operations) noexcept {
  while (!operations.empty()) {
    OperationList same, others;
    OperationService& service = operations.front()->service_;
    asio::any_io_executor const& executor = operations.front()->executor_;
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
  // Posting under the lock: shutdown() can't get past it while the context is being used here.
  std::lock_guard lock(mutex_);
  OperationList finished;
  while (!operations.empty()) {
    Operation* const operation = operations.pop_front();
    // The lane's part ends here; the completion's keeps the operation.
    operation->references_.fetch_sub(1, std::memory_order_acq_rel);
    if (stopped_) {
      bury(operation);
    } else {
      unlink(operation);
      finished.push_back(operation);
    }
  }
  if (stopped_) {
    changed_.notify_all();
  } else {
    asio::any_io_executor const executor(finished.front()->executor_);
    asio::post(executor, CompletionBatch(std::move(finished)));
  }
}

void OperationService::shutdown() noexcept {
  std::unique_lock lock(mutex_);
  stopped_ = true;
  for (Operation* operation = first_; operation;) {
    Operation* const next = operation->service_next_;
    operation->cancel_requested_.store(true, std::memory_order_relaxed);
    int expected = Operation::queued;
    if (operation->state_.compare_exchange_strong(expected, Operation::cancelled)) {
      bury(operation);
    } else {
      operation->lane_->interrupt(operation);
    }
    operation = next;
  }
  changed_.wait(lock, [this] { return first_ == nullptr; });
  Operation* dead = std::exchange(dead_, nullptr);
  lock.unlock();
  while (dead) std::exchange(dead, dead->service_next_)->abandon();
}

struct Lane::Pump {
  explicit Pump(std::shared_ptr<Lane> l) noexcept : lane(std::move(l)) {}
  Pump(Pump&&) noexcept = default;
  Pump(Pump const&) = delete;
  Pump& operator=(Pump const&) = delete;
  ~Pump() {
    if (lane) lane->orphaned();
  }
  void operator()() { std::exchange(lane, nullptr)->pump(); }
  std::shared_ptr<Lane> lane;
};

Lane::~Lane() {
  OperationList shells = take_all();
  while (!shells.empty()) shells.pop_front()->release();
}

void Lane::submit(Operation* operation) {
  auto const self = shared_from_this();  // once queued, the operation may complete and let go of the lane
  operation->lane_ = this;
  operation->service_.add(operation);
  Operation* head = head_.load(std::memory_order_relaxed);
  do operation->next_ = head;
  while (!head_.compare_exchange_weak(head, operation));
  if (scheduled_.exchange(true)) return;
  try {
    asio::post(worker_, Pump(self));
  } catch (...) {
    orphaned();
  }
}

OperationList Lane::take_all() noexcept {
  Operation* newest = head_.exchange(nullptr);
  Operation* oldest = nullptr;
  while (newest) {
    Operation* const next = std::exchange(newest->next_, oldest);
    oldest = std::exchange(newest, next);
  }
  OperationList operations;
  while (oldest) {
    Operation* const next = oldest->next_;
    operations.push_back(oldest);
    oldest = next;
  }
  return operations;
}

void Lane::pump() noexcept {
  for (;;) {
    OperationList operations = take_all();
    if (!operations.empty()) {
      run_batch(std::move(operations));
      continue;
    }
    scheduled_.store(false);
    // Either the submitter sees false here and posts, or its operation is seen now.
    if (head_.load() == nullptr || scheduled_.exchange(true)) return;
  }
}

void Lane::orphaned() noexcept {
  OperationList operations = take_all();
  scheduled_.store(false);
  OperationList failed;
  while (!operations.empty()) {
    Operation* const operation = operations.pop_front();
    if (!operation->claim()) {
      skip(operation);
      continue;
    }
    operation->fail(std::make_exception_ptr(
        Error(cache_errc::no_threads, "the executor of the cache's worker threads was destroyed")));
    failed.push_back(operation);
  }
  OperationService::finish(std::move(failed));
}

void Lane::set_current(Operation const* operation) noexcept {
  std::lock_guard lock(guard_);
  current_ = operation;
}

void Lane::interrupt(Operation const* operation) noexcept {
  std::lock_guard lock(guard_);
  if (current_ == operation) interrupt_current();
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
