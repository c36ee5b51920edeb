#pragma once

#include <boost/beast/http/fields.hpp>
#include <optional>
#include <string>
#include <string_view>

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

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
