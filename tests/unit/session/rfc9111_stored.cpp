// What stored answers may be used for, and until when: corners of RFC 9111 sections 3.4, 4 and 4.3.

#include "catch.hpp"
#include "support/file_world.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

TEST_CASE("a coded answer is not for who takes no coding, though the origin does not say Vary") {
  auto const memory = GENERATE(as<std::uint64_t>(), 0, 1 << 20);
  FileWorld world(
      [](Request const& request) {
        bool const coded = has(std::string(request.headers()["Accept-Encoding"]), "gzip");
        std::string const coding = coded ? "Content-Encoding: gzip\r\n" : "";
        return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n" + coding,
                                  coded ? "coded" : "plain");
      },
      CacheOptions().memory(memory));
  CHECK(ask(world, {{"Accept-Encoding", "gzip"}}).body() == "coded");
  CHECK(ask(world, {{"Accept-Encoding", "gzip"}}).from_cache());
  CHECK(ask(world).from_cache());  // who does not say takes any
  auto const plain = ask(world, {{"Accept-Encoding", "identity"}});
  CHECK(plain.body() == "plain");
  CHECK_FALSE(plain.from_cache());
  CHECK(ask(world, {{"Accept-Encoding", "identity"}}).from_cache());
  CHECK(ask(world, {{"Accept-Encoding", "gzip"}}).body() == "plain");  // what is not coded is for everyone
  CHECK(world.asked() == 2);
}

TEST_CASE("what is stored is not given again once the origin has answered with something else") {
  unsigned status = 200;
  std::string headers = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
  std::string body = "body";
  World world([&](Request const& request) { return FakeClient::answer(request, status, headers, body); },
              CacheOptions().max_body_bytes(100));
  world.get();
  bool is_superseded = true;
  SECTION("that is too large") {
    body.resize(101);
  }
  SECTION("that is not to be stored") {
    headers = "Cache-Control: no-store\r\nETag: \"b\"\r\n";
  }
  SECTION("for it is gone") {
    headers.clear();
    status = GENERATE(404u, 410u, 301u);
  }
  SECTION("but is, after a failure") {
    is_superseded = false;
    headers.clear();
    status = GENERATE(500u, 503u, 403u, 429u);
  }
  CAPTURE(status);
  auto const answer = world.run(world.session.get(url).refresh().redirects(0));
  CHECK(answer.status() == status);
  CHECK(world.asked() == 2);
  CHECK(world.get().from_cache() != is_superseded);
}

TEST_CASE("a part that came without a look-up replaces nothing") {
  RangeOrigin origin;
  World world(std::cref(origin));
  bool const whole = GENERATE(true, false);
  if (whole) {
    ask(world);
  } else {
    ask(world, {{"Range", "bytes=0-4"}});
  }
  auto const part = ask(world, {{"Range", "bytes=6-7"}, {"If-Match", "\"a\""}});
  CHECK(part.status() == 206);
  CHECK_FALSE(has(part.cache_status(), "stored"));
  CHECK(ask(world, {{"Range", "bytes=0-1"}}).from_cache());
  CHECK(world.asked() == 2);
}

TEST_CASE("a miss is called one of Vary only where a field that Vary names is the reason") {
  World world(always("Cache-Control: max-age=60\r\n"));
  CHECK(has(ask(world, "HEAD").cache_status(), "fwd=uri-miss"));
  CHECK(has(world.get().cache_status(), "fwd=uri-miss"));
  CHECK(has(ask(world, {{"Authorization", "Basic YTpi"}}).cache_status(), "fwd=uri-miss"));
  World varying(always("Cache-Control: max-age=60\r\nVary: A\r\n"));
  ask(varying, {{"A", "1"}});
  CHECK(has(varying.get().cache_status(), "fwd=vary-miss"));
  CHECK(has(ask(varying, {{"A", "2"}}, url, "HEAD").cache_status(), "fwd=vary-miss"));
}

TEST_CASE("Cache-Status tells why a validated answer is stored no more") {
  std::string more;
  World world([&](Request const& request) {
    bool const asks = request.headers().count("If-None-Match") != 0;
    return FakeClient::answer(request, asks ? 304 : 200,
                              "ETag: \"a\"\r\nCache-Control: max-age=1" + more + "\r\n", asks ? "" : "body");
  });
  world.get();
  world.clock->advance(2s);
  more = ", no-store";
  auto const validated = world.get();
  CHECK(validated.body() == "body");
  CHECK(validated.cache_status() == "beast_cache; fwd=stale; fwd-status=304; detail=\"no-store\"");
  CHECK_FALSE(world.get().from_cache());
}
