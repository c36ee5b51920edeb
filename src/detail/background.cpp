#include "detail/background.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// The baton lives in the waiting coroutine.
class Background::Waiting {
 public:
  Waiting(Background& background, Baton& baton) : background_(background) {
    std::lock_guard const lock(background_.mutex_);
    if (background_.done_) {
      baton.release();
    } else {
      background_.baton_ = &baton;
    }
  }
  Waiting(Waiting const&) = delete;
  Waiting& operator=(Waiting const&) = delete;
  ~Waiting() {
    std::lock_guard const lock(background_.mutex_);
    background_.baton_ = nullptr;
  }

 private:
  Background& background_;
};

void Background::finish(bool succeeded) noexcept {
  std::lock_guard const lock(mutex_);
  done_ = true;
  succeeded_ = succeeded;
  if (baton_) baton_->release();
}

asio::awaitable<bool> Background::wait_for(std::shared_ptr<Background> self) {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  Baton baton(executor, Baton::Clock::time_point::max());
  Waiting const waiting(*self, baton);
  error_code ec;
  if (!baton.released()) co_await baton.wait(ec);
  if (!baton.released()) throw Error(asio::error::operation_aborted, "reading ahead");
  co_return self->succeeded_;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
