#pragma once
/// \file request_parts.hpp
/// The texts that a request is built of. Internal.

#include <boost/asio/any_io_executor.hpp>
#include <string>
#include <string_view>

#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"

namespace beast_cache {
inline namespace v1 {

class Multipart;

namespace detail {

/// What the opt-in header for Boost.JSON is found by.
class JsonTag {
 public:
  JsonTag() noexcept {}
};

/// A new strand of that executor.
asio::any_io_executor strand_on(asio::any_io_executor const& executor);

/// Adds `name=value` to a query, percent-encoded but for the unreserved characters (RFC 3986 section 2.3).
void append_query(std::string& query, std::string_view name, std::string_view value);
/// A URL with more of a query, in front of its fragment.
std::string with_query(std::string url, std::string_view query);
/// Adds `name=value` to a form. Source: URL Standard, application/x-www-form-urlencoded serializing.
void append_form_field(std::string& form, std::string_view name, std::string_view value);
/// Says what HTTP forbids in a header field; empty for a good one. Errors: `http_errc::header_limit` for more
/// than Beast can hold.
std::string find_field_fault(std::string_view name, std::string_view value);
/// Gives a request a body, and its Content-Type where the caller has set none.
void set_content(Request& request, std::string_view content_type, Body body);
void set_content(Request& request, Multipart const& form);
/// The value of Authorization. Errors: `http_errc::injection` for control characters, and for a colon in the
/// user's name. Source: RFC 7617 section 2.
std::string basic_credentials(std::string_view user, std::string_view password);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
