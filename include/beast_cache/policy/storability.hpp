#pragma once
/// \file storability.hpp
/// Which responses may be stored, and which of their fields.
///
/// That a response is complete is for the one who reads its body to know: an incomplete one is stored as a
/// part
/// (`incomplete_fields`) or not at all (RFC 9111 section 3.3).
/// Source: RFC 9111 sections 3, 3.1, 3.5 and 5.2.2.

#include <boost/beast/http/fields.hpp>
#include <cstdint>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/date.hpp"
#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/freshness.hpp"
#include "beast_cache/policy/options.hpp"
#include "beast_cache/policy/range.hpp"
#include "beast_cache/policy/request_facts.hpp"
#include "beast_cache/policy/response_facts.hpp"
#include "beast_cache/policy/vary.hpp"
#include "beast_cache/policy/views.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// Whether a response may be stored, and if not, why.
enum class Storability : std::uint8_t {
  storable,
  method,            ///< neither GET nor HEAD, nor a POST that answers a GET
  request_bypasses,  ///< the request has Upgrade or a method override, or what `makes_answers` is for; or the
                     ///< response refuses its Range or its preconditions
  request_no_store,  ///< the request's no-store
  status,            ///< not final, or 304
  partial,           ///< 206 that can't be kept as a part, or another status that may be one
  not_understood,    ///< must-understand, and this cache does not know the status
  response_no_store,  ///< the response's no-store
  is_private,         ///< private, in a shared cache
  authorization,      ///< the request has Authorization, in a shared cache, and nothing permits it
  set_cookie,         ///< Set-Cookie without an explicit lifetime, in a shared cache
  no_lifetime,        ///< nothing explicit, and the status is not heuristically cacheable
  vary_everything,    ///< `Vary: *`, or a Vary that can't be read
  malformed           ///< Connection names a field that the rules need
};

/// The name of the reason, in words.
constexpr std::string_view to_string(Storability s) noexcept {
  switch (s) {
    case Storability::storable:
      return "storable";
    case Storability::method:
      return "method";
    case Storability::request_bypasses:
      return "request bypasses";
    case Storability::request_no_store:
      return "request no-store";
    case Storability::status:
      return "status";
    case Storability::partial:
      return "partial";
    case Storability::not_understood:
      return "must-understand";
    case Storability::response_no_store:
      return "no-store";
    case Storability::is_private:
      return "private";
    case Storability::authorization:
      return "authorization";
    case Storability::set_cookie:
      return "set-cookie";
    case Storability::no_lifetime:
      return "no lifetime";
    case Storability::vary_everything:
      return "vary *";
    case Storability::malformed:
      return "malformed";
  }
  return "";
}

/// Whether this cache knows what a status code asks of caches.
constexpr bool is_understood(unsigned status) noexcept {
  if (is_heuristically_cacheable(status)) return true;
  switch (status) {
    case 201:
    case 202:
    case 205:
    case 302:
    case 303:
    case 307:
    case 400:
    case 401:
    case 402:
    case 403:
    case 406:
    case 407:
    case 408:
    case 409:
    case 411:
    case 412:
    case 413:
    case 415:
    case 416:
    case 417:
    case 421:
    case 422:
    case 426:
    case 500:
    case 502:
    case 503:
    case 504:
    case 505:
      return true;
    default:
      return false;
  }
}

namespace detail {

/// What of Cache-Control forbids or permits to keep a response in this cache.
inline Storability directives_allow(CacheControl const& cc, unsigned status,
                                    Options const& options) noexcept {
  // RFC 9111 section 5.2.2.3: a cache that understands the status sets no-store aside.
  if (cc.must_understand() && !is_understood(status)) return Storability::not_understood;
  if (cc.no_store() && !cc.must_understand_clean()) return Storability::response_no_store;
  if (options.shared() && cc.is_private()) return Storability::is_private;
  return Storability::storable;
}

/// Whether a POST's response is the representation that a GET of the same URL would bring: Content-Location
/// names the target, to the letter (RFC 9110 section 9.3.3).
inline bool is_own_location(Url const* url, http::fields const& response) noexcept {
  auto const location = single_value(response, http::field::content_location);
  return url != nullptr && location && (*location == url->str() || *location == url->target());
}

inline bool connection_lists_essential(http::fields const& response) noexcept {
  return !for_each_member(response, http::field::connection,
                          [](std::string_view name) { return !is_essential(name); });
}

}  // namespace detail

/// The method under which the response to a request is stored: what a POST brought answers a GET.
constexpr http::verb stored_method(http::verb method) noexcept {
  return method == http::verb::post ? http::verb::get : method;
}

/// Whether the response to this request may be stored.
///
/// @param request as the caller made it, without preconditions that the cache added.
/// @param has_user_expiry whether the user has set an expiry, which stands in for an explicit lifetime.
/// Source: RFC 9111 section 3.
inline Storability storability(RequestView const& request, unsigned status, http::fields const& response,
                               Options const& options, bool has_user_expiry = false) noexcept {
  // RFC 9110 section 9.3.3.
  bool const is_post = request.method() == http::verb::post && status == 200 &&
                       detail::is_own_location(request.url(), response);
  if (!detail::is_cacheable_method(request.method()) && !is_post) return Storability::method;
  detail::RequestFacts const asked{request.headers()};
  if (asked.upgrade || asked.method_override) return Storability::request_bypasses;
  if ((asked.range || asked.conditional) && !request.makes_answers()) return Storability::request_bypasses;
  if (status < 200 || status > 599 || status == 304) return Storability::status;
  // RFC 9110 sections 15.5.13 and 15.5.17: that speaks of what this request asked beyond the representation.
  if ((asked.range && status == 416) || (asked.conditional && status == 412)) {
    return Storability::request_bypasses;
  }
  detail::ResponseFacts const facts{response, options};
  // With another status Content-Range means nothing (RFC 9110 section 14.4), unless a range was asked for:
  // some servers send a part as 200.
  if (status == 206 || (facts.content_range && asked.range)) {
    // RFC 9111 section 3.3: this cache knows ranges if the one who asks makes answers of them.
    bool const is_part = status == 206 && request.makes_answers() && request.method() == http::verb::get;
    if (!is_part || !is_storable_part(response)) return Storability::partial;
  }
  if (detail::connection_lists_essential(response)) return Storability::malformed;
  if (varies_on_everything(response)) return Storability::vary_everything;

  auto const& control = facts.control;
  bool const explicit_lifetime = detail::has_explicit_lifetime(facts, options);
  if (request.no_store()) return Storability::request_no_store;
  if (options.cache_control()) {
    if (asked.cache_control.no_store()) return Storability::request_no_store;
    auto const verdict = detail::directives_allow(control, status, options);
    if (verdict != Storability::storable) return verdict;
  }
  if (options.shared()) {
    // RFC 9111 section 3.5.
    if (asked.authorization && !control.must_revalidate() && !control.is_public() && !control.s_maxage()) {
      return Storability::authorization;
    }
    // RFC 9111 section 7.3: without an explicit lifetime the cookie was hardly meant for several users.
    if (!options.strip_set_cookie() && facts.set_cookie && !explicit_lifetime) return Storability::set_cookie;
  }
  if (is_post) return explicit_lifetime ? Storability::storable : Storability::no_lifetime;
  bool const marked =
      control.is_public() || (!options.shared() && (control.is_private() || control.private_fields()));
  if (!explicit_lifetime && !marked && !has_user_expiry && !is_heuristically_cacheable(status)) {
    return Storability::no_lifetime;
  }
  return Storability::storable;
}

/// `storability(...) == Storability::storable`.
inline bool is_storable(RequestView const& request, unsigned status, http::fields const& response,
                        Options const& options, bool has_user_expiry = false) noexcept {
  return storability(request, status, response, options, has_user_expiry) == Storability::storable;
}

/// The fields to store: all of them, in their order and byte for byte, but for those that concern one
/// connection or one proxy, and those that qualified directives take out. Date is added where it is absent.
///
/// Errors: throws only what memory throws.
/// Source: RFC 9111 sections 3.1, 5.2.2.4 and 5.2.2.7; RFC 9110 sections 6.6.1 and 7.6.1.
inline http::fields storable_fields(http::fields const& response, Options const& options,
                                    TimePoint response_time) {
  http::fields stored = response;
  auto const drop = [&stored](std::string_view name) { return stored.erase(name), true; };
  detail::for_each_member(response, http::field::connection, drop);
  for (auto const name :
       {http::field::connection, http::field::proxy_connection, http::field::keep_alive, http::field::te,
        http::field::trailer, http::field::transfer_encoding, http::field::upgrade,
        http::field::proxy_authenticate, http::field::proxy_authorization}) {
    stored.erase(name);
  }
  stored.erase("Proxy-Authentication-Info");
  if (options.cache_control()) {
    for_each_listed_field(response, options, "no-cache", drop);
    if (options.shared()) for_each_listed_field(response, options, "private", drop);
  }
  if (options.strip_set_cookie()) stored.erase(http::field::set_cookie);
  if (stored.count(http::field::date) == 0) stored.set(http::field::date, format_http_date(response_time));
  return stored;
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
