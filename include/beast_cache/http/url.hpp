#pragma once
/// \file url.hpp
/// An absolute http or https URL in its normal form, or one of a server behind a Unix-domain socket.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/copy_on_write.hpp"

namespace beast_cache {
inline namespace v1 {

/// An absolute `http` or `https` URL, normalised as far as RFC 3986 calls two spellings equivalent.
///
/// Scheme and host are in lower case, the default port is dropped, an empty path is `/`, dot segments are
/// removed, percent-encodings are upper-case and those of unreserved characters are decoded; `%2F` stays
/// apart from `/`, and the order of the query is kept. The fragment is dropped: it is never sent. User
/// information is kept apart from the rest, so that neither a cache key nor an error message ever holds it.
///
/// `http+unix://%2Fpath%2Fto.sock/target` is http over the socket `/path/to.sock`, whose path is absolute and
/// stands percent-encoded in the host's place; `Host` is `localhost`. No reference leads to a socket from
/// another origin: a server does not choose what is talked to on this machine.
///
/// Copies share the text.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
/// Source: RFC 3986 section 6.2.2 and 6.2.3, RFC 9110 section 4.2.
class Url {
 public:
  /// No URL: every part of it is empty.
  Url() = default;

  /// Parses and normalises `text`.
  /// Errors: `Error` with `http_errc::invalid_url` when it is not an absolute URL of these schemes, with a
  /// host.
  explicit Url(std::string_view text);

  /// As the constructor, with `std::nullopt` in place of the exception.
  static std::optional<Url> parse(std::string_view text);

  /// `http`, `https` or `http+unix`.
  std::string_view scheme() const noexcept { return {parts_->text.data(), parts_->scheme_size}; }
  /// True for https.
  bool is_secure() const noexcept { return parts_->scheme_size == 5; }
  /// True for http+unix.
  bool is_unix() const noexcept { return parts_->scheme_size == 9; }
  /// Of http+unix the socket's path; empty otherwise.
  std::string socket_path() const;
  /// The host as it goes into `Host`: lower case, an IPv6 address in its brackets. Of http+unix the socket's
  /// path, percent-encoded.
  std::string_view host() const noexcept;
  /// The host as a resolver and a certificate want it: without brackets.
  std::string_view host_name() const noexcept;
  /// The port, the scheme's default when the URL names none.
  std::uint16_t port() const noexcept { return parts_->port; }
  /// Host, and port where it is not the default: the value of `Host`. Of http+unix `localhost`.
  std::string_view authority() const noexcept;
  /// Scheme, host and port: `https://example.org:8443`.
  std::string_view origin() const noexcept { return {parts_->text.data(), parts_->target}; }
  /// Scheme, host, port and path: what errors name, since a query may hold secrets.
  std::string_view without_query() const noexcept {
    return std::string_view(parts_->text).substr(0, parts_->text.find('?'));
  }
  /// Path and query: what goes into the request line.
  std::string_view target() const noexcept { return std::string_view(parts_->text).substr(parts_->target); }
  /// The whole URL without user information and fragment.
  std::string const& str() const noexcept { return parts_->text; }
  /// `user:password`, still percent-encoded; empty when there is none.
  std::string const& user_info() const noexcept { return parts_->user_info; }

  /// The same URL with its user information forgotten.
  Url without_user_info() const {
    Url url(*this);
    if (!user_info().empty()) url.parts_.edit().user_info.clear();
    return url;
  }

  /// The URL that `reference` names when it is found in a document at this one.
  /// @return `std::nullopt` when it is malformed, leads to another scheme, or to another origin's socket.
  /// Source: RFC 3986 section 5.2.
  std::optional<Url> resolve(std::string_view reference) const;

  /// The same for what servers send (a redirect's Location): what has to be percent-encoded behind the
  /// authority, and is not, is: spaces, brackets, UTF-8, a `%` that begins no escape. A backslash is no
  /// slash.
  std::optional<Url> follow(std::string_view reference) const;

  friend bool operator==(Url const& a, Url const& b) noexcept {
    return a.parts_.shares_with(b.parts_) || a.str() == b.str();
  }

 private:
  class Parts {
   public:
    std::string text;
    std::string user_info;
    std::uint16_t port = 0;
    std::uint8_t scheme_size = 0;
    std::size_t host_end = 0;
    std::size_t target = 0;
  };
  explicit Url(Parts parts) : parts_(std::move(parts)) {}
  static std::optional<Url> parse_normal(std::string_view text);
  static std::optional<Url> parse_unix(std::string_view text);

  detail::CopyOnWrite<Parts> parts_;
};

/// True when both have the same scheme, host and port. Source: RFC 9110 section 4.3.1.
inline bool same_origin(Url const& a, Url const& b) noexcept {
  return a.origin() == b.origin();
}

}  // namespace v1
}  // namespace beast_cache
