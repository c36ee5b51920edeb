#pragma once
/// One request at a time for what others want as well. Internal.

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/baton.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Who leads asks the origin; the others wait until that has landed.
///
/// Thread safety: all functions.
class SingleFlight : public std::enable_shared_from_this<SingleFlight> {
 public:
  using Clock = Baton::Clock;

  enum class Outcome {
    stored,        ///< what came is in the cache
    not_storable,  ///< everyone has to ask for himself
    given_up,      ///< the next one may lead
    too_late       ///< the flight goes on, but the deadline has passed
  };

  /// Lands when it goes, at the latest.
  class Lead {
   public:
    Lead(std::shared_ptr<SingleFlight> flights, std::string key)
        : flights_(std::move(flights)), key_(std::move(key)) {}
    Lead(Lead const&) = delete;
    Lead& operator=(Lead const&) = delete;
    ~Lead() { land(Outcome::given_up); }

    /// Only the first call counts.
    void land(Outcome outcome) noexcept;

   private:
    std::shared_ptr<SingleFlight> flights_;
    std::string key_;
  };

  class Follower {
   public:
    Follower(asio::any_io_executor const& executor, Clock::time_point deadline)
        : baton_(executor, deadline) {}

    /// Completes on the awaiting coroutine's executor.
    /// Errors: `operation_aborted` when cancelled (all types).
    asio::awaitable<Outcome> wait(std::shared_ptr<Follower> self);

   private:
    friend class SingleFlight;
    Baton baton_;
    Outcome outcome_ = Outcome::too_late;  // before the baton is released
  };

  /// One of the two.
  class Ticket {
   public:
    Ticket() = default;
    std::unique_ptr<Lead> lead;
    std::shared_ptr<Follower> follower;
  };
  /// How many have landed with something stored.
  std::uint64_t landed() const noexcept { return landed_.load(); }
  Ticket join(std::string const& key, asio::any_io_executor const& executor, Clock::time_point deadline);

 private:
  using Followers = std::vector<std::shared_ptr<Follower>>;

  std::mutex mutex_;
  std::unordered_map<std::string, Followers> flights_;
  std::atomic<std::uint64_t> landed_{0};
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
