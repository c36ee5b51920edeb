#pragma once
/// \file invalidation.hpp
/// Which stored responses a request makes invalid.
///
/// Source: RFC 9111 section 4.4.

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/http/url.hpp"
#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// Whether a method is known to be safe. Source: RFC 9110 section 9.2.1 and IANA's registry.
constexpr bool is_safe(http::verb method) noexcept {
  switch (method) {
    case http::verb::get:
    case http::verb::head:
    case http::verb::options:
    case http::verb::trace:
    case http::verb::propfind:
    case http::verb::report:
    case http::verb::search:
      return true;
    default:
      return false;
  }
}

/// Whether a response to this method invalidates: a non-error answer (2xx or 3xx) to a method that is unsafe
/// or unknown.
constexpr bool invalidates(http::verb method, unsigned status) noexcept {
  return !is_safe(method) && status >= 200 && status < 400;
}

/// The normalised URLs whose stored responses, of any method and variant, are invalid after this exchange:
/// the target's first, then those of Location and Content-Location where they are of the same origin.
///
/// @return empty when the exchange invalidates nothing.
/// Errors: throws only what memory throws.
inline std::vector<std::string> invalidated_urls(Url const& target, http::verb method, unsigned status,
                                                 http::fields const& response) {
  std::vector<std::string> urls;
  if (!invalidates(method, status)) return urls;
  urls.push_back(target.str());
  for (auto const name : {http::field::location, http::field::content_location}) {
    auto const range = response.equal_range(name);
    for (auto it = range.first; it != range.second; ++it) {
      auto const url = target.follow(detail::trim(it->value()));
      // Another origin's entries must be out of this one's reach (RFC 9111 section 4.4).
      if (url && same_origin(*url, target)) urls.push_back(url->str());
    }
  }
  return urls;
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
