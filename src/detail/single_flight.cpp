#include "beast_cache/detail/single_flight.hpp"

#include <boost/asio/error.hpp>
#include <optional>

#include "beast_cache/detail/context_gate.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class SingleFlight::Seat {
 public:
  Seat(asio::any_io_executor const& executor, Clock::time_point deadline)
      : gate_(ContextGate::of(executor)), baton_(std::in_place, executor, deadline) {}

  // The leader's side.
  void release(Outcome outcome, unsigned status) noexcept {
    std::lock_guard const lock(gate_->mutex);
    if (gate_->closed || !baton_) return;
    outcome_ = outcome;
    status_ = status;
    baton_->release();
  }

  // The follower's side.
  Baton& baton() noexcept { return *baton_; }
  Outcome outcome() const noexcept { return outcome_; }
  unsigned status() const noexcept { return status_; }
  void leave() noexcept {
    std::lock_guard const lock(gate_->mutex);
    baton_.reset();
  }

 private:
  std::shared_ptr<ContextGate> const gate_;
  std::optional<Baton> baton_;
  // Written before the baton is released, read after it.
  Outcome outcome_ = Outcome::too_late;
  unsigned status_ = 0;
};

void SingleFlight::Lead::land(Outcome outcome, unsigned status) noexcept {
  std::shared_ptr<SingleFlight> const flights = std::exchange(flights_, nullptr);
  if (!flights) return;
  if (outcome == Outcome::stored) ++flights->landed_;
  Seats seats;
  {
    std::lock_guard const lock(flights->mutex_);
    auto const at = flights->flights_.find(key_);
    seats = std::move(at->second);
    flights->flights_.erase(at);
  }
  for (auto const& seat : seats) seat->release(outcome, status);
}

SingleFlight::Follower::~Follower() {
  seat_->leave();
}

asio::awaitable<SingleFlight::Outcome> SingleFlight::Follower::wait() {
  error_code ec;
  co_await seat_->baton().wait(ec);
  if (seat_->baton().released()) co_return seat_->outcome();
  if (ec) throw Error(asio::error::operation_aborted, "waiting for another request for the same");
  co_return Outcome::too_late;
}

unsigned SingleFlight::Follower::status() const noexcept {
  return seat_->status();
}

SingleFlight::Ticket SingleFlight::join(std::string const& key, asio::any_io_executor const& executor,
                                        Clock::time_point deadline) {
  Ticket ticket;
  std::lock_guard const lock(mutex_);
  auto const [at, is_first] = flights_.try_emplace(key);
  if (!is_first) {
    auto seat = std::make_shared<Seat>(executor, deadline);
    ticket.follower = std::make_unique<Follower>(seat);
    at->second.push_back(std::move(seat));
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
