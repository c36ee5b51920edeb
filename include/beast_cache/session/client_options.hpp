#pragma once
/// \file client_options.hpp
/// What a `ClientSession` does unless a request says otherwise.

#include <algorithm>
#include <boost/beast/http/fields.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/backend/observer.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/decompression.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/session/timeouts.hpp"
#include "beast_cache/session/tls_options.hpp"
#include "beast_cache/version.hpp"

namespace beast_cache {
inline namespace v1 {

class CookieJar;

/// Options of a `ClientSession`, set by chained setters.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class ClientOptions {
 public:
  ClientOptions() = default;

  /// Options of https connections. Default: the system's certificate authorities, TLS 1.2 or later.
  ClientOptions& tls(TlsOptions options) {
    tls_ = std::move(options);
    return *this;
  }
  TlsOptions const& tls() const noexcept { return tls_; }

  /// The same as `TlsOptions::ca_file`: what alone is trusted in place of the system's.
  ClientOptions& ca_file(std::string path) {
    tls_.ca_file(std::move(path));
    return *this;
  }
  std::string const& ca_file() const noexcept { return tls_.ca_file(); }

  /// How long one exchange may take, from sending the request to the end of the body;
  /// `std::chrono::milliseconds::max()` for any time. Default: 30 s. Errors: `std::invalid_argument` for zero
  /// and less.
  ClientOptions& timeout(std::chrono::milliseconds timeout) {
    if (timeout.count() <= 0) throw std::invalid_argument("ClientOptions::timeout: not positive");
    timeout_ = timeout;
    return *this;
  }
  std::chrono::milliseconds timeout() const noexcept { return timeout_; }

  /// Limits on the parts of an exchange. Default: none beside `timeout`.
  ClientOptions& timeouts(Timeouts const& timeouts) {
    timeouts_ = timeouts;
    return *this;
  }
  Timeouts const& timeouts() const noexcept { return timeouts_; }

  /// How many redirects are followed; 0 returns the redirect itself. Default: 10.
  ClientOptions& max_redirects(unsigned limit) {
    max_redirects_ = limit;
    return *this;
  }
  unsigned max_redirects() const noexcept { return max_redirects_; }

  /// Follows redirects from https to http. Default: false, they fail with `http_errc::redirect_downgrade`.
  ClientOptions& allow_downgrade(bool allow) {
    allow_downgrade_ = allow;
    return *this;
  }
  bool allow_downgrade() const noexcept { return allow_downgrade_; }

  /// How many connections to one origin are open at once; further requests wait in the order of their
  /// arrival. At least 1. Default: 64.
  ClientOptions& max_connections_per_origin(std::size_t limit) {
    max_connections_per_origin_ = limit == 0 ? 1 : limit;
    return *this;
  }
  std::size_t max_connections_per_origin() const noexcept { return max_connections_per_origin_; }

  /// How many connections are open at once in all, idle ones too; the one that is idle for the longest time
  /// makes room. At least 1. Default: 512.
  ClientOptions& max_connections(std::size_t limit) {
    max_connections_ = limit == 0 ? 1 : limit;
    return *this;
  }
  std::size_t max_connections() const noexcept { return max_connections_; }

  /// The proxy for every request: `http://host:port` for an HTTP proxy, which https goes through by CONNECT,
  /// or `socks5h://host:port`, which looks the names up (`socks5://` means the same); `host:port` and `host`
  /// alone stand for an HTTP proxy. User information in it is for the proxy alone. What is none of these
  /// fails the session's constructor with `http_errc::invalid_url`. Default: empty, none.
  ClientOptions& proxy(std::string url) {
    proxy_ = std::move(url);
    return *this;
  }
  std::string const& proxy() const noexcept { return proxy_; }

  /// Where `proxy` is empty, takes the proxies from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`,
  /// in lower or upper case, when the session is made. Default: false.
  ClientOptions& proxy_from_environment(bool take) {
    proxy_from_environment_ = take;
    return *this;
  }
  bool proxy_from_environment() const noexcept { return proxy_from_environment_; }

  /// How long an idle connection is kept for reuse, a year at most; 0 keeps none. Default: 30 s.
  ClientOptions& idle_timeout(std::chrono::milliseconds timeout) {
    idle_timeout_ = std::min(timeout, longest);
    return *this;
  }
  std::chrono::milliseconds idle_timeout() const noexcept { return idle_timeout_; }

  /// The largest header section, and the largest trailer section, to accept, in bytes; more than 1 GiB counts
  /// as 1 GiB. A single field beyond 64 KiB is refused in any case. Default: 64 KiB.
  ClientOptions& max_header_size(std::size_t bytes) {
    constexpr std::size_t most = std::size_t{1} << 30;
    max_header_size_ = bytes < most ? bytes : most;
    return *this;
  }
  std::size_t max_header_size() const noexcept { return max_header_size_; }

  /// The largest body that is read into memory as a whole, in bytes; a streamed body has no limit. Default:
  /// none.
  ClientOptions& max_body_size(std::uint64_t bytes) {
    max_body_size_ = bytes;
    return *this;
  }
  std::uint64_t max_body_size() const noexcept { return max_body_size_; }

  /// The User-Agent of requests that have none; empty sends none. Default: `beast_cache/` and the version.
  ClientOptions& user_agent(std::string value) {
    user_agent_ = std::move(value);
    return *this;
  }
  std::string const& user_agent() const noexcept { return user_agent_; }

  /// The Accept of requests that have none; empty sends none. Default: `*/*`.
  ClientOptions& accept(std::string value) {
    accept_ = std::move(value);
    return *this;
  }
  std::string const& accept() const noexcept { return accept_; }

  /// What relative URLs of requests are resolved against, as links of a page there would be (RFC 3986 section
  /// 5.2): with `https://api.example/v1/`, `users` is `https://api.example/v1/users`. Default: none.
  /// Errors: `http_errc::invalid_url`, at once.
  ClientOptions& base_url(std::string_view url) { return base_url_ = Url(url), *this; }
  Url const& base_url() const noexcept { return base_url_; }

  /// A header field of all requests that don't set it, but for those to which a redirect leads from another
  /// origin. Default: none.
  ClientOptions& default_header(std::string_view name, std::string_view value) {
    default_headers_.set({name.data(), name.size()}, {value.data(), value.size()});
    return *this;
  }
  http::fields const& default_headers() const noexcept { return default_headers_; }

  /// Keeps the cookies that servers set, and sends them back; sessions may share a jar. Default: none.
  ClientOptions& cookie_jar(std::shared_ptr<CookieJar> jar) { return cookie_jar_ = std::move(jar), *this; }
  std::shared_ptr<CookieJar> const& cookie_jar() const noexcept { return cookie_jar_; }

  /// Is told of each exchange with a server. Without one, nothing is measured. Default: none.
  ClientOptions& observer(std::shared_ptr<Observer> observer) {
    return observer_ = std::move(observer), *this;
  }
  std::shared_ptr<Observer> const& observer() const noexcept { return observer_; }

  /// Asks for compressed bodies where a request has no Accept-Encoding, and decodes them as `Decompression`
  /// says. A request with Range gets `identity`: a part could not be decoded. Default: true.
  ClientOptions& decompress(bool on) { return decompresses_ = on, *this; }
  /// The largest decoded body, in bytes. Default: 1 GiB.
  ClientOptions& max_decoded_size(std::uint64_t bytes) { return decompression_.max_size(bytes), *this; }
  /// How many decoded bytes there may be for each one received, beyond 1 MiB; 0: any number. Default: 200.
  ClientOptions& max_decoded_ratio(std::uint32_t ratio) { return decompression_.max_ratio(ratio), *this; }
  Decompression decompression() const noexcept {
    return decompresses_ ? decompression_ : Decompression::off();
  }

 private:
  static constexpr std::chrono::milliseconds longest = std::chrono::hours(24 * 365);

  Url base_url_;
  http::fields default_headers_;
  std::shared_ptr<CookieJar> cookie_jar_;
  std::shared_ptr<Observer> observer_;
  TlsOptions tls_;
  std::string accept_ = "*/*";
  std::string user_agent_ = "beast_cache/" + std::to_string(BEAST_CACHE_VERSION_MAJOR) + "." +
                            std::to_string(BEAST_CACHE_VERSION_MINOR);
  std::chrono::milliseconds timeout_ = std::chrono::seconds(30);
  Timeouts timeouts_;
  std::string proxy_;
  std::chrono::milliseconds idle_timeout_ = std::chrono::seconds(30);
  std::size_t max_connections_per_origin_ = 64;
  std::size_t max_connections_ = 512;
  std::size_t max_header_size_ = 64 * 1024;
  std::uint64_t max_body_size_ = std::numeric_limits<std::uint64_t>::max();
  Decompression decompression_;
  unsigned max_redirects_ = 10;
  bool allow_downgrade_ = false;
  bool decompresses_ = true;
  bool proxy_from_environment_ = false;
};

}  // namespace v1
}  // namespace beast_cache
