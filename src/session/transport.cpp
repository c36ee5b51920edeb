#include "session/transport.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <mutex>
#include <optional>

#include "beast_cache/error.hpp"
#include "session/exchange_record.hpp"
#include "session/failure.hpp"
#include "session/tls_context.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using Token = asio::redirect_error_t<asio::use_awaitable_t<>>;

}  // namespace

/// The socket, as the layer under TLS sees it: every start of an operation is made under the mutex, so that
/// deadline and cancellation can meet it from any thread.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  using executor_type = asio::any_io_executor;
  using lowest_layer_type = Wire;
  using Clock = Transport::Clock;

  Wire(asio::any_io_executor const& executor, Timeouts const& timeouts)
      : socket_(executor), timer_(executor), timeouts_(timeouts) {}

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
  /// Ends the connection for a reason that every operation reports from now on.
  void kill(error_code reason) noexcept {
    std::lock_guard const lock(mutex_);
    kill_locked(reason);
  }

  void arm(Clock::time_point deadline) {
    std::lock_guard const lock(mutex_);
    ++generation_;
    deadline_ = deadline;
    phase_deadline_ = Clock::time_point::max();
    wait_until(deadline);
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

  /// Begins a part of the exchange, with the limit that it has.
  void enter(Phase phase) {
    phase_ = phase;
    note(phase);
    auto const limit = timeouts_.limit(phase);
    if (limit.count() == 0 && !is_phase_limited_) return;
    // While bytes flow, it is each wait for them that is limited.
    bool const is_whole = phase != Phase::send && phase != Phase::receive;
    is_phase_limited_ = limit.count() != 0;
    std::lock_guard const lock(mutex_);
    auto const end = Clock::now() + limit;
    phase_deadline_ = is_phase_limited_ && is_whole ? end : Clock::time_point::max();
    wait_limit_ = is_whole ? Clock::duration(0) : Clock::duration(limit);
    if (is_phase_limited_ && end < timer_.expiry()) wait_until(end);
  }
  Phase phase() const noexcept { return phase_; }

  void note_in(ExchangeRecord* record) noexcept { record_ = record; }
  void note(Phase phase) noexcept {
    if (record_) record_->begin(phase);
  }
  void note(std::size_t bytes) noexcept {
    if (record_) record_->event().count(bytes);
  }

  /// An operation has ended. Replaces what it reports when it was ended from outside.
  void settle(error_code& ec) noexcept {
    waits_since_.store(0, std::memory_order_relaxed);
    if (!dead_.load(std::memory_order_acquire)) return;
    std::lock_guard const lock(mutex_);
    ec = reason_;
  }

  std::size_t write_now(std::array<asio::const_buffer, 2> const& buffers, error_code& ec) noexcept {
    std::lock_guard const lock(mutex_);
    ec = reason_;
    if (dead_) return 0;
    std::size_t const count = socket_.send(buffers, 0, ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) ec = {};
    note(count);
    return count;
  }

  void adopt(Socket socket) {
    std::lock_guard const lock(mutex_);
    socket_ = std::move(socket);
    error_code ignored;  // a Unix-domain socket has no such option
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
  }

  bool is_quiet() noexcept {
    std::lock_guard const lock(mutex_);
    if (dead_) return false;  // the deadline may have passed while nothing was read any more
    char byte = 0;
    error_code ec;
    socket_.receive(asio::buffer(&byte, 1), asio::socket_base::message_peek, ec);
    return ec == asio::error::would_block || ec == asio::error::try_again;
  }

 private:
  class Read {
   public:
    template <class Buffers, class Handler>
    void operator()(Socket& socket, Buffers const& buffers, Handler&& handler) const {
      socket.async_read_some(buffers, std::forward<Handler>(handler));
    }
  };
  class Write {
   public:
    template <class Buffers, class Handler>
    void operator()(Socket& socket, Buffers const& buffers, Handler&& handler) const {
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
    if (is_phase_limited_)
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
    auto next = std::min(deadline_, phase_deadline_);
    if (wait_limit_.count() != 0) {
      auto const since = waits_since_.load(std::memory_order_relaxed);
      auto const begin = since == 0 ? now : Clock::time_point(Clock::duration(since));
      next = std::min(next, begin + wait_limit_);
    }
    if (now >= next) return kill_locked(http_errc::timeout);
    try {
      wait_until(next);
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
  Socket socket_;
  asio::steady_timer timer_;
  Timeouts const timeouts_;
  // Of the operations' own: nobody else reads these.
  ExchangeRecord* record_ = nullptr;
  Phase phase_ = Phase::connect;
  bool is_phase_limited_ = false;
  // Under the mutex.
  Clock::time_point deadline_;
  Clock::time_point phase_deadline_;
  Clock::duration wait_limit_{0};
  std::atomic<Clock::rep> waits_since_ = 0;  // no operation is under way: 0
  std::uint64_t generation_ = 0;
  std::atomic<bool> dead_ = false;
  error_code reason_;
};

/// A wire, with TLS on top of it or without.
class Link final : public Wire {
 public:
  using Wire::Wire;
  ~Link() {
    if (tls && is_established) keep_session(tls->native_handle());
  }

  std::shared_ptr<TlsContext const> tls_context;
  std::optional<asio::ssl::stream<Wire&>> tls;
  bool is_established = false;
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
    (link_->note(args), ...);  // the number of bytes, where there is one
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

class StartHandshake {
 public:
  template <class Handler>
  void operator()(Handler&& handler, Link* link) const {
    link->tls->async_handshake(asio::ssl::stream_base::client,
                               Settling<std::decay_t<Handler>>(link, std::forward<Handler>(handler)));
  }
};

}  // namespace

Transport::Transport(asio::any_io_executor executor, Timeouts const& timeouts)
    : link_(std::make_shared<Link>(executor, timeouts)) {}
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
void Transport::enter(Phase phase) {
  link_->enter(phase);
}
Phase Transport::phase() const noexcept {
  return link_->phase();
}
void Transport::note_in(ExchangeRecord* record) noexcept {
  link_->note_in(record);
}
void Transport::note(Phase phase) noexcept {
  link_->note(phase);
}
void Transport::adopt(Socket socket) {
  link_->adopt(std::move(socket));
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

std::size_t Transport::write_now(asio::const_buffer first, asio::const_buffer second,
                                 error_code& ec) noexcept {
  return link_->tls ? 0 : link_->write_now({first, second}, ec);
}

asio::awaitable<std::size_t> Transport::write(asio::const_buffer first, asio::const_buffer second,
                                              error_code& ec) {
  std::array<asio::const_buffer, 2> const buffers = {first, second};
  Token token(asio::use_awaitable, ec);
  return asio::async_initiate<Token, void(error_code, std::size_t)>(StartWrite(), token, link_.get(),
                                                                    buffers);
}

asio::awaitable<void> Transport::secure(Url url, std::shared_ptr<TlsContext const> tls) {
  link_->tls_context = std::move(tls);
  link_->tls.emplace(*link_, link_->tls_context->context());
  expect_host(link_->tls->native_handle(), url);
  std::string const origin(url.origin());
  link_->tls_context->sessions().begin(link_->tls->native_handle(), origin);
  error_code ec;
  Token token(asio::use_awaitable, ec);
  co_await asio::async_initiate<Token, void(error_code)>(StartHandshake(), token, link_.get());
  link_->is_established = !ec;
  if (!ec) co_return;
  if (ended_from_outside(ec)) fail(ec, origin + ": during the TLS handshake", phase());
  link_->tls_context->sessions().forget(origin);
  std::string const reason = verify_failure(link_->tls->native_handle());
  if (!reason.empty()) throw Error(http_errc::tls_verify, origin + " (" + reason + ")");
  throw Error(http_errc::tls_handshake, origin + " (" + ec.message() + ")");
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
