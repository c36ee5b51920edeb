#pragma once
/// The settings of TLS, and the errors that OpenSSL reports. Internal.

#include <boost/asio/ssl/context.hpp>
#include <string>

#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/session/tls_options.hpp"
#include "session/tls_sessions.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// An OpenSSL context that verifies the peer and is not changed any more: it is shared between threads.
class TlsContext {
 public:
  /// As `load_tls_context`.
  explicit TlsContext(TlsOptions const& options);

  asio::ssl::context& context() const noexcept { return context_; }
  TlsSessions& sessions() const noexcept { return sessions_; }

 private:
  void trust_system();
  void trust_file(std::string const& path);
  void identify(std::string const& chain, std::string const& key);

  mutable TlsSessions sessions_;
  mutable asio::ssl::context context_;
};

/// Sets what a connection to that host has to prove, and tells the server who is asked for (SNI).
void expect_host(SSL* ssl, Url const& url);

/// Whether OpenSSL holds bytes of the peer's that nobody has asked for yet.
bool has_unread(SSL* ssl) noexcept;

/// Why the peer's certificate was not accepted; empty when that is not what went wrong.
std::string verify_failure(SSL* ssl);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
