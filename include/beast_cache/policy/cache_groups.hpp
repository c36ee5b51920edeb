#pragma once
/// \file cache_groups.hpp
/// Groups of stored responses that become invalid together.
///
/// Groups are of one origin each: what one origin names never touches another's entries.
/// Source: RFC 9875.

#include <algorithm>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/verb.hpp>
#include <string>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace policy {

/// How many groups of one response are looked at, and how long their names may be; the rest is passed over.
///
/// Source: RFC 9875 section 2 asks for 32 groups of 32 characters at least.
inline constexpr std::size_t max_cache_groups = 64;
inline constexpr std::size_t max_cache_group_size = 256;

/// The groups that a response belongs to (Cache-Groups), to be kept beside it; each once.
///
/// @return empty when the field is absent or malformed.
/// Errors: throws only what memory throws. Source: RFC 9875 section 2.
std::vector<std::string> cache_groups(http::fields const& response);

/// Whether a response of the same origin belongs to one of these groups.
///
/// Errors: throws only what memory throws.
inline bool shares_group(http::fields const& response, std::vector<std::string> const& groups) {
  for (std::string const& group : cache_groups(response)) {
    if (std::find(groups.begin(), groups.end(), group) != groups.end()) return true;
  }
  return false;
}

/// The groups of the target's origin whose stored responses are invalid after this exchange
/// (Cache-Group-Invalidation).
///
/// Only an answer that `invalidates` has any: an origin's safe requests and errors change nothing. The
/// invalidation does not spread: the other groups of a response that it hits stay as they are.
/// Errors: throws only what memory throws. Source: RFC 9875 section 3.
std::vector<std::string> invalidated_groups(http::verb method, unsigned status, http::fields const& response);

}  // namespace policy
}  // namespace v1
}  // namespace beast_cache
