#include "beast_cache/backend/cache_options.hpp"

#include <string_view>

#include "backend/canonical_body.hpp"

namespace beast_cache {
inline namespace v1 {

Url CacheOptions::canonical_url(Url const& url, std::vector<std::string> const& ignored, bool sort) {
  std::string_view const text = url.str();
  auto const mark = text.find('?');
  if (mark == text.npos) return url.without_user_info();
  std::vector<std::string_view> params;
  for (std::string_view rest = text.substr(mark + 1);;) {
    std::string_view const param = rest.substr(0, rest.find('&'));
    if (!detail::names_param(param, ignored)) params.push_back(param);
    if (param.size() == rest.size()) break;
    rest.remove_prefix(param.size() + 1);
  }
  if (sort) std::sort(params.begin(), params.end());
  std::string canonical(text.substr(0, mark));
  for (std::size_t i = 0; i < params.size(); ++i) canonical.append(1, i == 0 ? '?' : '&').append(params[i]);
  return Url(canonical);
}

bool CacheOptions::has_ignored(Url const& url) const {
  std::string_view const text = url.str();
  auto const mark = text.find('?');
  if (mark == text.npos || ignored_params_.empty()) return false;
  for (std::string_view rest = text.substr(mark + 1);;) {
    std::string_view const param = rest.substr(0, rest.find('&'));
    if (detail::names_param(param, ignored_params_)) return true;
    if (param.size() == rest.size()) return false;
    rest.remove_prefix(param.size() + 1);
  }
}

}  // namespace v1
}  // namespace beast_cache
