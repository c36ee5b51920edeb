// What is counted of a cache and a client.

#include "beast_cache/backend/statistics.hpp"

#include "support/range_origin.hpp"

using namespace test_support;

TEST_CASE("hits, misses by reason, validations and faults are counted, and passed on") {
  auto const next = std::make_shared<Events>();
  auto const statistics = std::make_shared<Statistics>(next);
  World world(always("Cache-Control: max-age=60\r\nETag: \"a\"\r\nVary: Accept\r\n"));
  auto const backend =
      std::make_shared<CacheBackend>(world.responses, std::make_shared<MemoryCache<std::string>>(),
                                     CacheOptions().clock(world.clock).observer(statistics));
  world.session = CachedSession(world.io.get_executor(), world.client, backend);
  world.get();
  world.get();
  ask(world, {{"Accept", "x"}});
  ask(world, "POST");
  ask(world);
  ask(world, {{"Cache-Control", "no-cache"}});
  world.responses->failing = true;
  world.get();

  Statistics::Snapshot const counted = statistics->snapshot();
  CHECK(counted.hits() == 1);
  CHECK(counted.forwarded("uri-miss") == 2);
  CHECK(counted.forwarded("miss") == 1);
  CHECK(counted.forwarded("vary-miss") == 1);
  CHECK(counted.forwarded("method") == 1);
  CHECK(counted.forwarded("request") == 1);
  CHECK(counted.forwarded("no such") == 0);
  CHECK(counted.forwarded() == 6);
  CHECK(counted.collapsed() == 0);
  CHECK(counted.errors() == next->errors.size());
  CHECK(counted.errors() > 0);
  CHECK(counted.exchanges() == 0);
  CHECK(next->responses.size() == 7);
}

TEST_CASE("what the cache saves is counted in bytes and time") {
  auto const statistics = std::make_shared<Statistics>();
  std::optional<World> world;
  auto const slow = [&](Request const& request) {
    world->clock->advance(250ms);
    bool const asks = request.headers().count("If-None-Match") != 0;
    return FakeClient::answer(request, asks ? 304 : 200, "Cache-Control: max-age=60\r\nETag: \"a\"\r\n",
                              asks ? "" : "12345678");
  };
  world.emplace(slow);
  auto const backend =
      std::make_shared<CacheBackend>(world->responses, std::make_shared<MemoryCache<std::string>>(),
                                     CacheOptions().clock(world->clock).observer(statistics));
  world->session = CachedSession(world->io.get_executor(), world->client, backend);
  world->get();
  CHECK(statistics->snapshot().bytes_saved() == 0);
  CHECK(statistics->snapshot().time_saved() == 0ms);
  world->get();
  CHECK(statistics->snapshot().bytes_saved() == 8);
  CHECK(statistics->snapshot().time_saved() == 250ms);
  ask(*world, {{"Range", "bytes=0-2"}});
  CHECK(statistics->snapshot().bytes_saved() == 8 + 3);
  CHECK(statistics->snapshot().time_saved() == 500ms);
  ask(*world, "HEAD");
  CHECK(statistics->snapshot().bytes_saved() == 8 + 3);
  // The origin is asked, and sends no body.
  ask(*world, {{"Cache-Control", "no-cache"}});
  CHECK(statistics->snapshot().hits() == 3);
  CHECK(statistics->snapshot().validated() == 1);
  CHECK(statistics->snapshot().bytes_saved() == 8 + 3 + 8);
  CHECK(statistics->snapshot().time_saved() == 750ms);
}

TEST_CASE("evictions are counted, and passed on") {
  class Next final : public Observer {
   public:
    void on_evicted(std::string_view where, std::uint64_t) override { evicted.emplace_back(where); }
    void on_saved(std::string_view, std::uint64_t bytes, std::chrono::milliseconds) override {
      saved += bytes;
    }
    std::vector<std::string> evicted;
    std::uint64_t saved = 0;
  };
  auto const next = std::make_shared<Next>();
  auto const hosts = std::make_shared<HostStatistics>(next);
  Statistics statistics(hosts);
  statistics.on_evicted("http://a.test/1", 100);
  statistics.on_evicted("http://b.test/1", 20);
  statistics.on_saved("http://b.test/1", 7, 1500ms);
  CHECK(statistics.snapshot().evictions() == 2);
  CHECK(statistics.snapshot().evicted_bytes() == 120);
  CHECK(next->evicted.size() == 2);
  CHECK(next->saved == 7);
  CHECK(hosts->snapshots().at("a.test").evicted_bytes() == 100);
  CHECK(has(statistics.openmetrics(), "\nbeast_cache_evictions_total 2\n"));
  CHECK(has(statistics.openmetrics(), "\nbeast_cache_saved_seconds_total 1.500\n"));
  CHECK(has(hosts->openmetrics(),
            "\nbeast_cache_saved_bytes_total{host=\"a.test\"} 0\n"
            "beast_cache_saved_bytes_total{host=\"b.test\"} 7\n"));
  CHECK(has(hosts->openmetrics(), "{host=\"b.test\",reason=\"stale\"} 0\n"));
}

TEST_CASE("a validation and a text that says anything are told apart") {
  Statistics statistics;
  statistics.on_response("u", "beast_cache; fwd=stale; fwd-status=304; ttl=60; stored");
  statistics.on_response("u", "beast_cache; fwd=uri-miss; ttl=60; collapsed");
  statistics.on_response("u", "beast_cache; fwd=stale; detail=\"hit; stored\"");
  Statistics::Snapshot const counted = statistics.snapshot();
  CHECK(counted.validated() == 1);
  CHECK(counted.stored() == 1);
  CHECK(counted.collapsed() == 1);
  CHECK(counted.hits() == 0);
  CHECK(counted.forwarded("stale") == 2);
}

TEST_CASE("each host is counted by itself, those beyond the bound together") {
  auto const next = std::make_shared<Events>();
  HostStatistics statistics(next, 2);
  statistics.on_response("http://a.test/x", "beast_cache; hit; ttl=3");
  statistics.on_response("http://a.test?y", "beast_cache; hit; ttl=3");
  statistics.on_response("http://b.test:81/", "beast_cache; fwd=uri-miss; stored");
  statistics.on_response("http://c.test/", "beast_cache; hit; ttl=3");
  statistics.on_response("http://d.test/", "beast_cache; hit; ttl=3");
  statistics.on_cache_error("lookup", "http://a.test/", std::make_exception_ptr(std::runtime_error("x")));
  statistics.on_exchange(
      ExchangeEvent(1, ExchangeEvent::Cause::request, "GET", Url("http://b.test:81/"), {}));
  auto const hosts = statistics.snapshots();
  REQUIRE(hosts.size() == 3);
  CHECK(hosts.at("a.test").hits() == 2);
  CHECK(hosts.at("a.test").errors() == 1);
  CHECK(hosts.at("b.test:81").forwarded("uri-miss") == 1);
  CHECK(hosts.at("b.test:81").exchanges() == 1);
  CHECK(hosts.at("").hits() == 2);
  CHECK(next->responses.size() == 5);
}

TEST_CASE("exchanges are counted with their bytes") {
  Statistics statistics;
  statistics.on_exchange(ExchangeEvent(1, ExchangeEvent::Cause::request, "GET", Url(url), {}));
  CHECK(statistics.snapshot().exchanges() == 1);
  CHECK(statistics.snapshot().failed_exchanges() == 0);
  CHECK(statistics.snapshot().bytes_received() == 0);
}

TEST_CASE("the counters are told as OpenMetrics text") {
  Statistics statistics;
  statistics.on_response("u", "beast_cache; hit; ttl=3");
  statistics.on_response("u", "beast_cache; fwd=vary-miss");
  std::string const text = statistics.openmetrics();
  CHECK(has(text, "# TYPE beast_cache_hits counter\n# HELP beast_cache_hits "));
  CHECK(has(text, "\nbeast_cache_hits_total 1\n"));
  CHECK(has(text, "\nbeast_cache_forwarded_total{reason=\"vary-miss\"} 1\n"));
  CHECK(has(text, "\nbeast_cache_forwarded_total{reason=\"stale\"} 0\n"));
  CHECK(text.ends_with("# EOF\n"));
}
