#pragma once
/// \file views.hpp
/// What the rules look at: a request and a stored response, both as views that copy nothing.

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

class ByteParts;

/// A request as its caller made it, before the cache adds any precondition of its own.
///
/// The fields must be those that the origin will see (with a client's default `Accept-Encoding`, say), else
/// Vary can't be judged. The view borrows them and the method's text.
class RequestView {
 public:
  RequestView(http::verb method, std::string_view method_string, http::fields const& headers) noexcept
      : headers_(&headers), method_string_(method_string), method_(method) {}
  RequestView(http::verb method, http::fields const& headers) noexcept
      : headers_(&headers), method_string_(http::to_string(method)), method_(method) {}

  /// Where it goes to. Only then can a POST's response be stored, as the answer to a later GET. Default:
  /// none.
  RequestView& url(Url const& u) noexcept { return url_ = &u, *this; }
  /// Whether the one who asks makes a 304, a 206 or a 416 of a stored response, as `Decision::answer` says.
  /// Default: false, and requests with preconditions or Range go to the origin.
  RequestView& makes_answers(bool b) noexcept { return makes_answers_ = b, *this; }
  /// Demands of the one who asks, beside the fields: they count as the directives of those names do, and
  /// whatever `Options::cache_control` says of these. Default: false.
  RequestView& no_store(bool b) noexcept { return no_store_ = b, *this; }
  RequestView& no_cache(bool b) noexcept { return no_cache_ = b, *this; }
  RequestView& only_if_cached(bool b) noexcept { return only_if_cached_ = b, *this; }

  /// `verb::unknown` for a method that Beast does not know.
  http::verb method() const noexcept { return method_; }
  std::string_view method_string() const noexcept { return method_string_; }
  http::fields const& headers() const noexcept { return *headers_; }
  Url const* url() const noexcept { return url_; }
  bool makes_answers() const noexcept { return makes_answers_; }
  bool no_store() const noexcept { return no_store_; }
  bool no_cache() const noexcept { return no_cache_; }
  bool only_if_cached() const noexcept { return only_if_cached_; }

 private:
  http::fields const* headers_;
  Url const* url_ = nullptr;
  std::string_view method_string_;
  http::verb method_;
  bool makes_answers_ = false;
  bool no_store_ = false;
  bool no_cache_ = false;
  bool only_if_cached_ = false;
};

/// A stored response, and what was noted when it was stored. It borrows the fields.
class StoredView {
 public:
  /// @param request_time when the request that brought (or last validated) the response was sent.
  /// @param response_time when that response's head arrived.
  StoredView(unsigned status, http::fields const& headers, TimePoint request_time,
             TimePoint response_time) noexcept
      : headers_(&headers), request_time_(request_time), response_time_(response_time), status_(status) {}

  /// The method of the request that brought it. Default: GET.
  StoredView& method(http::verb m) noexcept { return method_ = m, *this; }
  /// The request fields that its Vary names, as `nominated_fields` gave them. Default: none, which means
  /// that they were absent.
  StoredView& vary_request_headers(http::fields const& f) noexcept { return vary_ = &f, *this; }
  /// A user's expiry for this request: fresh before it and stale from then on, whatever the response says
  /// about its lifetime. `TimePoint::max()` means never stale. no-store and no-cache still count.
  StoredView& expires_override(std::optional<TimePoint> t) noexcept { return override_ = t, *this; }
  /// A user's default expiry: in place of the heuristic, where the response gives no explicit lifetime.
  StoredView& expires_fallback(std::optional<TimePoint> t) noexcept { return fallback_ = t, *this; }
  /// Marked by an unsafe request (RFC 9111 section 4.4): not used before it is validated.
  StoredView& invalidated(bool b) noexcept { return invalidated_ = b, *this; }

  /// The size of a whole response's body. Default: what Content-Length says.
  StoredView& body_size(std::optional<std::uint64_t> n) noexcept { return body_size_ = n, *this; }
  /// The bytes that are held of a partial response (206). Default: those that Content-Range names.
  StoredView& parts(ByteParts const& p) noexcept { return parts_ = &p, *this; }

  unsigned status() const noexcept { return status_; }
  http::fields const& headers() const noexcept { return *headers_; }
  http::fields const* vary_request_headers() const noexcept { return vary_; }
  TimePoint request_time() const noexcept { return request_time_; }
  TimePoint response_time() const noexcept { return response_time_; }
  http::verb method() const noexcept { return method_; }
  std::optional<TimePoint> const& expires_override() const noexcept { return override_; }
  std::optional<TimePoint> const& expires_fallback() const noexcept { return fallback_; }
  bool invalidated() const noexcept { return invalidated_; }
  std::optional<std::uint64_t> const& body_size() const noexcept { return body_size_; }
  ByteParts const* parts() const noexcept { return parts_; }

 private:
  http::fields const* headers_;
  http::fields const* vary_ = nullptr;
  ByteParts const* parts_ = nullptr;
  TimePoint request_time_;
  TimePoint response_time_;
  std::optional<TimePoint> override_;
  std::optional<TimePoint> fallback_;
  std::optional<std::uint64_t> body_size_;
  unsigned status_;
  http::verb method_ = http::verb::get;
  bool invalidated_ = false;
};

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
