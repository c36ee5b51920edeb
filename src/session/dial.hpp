#pragma once
/// Opens a connection along a route. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "beast_cache/config.hpp"
#include "session/proxy.hpp"
#include "session/transport.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Looks up, connects, has the proxy open the way, shakes hands. Nothing that a proxy says is left behind it.
/// @param transport A new one.
/// @param tls Null for a URL that is not https.
/// Errors: those of `resolve`, `connect_any` and `Transport::secure`; `ProxyError`.
/// Cancellation: all types.
asio::awaitable<void> dial(Transport& transport, asio::any_io_executor executor, Route route,
                           Timeouts const& timeouts, Transport::Clock::time_point deadline,
                           std::shared_ptr<TlsContext const> tls);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
