#pragma once
/// \file request_facts.hpp
/// What of a request's fields concerns a cache, gathered in one pass.

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

class RequestFacts {
 public:
  explicit RequestFacts(http::fields const& fields) noexcept {
    for (auto const& f : fields) {
      switch (f.name()) {
        case http::field::cache_control:
          cache_control.add(f.value());
          break;
        case http::field::pragma:
          add_pragma(f.value());
          break;
        case http::field::range:
        case http::field::if_range:
          range = true;
          break;
        case http::field::if_match:
        case http::field::if_unmodified_since:
          conditional = for_origin = true;
          break;
        case http::field::if_none_match:
        case http::field::if_modified_since:
          conditional = true;
          break;
        case http::field::authorization:
          authorization = true;
          break;
        case http::field::upgrade:
          upgrade = true;
          break;
        case http::field::unknown:
          add_unknown(f.name_string());
          break;
        default:
          break;
      }
    }
  }

  /// RFC 9111 section 5.4: Pragma counts where there is no Cache-Control.
  bool no_cache() const noexcept {
    return cache_control.no_cache() || cache_control.no_cache_fields() ||
           (pragma_no_cache && !cache_control.present());
  }

  /// Whether there is nothing among them.
  bool is_plain() const noexcept {
    return !cache_control.present() && !pragma_no_cache && !range && !conditional && !upgrade &&
           !method_override;
  }

  CacheControl cache_control;
  bool range = false;
  bool conditional = false;
  bool for_origin = false;  ///< If-Match or If-Unmodified-Since, which a cache does not evaluate
  bool authorization = false;
  bool upgrade = false;
  bool method_override = false;
  bool pragma_no_cache = false;

 private:
  void add_pragma(std::string_view line) noexcept {
    for_each_directive(line, [this](Directive const& d) {
      if (iequals(d.name, "no-cache")) pragma_no_cache = true;
    });
  }
  // Frameworks that let these fields replace the method would answer a "GET" with another method's response.
  void add_unknown(std::string_view name) noexcept {
    if (name.size() < 13 || lower(name[0]) != 'x') return;
    method_override = method_override || iequals(name, "X-HTTP-Method-Override") ||
                      iequals(name, "X-HTTP-Method") || iequals(name, "X-Method-Override");
  }
};

/// Whether this cache answers, and stores the answers of, requests with this method.
constexpr bool is_cacheable_method(http::verb method) noexcept {
  return method == http::verb::get || method == http::verb::head;
}

/// Whether what one method brought answers another: GET's response answers HEAD too (RFC 9110 section 9.3.2).
constexpr bool answers_method(http::verb stored, http::verb asked) noexcept {
  return stored == asked || (asked == http::verb::head && stored == http::verb::get);
}

}  // namespace detail
}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
