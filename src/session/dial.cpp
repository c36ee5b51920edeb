#include "session/dial.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/error.hpp"
#include "session/failure.hpp"
#include "session/http1.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

using Clock = Transport::Clock;

// What a proxy has to say before the way is open is short.
constexpr std::size_t max_proxy_head = 16 * 1024;
constexpr unsigned max_interim = 16;

/// The earlier of the deadline and the end of the phase's limit, which begins now.
Clock::time_point limited(Clock::time_point deadline, Timeouts const& timeouts, Phase phase) {
  auto const limit = timeouts.limit(phase);
  return limit.count() == 0 ? deadline : std::min(deadline, Clock::now() + limit);
}

/// A conversation with a proxy, before there is one with the server.
class Tunnel {
 public:
  Tunnel(Transport& transport, Route const& route)
      : transport_(transport),
        proxy_(*route.proxy),
        who_(std::string(route.url.origin()).append(" through ").append(proxy_.name())),
        host_(route.url.host()),
        host_name_(route.url.host_name()),
        port_(route.url.port()) {}

  asio::awaitable<void> connect();
  asio::awaitable<void> socks();

 private:
  asio::awaitable<void> send(std::string bytes);
  asio::awaitable<void> receive(std::size_t size);
  asio::awaitable<ParsedHead> receive_head();
  std::string socks_request() const;
  unsigned byte(std::size_t index) const noexcept { return static_cast<unsigned char>(buffer_[index]); }
  [[noreturn]] void refuse(std::string const& why, unsigned status = 0) const {
    throw ProxyError(status, who_ + ": " + why);
  }
  void check(error_code const& ec) const {
    if (!ec) return;
    if (ended_from_outside(ec)) fail(ec, who_ + ": waiting for the proxy", transport_.phase());
    refuse(ec == asio::error::eof ? "the proxy closed the connection" : ec.message());
  }

  Transport& transport_;
  Proxy const& proxy_;
  std::string const who_;
  std::string const host_;
  std::string const host_name_;
  std::uint16_t const port_;
  std::string buffer_;
};

asio::awaitable<void> Tunnel::send(std::string bytes) {
  error_code ec;
  co_await transport_.write(asio::buffer(bytes), asio::const_buffer(), ec);
  check(ec);
}

/// Exactly that many bytes, into the buffer: what follows them is the server's.
asio::awaitable<void> Tunnel::receive(std::size_t size) {
  buffer_.assign(size, '\0');
  for (std::size_t done = 0; done < size;) {
    error_code ec;
    std::size_t const count =
        co_await transport_.read_some(asio::buffer(buffer_.data() + done, size - done), ec);
    check(ec);
    done += count;
  }
}

/// One head from the front of the buffer.
asio::awaitable<ParsedHead> Tunnel::receive_head() {
  HeadScanner scanner(max_proxy_head);
  std::size_t head_size = 0;
  error_code ec;
  while (head_size == 0) {
    if (!buffer_.empty()) head_size = scanner.scan(buffer_, ec);
    if (ec) refuse(ec.message());
    if (head_size != 0) break;
    std::size_t const old = buffer_.size();
    buffer_.resize(old + 1024);
    std::size_t const count =
        co_await transport_.read_some(asio::buffer(buffer_.data() + old, buffer_.size() - old), ec);
    buffer_.resize(old + count);
    check(ec);
  }
  // As an answer to HEAD: Content-Length and Transfer-Encoding mean nothing here. RFC 9110 section 9.3.6.
  ParsedHead const head = parse_head(std::string_view(buffer_).substr(0, head_size), http::verb::head, ec);
  if (ec) refuse(ec.message());
  buffer_.erase(0, head_size);
  co_return head;
}

/// RFC 9110 section 9.3.6.
asio::awaitable<void> Tunnel::connect() {
  std::string const target = host_ + ":" + std::to_string(port_);
  std::string head = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy_.authorization().empty()) head += "Proxy-Authorization: " + proxy_.authorization() + "\r\n";
  head += "\r\n";
  co_await send(std::move(head));
  for (unsigned interim = 0;; ++interim) {
    ParsedHead const answer = co_await receive_head();
    if (answer.status >= 200 && answer.status < 300) break;
    if (answer.status >= 200 || answer.status == 101 || interim == max_interim)
      refuse("CONNECT was answered with " + std::to_string(answer.status), answer.status);
  }
  // A server does not speak before the client has: what follows would be the proxy's own.
  if (!buffer_.empty()) refuse("the proxy sent something that nobody asked for");
}

std::string Tunnel::socks_request() const {
  std::string request("\x05\x01\x00", 3);  // version 5, CONNECT, reserved
  error_code ec;
  auto const address = asio::ip::make_address(host_name_, ec);
  if (ec) {
    request += '\x03';
    request += static_cast<char>(host_name_.size());  // a name has at most 254 bytes: Url sees to it
    request += host_name_;
  } else if (address.is_v4()) {
    auto const bytes = address.to_v4().to_bytes();
    request += '\x01';
    request.append(bytes.begin(), bytes.end());
  } else {
    auto const bytes = address.to_v6().to_bytes();
    request += '\x04';
    request.append(bytes.begin(), bytes.end());
  }
  request += static_cast<char>(port_ >> 8);
  request += static_cast<char>(port_ & 0xff);
  return request;
}

/// RFC 1928; RFC 1929 for user and password. The proxy looks the name up.
asio::awaitable<void> Tunnel::socks() {
  bool const has_user = !proxy_.user().empty();
  std::string greeting("\x05\x01\x00", 3);  // version 5, one method: no authentication
  if (has_user) greeting = std::string("\x05\x02\x00\x02", 4);
  co_await send(std::move(greeting));
  co_await receive(2);
  if (byte(0) != 5) refuse("that is no SOCKS5 proxy");
  if (byte(1) == 2 && has_user) {
    std::string login(1, '\x01');
    login += static_cast<char>(proxy_.user().size());
    login += proxy_.user();
    login += static_cast<char>(proxy_.password().size());
    login += proxy_.password();
    co_await send(std::move(login));
    co_await receive(2);
    if (byte(1) != 0) refuse("user and password were not accepted");
  } else if (byte(1) != 0) {
    refuse("the proxy wants an authentication that this client does not have");
  }
  co_await send(socks_request());
  co_await receive(4);
  if (byte(0) != 5) refuse("that is no SOCKS5 proxy");
  if (byte(1) != 0) {
    constexpr std::array reasons = {
        "general failure",    "not allowed",          "network unreachable",   "host unreachable",
        "connection refused", "the hops are used up", "command not supported", "address type not supported"};
    unsigned const reply = byte(1);
    refuse(reply <= reasons.size() ? reasons[reply - 1] : "refused with " + std::to_string(reply));
  }
  // The address that the proxy uses: of no interest, but its size is.
  unsigned const kind = byte(3);
  std::size_t size = 0;
  if (kind == 1) size = 4;
  if (kind == 4) size = 16;
  if (kind == 3) {
    co_await receive(1);
    size = byte(0);
  } else if (size == 0) {
    refuse("an address of an unknown type");
  }
  co_await receive(size + 2);
}

}  // namespace

asio::awaitable<void> dial(Transport& transport, asio::any_io_executor executor, Route route,
                           Timeouts const& timeouts, Clock::time_point deadline,
                           std::shared_ptr<TlsContext const> tls) {
  Proxy const* const proxy = route.proxy.get();
  std::string const who = proxy ? "the proxy " + proxy->name() : std::string(route.url.origin());
  std::string const host(proxy ? proxy->host() : route.url.host_name());
  std::uint16_t const port = proxy ? proxy->port() : route.url.port();
  std::vector<Address> addresses;
  if (route.url.is_unix()) {
    addresses.push_back(Address::of_path(route.url.socket_path()));
  } else {
    transport.note(Phase::resolve);
    addresses = co_await resolve(executor, host, port, who, limited(deadline, timeouts, Phase::resolve));
  }
  transport.note(Phase::connect);
  Socket socket =
      co_await connect_any(executor, std::move(addresses), who, limited(deadline, timeouts, Phase::connect));
  transport.adopt(std::move(socket));
  transport.arm(deadline);
  if (proxy && !route.is_forwarded()) {
    transport.enter(Phase::proxy);
    Tunnel tunnel(transport, route);
    if (proxy->is_socks()) {
      co_await tunnel.socks();
    } else {
      co_await tunnel.connect();
    }
  }
  if (!tls) co_return;
  transport.enter(Phase::tls);
  co_await transport.secure(route.url, std::move(tls));
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
