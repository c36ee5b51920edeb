#include "session/connect.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "beast_cache/detail/baton.hpp"
#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using Tcp = asio::ip::tcp;
using Clock = std::chrono::steady_clock;

Address to_address(Tcp::endpoint const& endpoint) {
  return Address(endpoint, endpoint.address().to_string());
}

/// A name lookup that may outlive who asked for it: the operating system's can't be interrupted.
class Lookup : public std::enable_shared_from_this<Lookup> {
 public:
  Lookup(asio::any_io_executor const& executor, Clock::time_point deadline)
      : baton(executor, deadline), resolver_(executor) {}

  void start(std::string_view host, std::string_view service) {
    resolver_.async_resolve(host, service, Tcp::resolver::numeric_service, Done(shared_from_this()));
  }

  Baton baton;
  // Written before the baton is released, read after it.
  error_code ec;
  std::vector<Address> addresses;

 private:
  class Done {
   public:
    explicit Done(std::shared_ptr<Lookup> lookup) noexcept : lookup_(std::move(lookup)) {}
    void operator()(error_code failure, Tcp::resolver::results_type const& results) const {
      lookup_->ec = failure;
      for (auto const& entry : results) lookup_->addresses.push_back(to_address(entry.endpoint()));
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

/// Attempts to connect that run beside each other. Their handlers run on any thread.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(asio::any_io_executor const& executor, std::vector<Address> addresses, Clock::time_point deadline,
       Clock::duration delay)
      : baton(executor, deadline),
        executor_(executor),
        addresses_(std::move(addresses)),
        delay_(delay),
        timer_(executor) {}

  void start() {
    std::lock_guard const lock(mutex_);
    if (!addresses_.empty()) return start_next();
    finish();
    baton.release();
  }

  /// Ends what is under way, whether there is a winner or not.
  void stop() noexcept {
    std::lock_guard const lock(mutex_);
    finish();
  }

  Baton baton;
  // Written before the baton is released, read after it.
  std::optional<Socket> winner;
  std::string failures;

 private:
  class Connected {
   public:
    Connected(std::shared_ptr<Race> race, std::size_t index) noexcept
        : race_(std::move(race)), index_(index) {}
    void operator()(error_code ec) const { race_->on_connected(index_, ec); }

   private:
    std::shared_ptr<Race> race_;
    std::size_t index_;
  };

  class Delayed {
   public:
    Delayed(std::shared_ptr<Race> race, std::size_t next) noexcept : race_(std::move(race)), next_(next) {}
    void operator()(error_code) const { race_->on_delay(next_); }

   private:
    std::shared_ptr<Race> race_;
    std::size_t next_;
  };

  void start_next() {
    std::size_t const index = attempts_.size();
    Socket& socket = attempts_.emplace_back(executor_);
    ++under_way_;
    socket.async_connect(addresses_[index].endpoint, Connected(shared_from_this(), index));
    if (index + 1 == addresses_.size()) return;
    timer_.expires_after(delay_);
    timer_.async_wait(Delayed(shared_from_this(), index + 1));
  }

  void on_connected(std::size_t index, error_code ec) {
    std::lock_guard const lock(mutex_);
    --under_way_;
    if (finished_) return;
    if (!ec) {
      winner = std::move(attempts_[index]);
      finish();
    } else {
      if (!failures.empty()) failures += ", ";
      failures.append(addresses_[index].name).append(": ").append(ec.message());
      error_code ignored;
      attempts_[index].close(ignored);
      if (attempts_.size() < addresses_.size()) return start_next();
      if (under_way_ > 0) return;
      finish();
    }
    baton.release();
  }

  void on_delay(std::size_t next) {
    std::lock_guard const lock(mutex_);
    if (!finished_ && attempts_.size() == next && Clock::now() >= timer_.expiry()) start_next();
  }

  void finish() noexcept {
    if (std::exchange(finished_, true)) return;
    error_code ignored;
    for (Socket& socket : attempts_) socket.close(ignored);
    try {
      timer_.cancel();
    } catch (...) {  // it finds the race finished
    }
  }

  asio::any_io_executor const executor_;
  std::vector<Address> const addresses_;
  Clock::duration const delay_;
  std::mutex mutex_;
  asio::steady_timer timer_;
  std::deque<Socket> attempts_;
  std::size_t under_way_ = 0;
  bool finished_ = false;
};

/// However the waiting ends, nothing goes on.
class Stop {
 public:
  explicit Stop(Race& race) noexcept : race_(race) {}
  Stop(Stop const&) = delete;
  Stop& operator=(Stop const&) = delete;
  ~Stop() { race_.stop(); }

 private:
  Race& race_;
};

}  // namespace

Address Address::of_ip(std::string const& ip, std::uint16_t port) {
  return to_address(Tcp::endpoint(asio::ip::make_address(ip), port));
}

Address Address::of_path(std::string const& path) {
  try {
    return Address(asio::local::stream_protocol::endpoint(path), path);
  } catch (boost::system::system_error const& e) {
    throw Error(http_errc::connect, path + " (" + e.code().message() + ")");
  }
}

std::vector<Address> interleave(std::vector<Address> addresses) {
  if (addresses.size() < 3) return addresses;
  auto const others = std::stable_partition(
      addresses.begin() + 1, addresses.end(),
      [&](Address const& address) { return address.is_same_family(addresses.front()); });
  std::vector<Address> out;
  out.reserve(addresses.size());
  for (auto a = addresses.begin(), b = others; a != others || b != addresses.end();) {
    if (a != others) out.push_back(std::move(*a++));
    if (b != addresses.end()) out.push_back(std::move(*b++));
  }
  return out;
}

asio::awaitable<std::vector<Address>> resolve(asio::any_io_executor executor, std::string host,
                                              std::uint16_t port, std::string who,
                                              Clock::time_point deadline) {
  error_code ec;
  std::vector<Address> addresses;
  auto const address = asio::ip::make_address(host, ec);
  if (!ec) {
    addresses.push_back(to_address(Tcp::endpoint(address, port)));
    co_return addresses;
  }
  if (is_localhost(host)) {
    addresses.push_back(to_address(Tcp::endpoint(asio::ip::address_v4::loopback(), port)));
    addresses.push_back(to_address(Tcp::endpoint(asio::ip::address_v6::loopback(), port)));
    co_return addresses;
  }
  auto const lookup = std::make_shared<Lookup>(executor, deadline);
  lookup->start(host, std::to_string(port));
  co_await lookup->baton.wait(ec);
  if (!lookup->baton.released()) {
    if (ec) throw Error(asio::error::operation_aborted, who);
    throw TimeoutError(Phase::resolve, who + ": looking up the name");
  }
  if (lookup->ec) throw Error(http_errc::resolve, who + " (" + lookup->ec.message() + ")");
  co_return interleave(std::move(lookup->addresses));
}

asio::awaitable<Socket> connect_any(asio::any_io_executor executor, std::vector<Address> addresses,
                                    std::string who, Clock::time_point deadline, Clock::duration delay) {
  auto const race = std::make_shared<Race>(executor, std::move(addresses), deadline, delay);
  Stop const stop(*race);
  race->start();
  error_code ec;
  co_await race->baton.wait(ec);
  if (!race->baton.released()) {
    if (ec) throw Error(asio::error::operation_aborted, who + ": connecting");
    throw TimeoutError(Phase::connect, who + ": connecting");
  }
  if (!race->winner) throw Error(http_errc::connect, who + " (" + race->failures + ")");
  co_return std::move(*race->winner);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
