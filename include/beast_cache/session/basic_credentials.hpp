#pragma once
/// \file basic_credentials.hpp
/// A URL's user information as a header field's value. Internal.

#include <string>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// `user:password` as it was meant, from its percent-encoded form.
std::string decode_user_info(std::string_view user_info);

/// The value of Authorization for `user:password`, which is percent-encoded as it stands in a parsed URL.
/// Source: RFC 7617 section 2.
std::string basic_credentials(std::string_view user_info);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
