#include "beast_cache/http/url.hpp"

#include <algorithm>
#include <boost/url/ipv4_address.hpp>
#include <boost/url/ipv6_address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <vector>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

namespace urls = boost::urls;

// No server takes a longer request line; the bound keeps a request's head within what a client sends.
constexpr std::size_t max_url_size = 64 * 1024;

std::string_view to_std(urls::string_view text) noexcept {
  return {text.data(), text.size()};
}

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}
constexpr bool is_alnum(char c) noexcept {
  return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'z');
}
// RFC 3986 section 2.3.
constexpr bool is_unreserved(char c) noexcept {
  return is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
constexpr int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  return to_lower(c) - 'a' + 10;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  auto const byte = static_cast<unsigned char>(c);
  out.append(1, '%').append(1, digits[byte / 16]).append(1, digits[byte % 16]);
}

/// RFC 3986 section 6.2.2.1 and 6.2.2.2, for text whose escapes are known to be well formed.
std::string normalise_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    auto const c = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
    if (is_unreserved(c)) {
      out += c;
    } else {
      append_escape(out, c);
    }
    i += 2;
  }
  return out;
}

/// RFC 3986 section 5.2.4, for a path that is empty or begins with a slash.
std::string remove_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  bool ends_in_slash = true;
  while (!path.empty()) {
    path.remove_prefix(1);
    std::string_view const segment = path.substr(0, path.find('/'));
    path.remove_prefix(segment.size());
    ends_in_slash = segment == "." || segment == "..";
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != ".") {
      kept.push_back(segment);
    }
  }
  std::string out;
  for (std::string_view const segment : kept) out.append(1, '/').append(segment);
  if (ends_in_slash) out += '/';
  return out;
}

/// Whether an address parser could take it for a number: `0x7f.1`, `2130706433`. Such a name is an IPv4
/// address to some resolvers and a name to others.
bool ends_in_number(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string_view const last = name.substr(name.rfind('.') + 1);
  if (last.starts_with("0x")) return true;
  return last.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Letters, digits, hyphens and underscores in labels of at most 63. Anything else that RFC 3986 allows in a
/// reg-name (escapes, sub-delims) is no host of the DNS, and reads differently to different parsers; an
/// internationalised name has to come in its ASCII form.
bool is_host_name(std::string_view name) noexcept {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  std::size_t label = 0;
  for (char const c : name) {
    if (c == '.') {
      if (label == 0) return false;
      label = 0;
    } else {
      if (!is_alnum(c) && c != '-' && c != '_') return false;
      if (++label > 63) return false;
    }
  }
  return label != 0;
}

bool is_ipv4(std::string_view host) noexcept {
  return urls::parse_ipv4_address(urls::string_view(host.data(), host.size())).has_value();
}

/// Characters by themselves, so that a table tells: in a host's normal form, but for an IPv6 address; in a
/// path or a query, but for escapes and the question mark.
constexpr std::string_view punctuation = "-._~!$&'()*+,;=:@/";
class Characters {
 public:
  constexpr explicit Characters(bool host) {
    for (int c = 0; c < 128; ++c) {
      auto const character = static_cast<char>(c);
      bool const lower = is_alnum(character) && to_lower(character) == character;
      set_[static_cast<std::size_t>(c)] =
          host ? lower || c == '-' || c == '.' || c == '_'
               : is_alnum(character) || punctuation.find(character) != std::string_view::npos;
    }
  }
  constexpr bool has(char c) const noexcept { return set_[static_cast<unsigned char>(c)]; }

 private:
  bool set_[256] = {};
};
constexpr Characters host_characters(true), plain_characters(false);
bool is_plain_host(char c) noexcept {
  return host_characters.has(c);
}
bool is_plain(char c) noexcept {
  return plain_characters.has(c);
}

/// The host in its normal form, or nothing when it is none.
std::optional<std::string> normalise_host(std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) {
    // A zone ("%eth0") has a meaning on one machine only and is not in the grammar of RFC 3986.
    host = host.substr(1, host.size() - 2);
    auto const address = urls::parse_ipv6_address(urls::string_view(host.data(), host.size()));
    if (!address) return std::nullopt;
    char buffer[urls::ipv6_address::max_str_len];
    std::string out;
    return out.append(1, '[').append(to_std(address->to_buffer(buffer, sizeof buffer))).append(1, ']');
  }
  if (is_ipv4(host)) return std::string(host);
  std::string name(host);
  for (char& c : name) c = to_lower(c);
  if (!is_host_name(name) || ends_in_number(name)) return std::nullopt;
  return name;
}

/// A port from its digits; the default for none, 0 for what is no port.
unsigned parse_port(std::string_view digits, unsigned default_port) noexcept {
  if (digits.empty()) return default_port;
  unsigned port = 0;
  for (char const c : digits) {
    if (!is_digit(c)) return 0;
    port = port * 10 + static_cast<unsigned>(c - '0');
    if (port > 65535) return 0;
  }
  return port;
}

/// What stands between the scheme and the path of a URL. RFC 3986 section 3.2.
class Authority {
 public:
  /// @param begin Where it begins in the URL.
  Authority(std::string_view url, std::size_t begin)
      : end(std::min(url.find_first_of("/?#", begin), url.size())),
        host_begin(begin + url.substr(begin, end - begin).rfind('@') + 1),
        host(url.substr(host_begin, end - host_begin)) {
    std::size_t const bracket = host.rfind(']');
    std::size_t const colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
    if (colon == std::string_view::npos) return;
    digits = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  /// 0 for what is no port.
  unsigned port(unsigned default_port) const noexcept { return parse_port(digits, default_port); }

  std::size_t end;
  std::size_t host_begin;
  std::string_view host;
  std::string_view digits;
};

/// RFC 3986 section 5.3.
std::string merge_paths(std::string_view base_target, std::string_view path) {
  std::string_view const base = base_target.substr(0, base_target.find('?'));
  std::string merged(base.substr(0, base.rfind('/') + 1));
  return merged.append(path);
}

constexpr std::string_view unix_scheme = "http+unix://";

bool names_unix_socket(std::string_view text) noexcept {
  std::string_view const scheme = text.substr(0, unix_scheme.size());
  return std::equal(scheme.begin(), scheme.end(), unix_scheme.begin(), unix_scheme.end(),
                    [](char a, char b) { return to_lower(a) == b; });
}

bool begins_with_escape(std::string_view text) noexcept {
  constexpr std::string_view digits = "0123456789abcdefABCDEF";
  return text.size() > 2 && text[0] == '%' && digits.find(text[1]) != std::string_view::npos &&
         digits.find(text[2]) != std::string_view::npos;
}

/// A reference with all that is missing of its percent-encoding behind the authority, without its fragment.
/// Control characters stay as they are.
std::string escape_reference(std::string_view reference) {
  constexpr std::string_view reserved = ":/?@!$&'()*+,;=";
  reference = reference.substr(0, reference.find('#'));
  std::size_t const slashes = reference.find("//");
  bool const has_authority =
      slashes == 0 || (slashes != std::string_view::npos && slashes != 1 &&
                       reference.find_first_of(":/?") == slashes - 1 && reference[slashes - 1] == ':');
  std::size_t const begin =
      has_authority ? std::min(reference.find_first_of("/?", slashes + 2), reference.size()) : 0;
  std::string out(reference.substr(0, begin));
  for (std::size_t i = begin; i < reference.size(); ++i) {
    char const c = reference[i];
    bool const is_control = static_cast<unsigned char>(c) < ' ' || c == '\x7f';
    bool const stands = is_control || is_unreserved(c) || reserved.find(c) != std::string_view::npos ||
                        begins_with_escape(reference.substr(i));
    if (stands) {
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

/// What percent-encoded text stands for; nothing where it is malformed, or holds what has to be encoded.
std::optional<std::string> decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_unreserved(text[i])) {
      out += text[i];
      continue;
    }
    if (!begins_with_escape(text.substr(i))) return std::nullopt;
    out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
    i += 2;
  }
  return out;
}

/// A malformed URL for an error message: a password ends before the last `@`, wherever the parts are, and a
/// query, too, may hold secrets.
std::string quotable(std::string_view text) {
  std::string out;
  if (auto const at = text.rfind('@'); at != std::string_view::npos) {
    out = "...@";
    text.remove_prefix(at + 1);
  }
  auto const query = text.find('?');
  text = text.substr(0, query);
  constexpr std::size_t longest = 200;
  bool const cut = text.size() > longest;
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (char const c : text.substr(0, longest)) {
    auto const byte = static_cast<unsigned char>(c);
    if (c > ' ' && c < '\x7f') {
      out += c;
    } else {
      out.append("\\x").append(1, digits[byte / 16]).append(1, digits[byte % 16]);
    }
  }
  if (cut) out += "...";
  return query != std::string_view::npos ? out + "?..." : out;
}

/// What keeps a text from being a URL.
std::string find_fault(std::string_view text) {
  if (text.size() > max_url_size) return "is longer than 64 KiB";
  std::size_t const colon = text.find("://");
  if (colon == std::string_view::npos) return "has no scheme: it has to begin with http:// or https://";
  std::string scheme(text.substr(0, colon));
  for (char& c : scheme) c = to_lower(c);
  bool const is_unix = scheme == "http+unix";
  if (!is_unix && scheme != "http" && scheme != "https")
    return "has another scheme than http, https and http+unix";
  bool const is_ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (!is_ascii)
    return "has non-ASCII characters: they have to be percent-encoded, in a host's name written as xn--";
  bool const is_printable =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c != '\x7f'; });
  if (!is_printable) return "has spaces or control characters: they have to be percent-encoded";
  if (is_unix)
    return "does not name a socket by http+unix://%2Frun%2Fserver.sock/path, slashes percent-encoded";
  Authority const authority(text, colon + 3);
  if (authority.host.empty()) return "has no host";
  if (!normalise_host(authority.host)) return "has a host that is neither a name nor an address";
  if (authority.port(80) == 0) return "has a port that is no number from 1 to 65535";
  return "has a character that has to be percent-encoded, or a '%' without two hexadecimal digits";
}

}  // namespace

/// What most URLs are: in their normal form, and without anything that needs a closer look. Nothing for every
/// other.
std::optional<Url> Url::parse_normal(std::string_view text) {
  std::size_t const scheme_size = text.starts_with("https://") ? 5 : 4;
  if (scheme_size == 4 && !text.starts_with("http://")) return std::nullopt;
  std::size_t const begin = scheme_size + 3;
  std::size_t at = begin;
  while (at < text.size() && is_plain_host(text[at])) ++at;
  std::string_view const host = text.substr(begin, at - begin);
  if (!is_host_name(host) || (ends_in_number(host) && !is_ipv4(host))) return std::nullopt;
  std::size_t const host_end = at;
  unsigned const default_port = scheme_size == 5 ? 443 : 80;
  unsigned port = default_port;
  if (at < text.size() && text[at] == ':') {
    std::size_t const digits = ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    if (at == digits || text[digits] == '0') return std::nullopt;
    port = parse_port(text.substr(digits, at - digits), default_port);
    if (port == 0 || port == default_port) return std::nullopt;
  }
  std::size_t const target = at;
  if (at == text.size() || text[at] != '/') return std::nullopt;
  char last = 'x';
  for (; at < text.size() && text[at] != '?'; ++at) {
    // An empty segment or one that begins with a dot may not be normal.
    if (!is_plain(text[at]) || (last == '/' && (text[at] == '/' || text[at] == '.'))) return std::nullopt;
    last = text[at];
  }
  for (; at < text.size(); ++at) {
    if (!is_plain(text[at]) && text[at] != '?') return std::nullopt;
  }
  Parts parts;
  parts.text = text;
  parts.port = static_cast<std::uint16_t>(port);
  parts.scheme_size = static_cast<std::uint8_t>(scheme_size);
  parts.host_end = host_end;
  parts.target = target;
  return Url(std::move(parts));
}

std::optional<Url> Url::parse_unix(std::string_view text) {
  std::string_view const rest = text.substr(unix_scheme.size());
  std::string_view const socket = rest.substr(0, rest.find_first_of("/?#"));
  std::optional<std::string> const path = decode(socket);
  if (!path || !path->starts_with('/') || path->find('\0') != std::string::npos) return std::nullopt;
  std::optional<Url> const over_tcp =
      parse(std::string("http://localhost").append(rest.substr(socket.size())));
  if (!over_tcp) return std::nullopt;
  Parts parts;
  parts.port = over_tcp->port();
  parts.scheme_size = static_cast<std::uint8_t>(unix_scheme.size() - 3);
  parts.text = unix_scheme;
  for (char const c : *path) {
    if (is_unreserved(c)) {
      parts.text += c;
    } else {
      append_escape(parts.text, c);
    }
  }
  parts.host_end = parts.target = parts.text.size();
  parts.text.append(over_tcp->target());
  return Url(std::move(parts));
}

std::string Url::socket_path() const {
  return is_unix() ? decode(host()).value_or(std::string()) : std::string();
}

std::optional<Url> Url::parse(std::string_view text) {
  if (text.size() > max_url_size) return std::nullopt;
  if (std::optional<Url> url = parse_normal(text)) return url;
  if (names_unix_socket(text)) return parse_unix(text);
  std::size_t const colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  Authority const authority(text, colon + 3);
  std::size_t const end = authority.end;

  // Boost.URL 1.81 takes "http://192.0.2.1.example.org/" for the host 192.0.2.1 with a path, and
  // "http://h:x/" for an empty port with a path, so host and port are not left to it.
  std::string rest(text.substr(0, authority.host_begin));
  rest.append(1, 'h').append(text.substr(end));
  auto const parsed = urls::parse_uri(rest);
  if (!parsed) return std::nullopt;
  urls::url_view const& view = *parsed;
  if (view.encoded_host() != "h" ||
      (end < text.size() && text[end] == '/' && view.encoded_path().front() != '/'))
    return std::nullopt;
  bool const secure = view.scheme_id() == urls::scheme::https;
  if (!secure && view.scheme_id() != urls::scheme::http) return std::nullopt;
  std::optional<std::string> const host = normalise_host(authority.host);
  unsigned const default_port = secure ? 443 : 80;
  unsigned const port = authority.port(default_port);
  if (!host || port == 0) return std::nullopt;

  Parts parts;
  parts.port = static_cast<std::uint16_t>(port);
  parts.text = secure ? "https" : "http";
  parts.scheme_size = static_cast<std::uint8_t>(parts.text.size());
  parts.text.append("://").append(*host);
  parts.host_end = parts.text.size();
  if (port != default_port) parts.text.append(1, ':').append(std::to_string(port));
  parts.target = parts.text.size();
  // RFC 3986 section 6.2.2.3: an escaped dot is a dot, so the escapes come first.
  std::string const path = normalise_escapes(to_std(view.encoded_path()));
  parts.text.append(remove_dot_segments(path));
  if (view.has_query()) parts.text.append(1, '?').append(normalise_escapes(to_std(view.encoded_query())));
  if (view.has_userinfo()) parts.user_info = std::string(to_std(view.encoded_userinfo()));
  return Url(std::move(parts));
}

Url::Url(std::string_view text) {
  std::optional<Url> parsed = parse(text);
  if (!parsed) throw Error(http_errc::invalid_url, "\"" + quotable(text) + "\" " + find_fault(text));
  *this = std::move(*parsed);
}

std::string_view Url::host() const noexcept {
  if (parts_->text.empty()) return {};
  std::size_t const begin = parts_->scheme_size + std::size_t{3};
  return std::string_view(parts_->text).substr(begin, parts_->host_end - begin);
}

std::string_view Url::host_name() const noexcept {
  std::string_view name = host();
  if (name.starts_with('[')) name = name.substr(1, name.size() - 2);
  return name;
}

std::string_view Url::authority() const noexcept {
  if (parts_->text.empty()) return {};
  if (is_unix()) return "localhost";
  std::size_t const begin = parts_->scheme_size + std::size_t{3};
  return std::string_view(parts_->text).substr(begin, parts_->target - begin);
}

std::optional<Url> Url::resolve(std::string_view reference) const {
  if (parts_->text.empty()) return std::nullopt;
  auto const parsed = urls::parse_uri_reference(urls::string_view(reference.data(), reference.size()));
  if (!parsed) return std::nullopt;
  urls::url_view const& view = *parsed;
  std::string text(scheme());
  if (view.has_scheme() || view.has_authority()) {
    std::optional<Url> url =
        view.has_scheme() ? parse(reference) : parse(text.append(1, ':').append(reference));
    if (url && url->is_unix() && !same_origin(*url, *this)) return std::nullopt;
    return url;
  }

  // RFC 3986 section 5.2.2: everything up to the path comes from the base.
  text.append("://");
  if (!parts_->user_info.empty()) text.append(parts_->user_info).append(1, '@');
  text.append(origin().substr(parts_->scheme_size + std::size_t{3}));
  std::string_view const path = to_std(view.encoded_path());
  if (path.empty()) {
    text.append(view.has_query() ? target().substr(0, target().find('?')) : target());
  } else if (path.starts_with('/')) {
    text.append(path);
  } else {
    text.append(merge_paths(target(), path));
  }
  if (view.has_query()) text.append(1, '?').append(to_std(view.encoded_query()));
  return parse(text);
}

std::optional<Url> Url::follow(std::string_view reference) const {
  std::optional<Url> url = resolve(reference);
  if (!url && reference.size() <= max_url_size) url = resolve(escape_reference(reference));
  return url;
}

}  // namespace v1
}  // namespace beast_cache
