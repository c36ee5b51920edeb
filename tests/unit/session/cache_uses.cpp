// What a session, or one request, may do with the cache and the network.

#include "support/range_origin.hpp"

using namespace test_support;

namespace {

/// Stands for an origin that says something new each time.
struct Counting {
  std::string headers;
  int count = 0;
  StreamedResponse operator()(Request const& request) {
    return FakeClient::answer(request, 200, headers, std::to_string(++count));
  }
};
CachedResponse get(World& world, CachedSession session, std::string const& where = url) {
  return world.run(session.get(where));
}
bool is_stored(World& world, std::string const& where = url) {
  return world.run(world.backend->has_url(Url(where)));
}

}  // namespace

TEST_CASE("read-only: answers, and writes nothing") {
  World world([](Request const& request) {
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", request.method_string());
  });
  CachedSession const reader = world.session.with(CacheUse::read_only);
  CHECK_FALSE(has(get(world, reader).cache_status(), "stored"));
  CHECK_FALSE(is_stored(world));
  world.get();
  CHECK(get(world, reader).from_cache());
  CachedSession writer = reader;
  CHECK(world.run(writer.delete_(url)).status() == 200);
  CHECK(world.get().from_cache());
  // The same for one request.
  CHECK(world.run(world.session.get(url).use(CacheUse::read_only)).from_cache());
  world.run(world.session.get(url + "?2").use(CacheUse::read_only));
  CHECK_FALSE(is_stored(world, url + "?2"));
}

TEST_CASE("read-only: what is validated is served, and left as it is") {
  RangeOrigin origin;
  World world([&](Request const& request) { return origin(request); });
  world.get();
  world.clock->advance(61s);
  CachedSession const reader = world.session.with(CacheUse::read_only);
  for (int i = 0; i < 2; ++i) {
    auto const validated = get(world, reader);
    CHECK(has(validated.cache_status(), "fwd=stale; fwd-status=304"));
    CHECK_FALSE(has(validated.cache_status(), "stored"));
    CHECK(validated.body() == origin.body);
  }
  // Nor does what the origin says anew replace it.
  origin.etag = "\"b\"";
  origin.body = "new";
  CHECK(get(world, reader).body() == "new");
  world.clock->set(world.clock->now() - 61s);
  CHECK(get(world, reader).body() == "0123456789");
}

TEST_CASE("read-only: a filter's refusal and what is served stale write nothing either") {
  bool refuses = false;
  World world(Counting{"Cache-Control: max-age=60, stale-while-revalidate=60\r\n"},
              CacheOptions().filter([&](CachedHead const&) { return !refuses; }));
  world.get();
  CachedSession const reader = world.session.with(CacheUse::read_only);
  refuses = true;
  CHECK_FALSE(get(world, reader).from_cache());
  refuses = false;
  CHECK(world.get().body() == "1");
  world.clock->advance(61s);
  CHECK(get(world, reader).body() == "1");
  CHECK(world.asked() == 2);
}

TEST_CASE("refresh validates, force_refresh fetches anew, and both store") {
  RangeOrigin origin;
  World world([&](Request const& request) { return origin(request); });
  world.get();
  bool const per_session = GENERATE(false, true);
  auto const ask_with = [&](CacheUse use) {
    if (per_session) return get(world, world.session.with(use));
    return world.run(world.session.get(url).use(use));
  };
  CHECK(has(ask_with(CacheUse::refresh).cache_status(), "fwd-status=304"));
  CHECK(world.last_sent("Cache-Control") == "no-cache");
  CHECK(world.last_sent("If-None-Match") == "\"a\"");
  origin.body = "new, under the same tag";
  auto const fresh = ask_with(CacheUse::force_refresh);
  CHECK(fresh.body() == origin.body);
  CHECK(has(fresh.cache_status(), "fwd=request"));
  CHECK(has(fresh.cache_status(), "stored"));
  CHECK(world.last_sent("Cache-Control") == "no-cache");
  CHECK_FALSE(sent(world, "If-None-Match"));
  CHECK(world.get().from_cache());
  CHECK(world.get().body() == origin.body);
}

TEST_CASE("offline asks nobody, whatever the method and the options") {
  World world(Counting{"Cache-Control: max-age=60\r\n"},
              CacheOptions().cache_control(false).expire_after(60s));
  CachedSession offline = world.session.offline();
  CachedResponse const missing = world.run(offline.get(url));
  CHECK(missing.status() == 504);
  CHECK(missing.reason() == "Gateway Timeout (nothing stored answers)");
  CHECK(missing.cache_status() == "beast_cache; detail=\"only-if-cached, URI miss\"");
  CHECK(world.run(offline.post(url)).status() == 504);
  CHECK(world.run(offline.get(url).use(CacheUse::force_refresh)).status() == 504);
  CHECK(world.run(offline.disabled().get(url)).status() == 504);
  CHECK(world.asked() == 0);
  world.get();
  CHECK(world.run(offline.get(url)).from_cache());
  world.clock->advance(61s);
  CHECK(world.run(offline.get(url)).cache_status() == "beast_cache; detail=\"only-if-cached, stale\"");
  CHECK(world.run(offline.get(url).header("Cache-Control", "max-stale")).status() == 504);
  world.clock->advance(-61s);
  CHECK(world.run(world.session.get(url).only_if_cached()).from_cache());
}

namespace {

/// Asks in each of the ways that there are: with all of the body, by its stream, and as an operation.
std::string ask_by(World& world, std::string const& way,
                   std::function<RequestBuilder<detail::CachedCore>()> const& make) {
  if (way == "get") return world.run(make()).cache_status();
  if (way == "send") return world.run(make().send()).cache_status();
  CachedStream stream = world.run(make().stream());
  world.run(read_all(stream.take_body()));
  return stream.cache_status();
}

}  // namespace

TEST_CASE("what the program asks for holds without cache_control, too") {
  RangeOrigin origin;
  World world([&](Request const& request) { return origin(request); },
              CacheOptions().cache_control(false).expire_after(60s));
  auto const way = GENERATE(as<std::string>(), "get", "stream", "send");
  CAPTURE(way);
  CachedSession& session = world.session;
  SECTION("refresh") {
    world.get();
    CHECK(has(ask_by(world, way, [&] { return session.get(url).refresh(); }), "fwd=request; fwd-status=304"));
    CHECK(has(ask_by(world, way, [&] { return session.get(url).use(CacheUse::refresh); }),
              "detail=\"refresh\""));
    CachedSession refreshing = session.with(CacheUse::refresh);
    CHECK(has(ask_by(world, way, [&] { return refreshing.get(url); }), "fwd-status=304"));
    CHECK(world.asked() == 4);
    CHECK(world.last_sent("Cache-Control") == "no-cache");
    CHECK(world.last_sent("If-None-Match") == "\"a\"");
    CHECK(has(ask_by(world, way, [&] { return session.get(url).refresh().refresh(false); }), "hit"));
  }
  SECTION("no_store") {
    auto const keep_out = [&] { return session.get(url).no_store(); };
    CHECK(has(ask_by(world, way, keep_out), "fwd=request; detail=\"request no-store\""));
    CHECK_FALSE(is_stored(world));
    CHECK(world.last_sent("Cache-Control") == "no-store");
    world.get();
    origin.body = "new";
    CHECK_FALSE(has(ask_by(world, way, keep_out), "hit"));
    CHECK(world.asked() == 3);
    CHECK(world.get().body() == "0123456789");
    CHECK(ask_by(world, way, [&] { return session.get(url).no_store().only_if_cached(); }) ==
          "beast_cache; detail=\"only-if-cached, request no-store\"");
    CHECK(ask_by(world, way, [&] { return session.disabled().get(url).only_if_cached(); }) ==
          "beast_cache; detail=\"only-if-cached, disabled\"");
  }
  SECTION("force_refresh, disabled and expire_after") {
    world.get();
    CHECK(ask_by(world, way, [&] { return session.get(url).use(CacheUse::force_refresh); }) ==
          "beast_cache; fwd=request; ttl=60; stored; detail=\"force_refresh\"");
    CHECK(ask_by(world, way, [&] { return session.get(url).use(CacheUse::disabled); }) ==
          "beast_cache; fwd=bypass; detail=\"disabled\"");
    CHECK(ask_by(world, way, [&] { return session.get(url).expire_after(0s); }) ==
          "beast_cache; fwd=bypass; detail=\"expire_after\"");
    CHECK(world.asked() == 4);
  }
}

TEST_CASE("a session that refreshes does so as a client of another one, without cache_control, too") {
  World world(Counting{""}, CacheOptions().cache_control(false).expire_after(60s));
  world.get();
  Request request(http::verb::get, Url(url));
  StreamedResponse const response = world.run(world.session.with(CacheUse::refresh).send(request));
  CHECK(has(std::string(response.header("Cache-Status")), "fwd=request"));
  CHECK(world.asked() == 2);
}

TEST_CASE("what the fields of a request say does not count without cache_control") {
  World world(Counting{""}, CacheOptions().cache_control(false).expire_after(60s));
  world.get();
  CHECK(world.run(world.session.get(url).header("Cache-Control", "no-store")).from_cache());
  CHECK(world.run(world.session.get(url).header("Cache-Control", "no-cache")).from_cache());
}

TEST_CASE("what is kept out of the cache is recorded and replayed as everything is") {
  World world(Counting{""});
  CHECK(world.run(world.session.get(url).no_store().use(CacheUse::record)).body() == "1");
  CHECK(world.run(world.session.get(url).no_store().use(CacheUse::record)).from_cache());
  CHECK(world.run(world.session.with(CacheUse::replay).get(url).no_store()).body() == "1");
  CHECK(world.asked() == 1);
}

TEST_CASE("what several uses forbid adds up, and the first session is as it was") {
  World world(Counting{"Cache-Control: max-age=60\r\n"});
  CachedSession both = world.session.with(CacheUse::read_only).with(CacheUse::force_refresh);
  CHECK(get(world, both).body() == "1");
  CHECK_FALSE(is_stored(world));
  CHECK(get(world, world.session.disabled()).body() == "2");
  CHECK(has(world.get().cache_status(), "stored"));
  CHECK(get(world, both).body() == "4");
  CHECK(get(world, world.session.with(CacheUse::normal)).body() == "3");
  CHECK(world.run(world.session.get(url).refresh().refresh(false)).from_cache());
}

TEST_CASE("what was recorded is replayed, whatever HTTP says of it") {
  World world(
      [](Request const& request) {
        std::string const* const body = request.body().text();
        return FakeClient::answer(request, request.method() == http::verb::put ? 500u : 200u,
                                  "Cache-Control: no-store\r\n",
                                  request.method_string() + (body ? *body : std::string()));
      },
      CacheOptions().ignored_params("key"));
  auto const exchange = [&](CacheUse use) {
    CachedSession session = world.session.with(use);
    CHECK(world.run(session.get(url + "?key=1")).body() == "GET");
    CHECK(world.run(session.get(url).refresh()).body() == "GET");
    CHECK(world.run(session.post(url).body(Body("a"))).body() == "POSTa");
    CHECK(world.run(session.post(url).body(Body("b")).expire_after(do_not_cache)).body() == "POSTb");
    auto const failed = world.run(session.put(url).body(Body("c")));
    CHECK(failed.status() == 500);
    CHECK(failed.body() == "PUTc");
    CHECK(world.run(session.request("ODD", url)).body() == "ODD");
  };
  exchange(CacheUse::record);
  std::size_t const recorded = world.asked();
  CHECK(recorded == 6);
  world.clock->advance(24h * 4000);
  exchange(CacheUse::replay);
  CHECK(world.asked() == recorded);
  // A second recording asks for what is missing only, but for the refresh.
  exchange(CacheUse::record);
  CHECK(world.asked() == recorded + 1);
  CHECK(world.events->errors.empty());
}

TEST_CASE("what was recorded is replayed whole, whatever conditions it was asked with") {
  World world([](Request const& request) {
    return FakeClient::answer(request, request.method() == http::verb::put ? 201u : 200u, "ETag: \"a\"\r\n",
                              "0123456789");
  });
  auto const exchange = [&](CacheUse use) {
    CachedSession session = world.session.with(use);
    auto const created = world.run(session.put(url).header("If-None-Match", "*").body(Body("a")));
    CHECK(created.status() == 201);
    CHECK(created.body() == "0123456789");
    auto const posted = world.run(session.post(url).header("Range", "bytes=2-4").body(Body("a")));
    CHECK(posted.status() == 200);
    CHECK(posted.body() == "0123456789");
    for (auto const method : {http::verb::get, http::verb::put, http::verb::delete_}) {
      auto const matched = world.run(session.request(method, url + "?x").header("If-Match", "\"a\""));
      CHECK(matched.ok());
      CHECK(matched.body() == "0123456789");
    }
  };
  exchange(CacheUse::record);
  std::size_t const recorded = world.asked();
  exchange(CacheUse::replay);
  CHECK(world.asked() == recorded);
  // Out of what is held a GET is answered as ever.
  auto const part =
      world.run(world.session.with(CacheUse::replay).get(url + "?x").header("Range", "bytes=2-4"));
  CHECK(part.status() == 206);
  CHECK(part.body() == "234");
}

TEST_CASE("methods that HTTP does not know are recorded each by itself") {
  World world(
      [](Request const& request) { return FakeClient::answer(request, 200, "", request.method_string()); });
  CachedSession recorder = world.session.with(CacheUse::record);
  CHECK(world.run(recorder.request("ARCHIVE", url)).body() == "ARCHIVE");
  CHECK(world.run(recorder.request("RESTORE", url)).body() == "RESTORE");
  CachedSession player = world.session.with(CacheUse::replay);
  CHECK(world.run(player.request("ARCHIVE", url)).body() == "ARCHIVE");
  CHECK(world.run(player.request("RESTORE", url)).body() == "RESTORE");
  CHECK_THROWS_AS(world.run(player.request("DESTROY", url)), NotRecordedError);
  CHECK(world.asked() == 2);
}

TEST_CASE("an offline session removes nothing that the filter refuses") {
  bool refuses = false;
  World world(always("Cache-Control: max-age=60\r\n"),
              CacheOptions().filter([&](CachedHead const&) { return !refuses; }));
  world.get();
  refuses = true;
  CHECK(world.run(world.session.offline().get(url)).status() == 504);
  refuses = false;
  CHECK(world.get().from_cache());
}

TEST_CASE("a request that was not recorded is an error that names the nearest one") {
  World world(always(""), CacheOptions().ignored_params("key"));
  CachedSession recorder = world.session.with(CacheUse::record);
  CachedSession player = world.session.with(CacheUse::replay);
  auto const failure = [&](auto request) {
    try {
      world.run(std::move(request));
    } catch (NotRecordedError const& e) {
      CHECK(e.code() == cache_errc::not_recorded);
      CHECK(has(e.what(), e.request()));
      CHECK(has(e.what(), e.nearest()));
      return e.request() + " / " + e.nearest();
    }
    return std::string("none");
  };
  CHECK(failure(player.get(url + "?key=secret")) == "GET " + url + " / ");
  world.run(recorder.get("http://origin.test/users/1/posts"));
  world.run(recorder.get("http://origin.test/users/1/photos"));
  world.run(recorder.post("http://origin.test/users").body(Body("a")));
  CHECK(failure(player.get("http://origin.test/user/1/posts")) ==
        "GET http://origin.test/user/1/posts / GET http://origin.test/users/1/posts");
  CHECK(failure(player.put("http://origin.test/users")) ==
        "PUT http://origin.test/users / POST http://origin.test/users");
  CHECK(failure(player.post("http://origin.test/users").body(Body("b"))) ==
        "POST http://origin.test/users / POST http://origin.test/users");
  // Whatever the request asks for, and writes nothing.
  CHECK(failure(player.get(url).use(CacheUse::force_refresh)) != "none");
  CHECK(failure(player.disabled().get(url)) != "none");
  CHECK(world.run(player.get("http://origin.test/users/1/posts").use(CacheUse::disabled)).from_cache());
  CHECK(world.asked() == 3);
}

TEST_CASE("what is stored is listed, of any backend") {
  World world(always("Cache-Control: max-age=60\r\n"));
  world.get();
  world.run(world.session.get("http://other.test/"));
  auto all = world.backend->entries();
  auto const batch = world.run(all.next_batch());
  CHECK(batch.size() == 2);
  auto some = world.backend->entries(EntryFilter().url(UrlPattern("other.test")));
  auto const found = world.run(some.next());
  REQUIRE(found);
  CHECK(found->url().str() == "http://other.test/");
  CHECK(found->size() == 4);
  CHECK_FALSE(world.run(some.next()));
}

TEST_CASE("A status from 400 on is an error when it is raised") {
  World world([](Request const& request) {
    bool const found = has(request.url().str(), "/page");
    return FakeClient::answer(request, found ? 399u : 404u, "", "text");
  });
  CachedResponse const good = world.get();
  CHECK(good.ok());
  CHECK_NOTHROW(good.raise_for_status());
  CachedResponse const bad = world.run(world.session.get("http://origin.test/none"));
  CHECK_FALSE(bad.ok());
  CHECK(bad.body() == "text");
  try {
    bad.raise_for_status();
    FAIL("not raised");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::status);
    CHECK(has(e.what(), "404"));
  }
}

TEST_CASE("what is fetched without a look-up is never a part in place of the whole") {
  bool const breaks_off = GENERATE(false, true);
  CAPTURE(breaks_off);
  bool is_first = true;
  World world([&](Request const& request) {
    if (std::exchange(is_first, false))
      return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\nETag: \"a\"\r\n", "whole");
    if (!breaks_off) {
      return FakeClient::answer(
          request, 206, "Cache-Control: max-age=60\r\nETag: \"b\"\r\nContent-Range: bytes 0-0/5\r\n", "x");
    }
    auto whole = FakeClient::answer(
        request, 200, "Cache-Control: max-age=60\r\nETag: \"b\"\r\nContent-Length: 5\r\n", "other");
    return StreamedResponse(static_cast<ResponseHead&&>(whole), std::make_unique<BrokenReader>("x"));
  });
  world.get();
  if (breaks_off) {
    CHECK_THROWS_AS(world.run(world.session.get(url).use(CacheUse::force_refresh)), Error);
  } else {
    auto part = world.session.get(url).use(CacheUse::force_refresh).header("Range", "bytes=0-0");
    CHECK(world.run(std::move(part)).status() == 206);
  }
  auto const after = world.get();
  CHECK(after.from_cache());
  CHECK(after.body() == "whole");
}
