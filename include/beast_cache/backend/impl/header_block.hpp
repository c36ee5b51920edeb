#pragma once

#include <boost/beast/http/fields.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "beast_cache/backend/cached_response.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/policy/range.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// Header fields as the text they are on the wire, `Name: value\r\n` for each line: order, duplicates and
/// spelling are kept.
/// Errors: `Error` with `cache_errc::bad_value` for a name or a value that HTTP does not allow: read back,
/// the text would be other fields.
std::string format_headers(http::fields const& fields);

/// The fields of such a text; nothing unless it is exactly what `format_headers` writes.
std::optional<http::fields> parse_headers(std::string_view text);
/// The same of the fields of one name only; the others are not looked at.
std::optional<http::fields> parse_headers_named(std::string_view text, http::field field);

/// The ranges of a partial response as text: `0-499,1000-1499/2000`, `/*` where the size of the whole is not
/// known; nothing for a whole response.
std::string format_parts(policy::ByteParts const& parts);

/// The ranges of such a text; nothing unless it is what `format_parts` writes.
std::optional<policy::ByteParts> parse_parts(std::string_view text);

/// Whether what is stored already, which came at `there`, is worth more than `next`. A whole is worth more
/// than a part that was asked for before it came. (Nothing can have come later than now, but that the clock
/// was set back.)
inline bool outlives(TimePoint there, bool is_whole, CachedHead const& next, TimePoint now) noexcept {
  bool const is_part = next.status() == 206;
  TimePoint const since = is_whole && is_part ? next.request_time() : next.response_time();
  return there <= now && there > since && (is_whole || is_part);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
