// RFC 9111 sections 3.3 and 3.4 end to end: parts of a response, and downloads that broke off.

#include "catch.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

namespace {

Fields range(std::string spec) {
  return Fields{{"Range", "bytes=" + std::move(spec)}};
}

}  // namespace

TEST_CASE("a 206 is stored for its bytes and never stands for the whole (RFC 9111 3.3)") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  auto const first = ask(world, range("2-6"));
  CHECK(first.status() == 206);
  CHECK(first.header("Content-Range") == "bytes 2-6/10");
  auto const inner = ask(world, range("3-5"));
  CHECK(inner.status() == 206);
  CHECK(inner.body() == "345");
  CHECK(inner.header("Content-Range") == "bytes 3-5/10");
  CHECK(inner.header("Content-Length") == "3");
  CHECK(world.asked() == 1);
  CHECK(ask(world, range("0-3")).body() == "0123");
  CHECK(world.asked() == 2);
  auto const whole = ask(world);
  CHECK(whole.status() == 200);
  CHECK(whole.body() == "0123456789");
  CHECK(whole.headers().count("Content-Range") == 0);
}

TEST_CASE("parts with the same strong tag make up the whole (RFC 9111 3.4, RFC 9110 15.3.7.3)") {
  auto const second = GENERATE(as<std::string>(), "5-9", "3-9", "-5");
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  CAPTURE(second);
  ask(world, range("0-4"));
  ask(world, range(second));
  CHECK(world.asked() == 2);
  auto const whole = ask(world);
  CHECK(whole.status() == 200);
  CHECK(whole.from_cache());
  CHECK(whole.body() == "0123456789");
  CHECK(whole.header("Content-Length") == "10");
  CHECK(whole.headers().count("Content-Range") == 0);
  auto const across = ask(world, range("3-7"));
  CHECK(across.status() == 206);
  CHECK(across.body() == "34567");
  CHECK(ask(world, {{"If-None-Match", "\"a\""}}).status() == 304);
  CHECK(world.asked() == 2);
}

TEST_CASE("parts with a hole between them are not served across it") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world, range("0-3"));
  ask(world, range("6-9"));
  auto const across = ask(world, range("2-7"));
  CHECK(across.status() == 206);
  CHECK(across.body() == "234567");
  CHECK(across.header("Content-Range") == "bytes 2-7/10");
  CHECK(world.asked() == 3);
}

TEST_CASE("parts without the same strong tag are never put together (RFC 9111 3.4)") {
  struct Row {
    std::string first, second;
  };
  auto const row = GENERATE(Row{"W/\"a\"", "W/\"a\""}, Row{"\"a\"", "\"b\""}, Row{"\"a\"", ""}, Row{"", ""});
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  CAPTURE(row.first, row.second);
  origin.etag = row.first;
  ask(world, range("0-4"));
  origin.etag = row.second;
  origin.body = "abcdefghij";
  CHECK(ask(world, range("5-9")).body() == "fghij");
  CHECK(ask(world, range("3-7")).body() == "defgh");
  CHECK(world.asked() == 3);
  auto const whole = ask(world);
  CHECK(whole.status() == 200);
  CHECK(whole.body() == "abcdefghij");
}

TEST_CASE("Content-Range means nothing with a 200 that nobody asked a part of (RFC 9110 14.4)") {
  RangeOrigin origin;
  origin.headers += "Content-Range: bytes 0-3/9\r\n";
  World world(std::cref(origin), each_mode());
  ask(world);
  auto const again = ask(world);
  CHECK(again.from_cache());
  CHECK(again.header("Content-Range") == "bytes 0-3/9");
  auto const part = ask(world, range("2-3"));
  CHECK(part.status() == 206);
  CHECK(part.header("Content-Range") == "bytes 2-3/10");
  CHECK(world.asked() == 1);
}

TEST_CASE("a 200 with Content-Range is taken neither for the rest that was asked for nor for the whole") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world, range("0-4"));
  origin.misnames_parts = true;
  auto const whole = ask(world);
  CHECK(whole.status() == 200);
  CHECK(whole.body() == "0123456789");
  CHECK(world.asked() == 3);
}

TEST_CASE("a part without a strong validator answers for its bytes alone (RFC 9111 3.3)") {
  RangeOrigin origin;
  origin.etag = GENERATE(as<std::string>(), "", "W/\"a\"");
  World world(std::cref(origin), each_mode());
  ask(world, range("-5"));
  auto const inner = ask(world, range("6-8"));
  CHECK(inner.status() == 206);
  CHECK(inner.body() == "678");
  CHECK(ask(world, range("-1")).body() == "9");
  CHECK(world.asked() == 1);
  CHECK(ask(world).body() == "0123456789");
  CHECK(world.asked() == 2);
}

TEST_CASE("parts of another variant, or of another user's response, are not used") {
  bool const users = GENERATE(false, true);
  std::string const name = users ? "Authorization" : "Accept-Language";
  World world(
      [&](Request const& request) {
        RangeOrigin origin;
        if (!users) origin.headers += "Vary: Accept-Language\r\n";
        origin.body = request.headers()[name] == "one" ? "0123456789" : "abcdefghij";
        return origin(request);
      },
      each_mode());
  auto const part = [&](std::string who, std::string bytes) {
    return ask(world, {{name, std::move(who)}, {"Range", "bytes=" + std::move(bytes)}}).body();
  };
  CHECK(part("one", "0-4") == "01234");
  CHECK(part("two", "0-4") == "abcde");
  CHECK(part("two", "5-9") == "fghij");
  CHECK(part("one", "5-9") == "56789");
  CHECK(world.asked() == 4);
  CHECK(part("one", "3-7") == "34567");
  CHECK(part("two", "3-7") == "defgh");
}

TEST_CASE("a part with a new tag takes the place of the old ones") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world, range("0-4"));
  origin.etag = "\"b\"";
  origin.body = "abcdefghij";
  ask(world, range("5-9"));
  CHECK(ask(world, range("6-8")).body() == "ghi");
  CHECK(world.asked() == 2);
  CHECK(ask(world, range("0-4")).body() == "abcde");
  CHECK(ask(world).body() == "abcdefghij");
}

TEST_CASE("a stale part is validated before it answers again") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world, range("0-4"));
  world.clock->advance(61s);
  auto const same = ask(world, range("1-3"));
  CHECK(same.status() == 206);
  CHECK(same.body() == "123");
  CHECK(world.asked() == 2);
  world.clock->advance(61s);
  origin.etag = "\"b\"";
  origin.body = "abcdefghij";
  // An answer of another length is allowed (RFC 9110 14.2), one of another age is not.
  auto const changed = ask(world, range("1-3"));
  CHECK(changed.body() == (changed.status() == 206 ? "bcd" : "abcdefghij"));
}

TEST_CASE("an origin's 416 is passed on and says nothing about other ranges") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  auto const beyond = ask(world, range("20-"));
  CHECK(beyond.status() == 416);
  CHECK(beyond.header("Content-Range") == "bytes */10");
  CHECK(ask(world, range("0-1")).body() == "01");
  CHECK(ask(world).body() == "0123456789");
}

TEST_CASE("a broken download goes on where it ended (RFC 9111 3.3, 3.4)") {
  RangeOrigin origin;
  origin.breaks_after = 4;
  World world(std::cref(origin), each_mode());
  CHECK_THROWS_AS(ask(world), Error);
  origin.breaks_after.reset();
  SECTION("with the rest, and is a hit from then on") {
    auto const resumed = ask(world);
    CHECK(world.last_sent("Range") == "bytes=4-");
    CHECK(world.last_sent("If-Range") == "\"a\"");
    CHECK(resumed.status() == 200);
    CHECK(resumed.body() == "0123456789");
    CHECK(resumed.header("Content-Length") == "10");
    CHECK(resumed.headers().count("Content-Range") == 0);
    auto const hit = ask(world);
    CHECK(hit.from_cache());
    CHECK(hit.status() == 200);
    CHECK(hit.body() == "0123456789");
    CHECK(world.asked() == 2);
  }
  SECTION("from the start when it is another one by now") {
    origin.etag = "\"b\"";
    origin.body = "abcdefghij";
    auto const restarted = ask(world);
    CHECK(restarted.status() == 200);
    CHECK(restarted.body() == "abcdefghij");
    CHECK(world.asked() == 2);
    CHECK(ask(world).body() == "abcdefghij");
    CHECK(world.asked() == 2);
  }
  SECTION("from the start when the origin refuses the range") {
    origin.refuses_range = GENERATE(412u, 416u);
    auto const whole = ask(world);
    CHECK(whole.status() == 200);
    CHECK(whole.body() == "0123456789");
    CHECK_FALSE(sent(world, "Range"));
    CHECK_FALSE(sent(world, "If-Range"));
    CHECK(world.asked() == 3);
  }
  SECTION("when it has gone stale, too") {
    world.clock->advance(61s);
    auto const resumed = ask(world);
    CHECK(resumed.status() == 200);
    CHECK(resumed.body() == "0123456789");
    CHECK(ask(world).from_cache());
    CHECK(world.asked() == 2);
  }
  SECTION("in more than one step") {
    origin.breaks_after = 3;
    CHECK_THROWS_AS(ask(world), Error);
    CHECK(world.last_sent("Range") == "bytes=4-");
    origin.breaks_after.reset();
    CHECK(ask(world).body() == "0123456789");
    CHECK(world.last_sent("Range") == "bytes=7-");
    CHECK(ask(world).from_cache());
  }
  SECTION("and the bytes that came answer a range of theirs") {
    auto const part = ask(world, range("1-2"));
    CHECK(part.status() == 206);
    CHECK(part.body() == "12");
    CHECK(part.header("Content-Range") == "bytes 1-2/10");
  }
}

TEST_CASE("a rest that is not as long as its Content-Range says completes nothing") {
  RangeOrigin origin;
  origin.breaks_after = 4;
  World world(std::cref(origin), each_mode());
  CHECK_THROWS_AS(ask(world), Error);
  origin.breaks_after.reset();
  origin.part_size = GENERATE(std::size_t{3}, std::size_t{5}, std::size_t{7}, std::size_t{8});
  CAPTURE(*origin.part_size);
  SECTION("by the Content-Length, and the whole is asked for") {
    CHECK(ask(world).body() == origin.body);
    CHECK(world.asked() == 3);
  }
  SECTION("as it turns out") {
    origin.tells_length = false;
    try {
      static_cast<void>(ask(world));
      FAIL("complete");
    } catch (Error const& error) {
      CHECK(error.code() == (*origin.part_size < 6 ? http_errc::truncated : http_errc::framing));
    }
    origin.part_size.reset();
    CHECK(ask(world).body().size() == origin.body.size());
    CHECK_FALSE(ask(world).body().empty());
  }
  auto const hit = ask(world);
  CHECK(hit.from_cache());
  CHECK(hit.body().size() == origin.body.size());
}

TEST_CASE("a broken download without a strong validator starts anew (RFC 9111 3.4)") {
  auto const etag = GENERATE(as<std::string>(), "", "W/\"a\"");
  RangeOrigin origin;
  origin.etag = etag;
  origin.breaks_after = 4;
  World world(std::cref(origin), each_mode());
  CHECK_THROWS_AS(ask(world), Error);
  origin.breaks_after.reset();
  auto const whole = ask(world);
  CHECK_FALSE(sent(world, "Range"));
  CHECK(whole.status() == 200);
  CHECK(whole.body() == "0123456789");
  CHECK_FALSE(whole.from_cache());
}

TEST_CASE("a broken download of unknown length is completed or starts anew, and never ends early") {
  RangeOrigin origin;
  origin.breaks_after = 4;
  origin.tells_length = false;
  World world(std::cref(origin), each_mode());
  CHECK_THROWS_AS(ask(world), Error);
  CHECK(ask(world, {{"Cache-Control", "only-if-cached"}}).status() == 504);
  origin.breaks_after.reset();
  auto const whole = ask(world);
  CHECK(whole.status() == 200);
  CHECK(whole.body() == "0123456789");
  CHECK(world.asked() == 2);
  auto const hit = ask(world);
  CHECK(hit.from_cache());
  CHECK(hit.body() == "0123456789");
}
