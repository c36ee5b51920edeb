#include <algorithm>
#include <array>
#include <boost/beast/http/rfc7230.hpp>
#include <string>
#include <string_view>

#include "beast_cache/http/response.hpp"
#include "http/text.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

enum class Charset { utf8, windows1252, utf16le, utf16be, unknown };

class Label {
 public:
  std::string_view name;
  Charset charset;
};

// The Encoding Standard's names for these, section 4.2; ISO-8859-1 means windows-1252 there and on the web.
constexpr std::array labels = {
    Label{"utf-8", Charset::utf8},
    Label{"utf8", Charset::utf8},
    Label{"us-ascii", Charset::windows1252},
    Label{"ascii", Charset::windows1252},
    Label{"iso-8859-1", Charset::windows1252},
    Label{"iso8859-1", Charset::windows1252},
    Label{"iso_8859-1", Charset::windows1252},
    Label{"latin1", Charset::windows1252},
    Label{"l1", Charset::windows1252},
    Label{"windows-1252", Charset::windows1252},
    Label{"cp1252", Charset::windows1252},
    Label{"x-cp1252", Charset::windows1252},
    Label{"utf-16", Charset::utf16le},
    Label{"utf-16le", Charset::utf16le},
    Label{"utf-16be", Charset::utf16be},
};

// Encoding Standard, index windows-1252, from 0x80 to 0x9f; the rest is the code point of the same number.
constexpr std::array<char16_t, 32> windows1252 = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008d, 0x017d, 0x008f, 0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

constexpr char32_t replacement = 0xfffd;

void append_utf8(std::string& out, char32_t c) {
  auto const put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

std::string from_windows1252(std::string_view body) {
  std::string out;
  out.reserve(body.size());
  for (char const c : body) {
    auto const byte = static_cast<unsigned char>(c);
    append_utf8(out, byte >= 0x80 && byte < 0xa0 ? windows1252[byte - 0x80u] : byte);
  }
  return out;
}

std::string from_utf16(std::string_view body, bool big) {
  std::string out;
  out.reserve(body.size());
  auto const unit = [&](std::size_t i) {
    auto const first = static_cast<unsigned char>(body[i]);
    auto const second = static_cast<unsigned char>(body[i + 1]);
    return static_cast<char32_t>(big ? first << 8 | second : second << 8 | first);
  };
  for (std::size_t i = 0; i + 1 < body.size(); i += 2) {
    char32_t c = unit(i);
    if (c >= 0xd800 && c < 0xe000) {
      char32_t const low = c < 0xdc00 && i + 3 < body.size() ? unit(i + 2) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        i += 2;
      } else {
        c = replacement;
      }
    }
    append_utf8(out, c);
  }
  if (body.size() % 2 != 0) append_utf8(out, replacement);
  return out;
}

}  // namespace

std::string ResponseHead::charset() const {
  std::string_view const type = header("Content-Type");
  auto const parameters = type.find(';');
  if (parameters == std::string_view::npos) return {};
  std::string_view const rest = type.substr(parameters);
  http::param_list const list(boost::beast::string_view(rest.data(), rest.size()));
  for (auto const& parameter : list) {
    std::string_view const key(parameter.first.data(), parameter.first.size());
    if (!detail::iequals(key, "charset")) continue;
    return detail::to_lower({parameter.second.data(), parameter.second.size()});
  }
  return {};
}

std::string Response::text() const {
  std::string_view bytes = body();
  std::string const name = charset();
  Charset charset = Charset::utf8;
  if (!name.empty()) {
    auto const* const found =
        std::find_if(labels.begin(), labels.end(), [&](Label const& label) { return label.name == name; });
    charset = found == labels.end() ? Charset::unknown : found->charset;
  }
  // A byte order mark says more than the header does. Encoding Standard section 6, "decode".
  if (bytes.starts_with("\xef\xbb\xbf")) {
    bytes.remove_prefix(3);
    charset = Charset::utf8;
  } else if (bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff")) {
    charset = bytes.front() == '\xff' ? Charset::utf16le : Charset::utf16be;
    bytes.remove_prefix(2);
  }
  switch (charset) {
    case Charset::utf8:
      return std::string(bytes);
    case Charset::windows1252:
      return from_windows1252(bytes);
    case Charset::utf16le:
    case Charset::utf16be:
      return from_utf16(bytes, charset == Charset::utf16be);
    case Charset::unknown:
      break;
  }
  throw Error(http_errc::unknown_charset, std::string(url().without_query()));
}

std::vector<Link> ResponseHead::links() const {
  std::vector<Link> all;
  auto const lines = headers().equal_range(http::field::link);
  for (auto line = lines.first; line != lines.second; ++line) {
    std::string_view const text(line->value().data(), line->value().size());
    for (Link& link : Link::parse(text)) {
      std::optional<Url> const target = url_.follow(link.target());
      if (target) link.set_target(target->str());
      all.push_back(std::move(link));
    }
  }
  return all;
}

std::vector<Cookie> ResponseHead::cookies() const {
  std::vector<Cookie> all;
  auto const lines = headers().equal_range(http::field::set_cookie);
  for (auto line = lines.first; line != lines.second; ++line) {
    std::optional<Cookie> cookie = Cookie::parse({line->value().data(), line->value().size()});
    if (cookie) all.push_back(std::move(*cookie));
  }
  return all;
}

}  // namespace v1
}  // namespace beast_cache
