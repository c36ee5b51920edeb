#pragma once
// An operation that is under way while its owner does something else.

#include <boost/asio/awaitable.hpp>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "beast_cache/detail/baton.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// The operation has to own what it uses: it goes on when nobody waits for it any more. One waits at a time.
class Background : public std::enable_shared_from_this<Background> {
 public:
  // The operation's completion handler. It may be destroyed without being called, with its context.
  class Handler {
   public:
    explicit Handler(std::shared_ptr<Background> background) noexcept : background_(std::move(background)) {}
    Handler(Handler&&) noexcept = default;
    Handler& operator=(Handler&&) = delete;
    ~Handler() {
      if (background_) background_->finish(false);
    }
    void operator()(std::exception_ptr const& failure) {
      std::exchange(background_, nullptr)->finish(failure == nullptr);
    }

   private:
    std::shared_ptr<Background> background_;
  };

  // Returns whether the operation succeeded. Cancellation: all types; the operation goes on, and can be
  // waited for again.
  asio::awaitable<bool> wait() { return wait_for(shared_from_this()); }

 private:
  class Waiting;
  static asio::awaitable<bool> wait_for(std::shared_ptr<Background> self);
  void finish(bool succeeded) noexcept;

  std::mutex mutex_;
  bool done_ = false;
  bool succeeded_ = false;
  Baton* baton_ = nullptr;  // of the one that waits
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
