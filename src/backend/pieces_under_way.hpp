#pragma once
// Pieces of a body that are being written while the next ones arrive.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "detail/background.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Thread safety: one operation at a time.
class PiecesUnderWay {
  class Piece {
   public:
    explicit Piece(std::size_t s) : size(s) {}
    std::size_t const size;
    std::shared_ptr<Background> const background = std::make_shared<Background>();
    std::exception_ptr failure;
  };

 public:
  // In bytes. What a commit and a checkpoint take does not stop the sender; one that sends faster than the
  // disk writes waits.
  static constexpr std::size_t most = 3u << 19;

  // Of the operation that writes a piece.
  class Handler {
   public:
    explicit Handler(std::shared_ptr<Piece> piece) : piece_(std::move(piece)), done_(piece_->background) {}
    void operator()(std::exception_ptr const& failure) {
      piece_->failure = failure;
      done_(failure);
    }

   private:
    std::shared_ptr<Piece> piece_;
    Background::Handler done_;
  };

  Handler add(std::size_t size) {
    pieces_.push_back(std::make_shared<Piece>(size));
    size_ += size;
    return Handler(pieces_.back());
  }
  // The last one was not begun.
  void take_back() {
    size_ -= pieces_.back()->size;
    pieces_.pop_back();
  }

  // Waits until there is room for another one. Throws what one of them failed with.
  asio::awaitable<void> wait_for_room(std::size_t size) {
    while (!pieces_.empty() && size_ + size > most) co_await wait_for_oldest();
  }
  // Waits until all are written. Throws what one of them failed with.
  asio::awaitable<void> wait_for_all() {
    while (!pieces_.empty()) co_await wait_for_oldest();
  }

 private:
  // Who is cancelled here finds it the next time.
  asio::awaitable<void> wait_for_oldest() {
    std::shared_ptr<Piece> const oldest = pieces_.front();
    bool const written = co_await oldest->background->wait();
    pieces_.pop_front();
    size_ -= oldest->size;
    if (oldest->failure) std::rethrow_exception(oldest->failure);
    if (!written) throw Error(cache_errc::closed, "the context in which a body was written has gone");
  }

  std::deque<std::shared_ptr<Piece>> pieces_;
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
