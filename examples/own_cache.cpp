// A cache of your own: derive from BaseCache. This one keeps the entries used last and forgets the others.
// The same class then holds the responses of a session, in place of SQLite.
// usage: own_cache URL
#include <beast_cache/beast_cache.hpp>
#include <iostream>

#include "support/lru_cache.hpp"
#include "support/run.hpp"

using namespace beast_cache;

asio::awaitable<void> demo(std::string url) {
  // As a store of one's own.
  LruCache<std::string> capitals(2);
  co_await capitals.write("France", "Paris");
  co_await capitals.write("Japan", "Tokyo");
  co_await capitals.read("France");
  co_await capitals.write("Peru", "Lima");  // Japan has not been used for longest
  auto keys = capitals.keys();
  for (;;) {
    std::optional<std::string> key = co_await keys.next();
    if (!key) break;
    std::cout << *key << '\n';
  }

  // As the store of a session: CacheBackend makes its operations of any two caches.
  auto const executor = co_await asio::this_coro::executor;
  CacheBackend backend(std::make_shared<LruCache<CachedResponse>>(1000),
                       std::make_shared<LruCache<std::string>>(1000));
  CachedSession session(executor, std::move(backend));
  for (int i = 0; i < 2; ++i) {
    CachedResponse response = co_await session.get(url);
    std::cout << response.status() << "  " << response.cache_status() << '\n';
  }
  co_await session.close();
}

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: own_cache URL\n", 2;
  return run(demo(argv[1]));
}
