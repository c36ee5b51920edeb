#include "detail/lane.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "beast_cache/error.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

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
  operation->lane_ = this;
  operation->service_.submit(operation);
}

// After this the operation may complete and let go of the lane: the caller holds it.
void Lane::link(Operation* operation) noexcept {
  operation->next_.store(nullptr, std::memory_order_relaxed);
  Operation* const before = newest_.exchange(operation);
  // That one is still in the queue, or in what the pump has taken, and not run past without this link.
  (before ? before->next_ : oldest_).store(operation, std::memory_order_release);
}

void Lane::rouse() noexcept {
  // The pump looks at the queue once more after it has changed the state.
  if (state_.load() != running) wake();
}

void Lane::wake() noexcept {
  // Lest a pump that has just looked falls asleep over it.
  woken_up_.store(true);
  switch (state_.exchange(running)) {
    case idle:
      try {
        asio::post(options_.worker, Pump(shared_from_this()));
      } catch (...) {
        orphaned();
      }
      return;
    case asleep: {
      {
        std::lock_guard lock(sleep_mutex_);
      }
      woken_.notify_one();
      return;
    }
    default:
      return;
  }
}

OperationList Lane::take_all() noexcept {
  if (!newest_.load(std::memory_order_relaxed)) return {};
  Operation* const oldest = OperationList::await_link(oldest_);
  oldest_.store(nullptr, std::memory_order_relaxed);
  return OperationList(oldest, newest_.exchange(nullptr));
}

void Lane::pump() noexcept {
  if (idle_since_ != Clock::time_point()) note_gap(Clock::now() - idle_since_);
  for (;;) {
    OperationList operations = take_all();
    if (!operations.empty()) {
      run_batch(std::move(operations));
      continue;
    }
    woken_up_.store(false);
    drained();
    if (has_work() || wait() || !leave()) continue;
    state_.store(idle);
    // Either the submitter sees the lane idle and wakes it, or its operation is seen now.
    if (!has_work() || state_.exchange(running) != idle) return;
  }
}

// True if there is something to do.
bool Lane::wait() noexcept {
  idle_since_ = Clock::time_point();
  if (!options_.owns_thread) return false;
  auto const since = Clock::now();
  bool found = false;
  if (average_gap_ < options_.spin) {
    auto const deadline = since + options_.spin;
    do {
      for (int i = 0; i < 64 && !found; ++i) {
        detail::pause_processor();
        found = newest_.load(std::memory_order_relaxed) != nullptr;
      }
    } while (!found && Clock::now() < deadline);
  }
  if (!found) {
    auto const deadline = stay_until();
    if (deadline > since) found = sleep_until(deadline);
  }
  if (found) {
    note_gap(Clock::now() - since);
  } else {
    idle_since_ = since;
  }
  return found;
}

bool Lane::sleep_until(Clock::time_point deadline) noexcept {
  std::unique_lock lock(sleep_mutex_);
  state_.store(asleep);
  // As above: the submitter either sees the lane asleep, or its operation is seen now.
  if (!has_work()) {
    woken_.wait_until(lock, deadline, [this] { return state_.load() != asleep; });
  }
  bool const woken = state_.exchange(running) == running;
  return woken || has_work();
}

void Lane::note_gap(Clock::duration gap) noexcept {
  // One long pause ends the spinning, a few short ones start it.
  gap = std::min<Clock::duration>(gap, 4 * options_.spin);
  average_gap_ = (3 * average_gap_ + gap) / 4;
}

void Lane::orphaned() noexcept {
  OperationList operations = take_all();
  state_.store(idle);
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

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
