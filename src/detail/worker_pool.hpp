#pragma once
// The library's own worker threads: an Asio execution context run by threads that we create ourselves,
// because asio::thread_pool of Boost 1.81 hangs for ever when a thread after the first can't be created.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class WorkerPool {
 public:
  // Starts up to `threads` threads; fewer if the system gives no more. Throws Error(no_threads) if none.
  explicit WorkerPool(std::size_t threads);
  WorkerPool(WorkerPool const&) = delete;
  WorkerPool& operator=(WorkerPool const&) = delete;

  // Runs what is posted and joins the threads. One that destroys its own pool is joined later instead: with
  // the next pool, or at the end of the program.
  ~WorkerPool();

  asio::any_io_executor executor() { return context_->get_executor(); }

 private:
  std::shared_ptr<asio::io_context> context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
