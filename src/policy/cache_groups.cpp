#include "beast_cache/policy/cache_groups.hpp"

#include <algorithm>

#include "beast_cache/http/structured_fields.hpp"
#include "beast_cache/policy/invalidation.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {
namespace {

/// RFC 9875: a List of Strings; a member of another type makes the whole field count for nothing. Parameters
/// mean nothing.
std::vector<std::string> strings(http::fields const& response, std::string_view name) {
  std::vector<std::string> groups;
  auto const list = structured::parse_list(response, name);
  if (!list) return groups;
  for (auto const& member : *list) {
    auto const* const item = std::get_if<structured::Item>(&member);
    auto const* const group = item ? item->get<std::string>() : nullptr;
    if (group == nullptr) return std::vector<std::string>();
    if (group->size() > max_cache_group_size || groups.size() == max_cache_groups) continue;
    if (std::find(groups.begin(), groups.end(), *group) == groups.end()) groups.push_back(*group);
  }
  return groups;
}

}  // namespace

std::vector<std::string> cache_groups(http::fields const& response) {
  return strings(response, "Cache-Groups");
}

std::vector<std::string> invalidated_groups(http::verb method, unsigned status,
                                            http::fields const& response) {
  if (!invalidates(method, status)) return std::vector<std::string>();
  return strings(response, "Cache-Group-Invalidation");
}

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
