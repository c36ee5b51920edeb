#pragma once
// The handlers that bring finished operations to their callers' executors.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/defer.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstddef>
#include <utility>

#include "detail/lane.hpp"
#include "detail/operation.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// The handler that carries finished operations to one executor. Destroyed without being called, when the
// context goes down, it takes the coroutines with it.
class CompletionBatch {
 public:
  CompletionBatch(OperationList operations, std::size_t count, std::size_t bytes) noexcept
      : operations_(std::move(operations)), count_(count), bytes_(bytes) {}
  CompletionBatch(CompletionBatch&& other) noexcept = default;
  CompletionBatch(CompletionBatch const&) = delete;
  CompletionBatch& operator=(CompletionBatch const&) = delete;

  ~CompletionBatch() {
    while (!operations_.empty()) operations_.pop_front()->abandon();
  }

  bool empty() const noexcept { return operations_.empty(); }

  void operator()() {
    if (count_ != 0) operations_.front()->service_.taken(std::exchange(count_, 0), bytes_);
    while (!operations_.empty()) {
      Operation* const operation = operations_.pop_front();
      if (operations_.empty()) {
        operation->complete();
        return;
      }
      try {
        operation->complete();
      } catch (...) {
        // A handler's exception leaves through the caller's run(); the others must not be lost with it.
        asio::any_io_executor const executor(operations_.front()->executor_);
        asio::post(executor, CompletionBatch(std::move(operations_), 0, 0));
        throw;
      }
    }
  }

 private:
  OperationList operations_;
  std::size_t count_;
  std::size_t bytes_;
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

// Looks for finished operations on the callers' executor, again and again between that one's other handlers,
// for as long as quick ones are with the lanes. Falling asleep and being woken takes several times as long as
// such an operation, for the caller's thread and for the lane that has to wake it.
class Poller {
 public:
  Poller(OperationService& service, asio::any_io_executor executor,
         std::chrono::microseconds patience) noexcept
      : service_(&service), executor_(std::move(executor)), patience_(patience) {}
  Poller(Poller&& other) noexcept
      : service_(std::exchange(other.service_, nullptr)),
        executor_(std::move(other.executor_)),
        patience_(other.patience_),
        until_(other.until_) {}
  Poller(Poller const&) = delete;
  Poller& operator=(Poller const&) = delete;

  ~Poller() {
    // Not called: the context goes down, or has no memory for it.
    if (service_) service_->stop_polling();
  }

  // From within a handler that may run the context itself, and wait for what this is to find.
  static void start(Poller poller) {
    asio::any_io_executor const executor(poller.executor_);
    asio::post(executor, std::move(poller));
  }

  void operator()() {
    for (int i = 0; i < 32 && !service_->has_ready(); ++i) detail::pause_processor();
    if (!service_->has_ready()) {
      auto const now = Lane::Clock::now();
      if (until_ == Lane::Clock::time_point()) until_ = now + patience_;
      if (now < until_) {
        asio::any_io_executor const executor(executor_);
        asio::defer(executor, std::move(*this));
        return;
      }
    }
    CompletionBatch batch(service_->take_ready(), 0, 0);
    if (batch.empty()) {
      service_ = nullptr;
      return;
    }
    // While handlers run, nobody looks: what is finished meanwhile is posted. One of them may block, or run
    // the context itself, for that.
    Resumption const afterwards(*std::exchange(service_, nullptr), std::move(executor_), patience_);
    batch();
  }

 private:
  class Resumption {
   public:
    Resumption(OperationService& service, asio::any_io_executor executor,
               std::chrono::microseconds patience) noexcept
        : service_(service), executor_(std::move(executor)), patience_(patience) {}
    Resumption(Resumption const&) = delete;
    Resumption& operator=(Resumption const&) = delete;
    ~Resumption() {
      if (!service_.resume_polling(executor_)) return;
      try {
        start(Poller(service_, executor_, patience_));
      } catch (...) {
        // Then it is posted.
      }
    }

   private:
    OperationService& service_;
    asio::any_io_executor executor_;
    std::chrono::microseconds patience_;
  };

  OperationService* service_;
  asio::any_io_executor executor_;
  std::chrono::microseconds patience_;
  Lane::Clock::time_point until_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
