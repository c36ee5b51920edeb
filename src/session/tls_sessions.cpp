#include "session/tls_sessions.hpp"

#include <utility>

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr std::size_t max_origins = 256;
// What a server sends in one handshake: OpenSSL two, others up to four.
constexpr std::size_t max_sessions = 4;

void free_origin(void*, void* origin, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(origin);
}

/// Where a connection keeps the origin that it is for.
int origin_index() {
  static int const index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_origin);
  return index;
}

/// Where a context keeps its sessions.
int sessions_index() {
  static int const index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

}  // namespace

void TlsSessions::attach(SSL_CTX* context) {
  SSL_CTX_set_ex_data(context, sessions_index(), this);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
}

void TlsSessions::begin(SSL* ssl, std::string const& origin) {
  auto name = std::make_unique<std::string>(origin);
  if (SSL_set_ex_data(ssl, origin_index(), name.get()) == 1) name.release();
  std::lock_guard const lock(mutex_);
  auto const found = sessions_.find(origin);
  if (found == sessions_.end() || found->second.empty()) return;
  Session const& session = found->second.back();
  SSL_set_session(ssl, session.get());
  // RFC 8446 appendix C.4: a ticket of TLS 1.3 used twice tells onlookers that it is the same client.
  if (SSL_SESSION_get_protocol_version(session.get()) >= TLS1_3_VERSION) found->second.pop_back();
}

void TlsSessions::forget(std::string const& origin) {
  std::lock_guard const lock(mutex_);
  sessions_.erase(origin);
}

int TlsSessions::on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* const self = static_cast<TlsSessions*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), sessions_index()));
  auto const* const origin = static_cast<std::string const*>(SSL_get_ex_data(ssl, origin_index()));
  if (!self || !origin || SSL_SESSION_is_resumable(session) != 1) return 0;
  Session kept(session);  // ours from here on, as the return value says
  try {
    self->add(*origin, std::move(kept));
  } catch (...) {  // without memory, without resumption
  }
  return 1;
}

void TlsSessions::add(std::string const& origin, Session session) {
  std::lock_guard const lock(mutex_);
  if (sessions_.size() >= max_origins && !sessions_.contains(origin)) sessions_.erase(sessions_.begin());
  auto& known = sessions_[origin];
  known.push_back(std::move(session));
  if (known.size() > max_sessions) known.pop_front();
}

void keep_session(SSL* ssl) noexcept {
  SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
