#pragma once
// Blocking work for coroutines: offload() hands a plain function object to a lane and resumes the caller on
// its own executor with the result.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "detail/lane.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

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
