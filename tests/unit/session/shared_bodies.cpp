// Bodies that are read by several requests while they arrive.

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/detail/shared_stream.hpp"
#include "support/audience.hpp"
#include "support/pattern.hpp"
#include "support/temp_directory.hpp"

using namespace test_support;

TEST_CASE("others read a body while it arrives") {
  Audience audience;
  auto const leader = audience.ask();
  auto const early = audience.ask();
  audience.open();
  audience.push("first ");
  CHECK(early->body == "first ");
  CHECK(leader->body == "first ");
  auto const late = audience.ask();
  CHECK(late->body == "first ");
  audience.push("second");
  CHECK(audience.asked() == 1);
  for (auto const& one : {leader, early, late}) {
    CHECK(one->body == "first second");
    CHECK_FALSE(one->complete);
  }
  audience.end();
  for (auto const& one : {leader, early, late}) CHECK(one->complete);
  CHECK(leader->status == "beast_cache; fwd=uri-miss; ttl=60; stored");
  CHECK(early->status == "beast_cache; fwd=uri-miss; ttl=60; collapsed");
  CHECK(late->status == early->status);
  auto const hit = audience.ask();
  CHECK(hit->body == "first second");
  CHECK(hit->status == "beast_cache; hit; ttl=60");
  CHECK(audience.asked() == 1);
}

TEST_CASE("who comes when one already reads for itself reads along from the beginning") {
  Audience audience;
  auto const leader = audience.ask();
  audience.open();
  audience.push("first ");
  CHECK(leader->body == "first ");
  auto const late = audience.ask();
  CHECK_FALSE(late->stream);
  audience.push("second ");
  CHECK(late->body == "first second ");
  audience.push("third");
  audience.end();
  CHECK(audience.asked() == 1);
  for (auto const& one : {leader, late}) {
    CHECK(one->complete);
    CHECK(one->body == "first second third");
  }
}

TEST_CASE("a large body is one request for all") {
  TempDirectory const dir;
  auto options = CacheOptions().clock(std::make_shared<ManualClock>());
  Audience audience(std::make_shared<SQLiteBackend>(dir.file("cache"), options));
  std::string const body = pattern(3'000'017);
  audience.client->holds_heads = false;
  std::vector<std::shared_ptr<Seen>> all;
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::make_shared<Seen>());
    start(audience.io, consume(audience.session.get(url).stream(), all.back()), all.back());
  }
  while (audience.asked() == 0) audience.io.run_one();
  audience.drip().push(body);
  audience.drip().end();
  audience.io.run();
  CHECK(audience.asked() == 1);
  std::size_t same = 0;
  for (auto const& one : all) same += one->complete && one->body == body;
  CHECK(same == 100);
  auto const hit = std::make_shared<Seen>();
  start(audience.io, consume(audience.session.get(url).stream(), hit), hit);
  audience.io.restart();
  audience.io.run();
  CHECK(hit->status == "beast_cache; hit; ttl=60");
  CHECK(hit->body == body);
}

TEST_CASE("requests with other fields don't read along, but with one another") {
  Audience audience;
  audience.client->headers += "Vary: Accept-Language\r\n";
  auto const ask = [&](char const* language) {
    return audience.ask(audience.session.get(url).header("Accept-Language", language).stream());
  };
  auto const en = ask("en");
  auto const same = ask("en");
  auto const de = ask("de");
  auto const too = ask("de");
  CHECK(audience.asked() == 1);
  audience.open();
  CHECK(audience.asked() == 2);
  audience.push("english");
  audience.open(1);
  audience.push("deutsch", 1);
  CHECK(same->body == "english");
  CHECK(de->body == "deutsch");
  CHECK(too->body == "deutsch");
  CHECK(too->status == "beast_cache; fwd=uri-miss; ttl=60; collapsed");
  audience.end();
  audience.end(1);
  CHECK(audience.asked() == 2);
  for (auto const& one : {en, same, de, too}) CHECK(one->complete);
}

TEST_CASE("requests with other credentials don't read along") {
  Audience audience;
  audience.client->headers = "Cache-Control: private, max-age=60\r\n";
  auto const one = audience.ask(audience.session.get(url).basic_auth("a", "a").stream());
  auto const two = audience.ask(audience.session.get(url).basic_auth("b", "b").stream());
  CHECK(audience.asked() == 2);
  audience.open();
  audience.push("of a");
  auto const late = audience.ask(audience.session.get(url).basic_auth("b", "b").stream());
  auto const nobody = audience.ask();
  CHECK(audience.asked() == 3);
  audience.end();
  audience.open(1);
  audience.push("of b", 1);
  audience.end(1);
  CHECK(one->body == "of a");
  CHECK(two->body == "of b");
  CHECK(late->body == "of b");
  CHECK(nobody->body.empty());
}

TEST_CASE("a head that says no-store lets the others go before its body ends") {
  Audience audience;
  audience.client->headers = "Cache-Control: no-store\r\n";
  auto const leader = audience.ask();
  auto const two = audience.ask();
  auto const three = audience.ask();
  CHECK(audience.asked() == 1);
  audience.open();
  CHECK(audience.asked() == 3);
  for (std::size_t i : {1u, 2u}) {
    audience.open(i);
    audience.push("own", i);
    audience.end(i);
  }
  CHECK(two->complete);
  CHECK(three->complete);
  CHECK(two->status == "beast_cache; fwd=uri-miss; detail=\"no-store\"");
  CHECK_FALSE(leader->complete);
  audience.end();
  CHECK(leader->complete);
}

TEST_CASE("what has to be validated is waited for until it can be") {
  Audience audience;
  audience.client->headers = "Cache-Control: no-cache\r\nETag: \"a\"\r\n";
  auto const leader = audience.ask();
  auto const other = audience.ask();
  audience.open();
  audience.push("body");
  CHECK(audience.asked() == 1);
  CHECK_FALSE(other->stream);
  audience.end();
  REQUIRE(audience.asked() == 2);
  CHECK(audience.drip(1).request.headers()["If-None-Match"] == "\"a\"");
  audience.client->status = 304;
  audience.open(1);
  audience.end(1);
  CHECK(other->body == "body");
  CHECK(leader->complete);
}

TEST_CASE("the others get the whole when the one whose request it was has gone") {
  Audience audience;
  auto const leader = audience.ask();
  auto const other = audience.ask();
  audience.open();
  audience.push("first ");
  SECTION("cancelled") {
    leader->cancel.emit(asio::cancellation_type::terminal);
    audience.settle();
    CHECK(leader->code() == asio::error::operation_aborted);
  }
  SECTION("and the next one after it") {
    auto const third = audience.ask();
    leader->cancel.emit(asio::cancellation_type::terminal);
    other->cancel.emit(asio::cancellation_type::terminal);
    audience.settle();
    CHECK(other->code() == asio::error::operation_aborted);
    audience.push("second");
    audience.end();
    CHECK(third->body == "first second");
    CHECK(audience.asked() == 1);
    return;
  }
  audience.push("second");
  audience.end();
  CHECK(other->complete);
  CHECK(other->body == "first second");
  CHECK(audience.ask()->status == "beast_cache; hit; ttl=60");
  CHECK(audience.asked() == 1);
}

TEST_CASE("one that stops reading holds nobody up, and can read on") {
  Audience audience;
  auto const leader = audience.ask(audience.session.get(url).stream(), 0);
  auto const other = audience.ask();
  audience.open();
  audience.push("first ");
  audience.push("second");
  CHECK(other->body == "first second");
  audience.end();
  CHECK(other->complete);
  CHECK(leader->body.empty());
  audience.read_on(leader);
  CHECK(leader->complete);
  CHECK(leader->body == "first second");
}

TEST_CASE("one that reads along can be cancelled, and the others don't notice") {
  Audience audience;
  auto const leader = audience.ask();
  auto const one = audience.ask();
  auto const two = audience.ask();
  audience.open();
  audience.push("first ");
  one->cancel.emit(asio::cancellation_type::terminal);
  audience.settle();
  CHECK(one->code() == asio::error::operation_aborted);
  audience.push("second");
  audience.end();
  CHECK(leader->body == "first second");
  CHECK(two->body == "first second");
}

TEST_CASE("when all have gone, so has the exchange") {
  Audience audience;
  auto const leader = audience.ask();
  auto const other = audience.ask();
  audience.open();
  audience.push("first");
  CHECK_FALSE(audience.drip().given_up);
  leader->cancel.emit(asio::cancellation_type::terminal);
  other->cancel.emit(asio::cancellation_type::terminal);
  audience.settle();
  CHECK(audience.drip().given_up);
  auto const next = audience.ask();
  CHECK(audience.asked() == 2);
  audience.open(1);
  audience.push("whole", 1);
  audience.end(1);
  CHECK(next->body == "whole");
}

TEST_CASE("a body that breaks off is truncated for all") {
  Audience audience;
  auto const leader = audience.ask();
  auto const other = audience.ask();
  audience.open();
  audience.push("first");
  audience.drip().break_off();
  audience.settle();
  for (auto const& one : {leader, other}) {
    CHECK(one->body == "first");
    CHECK_FALSE(one->complete);
    CHECK(one->code() == http_errc::truncated);
  }
  auto const next = audience.ask();
  CHECK(audience.asked() == 2);
  CHECK_FALSE(next->stream);
}

TEST_CASE("the time that the first one has is not that of the others") {
  Audience audience;
  audience.client->headers += "ETag: \"a\"\r\n";
  auto const leader = audience.ask(audience.session.get(url).timeout(3'600'000ms).stream());
  auto const other = audience.ask();
  audience.open();
  audience.push("first ");
  audience.client->status = 206;
  audience.client->headers = "ETag: \"a\"\r\nContent-Range: bytes 5-11/12\r\n";
  audience.drip().break_off(http_errc::timeout);
  audience.settle();
  REQUIRE(audience.asked() == 3);  // each for the rest
  for (std::size_t i : {1u, 2u}) {
    audience.open(i);
    audience.push(" second", i);
    audience.end(i);
  }
  CHECK(other->body == "first second");
  CHECK(leader->body == "first second");
}

TEST_CASE("when the time of the first one is over, who has given nothing away asks for itself") {
  Audience audience;
  auto const leader = audience.ask(audience.session.get(url).timeout(3'600'000ms).stream());
  std::optional<CachedResponse> whole;
  asio::awaitable<CachedResponse> request = audience.session.get(url);
  asio::co_spawn(audience.io, std::move(request), [&](std::exception_ptr failure, CachedResponse response) {
    REQUIRE_FALSE(failure);
    whole = std::move(response);
  });
  auto const streamed = audience.ask();
  audience.open();
  audience.push("first ");
  CHECK(audience.asked() == 1);
  audience.drip().break_off(http_errc::timeout);
  audience.settle();
  CHECK(leader->code() == http_errc::timeout);
  CHECK(streamed->code() == http_errc::truncated);  // it had some: the time that is over is not its own
  REQUIRE(audience.asked() == 2);
  audience.open(1);
  audience.push("anew", 1);
  audience.end(1);
  REQUIRE(whole);
  CHECK(whole->body() == "anew");
  CHECK(whole->cache_status() == "beast_cache; fwd=miss; ttl=60; stored; detail=\"reading failed\"");
}

TEST_CASE("those that read along may have all the time there is") {
  Audience audience;
  auto const endless = [&] { return audience.session.get(url).timeout(std::chrono::milliseconds::max()); };
  auto const leader = audience.ask(endless().stream());
  auto const early = audience.ask(endless().stream());
  audience.open();
  audience.push("first ");
  auto const late = audience.ask(endless().stream());
  audience.push("second");
  audience.end();
  CHECK(audience.asked() == 1);
  for (auto const& one : {leader, early, late}) {
    CHECK(one->complete);
    CHECK(one->body == "first second");
  }
}

TEST_CASE("coded bodies are read along, and decoded by each for itself") {
  Audience audience;
  audience.client->decodes = true;
  audience.client->headers += "Content-Encoding: gzip\r\n";
  // "coded body", by gzip -n.
  std::string const coded(
      "\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x4b\xce\x4f\x49\x4d\x51\x48\xca\x4f\xa9\x04\x00\x95\xe2\xe7"
      "\x7f"
      "\x0a\x00\x00\x00",
      30);
  std::shared_ptr<Seen> other;
  auto const leader = audience.ask();
  SECTION("from the beginning") {
    other = audience.ask();
  }
  audience.open();
  audience.push(coded.substr(0, 16));
  SECTION("in the middle") {
    other = audience.ask();
  }
  audience.push(coded.substr(16, 4));
  audience.push(coded.substr(20));
  SECTION("after the last byte") {
    other = audience.ask();
  }
  audience.end();
  CHECK(leader->complete);
  CHECK(leader->body == "coded body");
  CHECK(other->complete);
  CHECK(other->body == "coded body");
  CHECK(audience.asked() == 1);
  CHECK(audience.ask()->body == "coded body");
}

TEST_CASE("a body that can't be decoded is an error for all, and not stored") {
  Audience audience;
  audience.client->decodes = true;
  audience.client->headers += "Content-Encoding: gzip\r\n";
  auto const leader = audience.ask();
  auto const other = audience.ask();
  audience.open();
  audience.push("not at all in gzip");
  audience.end();
  CHECK(leader->code() == http_errc::bad_encoding);
  CHECK(other->code() == http_errc::bad_encoding);
  static_cast<void>(audience.ask());
  CHECK(audience.asked() == 2);
}

TEST_CASE("while nobody needs more, no more is read than a window") {
  Audience audience;
  auto const leader = audience.ask(audience.session.get(url).stream(), 1000);
  auto const other = audience.ask(audience.session.get(url).stream(), 1000);
  audience.open();
  audience.push(pattern(5'000'000));
  constexpr std::size_t window = detail::SharedStream::window;
  CHECK(audience.drip().taken >= window / 2);
  CHECK(audience.drip().taken <= 2 * window);
  audience.end();
  audience.read_on(leader);
  CHECK_FALSE(leader->complete);  // the other one holds it up, for a moment
  audience.read_on(other);
  CHECK(leader->body == pattern(5'000'000));
  CHECK(other->body == pattern(5'000'000));
  CHECK(audience.asked() == 1);
}

TEST_CASE("one that is too slow for the others gets the rest from the store") {
  Audience audience(CacheOptions().collapse_wait(1000ms));
  auto const slow = audience.ask(audience.session.get(url).stream(), 1000);
  auto const other = audience.ask();
  audience.open();
  std::string const body = pattern(5'000'000);
  audience.push(body);
  audience.end();
  while (!other->complete) {
    audience.io.restart();
    audience.io.run_one();
  }
  CHECK(other->body == body);
  audience.read_on(slow);
  CHECK(slow->complete);
  CHECK(slow->body == body);
  CHECK(audience.asked() == 1);
}

TEST_CASE("the context of one that reads along may be destroyed") {
  Audience audience;
  auto const leader = audience.ask();
  auto const outcome = std::make_shared<Seen>();
  {
    asio::io_context context;
    CachedSession session(context.get_executor(), audience.client, audience.backend);
    start(context, consume(CachedSession(session).get(url).stream(), outcome), outcome);
    context.poll();
    audience.open();
    audience.push("first ");
    context.poll();
    CHECK(outcome->body == "first ");
  }
  audience.push("second");
  audience.end();
  CHECK(leader->body == "first second");
  CHECK_FALSE(outcome->complete);
}
