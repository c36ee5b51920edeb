#pragma once
/// \file observer.hpp
/// Where a session and its cache report what a request does not show.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/http/exchange_event.hpp"

namespace beast_cache {
inline namespace v1 {

/// Gets the events of a cache (`CacheOptions::observer`), of a client (`ClientOptions::observer`), or of
/// both. The library itself logs nothing.
///
/// Executor and hops: called where the event happens, which waits until it returns: on the thread that runs
/// the operation, or destroys it. Thread safety: called from any thread, also at the same time. A member must
/// not throw; what it throws all the same is dropped.
class Observer {
 public:
  Observer() = default;
  Observer(Observer const&) = delete;
  Observer& operator=(Observer const&) = delete;
  virtual ~Observer() = default;

  /// There is an answer: as soon as its head is there, or, of one that is to be stored, or is read piece by
  /// piece, when its body has been read or given up, so that `stored` in the status is what has happened.
  /// @param url Without user information.
  /// @param cache_status What the cache did, as in Cache-Status (RFC 9211).
  virtual void on_response(std::string_view url, std::string_view cache_status) {
    static_cast<void>(url);
    static_cast<void>(cache_status);
  }

  /// An answer came out of the cache.
  /// @param bytes Of its body, as it is stored: what the origin did not have to send.
  /// @param time How long the origin took for the head of what is stored, from the request that brought or
  ///   last validated it; 0 where the origin was asked this time, too, or another request that asked was
  ///   waited for.
  virtual void on_saved(std::string_view url, std::uint64_t bytes, std::chrono::milliseconds time) {
    static_cast<void>(url);
    static_cast<void>(bytes);
    static_cast<void>(time);
  }

  /// A stored response had to go, for there was no room for another one (`CacheOptions::max_bytes` and
  /// `max_entries`). @param bytes Of its body and header fields.
  virtual void on_evicted(std::string_view url, std::uint64_t bytes) {
    static_cast<void>(url);
    static_cast<void>(bytes);
  }

  /// The cache failed, and the request went on without it; but a body that is streamed fails where neither
  /// the cache nor the origin has the rest of it.
  /// @param operation `lookup`, `read` (of a body), `store`, `freshen`, `invalidate`, `filter`, `key`, or
  ///   later `revalidate`.
  /// @param failure What was thrown, an `Error` as a rule.
  virtual void on_cache_error(std::string_view operation, std::string_view url, std::exception_ptr failure) {
    static_cast<void>(operation);
    static_cast<void>(url);
    static_cast<void>(failure);
  }

  /// An exchange of a client with a server has ended, well or not: its response was read to the end or given
  /// up, it failed, or it will be tried again. Answers from the cache are none.
  virtual void on_exchange(ExchangeEvent const& event) { static_cast<void>(event); }

  /// The time that exchanges are measured by. It must not go back. Default: the steady clock.
  virtual std::chrono::steady_clock::time_point now() const noexcept {
    return std::chrono::steady_clock::now();
  }
};

namespace detail {

/// Tells an observer, if there is one. What it throws is its own: it can't fail what it is told of.
template <class Tell>
void notify(std::shared_ptr<Observer> const& observer, Tell const& tell) noexcept {
  if (!observer) return;
  try {
    tell(*observer);
  } catch (...) {
  }
}

}  // namespace detail

}  // namespace v1
}  // namespace beast_cache
