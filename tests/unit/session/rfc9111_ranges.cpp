// RFC 9110 sections 13 and 14 and RFC 9111 sections 3.3, 3.4 and 4.3, end to end: the caller's own conditions
// and ranges, several validators at once, parts of a response.

#include "catch.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

namespace {

std::string const modified = "Wed, 31 Dec 2025 00:00:00 GMT";  // a day before the clock starts
std::string const earlier = "Tue, 30 Dec 2025 00:00:00 GMT";
std::string const later = "Wed, 31 Dec 2025 12:00:00 GMT";
std::string const started = "Thu, 01 Jan 2026 00:00:00 GMT";

Fields range(std::string spec) {
  return Fields{{"Range", "bytes=" + std::move(spec)}};
}

}  // namespace

TEST_CASE("a caller's condition is answered from a fresh response (RFC 9111 4.3.2)") {
  struct Row {
    char const* what;
    Fields asked;
    unsigned status;
  };
  std::vector<Row> const rows{
      {"13.1.2 the same", {{"If-None-Match", "\"a\""}}, 304},
      {"13.1.2 compared weakly", {{"If-None-Match", "W/\"a\""}}, 304},
      {"13.1.2 one of a list", {{"If-None-Match", "\"x\", \"y,a\" , \"a\""}}, 304},
      {"13.1.2 in two lines", {{"If-None-Match", "\"x\""}, {"If-None-Match", "\"a\""}}, 304},
      {"13.1.2 any", {{"If-None-Match", "*"}}, 304},
      {"13.1.2 another", {{"If-None-Match", "\"x\", \"A\""}}, 200},
      {"13.1.3 the same time", {{"If-Modified-Since", modified}}, 304},
      {"13.1.3 a later time", {{"If-Modified-Since", later}}, 304},
      {"13.1.3 an earlier time", {{"If-Modified-Since", earlier}}, 200},
      {"13.1.3 no date", {{"If-Modified-Since", "yesterday"}}, 200},
      {"13.2.2 the tag counts", {{"If-None-Match", "\"x\""}, {"If-Modified-Since", later}}, 200},
      {"13.2.2 the tag counts", {{"If-None-Match", "\"a\""}, {"If-Modified-Since", earlier}}, 304},
      {"13.2.2 before a range", {{"If-None-Match", "\"a\""}, {"Range", "bytes=0-3"}}, 304},
  };
  RangeOrigin origin;
  origin.headers =
      "Cache-Control: max-age=60\r\nVary: Accept\r\nContent-Type: text/plain\r\nDate: " + started +
      "\r\nLast-Modified: " + modified + "\r\n";
  World world(std::cref(origin), each_mode());
  ask(world);
  world.clock->advance(20s);
  for (auto const& row : rows) {
    CAPTURE(row.what, row.asked);
    auto const answer = ask(world, row.asked);
    CHECK(answer.status() == row.status);
    CHECK(answer.body() == (row.status == 304 ? "" : "0123456789"));
    CHECK(answer.from_cache());
    CHECK(answer.header("ETag") == "\"a\"");
    CHECK(answer.header("Date") == started);
    CHECK(answer.header("Vary") == "Accept");
    CHECK(answer.header("Cache-Control") == "max-age=60");
    CHECK(answer.header("Age") == "20");
    CHECK(answer.headers().count("Content-Length") == (row.status == 304 ? 0 : 1));
    CHECK(ask(world, row.asked, url, "HEAD").status() == row.status);
  }
  CHECK(world.asked() == 1);
}

TEST_CASE("without Last-Modified, If-Modified-Since is held against Date (RFC 9111 4.3.2)") {
  World world(always("Cache-Control: max-age=60\r\nDate: " + started + "\r\n"), each_mode());
  world.get();
  CHECK(ask(world, {{"If-Modified-Since", started}}).status() == 304);
  CHECK(ask(world, {{"If-Modified-Since", later}}).status() == 200);
  CHECK(world.asked() == 1);
}

TEST_CASE("a caller's condition on what is stale is asked with the cache's own validators (RFC 9111 4.3.1)") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world);
  world.clock->advance(61s);
  CHECK(ask(world, {{"If-None-Match", "\"a\""}, {"If-Modified-Since", later}}).status() == 304);
  CHECK(has(world.last_sent("If-None-Match"), "\"a\""));
  CHECK_FALSE(sent(world, "If-Modified-Since"));
  world.clock->advance(61s);
  auto const other = ask(world, {{"If-None-Match", "\"b\""}});
  CHECK(other.status() == 200);
  CHECK(other.body() == "0123456789");
  CHECK(has(world.last_sent("If-None-Match"), "\"a\""));
  world.clock->advance(61s);
  auto const part = ask(world, range("2-4"));
  CHECK(part.status() == 206);
  CHECK(part.body() == "234");
  CHECK(world.asked() == 4);
  // Each of them has made the stored response fresh again.
  auto const hit = ask(world);
  CHECK(hit.status() == 200);
  CHECK(hit.body() == "0123456789");
  CHECK(world.asked() == 4);
}

TEST_CASE("a condition that changed content does not meet yields the new content, which is stored") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world);
  world.clock->advance(61s);
  origin.etag = "\"b\"";
  origin.body = "new";
  auto const changed = ask(world, {{"If-None-Match", "\"a\""}});
  CHECK(changed.status() == 200);
  CHECK(changed.body() == "new");
  CHECK(ask(world).body() == "new");
  CHECK(ask(world, {{"If-None-Match", "\"b\""}}).status() == 304);
  CHECK(ask(world, {{"If-None-Match", "\"a\""}}).status() == 200);
  CHECK(world.asked() == 2);
}

TEST_CASE("with nothing stored the caller's condition goes to the origin, and its 304 is the caller's") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  auto const first = ask(world, {{"If-None-Match", "\"a\""}});
  CHECK(first.status() == 304);
  CHECK(world.last_sent("If-None-Match") == "\"a\"");
  auto const second = ask(world);
  CHECK(second.status() == 200);
  CHECK(second.body() == "0123456789");
  CHECK(world.asked() == 2);
}

TEST_CASE("a range of a fresh response is answered from it (RFC 9110 14)") {
  struct Row {
    std::string spec;
    unsigned status;
    std::string content_range;
    std::string body;
  };
  std::vector<Row> const rows{
      {"bytes=0-3", 206, "bytes 0-3/10", "0123"},
      {"bytes=7-", 206, "bytes 7-9/10", "789"},
      {"bytes=-2", 206, "bytes 8-9/10", "89"},
      {"bytes=5-99", 206, "bytes 5-9/10", "56789"},
      {"bytes=-99", 206, "bytes 0-9/10", "0123456789"},
      {"BYTES=0-0", 206, "bytes 0-0/10", "0"},
      {"bytes=10-", 416, "bytes */10", ""},
      {"bytes=-0", 416, "bytes */10", ""},
      {"lines=1-2", 200, "", "0123456789"},
  };
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world);
  world.clock->advance(20s);
  for (auto const& row : rows) {
    CAPTURE(row.spec);
    auto const answer = ask(world, {{"Range", row.spec}});
    CHECK(answer.status() == row.status);
    CHECK(answer.from_cache());
    CHECK(answer.header("Content-Range") == row.content_range);
    if (row.status == 416) continue;
    CHECK(answer.body() == row.body);
    CHECK(answer.header("Content-Length") == std::to_string(row.body.size()));
    CHECK(answer.header("ETag") == "\"a\"");
    CHECK(answer.header("Age") == "20");
    auto const head = ask(world, {{"Range", row.spec}}, url, "HEAD");
    CHECK(head.status() == 200);  // section 14.2: Range is for GET alone
    CHECK(head.header("Content-Length") == "10");
  }
  CHECK(world.asked() == 1);
}

TEST_CASE("conditions and ranges apply only to what would have been a 200 (RFC 9110 13.2.1, 14.2)") {
  World world(always("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", "not there", 404), each_mode());
  world.get();
  for (auto const& asked : {range("0-2"), Fields{{"If-None-Match", "\"a\""}}}) {
    auto const answer = ask(world, asked);
    CHECK(answer.status() == 404);
    CHECK(answer.body() == "not there");
  }
}

TEST_CASE("If-Range decides between the part and the whole (RFC 9110 13.1.5)") {
  struct Row {
    std::string etag;
    std::string if_range;
    unsigned status;
  };
  std::vector<Row> const rows{
      {"\"a\"", "\"a\"", 206},     {"\"a\"", "\"b\"", 200},   {"\"a\"", "W/\"a\"", 200},
      {"W/\"a\"", "W/\"a\"", 200}, {"W/\"a\"", "\"a\"", 200}, {"\"a\"", modified, 206},
      {"\"a\"", later, 200},       {"\"a\"", earlier, 200},
  };
  auto const options = each_mode();
  for (auto const& row : rows) {
    CAPTURE(row.etag, row.if_range);
    RangeOrigin origin;
    origin.etag = row.etag;
    origin.headers += "Date: " + started + "\r\nLast-Modified: " + modified + "\r\n";
    World world(std::cref(origin), options);
    ask(world);
    auto const answer = ask(world, {{"Range", "bytes=0-3"}, {"If-Range", row.if_range}});
    CHECK(answer.status() == row.status);
    CHECK(answer.body() == (row.status == 206 ? "0123" : "0123456789"));
    CHECK(world.asked() == 1);
  }
}

TEST_CASE("the tags of several variants are asked at once, and a 304 chooses one (RFC 9111 4.3.1, 4.3.4)") {
  std::optional<std::string> names;  // the tag in a 304, once there are any
  World world(
      [&](Request const& request) {
        std::string const language(request.headers()["Accept-Language"]);
        std::string const head = "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n";
        if (names && request.headers().count("If-None-Match"))
          return FakeClient::answer(request, 304, head + *names);
        return FakeClient::answer(request, 200, head + "ETag: \"" + language + "\"\r\n", "in " + language);
      },
      each_mode());
  ask(world, {{"Accept-Language", "en"}});
  ask(world, {{"Accept-Language", "de"}});

  names = "ETag: \"de\"\r\n";
  auto const swiss = ask(world, {{"Accept-Language", "gsw"}});
  CHECK(has(world.last_sent("If-None-Match"), "\"en\""));
  CHECK(has(world.last_sent("If-None-Match"), "\"de\""));
  CHECK(swiss.status() == 200);
  CHECK(swiss.body() == "in de");
  CHECK(world.asked() == 3);
  auto const again = ask(world, {{"Accept-Language", "gsw"}});
  CHECK(again.body() == "in de");
  CHECK(again.from_cache());
  CHECK(ask(world, {{"Accept-Language", "en"}}).body() == "in en");
  CHECK(ask(world, {{"Accept-Language", "de"}}).body() == "in de");
  CHECK(world.asked() == 3);

  // A 304 that names none of them, or nothing at all, says nothing about any.
  names = GENERATE(as<std::string>(), "ETag: \"other\"\r\n", "");
  auto const french = ask(world, {{"Accept-Language", "fr"}});
  CHECK(french.status() == 200);
  CHECK(french.body() == "in fr");
  CHECK_FALSE(sent(world, "If-None-Match"));
  CHECK(world.asked() == 5);
  CHECK(ask(world, {{"Accept-Language", "fr"}}).from_cache());
}

TEST_CASE("the tags of another user's variants are never offered") {
  World world(
      [](Request const& request) {
        std::string const language(request.headers()["Accept-Language"]);
        return FakeClient::answer(
            request, 200,
            "Cache-Control: max-age=60\r\nVary: Accept-Language\r\nETag: \"" + language + "\"\r\n");
      },
      each_mode());
  ask(world, {{"Accept-Language", "en"}, {"Authorization", "alice"}});
  ask(world, {{"Accept-Language", "de"}, {"Authorization", "bob"}});
  CHECK_FALSE(sent(world, "If-None-Match"));
  ask(world, {{"Accept-Language", "fr"}});
  CHECK_FALSE(sent(world, "If-None-Match"));
}

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
