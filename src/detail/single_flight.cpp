#include "beast_cache/detail/single_flight.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>

#include "beast_cache/detail/seat.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class SingleFlight::Place {
 public:
  Place(asio::any_io_executor const& executor, Clock::time_point deadline, bool along)
      : seat(executor, deadline), reads_along(along) {}

  void release(Outcome o, unsigned s) noexcept {
    seat.release([&] {
      outcome = o;
      status = s;
    });
  }
  /// @return Whether it reads along from now on.
  bool attach(SharedStream& stream) {
    if (!reads_along) return false;
    std::unique_ptr<SharedStream::Reader> attached = stream.attach();
    if (!attached) return false;
    reader = std::move(attached);
    release(Outcome::arriving, 0);
    return true;
  }

  Seat seat;
  bool const reads_along;
  // Written before the seat is released, read after it.
  Outcome outcome = Outcome::too_late;
  unsigned status = 0;
  std::unique_ptr<SharedStream::Reader> reader;
};

void SingleFlight::Lead::land(Outcome outcome, unsigned status) noexcept {
  std::shared_ptr<SingleFlight> const flights = std::exchange(flights_, nullptr);
  if (!flights) return;
  if (outcome == Outcome::stored) ++*landings_;
  Flight flight;
  {
    std::lock_guard const lock(flights->mutex_);
    auto const at = flights->flights_.find(key_);
    flight = std::move(at->second);
    flights->flights_.erase(at);
  }
  for (auto const& place : flight.places) place->release(outcome, status);
}

void SingleFlight::Lead::arrive(std::shared_ptr<SharedStream> stream) {
  std::lock_guard const lock(flights_->mutex_);
  Flight& flight = flights_->flights_.find(key_)->second;
  bool const wanted = std::any_of(flight.places.begin(), flight.places.end(),
                                  [](auto const& place) { return place->reads_along; });
  if (wanted) stream->want();
  flight.stream = std::move(stream);
}

void SingleFlight::Lead::share() {
  std::lock_guard const lock(flights_->mutex_);
  Flight& flight = flights_->flights_.find(key_)->second;
  std::erase_if(flight.places, [&](auto const& place) { return place->attach(*flight.stream); });
}

SingleFlight::Follower::~Follower() {
  place_->seat.leave();
}

asio::awaitable<SingleFlight::Outcome> SingleFlight::Follower::wait() {
  error_code ec;
  co_await place_->seat.baton().wait(ec);
  if (place_->seat.baton().released()) co_return place_->outcome;
  if (ec) throw Error(asio::error::operation_aborted, "waiting for another request for the same");
  co_return Outcome::too_late;
}

unsigned SingleFlight::Follower::status() const noexcept {
  return place_->status;
}

std::unique_ptr<SharedStream::Reader> SingleFlight::Follower::take_reader() noexcept {
  return std::move(place_->reader);
}

SingleFlight::Watch::~Watch() {
  std::lock_guard const lock(flights_->mutex_);
  auto const at = flights_->watches_.find(place_);
  // (There may be a new one already.)
  if (at != flights_->watches_.end() && at->second.expired()) flights_->watches_.erase(at);
}

std::shared_ptr<SingleFlight::Watch> SingleFlight::watch(std::string place) {
  auto made = std::make_shared<Watch>(shared_from_this(), place);
  std::lock_guard const lock(mutex_);
  std::weak_ptr<Watch>& there = watches_[std::move(place)];
  if (auto shared = there.lock()) return shared;
  there = made;
  return made;
}

void SingleFlight::invalidate(std::string const& place) noexcept {
  std::shared_ptr<Watch> watch;
  std::lock_guard const lock(mutex_);
  auto const at = watches_.find(place);
  if (at != watches_.end()) watch = at->second.lock();
  if (watch) ++watch->count_;
}

SingleFlight::Ticket SingleFlight::join(std::string_view place, std::string_view rest,
                                        asio::any_io_executor const& executor, Clock::time_point deadline,
                                        bool reads_along) {
  Ticket ticket;
  std::string key;
  key.reserve(place.size() + 1 + rest.size());
  key.append(place).append(1, '\n').append(rest);
  std::lock_guard const lock(mutex_);
  auto const [at, is_first] = flights_.try_emplace(key);
  if (!is_first) {
    auto waiting = std::make_shared<Place>(executor, deadline, reads_along);
    ticket.follower = std::make_unique<Follower>(waiting);
    Flight& flight = at->second;
    bool const attached = flight.stream && waiting->attach(*flight.stream);
    if (!attached) flight.places.push_back(std::move(waiting));
    return ticket;
  }
  try {
    ticket.lead = std::make_unique<Lead>(shared_from_this(), std::move(key), landings_of(place));
  } catch (...) {
    flights_.erase(at);
    throw;
  }
  return ticket;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
