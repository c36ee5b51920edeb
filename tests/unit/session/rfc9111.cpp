// RFC 9111 sections 3, 4.3 and 5 end to end: what is stored, what a request may ask for, what updates a
// stored response. Conditions and ranges: rfc9111_ranges.cpp; stale answers and invalidation:
// rfc9111_stale.cpp.

#include "catch.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

TEST_CASE("fields of the connection are not stored, all others are replayed in order (RFC 9111 3.1)") {
  World world(
      always("Cache-Control: max-age=60\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
             "Proxy-Connection: close\r\nProxy-Authenticate: Basic\r\nTE: trailers\r\n"
             "Proxy-Authentication-Info: x\r\nUpgrade: h2c\r\nSet-Cookie: a=1\r\nX-Odd:  \"b ,\r\n"
             "Set-Cookie: b=2; Path=/\r\n"),
      each_mode());
  world.get();
  auto const hit = world.get();
  CHECK(hit.from_cache());
  for (auto const* name : {"Connection", "X-Hop", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate",
                           "TE", "Proxy-Authentication-Info", "Upgrade"}) {
    CAPTURE(name);
    CHECK(hit.headers().count(name) == 0);
  }
  std::vector<std::string> cookies;
  for (auto const& field : hit.headers())
    if (field.name() == http::field::set_cookie) cookies.emplace_back(field.value());
  CHECK(cookies == std::vector<std::string>{"a=1", "b=2; Path=/"});
  CHECK(has(std::string(hit.header("X-Odd")), "\"b ,"));
}

TEST_CASE("a response without Date is stored with the time of its arrival (RFC 9110 6.6.1)") {
  World world(always("Cache-Control: max-age=60\r\n"), each_mode());
  world.get();
  world.clock->advance(5s);
  CHECK(world.get().header("Date") == "Thu, 01 Jan 2026 00:00:00 GMT");
}

TEST_CASE("interim responses are passed on and leave no trace (RFC 9110 15.2)") {
  World world(
      [](Request const& request) {
        http::fields hints;
        hints.insert("Link", "</style.css>");
        hints.insert("Cache-Control", "no-store");
        if (request.on_interim()) request.on_interim()(103, hints);
        return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", "body");
      },
      each_mode());
  int seen = 0;
  auto const get = [&] {
    return world.run(world.session.get(url).on_interim([&](unsigned status, http::fields const& fields) {
      CHECK(status == 103);
      CHECK(fields["Link"] == "</style.css>");
      ++seen;
    }));
  };
  CHECK(get().headers().count("Link") == 0);
  auto const hit = get();
  CHECK(hit.from_cache());
  CHECK(hit.headers().count("Link") == 0);
  CHECK(hit.header("Cache-Control") == "max-age=60");
  CHECK(seen == 1);
}

TEST_CASE("no-store of either side keeps a response out (RFC 9111 5.2.1.5, 5.2.2.5)") {
  auto const options = each_mode();
  World request(always("Cache-Control: max-age=60\r\n"), options);
  ask(request, {{"Cache-Control", "No-Store"}});
  CHECK_FALSE(request.get().from_cache());
  CHECK(request.get().from_cache());
  for (auto const* headers : {"Cache-Control: max-age=60\r\nCache-Control: No-Store\r\n",
                              "Cache-Control: no-store=\"x\", max-age=60\r\n",
                              "Cache-Control: public, immutable, max-age=60, no-store\r\n"}) {
    CAPTURE(headers);
    World response(always(headers), options);
    response.get();
    CHECK_FALSE(response.get().from_cache());
  }
}

TEST_CASE("no-store in the answer to a validation keeps that answer out (RFC 9111 5.2.2.5)") {
  std::string headers = "Cache-Control: max-age=1\r\nETag: \"a\"\r\n";
  World world([&](Request const& request) { return FakeClient::answer(request, 200, headers, "body"); },
              each_mode());
  world.get();
  world.clock->advance(2s);
  headers = "Cache-Control: no-store, max-age=60\r\nETag: \"b\"\r\n";
  world.get();
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.asked() == 3);
}

TEST_CASE("in a shared cache Authorization forbids storing unless the response allows it (RFC 9111 3.5)") {
  struct Row {
    char const* control;
    bool stored;
  };
  auto const row =
      GENERATE(Row{"max-age=60", false}, Row{"max-age=60, public", true}, Row{"s-maxage=60", true},
               Row{"max-age=60, must-revalidate", true}, Row{"max-age=60, private", false});
  CAPTURE(row.control);
  World world(always("Cache-Control: " + std::string(row.control) + "\r\n"),
              in_mode(policy::CacheMode::shared_cache));
  ask(world, {{"Authorization", "alice"}});
  CHECK(ask(world, {{"Authorization", "bob"}}).from_cache() == row.stored);
}

TEST_CASE("private fields are kept out of a shared cache alone (RFC 9111 5.2.2.7)") {
  auto const mode = GENERATE(policy::CacheMode::private_cache, policy::CacheMode::shared_cache);
  World world(always("Cache-Control: max-age=60, private=\"X-Mine\"\r\nX-Mine: 1\r\nX-Ours: 2\r\n"),
              in_mode(mode));
  world.get();
  auto const again = world.get();
  CHECK(again.header("X-Ours") == "2");
  bool const leaked = again.from_cache() && again.headers().count("X-Mine") > 0;
  CHECK(leaked == (mode == policy::CacheMode::private_cache));
}

TEST_CASE("Age counts the time that caches before this one have taken (RFC 9111 4.2.3)") {
  World world(always("Cache-Control: max-age=60\r\nAge: 30\r\n"), each_mode());
  world.get();
  world.clock->advance(20s);
  auto const hit = world.get();
  CHECK(hit.from_cache());
  CHECK(hit.header("Age") == "50");
  world.clock->advance(10s);
  CHECK_FALSE(world.get().from_cache());
}

TEST_CASE("a request may ask for more or put up with less (RFC 9111 5.2.1)") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  world.get();
  world.clock->advance(30s);
  auto const asks = [&](std::string control) {
    auto const before = world.asked();
    ask(world, {{"Cache-Control", std::move(control)}});
    return world.asked() > before;
  };
  CHECK_FALSE(asks("max-age=40"));
  CHECK_FALSE(asks("min-fresh=30"));
  CHECK(asks("max-age=20"));
  world.clock->advance(40s);
  CHECK(asks("min-fresh=30"));
  world.clock->advance(70s);
  CHECK_FALSE(asks("max-stale=10"));
  CHECK_FALSE(asks("max-stale"));
  CHECK(asks("max-stale=9"));
  CHECK(asks("no-cache"));
  CHECK_FALSE(asks("max-age=5"));
  CHECK(ask(world, {{"Cache-Control", "no-cache, only-if-cached"}}).status() == 504);
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}}).status() == 200);
}

TEST_CASE("only-if-cached is a 504 where the origin would have to be asked (RFC 9111 5.2.1.7)") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}}).status() == 504);
  ask(world, {{"Range", "bytes=0-3"}});
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}}).status() == 504);
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}, {"Range", "bytes=1-2"}}).status() == 206);
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}, {"Range", "bytes=5-6"}}).status() == 504);
  world.clock->advance(70s);
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}, {"Range", "bytes=1-2"}}).status() == 504);
  CHECK(world.asked() == 1);
}

TEST_CASE("a 304 changes the stored fields except those of the content (RFC 9111 3.2)") {
  bool changed = false;
  World world(
      [&](Request const& request) {
        if (!changed)
          return FakeClient::answer(
              request, 200,
              "Cache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Length: 4\r\nX-A: 1\r\n"
              "X-B: 1\r\nX-B: 2\r\nContent-Type: text/plain\r\n",
              "body");
        return FakeClient::answer(
            request, 304,
            "Cache-Control: max-age=90\r\nETag: \"a\"\r\nContent-Length: 0\r\nX-B: 3\r\n"
            "Connection: X-C\r\nX-C: 1\r\nContent-Range: bytes 0-1/4\r\n");
      },
      each_mode());
  world.get();
  world.clock->advance(61s);
  changed = true;
  world.get();
  world.clock->advance(80s);
  auto const hit = world.get();
  CHECK(hit.from_cache());
  CHECK(hit.body() == "body");
  CHECK(hit.header("Content-Length") == "4");
  CHECK(hit.header("Content-Type") == "text/plain");
  CHECK(hit.header("X-A") == "1");
  CHECK(hit.header("X-B") == "3");
  CHECK(hit.headers().count("X-B") == 1);
  CHECK(hit.headers().count("X-C") == 0);
  CHECK(hit.headers().count("Connection") == 0);
  CHECK(hit.headers().count("Content-Range") == 0);
  CHECK(world.asked() == 2);
}

TEST_CASE("a HEAD that agrees with a stored GET makes it fresh, another one stale (RFC 9111 4.3.5)") {
  std::string etag = "\"a\"";
  std::string length = "4";
  World world(
      [&](Request const& request) {
        bool const get = request.method() == http::verb::get;
        if (get && request.headers()["If-None-Match"] == etag)
          return FakeClient::answer(request, 304, "Cache-Control: max-age=60\r\nETag: " + etag + "\r\n");
        return FakeClient::answer(
            request, 200,
            "Cache-Control: max-age=60\r\nContent-Length: " + length + "\r\nETag: " + etag + "\r\n",
            get ? "body" : "");
      },
      each_mode());
  world.get();
  world.clock->advance(50s);
  Fields const now{{"Cache-Control", "no-cache"}};
  SECTION("agrees") {
    CHECK(ask(world, now, url, "HEAD").status() == 200);
    CHECK(world.asked() == 2);
    world.clock->advance(50s);
    auto const hit = world.get();
    CHECK(hit.from_cache());
    CHECK(hit.body() == "body");
    CHECK(world.asked() == 2);
  }
  SECTION("another tag") {
    etag = "\"b\"";
    ask(world, now, url, "HEAD");
    CHECK(world.get().header("ETag") == "\"b\"");
    CHECK(world.asked() == 3);
  }
  SECTION("another length") {
    length = "5";
    ask(world, now, url, "HEAD");
    world.get();
    CHECK(world.asked() == 3);
  }
}
