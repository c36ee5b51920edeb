#pragma once
// Each of the backends in turn, for the tests of what all of them do.

#include "beast_cache/backend/cached_response_cereal.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/storage/memory_cache.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "beast_cache/storage/sqlite_pickle_cache.hpp"
#include "support.hpp"

namespace backend_test {

// One of the backends, in a directory of its own.
class AnyBackend {
 public:
  AnyBackend() {
    name_ = GENERATE(as<std::string>(), "memory", "cereal", "sqlite", "sqlite in memory",
                     "compressed and encrypted", "sqlite with memory");
    if (name_ == "memory") {
      backend_ = std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                                std::make_shared<MemoryCache<std::string>>());
    } else if (name_ == "cereal") {
      backend_ = std::make_shared<CacheBackend>(
          std::make_shared<SQLitePickleCache<CachedResponse>>(dir_ / "cache", "responses"),
          std::make_shared<SQLiteCache>(dir_ / "cache", "redirects"));
    } else if (name_ == "compressed and encrypted") {
      backend_ = std::make_shared<SQLiteBackend>(
          dir_ / "cache", CacheOptions().compress(true).encryption_key(std::string(32, 'k')));
    } else if (name_ == "sqlite with memory") {
      backend_ = std::make_shared<SQLiteBackend>(dir_ / "cache", CacheOptions().memory(1u << 20));
    } else {
      backend_ = std::make_shared<SQLiteBackend>(name_ == "sqlite" ? dir_ / "cache" : ":memory:");
    }
  }
  CacheBackend* operator->() const { return backend_.get(); }
  CacheBackend& operator*() const { return *backend_; }
  std::string const& name() const { return name_; }

 private:
  TempDir dir_;
  std::string name_;
  std::shared_ptr<CacheBackend> backend_;
};

}  // namespace backend_test
