#pragma once
// A cached session over a cache in memory, a client without a network and a clock that is turned by hand.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/storage/memory_cache.hpp"
#include "beast_cache/testing/fake_client.hpp"
#include "beast_cache/testing/manual_clock.hpp"
#include "catch.hpp"

namespace test_support {

using namespace beast_cache;
using namespace std::chrono_literals;
using beast_cache::testing::FakeClient;
using beast_cache::testing::ManualClock;

inline std::string const url = "http://origin.test/page";

class Events final : public Observer {
 public:
  void on_response(std::string_view, std::string_view status) override { responses.emplace_back(status); }
  void on_cache_error(std::string_view operation, std::string_view where,
                      std::exception_ptr failure) override {
    REQUIRE(failure);
    errors.push_back(std::string(operation) + " " + std::string(where));
  }
  void on_saved(std::string_view, std::uint64_t bytes, std::chrono::milliseconds) override {
    saved.push_back(bytes);
  }
  std::vector<std::string> responses;
  std::vector<std::string> errors;
  std::vector<std::uint64_t> saved;
};

/// Fails while it is told to.
template <class Value>
class FailingCache final : public BaseCache<Value> {
 public:
  bool failing = false;
  bool unreadable = false;

  asio::awaitable<std::optional<Value>> read(std::string key) override {
    if (unreadable) throw Error(cache_errc::bad_signature, "unreadable");
    return check(inner_.read(std::move(key)));
  }
  asio::awaitable<void> write(std::string key, Value value) override {
    check_now();
    return inner_.write(std::move(key), std::move(value));
  }
  asio::awaitable<bool> contains(std::string key) override { return check(inner_.contains(std::move(key))); }
  asio::awaitable<bool> remove(std::string key) override { return check(inner_.remove(std::move(key))); }
  asio::awaitable<std::size_t> bulk_remove(std::vector<std::string> keys) override {
    return check(inner_.bulk_remove(std::move(keys)));
  }
  asio::awaitable<std::optional<Value>> pop(std::string key) override {
    return check(inner_.pop(std::move(key)));
  }
  asio::awaitable<void> clear() override { return inner_.clear(); }
  asio::awaitable<std::uint64_t> size() override { return inner_.size(); }
  asio::awaitable<std::vector<std::pair<std::string, Value>>> page(std::optional<std::string> after,
                                                                   std::size_t limit) override {
    return inner_.page(std::move(after), limit);
  }
  asio::awaitable<void> close() override { return inner_.close(); }

 private:
  void check_now() const {
    if (failing) throw Error(cache_errc::io, "failing cache");
  }
  template <class T>
  asio::awaitable<T> check(asio::awaitable<T> operation) {
    check_now();
    return operation;
  }
  MemoryCache<Value> inner_;
};

/// A session over a cache in memory, in front of a client that answers from a function.
struct World {
  explicit World(FakeClient::Answer answer, CacheOptions options = CacheOptions())
      : client(std::make_shared<FakeClient>(std::move(answer))),
        backend(std::make_shared<CacheBackend>(responses, std::make_shared<MemoryCache<std::string>>(),
                                               options.clock(clock).observer(events))),
        session(io.get_executor(), client, backend) {}

  template <class T>
  T run(asio::awaitable<T> operation) {
    std::exception_ptr failure;
    std::optional<T> result;
    asio::co_spawn(io, std::move(operation), [&](std::exception_ptr e, T value) {
      failure = e;
      result.emplace(std::move(value));
    });
    io.restart();
    io.run();
    if (failure) std::rethrow_exception(failure);
    return std::move(*result);
  }
  CachedResponse get() { return run(session.get(url)); }
  std::size_t asked() const { return client->requests().size(); }
  std::string last_sent(std::string_view name) const {
    return std::string(client->requests().back().headers()[{name.data(), name.size()}]);
  }

  asio::io_context io;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<Events> events = std::make_shared<Events>();
  std::shared_ptr<FailingCache<CachedResponse>> responses = std::make_shared<FailingCache<CachedResponse>>();
  std::shared_ptr<FakeClient> client;
  std::shared_ptr<CacheBackend> backend;
  CachedSession session;
};

/// Always the same answer.
inline FakeClient::Answer always(std::string headers, std::string body = "body", unsigned status = 200) {
  return [=](Request const& request) { return FakeClient::answer(request, status, headers, body); };
}

inline bool has(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace test_support
