// Happy Eyeballs: how a list of addresses becomes one connection.
#include "session/connect.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/this_coro.hpp>
#include <cstring>

#include "beast_cache/error.hpp"
#include "support/run.hpp"
#include "support/temp_directory.hpp"

using namespace beast_cache;
using namespace beast_cache::detail;
using namespace test_support;
using namespace std::chrono_literals;
using Tcp = asio::ip::tcp;

namespace {

constexpr auto never = std::chrono::steady_clock::time_point::max();

/// A listener whose queue is full: who connects waits, for as long as the test lasts.
class Silent {
 public:
  explicit Silent(asio::io_context& io) : acceptor_(io), first_(io) {
    acceptor_.open(Tcp::v4());
    acceptor_.bind(Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
    acceptor_.listen(0);
    // The queue holds one more than it was asked to.
    first_.connect(acceptor_.local_endpoint());
  }
  Address address() const { return Address::of_ip("127.0.0.1", acceptor_.local_endpoint().port()); }

 private:
  Tcp::acceptor acceptor_;
  Tcp::socket first_;
};

class Listening {
 public:
  explicit Listening(asio::io_context& io)
      : acceptor_(io, Tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {}
  Address address() const { return Address::of_ip("127.0.0.1", acceptor_.local_endpoint().port()); }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  Tcp::acceptor acceptor_;
};

/// A port that nobody listens on, kept so while the object lives.
class Refusing {
 public:
  Refusing(asio::io_context& io, char const* ip) : ip_(ip), socket_(io) {
    Tcp::endpoint const any(asio::ip::make_address(ip), 0);
    socket_.open(any.protocol());
    socket_.bind(any);
  }
  Address address() const { return Address::of_ip(ip_, socket_.local_endpoint().port()); }

 private:
  std::string ip_;
  Tcp::socket socket_;
};

std::uint16_t peer_port(Socket const& socket) {
  auto const endpoint = socket.remote_endpoint();
  sockaddr_in address{};
  if (endpoint.protocol().family() != AF_INET) return 0;
  std::memcpy(&address, endpoint.data(), sizeof address);
  return ntohs(address.sin_port);
}

std::string names(std::vector<Address> const& addresses) {
  std::string text;
  for (Address const& address : addresses) text.append(address.name).append(" ");
  return text;
}

/// The port that it has connected to, 0 over a Unix-domain socket.
asio::awaitable<std::uint16_t> connect(asio::any_io_executor executor, std::vector<Address> addresses,
                                       std::chrono::steady_clock::time_point deadline = never,
                                       std::chrono::steady_clock::duration delay = 1h) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  Socket const socket = co_await connect_any(executor, std::move(addresses), "example.org", deadline, delay);
  co_return peer_port(socket);
}

}  // namespace

TEST_CASE("The address families take turns, in the order that the resolver gave") {
  auto const interleaved = [](std::vector<char const*> const& ips) {
    std::vector<Address> addresses;
    for (char const* ip : ips) addresses.push_back(Address::of_ip(ip, 80));
    return names(interleave(std::move(addresses)));
  };
  CHECK(interleaved({}).empty());
  CHECK(interleaved({"::1", "10.0.0.1"}) == "::1 10.0.0.1 ");
  CHECK(interleaved({"::1", "::2", "::3", "10.0.0.1", "10.0.0.2"}) == "::1 10.0.0.1 ::2 10.0.0.2 ::3 ");
  CHECK(interleaved({"10.0.0.1", "::1", "::2", "10.0.0.2"}) == "10.0.0.1 ::1 10.0.0.2 ::2 ");
  CHECK(interleaved({"10.0.0.1", "10.0.0.2", "10.0.0.3"}) == "10.0.0.1 10.0.0.2 10.0.0.3 ");
  CHECK(interleaved({"10.0.0.1", "::1", "::2", "::3"}) == "10.0.0.1 ::1 ::2 ::3 ");
}

TEST_CASE("An attempt that fails is followed by the next at once, whatever the delay") {
  asio::io_context io;
  Listening const listening(io);
  Refusing const refusing(io, GENERATE("::1", "127.0.0.1"));
  std::vector<Address> addresses = {refusing.address(), listening.address()};
  CHECK(run(io, connect(io.get_executor(), addresses, never, 1h)) == listening.port());
}

TEST_CASE("An attempt that hangs is overtaken by the next after the delay, and given up") {
  asio::io_context io;
  Silent const silent(io);
  Listening const listening(io);
  std::vector<Address> addresses = {silent.address(), silent.address(), listening.address()};
  CHECK(run(io, connect(io.get_executor(), addresses, never, 0ms)) == listening.port());
  // The losers are cancelled: nothing is left to wait for.
  io.restart();
  io.run();
  CHECK(io.stopped());
}

TEST_CASE("While an attempt hangs and the delay lasts, only the deadline ends it") {
  asio::io_context io;
  Silent const silent(io);
  Listening const listening(io);
  std::vector<Address> addresses = {silent.address(), listening.address()};
  auto const soon = std::chrono::steady_clock::now() + 5ms;
  try {
    run(io, connect(io.get_executor(), addresses, soon));
    FAIL("connected");
  } catch (TimeoutError const& e) {
    CHECK(e.code() == http_errc::timeout);
    CHECK(e.phase() == Phase::connect);
  }
  io.restart();
  io.run();
}

TEST_CASE("When all attempts fail the error lists them") {
  asio::io_context io;
  Refusing const one(io, "127.0.0.1");
  Refusing const two(io, "::1");
  std::vector<Address> addresses = {one.address(), two.address()};
  try {
    run(io, connect(io.get_executor(), addresses));
    FAIL("connected");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::connect);
    std::string const what = e.what();
    CHECK(what.find("example.org") != std::string::npos);
    CHECK(what.find("127.0.0.1: ") != std::string::npos);
    CHECK(what.find("::1: ") != std::string::npos);
  }
  CHECK_THROWS_AS(run(io, connect(io.get_executor(), {})), Error);
}

TEST_CASE("Connecting can be cancelled by every type of cancellation") {
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  asio::io_context io;
  Silent const silent(io);
  asio::cancellation_signal signal;
  error_code code;
  auto connecting = connect(io.get_executor(), {silent.address()});
  asio::co_spawn(io, std::move(connecting),
                 asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, std::uint16_t) {
                   try {
                     if (e) std::rethrow_exception(e);
                   } catch (boost::system::system_error const& failure) {
                     code = failure.code();
                   }
                 }));
  io.poll();
  signal.emit(type);
  io.run();
  CHECK(code == asio::error::operation_aborted);
}

TEST_CASE("A context may be destroyed while a connection is being made") {
  for (int steps = 0; steps < 4; ++steps) {
    auto const held = std::make_shared<bool>(false);
    {
      asio::io_context io;
      Silent const silent(io);
      asio::co_spawn(io, connect(io.get_executor(), {silent.address()}),
                     [held](std::exception_ptr, std::uint16_t) { *held = true; });
      for (int i = 0; i < steps; ++i) io.poll_one();
    }
    CHECK_FALSE(*held);            // never told
    CHECK(held.use_count() == 1);  // and nothing of it is left
  }
}

TEST_CASE("A Unix-domain socket is connected to by its path") {
  TempDirectory const directory;
  std::string const path = directory.file("socket");
  asio::io_context io;
  asio::local::stream_protocol::acceptor const acceptor(io, asio::local::stream_protocol::endpoint(path));
  CHECK(run(io, connect(io.get_executor(), {Address::of_path(path)})) == 0);
  CHECK_THROWS_AS(Address::of_path(std::string(4000, 'x')), Error);
  try {
    run(io, connect(io.get_executor(), {Address::of_path(path + "-none")}));
    FAIL("connected");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::connect);
    CHECK(std::string(e.what()).find(path + "-none") != std::string::npos);
  }
}

TEST_CASE("Addresses and names of this machine are not looked up") {
  asio::io_context io;
  CHECK(names(run(io, resolve(io.get_executor(), "127.0.0.9", 80, "test", never))) == "127.0.0.9 ");
  CHECK(names(run(io, resolve(io.get_executor(), "::1", 80, "test", never))) == "::1 ");
  for (char const* name : {"localhost", "localhost.", "app.localhost"})
    CHECK(names(run(io, resolve(io.get_executor(), name, 80, "test", never))) == "127.0.0.1 ::1 ");
}
