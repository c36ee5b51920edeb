#include "beast_cache/session/basic_credentials.hpp"

#include <algorithm>
#include <boost/beast/core/detail/base64.hpp>

#include "beast_cache/error.hpp"
#include "beast_cache/session/request_parts.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

std::string encode(std::string_view plain) {
  namespace base64 = boost::beast::detail::base64;
  std::string text = "Basic ";
  std::size_t const prefix = text.size();
  text.resize(prefix + base64::encoded_size(plain.size()));
  text.resize(prefix + base64::encode(text.data() + prefix, plain.data(), plain.size()));
  return text;
}

}  // namespace

std::string decode_user_info(std::string_view user_info) {
  std::string plain;
  for (std::size_t i = 0; i < user_info.size(); ++i) {
    if (user_info[i] == '%') {
      plain += static_cast<char>(hex_value(user_info[i + 1]) * 16 + hex_value(user_info[i + 2]));
      i += 2;
    } else {
      plain += user_info[i];
    }
  }
  return plain;
}

std::string basic_credentials(std::string_view user_info) {
  std::string plain = decode_user_info(user_info);
  if (user_info.find(':') == std::string_view::npos) plain += ':';
  return encode(plain);
}

std::string basic_credentials(std::string_view user, std::string_view password) {
  std::string plain(user);
  plain.append(1, ':').append(password);
  bool const is_text = std::none_of(
      plain.begin(), plain.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; });
  if (!is_text || user.find(':') != std::string_view::npos)
    throw Error(http_errc::injection, "user or password of basic authorization");
  return encode(plain);
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
