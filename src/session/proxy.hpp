#pragma once
/// Which proxy a request goes through. Internal.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// An HTTP proxy or a SOCKS5 one.
class Proxy {
 public:
  /// @param text A URL with the scheme `http`, `socks5h` or `socks5`, or `host:port` for an HTTP proxy. Its
  /// user information is what the proxy is told; path and query mean nothing. Errors: `Error` with
  /// `http_errc::invalid_url`; it never holds the user information.
  explicit Proxy(std::string_view text);

  bool is_socks() const noexcept { return is_socks_; }
  std::string const& host() const noexcept { return host_; }
  std::uint16_t port() const noexcept { return port_; }
  /// Scheme, host and port.
  std::string const& name() const noexcept { return name_; }
  /// The value of Proxy-Authorization for an HTTP proxy; empty: none.
  std::string const& authorization() const noexcept { return authorization_; }
  /// For a SOCKS proxy; both empty: none.
  std::string const& user() const noexcept { return user_; }
  std::string const& password() const noexcept { return password_; }

 private:
  bool is_socks_ = false;
  std::uint16_t port_ = 0;
  std::string host_;
  std::string name_;
  std::string authorization_;
  std::string user_;
  std::string password_;
};

/// The hosts that are reached without a proxy: the value of NO_PROXY.
///
/// Names are separated by commas or spaces; each stands for itself and all names below it, with or without a
/// dot before it. An address stands for itself, `10.0.0.0/8` for a network, `name:port` for one port, `*` for
/// everything.
class ProxyExceptions {
 public:
  explicit ProxyExceptions(std::string_view list = {});
  bool contains(Url const& url) const;

 private:
  class Entry {
   public:
    Entry(std::string h, std::uint16_t p) : host(std::move(h)), port(p) {}
    std::string host;
    std::uint16_t port;  // 0: all
  };
  std::vector<Entry> entries_;
};

/// The proxies of a session.
class Proxies {
 public:
  /// None.
  Proxies() = default;
  /// @param url One for every request; empty: none.
  /// @param from_environment Where there is no `url`: `https_proxy` or `http_proxy` by the request's scheme,
  /// or `all_proxy`, and `no_proxy`, each in lower case, or else in upper case. `HTTP_PROXY` in upper case
  /// does not count in a CGI program (where REQUEST_METHOD is set): there it is the client's header field
  /// `Proxy` (CVE-2016-5385).
  /// Errors: as `Proxy`.
  Proxies(std::string const& url, bool from_environment);

  /// @return Null: none, the connection goes to the server itself.
  std::shared_ptr<Proxy const> choose(Url const& url) const;

 private:
  std::shared_ptr<Proxy const> http_;
  std::shared_ptr<Proxy const> https_;
  ProxyExceptions exceptions_;
};

/// A server and the way to it.
class Route {
 public:
  Route(Url u, std::shared_ptr<Proxy const> p) : url(std::move(u)), proxy(std::move(p)) {}

  /// Whether the requests themselves are sent to the proxy, which passes them on.
  bool is_forwarded() const noexcept { return proxy && !proxy->is_socks() && !url.is_secure(); }
  /// Routes with the same key can share connections.
  std::string key() const;

  Url url;
  std::shared_ptr<Proxy const> proxy;
};

/// A request's head for the origin as the head for an HTTP proxy. Source: RFC 9112 section 3.2.2 and 3.2.4.
std::string to_absolute_form(std::string head, Url const& url, Proxy const& proxy);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
