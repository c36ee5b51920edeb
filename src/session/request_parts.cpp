#include "beast_cache/session/request_parts.hpp"

#include <algorithm>
#include <boost/asio/strand.hpp>
#include <utility>

#include "beast_cache/error.hpp"
#include "beast_cache/http/multipart.hpp"
#include "beast_cache/policy/field_values.hpp"
#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

constexpr bool is_alnum(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// @param kept Punctuation that stands for itself.
void append_encoded(std::string& out, std::string_view text, std::string_view kept, bool plus_for_space) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    if (is_alnum(c) || kept.find(c) != std::string_view::npos) {
      out += c;
    } else if (c == ' ' && plus_for_space) {
      out += '+';
    } else {
      out.append(1, '%').append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
    }
  }
}

}  // namespace

asio::any_io_executor strand_on(asio::any_io_executor const& executor) {
  return asio::make_strand(executor);
}

void append_query(std::string& query, std::string_view name, std::string_view value) {
  if (!query.empty()) query += '&';
  append_encoded(query, name, "-._~", false);
  query += '=';
  append_encoded(query, value, "-._~", false);
}

std::string find_field_fault(std::string_view name, std::string_view value) {
  if (name.size() > 65000 || value.size() > 65000)
    throw Error(http_errc::header_limit,
                "request header field of " + std::to_string(value.size()) + " bytes");
  if (!policy::detail::is_token(name)) return "a request header's name is no token";
  return is_field_value(value) ? std::string() : std::string("the value of request header ").append(name);
}

std::string with_query(std::string url, std::string_view query) {
  if (query.empty()) return url;
  std::size_t const end = std::min(url.find('#'), url.size());
  std::size_t const mark = url.find('?');
  char const last = end == 0 ? '\0' : url[end - 1];
  std::string more;
  if (mark >= end) {
    more = "?";
  } else if (last != '?' && last != '&') {
    more = "&";
  }
  return url.insert(end, more.append(query));
}

void append_form_field(std::string& form, std::string_view name, std::string_view value) {
  if (!form.empty()) form += '&';
  append_encoded(form, name, "*-._", true);
  form += '=';
  append_encoded(form, value, "*-._", true);
}

void set_content(Request& request, std::string_view content_type, Body body) {
  if (request.headers().count(http::field::content_type) == 0)
    request.headers().set(http::field::content_type, {content_type.data(), content_type.size()});
  request.set_body(std::move(body));
}

void set_content(Request& request, Multipart const& form) {
  // The boundary is known to the form alone.
  request.headers().set(http::field::content_type, form.content_type());
  request.set_body(form.body());
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
