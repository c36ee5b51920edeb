#pragma once
/// \file cookie_jar.hpp
/// The cookies that a session keeps and sends.

#include <boost/beast/http/fields.hpp>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/cookie.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

/// The cookies of all servers, each sent back where RFC 6265bis says.
///
///     auto jar = std::make_shared<CookieJar>();
///     ClientSession session(executor, ClientOptions().cookie_jar(jar));
///
/// Secure cookies come from https alone, and go there; `__Secure-` and `__Host-` names are held to what they
/// promise; a cookie for a public suffix (`co.uk`) is refused. Which those are libpsl knows, where the
/// library was built with it; otherwise every name without a dot is taken for one. Of one domain at most 50
/// cookies are kept, of all at most 3000, those that were used last; none for longer than 400 days. `None`
/// needs Secure.
///
/// SameSite counts for redirects: the request itself is the caller's own, but where a redirect has led from
/// another site, `Strict` cookies are not sent, and `Lax` ones with safe methods only. Without the attribute
/// a cookie is sent. A site is the scheme with the name below the public suffix.
///
/// A session uses it for each hop of its redirects, unless a request sets Cookie itself. A response that
/// comes out of a cache sets no cookie again, since what the server has done since would be undone, unless
/// `CacheOptions::restore_cookies` says so.
///
/// Thread safety: safe, also for shared objects: sessions may share a jar.
/// Source: RFC 6265bis sections 5.6 to 5.8.
class CookieJar {
 public:
  explicit CookieJar(std::shared_ptr<Clock const> clock = system_clock());
  CookieJar(CookieJar const&) = delete;
  CookieJar& operator=(CookieJar const&) = delete;
  ~CookieJar();

  static constexpr std::size_t max_cookies = 3000;
  static constexpr std::size_t max_cookies_per_domain = 50;

  /// Takes over what the Set-Cookie fields of a response from `url` say.
  void store(Url const& url, http::fields const& response);
  /// Takes over one cookie. @return False when it was refused; one that has expired removes its like.
  bool store(Url const& url, Cookie const& cookie);
  /// Takes over those of which it holds none of the same name, domain and path.
  /// @param received When the response came: their Max-Age counts from there.
  void restore(Url const& url, http::fields const& response, TimePoint received);
  /// The value of Cookie for a request to `url`; empty when there is none.
  /// @param strictest Cookies whose SameSite is stricter are left out.
  /// Complexity: the cookies of the host and its parent domains.
  std::string header(Url const& url, SameSite strictest = SameSite::strict);

  std::size_t size() const;
  void clear();
  /// Forgets the cookies that have no expiry, as a browser does when it ends.
  void clear_session_cookies();

  /// Writes the cookies to a file in Netscape's format, which curl and wget read as well; the file is
  /// complete or as it was before, and for its owner only. Blocks. SameSite is not in that format. Errors:
  /// `Error` with the operating system's code, naming the path.
  void save(std::string const& path) const;
  /// Adds the cookies of such a file; lines that are none are skipped. Blocks. Errors: as `save`.
  void load(std::string const& path);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

namespace detail {

/// Whether anybody can register names below that one. Source: https://publicsuffix.org/list/
bool is_public_suffix(std::string const& domain);
/// Whether both have the same scheme and the same name below a public suffix. Source: RFC 6265bis
/// section 5.2.
bool is_same_site(Url const& a, Url const& b);
/// RFC 6265bis section 5.1.3.
bool domain_matches(std::string_view host, std::string_view domain) noexcept;
/// RFC 6265bis section 5.1.4.
bool path_matches(std::string_view path, std::string_view cookie_path) noexcept;
std::string default_cookie_path(Url const& url);

}  // namespace detail

}  // namespace v1
}  // namespace beast_cache
