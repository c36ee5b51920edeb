#include <beast_cache/beast_cache.hpp>
#include <boost/asio/io_context.hpp>
#include <iostream>

using namespace beast_cache;

asio::awaitable<void> run(std::string url) {
  CachedSession session{co_await asio::this_coro::executor, SQLiteBackend{"demo"}};
  for (int i = 0; i < 2; ++i) {
    CachedResponse response = co_await session.get(url);
    std::cout << response.status() << "  " << response.cache_status() << '\n';
  }
  co_await session.close();
}

int main(int argc, char** argv) try {
  if (argc != 2) return 1;
  asio::io_context io;
  asio::co_spawn(io, run(argv[1]), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(failure);
  });
  io.run();
} catch (std::exception const& e) {
  std::cerr << e.what() << '\n';
  return 1;
}
