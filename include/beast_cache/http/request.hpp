#pragma once
/// \file request.hpp
/// One HTTP request as a value.

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/copy_on_write.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/decompression.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

/// A request: method, URL, header fields, body, and how far the client may go to answer it.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class Request {
 public:
  /// What is called for each interim (1xx) response.
  using OnInterim = std::function<void(unsigned status, http::fields const& headers)>;

  Request(http::verb method, Url url)
      : method_(method), method_text_(http::to_string(method)), url_(std::move(url)) {}
  /// With any method name, also one that Beast does not know. Methods are case-sensitive.
  Request(std::string_view method, Url url)
      : method_(http::string_to_verb(method)), method_text_(method), url_(std::move(url)) {}

  /// The method; `http::verb::unknown` for one that Beast does not know.
  http::verb method() const noexcept { return method_; }
  std::string const& method_string() const noexcept { return method_text_; }
  void set_method(http::verb method) {
    method_ = method;
    method_text_ = std::string(http::to_string(method));
  }

  Url const& url() const noexcept { return url_; }
  void set_url(Url url) {
    url_ = std::move(url);
    target_.clear();
  }

  /// What goes into the request line in place of `url().target()`: the spelling that an intermediary
  /// received, or `*`. Empty, the default: the URL's own. Setting a URL empties it. The cache goes by the URL
  /// alone, so the two have to name the same thing.
  std::string const& target() const noexcept { return target_; }
  void set_target(std::string target) { target_ = std::move(target); }

  /// The header fields as the caller wants them. Host, Content-Length, Transfer-Encoding and Connection are
  /// the client's own. Copies of the request share them until they are asked for to be changed.
  http::fields const& headers() const noexcept { return *headers_; }
  http::fields& headers() { return headers_.edit(); }
  detail::CopyOnWrite<http::fields> const& shared_headers() const noexcept { return headers_; }
  void set_headers(detail::CopyOnWrite<http::fields> headers) noexcept { headers_ = std::move(headers); }

  Body const& body() const noexcept { return body_; }
  void set_body(Body body) { body_ = std::move(body); }

  /// How long the exchange may take, from sending to the end of the body; none: the client's default.
  std::optional<std::chrono::milliseconds> timeout() const noexcept { return timeout_; }
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

  /// How many redirects are followed; 0 returns the redirect itself, none: the client's default.
  std::optional<unsigned> redirects() const noexcept { return redirects_; }
  void set_redirects(unsigned limit) { redirects_ = limit; }

  /// Whether the response's body is decoded. None, the default: the client decides; it decodes where it has
  /// added Accept-Encoding itself (`HttpClient::prepare`), and not where the caller has set that field.
  std::optional<Decompression> const& decompression() const noexcept { return decompression_; }
  void set_decompression(Decompression how) { decompression_ = how; }

  // What the session notes while it follows redirects.

  /// Whether a redirect led to another origin: the client's default fields are not sent there.
  bool has_left_origin() const noexcept { return has_left_origin_; }
  void set_has_left_origin(bool has) { has_left_origin_ = has; }
  /// Whether a redirect led to another site, also on the way back: cookies may be for requests of their own.
  bool has_left_site() const noexcept { return has_left_site_; }
  void set_has_left_site(bool has) { has_left_site_ = has; }
  /// Whether Cookie comes from the client's jar: it is looked up anew for each hop.
  bool has_jar_cookies() const noexcept { return has_jar_cookies_; }
  void set_has_jar_cookies(bool has) { has_jar_cookies_ = has; }

  OnInterim const& on_interim() const noexcept { return on_interim_; }
  void set_on_interim(OnInterim callback) { on_interim_ = std::move(callback); }

 private:
  http::verb method_;
  std::string method_text_;
  Url url_;
  std::string target_;
  detail::CopyOnWrite<http::fields> headers_;
  Body body_;
  std::optional<std::chrono::milliseconds> timeout_;
  std::optional<unsigned> redirects_;
  std::optional<Decompression> decompression_;
  OnInterim on_interim_;
  bool has_left_origin_ = false;
  bool has_left_site_ = false;
  bool has_jar_cookies_ = false;
};

}  // namespace v1
}  // namespace beast_cache
