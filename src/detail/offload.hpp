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
//
// Back-pressure: a context has a bounded number of operations, and of bytes in them, with the lanes; what is
// beyond waits in its OperationService, in order, and costs no more than its own arguments. Results that
// their context has not taken yet count as well, so that a context that does not run holds up nobody but
// itself.

#include <array>
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
#include <chrono>
#include <condition_variable>
#include <cstdint>
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

// What a lane has to know about an operation before it runs it.
class OperationKind {
 public:
  OperationKind() = default;
  int mode = 0;
  std::uint64_t scope = 0;
  std::size_t weight = 0;  // bytes that the job holds
  bool quick = false;      // done in some microseconds, as a rule
};

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
  void push_front(Operation* operation) noexcept;
  void append(OperationList other) noexcept;
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

  // Lane: a job of many steps asks now and then.
  bool cancel_requested() const noexcept { return cancel_requested_.load(std::memory_order_relaxed); }

  // Lane: whether its context has to take earlier results first. A claimed operation that has not run is then
  // given back with put_off().
  bool has_to_wait() const noexcept;
  void put_off() noexcept;

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
  enum Delivery { by_post, polled, ready };

  // Lane: true if the caller looks for the operation by itself, and finds it now.
  bool deliver_to_poller() noexcept {
    int expected = polled;
    return delivery_.compare_exchange_strong(expected, ready);
  }
  // Poller: true if it is to be posted from now on.
  bool stop_polling() noexcept {
    int expected = polled;
    return delivery_.compare_exchange_strong(expected, by_post);
  }

  asio::any_io_executor executor_;  // tracked: a work guard for the caller's context
  OperationService& service_;
  Lane* lane_ = nullptr;
  Operation* next_ = nullptr;  // in the lane's queue or a list of finished ones
  Operation* service_next_ = nullptr;
  Operation* service_previous_ = nullptr;
  std::atomic<int> state_{queued};
  std::atomic<int> references_{2};  // the lane's and the completion's, and that of a poller
  std::atomic<int> delivery_{by_post};
  std::atomic<bool> cancel_requested_{false};
  bool admitted_ = false;  // counted by the service; guarded by its mutex
  bool quick_;
  int mode_;
  std::uint64_t scope_;
  std::size_t weight_;             // bytes of the arguments
  std::size_t result_weight_ = 0;  // and of the result
  std::chrono::steady_clock::time_point noted_time_;
  std::chrono::microseconds poll_time_{};
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
  void put_off(Operation* operation) noexcept;

  // How a poller fared.
  void polled(bool success) noexcept;

  // The context has taken that many operations with that many bytes.
  void taken(std::size_t operations, std::size_t bytes) noexcept;

 private:
  void shutdown() noexcept override;
  void unlink(Operation* operation) noexcept;
  void finish_batch(OperationList operations) noexcept;
  void bury(Operation* operation) noexcept;
  void forget(Operation* operation) noexcept;
  bool has_room(Operation const& operation) const noexcept;
  bool is_worth_polling(Operation const& operation) noexcept;
  void admit(Operation* operation) noexcept;
  void admit_waiting() noexcept;

  std::mutex mutex_;
  std::condition_variable changed_;
  Operation* first_ = nullptr;
  Operation* dead_ = nullptr;   // to be destroyed by shutdown(), linked through service_next_
  OperationList waiting_;       // not admitted yet
  std::size_t operations_ = 0;  // admitted and not taken
  std::size_t bytes_ = 0;       // in those
  std::atomic<unsigned> polls_to_skip_{0};
  std::atomic<unsigned> failed_polls_{0};
  // Of the part of them that was posted. Lanes read it for each operation: on a cache line of its own.
  alignas(64) std::atomic<std::size_t> untaken_bytes_{0};
  alignas(64) std::atomic<int> posting_{0};  // lanes that use the context just now
  bool stopped_ = false;
};

// How a lane uses its threads, and how much it takes at a time.
class LaneOptions {
 public:
  LaneOptions() = default;
  asio::any_io_executor worker;
  // The worker's thread is the lane's alone: the pump may wait on it.
  bool owns_thread = false;
  // How long the pump looks for more work before it sleeps. Waking a sleeping thread on another processor
  // takes tens of microseconds; so it is worth it while work comes more often than that.
  std::chrono::microseconds spin{0};
  // Of one execution context at a time.
  std::size_t max_operations = 1024;
  std::size_t max_bytes = std::size_t{64} << 20;
};

// A queue of operations and the pump that runs them one after the other on an executor of worker threads.
// Owned by a shared_ptr. The pump takes the whole queue at a time.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Lane(LaneOptions options) : options_(std::move(options)) {}
  Lane(Lane const&) = delete;
  Lane& operator=(Lane const&) = delete;
  virtual ~Lane();

  // Any thread. Operations run in the order of their submission.
  void submit(Operation* operation);

  LaneOptions const& options() const noexcept { return options_; }

 protected:
  // Runs a batch: claims, runs and finishes each of them.
  virtual void run_batch(OperationList operations) noexcept = 0;
  // The queue is empty: completes everything that can be completed.
  virtual void drained() noexcept = 0;
  // Until when the pump may sleep before it leaves; only asked after drained() and with a thread of its own.
  virtual Clock::time_point stay_until() noexcept = 0;
  // The pump wants to leave: lets go of everything that must not be held while nothing happens. False if
  // there is something left to look after.
  virtual bool leave() noexcept = 0;

  // The operation that runs, on the lane's thread.
  void set_current(Operation const* operation) noexcept { current_ = operation; }
  Operation const* current() const noexcept { return current_; }

  // Gives up the lane's part in an operation it could not claim.
  static void skip(Operation* operation) noexcept { operation->release(); }

  // Any thread: makes the pump run, if only to look at the time.
  void wake() noexcept;

 private:
  friend class OperationService;
  friend class WakeScope;
  struct Pump;
  enum State { idle, running, asleep };

  void enqueue(Operation* operation) noexcept;
  OperationList take_all() noexcept;
  void pump() noexcept;
  bool wait() noexcept;
  bool sleep_until(Clock::time_point deadline) noexcept;
  void note_gap(Clock::duration gap) noexcept;
  void orphaned() noexcept;

  LaneOptions const options_;
  std::atomic<Operation*> head_{nullptr};  // newest first
  std::atomic<int> state_{idle};
  std::mutex sleep_mutex_;
  std::condition_variable woken_;
  // The pump's own:
  Operation const* current_ = nullptr;
  Clock::duration average_gap_{};  // between an empty queue and the next operation
  Clock::time_point idle_since_{};
};

// While it lives, lanes that this thread gives work to are not woken; they are at its end. A batch of
// completed operations usually submits as many new ones: the lane shall find them all at once.
class WakeScope {
 public:
  WakeScope() noexcept;
  WakeScope(WakeScope const&) = delete;
  WakeScope& operator=(WakeScope const&) = delete;
  ~WakeScope();

  static WakeScope* current() noexcept { return current_; }
  // False if the lane has to be woken now.
  bool add(Lane& lane) noexcept;

 private:
  static thread_local WakeScope* current_;
  WakeScope* const outer_;
  std::array<std::shared_ptr<Lane>, 4> lanes_;
  std::size_t size_ = 0;
  unsigned added_ = 0;
  bool late_ = false;
  Lane::Clock::time_point const began_ = Lane::Clock::now();
};

inline void OperationList::push_back(Operation* operation) noexcept {
  operation->next_ = nullptr;
  (last_ ? last_->next_ : first_) = operation;
  last_ = operation;
}

inline void OperationList::push_front(Operation* operation) noexcept {
  operation->next_ = first_;
  first_ = operation;
  if (!last_) last_ = operation;
}

inline void OperationList::append(OperationList other) noexcept {
  if (other.empty()) return;
  (last_ ? last_->next_ : first_) = std::exchange(other.first_, nullptr);
  last_ = std::exchange(other.last_, nullptr);
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

  static OffloadOperation* create(OperationKind const& kind, Handler handler, Job job, Keep keep) {
    Allocator allocator(asio::get_associated_allocator(handler, asio::recycling_allocator<void>()));
    OffloadOperation* const memory = AllocatorTraits::allocate(allocator, 1);
    try {
      return ::new (static_cast<void*>(memory))
          OffloadOperation(allocator, kind, std::move(handler), std::move(job), std::move(keep));
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

  OffloadOperation(Allocator const& allocator, OperationKind const& kind, Handler handler, Job job, Keep keep)
      : Operation(kind, asio::get_associated_executor(handler)),
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
  OffloadInitiation(OperationKind const& kind, Job job, Keep keep)
      : kind_(kind), job_(std::move(job)), keep_(std::move(keep)) {}

  template <class Handler>
  void operator()(Handler&& handler, Lane* lane) && {
    using Op = OffloadOperation<std::decay_t<Handler>, R, Context, Job, Keep>;
    auto slot = asio::get_associated_cancellation_slot(handler);
    Op* const operation =
        Op::create(kind_, std::forward<Handler>(handler), std::move(job_), std::move(keep_));
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

  OperationKind kind_;
  Job job_;
  Keep keep_;
};

// Runs job(Context&) on the lane and resumes the awaiting coroutine with what it returns or throws. One
// allocation, recycled. `keep` owns the lane until the operation has completed.
template <class R, class Context, class Job, class Keep>
asio::awaitable<R> offload(Lane& lane, OperationKind kind, Job job, Keep keep) {
  return asio::async_initiate<asio::use_awaitable_t<> const, typename OffloadTraits<R>::Signature>(
      OffloadInitiation<R, Context, Job, Keep>(kind, std::move(job), std::move(keep)), asio::use_awaitable,
      &lane);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
