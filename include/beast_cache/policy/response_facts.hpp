#pragma once
/// \file response_facts.hpp
/// What of a response's fields concerns a cache, gathered in one pass.

#include <boost/beast/http/fields.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/policy/cache_control.hpp"
#include "beast_cache/policy/field_values.hpp"
#include "beast_cache/policy/options.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

/// The lines of one field: the first of them, and whether all are the same.
class FieldLine {
 public:
  void add(std::string_view value) noexcept {
    value = trim(value);
    if (count_++ == 0) {
      first_ = value;
    } else if (value != first_) {
      agree_ = false;
    }
  }
  bool present() const noexcept { return count_ != 0; }
  bool one_line() const noexcept { return count_ == 1; }
  std::string_view first() const noexcept { return first_; }
  /// The value; nothing when the field is absent or when its lines contradict each other.
  std::optional<std::string_view> single() const noexcept {
    return present() && agree_ ? std::optional{first_} : std::nullopt;
  }

 private:
  std::string_view first_;
  unsigned count_ = 0;
  bool agree_ = true;
};

using VisitDirective = void (*)(void* to, Directive const& directive);

/// Calls `visit` for each directive of the first targeted field that is valid and not empty.
/// @return false when there is none.
bool visit_targeted(http::fields const& headers, Options const& options, void* to,
                    VisitDirective visit) noexcept;

/// Takes the directives of the first targeted field that is valid and not empty into `control`.
/// @return false, and `control` is as it was, when there is none.
bool read_targeted(http::fields const& headers, Options const& options, CacheControl& control) noexcept;

/// Borrows the fields.
class ResponseFacts {
 public:
  ResponseFacts(http::fields const& headers, Options const& options) noexcept {
    for (auto const& f : headers) {
      switch (f.name()) {
        case http::field::age:
          age.add(f.value());
          break;
        case http::field::cache_control:
          if (options.cache_control()) control.add(f.value());
          break;
        case http::field::content_range:
          content_range = true;
          break;
        case http::field::date:
          date.add(f.value());
          break;
        case http::field::etag:
          etag.add(f.value());
          break;
        case http::field::expires:
          expires.add(f.value());
          break;
        case http::field::last_modified:
          last_modified.add(f.value());
          break;
        case http::field::set_cookie:
          set_cookie = true;
          break;
        default:
          break;
      }
    }
    if (options.cache_control() && !options.targeted_fields().empty()) {
      targeted = read_targeted(headers, options, control);
    }
  }

  /// Whether Expires counts: a targeted field stands in for it too (RFC 9213 section 2.2).
  bool has_expires() const noexcept { return expires.present() && !targeted; }

  /// What holds for this cache: a targeted field's directives, or Cache-Control's; nothing with
  /// `Options::cache_control(false)`.
  CacheControl control;
  FieldLine age, date, etag, expires, last_modified;
  bool content_range = false;
  bool set_cookie = false;
  bool targeted = false;
};

}  // namespace detail

/// The directives that hold for this cache: those of the first valid targeted field, or else Cache-Control's.
///
/// Source: RFC 9111 section 5.2; RFC 9213 section 2.2.
inline CacheControl effective_control(http::fields const& headers, Options const& options) noexcept {
  return detail::ResponseFacts{headers, options}.control;
}

/// Calls `f(name)` for each field that qualified directives of the effective control list.
///
/// @param directive "no-cache" or "private". `f` returns false to stop.
/// @return false when `f` stopped it.
template <class F>
bool for_each_listed_field(http::fields const& headers, Options const& options, std::string_view directive,
                           F&& f) {
  bool go_on = true;
  auto look = [&](detail::Directive const& d) {
    if (!go_on || !detail::iequals(d.name, directive) || !detail::is_field_list(d)) return;
    go_on = detail::for_each_member(d.argument, f);
  };
  auto const visit = [](void* to, detail::Directive const& d) { (*static_cast<decltype(look)*>(to))(d); };
  if (detail::visit_targeted(headers, options, &look, visit)) return go_on;
  auto const range = headers.equal_range(http::field::cache_control);
  for (auto it = range.first; it != range.second; ++it) detail::for_each_directive(it->value(), look);
  return go_on;
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
