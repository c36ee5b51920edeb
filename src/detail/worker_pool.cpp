#include "detail/worker_pool.hpp"

#include <mutex>
#include <system_error>

#include "beast_cache/error.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// Threads that could not be joined where their pool was destroyed.
class Leavers {
 public:
  ~Leavers() { join(); }

  void add(std::thread thread) {
    std::lock_guard lock(mutex_);
    threads_.push_back(std::move(thread));
  }

  void join() noexcept {
    std::vector<std::thread> threads;
    {
      std::lock_guard lock(mutex_);
      for (auto at = threads_.begin(); at != threads_.end();) {
        if (at->get_id() == std::this_thread::get_id()) {
          ++at;
        } else {
          threads.push_back(std::move(*at));
          at = threads_.erase(at);
        }
      }
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

Leavers& leavers() {
  static Leavers instance;
  return instance;
}

}  // namespace

WorkerPool::WorkerPool(std::size_t threads)
    : context_(std::make_shared<asio::io_context>(static_cast<int>(threads))),
      work_(context_->get_executor()) {
  leavers().join();
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    try {
      threads_.push_back(start_thread([context = context_] { context->run(); }));
    } catch (std::system_error const& error) {
      if (threads_.empty()) {
        throw Error(cache_errc::no_threads, std::string("the cache's worker thread: ") + error.what());
      }
      break;
    }
  }
}

WorkerPool::~WorkerPool() {
  work_.reset();
  for (std::thread& thread : threads_) {
    if (thread.get_id() == std::this_thread::get_id()) {
      leavers().add(std::move(thread));
    } else {
      thread.join();
    }
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
