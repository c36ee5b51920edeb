#pragma once
/// From a host's name to a connected socket. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A connection over TCP, or over a Unix-domain socket.
using Socket = asio::generic::stream_protocol::socket;

/// Where to connect to.
class Address {
 public:
  Address(asio::generic::stream_protocol::endpoint const& e, std::string n)
      : endpoint(e), name(std::move(n)) {}

  static Address of_ip(std::string const& ip, std::uint16_t port);
  /// Errors: `http_errc::connect` for a path that is longer than the system's addresses are.
  static Address of_path(std::string const& path);

  bool is_same_family(Address const& other) const noexcept {
    return endpoint.protocol().family() == other.endpoint.protocol().family();
  }

  asio::generic::stream_protocol::endpoint endpoint;
  /// For messages.
  std::string name;
};

/// The addresses with those of the first one's family and those of the others in turn, each in its order.
/// Source: RFC 8305 section 4.
std::vector<Address> interleave(std::vector<Address> addresses);

/// Looks a name up. Names of this machine are not looked up (RFC 6761 section 6.3), addresses neither.
/// @param who For messages.
/// Errors: `http_errc::resolve`; `TimeoutError`. Cancellation: all types; what the operating system is
/// working on goes on in the background, where it is ignored.
asio::awaitable<std::vector<Address>> resolve(asio::any_io_executor executor, std::string host,
                                              std::uint16_t port, std::string who,
                                              std::chrono::steady_clock::time_point deadline);

/// RFC 8305 section 5 and 8: the Connection Attempt Delay.
inline constexpr std::chrono::milliseconds attempt_delay{250};

/// Connects to one of the addresses: the next attempt begins when the one before has failed, or has not
/// succeeded within the delay; the first to succeed ends all others. Source: RFC 8305 section 5.
/// Errors: `http_errc::connect` with every attempt's failure; `TimeoutError`. Cancellation: all types.
asio::awaitable<Socket> connect_any(asio::any_io_executor executor, std::vector<Address> addresses,
                                    std::string who, std::chrono::steady_clock::time_point deadline,
                                    std::chrono::steady_clock::duration delay = attempt_delay);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
