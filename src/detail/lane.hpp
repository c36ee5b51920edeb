#pragma once
// A queue of operations and the pump that runs them on a worker's thread.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "detail/operation.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

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
  struct Pump;
  enum State { idle, running, asleep };

  bool has_work() const noexcept { return newest_.load() != nullptr || woken_up_.load(); }
  // The two parts of putting an operation into the queue; once it is linked, it may run.
  void link(Operation* operation) noexcept;
  void rouse() noexcept;
  OperationList take_all() noexcept;
  void pump() noexcept;
  bool wait() noexcept;
  bool sleep_until(Clock::time_point deadline) noexcept;
  void note_gap(Clock::duration gap) noexcept;
  void orphaned() noexcept;

  LaneOptions const options_;
  // The queue, linked from the oldest to the newest.
  std::atomic<Operation*> newest_{nullptr};
  std::atomic<Operation*> oldest_{nullptr};
  std::atomic<int> state_{idle};
  std::atomic<bool> woken_up_{false};  // since the pump looked
  std::mutex sleep_mutex_;
  std::condition_variable woken_;
  // The pump's own:
  Operation const* current_ = nullptr;
  Clock::duration average_gap_{};  // between an empty queue and the next operation
  Clock::time_point idle_since_{};
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
