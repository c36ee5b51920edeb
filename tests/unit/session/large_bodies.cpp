// Bodies that are not held in memory: stored while they are passed on, and passed on while they are read.

#include "catch.hpp"
#include "support/file_world.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

namespace {

constexpr std::size_t large = 3'000'017;

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 9);
  return bytes;
}

Fields range(std::string spec) {
  return Fields{{"Range", "bytes=" + std::move(spec)}};
}

asio::awaitable<std::string> read_part(CachedStream& stream, std::size_t size) {
  std::string buffer(size, '\0');
  std::size_t const count = co_await stream.read_some(asio::buffer(buffer));
  buffer.resize(count);
  co_return buffer;
}

}  // namespace

TEST_CASE("a large body is stored while it is passed on, and served as it came") {
  RangeOrigin origin;
  origin.body = pattern(large);
  origin.tells_length = GENERATE(false, true);
  FileWorld world(std::cref(origin));
  auto const miss = ask(world);
  CHECK(has(miss.cache_status(), "stored"));
  bool same = miss.body() == origin.body;
  CHECK(same);
  auto const hit = ask(world);
  CHECK(hit.from_cache());
  same = hit.body() == origin.body;
  CHECK(same);
  CHECK(world.asked() == 1);
  CHECK(ask(world, "HEAD").body().empty());
  CHECK(world.asked() == 1);
}

TEST_CASE("parts of a large stored body are served out of it") {
  RangeOrigin origin;
  origin.body = pattern(large);
  FileWorld world(std::cref(origin));
  ask(world);
  for (auto const& [first, last] : {std::pair<std::size_t, std::size_t>(0, 9),
                                    {262'143, 262'144},
                                    {1'000'000, 2'500'000},
                                    {large - 1, large - 1}}) {
    auto const part = ask(world, range(std::to_string(first) + "-" + std::to_string(last)));
    CHECK(part.status() == 206);
    bool const same = part.body() == origin.body.substr(first, last - first + 1);
    CHECK(same);
  }
  CHECK(world.asked() == 1);
}

TEST_CASE("coded bodies are served as they came, whole, in parts and once the origin says they are current") {
  RangeOrigin origin;
  origin.body = pattern(GENERATE(as<std::size_t>(), 5000, large));
  auto const options = CacheOptions().compress(true).encryption_key(std::string(32, 'k'));
  FileWorld world(std::cref(origin), options);
  ask(world);
  for (std::size_t i = 0; i < 2; ++i) {
    auto const hit = ask(world);
    CHECK(hit.from_cache());
    CHECK((hit.body() == origin.body));
    CHECK(ask(world, range("1000-1999")).body() == origin.body.substr(1000, 1000));
    CHECK(world.asked() == 1 + i);
    world.clock->advance(61s);
    CHECK((ask(world).body() == origin.body));
    CHECK(world.asked() == 2 + i);
  }
}

TEST_CASE(
    "a wrong encryption key fails the request: it is no fault of the cache's that could be lived with") {
  RangeOrigin origin;
  origin.body = "body";
  FileWorld world(std::cref(origin), CacheOptions().encryption_key(std::string(32, 'a')));
  ask(world);
  world.reopen(CacheOptions().encryption_key(std::string(32, 'b')));
  try {
    ask(world);
    FAIL("answered");
  } catch (Error const& error) {
    CHECK(error.code() == cache_errc::wrong_key);
  }
  CHECK(world.asked() == 1);
  world.reopen(CacheOptions().encryption_key(std::string(32, 'a')));
  CHECK(ask(world).from_cache());
}

TEST_CASE("a large stored body that the origin says is current is served, and freshened") {
  RangeOrigin origin;
  origin.body = pattern(large);
  FileWorld world(std::cref(origin));
  ask(world);
  world.clock->advance(61s);
  auto const validated = ask(world);
  CHECK(world.asked() == 2);
  CHECK(validated.from_cache());
  bool const same = validated.body() == origin.body;
  CHECK(same);
  CHECK(ask(world).from_cache());
  CHECK(world.asked() == 2);
}

TEST_CASE("a piece of a stored body that is damaged fails no request that the origin can answer") {
  RangeOrigin origin;
  origin.body = pattern(large);
  auto const validator = GENERATE(as<std::string>(), "\"a\"", "W/\"a\"", "");
  origin.etag = validator;
  bool const strict = GENERATE(false, true);
  CAPTURE(validator, strict);
  FileWorld world(std::cref(origin), CacheOptions().strict(strict));
  ask(world);
  world.damage(1);
  bool const is_streamed = GENERATE(false, true);
  std::string const fault = "read " + url;
  if (strict) {
    CHECK_THROWS_AS(ask(world), Error);
  } else if (!is_streamed) {
    auto const answer = ask(world);
    bool const same = answer.body() == origin.body;
    CHECK(same);
    CHECK(answer.from_cache() == (validator == "\"a\""));
    CHECK(world.events->errors == std::vector<std::string>{fault});
    CHECK(world.events->responses.size() == 2);
    CHECK(world.events->responses.back() == answer.cache_status());
    CHECK(world.events->saved.size() == (answer.from_cache() ? 1 : 0));
    if (!answer.from_cache())
      CHECK(answer.cache_status() == "beast_cache; fwd=miss; ttl=60; stored; detail=\"reading failed\"");
    if (answer.from_cache()) ask(world);  // what was damaged has been removed
    CHECK(ask(world).from_cache());
  } else {
    // The head has been passed on.
    CachedStream stream = world.run(world.session.get(url).stream());
    if (validator != "\"a\"") {
      std::unique_ptr<BodyReader> const body = stream.take_body();
      try {
        std::string buffer(large, '\0');
        while (world.run(body->read_some(asio::buffer(buffer))) != 0) {
        }
        FAIL("read to the end");
      } catch (Error const& error) {
        CHECK(error.code() == cache_errc::bad_value);
      }
      CHECK(world.events->errors == std::vector<std::string>{fault});
    } else {
      bool const same = world.run(read_all(stream.take_body())) == origin.body;
      CHECK(same);
      CHECK(has(world.last_sent("Range"), "bytes="));
      CHECK(world.events->errors == std::vector<std::string>{fault});
    }
  }
}

TEST_CASE("for a damaged piece nobody is asked who is not to be asked") {
  RangeOrigin origin;
  origin.body = pattern(large);
  origin.etag = GENERATE(as<std::string>(), "\"a\"", "");
  FileWorld world(std::cref(origin));
  ask(world);
  world.damage(1);
  SECTION("by the session") {
    CHECK(world.run(world.session.offline().get(url)).status() == 504);
  }
  SECTION("by a field of the request") {
    CHECK(ask(world, {{"Cache-Control", "only-if-cached"}}).status() == 504);
  }
  SECTION("by what was recorded") {
    CHECK_THROWS_AS(world.run(world.session.with(CacheUse::replay).get(url)), NotRecordedError);
    CHECK(world.holds());  // nobody has taken the recording away
  }
  CHECK(world.asked() == 1);
  CHECK(world.events->errors == std::vector<std::string>{"read " + url});
}

TEST_CASE("an unsafe request after which nothing could be removed is answered, and says so") {
  FileWorld world(always("Cache-Control: max-age=60\r\n"));
  world.get();
  world.close_file();
  auto const changed = world.run(world.session.put(url).body("new"));
  CHECK(changed.status() == 200);
  CHECK(changed.cache_status() == "beast_cache; fwd=method; detail=\"invalidating failed\"");
  CHECK(world.events->errors == std::vector<std::string>{"invalidate " + url});
}

TEST_CASE("a row that is damaged is left to those who write nothing") {
  FileWorld world(always("Cache-Control: max-age=60\r\n"));
  world.get();
  world.change("UPDATE responses SET body = x'30'");
  CHECK(world.run(world.session.with(CacheUse::read_only).get(url)).status() == 200);
  CHECK_THROWS_AS(world.run(world.session.with(CacheUse::replay).get(url)), NotRecordedError);
  CHECK(world.holds());
  world.run(world.session.offline().get(url));
  CHECK(world.holds());
  CHECK_FALSE(world.get().from_cache());
  CHECK(world.get().from_cache());
}

TEST_CASE("another try for a damaged piece keeps to the request's limits") {
  bool moved = false;
  FileWorld world([&](Request const& request) {
    std::string const to = "Location: " + request.url().str() + "x\r\n";
    return moved ? FakeClient::answer(request, 302, to)
                 : FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", pattern(large));
  });
  ask(world);
  world.damage(1);
  moved = true;
  try {
    world.run(world.session.get(url).redirects(2));
    FAIL("answered");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::redirect_limit);
  }
  CHECK(world.asked() == 4);
}

TEST_CASE("what is held of a body and is damaged fails no request for another part") {
  RangeOrigin origin;
  origin.body = pattern(large);
  FileWorld world(std::cref(origin));
  ask(world, range("0-1999999"));
  world.damage(1);
  SECTION("for a part") {
    auto const part = ask(world, range("2000000-2999999"));
    bool const same = part.body() == origin.body.substr(2'000'000, 1'000'000);
    CHECK(same);
    CHECK(world.events->errors == std::vector<std::string>{"store " + url});
    CHECK(has(part.cache_status(), "detail=\"storing failed\""));
  }
  SECTION("for all") {
    bool const same = ask(world).body() == origin.body;
    CHECK(same);
    CHECK(world.events->errors == std::vector<std::string>{"read " + url});
  }
}

TEST_CASE("a large body that breaks off is kept, and its rest is asked for") {
  RangeOrigin origin;
  origin.body = pattern(large);
  origin.breaks_after = 2'000'000;
  FileWorld world(std::cref(origin));
  CHECK_THROWS_AS(ask(world), Error);
  origin.breaks_after.reset();
  auto const whole = ask(world);
  CHECK(world.last_sent("Range") == "bytes=2000000-");
  bool same = whole.body() == origin.body;
  CHECK(same);
  auto const hit = ask(world);
  CHECK(hit.from_cache());
  same = hit.body() == origin.body;
  CHECK(same);
  CHECK(world.asked() == 2);
}

TEST_CASE("large parts make up the whole, in any order") {
  RangeOrigin origin;
  origin.body = pattern(large);
  auto const order =
      GENERATE(std::vector<int>{0, 1, 2}, std::vector<int>{2, 0, 1}, std::vector<int>{1, 2, 0});
  FileWorld world(std::cref(origin));
  char const* const parts[] = {"0-999999", "900000-1999999", "2000000-"};
  for (int const part : order) CHECK(ask(world, range(parts[part])).status() == 206);
  CHECK(world.asked() == 3);
  auto const whole = ask(world);
  CHECK(whole.from_cache());
  bool const same = whole.body() == origin.body;
  CHECK(same);
  CHECK(world.asked() == 3);
}

TEST_CASE("a large body that is given up, or is too large, leaves nothing") {
  bool const given_up = GENERATE(true, false);
  RangeOrigin origin;
  origin.body = pattern(large);
  origin.tells_length = false;
  FileWorld world(std::cref(origin), CacheOptions().max_body_bytes(given_up ? large : large - 1));
  if (given_up) {
    CachedStream stream = world.run(world.session.get(url).stream());
    for (int i = 0; i < 20; ++i) CHECK(world.run(read_part(stream, 100'000)).size() == 100'000);
  } else {
    auto const response = ask(world);
    CHECK(response.body().size() == large);
    CHECK_FALSE(has(response.cache_status(), "stored"));
  }
  CHECK_FALSE(world.holds());
  CHECK(world.events->errors.empty());
}

TEST_CASE("one response of about max_bytes is not stored, and takes nothing else's room") {
  constexpr std::size_t bound = 4 << 20;
  RangeOrigin origin;
  FileWorld world(std::cref(origin), CacheOptions().max_bytes(bound));
  auto const other = [](int number) { return url + ("/" + std::to_string(number)); };
  origin.body = pattern(20'000);
  for (int i = 0; i < 100; ++i) ask(world, Fields(), other(i));
  origin.body = pattern(bound);
  auto const large_one = ask(world);
  CHECK(large_one.body().size() == bound);
  CHECK(has(large_one.cache_status(), "detail=\"too large\""));
  CHECK_FALSE(world.holds());
  std::size_t const asked = world.asked();
  for (int i = 0; i < 100; ++i) CHECK(ask(world, Fields(), other(i)).from_cache());
  CHECK(world.asked() == asked);
  // Without a length that is seen when it has come to that.
  origin.tells_length = false;
  auto const counted = ask(world);
  CHECK(counted.body().size() == bound);
  CHECK(has(counted.cache_status(), "detail=\"too large\""));
  CHECK_FALSE(world.holds());
  CHECK(world.events->errors.empty());
  // As much as is allowed does find room.
  origin.body = pattern(world.backend->options().max_body_bytes());
  ask(world);
  CHECK(world.holds());
  CHECK(world.events->errors.empty());
}

TEST_CASE("a store that fails in the middle does not disturb the caller") {
  RangeOrigin origin;
  origin.body = pattern(large);
  FileWorld world(std::cref(origin));
  std::string body;
  {
    CachedStream stream = world.run(world.session.get(url).stream());
    for (std::string some = "x"; !some.empty(); body += some) {
      some = world.run(read_part(stream, 300'000));
      if (body.size() == 600'000) world.close_file();
    }
  }
  bool const same = body == origin.body;
  CHECK(same);
  CHECK(world.events->errors == std::vector<std::string>{"store " + url});
  CHECK(world.events->responses.back() == "beast_cache; fwd=uri-miss; detail=\"storing failed\"");
}
