#pragma once
/// Sessions of TLS that can be resumed. Internal.

#include <openssl/ssl.h>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// What servers have handed out, by origin. A session that was resumed is not verified again, so it is for
/// the origin alone that it was verified for, and for one set of options.
///
/// Thread safety: shared objects: safe.
class TlsSessions {
 public:
  /// Collects the sessions of connections that are made with that context. It has to outlive them.
  void attach(SSL_CTX* context);
  /// Before the handshake: resumes a session of that origin where there is one.
  void begin(SSL* ssl, std::string const& origin);
  /// After a handshake that failed: it is not tried with the same again.
  void forget(std::string const& origin);

 private:
  class Free {
   public:
    void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
  };
  using Session = std::unique_ptr<SSL_SESSION, Free>;

  static int on_new_session(SSL* ssl, SSL_SESSION* session);
  void add(std::string const& origin, Session session);

  std::mutex mutex_;
  std::unordered_map<std::string, std::deque<Session>> sessions_;
};

/// Before a connection goes: its sessions stay good, though nobody said close_notify. RFC 5246 section 7.2.1.
void keep_session(SSL* ssl) noexcept;

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
