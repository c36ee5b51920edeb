#include "session/transport.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <mutex>
#include <optional>
#include <vector>

#include "beast_cache/detail/baton.hpp"
#include "beast_cache/error.hpp"
#include "session/tls_context.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using Tcp = asio::ip::tcp;
using Token = asio::redirect_error_t<asio::use_awaitable_t<>>;

}  // namespace

/// The socket, as the layer under TLS sees it: every start of an operation is made under the mutex, so that
/// deadline and cancellation can meet it from any thread.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  using executor_type = asio::any_io_executor;
  using lowest_layer_type = Wire;
  using Clock = Transport::Clock;

  Wire(asio::any_io_executor const& executor, Clock::duration stall_timeout)
      : socket_(executor), timer_(executor), stall_timeout_(stall_timeout) {}

  executor_type get_executor() noexcept { return socket_.get_executor(); }
  lowest_layer_type& lowest_layer() noexcept { return *this; }

  template <class Buffers, class Handler>
  void async_read_some(Buffers const& buffers, Handler&& handler) {
    start(Read(), buffers, std::forward<Handler>(handler));
  }
  template <class Buffers, class Handler>
  void async_write_some(Buffers const& buffers, Handler&& handler) {
    start(Write(), buffers, std::forward<Handler>(handler));
  }
  template <class Handler>
  void async_connect(Tcp::endpoint const& endpoint, Handler&& handler) {
    std::unique_lock lock(mutex_);
    if (dead_) {
      lock.unlock();
      asio::post(get_executor(),
                 boost::beast::bind_front_handler(std::forward<Handler>(handler),
                                                  error_code(asio::error::operation_aborted)));
      return;
    }
    begin_wait();
    error_code ignored;
    socket_.close(ignored);
    socket_.async_connect(endpoint, std::forward<Handler>(handler));
  }

  /// Ends the connection for a reason that every operation reports from now on.
  void kill(error_code reason) noexcept {
    std::lock_guard const lock(mutex_);
    kill_locked(reason);
  }

  void arm(Clock::time_point deadline) {
    std::lock_guard const lock(mutex_);
    ++generation_;
    deadline_ = deadline;
    wait_until(stall_timeout_.count() == 0 ? deadline : Clock::now() + stall_timeout_);
  }
  void disarm() noexcept {
    std::lock_guard const lock(mutex_);
    ++generation_;
    try {
      timer_.cancel();
    } catch (...) {  // a timer that fires after all finds another generation
    }
  }

  void close() noexcept {
    disarm();
    std::lock_guard const lock(mutex_);
    error_code ignored;
    socket_.close(ignored);
  }

  /// An operation has ended. Replaces what it reports when it was ended from outside.
  void settle(error_code& ec) noexcept {
    waits_since_.store(0, std::memory_order_relaxed);
    if (!dead_.load(std::memory_order_acquire)) return;
    std::lock_guard const lock(mutex_);
    ec = reason_;
  }

  void on_connected() {
    std::lock_guard const lock(mutex_);
    error_code ignored;
    socket_.set_option(Tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
  }

  bool is_quiet() noexcept {
    std::lock_guard const lock(mutex_);
    if (dead_) return false;  // the deadline may have passed while nothing was read any more
    char byte = 0;
    error_code ec;
    socket_.receive(asio::buffer(&byte, 1), Tcp::socket::message_peek, ec);
    return ec == asio::error::would_block || ec == asio::error::try_again;
  }

 private:
  class Read {
   public:
    template <class Buffers, class Handler>
    void operator()(Tcp::socket& socket, Buffers const& buffers, Handler&& handler) const {
      socket.async_read_some(buffers, std::forward<Handler>(handler));
    }
  };
  class Write {
   public:
    template <class Buffers, class Handler>
    void operator()(Tcp::socket& socket, Buffers const& buffers, Handler&& handler) const {
      socket.async_write_some(buffers, std::forward<Handler>(handler));
    }
  };

  class Expiry {
   public:
    Expiry(std::shared_ptr<Wire> wire, std::uint64_t generation)
        : wire_(std::move(wire)), generation_(generation) {}
    void operator()(error_code) const { wire_->expire(generation_); }

   private:
    std::shared_ptr<Wire> wire_;
    std::uint64_t generation_;
  };

  template <class Operation, class Buffers, class Handler>
  void start(Operation operation, Buffers const& buffers, Handler&& handler) {
    std::unique_lock lock(mutex_);
    if (dead_) {
      lock.unlock();
      asio::post(get_executor(), boost::beast::bind_front_handler(std::forward<Handler>(handler),
                                                                  error_code(asio::error::operation_aborted),
                                                                  std::size_t{0}));
      return;
    }
    begin_wait();
    operation(socket_, buffers, std::forward<Handler>(handler));
  }

  void begin_wait() noexcept {
    if (stall_timeout_.count() != 0)
      waits_since_.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
  }

  void wait_until(Clock::time_point time) {
    timer_.expires_at(std::min(time, deadline_));
    timer_.async_wait(Expiry(shared_from_this(), generation_));
  }

  // The timer is set once in a while, not for each operation: at its end it looks how long the one under way
  // waits.
  void expire(std::uint64_t generation) noexcept {
    std::lock_guard const lock(mutex_);
    auto const now = Clock::now();
    if (generation != generation_ || now < timer_.expiry()) return;
    auto const since = waits_since_.load(std::memory_order_relaxed);
    auto const begin = since == 0 ? now : Clock::time_point(Clock::duration(since));
    if (now >= deadline_ || now - begin >= stall_timeout_) return kill_locked(http_errc::timeout);
    try {
      wait_until(begin + stall_timeout_);
    } catch (...) {  // without a timer it could wait for ever
      kill_locked(http_errc::timeout);
    }
  }

  void kill_locked(error_code reason) noexcept {
    if (dead_) return;
    reason_ = reason;
    dead_.store(true, std::memory_order_release);
    error_code ignored;
    socket_.cancel(ignored);
  }

  mutable std::mutex mutex_;
  Tcp::socket socket_;
  asio::steady_timer timer_;
  Clock::duration const stall_timeout_;
  Clock::time_point deadline_;
  std::atomic<Clock::rep> waits_since_ = 0;  // no operation is under way: 0
  std::uint64_t generation_ = 0;
  std::atomic<bool> dead_ = false;
  error_code reason_;
};

/// A wire, with TLS on top of it or without.
class Link final : public Wire {
 public:
  using Wire::Wire;

  std::shared_ptr<TlsContext const> tls_context;
  std::optional<asio::ssl::stream<Wire&>> tls;
};

namespace {

/// The handler of a whole operation. It has no cancellation slot: the operation's own is answered by ending
/// the connection, the same for TCP, TLS and every type of cancellation.
template <class Handler>
class Settling {
 public:
  using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
  using allocator_type = asio::associated_allocator_t<Handler>;

  Settling(Link* link, Handler handler) : link_(link), handler_(std::move(handler)) {
    auto slot = asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.assign(Kill(link));
  }

  executor_type get_executor() const noexcept {
    return asio::get_associated_executor(handler_, link_->get_executor());
  }
  allocator_type get_allocator() const noexcept { return asio::get_associated_allocator(handler_); }

  template <class... Args>
  void operator()(error_code ec, Args... args) {
    link_->settle(ec);
    std::move(handler_)(ec, args...);
  }

 private:
  class Kill {
   public:
    explicit Kill(Link* link) noexcept : link_(link) {}
    void operator()(asio::cancellation_type) const noexcept { link_->kill(asio::error::operation_aborted); }

   private:
    Link* link_;
  };

  Link* link_;
  Handler handler_;
};

class StartRead {
 public:
  template <class Handler>
  void operator()(Handler&& handler, Link* link, asio::mutable_buffer buffer) const {
    Settling<std::decay_t<Handler>> settling(link, std::forward<Handler>(handler));
    asio::mutable_buffers_1 const buffers(buffer);
    if (link->tls) {
      link->tls->async_read_some(buffers, std::move(settling));
    } else {
      link->async_read_some(buffers, std::move(settling));
    }
  }
};

class StartWrite {
 public:
  template <class Handler>
  void operator()(Handler&& handler, Link* link, std::array<asio::const_buffer, 2> const& buffers) const {
    Settling<std::decay_t<Handler>> settling(link, std::forward<Handler>(handler));
    if (link->tls) {
      asio::async_write(*link->tls, buffers, std::move(settling));
    } else {
      asio::async_write(*link, buffers, std::move(settling));
    }
  }
};

class StartConnect {
 public:
  template <class Handler>
  void operator()(Handler&& handler, Link* link, Tcp::endpoint const& endpoint) const {
    link->async_connect(endpoint, Settling<std::decay_t<Handler>>(link, std::forward<Handler>(handler)));
  }
};

class StartHandshake {
 public:
  template <class Handler>
  void operator()(Handler&& handler, Link* link) const {
    link->tls->async_handshake(asio::ssl::stream_base::client,
                               Settling<std::decay_t<Handler>>(link, std::forward<Handler>(handler)));
  }
};

/// A name lookup that may outlive who asked for it: the operating system's can't be interrupted.
class Lookup : public std::enable_shared_from_this<Lookup> {
 public:
  Lookup(asio::any_io_executor const& executor, Baton::Clock::time_point deadline)
      : baton(executor, deadline), resolver_(executor) {}

  void start(std::string_view host, std::string_view service) {
    resolver_.async_resolve(host, service, Tcp::resolver::numeric_service, Done(shared_from_this()));
  }

  Baton baton;
  // Written before the baton is released, read after it.
  error_code ec;
  std::vector<Tcp::endpoint> endpoints;

 private:
  class Done {
   public:
    explicit Done(std::shared_ptr<Lookup> lookup) noexcept : lookup_(std::move(lookup)) {}
    void operator()(error_code ec, Tcp::resolver::results_type const& results) const {
      lookup_->ec = ec;
      for (auto const& entry : results) lookup_->endpoints.push_back(entry.endpoint());
      lookup_->baton.release();
    }

   private:
    std::shared_ptr<Lookup> lookup_;
  };

  Tcp::resolver resolver_;
};

// RFC 6761 section 6.3: such a name is this machine, and the question never leaves it.
bool is_localhost(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  return host == "localhost" || host.ends_with(".localhost");
}

asio::awaitable<std::vector<Tcp::endpoint>> resolve(asio::any_io_executor const& executor, Url const& url,
                                                    Transport::Clock::time_point deadline) {
  std::string const host(url.host_name());
  error_code ec;
  std::vector<Tcp::endpoint> endpoints;
  auto const address = asio::ip::make_address(host, ec);
  if (!ec) {
    endpoints.emplace_back(address, url.port());
    co_return endpoints;
  }
  if (is_localhost(host)) {
    endpoints.emplace_back(asio::ip::address_v4::loopback(), url.port());
    endpoints.emplace_back(asio::ip::address_v6::loopback(), url.port());
    co_return endpoints;
  }
  auto const lookup = std::make_shared<Lookup>(executor, deadline);
  lookup->start(host, std::to_string(url.port()));
  co_await lookup->baton.wait(ec);
  if (!lookup->baton.released()) {
    if (ec) throw Error(asio::error::operation_aborted, std::string(url.origin()));
    throw Error(http_errc::timeout, std::string(url.origin()) + ": looking up the name");
  }
  if (lookup->ec)
    throw Error(http_errc::resolve, std::string(url.origin()) + " (" + lookup->ec.message() + ")");
  co_return std::move(lookup->endpoints);
}

}  // namespace

Transport::Transport(asio::any_io_executor executor, Clock::duration stall_timeout)
    : link_(std::make_shared<Link>(executor, stall_timeout)) {}
Transport::Transport(Transport&&) noexcept = default;
Transport& Transport::operator=(Transport&& other) noexcept {
  if (link_) link_->close();
  link_ = std::move(other.link_);
  return *this;
}
Transport::~Transport() {
  if (link_) link_->close();
}

void Transport::arm(Clock::time_point deadline) {
  link_->arm(deadline);
}
void Transport::disarm() noexcept {
  link_->disarm();
}
bool Transport::is_quiet() noexcept {
  // What TLS has taken from the socket already is not seen by a look at the socket.
  if (link_->tls && has_unread(link_->tls->native_handle())) return false;
  return link_->is_quiet();
}

asio::awaitable<std::size_t> Transport::read_some(asio::mutable_buffer buffer, error_code& ec) {
  Token token(asio::use_awaitable, ec);
  return asio::async_initiate<Token, void(error_code, std::size_t)>(StartRead(), token, link_.get(), buffer);
}

asio::awaitable<std::size_t> Transport::write(asio::const_buffer first, asio::const_buffer second,
                                              error_code& ec) {
  std::array<asio::const_buffer, 2> const buffers = {first, second};
  Token token(asio::use_awaitable, ec);
  return asio::async_initiate<Token, void(error_code, std::size_t)>(StartWrite(), token, link_.get(),
                                                                    buffers);
}

asio::awaitable<void> Transport::connect(Url url, Clock::time_point deadline,
                                         std::shared_ptr<TlsContext const> tls) {
  arm(deadline);
  co_await connect_tcp(url, deadline);
  link_->on_connected();
  if (tls) co_await shake_hands(url, std::move(tls));
}

asio::awaitable<void> Transport::connect_tcp(Url const& url, Clock::time_point deadline) {
  auto const endpoints = co_await resolve(link_->get_executor(), url, deadline);
  std::string tried;
  for (Tcp::endpoint const& endpoint : endpoints) {
    error_code ec;
    Token token(asio::use_awaitable, ec);
    co_await asio::async_initiate<Token, void(error_code)>(StartConnect(), token, link_.get(), endpoint);
    if (!ec) co_return;
    if (ec == asio::error::operation_aborted || ec == http_errc::timeout)
      throw Error(ec, std::string(url.origin()) + ": connecting to " + endpoint.address().to_string());
    if (!tried.empty()) tried += ", ";
    tried += endpoint.address().to_string() + ": " + ec.message();
  }
  throw Error(http_errc::connect, std::string(url.origin()) + " (" + tried + ")");
}

asio::awaitable<void> Transport::shake_hands(Url const& url, std::shared_ptr<TlsContext const> tls) {
  link_->tls_context = std::move(tls);
  link_->tls.emplace(*link_, link_->tls_context->context());
  expect_host(link_->tls->native_handle(), url);
  error_code ec;
  Token token(asio::use_awaitable, ec);
  co_await asio::async_initiate<Token, void(error_code)>(StartHandshake(), token, link_.get());
  if (!ec) co_return;
  std::string const origin(url.origin());
  if (ec == asio::error::operation_aborted || ec == http_errc::timeout)
    throw Error(ec, origin + ": during the TLS handshake");
  std::string const reason = verify_failure(link_->tls->native_handle());
  if (!reason.empty()) throw Error(http_errc::tls_verify, origin + " (" + reason + ")");
  throw Error(http_errc::tls_handshake, origin + " (" + ec.message() + ")");
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
