#include "beast_cache/detail/single_flight.hpp"

#include <boost/asio/error.hpp>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

void SingleFlight::Lead::land(Outcome outcome) noexcept {
  std::shared_ptr<SingleFlight> const flights = std::exchange(flights_, nullptr);
  if (!flights) return;
  if (outcome == Outcome::stored) ++flights->landed_;
  Followers followers;
  {
    std::lock_guard const lock(flights->mutex_);
    auto const at = flights->flights_.find(key_);
    followers = std::move(at->second);
    flights->flights_.erase(at);
  }
  for (auto const& follower : followers) {
    follower->outcome_ = outcome;
    follower->baton_.release();
  }
}

asio::awaitable<SingleFlight::Outcome> SingleFlight::Follower::wait(std::shared_ptr<Follower> self) {
  error_code ec;
  co_await self->baton_.wait(ec);
  if (self->baton_.released()) co_return self->outcome_;
  if (ec) throw Error(asio::error::operation_aborted, "waiting for another request for the same");
  co_return Outcome::too_late;
}

SingleFlight::Ticket SingleFlight::join(std::string const& key, asio::any_io_executor const& executor,
                                        Clock::time_point deadline) {
  Ticket ticket;
  std::lock_guard const lock(mutex_);
  auto const [at, is_first] = flights_.try_emplace(key);
  if (!is_first) {
    ticket.follower = std::make_shared<Follower>(executor, deadline);
    at->second.push_back(ticket.follower);
    return ticket;
  }
  try {
    ticket.lead = std::make_unique<Lead>(shared_from_this(), key);
  } catch (...) {
    flights_.erase(at);
    throw;
  }
  return ticket;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
