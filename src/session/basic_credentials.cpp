#include "beast_cache/session/basic_credentials.hpp"

#include <boost/beast/core/detail/base64.hpp>

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  return (c | 0x20) - 'a' + 10;
}

}  // namespace

std::string basic_credentials(std::string_view user_info) {
  std::string plain;
  for (std::size_t i = 0; i < user_info.size(); ++i) {
    if (user_info[i] == '%') {
      plain += static_cast<char>(hex_value(user_info[i + 1]) * 16 + hex_value(user_info[i + 2]));
      i += 2;
    } else {
      plain += user_info[i];
    }
  }
  if (user_info.find(':') == std::string_view::npos) plain += ':';
  namespace base64 = boost::beast::detail::base64;
  std::string text = "Basic ";
  std::size_t const prefix = text.size();
  text.resize(prefix + base64::encoded_size(plain.size()));
  text.resize(prefix + base64::encode(text.data() + prefix, plain.data(), plain.size()));
  return text;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
