#pragma once
/// \file directive.hpp
/// The scanner under Cache-Control and Pragma: one directive after the other, from malformed lines too.

#include <boost/beast/http/fields.hpp>
#include <cstddef>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace detail {

/// One directive as it stands in the field.
class Directive {
 public:
  std::string_view name;
  std::string_view argument;  ///< without its quotes, escapes left in
  bool has_argument = false;
  bool quoted = false;
  bool clean = true;  ///< written as the grammar says
};

/// Calls `f(directive)` for each directive of one line, from malformed ones too: a character that can't
/// stand where it does ends the directive before it, and both are marked as not clean.
///
/// Complexity: linear. An unclosed quote is taken as a stray character, so that it can't hide what follows;
/// since a later quote would have closed it, the rest of the line is searched in vain once at most.
template <class F>
constexpr void for_each_directive(std::string_view line, F&& f) {
  std::size_t at = 0;
  bool after_junk = false;
  auto const skip_spaces = [&] {
    while (at < line.size() && is_space(line[at])) ++at;
  };
  while (at < line.size()) {
    if (line[at] == ',' || is_space(line[at])) {
      if (line[at] == ',') after_junk = false;
      ++at;
      continue;
    }
    if (!is_tchar(line[at])) {
      after_junk = true;
      ++at;
      continue;
    }
    Directive d;
    d.clean = !after_junk;
    auto const start = at;
    while (at < line.size() && is_tchar(line[at])) ++at;
    d.name = line.substr(start, at - start);
    auto const name_end = at;
    skip_spaces();
    if (at < line.size() && line[at] == '=') {
      d.has_argument = true;
      ++at;
      if (at - 1 != name_end) d.clean = false;
      if (at < line.size() && is_space(line[at])) d.clean = false;
      skip_spaces();
      std::size_t close = at + 1;
      bool const open = at < line.size() && line[at] == '"';
      if (open) {
        while (close < line.size() && line[close] != '"') close += line[close] == '\\' ? 2 : 1;
      }
      if (open && close < line.size()) {
        d.quoted = true;
        d.argument = line.substr(at + 1, close - at - 1);
        at = close + 1;
      } else {
        auto const begin = at;
        while (at < line.size() && is_tchar(line[at])) ++at;
        d.argument = line.substr(begin, at - begin);
        if (d.argument.empty()) d.clean = false;
      }
      skip_spaces();
    }
    after_junk = at < line.size() && line[at] != ',';
    if (after_junk) d.clean = false;
    f(static_cast<Directive const&>(d));
  }
}

/// Fields without which a stored response can't be judged or read: they can't be taken out of it.
inline bool is_essential(std::string_view name) noexcept {
  switch (http::string_to_field(name)) {
    case http::field::age:
    case http::field::cache_control:
    case http::field::content_encoding:
    case http::field::content_length:
    case http::field::content_range:
    case http::field::content_type:
    case http::field::date:
    case http::field::etag:
    case http::field::expires:
    case http::field::last_modified:
    case http::field::vary:
      return true;
    default:
      return false;
  }
}

/// Whether an argument of no-cache or private is a list of fields that can be left out.
inline bool is_field_list(Directive const& d) noexcept {
  // RFC 9111 section 5.2.2.4: the list is a quoted string. Anything else is read as the unqualified form.
  if (!d.clean || !d.quoted) return false;
  bool any = false;
  return for_each_member(d.argument,
                         [&](std::string_view name) {
                           any = true;
                           return is_token(name) && !is_essential(name);
                         }) &&
         any;
}

}  // namespace detail

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
