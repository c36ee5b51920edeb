// 500 requests at the same time through one cache file: all go to the origin, then all are answered by the
// cache. usage: many_at_once FILE BASE      BASE/item/0, BASE/item/1, ... are fetched
#include <beast_cache/beast_cache.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <iostream>

#include "support/run.hpp"

using namespace beast_cache;

asio::awaitable<void> fetch_all(CachedSession session, std::string base, int count) {
  auto const executor = co_await asio::this_coro::executor;
  // Each request reports to the channel as it completes: send() takes any completion token.
  using Channel = asio::experimental::channel<void(error_code, CachedResponse)>;
  auto done = std::make_shared<Channel>(executor, count);
  for (int i = 0; i < count; ++i) {
    session.get(base + "/item/" + std::to_string(i)).send([done](error_code ec, CachedResponse response) {
      done->try_send(ec, std::move(response));
    });
  }
  int hits = 0, stored = 0;
  for (int i = 0; i < count; ++i) {
    CachedResponse response =
        co_await done->async_receive(asio::use_awaitable);  // throws what a request threw
    response.raise_for_status();
    response.from_cache() ? ++hits : ++stored;
  }
  std::cout << count << " answers: " << stored << " from the origin, " << hits << " from the cache\n";
}

asio::awaitable<void> twice(std::string file, std::string base) {
  auto const executor = co_await asio::this_coro::executor;
  CachedSession session(executor, SQLiteBackend(file));
  co_await fetch_all(session, base, 500);
  co_await fetch_all(session, base, 500);
  co_await session.close();
}

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "usage: many_at_once FILE BASE\n", 2;
  return run(twice(argv[1], argv[2]));
}
