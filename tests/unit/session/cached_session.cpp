#include "beast_cache/session/cached_session.hpp"

#include "catch.hpp"
#include "support/cached_world.hpp"

using namespace test_support;

TEST_CASE("a fresh response is answered without the origin, with its age") {
  World world(always("Cache-Control: max-age=60\r\nX-A: 1\r\nX-A: 2\r\n"));
  auto const miss = world.get();
  CHECK(miss.status() == 200);
  CHECK(miss.body() == "body");
  CHECK_FALSE(miss.from_cache());
  CHECK(miss.cache_status() == "beast_cache; fwd=uri-miss; ttl=60; stored");
  CHECK(miss.created_at() == world.clock->now());
  CHECK(miss.expires() == world.clock->now() + 60s);

  world.clock->advance(20s);
  auto const hit = world.get();
  CHECK(world.asked() == 1);
  CHECK(hit.from_cache());
  CHECK(hit.body() == "body");
  CHECK(hit.header("Age") == "20");
  CHECK(hit.headers().count("X-A") == 2);
  CHECK(hit.cache_status() == "beast_cache; hit; ttl=40");
  CHECK(hit.created_at() == miss.created_at());
  CHECK(hit.expires() == miss.expires());
  CHECK_FALSE(hit.is_expired(world.clock->now()));
  CHECK(hit.is_expired(world.clock->now() + 40s));
  CHECK(world.events->responses.size() == 2);

  world.clock->advance(40s);
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.asked() == 2);
}

TEST_CASE("what may not be stored is fetched each time") {
  auto const headers =
      GENERATE(as<std::string>(), "Cache-Control: no-store\r\n", "Cache-Control: max-age=60, no-store\r\n",
               "Cache-Control: max-age=0\r\n", "Expires: 0\r\n", "Vary: *\r\nCache-Control: max-age=60\r\n");
  World world(always(headers));
  CAPTURE(headers);
  world.get();
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.asked() == 2);
}

TEST_CASE("a shared cache keeps nothing that is private, a private one does") {
  bool const shared = GENERATE(false, true);
  auto const mode = shared ? policy::CacheMode::shared_cache : policy::CacheMode::private_cache;
  World world(always("Cache-Control: private, max-age=60\r\n"),
              CacheOptions().rules(policy::Options().mode(mode)));
  world.get();
  CHECK(world.get().from_cache() == !shared);
}

TEST_CASE("each language of a page is kept beside the other") {
  World world([](Request const& request) {
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
                              std::string(request.headers()["Accept-Language"]));
  });
  CHECK(world.run(world.session.get(url).header("Accept-Language", "en")).body() == "en");
  auto const french = world.run(world.session.get(url).header("Accept-Language", "fr"));
  CHECK(french.body() == "fr");
  CHECK(has(french.cache_status(), "fwd=vary-miss"));
  auto const english = world.run(world.session.get(url).header("Accept-Language", "en"));
  CHECK(english.body() == "en");
  CHECK(english.from_cache());
  CHECK(world.run(world.session.get(url).header("Accept-Language", "fr")).from_cache());
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.asked() == 3);
}

TEST_CASE("one user's answer is never another's") {
  World world([](Request const& request) {
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n",
                              std::string(request.headers()["Authorization"]));
  });
  CHECK(world.run(world.session.get(url).header("Authorization", "alice")).body() == "alice");
  CHECK(world.run(world.session.get(url).header("Authorization", "bob")).body() == "bob");
  CHECK(world.run(world.session.get(url)).body() == "");
  auto const again = world.run(world.session.get(url).header("Authorization", "alice"));
  CHECK(again.body() == "alice");
  CHECK(again.from_cache());
  CHECK(world.asked() == 3);
}

TEST_CASE("a response that varies on credentials is kept by their hash, never by their text") {
  World world([](Request const& request) {
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\nVary: Cookie, Authorization\r\n",
                              std::string(request.headers()["Cookie"]));
  });
  auto const ask = [&](std::string_view cookie) {
    return world.run(world.session.get(url).header("Cookie", cookie).header("Authorization", "secret-a"));
  };
  CHECK(ask("secret-1").body() == "secret-1");
  CHECK(ask("secret-2").body() == "secret-2");
  CHECK(ask("secret-1").from_cache());
  CHECK(world.asked() == 2);
  CHECK(world.last_sent("Cookie") == "secret-2");
  auto entries = world.responses->entries();
  for (;;) {
    auto const entry = world.run(entries.next());
    if (!entry) break;
    CHECK(entry->second.vary_headers().count("Cookie") == 1);
    for (auto const& field : entry->second.vary_headers())
      CHECK(std::string(field.value()).find("secret") == std::string::npos);
  }
}

TEST_CASE("a stale response is validated, and a 304 makes it fresh again") {
  int version = 1;
  World world([&](Request const& request) {
    bool const same = request.headers()["If-None-Match"] == "\"v" + std::to_string(version) + "\"";
    std::string const headers = "Cache-Control: max-age=60\r\nX-Seen: " + std::to_string(version) +
                                "\r\nETag: \"v" + std::to_string(version) + "\"\r\n";
    return same ? FakeClient::answer(request, 304, headers + "X-New: yes\r\n")
                : FakeClient::answer(request, 200, headers, "version " + std::to_string(version));
  });
  world.get();
  world.clock->advance(61s);
  auto const validated = world.get();
  CHECK(world.last_sent("If-None-Match") == "\"v1\"");
  CHECK(validated.status() == 200);
  CHECK(validated.body() == "version 1");
  CHECK(validated.from_cache());
  CHECK(validated.header("X-New") == "yes");
  CHECK(validated.cache_status() == "beast_cache; fwd=stale; fwd-status=304; ttl=60; stored");

  auto const third = world.get();
  CHECK(third.from_cache());
  CHECK(third.header("X-New") == "yes");
  CHECK(third.cache_status() == "beast_cache; hit; ttl=60");
  CHECK(world.asked() == 2);

  version = 2;
  world.clock->advance(61s);
  auto const changed = world.get();
  CHECK(changed.body() == "version 2");
  CHECK_FALSE(changed.from_cache());
  CHECK(world.get().body() == "version 2");
  CHECK(world.asked() == 3);
}

TEST_CASE("a 304 that speaks of another response is not believed") {
  World world([&](Request const& request) {
    bool const conditional = request.headers().count("If-None-Match") > 0;
    return conditional
               ? FakeClient::answer(request, 304, "ETag: \"other\"\r\n")
               : FakeClient::answer(request, 200, "Cache-Control: max-age=1\r\nETag: \"mine\"\r\n", "whole");
  });
  world.get();
  world.clock->advance(2s);
  auto const response = world.get();
  CHECK(response.status() == 200);
  CHECK(response.body() == "whole");
  CHECK_FALSE(response.from_cache());
  CHECK(world.asked() == 3);
}

TEST_CASE("refresh validates a fresh response too") {
  World world(always("Cache-Control: max-age=60\r\nETag: \"a\"\r\n"));
  world.get();
  auto const refreshed = world.run(world.session.get(url).refresh());
  CHECK(world.asked() == 2);
  CHECK(world.last_sent("If-None-Match") == "\"a\"");
  CHECK(has(refreshed.cache_status(), "fwd=request"));
}

TEST_CASE("only_if_cached never asks the origin") {
  World world(always("Cache-Control: max-age=60\r\n"));
  auto const missing = world.run(world.session.get(url).only_if_cached());
  CHECK(missing.status() == 504);
  CHECK(world.asked() == 0);
  world.get();
  CHECK(world.run(world.session.get(url).only_if_cached()).from_cache());
  world.clock->advance(61s);
  CHECK(world.run(world.session.get(url).only_if_cached()).status() == 504);
  CHECK(world.asked() == 1);
}

TEST_CASE("no_store neither reads nor writes the cache") {
  World world(always("Cache-Control: max-age=60\r\n"));
  CHECK_FALSE(world.run(world.session.get(url).no_store()).created_at());
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.asked() == 2);
}

TEST_CASE("a user's expiry: the request's, then the response's, then the backend's") {
  struct Row {
    char const* headers;
    std::optional<Expiration> request;
    std::optional<Expiration> backend;
    std::optional<std::chrono::seconds> lifetime;  // none: not stored
  };
  std::vector<Row> const rows{
      {"", {}, {}, std::nullopt},  // never fresh, and no way to validate it
      {"ETag: \"a\"\r\n", {}, {}, 0s},
      {"Cache-Control: max-age=0\r\n", {}, {}, 0s},
      {"", {}, Expiration(30s), 30s},
      {"", Expiration(20s), Expiration(30s), 20s},
      {"Cache-Control: max-age=60\r\n", {}, Expiration(30s), 60s},
      {"Cache-Control: max-age=60\r\n", Expiration(20s), Expiration(30s), 20s},
      {"Cache-Control: max-age=5\r\n", Expiration(20s), {}, 20s},
      {"Cache-Control: max-age=60\r\n", Expiration(do_not_cache), {}, std::nullopt},
      {"Cache-Control: max-age=60\r\n", Expiration(0s), {}, std::nullopt},
      {"Cache-Control: no-store\r\n", Expiration(20s), {}, std::nullopt},
      {"", {}, Expiration(do_not_cache), std::nullopt},
      {"Cache-Control: max-age=60\r\n", {}, Expiration(do_not_cache), std::nullopt},
      {"Cache-Control: max-age=60\r\n", Expiration(20s), Expiration(do_not_cache), 20s},
  };
  for (auto const& row : rows) {
    CAPTURE(row.headers, row.request.has_value(), row.backend.has_value());
    CacheOptions options;
    if (row.backend) options.expire_after(*row.backend);
    World world(always(row.headers), options);
    auto builder = world.session.get(url);
    auto const response = row.request ? world.run(std::move(builder).expire_after(*row.request))
                                      : world.run(std::move(builder));
    CHECK(response.created_at().has_value() == row.lifetime.has_value());
    if (row.lifetime) CHECK(response.expires() == world.clock->now() + *row.lifetime);
  }
}

TEST_CASE("never_expires is fresh for ever") {
  World world(always(""), CacheOptions().expire_after(never_expires));
  CHECK(world.get().expires() == TimePoint::max());
  world.clock->advance(24h * 365 * 50);
  auto const hit = world.get();
  CHECK(hit.from_cache());
  CHECK(hit.expires() == TimePoint::max());
}

TEST_CASE("an expiry of the user's does not keep errors, unless their code is allowed by name") {
  World plain(always("", "oops", 500), CacheOptions().expire_after(1h));
  plain.get();
  CHECK_FALSE(plain.get().from_cache());
  World named(always("", "oops", 500), CacheOptions().expire_after(1h).allowed_codes(200, 500));
  named.get();
  CHECK(named.get().from_cache());
}

TEST_CASE("only allowed codes and methods are stored and read back") {
  World codes(always("Cache-Control: max-age=60\r\n", "gone", 410), CacheOptions().allowed_codes(200));
  codes.get();
  CHECK_FALSE(codes.get().from_cache());

  World methods(always("Cache-Control: max-age=60\r\n", ""), CacheOptions().allowed_methods(http::verb::get));
  methods.run(methods.session.head(url));
  CHECK_FALSE(methods.run(methods.session.head(url)).from_cache());
  CHECK_THROWS_AS(CacheOptions().allowed_methods(http::verb::put), std::invalid_argument);
}

TEST_CASE("without cache_control only the user's expiry counts") {
  World world(always("Cache-Control: no-store, max-age=0\r\n"),
              CacheOptions().cache_control(false).expire_after(30s));
  world.get();
  CHECK(world.get().from_cache());
  world.clock->advance(30s);
  CHECK_FALSE(world.get().from_cache());
}

TEST_CASE("a stored GET answers HEAD without its body; a stored HEAD does not answer GET") {
  World world(always("Cache-Control: max-age=60\r\nContent-Length: 4\r\n"));
  world.get();
  auto const head = world.run(world.session.head(url));
  CHECK(head.from_cache());
  CHECK(head.body().empty());
  CHECK(head.header("Content-Length") == "4");

  World other([](Request const& request) {
    bool const get = request.method() == http::verb::get;
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", get ? "body" : "");
  });
  other.run(other.session.head(url));
  CHECK(other.run(other.session.head(url)).from_cache());
  auto const get = other.get();
  CHECK_FALSE(get.from_cache());
  CHECK(get.body() == "body");
}

TEST_CASE("an unsafe method removes what is stored for the URL, whoever stored it") {
  unsigned status = 200;
  World world([&](Request const& request) {
    return FakeClient::answer(request, request.method() == http::verb::get ? 200 : status,
                              "Cache-Control: max-age=60\r\n", "x");
  });
  auto const fill = [&] {
    world.get();
    world.run(world.session.get(url).header("Authorization", "alice"));
  };
  fill();
  CHECK(world.asked() == 2);
  status = 500;
  world.run(world.session.put(url).body("new"));
  fill();
  CHECK(world.asked() == 3);  // an error invalidates nothing
  status = 204;
  world.run(world.session.put(url).body("new"));
  fill();
  CHECK(world.asked() == 6);
}

TEST_CASE("requests that the cache does not handle go to the origin and are not stored") {
  World world(always("Cache-Control: max-age=60\r\nETag: \"a\"\r\n"));
  world.get();
  CHECK_FALSE(world.run(world.session.get(url).header("If-Match", "\"a\"")).from_cache());
  CHECK(world.last_sent("If-Match") == "\"a\"");
  CHECK_FALSE(world.run(world.session.get(url).header("Upgrade", "websocket")).from_cache());
  CHECK_FALSE(world.run(world.session.post(url).body("x")).from_cache());
  CHECK(world.asked() == 4);
}

TEST_CASE("a stale response stands in when the origin can't be reached, unless that is forbidden") {
  bool down = false;
  std::string headers = "Cache-Control: max-age=1\r\nETag: \"a\"\r\n";
  World world([&](Request const& request) {
    if (down) throw Error(http_errc::connect, "origin.test");
    return FakeClient::answer(request, 200, headers, "x");
  });
  world.get();
  world.clock->advance(5s);
  down = true;
  auto const stale = world.get();
  CHECK(stale.from_cache());
  CHECK(stale.is_expired(world.clock->now()));
  CHECK(has(stale.cache_status(), "fwd=stale; ttl=-4"));
  down = false;
  headers = "Cache-Control: max-age=1, must-revalidate\r\n";
  world.get();
  world.clock->advance(5s);
  down = true;
  CHECK_THROWS_AS(world.get(), Error);
}

TEST_CASE("stale-if-error stands in for a 503") {
  unsigned status = 200;
  World world([&](Request const& request) {
    return FakeClient::answer(request, status, "Cache-Control: max-age=1, stale-if-error=60\r\n", "x");
  });
  world.get();
  world.clock->advance(5s);
  status = 503;
  auto const stale = world.get();
  CHECK(stale.status() == 200);
  CHECK(has(stale.cache_status(), "fwd-status=503"));
  world.clock->advance(60s);
  CHECK(world.get().status() == 503);
}

TEST_CASE("a cache that fails does not fail the request, unless strict says so") {
  World world(always("Cache-Control: max-age=60\r\n"));
  world.get();
  world.responses->failing = true;
  auto const response = world.get();
  CHECK(response.body() == "body");
  CHECK_FALSE(response.from_cache());
  CHECK_FALSE(response.created_at());
  CHECK(response.cache_status() == "beast_cache; fwd=miss; detail=\"the look-up failed\"");
  CHECK(world.events->responses.back() == response.cache_status());
  CHECK(world.events->errors == std::vector<std::string>{"lookup " + url, "store " + url});
  auto const offline = world.run(world.session.offline().get(url));
  CHECK(offline.status() == 504);
  CHECK(offline.cache_status() == "beast_cache; detail=\"only-if-cached, the look-up failed\"");

  World strict(always("Cache-Control: max-age=60\r\n"), CacheOptions().strict(true));
  strict.responses->failing = true;
  CHECK_THROWS_AS(strict.get(), Error);
}

TEST_CASE("a body that is given up, or too large, is not stored") {
  World world(always("Cache-Control: max-age=60\r\n", "0123456789"), CacheOptions().max_body_bytes(9));
  CHECK(world.get().body() == "0123456789");
  CHECK_FALSE(world.get().from_cache());

  World partial(always("Cache-Control: max-age=60\r\n", "0123456789"));
  {
    auto stream = partial.run(partial.session.get(url).stream());
    char some[4];
    CHECK(partial.run(stream.read_some(asio::buffer(some))) == 4);
  }
  CHECK_FALSE(partial.get().from_cache());
  CHECK(partial.get().from_cache());
}

TEST_CASE("the observer is told that a response is stored when it has been") {
  auto const says_stored = [](World const& world) {
    REQUIRE(world.events->responses.size() == 1);
    return world.events->responses[0].find("stored") != std::string::npos;
  };
  World whole(always("Cache-Control: max-age=60\r\n", "0123456789"));
  {
    auto stream = whole.run(whole.session.get(url).stream());
    CHECK(whole.events->responses.empty());
    std::string const body = whole.run(read_all(stream.take_body()));
    CHECK(body == "0123456789");
  }
  CHECK(says_stored(whole));

  World given_up(always("Cache-Control: max-age=60\r\n", "0123456789"));
  static_cast<void>(given_up.run(given_up.session.get(url).stream()));
  CHECK_FALSE(says_stored(given_up));

  World failing(always("Cache-Control: max-age=60\r\n", "0123456789"));
  failing.responses->failing = true;
  failing.get();
  CHECK_FALSE(says_stored(failing));
}

TEST_CASE("a body that breaks off is not stored") {
  class Broken final : public BodyReader {
   public:
    asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
      if (std::exchange(read_, true)) throw Error(http_errc::truncated, "origin.test");
      static_cast<char*>(buffer.data())[0] = 'x';
      co_return 1;
    }
    bool read_ = false;
  };
  bool broken = true;
  World world([&](Request const& request) {
    auto whole = FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", "xy");
    if (!broken) return whole;
    return StreamedResponse(static_cast<ResponseHead&&>(whole), std::make_unique<Broken>());
  });
  CHECK_THROWS_AS(world.get(), Error);
  broken = false;
  auto const response = world.get();
  CHECK_FALSE(response.from_cache());
  CHECK(response.body() == "xy");
}

TEST_CASE("nothing is noted of a redirect that must not be stored") {
  World world([](Request const& request) {
    if (request.url().target() == "/page")
      return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", "there");
    bool const secret = request.url().target() == "/login?token=s";
    return FakeClient::answer(
        request, 302, std::string("Location: /page\r\n") + (secret ? "Cache-Control: no-store\r\n" : ""));
  });
  std::string const secret = "http://origin.test/login?token=s", plain = "http://origin.test/old";
  CHECK(world.run(world.session.get(secret)).body() == "there");
  CHECK(world.run(world.session.get(plain)).body() == "there");
  CHECK_FALSE(world.run(world.backend->has_url(Url(secret))));
  CHECK(world.run(world.backend->has_url(Url(plain))));
}

TEST_CASE("the hops of a redirect are looked up by their own rules") {
  World world([](Request const& request) {
    bool const hop = request.url().target() == "/old";
    return hop ? FakeClient::answer(request, 302, "Location: /page\r\nCache-Control: max-age=10\r\n")
               : FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", "there");
  });
  std::string const old = "http://origin.test/old";
  auto const first = world.run(world.session.get(old));
  CHECK(first.body() == "there");
  CHECK(first.url().str() == url);
  REQUIRE(first.history().size() == 1);
  CHECK(first.history()[0].status() == 302);
  CHECK(world.asked() == 2);
  CHECK(world.run(world.session.get(old)).from_cache());
  CHECK(world.asked() == 2);
  CHECK(world.run(world.backend->has_url(Url(old))));
  world.clock->advance(11s);
  CHECK(world.run(world.session.get(old)).from_cache());
  CHECK(world.asked() == 3);  // the hop alone
  auto const hop = world.run(world.session.get(old).redirects(0));
  CHECK(hop.status() == 302);
  CHECK(hop.from_cache());
}

TEST_CASE("as an HttpClient it tells in Cache-Status what it did") {
  World world(always("Cache-Control: max-age=60\r\n"));
  auto const ask = [&] { return world.run(world.session.send(Request(http::verb::get, Url(url)))); };
  auto first = ask();
  CHECK(has(std::string(first.header("Cache-Status")), "fwd=uri-miss"));
  world.run(read_all(first.take_body()));
  CHECK(has(std::string(ask().header("Cache-Status")), "hit"));
}

TEST_CASE("a session dropped before its request has run still answers it") {
  World world(always("Cache-Control: max-age=60\r\n"));
  std::optional<CachedSession> session(world.session);
  std::string body;
  session->get(url).send([&](error_code ec, CachedResponse response) {
    CHECK_FALSE(ec);
    body = response.body();
  });
  session.reset();
  world.io.restart();
  world.io.run();
  CHECK(body == "body");
}

TEST_CASE("closing the session closes the backend, unless autoclose is off") {
  bool const autoclose = GENERATE(true, false);
  World world(always("Cache-Control: max-age=60\r\n"), CacheOptions().autoclose(autoclose).strict(true));
  asio::co_spawn(world.io, world.session.close(), [](std::exception_ptr e) { CHECK_FALSE(e); });
  world.io.run();
  if (autoclose) {
    CHECK_THROWS_AS(world.get(), Error);
  } else {
    CHECK_NOTHROW(world.get());
  }
}

TEST_CASE("a malformed URL is refused before anything is sent") {
  World world(always(""));
  auto const bad = GENERATE(as<std::string>(), "", "page", "ftp://origin.test/", "http://", "http://a b/",
                            "http://a/\r\n");
  try {
    world.run(world.session.get(bad));
    FAIL("accepted " << bad);
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::invalid_url);
  }
  CHECK(world.asked() == 0);
}
