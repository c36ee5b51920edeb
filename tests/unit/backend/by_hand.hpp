#pragma once
// A file's threads that run when the test says so.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "support.hpp"

namespace backend_test {

class ByHand {
 public:
  // One operation, under way.
  template <class T>
  class Running {
   public:
    explicit Running(std::shared_ptr<asio::io_context> c) : caller(std::move(c)) {}
    std::shared_ptr<asio::io_context> const caller;
    asio::cancellation_signal cancel;
    std::optional<T> result;
    std::exception_ptr failure;
    // Whether it is complete, without the file's threads.
    bool look() {
      caller->restart();
      while (caller->poll() != 0) {
      }
      return result.has_value();
    }
  };

  asio::any_io_executor executor() { return threads_.get_executor(); }

  template <class T>
  std::unique_ptr<Running<T>> begin(asio::awaitable<T> operation) {
    auto running = std::make_unique<Running<T>>(caller);
    asio::co_spawn(
        *caller, std::move(operation),
        asio::bind_cancellation_slot(running->cancel.slot(), [&r = *running](std::exception_ptr e, T value) {
          r.failure = e;
          r.result.emplace(std::move(value));
        }));
    running->look();
    return running;
  }
  // What the threads have to do now; false if that is nothing.
  bool work() {
    threads_.restart();
    return threads_.poll() != 0;
  }
  // The first thing of that.
  bool work_once() {
    threads_.restart();
    return threads_.poll_one() != 0;
  }
  // All that, and what they do by and by.
  void work_to_the_end() {
    threads_.restart();
    threads_.run();
  }
  template <class T>
  T finish(Running<T>& running) {
    while (!running.look()) REQUIRE(work());
    if (running.failure) std::rethrow_exception(running.failure);
    return std::move(*running.result);
  }
  template <class T>
  T run(asio::awaitable<T> operation) {
    auto const running = begin(std::move(operation));
    return finish(*running);
  }
  void run(asio::awaitable<void> operation) { run(done(std::move(operation))); }

  // Of the operations; those under way keep theirs.
  std::shared_ptr<asio::io_context> caller = std::make_shared<asio::io_context>();

 protected:
  static asio::awaitable<bool> done(asio::awaitable<void> operation) {
    co_await std::move(operation);
    co_return true;
  }

 private:
  asio::io_context threads_;
};

}  // namespace backend_test
