#include "beast_cache/backend/url_pattern.hpp"

#include <algorithm>
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
  path_ = text.substr(authority.size());
  if (path_ == "/") path_.clear();
  if (auto const colon = authority.rfind(':'); colon != authority.npos && !authority.ends_with(']')) {
    port_ = authority.substr(colon + 1);
    authority = authority.substr(0, colon);
    bool const number = !port_.empty() && port_.size() < 6 &&
                        std::all_of(port_.begin(), port_.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) refuse("the port is not a number");
  }
  if (authority != "*") host_ = authority;
  if (host_.starts_with("*.")) host_.erase(0, 1);
  if (host_.find('*') != host_.npos) refuse("in a host * may only be the first label");
  for (std::string* part : {&scheme_, &host_})
    std::transform(part->begin(), part->end(), part->begin(), policy::detail::lower);
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
