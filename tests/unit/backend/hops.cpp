// How often an operation of SQLiteBackend goes to the store's threads, and how many transactions it commits.

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "beast_cache/testing/fake_client.hpp"
#include "support.hpp"

using namespace backend_test;
using beast_cache::testing::FakeClient;

namespace {

// What an operation costs.
struct Cost {
  std::size_t hops;
  std::uint64_t commits;
};

// A file whose threads are contexts that are run by hand, in turn with the caller's.
class ByHand {
 public:
  ByHand()
      : backend(std::make_shared<SQLiteBackend>(dir_ / "cache", CacheOptions(), on_worker())),
        counter_(dir_ / "cache", "counter", on_worker()) {
    measure(prepare(backend, counter_));
  }

  Cost measure(asio::awaitable<void> operation) {
    asio::io_context caller;
    std::exception_ptr failure;
    bool done = false;
    std::uint64_t const before = counter_.statistics().commits;
    asio::co_spawn(caller, std::move(operation), [&](std::exception_ptr e) {
      failure = e;
      done = true;
    });
    std::size_t hops = 0;
    while (!done) {
      caller.restart();
      while (caller.poll() != 0) {
      }
      if (done) break;
      REQUIRE(work());
      ++hops;
    }
    if (failure) std::rethrow_exception(failure);
    Cost const cost{hops, counter_.statistics().commits - before};
    work();
    return cost;
  }

 private:
  TempDir dir_;
  asio::io_context worker_;

 public:
  std::shared_ptr<SQLiteBackend> backend;

 private:
  SQLiteOptions on_worker() { return SQLiteOptions().executor(worker_.get_executor()); }
  // All that the threads have to do now.
  bool work() {
    std::size_t handlers = 0;
    std::size_t ran = 0;
    do {
      worker_.restart();
      ran = worker_.poll();
      handlers += ran;
    } while (ran != 0);
    return handlers != 0;
  }
  // Opens the file for both.
  static asio::awaitable<void> prepare(std::shared_ptr<SQLiteBackend> backend, SQLiteCache& counter) {
    co_await counter.size();
    co_await backend->has_url(Url("http://h.test/"));
    co_await backend->clear();
  }

  SQLiteCache counter_;
};

std::string const where = "http://h.test/page";

StoredResponse response_of_1_kib() {
  http::fields headers;
  headers.set("ETag", "\"a\"");
  headers.set("Cache-Control", "max-age=60");
  ResponseHead head(Url(where), 200, "OK", std::move(headers));
  CacheInfo info;
  TimePoint const now = system_clock()->now();
  info.set_times(now, now).set_created_at(now).set_expires(now + std::chrono::seconds(60));
  StoredBody body(std::make_shared<std::string const>(std::size_t{1024}, 'x'));
  return StoredResponse(CachedHead(std::move(head), std::move(info)), std::move(body));
}

asio::awaitable<void> store(std::shared_ptr<SQLiteBackend> backend) {
  co_await backend->store(response_of_1_kib());
}
asio::awaitable<void> store_alias(std::shared_ptr<SQLiteBackend> backend) {
  co_await backend->store_alias(Url("http://h.test/from"), Url(where));
}
asio::awaitable<void> look_up(std::shared_ptr<SQLiteBackend> backend, bool expected) {
  Request const request(http::verb::get, Url(where));
  LookupQuery query(request, "");
  Lookup const found = co_await backend->lookup(std::move(query));
  CHECK(found.selected().has_value() == expected);
}
asio::awaitable<void> freshen(std::shared_ptr<SQLiteBackend> backend) {
  bool const there = co_await backend->freshen(response_of_1_kib());
  CHECK(there);
}
asio::awaitable<void> remove(std::shared_ptr<SQLiteBackend> backend) {
  bool const there = co_await backend->remove_with_aliases(Url(where));
  CHECK(there);
}
asio::awaitable<void> get(std::shared_ptr<SQLiteBackend> backend, std::shared_ptr<HttpClient> client,
                          bool from_cache) {
  CachedSession session(co_await asio::this_coro::executor, client, backend);
  CachedResponse const response = co_await session.get(where);
  CHECK(response.body().size() == 1024);
  CHECK(response.from_cache() == from_cache);
}

}  // namespace

TEST_CASE("Each operation is one job in one transaction, and a look-up commits nothing") {
  ByHand file;
  auto const cost = [&](asio::awaitable<void> operation) {
    Cost const counted = file.measure(std::move(operation));
    CHECK(counted.hops == 1);
    return counted.commits;
  };
  CHECK(cost(look_up(file.backend, false)) == 0);
  CHECK(cost(store(file.backend)) == 1);
  CHECK(cost(store_alias(file.backend)) == 1);
  CHECK(cost(look_up(file.backend, true)) == 0);
  CHECK(cost(freshen(file.backend)) == 1);
  CHECK(cost(remove(file.backend)) == 1);
  CHECK(cost(look_up(file.backend, false)) == 0);
}

TEST_CASE("A hit of 1 KiB costs a session one hop and no write; a miss two and one commit") {
  ByHand file;
  auto const client = std::make_shared<FakeClient>([](Request const& request) {
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", std::string(1024, 'x'));
  });
  Cost const miss = file.measure(get(file.backend, client, false));
  CHECK(miss.hops == 2);
  CHECK(miss.commits == 1);
  for (int i = 0; i < 3; ++i) {
    Cost const hit = file.measure(get(file.backend, client, true));
    CHECK(hit.hops == 1);
    CHECK(hit.commits == 0);
  }
}
