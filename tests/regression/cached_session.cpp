// Faults of the cached session that were found and mended.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "beast_cache/session/client_options.hpp"
#include "catch.hpp"
#include "support/cached_world.hpp"

using namespace test_support;

TEST_CASE("a client that takes credentials from the URL does not get another user's answer") {
  World world([](Request const& request) {
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n", request.url().user_info());
  });
  CHECK(world.run(world.session.get("http://alice:x@origin.test/page")).body() == "alice:x");
  CHECK(world.run(world.session.get("http://bob:y@origin.test/page")).body() == "bob:y");
  CHECK(world.run(world.session.get("http://alice:x@origin.test/page")).from_cache());
}

TEST_CASE("a stored response does not carry the user information of who fetched it") {
  World world(always("Cache-Control: public, max-age=60\r\n"),
              CacheOptions().rules(policy::Options().mode(policy::CacheMode::shared_cache)));
  world.run(world.session.get("http://alice:x@origin.test/page"));
  auto const hit = world.get();
  CHECK(hit.from_cache());
  CHECK(hit.url().user_info().empty());
  auto entry = world.responses->entries();
  CHECK(world.run(entry.next())->second.url().user_info().empty());
}

TEST_CASE("a 304 that changes Vary takes the response from those whom the new Vary excludes") {
  World world([](Request const& request) {
    bool const conditional = request.headers().count("If-None-Match") > 0;
    std::string const headers = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
    return conditional
               ? FakeClient::answer(request, 304, headers + "Vary: X-One\r\nVary: Accept-Language\r\n")
               : FakeClient::answer(request, 200, headers + "Vary: X-One\r\n", "text");
  });
  world.run(world.session.get(url).header("Accept-Language", "de"));
  CHECK(world.run(world.session.get(url).header("Accept-Language", "de").refresh()).from_cache());
  CHECK(world.run(world.session.get(url).header("Accept-Language", "de")).from_cache());
  std::size_t const asked = world.asked();
  world.run(world.session.get(url).header("Accept-Language", "fr"));
  CHECK(world.asked() == asked + 1);
}

TEST_CASE("a 304 that was not asked for freshens nothing") {
  unsigned status = 200;
  World world([&](Request const& request) {
    return FakeClient::answer(request, status, "Cache-Control: max-age=1\r\n", "text");
  });
  world.get();
  world.clock->advance(5s);
  status = 304;
  auto const response = world.get();
  CHECK(response.status() == 304);
  CHECK_FALSE(response.from_cache());
  status = 200;
  CHECK_FALSE(world.get().from_cache());
}

TEST_CASE("an empty buffer is not taken for the end of a body that is stored") {
  World world(always("Cache-Control: max-age=60\r\n", "0123456789"));
  {
    auto stream = world.run(world.session.get(url).stream());
    char some[4];
    CHECK(world.run(stream.read_some(asio::buffer(some))) == 4);
    CHECK(world.run(stream.read_some(asio::mutable_buffer())) == 0);
  }
  auto const response = world.get();
  CHECK_FALSE(response.from_cache());
  CHECK(response.body() == "0123456789");
}

TEST_CASE("the limits of the client inside count for the cached session, too") {
  class Limited final : public HttpClient {
   public:
    asio::awaitable<StreamedResponse> send(Request request) override {
      co_return FakeClient::answer(request, 302, "Location: /page\r\n", "0123456789");
    }
    unsigned max_redirects() const override { return redirects; }
    std::uint64_t max_body_size() const override { return 9; }
    unsigned redirects = 0;
  };
  World world(always(""));
  auto const client = std::make_shared<Limited>();
  CachedSession session(world.io.get_executor(), client, world.backend);
  auto const code = [&] {
    try {
      world.run(session.get(url));
    } catch (Error const& e) {
      return e.code();
    }
    return error_code();
  };
  CHECK(code() == http_errc::body_limit);
  client->redirects = 3;
  CHECK(code() == http_errc::redirect_limit);
}

TEST_CASE("a body that was replaced meanwhile does not get the head of the one that was validated") {
  World world(always(""));
  auto const entry = [](std::string body) {
    CacheInfo info;
    info.set_created_at(TimePoint());
    return CachedResponse(Response(ResponseHead(Url(url), 200, "OK", http::fields()), std::move(body)), info);
  };
  world.run([](CacheBackend& backend, CachedResponse response) -> asio::awaitable<int> {
    co_await backend.store(std::move(response));
    co_return 0;
  }(*world.backend, entry("new")));
  CHECK_FALSE(world.run(world.backend->freshen(entry("old"))));
  CHECK(world.run(world.backend->freshen(entry("new"))));
}

TEST_CASE("an answer that refuses a range or a precondition is not stored as the URL's own") {
  World world([](Request const& request) {
    std::string const headers = "Cache-Control: max-age=60\r\nETag: \"a\"\r\n";
    if (request.headers().count("Range") > 0) return FakeClient::answer(request, 416, headers);
    if (request.headers().count("If-Match") > 0) return FakeClient::answer(request, 412, headers);
    return FakeClient::answer(request, 200, headers, "text");
  });
  CHECK(world.run(world.session.get(url).header("Range", "bytes=7-")).status() == 416);
  CHECK(world.run(world.session.get(url).header("If-Match", "\"b\"")).status() == 412);
  CHECK(world.get().status() == 200);
}

TEST_CASE("send() heeds every type of cancellation") {
  class Silent final : public HttpClient {
   public:
    asio::awaitable<StreamedResponse> send(Request) override {
      asio::any_io_executor const executor = co_await asio::this_coro::executor;
      asio::steady_timer timer(executor, asio::steady_timer::time_point::max());
      co_await timer.async_wait(asio::use_awaitable);
      co_return StreamedResponse();
    }
  };
  auto const type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                             asio::cancellation_type::total);
  World world(always(""));
  CachedSession session(world.io.get_executor(), std::make_shared<Silent>(), world.backend);
  asio::cancellation_signal signal;
  error_code code;
  session.get(url).send(
      asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, CachedResponse const&) { code = ec; }));
  for (int i = 0; i < 20; ++i) world.io.poll();
  signal.emit(type);
  world.io.restart();
  world.io.run();
  CHECK(code == asio::error::operation_aborted);
}

TEST_CASE("a request that is used up says so") {
  World world(always(""));
  auto request = world.session.get(url);
  world.run(std::move(request));
  auto const ignore = [](error_code, CachedResponse const&) {};
  CHECK_THROWS_AS(std::move(request).send(ignore), std::logic_error);
  CHECK_THROWS_AS(std::move(request).send(asio::use_awaitable), std::logic_error);
  CHECK_THROWS_AS(std::move(request).stream(), std::logic_error);
}

TEST_CASE("a time limit may be beyond all time") {
  World world(always(""));
  CHECK_THROWS_AS(ClientOptions().timeout(0ms), std::invalid_argument);
  CHECK(world.run(world.session.get(url).timeout(std::chrono::milliseconds::max())).status() == 200);
}

TEST_CASE("a fake client reads header lines as people write them") {
  World world(always("Cache-Control:max-age=60\nX-Empty:\r\n"));
  CachedResponse const response = world.get();
  CHECK(response.header("Cache-Control") == "max-age=60");
  CHECK(response.headers().count("X-Empty") == 1);
  CHECK(world.get().from_cache());
}
