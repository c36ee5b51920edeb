#include "session/connection_pool.hpp"

#include <algorithm>
#include <boost/asio/execution_context.hpp>
#include <set>
#include <utility>

#include "beast_cache/error.hpp"
#include "session/dial.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

/// Closes the idle connections of every pool before their context goes: a socket can't outlive it, a session
/// may.
class PoolService final : public asio::execution_context::service {
 public:
  using key_type = PoolService;
  static inline asio::execution_context::id id;

  explicit PoolService(asio::execution_context& context) : service(context) {}

  void add(std::shared_ptr<ConnectionPool> const& pool) {
    std::lock_guard const lock(mutex_);
    std::erase_if(pools_, [](auto const& known) { return known.expired(); });
    pools_.push_back(pool);
  }

 private:
  void shutdown() override {
    std::vector<std::weak_ptr<ConnectionPool>> pools;
    {
      std::lock_guard const lock(mutex_);
      pools.swap(pools_);
    }
    for (auto const& known : pools) {
      if (auto const pool = known.lock()) pool->close();
    }
  }

  std::mutex mutex_;
  std::vector<std::weak_ptr<ConnectionPool>> pools_;
};

}  // namespace

Lease& Lease::operator=(Lease&& other) noexcept {
  Lease old(std::move(*this));
  pool_ = std::move(other.pool_);
  key_ = std::move(other.key_);
  connection_ = std::move(other.connection_);
  return *this;
}

Lease::~Lease() {
  connection_.reset();
  if (pool_) pool_->release(key_, nullptr);
}

void Lease::give_back() noexcept {
  auto const pool = std::exchange(pool_, nullptr);
  if (pool) pool->release(key_, std::move(connection_));
}

asio::awaitable<void> Lease::connect(Route route, Transport::Clock::time_point deadline,
                                     ExchangeRecord* record) {
  connection_ = std::make_unique<Connection>(pool_->executor(), pool_->timeouts_);
  connection_->transport.note_in(record);
  std::shared_ptr<TlsContext const> tls;
  if (route.url.is_secure()) tls = pool_->tls_context();
  co_await dial(connection_->transport, pool_->executor(), std::move(route), pool_->timeouts_, deadline,
                std::move(tls));
}

/// A place in the queue, which is left by all ways.
class ConnectionPool::Queued {
 public:
  Queued(ConnectionPool& pool, std::string const& key, std::shared_ptr<Waiter> waiter)
      : pool_(pool), key_(key), waiter_(std::move(waiter)) {}
  Queued(Queued const&) = delete;
  Queued& operator=(Queued const&) = delete;
  ~Queued() {
    std::unique_lock lock(pool_.mutex_);
    if (waiter_->granted) {  // too late for this one: the next in the queue has it
      lock.unlock();
      pool_.release(key_, std::move(waiter_->connection));
      return;
    }
    auto const found = pool_.buckets_.find(key_);
    if (found == pool_.buckets_.end()) return;
    std::erase(found->second.waiters, waiter_);
    if (found->second.open == 0 && found->second.waiters.empty()) pool_.buckets_.erase(found);
  }

  /// What was granted, once.
  std::optional<Lease> take() {
    std::lock_guard const lock(pool_.mutex_);
    if (!waiter_->granted) return std::nullopt;
    waiter_->granted = false;
    return Lease(pool_.shared_from_this(), key_, std::move(waiter_->connection));
  }

 private:
  ConnectionPool& pool_;
  std::string const& key_;
  std::shared_ptr<Waiter> waiter_;
};

ConnectionPool::ConnectionPool(asio::any_io_executor executor, ClientOptions const& options)
    : executor_(std::move(executor)),
      limit_(options.max_connections_per_origin()),
      total_limit_(options.max_connections()),
      idle_timeout_(options.idle_timeout()),
      timeouts_(options.timeouts()),
      proxies_(options.proxy(), options.proxy_from_environment()),
      tls_options_(options.tls()),
      next_sweep_(Clock::now()) {}

ConnectionPool::~ConnectionPool() = default;

std::shared_ptr<ConnectionPool> ConnectionPool::create(asio::any_io_executor executor,
                                                       ClientOptions const& options) {
  auto pool = std::make_shared<ConnectionPool>(executor, options);
  asio::execution_context& context = asio::query(executor, asio::execution::context);
  asio::use_service<PoolService>(context).add(pool);
  return pool;
}

std::shared_ptr<TlsContext const> ConnectionPool::tls_context() {
  std::lock_guard const lock(tls_mutex_);
  if (!tls_) tls_ = load_tls_context(tls_options_);
  return tls_;
}

std::optional<Lease> ConnectionPool::try_acquire(std::string& key, Dropped& dropped) {
  auto const now = Clock::now();
  sweep(now, dropped);
  Bucket& bucket = buckets_[key];
  // The one that was used last is the likeliest to be open still.
  while (!bucket.idle.empty()) {
    std::unique_ptr<Connection> connection = std::move(bucket.idle.back().connection);
    bool const fresh = now - bucket.idle.back().since < idle_timeout_;
    bucket.idle.pop_back();
    if (fresh && connection->transport.is_quiet())
      return Lease(shared_from_this(), std::move(key), std::move(connection));
    count_closed(bucket, 1);
    dropped.push_back(std::move(connection));
  }
  if (bucket.open < limit_ && make_room(dropped)) {
    ++bucket.open;
    ++open_;
    return Lease(shared_from_this(), std::move(key), nullptr);
  }
  return std::nullopt;
}

/// Whether one more connection may be opened: in place of the one that is idle for the longest time, if need
/// be.
bool ConnectionPool::make_room(Dropped& dropped) {
  if (open_ < total_limit_) return true;
  auto oldest = buckets_.end();
  for (auto bucket = buckets_.begin(); bucket != buckets_.end(); ++bucket) {
    if (bucket->second.idle.empty()) continue;
    if (oldest == buckets_.end() || bucket->second.idle.front().since < oldest->second.idle.front().since)
      oldest = bucket;
  }
  if (oldest == buckets_.end()) return false;
  auto& idle = oldest->second.idle;
  dropped.push_back(std::move(idle.front().connection));
  idle.erase(idle.begin());
  count_closed(oldest->second, 1);
  if (oldest->second.open == 0 && oldest->second.waiters.empty()) buckets_.erase(oldest);
  return true;
}

void ConnectionPool::count_closed(Bucket& bucket, std::size_t count) noexcept {
  bucket.open -= count;
  open_ -= count;
}

Lease ConnectionPool::take(std::string& key) {
  Dropped dropped;  // closed after the mutex is free
  std::lock_guard const lock(mutex_);
  std::optional<Lease> lease;
  if (!closed_) lease = try_acquire(key, dropped);
  return lease ? std::move(*lease) : Lease();
}

asio::awaitable<Lease> ConnectionPool::acquire(std::string key, Clock::time_point deadline) {
  std::shared_ptr<ConnectionPool> const self = shared_from_this();
  std::shared_ptr<Waiter> waiter;
  {
    Dropped dropped;  // closed after the mutex is free
    std::lock_guard const lock(mutex_);
    if (closed_) throw Error(http_errc::closed, key);
    std::optional<Lease> lease = try_acquire(key, dropped);
    if (lease) co_return std::move(*lease);
    auto const limit = timeouts_.limit(Phase::queue);
    if (limit.count() != 0) deadline = std::min(deadline, Clock::now() + limit);
    waiter = std::make_shared<Waiter>(executor_, deadline, ++arrivals_);
    buckets_[key].waiters.push_back(waiter);
  }
  Queued queued(*this, key, waiter);
  error_code ec;
  co_await waiter->baton.wait(ec);
  bool const released = waiter->baton.released();
  std::optional<Lease> lease = queued.take();
  if (lease) {
    Connection* const connection = lease->connection();
    if (connection && !connection->transport.is_quiet()) lease->disconnect();
    co_return std::move(*lease);
  }
  if (released) throw Error(http_errc::closed, key);
  if (ec) throw Error(asio::error::operation_aborted, key);
  throw TimeoutError(Phase::queue, key + ": waiting for one of " + std::to_string(limit_) + " connections, " +
                                       std::to_string(total_limit_) + " in all");
}

void ConnectionPool::release(std::string const& key, std::unique_ptr<Connection> connection) noexcept {
  Dropped dropped;
  std::lock_guard const lock(mutex_);
  release_locked(key, std::move(connection), dropped);
}

/// Whose turn it is when a connection of that bucket becomes free: itself, another one, or `end`.
ConnectionPool::Buckets::iterator ConnectionPool::first_waiting(Buckets::iterator released) {
  auto first = released->second.waiters.empty() ? buckets_.end() : released;
  // Beyond its own limit, nobody waits for another bucket's connection.
  if (open_ < total_limit_) return first;
  for (auto bucket = buckets_.begin(); bucket != buckets_.end(); ++bucket) {
    Bucket const& other = bucket->second;
    if (other.waiters.empty() || (bucket != released && other.open >= limit_)) continue;
    if (first == buckets_.end() || other.waiters.front()->number < first->second.waiters.front()->number)
      first = bucket;
  }
  return first;
}

void ConnectionPool::grant(Bucket& bucket, std::unique_ptr<Connection> connection) {
  std::shared_ptr<Waiter> const next = std::move(bucket.waiters.front());
  bucket.waiters.pop_front();
  next->granted = true;
  next->connection = std::move(connection);
  next->baton.release();
}

void ConnectionPool::release_locked(std::string const& key, std::unique_ptr<Connection> connection,
                                    Dropped& dropped) {
  auto const found = buckets_.find(key);
  Bucket& bucket = found->second;
  auto const first = first_waiting(found);
  if (first == found) return grant(bucket, std::move(connection));
  auto const now = Clock::now();
  if (first == buckets_.end() && connection && !closed_ && idle_timeout_.count() > 0) {
    bucket.idle.emplace_back(std::move(connection), now);
  } else {
    dropped.push_back(std::move(connection));
    count_closed(bucket, 1);
    if (first != buckets_.end()) {
      ++first->second.open;
      ++open_;
      grant(first->second, nullptr);
    }
    if (bucket.open == 0 && bucket.waiters.empty()) buckets_.erase(found);
  }
  sweep(now, dropped);
}

void ConnectionPool::sweep(Clock::time_point now, Dropped& dropped) {
  if (now < next_sweep_) return;
  next_sweep_ = now + idle_timeout_ / 2;
  for (auto bucket = buckets_.begin(); bucket != buckets_.end();) {
    auto& idle = bucket->second.idle;
    auto const fresh =
        std::find_if(idle.begin(), idle.end(), [&](Idle const& i) { return now - i.since < idle_timeout_; });
    count_closed(bucket->second, static_cast<std::size_t>(fresh - idle.begin()));
    for (auto i = idle.begin(); i != fresh; ++i) dropped.push_back(std::move(i->connection));
    idle.erase(idle.begin(), fresh);
    bool const unused = bucket->second.open == 0 && bucket->second.waiters.empty();
    bucket = unused ? buckets_.erase(bucket) : std::next(bucket);
  }
}

void ConnectionPool::close() noexcept {
  Dropped dropped;
  std::lock_guard const lock(mutex_);
  closed_ = true;
  for (auto bucket = buckets_.begin(); bucket != buckets_.end();) {
    for (Idle& idle : bucket->second.idle) dropped.push_back(std::move(idle.connection));
    count_closed(bucket->second, bucket->second.idle.size());
    bucket->second.idle.clear();
    for (auto const& waiter : bucket->second.waiters) waiter->baton.release();
    bucket->second.waiters.clear();
    bucket = bucket->second.open == 0 ? buckets_.erase(bucket) : std::next(bucket);
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
