// Answers that are kept by more than their URL: by the request's body, its header fields, a key of the
// user's.

#include <fstream>
#include <iterator>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "support/range_origin.hpp"
#include "support/temp_directory.hpp"

using namespace test_support;

namespace {

/// Says what it was asked.
StreamedResponse echo(Request const& request, std::string const& headers = "") {
  std::string const* const body = request.body().text();
  return FakeClient::answer(request, 200, headers, request.method_string() + ' ' + (body ? *body : ""));
}
FakeClient::Answer echoes(std::string headers = "") {
  return [=](Request const& request) { return echo(request, headers); };
}
CachedResponse post(World& world, std::string const& body, std::string const& type = "application/json",
                    std::string const& where = url) {
  return world.run(world.session.post(where).header("Content-Type", type).body(Body(body)));
}
CacheOptions for_queries() {
  return CacheOptions()
      .allowed_methods(http::verb::get, http::verb::head, http::verb::post)
      .expire_after(60s);
}

/// A world whose answers are in a file.
struct FileWorld : World {
  FileWorld(FakeClient::Answer answer, CacheOptions options)
      : World(std::move(answer)),
        stored(std::make_shared<SQLiteBackend>(directory.file("cache.sqlite"),
                                               options.clock(clock).observer(events))) {
    backend = stored;
    session = CachedSession(io.get_executor(), client, backend);
  }
  /// Every byte that is on the disk.
  std::string bytes() const {
    std::string all;
    for (char const* name : {"cache.sqlite", "cache.sqlite-wal"}) {
      std::ifstream in(directory.file(name), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    }
    return all;
  }
  TempDirectory directory;
  std::shared_ptr<SQLiteBackend> stored;
};

/// A cache in memory, then one in a file.
std::shared_ptr<World> each_world(FakeClient::Answer answer, CacheOptions options) {
  bool const in_file = GENERATE(false, true);
  if (in_file) return std::make_shared<FileWorld>(std::move(answer), std::move(options));
  return std::make_shared<World>(std::move(answer), std::move(options));
}

asio::awaitable<bool> empty(std::shared_ptr<CacheBackend> backend) {
  co_await backend->clear();
  co_return true;
}

}  // namespace

TEST_CASE("answers to POST are not kept unless the user allows the method") {
  World world(echoes("Cache-Control: max-age=60\r\n"), CacheOptions().expire_after(60s));
  post(world, "{}");
  CHECK_FALSE(post(world, "{}").from_cache());
  CHECK(world.asked() == 2);
}

TEST_CASE("answers to POST are kept by URL and body") {
  auto const held = each_world(echoes(), for_queries());
  World& world = *held;
  auto const first = post(world, "{\"a\":1}");
  CHECK(has(first.cache_status(), "fwd=uri-miss"));
  CHECK(has(first.cache_status(), "stored"));
  auto const hit = post(world, "{\"a\":1}");
  CHECK(hit.from_cache());
  CHECK(hit.body() == "POST {\"a\":1}");
  CHECK(hit.url().str() == url);
  CHECK(hit.method() == http::verb::post);
  CHECK_FALSE(post(world, "{\"a\":2}").from_cache());
  CHECK_FALSE(post(world, "{\"a\":1}", "text/plain").from_cache());
  CHECK_FALSE(post(world, "{\"a\":1}", "application/json", url + "?x").from_cache());
  CHECK_FALSE(ask(world).from_cache());
  CHECK(ask(world).body() == "GET ");
  CHECK(post(world, "{\"a\":1}").from_cache());
  world.clock->advance(61s);
  CHECK(has(post(world, "{\"a\":1}").cache_status(), "fwd=stale"));
  CHECK(post(world, "{\"a\":1}").from_cache());
  CHECK(world.events->errors.empty());
}

TEST_CASE("an answer to a query needs a lifetime, and is neither validated nor guessed at") {
  std::string headers = "ETag: \"a\"\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
  World world([&](Request const& request) { return echo(request, headers); },
              CacheOptions().allowed_methods(http::verb::post));
  CHECK_FALSE(has(post(world, "{}").cache_status(), "stored"));
  headers += "Cache-Control: max-age=10\r\n";
  CHECK(has(post(world, "{}").cache_status(), "stored"));
  CHECK(post(world, "{}").from_cache());
  world.clock->advance(11s);
  CHECK_FALSE(post(world, "{}").from_cache());
  CHECK_FALSE(sent(world, "If-None-Match"));
  headers = "Cache-Control: no-store\r\n";
  CHECK_FALSE(has(post(world, "{\"b\":1}").cache_status(), "stored"));
  // For one request the caller can say so as well.
  headers.clear();
  auto const once = world.run(world.session.post(url).body(Body("x")).expire_after(5s));
  CHECK(has(once.cache_status(), "stored"));
}

TEST_CASE("a query changes nothing, and what changes the URL removes answers to queries as well") {
  auto const held = each_world(echoes(), for_queries());
  World& world = *held;
  std::string const other = url + "?other";
  auto const get_with_body = [&] { return world.run(world.session.get(url).body(Body("part"))); };
  ask(world);
  get_with_body();
  post(world, "{}");
  post(world, "{}", "application/json", other);
  CHECK(ask(world).from_cache());
  CHECK(get_with_body().from_cache());
  ask(world, "DELETE");
  CHECK_FALSE(ask(world).from_cache());
  CHECK_FALSE(get_with_body().from_cache());
  CHECK_FALSE(post(world, "{}").from_cache());
  CHECK(post(world, "{}", "application/json", other).from_cache());
}

TEST_CASE("what changes a URL removes answers under the user's keys for it, whatever else they are made of") {
  auto const key = [](Request const& request) { return std::string(request.headers()["X-Part"]); };
  auto const held = each_world(echoes("Cache-Control: max-age=60\r\n"), CacheOptions().key(key));
  World& world = *held;
  auto const get = [&](char const* part) { return ask(world, Fields{{"X-Part", part}}); };
  get("a");
  get("b");
  CHECK(get("a").from_cache());
  ask(world, "DELETE");
  CHECK_FALSE(get("a").from_cache());
  CHECK_FALSE(get("b").from_cache());
}

TEST_CASE("what a filter takes out of the cache is the answer to that query alone") {
  std::string refused;
  World world(echoes(), for_queries().filter([&](CachedHead const& head) {
    return http::to_string(head.method()) != refused;
  }));
  ask(world);
  post(world, "{}");
  refused = "POST";
  CHECK_FALSE(post(world, "{}").from_cache());
  refused.clear();
  CHECK(ask(world).from_cache());
  CHECK_FALSE(post(world, "{}").from_cache());
}

TEST_CASE("forms and JSON are compared without what is ignored, in any order") {
  World world(echoes(), for_queries().ignored_params("api_key", "t"));
  auto const same = [&](std::string const& type, std::string const& a, std::string const& b) {
    world.run(empty(world.backend));
    post(world, a, type);
    return post(world, b, type).from_cache();
  };
  std::string const form = "application/x-www-form-urlencoded";
  CHECK(same(form, "a=1&b=2", "b=2&a=1"));
  CHECK(same(form, "a=1&api_key=x", "api%5Fkey=y&a=1"));
  CHECK(same(form + "; charset=utf-8", "a=1", "a=1&t"));
  CHECK_FALSE(same(form, "a=1&a=2", "a=2&a=1"));
  CHECK_FALSE(same(form, "a=1", "a=2"));
  std::string const json = "application/json";
  CHECK(same(json, R"({"a":1,"b":[1,{"x":"\"}","y":null}]})",
             R"( { "b" : [ 1 , {"y":null,"x":"\"}"} ] , "a" : 1 } )"));
  CHECK(same(json, R"({"a":1,"api_key":"x"})", R"({"api\u005fkey":{"y":2},"a":1})"));
  CHECK(same("application/graphql+json", R"({"a":1,"b":2})", R"({"b":2,"a":1})"));
  CHECK_FALSE(same(json, R"({"a":[1,2]})", R"({"a":[2,1]})"));
  CHECK_FALSE(same(json, R"({"a":{"t":1}})", R"({"a":{"t":2}})"));
  CHECK_FALSE(same(json, R"({"a":"1 2"})", R"({"a":"12"})"));
  // What is no JSON is compared byte by byte.
  CHECK_FALSE(same(json, R"({"a":1)", R"({ "a":1)"));
  CHECK_FALSE(same(json, R"({"a":1,})", R"({"a":1})"));
  CHECK_FALSE(same(json, std::string(100, '['), std::string(101, '[')));
  CHECK_FALSE(same("text/plain", "b=2&a=1", "a=1&b=2"));
}

TEST_CASE("the body of a GET tells answers apart, too") {
  World world(echoes("Cache-Control: max-age=60\r\n"));
  auto const get = [&](std::string const& body) {
    return world.run(world.session.get(url).body(Body(body)));
  };
  get("a");
  CHECK(get("a").from_cache());
  CHECK_FALSE(get("b").from_cache());
  CHECK_FALSE(ask(world).from_cache());
}

TEST_CASE("a body that is not in memory is not compared: its answer is not kept") {
  World world(echoes(), for_queries());
  auto const stream = [] { return std::make_unique<StringReader>(std::string("text")); };
  for (int i = 0; i < 2; ++i) {
    auto const answer = world.run(world.session.post(url).body(Body::from_source(stream, 4)));
    CHECK_FALSE(answer.from_cache());
    CHECK_FALSE(has(answer.cache_status(), "stored"));
  }
}

TEST_CASE("methods that change something can't be allowed") {
  CHECK_THROWS_AS(CacheOptions().allowed_methods(http::verb::put), std::invalid_argument);
  CHECK_THROWS_AS(CacheOptions().allowed_methods(http::verb::get, http::verb::delete_),
                  std::invalid_argument);
  CHECK_THROWS_AS(CacheOptions().allowed_methods(http::verb::patch), std::invalid_argument);
  CHECK(CacheOptions().allowed_methods(http::verb::search).allows(http::verb::search));
}

TEST_CASE("a key of the user's stands for URL and body") {
  auto const key = [](Request const& request) {
    std::string const path = request.url().str().substr(0, request.url().str().find("/v"));
    return path == "http://plain.test" ? std::string() : path;
  };
  auto const held = each_world(echoes("Cache-Control: max-age=60\r\n"), CacheOptions().key(key));
  World& world = *held;
  auto const get = [&](std::string const& where) { return ask(world, Fields(), where); };
  get("http://origin.test/v1");
  auto const hit = get("http://origin.test/v2");
  CHECK(hit.from_cache());
  CHECK(hit.url().str() == "http://origin.test/v2");
  CHECK_FALSE(get("http://other.test/v1").from_cache());
  // An empty text stands for the usual key.
  CHECK_FALSE(get("http://plain.test/v1").from_cache());
  CHECK_FALSE(get("http://plain.test/v2").from_cache());
  CHECK(get("http://plain.test/v1").from_cache());
  CHECK(world.run(world.backend->has_url(Url("http://origin.test/v3"))));
  // What changes one of its URLs changes all of them.
  ask(world, Fields(), "http://origin.test/v4", "PUT");
  CHECK_FALSE(get("http://origin.test/v1").from_cache());
  world.clock->advance(61s);
  CHECK(has(get("http://origin.test/v2").cache_status(), "fwd=stale"));
  CHECK(get("http://origin.test/v1").from_cache());
  CHECK(world.events->errors.empty());
}

TEST_CASE("where a key function says nothing, No-Vary-Search counts as ever") {
  World world(echoes("Cache-Control: max-age=60\r\nNo-Vary-Search: params=(\"u\")\r\n"),
              CacheOptions().key([](Request const&) { return std::string(); }));
  ask(world, Fields(), url + "?u=1");
  CHECK(ask(world, Fields(), url + "?u=2").from_cache());
  ask(world, Fields(), url + "?u=3", "PUT");
  CHECK_FALSE(ask(world, Fields(), url + "?u=2").from_cache());
}

TEST_CASE("a key function that fails is a fault of the cache, not of the request") {
  World world(echoes("Cache-Control: max-age=60\r\n"),
              CacheOptions().key([](Request const&) -> std::string { throw std::runtime_error("key"); }));
  CHECK(world.get().status() == 200);
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.events->errors == std::vector<std::string>{"key " + url, "key " + url});
}

TEST_CASE("with include_headers all header fields keep answers apart, but for those that are ignored") {
  World world(echoes("Cache-Control: max-age=60\r\n"),
              CacheOptions().include_headers(true).ignored_params("X-Trace"));
  auto const hits = [&](Fields const& fields) { return ask(world, fields).from_cache(); };
  CHECK_FALSE(hits({{"X-A", "1"}}));
  CHECK(hits({{"x-a", "1"}}));
  CHECK(hits({{"X-A", "1"}, {"X-Trace", "7"}, {"Cache-Control", "max-stale"}}));
  CHECK_FALSE(hits({{"X-A", "2"}}));
  CHECK_FALSE(hits({{"X-B", "1"}}));
  CHECK_FALSE(hits({{"X-A", "1"}, {"X-B", "1"}}));
  CHECK_FALSE(hits({}));
  CHECK(hits({{"X-B", "1"}, {"X-A", "1"}}));
}

TEST_CASE("what is ignored, and what authorises, is not in the file") {
  std::string const secret = "s3cr3t-api-key";
  FileWorld world(
      [](Request const& request) {
        return FakeClient::answer(request, 200, "Vary: X-Api-Key, Authorization\r\n", "body");
      },
      for_queries().ignored_params("api_key", "X-Api-Key"));
  Fields const fields{
      {"X-Api-Key", secret}, {"Authorization", "Bearer " + secret}, {"Cookie", "id=" + secret}};
  for (int i = 0; i < 2; ++i) {
    bool const second = i == 1;
    CHECK(ask(world, fields, url + "?q=1&api_key=" + secret).from_cache() == second);
    CHECK(ask(world, fields, url + "?api%5Fkey=" + secret).from_cache() == second);
    CHECK(post(world, "{\"q\":1,\"api_key\":\"" + secret + "\"}").from_cache() == second);
    CHECK(post(world, "api_key=" + secret, "application/x-www-form-urlencoded").from_cache() == second);
  }
  // Another key gets no answer by this one, where the origin says that it matters.
  CHECK_FALSE(ask(world, {{"X-Api-Key", "another"}}, url + "?q=1").from_cache());
  CHECK(has(world.bytes(), "origin.test/page?q=1"));
  CHECK_FALSE(has(world.bytes(), secret));
}

TEST_CASE("a redirect with a parameter that is ignored is followed, and not stored") {
  std::string const secret = "s3cr3t-api-key";
  FileWorld world(
      [&](Request const& request) {
        bool const first = has(request.url().str(), "/page");
        return FakeClient::answer(request, first ? 301u : 200u,
                                  "Cache-Control: max-age=60\r\n" +
                                      (first ? "Location: /final?api_key=" + secret + "\r\n" : std::string()),
                                  "body");
      },
      CacheOptions().ignored_params("api_key"));
  CHECK(world.get().status() == 200);
  auto const again = world.get();
  CHECK(again.from_cache());
  CHECK(world.asked() == 3);
  CHECK(world.client->requests().back().url().str() == url);
  CHECK_FALSE(has(world.bytes(), secret));
}
