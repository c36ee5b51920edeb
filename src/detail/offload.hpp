#pragma once
// Blocking work for coroutines: offload() hands a plain function object to a lane and resumes the caller on
// its own executor with the result.
//
// An operation is owned from three sides, in turn: the lane's queue, the OperationService of the caller's
// execution context, and at last the handler that is posted to the caller's executor.
//   queued    --claim()-->   running  --finish--> posted --> completed
//   queued    --cancel()-->  cancelled            posted --> completed with operation_aborted
// Whoever wins the exchange on state_ decides. The lane skips what it can't claim, so that a cancelled
// operation may be completed, and its coroutine be gone, before the lane comes across the empty shell.

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class Lane;
class Operation;
class OperationService;

// A list of operations, linked through Operation::next_; empty after the move.
class OperationList {
 public:
  OperationList() = default;
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
  Operation* pop_front() noexcept;

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

  bool cancel_requested() const noexcept { return cancel_requested_.load(std::memory_order_relaxed); }

  // Caller's side: takes it back if it has not begun, otherwise asks the lane to interrupt it.
  void cancel() noexcept;

  // How the lane is to run it; the meaning is the lane's.
  int mode() const noexcept { return mode_; }

 protected:
  Operation(int mode, asio::any_io_executor const& executor);
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

  enum State { queued, running, cancelled };

  asio::any_io_executor executor_;  // tracked: a work guard for the caller's context
  OperationService& service_;
  Lane* lane_ = nullptr;
  Operation* next_ = nullptr;  // in the lane's queue or a list of finished ones
  Operation* service_next_ = nullptr;
  Operation* service_previous_ = nullptr;
  std::atomic<int> state_{queued};
  std::atomic<int> references_{2};  // the lane's and the completion's
  std::atomic<bool> cancel_requested_{false};
  int mode_;
};

// Belongs to the execution context of the callers and owns their outstanding operations, so that the context
// may be destroyed at any time: shutdown() takes back what has not begun, waits for what runs, and destroys
// the handlers (and the coroutines in them) on the thread that destroys the context.
class OperationService final : public asio::execution_context::service {
 public:
  using key_type = OperationService;
  static asio::execution_context::id id;

  explicit OperationService(asio::execution_context& context) : service(context) {}

  void add(Operation* operation) noexcept;

  // Posts a cancelled operation's completion.
  void post_cancelled(Operation* operation) noexcept;

  // Lane: posts the completions, one handler for each executor.
  static void finish(OperationList operations) noexcept;

 private:
  void shutdown() noexcept override;
  void unlink(Operation* operation) noexcept;
  void finish_batch(OperationList operations) noexcept;
  void bury(Operation* operation) noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  Operation* first_ = nullptr;
  Operation* dead_ = nullptr;  // to be destroyed by shutdown(), linked through service_next_
  bool stopped_ = false;
};

// A queue of operations and the pump that runs them one after the other on an executor of worker threads.
// Owned by a shared_ptr. The pump takes the whole queue at a time.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  explicit Lane(asio::any_io_executor worker) : worker_(std::move(worker)) {}
  Lane(Lane const&) = delete;
  Lane& operator=(Lane const&) = delete;
  virtual ~Lane();

  // Any thread. Operations run in the order of their submission.
  void submit(Operation* operation);

  // Any thread: interrupts the operation if it is the one that runs.
  void interrupt(Operation const* operation) noexcept;

 protected:
  // Runs a batch: claims, runs and finishes each of them. Takes one at a time by take().
  virtual void run_batch(OperationList operations) noexcept = 0;
  // Called with the guard held: only while set_current(operation) is in force.
  virtual void interrupt_current() noexcept = 0;

  void set_current(Operation const* operation) noexcept;
  Operation const* current() const noexcept { return current_; }

  // Gives up the lane's part in an operation it could not claim.
  static void skip(Operation* operation) noexcept { operation->release(); }

 private:
  struct Pump;

  OperationList take_all() noexcept;
  void pump() noexcept;
  void orphaned() noexcept;

  asio::any_io_executor worker_;
  std::atomic<Operation*> head_{nullptr};  // newest first
  std::atomic<bool> scheduled_{false};
  std::mutex guard_;
  Operation const* current_ = nullptr;
};

inline void OperationList::push_back(Operation* operation) noexcept {
  operation->next_ = nullptr;
  (last_ ? last_->next_ : first_) = operation;
  last_ = operation;
}

inline Operation* OperationList::pop_front() noexcept {
  Operation* const operation = first_;
  first_ = operation->next_;
  if (!first_) last_ = nullptr;
  operation->next_ = nullptr;
  return operation;
}

template <class R>
struct OffloadTraits {
  static_assert(std::is_default_constructible_v<R>, "an offloaded result has to be default constructible");
  using Signature = void(std::exception_ptr, R);
  using Storage = std::optional<R>;
};
template <>
struct OffloadTraits<void> {
  using Signature = void(std::exception_ptr);
  using Storage = bool;
};

template <class Handler, class R, class Context, class Job, class Keep>
class OffloadOperation final : public Operation {
 public:
  using Allocator =
      typename std::allocator_traits<asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>>::
          template rebind_alloc<OffloadOperation>;
  using AllocatorTraits = std::allocator_traits<Allocator>;

  static OffloadOperation* create(int mode, Handler handler, Job job, Keep keep) {
    Allocator allocator(asio::get_associated_allocator(handler, asio::recycling_allocator<void>()));
    OffloadOperation* const memory = AllocatorTraits::allocate(allocator, 1);
    try {
      return ::new (static_cast<void*>(memory))
          OffloadOperation(allocator, mode, std::move(handler), std::move(job), std::move(keep));
    } catch (...) {
      AllocatorTraits::deallocate(allocator, memory, 1);
      throw;
    }
  }

  Handler const& handler() const noexcept { return body_->handler; }

 private:
  struct Body {
    Handler handler;
    Job job;
    Keep keep;  // the lane's owner
    typename OffloadTraits<R>::Storage result{};
  };

  OffloadOperation(Allocator const& allocator, int mode, Handler handler, Job job, Keep keep)
      : Operation(mode, asio::get_associated_executor(handler)),
        allocator_(allocator),
        body_(std::in_place, Body{std::move(handler), std::move(job), std::move(keep), {}}) {}

  void run(void* context) noexcept override {
    try {
      if constexpr (std::is_void_v<R>) {
        body_->job(*static_cast<Context*>(context));
      } else {
        body_->result.emplace(body_->job(*static_cast<Context*>(context)));
      }
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  void complete() override {
    // The memory goes back before the handler runs, so that the next operation can have it; what keeps the
    // lane alive, and with it perhaps the cache itself, goes when the handler has returned.
    Body body(std::move(*body_));
    std::exception_ptr error(std::move(error_));
    asio::any_io_executor const work(take_executor());
    asio::get_associated_cancellation_slot(body.handler).clear();
    body_.reset();
    release();
    if constexpr (std::is_void_v<R>) {
      std::move(body.handler)(std::move(error));
    } else if (error) {
      std::move(body.handler)(std::move(error), R());
    } else {
      std::move(body.handler)(std::exception_ptr(), std::move(*body.result));
    }
  }

  void abandon() noexcept override {
    std::optional<Body> body(std::move(body_));
    asio::any_io_executor const work(take_executor());
    body_.reset();
    release();
  }

  void destroy() noexcept override {
    Allocator allocator(allocator_);
    this->~OffloadOperation();
    AllocatorTraits::deallocate(allocator, this, 1);
  }

  Allocator allocator_;
  std::optional<Body> body_;
};

template <class R, class Context, class Job, class Keep>
class OffloadInitiation {
 public:
  OffloadInitiation(int mode, Job job, Keep keep)
      : mode_(mode), job_(std::move(job)), keep_(std::move(keep)) {}

  template <class Handler>
  void operator()(Handler&& handler, Lane* lane) && {
    using Op = OffloadOperation<std::decay_t<Handler>, R, Context, Job, Keep>;
    auto slot = asio::get_associated_cancellation_slot(handler);
    Op* const operation =
        Op::create(mode_, std::forward<Handler>(handler), std::move(job_), std::move(keep_));
    if (slot.is_connected()) slot.template emplace<Canceller>(operation);
    lane->submit(operation);
  }

 private:
  class Canceller {
   public:
    explicit Canceller(Operation* operation) noexcept : operation_(operation) {}
    void operator()(asio::cancellation_type_t type) const noexcept {
      if (type != asio::cancellation_type::none) operation_->cancel();
    }

   private:
    Operation* operation_;
  };

  int mode_;
  Job job_;
  Keep keep_;
};

// Runs job(Context&) on the lane and resumes the awaiting coroutine with what it returns or throws. One
// allocation, recycled. `keep` owns the lane until the operation has completed.
template <class R, class Context, class Job, class Keep>
asio::awaitable<R> offload(Lane& lane, int mode, Job job, Keep keep) {
  return asio::async_initiate<asio::use_awaitable_t<> const, typename OffloadTraits<R>::Signature>(
      OffloadInitiation<R, Context, Job, Keep>(mode, std::move(job), std::move(keep)), asio::use_awaitable,
      &lane);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
