#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

class CacheCategory final : public boost::system::error_category {
 public:
  char const* name() const noexcept override { return "beast_cache"; }
  std::string message(int value) const override {
    switch (static_cast<cache_errc>(value)) {
      case cache_errc::busy: return "the file stayed locked past the busy deadline";
      case cache_errc::full: return "no space is left for the cache";
      case cache_errc::readonly: return "the cache can't be written";
      case cache_errc::io: return "the file can't be opened, read or written";
      case cache_errc::corrupt: return "the database is damaged";
      case cache_errc::not_a_cache: return "the file is not a cache of this library";
      case cache_errc::schema_newer: return "the file was written by a newer version of this library";
      case cache_errc::migration_failed: return "the file's schema could not be brought up to date";
      case cache_errc::moved: return "the file was moved, replaced or removed while it was open";
      case cache_errc::nomem: return "out of memory";
      case cache_errc::too_big: return "the key or value is too big";
      case cache_errc::bad_value: return "the stored value can't be decoded";
      case cache_errc::bad_signature: return "the stored value's signature does not match";
      case cache_errc::closed: return "the cache is closed";
      case cache_errc::forked: return "the cache was opened before fork() and can't be used in the child";
      case cache_errc::no_threads: return "no worker thread could be started";
      case cache_errc::invalid_argument: return "invalid argument";
      case cache_errc::changed: return "the value was changed while it was being read";
      case cache_errc::wrong_key: return "the file was made with another encryption key, or with none";
      case cache_errc::not_recorded: return "no recorded answer fits the request";
    }
    return "unknown cache error";
  }
};

class HttpCategory final : public boost::system::error_category {
 public:
  char const* name() const noexcept override { return "beast_cache.http"; }
  std::string message(int value) const override {
    switch (static_cast<http_errc>(value)) {
      case http_errc::invalid_url: return "not a valid http, https or http+unix URL";
      case http_errc::injection: return "HTTP does not allow that there";
      case http_errc::resolve: return "the host name can't be resolved";
      case http_errc::connect: return "no connection";
      case http_errc::truncated: return "the response was cut off";
      case http_errc::framing: return "the response's framing is malformed";
      case http_errc::header_limit: return "the header section is too large";
      case http_errc::body_limit: return "the response's body is too large";
      case http_errc::interim_flood: return "too many interim responses";
      case http_errc::redirect_limit: return "too many redirects";
      case http_errc::redirect_downgrade: return "a redirect from https to http was refused";
      case http_errc::redirect_target: return "the redirect's target can't be followed";
      case http_errc::body_not_replayable: return "the request's body can't be sent a second time";
      case http_errc::tls_handshake: return "the TLS handshake failed";
      case http_errc::tls_verify: return "the server's certificate was not accepted";
      case http_errc::tls_trust_store: return "the trusted certificates can't be loaded";
      case http_errc::timeout: return "the time allowed for that has passed";
      case http_errc::status: return "the status is an error";
      case http_errc::closed: return "the session is closed";
      case http_errc::bad_encoding: return "the body's content coding is malformed";
      case http_errc::encoding_truncated: return "the body ended before its content coding did";
      case http_errc::encoding_limit: return "the decoded body exceeds the limits";
      case http_errc::unknown_charset: return "the body's charset is not known";
      case http_errc::proxy: return "the proxy refused or failed";
      case http_errc::tls_client_certificate: return "the client's certificate can't be used";
    }
    return "unknown HTTP error";
  }
};

}  // namespace

std::string_view to_string(Phase phase) noexcept {
  switch (phase) {
    case Phase::queue: return "queue";
    case Phase::resolve: return "resolve";
    case Phase::connect: return "connect";
    case Phase::proxy: return "proxy";
    case Phase::tls: return "tls";
    case Phase::send: return "send";
    case Phase::first_byte: return "first_byte";
    case Phase::receive: return "receive";
  }
  return "unknown";
}

boost::system::error_category const& cache_category() noexcept {
  static CacheCategory const category;
  return category;
}

boost::system::error_category const& http_category() noexcept {
  static HttpCategory const category;
  return category;
}

}  // namespace v1
}  // namespace beast_cache
