#pragma once
/// \file timeouts.hpp
/// How long each part of an exchange may take.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {

/// Limits on the parts of an exchange, set by chained setters; they stand beside the one on the whole,
/// `ClientOptions::timeout`. What passes fails with `TimeoutError`, whose `phase()` says which it was.
///
/// Default of each: zero, which is as long as `stall` and the whole allow; a year at most. Redirects begin
/// anew.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class Timeouts {
 public:
  using Duration = std::chrono::milliseconds;

  Timeouts() = default;

  /// Waiting until one of the connections that may be open is free: `Phase::queue`. `stall` does not count
  /// for it: it is no server's doing.
  Timeouts& queue(Duration limit) { return set(Phase::queue, limit); }
  /// Looking up the host's name.
  Timeouts& resolve(Duration limit) { return set(Phase::resolve, limit); }
  /// Connecting to one of the host's addresses, all attempts together; and as long again for a proxy to open
  /// the way to the server: `Phase::connect` and `Phase::proxy`.
  Timeouts& connect(Duration limit) {
    set(Phase::connect, limit);
    return set(Phase::proxy, limit);
  }
  /// The TLS handshake.
  Timeouts& tls(Duration limit) { return set(Phase::tls, limit); }
  /// From the last byte of the request to the first of the answer.
  Timeouts& first_byte(Duration limit) { return set(Phase::first_byte, limit); }
  /// Each wait for the server to take or to send the next piece: `Phase::send` and `Phase::receive`. A caller
  /// that takes its time over a body does not count.
  Timeouts& between_bytes(Duration limit) {
    set(Phase::send, limit);
    return set(Phase::receive, limit);
  }
  /// For each of the server's parts that has no limit of its own.
  Timeouts& stall(Duration limit) {
    stall_ = bounded(limit);
    return *this;
  }

  /// The limit that counts in a phase; zero: none.
  Duration limit(Phase phase) const noexcept {
    Duration const own = limits_[static_cast<std::size_t>(phase)];
    return own.count() != 0 || phase == Phase::queue ? own : stall_;
  }

 private:
  static Duration bounded(Duration limit) {
    return std::clamp<Duration>(limit, Duration(0), std::chrono::hours(24 * 365));
  }
  Timeouts& set(Phase phase, Duration limit) {
    limits_[static_cast<std::size_t>(phase)] = bounded(limit);
    return *this;
  }

  std::array<Duration, static_cast<std::size_t>(Phase::receive) + 1> limits_{};
  Duration stall_{0};
};

}  // namespace v1
}  // namespace beast_cache
