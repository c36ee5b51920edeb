#pragma once
/// Bytes that arrive once and are read by several, each at its own pace. Internal.

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/seat.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// One source appends pieces, which don't change any more; the readers share them.
///
/// What is in memory is bounded by `window`, and a piece for each reader. The source waits while the slowest
/// reader is that far behind; where it makes others wait as well, for no longer than `patience` in all: then
/// those that hold them up are left behind, and have to get the rest elsewhere. From the beginning it can be
/// read as long as that is in memory, that is until more than `window` has come.
///
/// Thread safety: all functions, for one source, and one operation at a time of each reader. The contexts of
/// those that wait may be destroyed at any time.
class SharedStream : public std::enable_shared_from_this<SharedStream> {
 public:
  using Clock = Seat::Clock;
  static constexpr std::size_t window = std::size_t{1} << 20;

  explicit SharedStream(Clock::duration patience) noexcept : patience_(patience) {}
  SharedStream(SharedStream const&) = delete;
  SharedStream& operator=(SharedStream const&) = delete;
  virtual ~SharedStream() = default;

  enum class Step {
    piece,    ///< here it is
    end,      ///< that was all
    failed,   ///< and so do all: `failure`
    lost,     ///< the source has gone; why, if anyone knows: `failure`
    behind,   ///< for this one it goes on no more, for others it may have
    stalled,  ///< nothing comes, and the source's context stands still
    timeout   ///< the deadline has passed
  };

  class Reader {
   public:
    explicit Reader(std::shared_ptr<SharedStream> stream) noexcept;
    Reader(Reader const&) = delete;
    Reader& operator=(Reader const&) = delete;
    ~Reader();

    std::shared_ptr<SharedStream> const& stream() const noexcept { return stream_; }

    /// The next piece, once it is there.
    /// @param stall How long nothing may come before the source is asked whether it is there, and how long it
    ///   may then say nothing.
    /// Cancellation: all types; the reader can be used afterwards.
    asio::awaitable<Step> next(std::shared_ptr<std::string const>& piece,
                               std::optional<Clock::duration> stall,
                               std::optional<Clock::time_point> deadline);

   private:
    friend class SharedStream;
    std::shared_ptr<SharedStream> const stream_;
    // Guarded by the stream's mutex.
    std::uint64_t next_ = 0;   // the number of the next piece
    std::uint64_t taken_ = 0;  // the weight of those before
    bool behind_ = false;
    std::shared_ptr<Seat> seat_;  // while it waits
  };

  /// A reader from the beginning; null where that can't be had: it is noted that someone wants it.
  std::unique_ptr<Reader> attach();
  bool wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }
  void want() noexcept { wanted_.store(true, std::memory_order_relaxed); }

  // The source's side.

  /// From now on it can be read.
  void open(std::string beginning);
  void append(std::string_view bytes);
  void end() noexcept { finish(State::ended, nullptr); }
  void fail(std::exception_ptr failure) noexcept { finish(State::failed, std::move(failure)); }
  /// Only the first of the three counts.
  void lose(std::exception_ptr why) noexcept { finish(State::lost, std::move(why)); }
  /// Waits until there is room for more.
  /// @return False when nobody reads it any more: then nobody will.
  asio::awaitable<bool> room();

  /// Whether it has ended, in whichever way.
  bool is_over() noexcept {
    std::lock_guard const lock(mutex_);
    return state_ != State::closed && state_ != State::open;
  }
  /// Whether the source has gone before the end.
  bool is_lost() noexcept {
    std::lock_guard const lock(mutex_);
    return state_ == State::lost;
  }
  /// What it ended by. Source and readers, after the end.
  std::exception_ptr const& failure() const noexcept { return failure_; }

 protected:
  /// Asks the source's context for `answer_probe`. Called with the mutex held.
  virtual void probe() noexcept {}
  void answer_probe() noexcept {
    std::lock_guard const lock(mutex_);
    probed_ = false;
  }
  /// The last reader has gone before the end.
  virtual void unread() noexcept {}

 private:
  enum class State { closed, open, ended, failed, lost };
  enum class Room { there, unread, full };

  class Piece {
   public:
    Piece(std::shared_ptr<std::string const> t, std::uint64_t w) noexcept : text(std::move(t)), weight(w) {}
    std::shared_ptr<std::string const> text;
    std::uint64_t weight;
  };

  void finish(State state, std::exception_ptr failure) noexcept;
  void detach(Reader& reader) noexcept;
  // With the mutex held; it is taken before those of the contexts' gates.
  void push(std::string text);
  void drop_passed() noexcept;
  std::optional<Step> step(Reader& reader, std::shared_ptr<std::string const>& piece);
  bool holds_up(Reader const& reader) const noexcept { return weight_ - reader.taken_ >= window; }
  bool anyone_waits() const noexcept;
  Room look_for_room() const noexcept;
  void leave_behind() noexcept;
  void release_readers() noexcept;

  Clock::duration patience_;
  std::atomic<bool> wanted_{false};
  std::mutex mutex_;
  State state_ = State::closed;
  bool unread_ = false;
  std::deque<Piece> pieces_;
  std::uint64_t first_ = 0;   // the number of the first of them
  std::uint64_t weight_ = 0;  // of all that there ever were
  std::vector<Reader*> readers_;
  std::shared_ptr<Seat> source_;  // while it waits
  Clock::time_point progress_;    // when the last piece came, or the source was asked whether it is there
  bool probed_ = false;           // and has not answered
  std::exception_ptr failure_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
