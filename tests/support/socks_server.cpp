#include "support/socks_server.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <mutex>
#include <thread>

namespace test_support {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

class SocksServer::Impl {
 public:
  Impl(std::string user, std::string password)
      : user_(std::move(user)),
        password_(std::move(password)),
        acceptor_(io_, Tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        port_(acceptor_.local_endpoint().port()) {
    asio::co_spawn(io_, accept(this), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }

  std::uint16_t port() const noexcept { return port_; }
  std::vector<std::string> targets() const {
    std::lock_guard const lock(mutex_);
    return targets_;
  }

 private:
  using SharedSocket = std::shared_ptr<Tcp::socket>;

  static asio::awaitable<void> accept(Impl* self) {
    for (;;) {
      auto const client = std::make_shared<Tcp::socket>(self->io_);
      co_await self->acceptor_.async_accept(*client, asio::use_awaitable);
      asio::co_spawn(self->io_, serve(self, client), asio::detached);
    }
  }

  static asio::awaitable<std::string> read(Tcp::socket& socket, std::size_t size) {
    std::string bytes(size, '\0');
    co_await asio::async_read(socket, asio::buffer(bytes), asio::use_awaitable);
    co_return bytes;
  }
  static asio::awaitable<std::string> read_counted(Tcp::socket& socket) {
    std::string const size = co_await read(socket, 1);
    co_return co_await read(socket, static_cast<unsigned char>(size[0]));
  }
  static asio::awaitable<void> write(Tcp::socket& socket, std::string bytes) {
    co_await asio::async_write(socket, asio::buffer(bytes), asio::use_awaitable);
  }

  // What goes wrong ends the connection by an exception.
  static asio::awaitable<void> serve(Impl* self, SharedSocket client) {
    std::string const version = co_await read(*client, 1);
    std::string const methods = co_await read_counted(*client);
    char const method = self->user_.empty() ? '\x00' : '\x02';
    if (version != "\x05" || methods.find(method) == std::string::npos) {
      co_await write(*client, "\x05\xff");
      co_return;
    }
    co_await write(*client, std::string("\x05") + method);
    if (method == 2) {
      std::string const ignored = co_await read(*client, 1);
      std::string const user = co_await read_counted(*client);
      std::string const password = co_await read_counted(*client);
      bool const known = user == self->user_ && password == self->password_;
      std::string verdict("\x01\x00", 2);
      if (!known) verdict[1] = '\x01';
      co_await write(*client, std::move(verdict));
      if (!known) co_return;
    }
    std::string const request = co_await read(*client, 4);
    std::string host;
    if (request[3] == 3) {
      host = co_await read_counted(*client);
    } else if (request[3] == 4) {
      asio::ip::address_v6::bytes_type bytes;
      std::string const raw = co_await read(*client, bytes.size());
      std::copy(raw.begin(), raw.end(), bytes.begin());
      host = asio::ip::address_v6(bytes).to_string();
    } else {
      asio::ip::address_v4::bytes_type bytes;
      std::string const raw = co_await read(*client, bytes.size());
      std::copy(raw.begin(), raw.end(), bytes.begin());
      host = asio::ip::address_v4(bytes).to_string();
    }
    std::string const raw_port = co_await read(*client, 2);
    auto const port = static_cast<std::uint16_t>(static_cast<unsigned char>(raw_port[0]) * 256 +
                                                 static_cast<unsigned char>(raw_port[1]));
    {
      std::lock_guard const lock(self->mutex_);
      self->targets_.push_back(host + ":" + std::to_string(port));
    }
    auto const server = std::make_shared<Tcp::socket>(self->io_);
    Tcp::endpoint const target(asio::ip::address_v4::loopback(), port);
    co_await server->async_connect(target, asio::use_awaitable);
    // Bound to a name: an answer of the one form that has no fixed size.
    std::string answer("\x05\x00\x00\x03\x09localhost\x00\x50", 16);
    co_await write(*client, std::move(answer));
    asio::co_spawn(self->io_, relay(client, server), asio::detached);
    co_await relay(server, client);
  }

  static asio::awaitable<void> relay(SharedSocket from, SharedSocket to) {
    std::string buffer(16 * 1024, '\0');
    for (;;) {
      std::size_t const count = co_await from->async_read_some(asio::buffer(buffer), asio::use_awaitable);
      co_await asio::async_write(*to, asio::buffer(buffer.data(), count), asio::use_awaitable);
    }
  }

  std::string const user_;
  std::string const password_;
  mutable std::mutex mutex_;
  std::vector<std::string> targets_;
  asio::io_context io_{1};
  Tcp::acceptor acceptor_;
  std::uint16_t const port_;
  std::thread thread_;
};

SocksServer::SocksServer(std::string user, std::string password)
    : impl_(std::make_unique<Impl>(std::move(user), std::move(password))) {}
SocksServer::~SocksServer() = default;

std::string SocksServer::url(std::string const& user_info) const {
  return "socks5h://" + user_info + "127.0.0.1:" + std::to_string(impl_->port());
}
std::vector<std::string> SocksServer::targets() const {
  return impl_->targets();
}

}  // namespace test_support
