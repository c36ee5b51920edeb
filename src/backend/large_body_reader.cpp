// How a body in pieces is read: a window of some pieces at a time, and the next ones ahead.

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstring>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "backend/large_bodies.hpp"
#include "detail/background.hpp"
#include "storage/windows.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using sqlite::Handle;

// Some pieces of a body.
class BodyWindow {
 public:
  // From the piece with the byte number `at` on, to `end` at most.
  BodyWindow(std::shared_ptr<LargeBody const> body, std::uint64_t at, std::uint64_t end)
      : body_(std::move(body)),
        begin_(at - at % LargeBodies::piece_size),
        end_(std::min(begin_ + Windows::size, end)) {}
  BodyWindow(BodyWindow const&) = delete;
  BodyWindow& operator=(BodyWindow const&) = delete;
  ~BodyWindow() {
    if (memory_) Windows::instance().give(std::move(memory_));
  }

  static asio::awaitable<void> fill(std::shared_ptr<BodyWindow> self) {
    auto job = [&](Handle& handle) { self->read(handle); };
    co_await self->body_->bodies().read(job);
  }

  static bool start_filling(std::shared_ptr<BodyWindow> self, asio::any_io_executor const& executor,
                            std::shared_ptr<Background> filling) {
    LargeBodies& bodies = self->body_->bodies();
    auto job = [self](Handle& handle) { self->read(handle); };
    return bodies.start_read(executor, std::move(job), Background::Handler(std::move(filling)));
  }

  // On the caller's thread, after that: no byte is used before it has passed.
  void check() {
    std::uint64_t const first = begin_ / LargeBodies::piece_size;
    for (std::size_t i = 0; i < checksums_.size(); ++i) {
      std::uint64_t const at = i * LargeBodies::piece_size;
      try {
        body_->bodies().check(*body_, first + i, checksums_[i], {memory_.get() + at, size_of(begin_ + at)});
      } catch (Error const&) {
        failure_ = std::current_exception();
        filled_ = at;
        break;
      }
    }
    checksums_.clear();
  }

  bool has(std::uint64_t at) const noexcept { return at >= begin_ && at - begin_ < filled_; }
  // Why it has no more.
  std::exception_ptr const& failure() const noexcept { return failure_; }
  std::size_t copy(std::uint64_t at, asio::mutable_buffer to, std::uint64_t end) const noexcept {
    std::uint64_t const there = std::min(begin_ + filled_, end) - at;
    auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(to.size(), there));
    std::memcpy(to.data(), memory_.get() + (at - begin_), count);
    return count;
  }

 private:
  std::size_t size_of(std::uint64_t piece) const noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(LargeBodies::piece_size, body_->size() - piece));
  }

  // On the lane.
  void read(Handle& handle) {
    if (!memory_) memory_ = Windows::instance().take();
    checksums_.clear();
    filled_ = 0;
    failure_ = nullptr;
    try {
      body_->bodies().check_there(handle, *body_);
      for (std::uint64_t at = begin_; at < end_; at += LargeBodies::piece_size) {
        std::size_t const size = size_of(at);
        checksums_.push_back(body_->bodies().read(handle, *body_, at / LargeBodies::piece_size,
                                                  memory_.get() + filled_, size));
        filled_ += size;
      }
    } catch (Error const&) {
      // What is in front of the damage is as good as it was.
      failure_ = std::current_exception();
    }
  }

  std::shared_ptr<LargeBody const> const body_;
  std::uint64_t const begin_, end_;
  std::unique_ptr<char[]> memory_;
  std::uint64_t filled_ = 0;
  std::vector<std::string> checksums_;  // of the pieces
  std::exception_ptr failure_;
};

class LargeBodyReader final : public BodyReader {
 public:
  LargeBodyReader(std::shared_ptr<LargeBody const> body, std::uint64_t first, std::uint64_t count)
      : body_(std::move(body)), at_(first), end_(first + count) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (at_ == end_) co_return 0;
    if (!window_ || !window_->has(at_)) co_await turn();
    std::size_t const count = window_->copy(at_, buffer, end_);
    at_ += count;
    co_return count;
  }
  std::optional<std::uint64_t> remaining() const noexcept override { return end_ - at_; }

 private:
  // With two of them the lane goes on with one while the caller takes the other.
  static constexpr std::size_t windows_ahead = 2;

  // A window that is being filled.
  class Ahead {
   public:
    explicit Ahead(std::shared_ptr<BodyWindow> w) : window(std::move(w)) {}
    std::shared_ptr<BodyWindow> window;
    std::shared_ptr<Background> filling = std::make_shared<Background>();
  };

  std::shared_ptr<BodyWindow> open_window(std::uint64_t at) const {
    return std::make_shared<BodyWindow>(body_, at, end_);
  }

  // To the window in which it goes on.
  asio::awaitable<void> turn() {
    bool const is_first = !window_;
    std::shared_ptr<BodyWindow> window;
    if (!ahead_.empty()) {
      // Whoever is cancelled here finds it the next time.
      Ahead const next = ahead_.front();
      bool const filled = co_await next.filling->wait();
      ahead_.pop_front();
      if (filled) window = next.window;
    }
    window_.reset();  // its memory is used again
    if (!window) {
      window = open_window(at_);
      co_await BodyWindow::fill(window);
    }
    window_ = std::move(window);
    // Who has read one window to its end will want the others. Before this one is checked: both take time.
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    if (!is_first) read_ahead(executor);
    window_->check();
    std::exception_ptr const failure = window_->failure();
    if (!failure) co_return;
    ahead_.clear();
    bool const drops = is_damage(failure) && !body_->keeps_damaged();
    if (drops) co_await drop();
    if (!window_->has(at_)) std::rethrow_exception(failure);
  }

  void read_ahead(asio::any_io_executor const& executor) {
    std::uint64_t const current = at_ - at_ % LargeBodies::piece_size;
    while (ahead_.size() < windows_ahead) {
      std::uint64_t const next = current + (ahead_.size() + 1) * Windows::size;
      if (next >= end_) return;
      Ahead ahead(open_window(next));
      if (!BodyWindow::start_filling(ahead.window, executor, ahead.filling)) return;
      ahead_.push_back(std::move(ahead));
    }
  }

  static bool is_damage(std::exception_ptr const& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (Error const& error) {
      return error.code() == cache_errc::bad_value;
    }
  }

  // It is no part of the outcome whether that works.
  asio::awaitable<void> drop() {
    auto job = [this](Handle& handle) { body_->bodies().drop(handle, *body_); };
    try {
      co_await body_->bodies().write(job);
    } catch (Error const& error) {
      if (error.code() == asio::error::operation_aborted) throw;
    }
  }

  std::shared_ptr<LargeBody const> const body_;
  std::uint64_t at_;
  std::uint64_t const end_;
  std::shared_ptr<BodyWindow> window_;
  std::deque<Ahead> ahead_;
};

}  // namespace

std::unique_ptr<BodyReader> LargeBody::open(std::uint64_t first, std::uint64_t count) const {
  return std::make_unique<LargeBodyReader>(shared_from_this(), first, count);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
