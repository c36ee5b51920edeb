// What another request stores, or removes, while a response is under way.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "catch.hpp"
#include "support/file_world.hpp"

using namespace test_support;

namespace {

/// Breaks off after its text.
class BreakingReader final : public BodyReader {
 public:
  explicit BreakingReader(std::string text) : text_(std::move(text)) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) override {
    if (at_ == text_.size()) throw Error(http_errc::truncated, "breaks off");
    std::size_t const count = asio::buffer_copy(buffer, asio::buffer(text_) + at_);
    at_ += count;
    co_return count;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

StreamedResponse breaking(Request const& request, std::string const& headers, std::string text) {
  StreamedResponse head = FakeClient::answer(request, 200, headers);
  return StreamedResponse(static_cast<ResponseHead&&>(head),
                          std::make_unique<BreakingReader>(std::move(text)));
}

std::string fresh(std::string const& tag, std::size_t size) {
  return "Cache-Control: max-age=3600\r\nETag: \"" + tag + "\"\r\nContent-Length: " + std::to_string(size) +
         "\r\n";
}

/// Twenty bytes, or the first ten of them where any are asked for.
StreamedResponse whole_or_part(Request const& request) {
  bool const whole = request.headers().count("Range") == 0;
  return whole ? FakeClient::answer(request, 200, fresh("v", 20), "abcdefghijklmnopqrst")
               : FakeClient::answer(request, 206, fresh("v", 10) + "Content-Range: bytes 0-9/20\r\n",
                                    "abcdefghij");
}

/// Over memory and over a file.
template <class Test>
void over_both(FakeClient::Answer answer, Test test) {
  SECTION("in memory") {
    World world(std::move(answer));
    test(world);
  }
  SECTION("in a file") {
    FileWorld world(std::move(answer));
    test(world);
    world.close_file();
  }
}

std::string rest_of(World& world, CachedStream& stream) {
  std::string text, buffer(std::size_t{65536}, '\0');
  for (;;) {
    std::size_t const count = world.run(stream.read_some(asio::buffer(buffer)));
    if (count == 0) return text;
    text.append(buffer, 0, count);
  }
}

}  // namespace

TEST_CASE("an answer that is read to its end late does not replace a newer one (RFC 9111 4)") {
  bool const breaks = GENERATE(false, true);
  int asked = 0;
  auto const answer = [&](Request const& request) {
    ++asked;
    if (asked == 1 && breaks) return breaking(request, fresh("old", 8), "old");
    return FakeClient::answer(request, 200, fresh(asked == 1 ? "old" : "new", 8),
                              asked == 1 ? "old body" : "new body");
  };
  over_both(answer, [&](World& world) {
    CachedStream old = world.run(world.session.get(url).stream());
    world.clock->advance(60s);
    CHECK(world.run(world.session.get(url).refresh()).body() == "new body");
    if (breaks) {
      CHECK_THROWS_AS(rest_of(world, old), Error);
    } else {
      CHECK(rest_of(world, old) == "old body");
    }
    CachedResponse const hit = world.run(world.session.offline().get(url));
    CHECK(hit.status() == 200);
    CHECK(hit.body() == "new body");
  });
}

TEST_CASE("a part that is read to its end late does not replace the whole that came meanwhile") {
  over_both(whole_or_part, [&](World& world) {
    CachedStream part = world.run(world.session.get(url).header("Range", "bytes=0-9").stream());
    world.clock->advance(1s);
    CHECK(world.get().body().size() == 20);
    CHECK(rest_of(world, part) == "abcdefghij");
    CHECK(world.run(world.session.offline().get(url)).body() == "abcdefghijklmnopqrst");
  });
}

TEST_CASE("a whole that is read to its end late replaces a part that came meanwhile") {
  over_both(whole_or_part, [&](World& world) {
    CachedStream whole = world.run(world.session.get(url).stream());
    world.clock->advance(1s);
    world.run(world.session.get(url).header("Range", "bytes=0-9").refresh());
    world.clock->advance(1s);
    CHECK(rest_of(world, whole).size() == 20);
    CHECK(world.run(world.session.offline().get(url)).body() == "abcdefghijklmnopqrst");
  });
}

TEST_CASE("what can't be read any more is replaced") {
  World world(always("Cache-Control: max-age=60\r\n"));
  world.get();
  world.responses->unreadable = true;
  CHECK_FALSE(world.get().from_cache());
  world.responses->unreadable = false;
  CHECK(world.get().from_cache());
  CHECK(world.events->errors == std::vector<std::string>{"lookup " + url});
}

TEST_CASE("a backend of the program's own need not know when a response is still current") {
  class Own final : public CacheBackend {
   public:
    Own() : CacheBackend(CacheOptions()) {}
    asio::awaitable<Lookup> lookup(LookupQuery) override {
      Lookup found;
      if (kept) found.select(*kept);
      co_return found;
    }
    asio::awaitable<void> store(StoredResponse response) override {
      kept.emplace(std::move(response));
      co_return;
    }
    std::optional<StoredResponse> kept;
  };
  World world(always("Cache-Control: max-age=60\r\n"));
  CachedSession session(world.io.get_executor(), world.client, std::make_shared<Own>());
  CHECK_FALSE(world.run(session.get(url)).from_cache());
  CHECK(world.run(session.get(url)).from_cache());
}

TEST_CASE("a clock that was set back does not keep what was stored before that") {
  int asked = 0;
  auto const answer = [&](Request const& request) {
    std::string const body = "body " + std::to_string(++asked);
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", body);
  };
  over_both(answer, [&](World& world) {
    world.get();
    world.clock->advance(-24h);
    CHECK(world.run(world.session.get(url).use(CacheUse::force_refresh)).body() == "body 2");
    CHECK(world.run(world.session.offline().get(url)).body() == "body 2");
  });
}

TEST_CASE("a body of which a cancelled read took a piece is not stored") {
  std::string const body(2'000'000, 'x');
  std::vector<int> stored;
  for (int cancelled = 0; cancelled < 34; cancelled += 3) {
    FileWorld world(always(fresh("v", body.size()), body));
    CachedStream stream = world.run(world.session.get(url).stream());
    std::string buffer(std::size_t{65536}, '\0');
    std::size_t read = 0;
    int failures = 0;
    for (int number = 0; failures < 2; ++number) {
      std::exception_ptr failure;
      std::size_t count = 0;
      asio::cancellation_signal signal;
      asio::co_spawn(world.io, stream.read_some(asio::buffer(buffer)),
                     asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr e, std::size_t n) {
                       failure = std::move(e);
                       count = n;
                     }));
      if (number == cancelled)
        asio::post(world.io, [&signal] { signal.emit(asio::cancellation_type::terminal); });
      world.io.restart();
      world.io.run();
      if (failure) ++failures;
      if (!failure && count == 0) break;
      read += count;
    }
    CachedResponse const found = world.run(world.session.offline().get(url));
    CAPTURE(cancelled, read, failures);
    CHECK((found.status() == 504 || found.body() == body));
    // Who reads on gets no body with a hole in it either.
    CHECK((failures == 2 || read == body.size()));
    world.close_file();
  }
}

TEST_CASE("what is shorter than its head says is not stored (RFC 9111 3.3)") {
  World world(always(fresh("v", 10), "123456789"));
  CHECK(world.get().body() == "123456789");
  CHECK(has(world.events->responses.back(), "incomplete"));
  CHECK(world.run(world.session.offline().get(url)).status() == 504);
}

TEST_CASE("who would read a body along that he has already gets 304") {
  World world(always(fresh("v", 4)));
  CachedStream leader = world.run(world.session.get(url).stream());
  CachedResponse follower;
  world.session.get(url).header("If-None-Match", "\"v\"").send([&](error_code, CachedResponse response) {
    follower = std::move(response);
  });
  world.io.restart();
  for (int i = 0; i < 100; ++i) world.io.poll();  // it waits for the leader
  CHECK(rest_of(world, leader) == "body");
  CHECK(follower.status() == 304);
  CHECK(follower.body().empty());
  CHECK(follower.header("ETag") == "\"v\"");
  CHECK(has(follower.cache_status(), "collapsed"));
  CHECK(world.asked() == 1);
}

TEST_CASE("an unsafe request removes what any No-Vary-Search lets answer it (RFC 9111 4.4)") {
  int version = 1;
  auto const answer = [&](Request const& request) {
    if (request.method() != http::verb::get) {
      ++version;
      return FakeClient::answer(request, 200, "");
    }
    bool const other = has(request.url().str(), "a=9");
    return FakeClient::answer(request, 200,
                              std::string("Cache-Control: max-age=60\r\nNo-Vary-Search: ") +
                                  (other ? "key-order" : "params=(\"x\")") + "\r\n",
                              std::to_string(version));
  };
  over_both(answer, [&](World& world) {
    world.run(world.session.get("http://origin.test/p?a=1&x=1"));
    world.run(world.session.get("http://origin.test/p?a=9"));
    world.run(world.session.post("http://origin.test/p?a=1&x=3"));
    world.run(world.session.delete_("http://origin.test/p?a=9"));
    CachedResponse const after = world.run(world.session.get("http://origin.test/p?a=1&x=3"));
    CHECK(after.body() == "3");
  });
}

TEST_CASE("what was stored for another query and is damaged is removed, too") {
  FileWorld world(always("Cache-Control: max-age=60\r\nNo-Vary-Search: params=(\"x\")\r\n"));
  world.run(world.session.get("http://origin.test/p?a=1&x=1"));
  world.change("UPDATE responses SET body = x'30'");
  for (int i = 0; i < 2; ++i) world.run(world.session.offline().get("http://origin.test/p?a=1&x=2"));
  // (Who stays offline removes nothing.)
  CHECK_FALSE(world.run(world.session.get("http://origin.test/p?a=1&x=2")).from_cache());
  CHECK_FALSE(world.run(world.backend->has_url(Url("http://origin.test/p?a=1&x=1"))));
  world.close_file();
}
