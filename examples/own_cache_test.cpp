// Whether a cache of your own keeps the contract of BaseCache: the library's own suite, run over it.
// usage: own_cache_test
#include <beast_cache/testing/storage_suite.hpp>
#include <iostream>

#include "support/lru_cache.hpp"

using namespace beast_cache::testing;

int main() {
  CacheFactory<std::string> const make_cache = [] {
    return std::make_unique<LruCache<std::string>>(100'000);
  };
  ValueFactory<std::string> const make_value = [](std::size_t n) { return "value " + std::to_string(n); };
  int failed = 0;
  for (auto const& check : storage_checks<std::string>()) {
    try {
      run_storage_check(check, make_cache, make_value);
      std::cout << "ok      " << check.name << '\n';
    } catch (std::exception const& e) {
      std::cout << "FAILED  " << check.name << ": " << e.what() << '\n';
      ++failed;
    }
  }
  return failed == 0 ? 0 : 1;
}
