#pragma once
/// The connections of a session, kept open between requests. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/baton.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/session/client_options.hpp"
#include "session/proxy.hpp"
#include "session/transport.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A connection with the bytes that were read from it and not used yet.
class Connection {
 public:
  Connection(asio::any_io_executor executor, Timeouts const& timeouts)
      : transport(std::move(executor), timeouts) {}

  Transport transport;
  /// Bytes [begin, end) of the buffer are unread.
  std::string buffer;
  std::size_t begin = 0;
  std::size_t end = 0;
};

class ConnectionPool;

/// The right to have one connection open, and that connection where there is one.
///
/// Given up by its destructor, connection and all, unless it was given back.
class Lease {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept = default;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();

  explicit operator bool() const noexcept { return pool_ != nullptr; }
  /// Null until `connect`, when none was idle.
  Connection* connection() const noexcept { return connection_.get(); }
  /// Opens a new connection in place of the one there is.
  /// @param record Where that is noted, or null.
  asio::awaitable<void> connect(Route route, Transport::Clock::time_point deadline, ExchangeRecord* record);
  /// Closes the connection, and keeps the right to have one.
  void disconnect() noexcept { connection_.reset(); }
  /// Lets the next request have the connection.
  void give_back() noexcept;

 private:
  friend class ConnectionPool;
  Lease(std::shared_ptr<ConnectionPool> pool, std::string key, std::unique_ptr<Connection> connection)
      : pool_(std::move(pool)), key_(std::move(key)), connection_(std::move(connection)) {}

  std::shared_ptr<ConnectionPool> pool_;
  std::string key_;
  std::unique_ptr<Connection> connection_;
};

/// Idle connections by route, and who waits for one.
///
/// A pool belongs to one session, so the settings of TLS are the same for all its connections. Those who wait
/// are served in the order of their arrival; only who waits for a route that may have no more connections
/// is passed over.
/// Thread safety: shared objects: safe.
class ConnectionPool : public std::enable_shared_from_this<ConnectionPool> {
 public:
  using Clock = Transport::Clock;

  /// Use `create`: the pool has to be known to the executor's context.
  ConnectionPool(asio::any_io_executor executor, ClientOptions const& options);
  ~ConnectionPool();
  static std::shared_ptr<ConnectionPool> create(asio::any_io_executor executor, ClientOptions const& options);

  /// The way to a server: itself, or a proxy.
  Route route(Url const& url) const { return Route(url, proxies_.choose(url)); }

  /// A place for one more connection of the route, if there is one; the key goes into it.
  Lease take(std::string& key);
  /// Waits until the route may have one more connection.
  /// @param key Of the route.
  /// Errors: `TimeoutError` at the deadline or after the time for waiting, `http_errc::closed`.
  /// Cancellation: all types.
  asio::awaitable<Lease> acquire(std::string key, Clock::time_point deadline);

  /// Drops the idle connections, and lets those fail that wait.
  void close() noexcept;

  asio::any_io_executor const& executor() const noexcept { return executor_; }
  /// Loaded on first use. Errors: as `load_tls_context`.
  std::shared_ptr<TlsContext const> tls_context();

 private:
  friend class Lease;

  class Idle {
   public:
    Idle(std::unique_ptr<Connection> c, Clock::time_point s) : connection(std::move(c)), since(s) {}
    std::unique_ptr<Connection> connection;
    Clock::time_point since;
  };
  class Waiter {
   public:
    Waiter(asio::any_io_executor const& executor, Clock::time_point deadline, std::uint64_t n)
        : baton(executor, deadline), number(n) {}
    Baton baton;
    std::uint64_t const number;
    bool granted = false;
    std::unique_ptr<Connection> connection;
  };
  class Bucket {
   public:
    std::size_t open = 0;
    std::vector<Idle> idle;
    std::deque<std::shared_ptr<Waiter>> waiters;
  };
  using Buckets = std::unordered_map<std::string, Bucket>;
  class Queued;
  using Dropped = std::vector<std::unique_ptr<Connection>>;

  std::optional<Lease> try_acquire(std::string& key, Dropped& dropped);
  bool make_room(Dropped& dropped);
  void release(std::string const& key, std::unique_ptr<Connection> connection) noexcept;
  void release_locked(std::string const& key, std::unique_ptr<Connection> connection, Dropped& dropped);
  void count_closed(Bucket& bucket, std::size_t count) noexcept;
  Buckets::iterator first_waiting(Buckets::iterator released);
  void grant(Bucket& bucket, std::unique_ptr<Connection> connection);
  void sweep(Clock::time_point now, Dropped& dropped);

  asio::any_io_executor const executor_;
  std::size_t const limit_;
  std::size_t const total_limit_;
  std::chrono::milliseconds const idle_timeout_;
  Timeouts const timeouts_;
  Proxies const proxies_;
  TlsOptions const tls_options_;
  std::mutex mutex_;
  Buckets buckets_;
  std::size_t open_ = 0;  // in all buckets
  std::uint64_t arrivals_ = 0;
  Clock::time_point next_sweep_;
  bool closed_ = false;
  std::mutex tls_mutex_;
  std::shared_ptr<TlsContext const> tls_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
