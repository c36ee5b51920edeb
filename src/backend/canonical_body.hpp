#pragma once
// One spelling for the bodies that ask the same.

#include <string>
#include <string_view>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Of a Content-Type, in lower case, without parameters.
std::string media_type(std::string_view content_type);

// Whether `name=value` of a query or a form has one of the names, once both are decoded.
bool names_param(std::string_view param, std::vector<std::string> const& names);

// Of a form and of JSON: without the fields, or the members of the outermost object, that are ignored, and
// sorted by name, those of one name in their order; JSON without white space. Any other body, and what is no
// JSON, as it is.
std::string canonical_body(std::string_view media_type, std::string_view body,
                           std::vector<std::string> const& ignored);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
