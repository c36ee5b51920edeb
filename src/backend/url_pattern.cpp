#include "beast_cache/backend/url_pattern.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "beast_cache/policy/field_values.hpp"

namespace beast_cache {
inline namespace v1 {
namespace {

// In time proportional to the product of both lengths, at worst.
bool matches_glob(std::string_view glob, std::string_view text) noexcept {
  std::size_t g = 0, t = 0;
  std::size_t star = glob.npos, resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != glob.npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

bool matches_path(std::string_view pattern, std::string_view target) noexcept {
  if (matches_glob(pattern, target)) return true;
  // What is below it, and with a query.
  for (std::size_t at = target.find_first_of("/?", 1); at != target.npos;
       at = target.find_first_of("/?", at + 1)) {
    if (matches_glob(pattern, target.substr(0, at + (pattern.ends_with('/') ? 1 : 0)))) return true;
  }
  return false;
}

// What a URL with that host, or that path, has there; empty where none can.
std::string normal_host(std::string_view host) {
  std::string const scheme = host.starts_with('%') ? "http+unix://" : "http://";
  std::optional<Url> const url = Url::parse(scheme + std::string(host) + "/");
  return url ? std::string(url->host()) : std::string();
}
std::string normal_path(std::string_view path) {
  std::optional<Url> const url = Url::parse("http://h" + std::string(path));
  return url ? std::string(url->target()) : std::string();
}

}  // namespace

UrlPattern::UrlPattern(std::string_view text) {
  std::string const pattern(text);
  auto const refuse = [&](char const* reason) {
    throw std::invalid_argument("UrlPattern \"" + pattern + "\": " + reason);
  };
  if (text.empty()) refuse("empty");
  if (auto const scheme = text.find("://"); scheme < text.find('/')) {
    scheme_ = text.substr(0, scheme);
    text.remove_prefix(scheme + 3);
  }
  std::string_view authority = text.substr(0, text.find('/'));
  std::string_view const path = text.substr(authority.size());
  if (authority.find_first_of("@?#") != authority.npos)
    refuse("a host may be followed by : / and nothing else");
  if (path.find('#') != path.npos) refuse("a fragment is no part of what is asked for");
  if (path.size() > 1) {
    path_ = normal_path(path);
    if (path_.empty()) refuse("no URL has that path; spaces and non-ASCII characters are percent-encoded");
    if (path_ == "/") path_.clear();
  }
  if (auto const colon = authority.rfind(':'); colon != authority.npos && !authority.ends_with(']')) {
    port_ = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
    bool const number = !port_.empty() && port_.size() < 6 &&
                        std::all_of(port_.begin(), port_.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) refuse("the port is not a number");
  }
  std::transform(scheme_.begin(), scheme_.end(), scheme_.begin(), policy::detail::lower);
  if (authority.empty() || authority == "*") return;
  bool const is_above = authority.starts_with("*.");
  if (is_above) authority.remove_prefix(2);
  if (authority.find('*') != authority.npos) refuse("in a host * may only be the first label");
  host_ = normal_host(authority);
  if (host_.empty()) refuse("the host is neither a name nor an address");
  if (is_above) host_.insert(0, 1, '.');
}

bool UrlPattern::matches(Url const& url) const noexcept {
  std::string_view const host = url.host();
  if (!scheme_.empty() && url.scheme() != scheme_) return false;
  if (!port_.empty() && port_ != std::to_string(url.port())) return false;
  bool const hosts =
      host_.empty() ||
      (host_.front() == '.' ? host.size() > host_.size() && host.ends_with(host_) : host == host_);
  return hosts && (path_.empty() || matches_path(path_, url.target()));
}

}  // namespace v1
}  // namespace beast_cache
