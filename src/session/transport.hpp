#pragma once
/// One connection, over TCP or TLS, with its deadline. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/session/timeouts.hpp"
#include "beast_cache/session/tls_options.hpp"
#include "session/connect.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

class ExchangeRecord;
class TlsContext;
class Link;

/// What https connections of a session are checked against.
/// Errors: `http_errc::tls_trust_store`, naming the file or the store, when there is nothing to trust;
/// `http_errc::tls_client_certificate`.
std::shared_ptr<TlsContext const> load_tls_context(TlsOptions const& options);

/// A connection whose operations run on the awaiting coroutine's executor, without a strand.
///
/// Two things come from outside of that coroutine: the deadline, and a cancellation. Both go through one
/// mutex that is never held across a suspension, and after either the connection is dead: the operation
/// under way and all later ones fail with that reason.
///
/// Cancellation: all types.
/// Thread safety: one operation at a time, on any thread.
class Transport {
 public:
  using Clock = std::chrono::steady_clock;

  Transport(asio::any_io_executor executor, Timeouts const& timeouts);
  Transport(Transport&&) noexcept;
  Transport& operator=(Transport&&) noexcept;
  /// Closes the connection.
  ~Transport();

  /// From now on, until `disarm`, everything has to be done by that time.
  void arm(Clock::time_point deadline);
  void disarm() noexcept;

  /// Begins a part of the exchange, which may take no longer than its limit. After `arm`.
  void enter(Phase phase);
  /// The part that was begun last.
  Phase phase() const noexcept;

  /// From now on what is done is noted there, until it is null. It has to live as long.
  void note_in(ExchangeRecord* record) noexcept;
  /// Notes a part that has no connection yet; its limit is the caller's.
  void note(Phase phase) noexcept;

  /// Takes a connected socket.
  void adopt(Socket socket);
  /// Shakes hands for TLS.
  /// Errors: `Error` with `http_errc::tls_verify`, `tls_handshake`; `TimeoutError`.
  asio::awaitable<void> secure(Url url, std::shared_ptr<TlsContext const> tls);

  /// @return 0 with an error. A close by the peer is `asio::error::eof`; without TLS's close_notify it is
  /// not.
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer, error_code& ec);
  /// Writes what goes at once of both, one after the other, without waiting; over TLS nothing.
  /// @return How many bytes.
  std::size_t write_now(asio::const_buffer first, asio::const_buffer second, error_code& ec) noexcept;
  /// Writes all of both.
  asio::awaitable<std::size_t> write(asio::const_buffer first, asio::const_buffer second, error_code& ec);

  /// Whether an idle connection is still open, and nobody has sent anything on it.
  bool is_quiet() noexcept;

 private:
  std::shared_ptr<Link> link_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
