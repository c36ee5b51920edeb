// RFC 9110 sections 13 and 14 and RFC 9111 section 4.3 end to end: the caller's own conditions and ranges,
// several validators at once. Parts of a response: rfc9111_parts.cpp.

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

TEST_CASE("several ranges at once yield those bytes or the whole, never one of them alone (RFC 9110 14.2)") {
  RangeOrigin origin;
  World world(std::cref(origin), each_mode());
  ask(world);
  auto const answer = ask(world, range("0-1,8-9"));
  bool const multipart = answer.status() == 206 &&
                         has(std::string(answer.header("Content-Type")), "multipart/byteranges") &&
                         has(answer.body(), "01") && has(answer.body(), "89");
  bool const whole = answer.status() == 200 && answer.body() == "0123456789";
  CHECK((multipart || whole));
  CHECK(ask(world).from_cache());
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

TEST_CASE("a part that comes without the fields that its asker has is not stored (RFC 9110 15.3.7)") {
  World world([](Request const& request) {
    std::string head = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
    bool const bare = request.headers().count("If-Range") != 0;
    if (bare) return FakeClient::answer(request, 206, head + "Content-Range: bytes 0-3/4\r\n", "body");
    return FakeClient::answer(request, 200, head + "Content-Type: text/html\r\n", "body");
  });
  auto const part = ask(world, {{"Range", "bytes=0-3"}, {"If-Range", "\"a\""}});
  CHECK(part.status() == 206);
  CHECK_FALSE(part.created_at());
  auto const whole = ask(world);
  CHECK(whole.status() == 200);
  CHECK(whole.headers()["Content-Type"] == "text/html");
  CHECK(world.asked() == 2);
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

TEST_CASE("no 304 gives one user's cookies to another, or a coding that was not asked for") {
  char const* const rest = GENERATE(
      "Vary: Cookie\r\nETag: \"a\"\r\n", "Vary: X-User\r\nETag: \"a\"\r\nSet-Cookie: sid=1\r\n",
      "Vary: X-User\r\nETag: W/\"a\"\r\n", "Vary: X-User\r\nETag: \"a\"\r\nContent-Encoding: gzip\r\n");
  World world(
      [&](Request const& request) {
        bool const same = request.headers().count("If-None-Match") != 0;
        return FakeClient::answer(request, same ? 304 : 200,
                                  std::string("Cache-Control: max-age=60\r\n") + rest,
                                  same ? "" : std::string(request.headers()["X-User"]));
      },
      each_mode());
  ask(world, {{"Cookie", "u=alice"}, {"X-User", "alice"}});
  auto const answer = ask(world, {{"Cookie", "u=bob"}, {"X-User", "bob"}, {"Accept-Encoding", "identity"}});
  CHECK_FALSE(sent(world, "If-None-Match"));
  CHECK(answer.body() == "bob");
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

TEST_CASE("a 304 to a stale variant freshens that one alone (RFC 9111 4.3.4)") {
  World world(
      [&](Request const& request) {
        std::string const language(request.headers()["Accept-Language"]);
        std::string const tag = "\"" + language + "\"";
        bool const same = has(std::string(request.headers()["If-None-Match"]), tag);
        return FakeClient::answer(
            request, same ? 304 : 200,
            "Cache-Control: max-age=60\r\nVary: Accept-Language\r\nETag: " + tag + "\r\n",
            same ? "" : "in " + language);
      },
      each_mode());
  ask(world, {{"Accept-Language", "en"}});
  ask(world, {{"Accept-Language", "fr"}});
  world.clock->advance(61s);
  CHECK(ask(world, {{"Accept-Language", "en"}}).body() == "in en");
  CHECK(has(world.last_sent("If-None-Match"), "\"en\""));
  CHECK(world.asked() == 3);
  CHECK(ask(world, {{"Accept-Language", "en"}}).body() == "in en");
  CHECK(world.asked() == 3);
  CHECK(ask(world, {{"Accept-Language", "fr"}}).body() == "in fr");
  CHECK(has(world.last_sent("If-None-Match"), "\"fr\""));
  CHECK(world.asked() == 4);
}
