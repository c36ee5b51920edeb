#pragma once
/// Tells other threads when an execution context goes down. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Open as long as its context is there. What is done to the context from elsewhere under `mutex` while the
/// gate is open is done before the context's queues are emptied for the last time.
class ContextGate {
 public:
  /// The one of the executor's context, which may be gone afterwards.
  static std::shared_ptr<ContextGate> of(asio::any_io_executor const& executor) {
    // Services go down in the order opposite to that in which they were made, and that of the timers looks at
    // them without its mutex: the gate has to close before.
    asio::steady_timer const made_before(executor);
    return asio::use_service<Service>(asio::query(executor, asio::execution::context)).gate;
  }

  std::mutex mutex;
  bool closed = false;

 private:
  class Service final : public asio::execution_context::service {
   public:
    using key_type = Service;
    static inline asio::execution_context::id id;
    explicit Service(asio::execution_context& context)
        : service(context), gate(std::make_shared<ContextGate>()) {}
    std::shared_ptr<ContextGate> const gate;

   private:
    void shutdown() noexcept override {
      std::lock_guard const lock(gate->mutex);
      gate->closed = true;
    }
  };
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
