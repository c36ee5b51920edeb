#pragma once
// A backend that keeps everything in memory.

#include <memory>
#include <string>
#include <utility>

#include "beast_cache/backend/cache_backend.hpp"
#include "beast_cache/storage/memory_cache.hpp"

namespace test_support {

inline beast_cache::CacheBackend memory_backend(beast_cache::CacheOptions options = {}) {
  using namespace beast_cache;
  return CacheBackend(std::make_shared<MemoryCache<CachedResponse>>(),
                      std::make_shared<MemoryCache<std::string>>(), std::move(options));
}

}  // namespace test_support
