#pragma once
/// \file cached_response.hpp
/// A response together with what the cache knows about it.

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/detail/copy_on_write.hpp"
#include "beast_cache/http/response.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {

/// What the cache knows about a response: what was noted when it was stored, and how this copy was come by.
/// Copies share the former.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class CacheInfo {
 public:
  CacheInfo() = default;

  /// True when the body came out of the cache: a fresh answer, a validated one, or a stale one that stood in.
  bool from_cache() const noexcept { return from_cache_; }
  /// When the response was stored; none when it was not.
  std::optional<TimePoint> created_at() const noexcept { return noted_->created_at; }
  /// When it stops being fresh; `TimePoint::max()` for never, none when it was not stored.
  std::optional<TimePoint> expires() const noexcept { return noted_->expires; }
  /// Whether that time has come.
  bool is_expired(TimePoint now) const noexcept { return expires() && *expires() <= now; }
  /// The same by the system's clock.
  bool is_expired() const noexcept { return is_expired(system_clock()->now()); }
  /// How the cache handled the request: a Cache-Status member. Source: RFC 9211.
  std::string const& cache_status() const noexcept { return *cache_status_; }

  // What follows is stored with the response; the session and the backends use it.

  /// When the request was sent that brought or last validated the response.
  TimePoint request_time() const noexcept { return noted_->request_time; }
  /// When its head arrived.
  TimePoint response_time() const noexcept { return noted_->response_time; }
  /// The request's method.
  http::verb method() const noexcept { return noted_->method; }
  /// The request's fields that Vary names. Source: RFC 9111 section 4.1.
  http::fields const& vary_headers() const noexcept { return noted_->vary_headers; }
  /// A salted hash of the request's Authorization, empty without one; in a shared cache always empty.
  std::string const& principal() const noexcept { return noted_->principal; }
  /// The request's own `expire_after`, as a time.
  std::optional<TimePoint> expires_override() const noexcept { return noted_->expires_override; }
  /// Under which key it is stored, where that is not its URL's (`create_key`); else empty. Backends fill it
  /// in when they find a response.
  std::string const& key() const noexcept { return noted_->key; }
  /// The backend's `expire_after`, as a time.
  std::optional<TimePoint> expires_fallback() const noexcept { return noted_->expires_fallback; }
  /// Which bytes the body of a stored 206 is made of, one range after the other; none for a whole response.
  /// Source: RFC 9111 section 3.3.
  policy::ByteParts const& parts() const noexcept { return noted_->parts; }

  CacheInfo& set_from_cache(bool on) { return from_cache_ = on, *this; }
  CacheInfo& set_created_at(std::optional<TimePoint> when) { return noted().created_at = when, *this; }
  CacheInfo& set_expires(std::optional<TimePoint> when) { return noted().expires = when, *this; }
  CacheInfo& set_cache_status(std::string text) { return cache_status_ = std::move(text), *this; }
  CacheInfo& set_times(TimePoint request, TimePoint response) {
    return noted().request_time = request, noted().response_time = response, *this;
  }
  CacheInfo& set_method(http::verb method) { return noted().method = method, *this; }
  CacheInfo& set_vary_headers(http::fields fields) { return noted().vary_headers = std::move(fields), *this; }
  CacheInfo& set_key(std::string key) { return noted().key = std::move(key), *this; }
  CacheInfo& set_principal(std::string hash) { return noted().principal = std::move(hash), *this; }
  CacheInfo& set_overrides(std::optional<TimePoint> override_time, std::optional<TimePoint> fallback) {
    return noted().expires_override = override_time, noted().expires_fallback = fallback, *this;
  }
  CacheInfo& set_parts(policy::ByteParts parts) { return noted().parts = std::move(parts), *this; }

 private:
  /// What is stored with the response.
  class Noted {
   public:
    http::verb method = http::verb::get;
    std::optional<TimePoint> created_at;
    std::optional<TimePoint> expires;
    std::optional<TimePoint> expires_override;
    std::optional<TimePoint> expires_fallback;
    TimePoint request_time;
    TimePoint response_time;
    http::fields vary_headers;
    policy::ByteParts parts;
    std::string principal;
    std::string key;
  };
  Noted& noted() { return noted_.edit(); }

  detail::CopyOnWrite<Noted> noted_;
  detail::CopyOnWrite<std::string> cache_status_;
  bool from_cache_ = false;
};

/// The head of a stored response with what the cache knows about it.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class CachedHead : public ResponseHead, public CacheInfo {
 public:
  CachedHead(ResponseHead head, CacheInfo info) : ResponseHead(std::move(head)), CacheInfo(std::move(info)) {}
};

/// A whole response with what the cache knows about it: what a `CachedSession` answers and a `CacheBackend`
/// stores.
///
/// Thread safety: distinct objects: safe, copies share head and body; shared objects: const members
/// safe.
class CachedResponse : public Response, public CacheInfo {
 public:
  CachedResponse() = default;
  CachedResponse(Response response, CacheInfo info)
      : Response(std::move(response)), CacheInfo(std::move(info)) {}
};

/// A response with what the cache knows about it, its body still to be read.
///
/// Thread safety: one operation at a time.
class CachedStream : public StreamedResponse, public CacheInfo {
 public:
  CachedStream() = default;
  CachedStream(StreamedResponse response, CacheInfo info)
      : StreamedResponse(std::move(response)), CacheInfo(std::move(info)) {}
};

/// A stored response as the rules look at it; it borrows from both.
inline policy::StoredView view_of(ResponseHead const& head, CacheInfo const& info) noexcept {
  policy::StoredView view(head.status(), head.headers(), info.request_time(), info.response_time());
  view.method(info.method())
      .vary_request_headers(info.vary_headers())
      .expires_override(info.expires_override())
      .expires_fallback(info.expires_fallback());
  if (head.status() == 206) view.parts(info.parts());
  return view;
}
inline policy::StoredView view_of(CachedHead const& stored) noexcept {
  return view_of(stored, stored);
}

}  // namespace v1
}  // namespace beast_cache
