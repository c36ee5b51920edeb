#include "session/connection_pool.hpp"

#include <algorithm>
#include <boost/asio/execution_context.hpp>
#include <set>
#include <utility>

#include "beast_cache/error.hpp"

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
  origin_ = std::move(other.origin_);
  connection_ = std::move(other.connection_);
  return *this;
}

Lease::~Lease() {
  connection_.reset();
  if (pool_) pool_->release(origin_, nullptr);
}

void Lease::give_back() noexcept {
  auto const pool = std::exchange(pool_, nullptr);
  if (pool) pool->release(origin_, std::move(connection_));
}

asio::awaitable<void> Lease::connect(Url url, Transport::Clock::time_point deadline) {
  connection_ = std::make_unique<Connection>(pool_->executor(), pool_->stall_timeout_);
  std::shared_ptr<TlsContext const> tls;
  if (url.is_secure()) tls = pool_->tls_context();
  co_await connection_->transport.connect(std::move(url), deadline, std::move(tls));
}

/// A place in the queue, which is left by all ways.
class ConnectionPool::Queued {
 public:
  Queued(ConnectionPool& pool, std::string const& origin, std::shared_ptr<Waiter> waiter)
      : pool_(pool), origin_(origin), waiter_(std::move(waiter)) {}
  Queued(Queued const&) = delete;
  Queued& operator=(Queued const&) = delete;
  ~Queued() {
    std::unique_lock lock(pool_.mutex_);
    if (waiter_->granted) {  // too late for this one: the next in the queue has it
      lock.unlock();
      pool_.release(origin_, std::move(waiter_->connection));
      return;
    }
    auto const bucket = pool_.buckets_.find(origin_);
    if (bucket != pool_.buckets_.end()) std::erase(bucket->second.waiters, waiter_);
  }

  /// What was granted, once.
  std::optional<Lease> take() {
    std::lock_guard const lock(pool_.mutex_);
    if (!waiter_->granted) return std::nullopt;
    waiter_->granted = false;
    return Lease(pool_.shared_from_this(), origin_, std::move(waiter_->connection));
  }

 private:
  ConnectionPool& pool_;
  std::string const& origin_;
  std::shared_ptr<Waiter> waiter_;
};

ConnectionPool::ConnectionPool(asio::any_io_executor executor, ClientOptions const& options)
    : executor_(std::move(executor)),
      limit_(options.max_connections_per_origin()),
      idle_timeout_(options.idle_timeout()),
      stall_timeout_(options.stall_timeout()),
      ca_file_(options.ca_file()),
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
  if (!tls_) tls_ = load_tls_context(ca_file_);
  return tls_;
}

std::optional<Lease> ConnectionPool::try_acquire(std::string const& origin, Dropped& dropped) {
  auto const now = Clock::now();
  sweep(now, dropped);
  Bucket& bucket = buckets_[origin];
  // The one that was used last is the likeliest to be open still.
  while (!bucket.idle.empty()) {
    std::unique_ptr<Connection> connection = std::move(bucket.idle.back().connection);
    bool const fresh = now - bucket.idle.back().since < idle_timeout_;
    bucket.idle.pop_back();
    if (fresh && connection->transport.is_quiet())
      return Lease(shared_from_this(), origin, std::move(connection));
    --bucket.open;
    dropped.push_back(std::move(connection));
  }
  if (bucket.open < limit_) {
    ++bucket.open;
    return Lease(shared_from_this(), origin, nullptr);
  }
  return std::nullopt;
}

asio::awaitable<Lease> ConnectionPool::acquire(std::string origin, Clock::time_point deadline) {
  std::shared_ptr<ConnectionPool> const self = shared_from_this();
  std::shared_ptr<Waiter> waiter;
  {
    Dropped dropped;  // closed after the mutex is free
    std::lock_guard const lock(mutex_);
    if (closed_) throw Error(http_errc::closed, origin);
    std::optional<Lease> lease = try_acquire(origin, dropped);
    if (lease) co_return std::move(*lease);
    waiter = std::make_shared<Waiter>(executor_, deadline);
    buckets_[origin].waiters.push_back(waiter);
  }
  Queued queued(*this, origin, waiter);
  error_code ec;
  co_await waiter->baton.wait(ec);
  bool const released = waiter->baton.released();
  std::optional<Lease> lease = queued.take();
  if (lease) {
    Connection* const connection = lease->connection();
    if (connection && !connection->transport.is_quiet()) lease->disconnect();
    co_return std::move(*lease);
  }
  if (released) throw Error(http_errc::closed, origin);
  if (ec) throw Error(asio::error::operation_aborted, origin);
  throw Error(http_errc::timeout, origin + ": waiting for one of " + std::to_string(limit_) + " connections");
}

void ConnectionPool::release(std::string const& origin, std::unique_ptr<Connection> connection) noexcept {
  Dropped dropped;
  std::lock_guard const lock(mutex_);
  release_locked(origin, std::move(connection), dropped);
}

void ConnectionPool::release_locked(std::string const& origin, std::unique_ptr<Connection> connection,
                                    Dropped& dropped) {
  auto const found = buckets_.find(origin);
  Bucket& bucket = found->second;
  if (!bucket.waiters.empty()) {
    std::shared_ptr<Waiter> const next = std::move(bucket.waiters.front());
    bucket.waiters.pop_front();
    next->granted = true;
    next->connection = std::move(connection);
    next->baton.release();
    return;
  }
  auto const now = Clock::now();
  if (connection && !closed_ && idle_timeout_.count() > 0) {
    bucket.idle.emplace_back(std::move(connection), now);
  } else {
    dropped.push_back(std::move(connection));
    if (--bucket.open == 0) buckets_.erase(found);
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
    bucket->second.open -= static_cast<std::size_t>(fresh - idle.begin());
    for (auto i = idle.begin(); i != fresh; ++i) dropped.push_back(std::move(i->connection));
    idle.erase(idle.begin(), fresh);
    bucket = bucket->second.open == 0 ? buckets_.erase(bucket) : std::next(bucket);
  }
}

void ConnectionPool::close() noexcept {
  Dropped dropped;
  std::lock_guard const lock(mutex_);
  closed_ = true;
  for (auto bucket = buckets_.begin(); bucket != buckets_.end();) {
    for (Idle& idle : bucket->second.idle) dropped.push_back(std::move(idle.connection));
    bucket->second.open -= bucket->second.idle.size();
    bucket->second.idle.clear();
    for (auto const& waiter : bucket->second.waiters) waiter->baton.release();
    bucket->second.waiters.clear();
    bucket = bucket->second.open == 0 ? buckets_.erase(bucket) : std::next(bucket);
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
