#include "beast_cache/detail/shared_stream.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

// What a piece costs beside its bytes: many small ones are not for free.
constexpr std::uint64_t overhead = 128;

asio::awaitable<void> wait_in(std::shared_ptr<Seat> seat) {
  Seat::Guard const guard(seat);
  error_code ec;
  co_await seat->baton().wait(ec);
  if (ec && !seat->baton().released())
    throw Error(asio::error::operation_aborted, "waiting for a body that another request reads");
}

}  // namespace

SharedStream::Reader::Reader(std::shared_ptr<SharedStream> stream) noexcept : stream_(std::move(stream)) {}

SharedStream::Reader::~Reader() {
  stream_->detach(*this);
}

asio::awaitable<SharedStream::Step> SharedStream::Reader::next(std::shared_ptr<std::string const>& piece,
                                                               std::optional<Clock::duration> stall,
                                                               std::optional<Clock::time_point> deadline) {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  SharedStream& stream = *stream_;
  for (;;) {
    std::shared_ptr<Seat> seat;
    {
      std::lock_guard const lock(stream.mutex_);
      auto const step = stream.step(*this, piece);
      // There may be room now; or the source has to look again, now that someone waits.
      if (stream.source_) stream.source_->release();
      if (step) co_return *step;
      auto const now = Clock::now();
      if (deadline && *deadline <= now) co_return Step::timeout;
      auto until = deadline.value_or(Clock::time_point::max());
      if (stall) {
        if (stream.progress_ + *stall <= now) {
          if (stream.probed_) co_return Step::stalled;
          stream.probed_ = true;
          stream.progress_ = now;
          stream.probe();
        }
        until = std::min(until, stream.progress_ + *stall);
      }
      seat = std::make_shared<Seat>(executor, until);
      seat_ = seat;
    }
    co_await wait_in(std::move(seat));
  }
}

std::unique_ptr<SharedStream::Reader> SharedStream::attach() {
  std::lock_guard const lock(mutex_);
  bool const possible = (state_ == State::open || state_ == State::ended) && first_ == 0 && !unread_;
  if (!possible) {
    want();
    return nullptr;
  }
  readers_.reserve(readers_.size() + 1);
  auto reader = std::make_unique<Reader>(shared_from_this());
  readers_.push_back(reader.get());
  return reader;
}

void SharedStream::detach(Reader& reader) noexcept {
  bool last = false;
  {
    std::lock_guard const lock(mutex_);
    std::erase(readers_, &reader);
    last = readers_.empty() && state_ == State::open;
    unread_ = unread_ || last;
    drop_passed();
    if (source_) source_->release();
  }
  if (last) unread();
}

void SharedStream::open(std::string beginning) {
  std::lock_guard const lock(mutex_);
  state_ = State::open;
  progress_ = Clock::now();
  if (!beginning.empty()) push(std::move(beginning));
}

void SharedStream::append(std::string_view bytes) {
  std::string text(bytes);
  std::lock_guard const lock(mutex_);
  push(std::move(text));
  progress_ = Clock::now();
  probed_ = false;
  drop_passed();
  release_readers();
}

void SharedStream::finish(State state, std::exception_ptr failure) noexcept {
  std::lock_guard const lock(mutex_);
  if (state_ != State::open) return;
  state_ = state;
  failure_ = std::move(failure);
  release_readers();
}

asio::awaitable<bool> SharedStream::room() {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  for (;;) {
    std::shared_ptr<Seat> seat;
    Room found = Room::full;
    bool holds_up = false;
    auto const began = Clock::now();
    {
      std::lock_guard const lock(mutex_);
      found = look_for_room();
      holds_up = anyone_waits();
      if (found == Room::full && holds_up && patience_ <= Clock::duration::zero()) {
        leave_behind();
        found = look_for_room();
      }
      if (found == Room::full) {
        seat = std::make_shared<Seat>(executor, holds_up ? began + patience_ : Clock::time_point::max());
        source_ = seat;
      }
    }
    if (!seat) co_return found == Room::there;
    co_await wait_in(std::move(seat));
    std::lock_guard const lock(mutex_);
    source_.reset();
    if (holds_up) patience_ -= Clock::now() - began;
  }
}

void SharedStream::push(std::string text) {
  std::uint64_t const weight = text.size() + overhead;
  pieces_.emplace_back(std::make_shared<std::string const>(std::move(text)), weight);
  weight_ += weight;
}

void SharedStream::drop_passed() noexcept {
  if (weight_ <= window) return;
  std::uint64_t slowest = first_ + pieces_.size();
  for (Reader const* reader : readers_) {
    if (!reader->behind_) slowest = std::min(slowest, reader->next_);
  }
  for (; first_ < slowest; ++first_) pieces_.pop_front();
}

std::optional<SharedStream::Step> SharedStream::step(Reader& reader,
                                                     std::shared_ptr<std::string const>& piece) {
  reader.seat_.reset();
  bool const over = state_ != State::open;
  if (reader.behind_) return over ? std::optional(Step::behind) : std::nullopt;
  std::uint64_t const at = reader.next_ - first_;
  if (at < pieces_.size()) {
    Piece const& next = pieces_[static_cast<std::size_t>(at)];
    piece = next.text;
    ++reader.next_;
    reader.taken_ += next.weight;
    drop_passed();
    return Step::piece;
  }
  if (!over) return std::nullopt;
  if (state_ == State::ended) return Step::end;
  return state_ == State::failed ? Step::failed : Step::lost;
}

bool SharedStream::anyone_waits() const noexcept {
  return std::any_of(readers_.begin(), readers_.end(),
                     [](Reader const* reader) { return reader->seat_ && !reader->behind_; });
}

SharedStream::Room SharedStream::look_for_room() const noexcept {
  if (unread_) return Room::unread;
  bool const full = std::any_of(readers_.begin(), readers_.end(), [this](Reader const* reader) {
    return !reader->behind_ && holds_up(*reader);
  });
  return full ? Room::full : Room::there;
}

void SharedStream::leave_behind() noexcept {
  for (Reader* reader : readers_) reader->behind_ = reader->behind_ || holds_up(*reader);
  drop_passed();
}

void SharedStream::release_readers() noexcept {
  for (Reader* reader : readers_) {
    // It does not wait any more, though it has not gone on yet.
    if (reader->seat_) std::exchange(reader->seat_, nullptr)->release();
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
