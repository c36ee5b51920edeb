// Measures one GET after another: without a cache, through an empty cache, and again from the cache.
// usage: cold_against_hit FILE URL COUNT     FILE must not exist yet
#include <algorithm>
#include <beast_cache/beast_cache.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/run.hpp"

using namespace beast_cache;
using Milliseconds = std::chrono::duration<double, std::milli>;

// Gets URL?0, URL?1 and so on, and prints one line. The answers have to be hits, or not, as expected.
template <class Session>
asio::awaitable<void> measure(char const* name, Session session, std::string url, int count, bool hits) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    auto const start = std::chrono::steady_clock::now();
    auto response = co_await session.get(url + "?" + std::to_string(i));
    times.push_back(Milliseconds(std::chrono::steady_clock::now() - start).count());
    response.raise_for_status();
    if constexpr (std::is_same_v<Session, CachedSession>) {
      if (response.from_cache() != hits)
        throw std::runtime_error(response.url().str() + ": " + response.cache_status());
    }
  }
  double total = 0;
  for (double const time : times) total += time;
  std::nth_element(times.begin(), times.begin() + count / 2, times.end());
  std::printf("%-30s %9.3f ms %12.0f\n", name, times[count / 2], count / total * 1000);
}

asio::awaitable<void> compare(std::string file, std::string url, int count) {
  auto const executor = co_await asio::this_coro::executor;
  std::printf("%d GETs of %s\n%-30s %12s %12s\n", count, url.c_str(), "", "median", "per second");

  ClientSession plain(executor);
  co_await measure("without a cache", plain, url, count, false);
  CachedSession cached(executor, SQLiteBackend(file));
  co_await measure("cold: fetched and stored", cached, url, count, false);
  co_await measure("hit: answered from the cache", cached, url, count, true);
  co_await plain.close();
  co_await cached.close();
}

int main(int argc, char** argv) {
  int const count = argc == 4 ? std::atoi(argv[3]) : 0;
  if (count < 1) return std::fputs("usage: cold_against_hit FILE URL COUNT\n", stderr), 2;
  return run(compare(argv[1], argv[2], count));
}
