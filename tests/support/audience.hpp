#pragma once
// Several requests for what arrives piece by piece. One thread.

#include <memory>
#include <string>
#include <utility>

#include "support/drip_client.hpp"

namespace test_support {

class Audience {
 public:
  explicit Audience(CacheOptions options = CacheOptions())
      : Audience(std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                                std::make_shared<MemoryCache<std::string>>(),
                                                options.clock(std::make_shared<ManualClock>()))) {}
  explicit Audience(std::shared_ptr<CacheBackend> store)
      : backend(std::move(store)), session(io.get_executor(), client, backend) {}

  std::shared_ptr<Seen> ask(asio::awaitable<CachedStream> request, std::size_t most = std::string::npos) {
    auto const seen = std::make_shared<Seen>();
    seen->most = most;
    start(io, consume(std::move(request), seen), seen);
    settle();
    return seen;
  }
  std::shared_ptr<Seen> ask() { return ask(session.get(url).stream()); }
  void read_on(std::shared_ptr<Seen> const& seen) {
    start(io, consume_rest(seen), seen);
    settle();
  }
  // Until all of them wait for something.
  void settle() {
    io.restart();
    io.poll();
  }
  Drip& drip(std::size_t i = 0) { return *client->drips.at(i); }
  std::size_t asked() const { return client->drips.size(); }
  void open(std::size_t i = 0) {
    drip(i).open();
    settle();
  }
  void push(std::string const& bytes, std::size_t i = 0) {
    drip(i).push(bytes);
    settle();
  }
  void end(std::size_t i = 0) {
    drip(i).end();
    settle();
  }

  std::shared_ptr<DripClient> client = std::make_shared<DripClient>();
  asio::io_context io;
  std::shared_ptr<CacheBackend> backend;
  CachedSession session;
};

}  // namespace test_support
