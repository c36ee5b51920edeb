#pragma once
/// An exchange as it is noted for the observer. Internal.

#include <boost/asio/error.hpp>
#include <memory>
#include <utility>

#include "beast_cache/backend/observer.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/exchange_event.hpp"
#include "beast_cache/http/request.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Notes what an exchange does, and tells the observer when it has ended. There is one only where there is an
/// observer: without, nothing is noted and no clock is read.
class ExchangeRecord {
 public:
  using Cause = ExchangeEvent::Cause;

  ExchangeRecord(std::shared_ptr<Observer> observer, std::uint64_t number, Cause cause,
                 Request const& request)
      : observer_(std::move(observer)),
        event_(number, cause, request.method_string(), request.url().without_user_info(), observer_->now()) {}
  ExchangeRecord(ExchangeRecord const&) = delete;
  ExchangeRecord& operator=(ExchangeRecord const&) = delete;
  /// What nobody has ended was given up.
  ~ExchangeRecord() { end(asio::error::operation_aborted); }

  /// The record of the request's next exchange.
  std::shared_ptr<ExchangeRecord> next(Cause cause, Request const& request) const {
    auto record = std::make_shared<ExchangeRecord>(observer_, event_.request(), cause, request);
    record->event_.set_number(event_.number() + 1);
    return record;
  }

  ExchangeEvent& event() noexcept { return event_; }
  void begin(Phase phase) noexcept { event_.begin(phase, observer_->now()); }

  /// The first end counts.
  void end(error_code const& error) noexcept {
    if (std::exchange(ended_, true)) return;
    event_.end(observer_->now());
    event_.set_error(error);
    notify(observer_, [&](Observer& observer) { observer.on_exchange(event_); });
  }

 private:
  std::shared_ptr<Observer> observer_;
  ExchangeEvent event_;
  bool ended_ = false;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
