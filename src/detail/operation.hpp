#pragma once
// Operations that run on a lane, from their submission to their completion. An operation is owned from three
// sides, in turn: the lane's queue, the OperationService of the caller's execution context, and at last the
// handler that is posted to the caller's executor.
//   queued    --claim()-->   running  --finish--> posted --> completed
//   queued    --cancel()-->  cancelled            posted --> completed with operation_aborted
// Whoever wins the exchange on state_ decides. The lane skips what it can't claim, so that a cancelled
// operation may be completed, and its coroutine be gone, before the lane comes across the empty shell.
//   claimed   --put_aside--> queued, and held by the lane itself until it can be run
//
// Back-pressure: a context has a bounded number of operations, and of bytes in them, with the lanes; what is
// beyond waits in its OperationService, in order, and costs no more than its own arguments. Results that
// their context has not taken yet count as well, so that a context that does not run holds up nobody but
// itself.

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>

#include "beast_cache/config.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class Lane;
class Operation;
class OperationService;

// What a lane has to know about an operation before it runs it.
class OperationKind {
 public:
  OperationKind() = default;
  int mode = 0;
  std::uint64_t scope = 0;
  std::uint64_t epoch = 0;
  std::size_t weight = 0;  // bytes that the job holds
  bool quick = false;      // done in some microseconds, as a rule
};

// A list of operations, linked through Operation::next_; empty after the move.
class OperationList {
 public:
  OperationList() = default;
  // What others link, first to last; a link may still be on its way.
  OperationList(Operation* first, Operation* last) noexcept : first_(first), last_(last) {}
  OperationList(OperationList&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  OperationList& operator=(OperationList&& other) noexcept {
    std::swap(first_, other.first_);
    std::swap(last_, other.last_);
    return *this;
  }
  bool empty() const noexcept { return first_ == nullptr; }
  Operation* front() const noexcept { return first_; }
  void push_back(Operation* operation) noexcept;
  void append(OperationList other) noexcept;
  Operation* pop_front() noexcept;

  // What a submitter is about to write there, if it has not yet: some instructions later.
  static Operation* await_link(std::atomic<Operation*> const& link) noexcept;

 private:
  Operation* first_ = nullptr;
  Operation* last_ = nullptr;
};

class Operation {
 public:
  Operation(Operation const&) = delete;
  Operation& operator=(Operation const&) = delete;

  // Lane: runs the job on the lane's thread; what it throws is kept for the caller.
  virtual void run(void* context) noexcept = 0;

  // Lane: whether it is the lane's to run; from then on it has to be finished.
  bool claim() noexcept {
    int expected = queued;
    return state_.compare_exchange_strong(expected, running);
  }

  // Lane: replaces the outcome.
  void fail(std::exception_ptr error) noexcept { error_ = std::move(error); }
  bool failed() const noexcept { return error_ != nullptr; }
  std::exception_ptr const& error() const noexcept { return error_; }

  // Lane: a job of many steps asks now and then.
  bool cancel_requested() const noexcept { return cancel_requested_.load(std::memory_order_relaxed); }

  // Lane: whether its context has to take earlier results first. A claimed operation that has not run is then
  // given back with put_off(), and so are those of the same context that come behind it, from `behind` and
  // from the lane's queue, so that all of them keep their order.
  bool has_to_wait() const noexcept;
  void put_off(OperationList& behind) noexcept;

  // Lane: one that is claimed, and can't be run yet. It does not count meanwhile, so that those behind it
  // come to the lanes, and can be cancelled. False if it was, or its context has gone: then it is not the
  // lane's any more. Before it is run it is claimed again, and counted.
  bool put_aside() noexcept;
  void take_up() noexcept;

  // Lane: whether its context looks for what is finished, so that handing over little costs little.
  bool is_polled_for() const noexcept;

  // Lane: it is the next one. Its submitter has just written it, on another processor.
  void prefetch() const noexcept {
    for (std::size_t at = 0; at < 384; at += 64)
      __builtin_prefetch(reinterpret_cast<char const*>(this) + at, 1);
  }

  // Lane: for its own use.
  void note_time(std::chrono::steady_clock::time_point time) noexcept { noted_time_ = time; }
  std::chrono::steady_clock::time_point noted_time() const noexcept { return noted_time_; }

  // Lane: the bytes of the result.
  void add_result(std::size_t bytes) noexcept { result_weight_ += bytes; }

  // Caller's side: takes it back if it has not begun, otherwise asks the lane to give up.
  void cancel() noexcept;

  // How the lane is to run it; the meaning is the lane's.
  int mode() const noexcept { return mode_; }
  // Operations with one scope other than 0 belong together.
  std::uint64_t scope() const noexcept { return scope_; }
  // What they were prepared for; 0 for anything.
  std::uint64_t epoch() const noexcept { return epoch_; }

 protected:
  Operation(OperationKind const& kind, asio::any_io_executor const& executor);
  virtual ~Operation() = default;

  // On the caller's executor: hands over the outcome. The operation may be gone afterwards.
  virtual void complete() = 0;
  // Forgets the handler, unless it is gone already.
  virtual void abandon() noexcept = 0;
  virtual void destroy() noexcept = 0;

  // A shell that stays in the lane's queue must not hold on to the caller's context.
  asio::any_io_executor take_executor() noexcept { return std::exchange(executor_, asio::any_io_executor()); }

  void release() noexcept {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }

  std::exception_ptr error_;

 private:
  friend class Lane;
  friend class OperationList;
  friend class OperationService;
  friend class CompletionBatch;
  friend class CancelledCompletion;
  friend class Poller;

  enum State { queued, running, cancelled };

  asio::any_io_executor executor_;  // tracked: a work guard for the caller's context
  OperationService& service_;
  Lane* lane_ = nullptr;
  std::atomic<Operation*> next_{nullptr};  // in the lane's queue or a list of finished ones
  Operation* service_next_ = nullptr;
  Operation* service_previous_ = nullptr;
  std::atomic<int> state_{queued};
  std::atomic<int> references_{2};  // the lane's and the completion's
  std::atomic<bool> cancel_requested_{false};
  bool admitted_ = false;  // counted by the service; guarded by its mutex
  bool quick_;
  int mode_;
  std::uint64_t scope_;
  std::uint64_t epoch_;
  std::size_t weight_;             // bytes of the arguments
  std::size_t result_weight_ = 0;  // and of the result
  std::chrono::steady_clock::time_point noted_time_;
};

// Belongs to the execution context of the callers and owns their outstanding operations, so that the context
// may be destroyed at any time: shutdown() takes back what has not begun, waits for what runs, and destroys
// the handlers (and the coroutines in them) on the thread that destroys the context.
class OperationService final : public asio::execution_context::service {
 public:
  using key_type = OperationService;
  static asio::execution_context::id id;

  explicit OperationService(asio::execution_context& context) : service(context) {}

  // Any thread: takes part in the operation's ownership and hands it to its lane, at once or later.
  void submit(Operation* operation) noexcept;

  // Posts a cancelled operation's completion.
  void post_cancelled(Operation* operation) noexcept;

  // Lane: posts the completions, one handler for each executor.
  static void finish(OperationList operations) noexcept;

  // Lane: see Operation::has_to_wait.
  bool congested(Lane const& lane) const noexcept;
  void put_off(Operation* operation, OperationList& behind) noexcept;

  // Lane: see Operation::put_aside.
  bool put_aside(Operation* operation) noexcept;
  void take_up(Operation* operation) noexcept;

  // Lane: see Operation::is_polled_for.
  bool has_poller() const noexcept { return has_poller_.load(std::memory_order_relaxed); }

  // The poller's: whether there is something to take; what there is. It rests after that, and looks again if
  // that is true.
  bool has_ready() const noexcept { return has_ready_.load(std::memory_order_acquire); }
  OperationList take_ready() noexcept;
  bool resume_polling(asio::any_io_executor const& executor) noexcept;
  void stop_polling() noexcept;

  // The context has taken that many operations with that many bytes.
  void taken(std::size_t operations, std::size_t bytes) noexcept;

 private:
  void shutdown() noexcept override;
  void unlink(Operation* operation) noexcept;
  void finish_batch(OperationList operations) noexcept;
  void bury(Operation* operation) noexcept;
  void forget(Operation* operation) noexcept;
  bool take_back(Operation* operation) noexcept;
  bool reopen(Operation* operation) noexcept;
  bool has_room(Operation const& operation) const noexcept;
  bool is_worth_polling(Operation const& operation) noexcept;
  void set_polled(asio::any_io_executor executor) noexcept;
  OperationList end_polling() noexcept;
  void take(std::size_t operations, std::size_t bytes) noexcept;
  void admit(Operation* operation) noexcept;
  void admit_waiting() noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  Operation* first_ = nullptr;
  Operation* dead_ = nullptr;   // to be destroyed by shutdown(), linked through service_next_
  OperationList waiting_;       // not admitted yet
  std::size_t operations_ = 0;  // admitted and not taken
  std::size_t bytes_ = 0;       // in those
  std::size_t quick_ = 0;       // of them with the lanes
  // The executor that has a poller, or none, and what is finished for it.
  asio::any_io_executor polled_;
  OperationList ready_;
  std::atomic<bool> has_poller_{false};
  bool rests_ = false;  // the poller does, while handlers run
  std::size_t ready_count_ = 0;
  std::size_t ready_bytes_ = 0;
  unsigned polls_to_skip_ = 0;
  unsigned failed_polls_ = 0;
  alignas(64) std::atomic<bool> has_ready_{false};
  // Of the part of them that was posted. Lanes read it for each operation: on a cache line of its own.
  alignas(64) std::atomic<std::size_t> untaken_bytes_{0};
  alignas(64) std::atomic<int> posting_{0};  // lanes that use the context just now
  bool stopped_ = false;
  unsigned forks_ = fork_generation();  // of the process that used it last
};

inline void OperationList::push_back(Operation* operation) noexcept {
  operation->next_.store(nullptr, std::memory_order_relaxed);
  append(OperationList(operation, operation));
}

inline void OperationList::append(OperationList other) noexcept {
  if (other.empty()) return;
  Operation* const first = std::exchange(other.first_, nullptr);
  if (last_) {
    last_->next_.store(first, std::memory_order_relaxed);
  } else {
    first_ = first;
  }
  last_ = std::exchange(other.last_, nullptr);
}

inline Operation* OperationList::pop_front() noexcept {
  Operation* const operation = first_;
  if (operation == last_) {
    first_ = last_ = nullptr;
  } else {
    first_ = await_link(operation->next_);
    operation->next_.store(nullptr, std::memory_order_relaxed);
  }
  return operation;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
