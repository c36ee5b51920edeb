#pragma once
/// One request at a time for what others want as well. Internal.

#include <array>
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/baton.hpp"
#include "beast_cache/detail/shared_stream.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Who leads asks the origin; the others wait until its answer arrives, and read it along, or has landed.
///
/// Thread safety: all functions. The contexts of those that wait may be destroyed at any time.
class SingleFlight : public std::enable_shared_from_this<SingleFlight> {
 public:
  using Clock = Baton::Clock;
  using Landings = std::atomic<std::uint64_t>;

  enum class Outcome {
    arriving,      ///< what comes can be read: `Follower::take_reader`
    stored,        ///< what came is in the cache
    served_stale,  ///< the origin failed, and what is stored stood in for its answer
    not_storable,  ///< everyone has to ask for himself
    given_up,      ///< the next one may lead
    too_late       ///< the flight goes on, but the deadline has passed
  };

  /// Lands when it goes, at the latest.
  class Lead {
   public:
    Lead(std::shared_ptr<SingleFlight> flights, std::string key, Landings& landings)
        : flights_(std::move(flights)), key_(std::move(key)), landings_(&landings) {}
    Lead(Lead const&) = delete;
    Lead& operator=(Lead const&) = delete;
    ~Lead() { land(Outcome::given_up); }

    /// Only the first call counts.
    /// @param status The origin's, where it failed by that; 0 where it could not be reached.
    void land(Outcome outcome, unsigned status = 0) noexcept;

    /// The answer has begun. Its stream is `wanted` when others wait for it, now or later.
    void arrive(std::shared_ptr<SharedStream> stream);
    /// The stream has been opened: it goes to those that wait.
    void share();

   private:
    std::shared_ptr<SingleFlight> flights_;
    std::string key_;
    Landings* landings_;  // in `flights_`
  };

  /// Counts the unsafe requests that have been answered for a place since somebody asked for something there.
  /// What was asked for before one is no answer for those who ask after it, and not to be stored.
  class Watch {
   public:
    Watch(std::shared_ptr<SingleFlight> flights, std::string place)
        : flights_(std::move(flights)), place_(std::move(place)) {}
    Watch(Watch const&) = delete;
    Watch& operator=(Watch const&) = delete;
    ~Watch();
    std::uint64_t count() const noexcept { return count_.load(); }
    /// Of those that made cache groups invalid, whichever.
    std::uint64_t group_count() const noexcept { return flights_->group_count_.load(); }

   private:
    friend class SingleFlight;
    std::shared_ptr<SingleFlight> const flights_;
    std::string const place_;
    std::atomic<std::uint64_t> count_{0};
  };

  class Place;

  /// Of one that waits, and lives in its coroutine: what others hold of it does not touch the coroutine's
  /// context any more when it has gone.
  class Follower {
   public:
    explicit Follower(std::shared_ptr<Place> place) noexcept : place_(std::move(place)) {}
    Follower(Follower const&) = delete;
    Follower& operator=(Follower const&) = delete;
    ~Follower();

    /// Completes on the awaiting coroutine's executor. The follower has to outlive it.
    /// Errors: `operation_aborted` when cancelled (all types).
    asio::awaitable<Outcome> wait();
    /// After `served_stale`: as it was given to `land`.
    unsigned status() const noexcept;
    /// After `arriving`.
    std::unique_ptr<SharedStream::Reader> take_reader() noexcept;

   private:
    std::shared_ptr<Place> place_;
  };

  /// One of the two.
  class Ticket {
   public:
    Ticket() = default;
    std::unique_ptr<Lead> lead;
    std::unique_ptr<Follower> follower;
  };
  /// Changes whenever a flight for this place has landed with something stored, and seldom otherwise.
  /// @param place What a look-up asks for: the URL, or the key where the request has one of its own.
  std::uint64_t landed(std::string_view place) noexcept { return landings_of(place).load(); }
  /// Of those who have asked for something.
  /// @param place What unsafe requests are counted for.
  std::shared_ptr<Watch> watch(std::string place);
  /// An unsafe request has been answered.
  void invalidate(std::string const& place) noexcept;
  /// And cache groups are invalid by it.
  void invalidate_groups() noexcept { ++group_count_; }
  /// @param rest What else those have in common that may have one answer.
  /// @param reads_along Whether it wants the answer while it arrives, and not just when it has landed.
  Ticket join(std::string_view place, std::string_view rest, asio::any_io_executor const& executor,
              Clock::time_point deadline, bool reads_along = false);

 private:
  struct Flight {
    std::vector<std::shared_ptr<Place>> places;
    std::shared_ptr<SharedStream> stream;  // once it arrives
  };

  Landings& landings_of(std::string_view place) noexcept {
    return landings_[std::hash<std::string_view>()(place) % landings_.size()];
  }

  std::mutex mutex_;  // taken before those of streams and contexts' gates
  std::unordered_map<std::string, Flight> flights_;
  std::unordered_map<std::string, std::weak_ptr<Watch>> watches_;  // by their places
  std::array<Landings, 512> landings_{};                           // of the places that share one
  std::atomic<std::uint64_t> group_count_{0};
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
