#pragma once
// What a cache of responses is compared with.

#include <string>

#include "support/child.hpp"

namespace bench {

void add_cached_sessions(Variants& variants);
void add_hit_parts(Variants& variants);
void add_raw_responses(Variants& variants);
void add_proxies(Variants& variants);

/// The URL of an entry of a file that `backend-fill` has made; no origin is asked for it.
inline std::string entry_url(std::size_t number) {
  return "http://bench.example/api/v1/items/" + std::to_string(number) + "?page=1&size=20";
}

}  // namespace bench
