#include "support/scripted_origin.hpp"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace test_support {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using boost::system::error_code;

namespace {

bool iequals(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::optional<std::string> find_header(std::string_view head, std::string_view name) {
  std::size_t begin = head.find("\r\n");
  while (begin != std::string_view::npos && begin + 2 < head.size()) {
    begin += 2;
    std::size_t const end = head.find("\r\n", begin);
    std::string_view const line = head.substr(begin, end - begin);
    std::size_t const colon = line.find(':');
    if (colon != std::string_view::npos && iequals(line.substr(0, colon), name)) {
      std::string_view value = line.substr(colon + 1);
      value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
      return std::string(value);
    }
    begin = end;
  }
  return std::nullopt;
}

/// Reads one request; nothing at the end of the connection. `buffer` keeps what belongs to the next one.
template <class Stream>
asio::awaitable<std::optional<RecordedRequest>> read_request(Stream& stream, std::string& buffer) {
  RecordedRequest request;
  error_code ec;
  auto token = asio::redirect_error(asio::use_awaitable, ec);
  std::size_t const head_size =
      co_await asio::async_read_until(stream, asio::dynamic_buffer(buffer), "\r\n\r\n", token);
  if (ec) co_return std::nullopt;
  request.head = buffer.substr(0, head_size);
  buffer.erase(0, head_size);
  std::size_t const space = request.head.find(' ');
  request.method = request.head.substr(0, space);
  request.target = request.head.substr(space + 1, request.head.find(' ', space + 1) - space - 1);

  if (find_header(request.head, "Transfer-Encoding")) {
    for (;;) {
      std::size_t const line =
          co_await asio::async_read_until(stream, asio::dynamic_buffer(buffer), "\r\n", token);
      if (ec) co_return std::nullopt;
      std::size_t const size = std::strtoul(buffer.c_str(), nullptr, 16);
      buffer.erase(0, line);
      while (buffer.size() < size + 2) {
        std::size_t const old = buffer.size();
        buffer.resize(size + 2);
        std::size_t const count =
            co_await stream.async_read_some(asio::buffer(buffer.data() + old, size + 2 - old), token);
        buffer.resize(old + count);
        if (ec) co_return std::nullopt;
      }
      request.body.append(buffer, 0, size);
      buffer.erase(0, size + 2);
      if (size == 0) break;
    }
  } else if (auto const length = find_header(request.head, "Content-Length")) {
    std::size_t const size = std::strtoul(length->c_str(), nullptr, 10);
    while (buffer.size() < size) {
      std::size_t const old = buffer.size();
      buffer.resize(size);
      std::size_t const count =
          co_await stream.async_read_some(asio::buffer(buffer.data() + old, size - old), token);
      buffer.resize(old + count);
      if (ec) co_return std::nullopt;
    }
    request.body = buffer.substr(0, size);
    buffer.erase(0, size);
  }
  co_return request;
}

}  // namespace

std::optional<std::string> RecordedRequest::header(std::string_view name) const {
  return find_header(head, name);
}

std::string respond(unsigned status, std::string_view body, std::string_view headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\n";
  text.append(headers).append("Content-Length: ").append(std::to_string(body.size()));
  return text.append("\r\n\r\n").append(body);
}

class ScriptedOrigin::Impl {
 public:
  Impl(std::vector<Script> scripts, Handler handler, std::optional<TlsFiles> const& tls)
      : scripts_(std::move(scripts)),
        handler_(std::move(handler)),
        acceptor_(io_, Tcp::endpoint(asio::ip::address_v4::loopback(), 0)),
        port_(acceptor_.local_endpoint().port()) {
    if (tls) {
      tls_.emplace(asio::ssl::context::tls_server);
      tls_->use_certificate_chain_file(tls->certificate());
      tls_->use_private_key_file(tls->key(), asio::ssl::context::pem);
    }
    asio::co_spawn(io_, accept(this), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }

  std::uint16_t port() const noexcept { return port_; }
  bool is_secure() const noexcept { return tls_.has_value(); }
  std::vector<RecordedRequest> requests() const {
    std::lock_guard const lock(mutex_);
    return requests_;
  }
  std::size_t request_count() const {
    std::lock_guard const lock(mutex_);
    return requests_.size();
  }
  std::size_t connection_count() const {
    std::lock_guard const lock(mutex_);
    return connections_;
  }
  std::size_t open_count() const {
    std::lock_guard const lock(mutex_);
    return open_;
  }
  bool wait_for_open(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [&] { return open_ == count; });
  }

 private:
  /// Counts a connection as long as it is open.
  class Open {
   public:
    explicit Open(Impl* impl) : impl_(impl) { add(1); }
    Open(Open const&) = delete;
    Open& operator=(Open const&) = delete;
    ~Open() { add(-1); }

   private:
    void add(int change) {
      std::lock_guard const lock(impl_->mutex_);
      impl_->open_ += static_cast<std::size_t>(change);
      impl_->changed_.notify_all();
    }
    Impl* impl_;
  };

  static asio::awaitable<void> accept(Impl* self) {
    for (;;) {
      error_code ec;
      Tcp::socket socket(self->io_);
      co_await self->acceptor_.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
      if (ec) continue;
      socket.set_option(Tcp::no_delay(true), ec);
      std::size_t index = 0;
      {
        std::lock_guard const lock(self->mutex_);
        index = self->connections_++;
      }
      if (self->tls_) {
        asio::co_spawn(self->io_, serve_tls(self, std::move(socket), index), asio::detached);
      } else {
        asio::co_spawn(self->io_, serve_plain(self, std::move(socket), index), asio::detached);
      }
    }
  }

  static asio::awaitable<void> serve_plain(Impl* self, Tcp::socket socket, std::size_t index) {
    Open const open(self);
    co_await self->serve(socket, socket, index);
  }

  static asio::awaitable<void> serve_tls(Impl* self, Tcp::socket socket, std::size_t index) {
    Open const open(self);
    asio::ssl::stream<Tcp::socket> stream(std::move(socket), *self->tls_);
    error_code ec;
    co_await stream.async_handshake(asio::ssl::stream_base::server,
                                    asio::redirect_error(asio::use_awaitable, ec));
    if (!ec) co_await self->serve(stream, stream.next_layer(), index);
  }

  template <class Stream>
  asio::awaitable<void> serve(Stream& stream, Tcp::socket& socket, std::size_t index) {
    if (handler_) {
      co_await answer(stream, index);
    } else {
      Script const& script = scripts_[std::min(index, scripts_.size() - 1)];
      co_await play(stream, socket, script, index);
    }
  }

  template <class Stream>
  asio::awaitable<void> answer(Stream& stream, std::size_t index) {
    std::string buffer;
    for (;;) {
      std::optional<RecordedRequest> request = co_await read_request(stream, buffer);
      if (!request) co_return;
      std::string const response = record(std::move(*request), index);
      error_code ec;
      co_await asio::async_write(stream, asio::buffer(response),
                                 asio::redirect_error(asio::use_awaitable, ec));
      auto const connection = find_header(response.substr(0, response.find("\r\n\r\n") + 4), "Connection");
      if (ec || (connection && iequals(*connection, "close"))) co_return;
    }
  }

  std::string record(RecordedRequest request, std::size_t index) {
    request.connection = index;
    {
      std::lock_guard const lock(mutex_);
      requests_.push_back(request);
    }
    return handler_ ? handler_(request) : std::string();
  }

  template <class Stream>
  asio::awaitable<void> play(Stream& stream, Tcp::socket& socket, Script const& script, std::size_t index) {
    std::string buffer;
    error_code ec;
    for (Step const& step : script) {
      switch (step.kind()) {
        case Step::Kind::receive: {
          std::optional<RecordedRequest> request = co_await read_request(stream, buffer);
          if (!request) co_return;
          record(std::move(*request), index);
          break;
        }
        case Step::Kind::send:
          co_await asio::async_write(stream, asio::buffer(step.bytes()),
                                     asio::redirect_error(asio::use_awaitable, ec));
          if (ec) co_return;
          break;
        case Step::Kind::shut_down:
          co_await shut_down(stream);
          co_return;
        case Step::Kind::reset:
          socket.set_option(asio::socket_base::linger(true, 0), ec);
          co_return;
        case Step::Kind::close:
          // Unread input would turn the close into a reset, which can overtake what was sent.
          socket.shutdown(Tcp::socket::shutdown_send, ec);
          co_await drain(socket);
          co_return;
      }
    }
    co_await drain(socket);
  }

  static asio::awaitable<void> shut_down(Tcp::socket& socket) {
    error_code ec;
    socket.shutdown(Tcp::socket::shutdown_send, ec);
    co_await drain(socket);
  }
  static asio::awaitable<void> shut_down(asio::ssl::stream<Tcp::socket>& stream) {
    error_code ec;
    co_await stream.async_shutdown(asio::redirect_error(asio::use_awaitable, ec));
  }
  static asio::awaitable<void> drain(Tcp::socket& socket) {
    error_code ec;
    std::string sink(4096, '\0');
    while (!ec) {
      co_await socket.async_read_some(asio::buffer(sink), asio::redirect_error(asio::use_awaitable, ec));
    }
  }

  std::vector<Script> const scripts_;
  Handler const handler_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<RecordedRequest> requests_;
  std::size_t connections_ = 0;
  std::size_t open_ = 0;
  std::optional<asio::ssl::context> tls_;
  asio::io_context io_{1};
  Tcp::acceptor acceptor_;
  std::uint16_t const port_;
  std::thread thread_;
};

ScriptedOrigin::ScriptedOrigin(std::vector<Script> scripts, std::optional<TlsFiles> tls)
    : impl_(std::make_unique<Impl>(std::move(scripts), Handler(), tls)) {}
ScriptedOrigin::ScriptedOrigin(Handler handler, std::optional<TlsFiles> tls)
    : impl_(std::make_unique<Impl>(std::vector<Script>(), std::move(handler), tls)) {}
ScriptedOrigin::~ScriptedOrigin() = default;

std::uint16_t ScriptedOrigin::port() const noexcept {
  return impl_->port();
}
std::string ScriptedOrigin::url(std::string_view target) const {
  return url_at("127.0.0.1", target);
}
std::string ScriptedOrigin::url_at(std::string_view host, std::string_view target) const {
  std::string text = impl_->is_secure() ? "https://" : "http://";
  return text.append(host).append(":").append(std::to_string(port())).append(target);
}
std::vector<RecordedRequest> ScriptedOrigin::requests() const {
  return impl_->requests();
}
std::size_t ScriptedOrigin::request_count() const {
  return impl_->request_count();
}
std::size_t ScriptedOrigin::connection_count() const {
  return impl_->connection_count();
}
std::size_t ScriptedOrigin::open_count() const {
  return impl_->open_count();
}
bool ScriptedOrigin::wait_for_open(std::size_t count) const {
  return impl_->wait_for_open(count);
}

}  // namespace test_support
