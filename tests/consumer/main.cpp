// The smallest program that needs the library's headers, its compiled part and everything that it links.
#include <beast_cache/storage/sqlite_cache.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <optional>
#include <string>

boost::asio::awaitable<bool> write_and_read() {
  auto cache = beast_cache::SQLiteCache{"consumer", "things"};
  co_await cache.write("key", "value");
  std::optional<std::string> const value = co_await cache.read("key");
  co_await cache.close();
  co_return value == "value";
}

int main() {
  bool good = false;
  boost::asio::io_context context;
  boost::asio::co_spawn(context, write_and_read(), [&good](std::exception_ptr error, bool result) {
    if (error) std::rethrow_exception(error);
    good = result;
  });
  context.run();
  std::cout << (good ? "read what was written\n" : "lost what was written\n");
  return good ? 0 : 1;
}
