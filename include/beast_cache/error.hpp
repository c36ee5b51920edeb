#pragma once
/// \file error.hpp
/// The error codes, the two categories and the exceptions of the library.
///
/// A miss is not an error: it is `std::nullopt`. Everything else that goes wrong is thrown from an awaited
/// operation as `Error`, whose `code()` says what kind of fault it is and whose `what()` names the thing (the
/// file, the URL, the table) and what to do. A cancelled operation throws with
/// `boost::asio::error::operation_aborted`, as in Asio itself.

#include <boost/system/system_error.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// Faults of the store.
enum class cache_errc {
  busy = 1,          ///< another process held the file past the busy deadline
  full,              ///< the disk, or the file's size limit, is exhausted
  readonly,          ///< the file or its directory can't be written
  io,                ///< the operating system failed a read, a write or an open
  corrupt,           ///< the database is damaged
  not_a_cache,       ///< the file is something else: not a database, or not one of this library
  schema_newer,      ///< written by a newer version of this library
  migration_failed,  ///< an older schema could not be brought up to date
  moved,             ///< the file was replaced, moved or unlinked while it was open
  nomem,             ///< out of memory inside the store
  too_big,           ///< key or value exceeds a limit; nothing was written
  bad_value,         ///< a stored value failed its checksum, its version or its decoding
  bad_signature,     ///< a stored value's signature is wrong or missing
  closed,            ///< the cache was closed
  forked,            ///< used in a child process after fork()
  no_threads,        ///< no worker thread could be started
  invalid_argument,  ///< an argument the store can't accept, such as a reserved table name
  changed,           ///< a value was overwritten or removed while it was being read piece by piece
  wrong_key,         ///< the file was encrypted with another key, or is not encrypted
  not_recorded       ///< nothing stored answers the request, and `CacheUse::replay` allows nothing else
};

/// Faults of an HTTP exchange.
enum class http_errc {
  invalid_url = 1,     ///< not an absolute http, https or http+unix URL
  injection,           ///< CR, LF, NUL or a non-token where HTTP forbids it; nothing was sent
  resolve,             ///< the host name has no address
  connect,             ///< no connection to any of the host's addresses
  truncated,           ///< the connection ended before the message was complete
  framing,             ///< the message's framing is malformed or ambiguous
  header_limit,        ///< the header section is larger than the limit
  body_limit,          ///< the body is larger than the limit
  interim_flood,       ///< too many 1xx responses
  redirect_limit,      ///< too many redirects
  redirect_downgrade,  ///< a redirect from https to http
  redirect_target,     ///< a redirect to something that can't be followed
  body_not_replayable, ///< a one-shot request body would have to be sent twice
  tls_handshake,       ///< the TLS handshake failed
  tls_verify,          ///< the peer's certificate was not accepted
  tls_trust_store,     ///< the CA file or the system's trust store can't be loaded or is empty
  timeout,             ///< the time allowed for the request, or for a part of it, has passed
  status,              ///< raise_for_status() on a 4xx or 5xx response
  closed,              ///< the session was closed
  bad_encoding,        ///< the body's content coding is malformed
  encoding_truncated,  ///< the body ended before its content coding did
  encoding_limit,      ///< the decoded body is larger, or denser, than the limits
  unknown_charset,     ///< text() of a body in a charset that is not known
  proxy,               ///< the proxy refused or failed; what it said is not the server's answer
  tls_client_certificate  ///< the client's certificate or key can't be loaded, or the two don't fit
};

/// The parts of an HTTP exchange, in their order.
enum class Phase {
  queue = 1,   ///< waiting for one of the connections that may be open
  resolve,     ///< looking up the host's addresses
  connect,     ///< connecting, to the proxy where there is one
  proxy,       ///< the proxy opens the way to the server
  tls,         ///< the TLS handshake
  send,        ///< the server takes the request
  first_byte,  ///< waiting for the answer to begin
  receive      ///< the answer arrives
};

/// The phase's name, as it stands above.
std::string_view to_string(Phase phase) noexcept;

/// The category of `cache_errc`.
boost::system::error_category const& cache_category() noexcept;
/// The category of `http_errc`.
boost::system::error_category const& http_category() noexcept;

inline error_code make_error_code(cache_errc e) noexcept {
  return {static_cast<int>(e), cache_category()};
}
inline error_code make_error_code(http_errc e) noexcept {
  return {static_cast<int>(e), http_category()};
}

/// What every awaitable of the library throws.
///
/// `code()` is a `cache_errc`, an `http_errc` or `asio::error::operation_aborted`; `what()` names the thing.
/// Neither ever holds a header's value, a body or the user information of a URL.
class Error : public boost::system::system_error {
 public:
  Error(error_code code, std::string const& context) : system_error(without_location(code), context) {}

 private:
  // Where in Boost's sources the code arose is nothing to the reader of `what()`.
  static error_code without_location(error_code const& code) noexcept {
    return code.has_location() ? error_code(code.value(), code.category()) : code;
  }
};

/// The time allowed has passed: `http_errc::timeout`, and in which part of the exchange.
class TimeoutError : public Error {
 public:
  TimeoutError(Phase phase, std::string const& context)
      : Error(make_error_code(http_errc::timeout), context), phase_(phase) {}

  Phase phase() const noexcept { return phase_; }

 private:
  Phase phase_;
};

/// A proxy did not let the request through: `http_errc::proxy`.
class ProxyError : public Error {
 public:
  ProxyError(unsigned status, std::string const& context)
      : Error(make_error_code(http_errc::proxy), context), status_(status) {}

  /// The status that an HTTP proxy answered with, 407 when it wants other credentials; 0 when it sent none.
  unsigned status() const noexcept { return status_; }

 private:
  unsigned status_;
};

/// Nothing that was recorded answers a request in `CacheUse::replay`: `cache_errc::not_recorded`.
class NotRecordedError : public Error {
 public:
  /// @param request Its method and URL. @param nearest The same of the nearest stored response; may be empty.
  NotRecordedError(std::string request, std::string nearest)
      : Error(make_error_code(cache_errc::not_recorded), describe(request, nearest)),
        request_(std::move(request)),
        nearest_(std::move(nearest)) {}

  /// `GET http://example.org/page`.
  std::string const& request() const noexcept { return request_; }
  /// The stored response that is most like it; empty when nothing is stored. If it is the same, they differ in
  /// their bodies, their header fields or their users.
  std::string const& nearest() const noexcept { return nearest_; }

 private:
  static std::string describe(std::string const& request, std::string const& nearest) {
    if (nearest.empty()) return request + "; nothing is recorded";
    if (nearest == request) return request + "; what is recorded was for another body or other header fields";
    return request + "; the nearest that is recorded: " + nearest;
  }

  std::string request_;
  std::string nearest_;
};

/// A fault that SQLite reported.
class SQLiteError : public Error {
 public:
  SQLiteError(error_code code, std::string const& context, int extended_code, std::string sql)
      : Error(code, context), extended_code_(extended_code), sql_(std::move(sql)) {}

  /// SQLite's extended result code, e.g. SQLITE_IOERR_FSYNC.
  int extended_code() const noexcept { return extended_code_; }

  /// The statement that failed, with its parameters unbound; empty when none was running.
  std::string const& sql() const noexcept { return sql_; }

 private:
  int extended_code_;
  std::string sql_;
};

}  // namespace v1
}  // namespace beast_cache

namespace boost::system {
template <>
struct is_error_code_enum<beast_cache::cache_errc> : std::true_type {};
template <>
struct is_error_code_enum<beast_cache::http_errc> : std::true_type {};
}  // namespace boost::system
