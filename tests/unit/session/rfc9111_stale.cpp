// RFC 9111 sections 4.2.4 and 4.4, RFC 5861, RFC 9875, RFC 9110 section 9.3.3 and No-Vary-Search end to end:
// when a stale response may still answer, and what removes or adds an answer.

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "catch.hpp"
#include "support/range_origin.hpp"

using namespace test_support;

namespace {

std::string const other = "http://origin.test/other";

/// A body that ends when the test lets it.
class HeldReader final : public BodyReader {
 public:
  explicit HeldReader(std::shared_ptr<asio::steady_timer> gate) : gate_(std::move(gate)) {}
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer) override {
    error_code ignored;
    co_await gate_->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    co_return 0;
  }

 private:
  std::shared_ptr<asio::steady_timer> gate_;
};

/// Every GET may be stored for a minute; anything else is answered with the given status and fields.
struct Writer {
  unsigned status = 204;
  std::string headers;
  std::string groups;

  StreamedResponse operator()(Request const& request) const {
    if (request.method() == http::verb::get)
      return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\n" + groups, "body");
    return FakeClient::answer(request, status, headers);
  }
};

}  // namespace

TEST_CASE("what is stale is still served when the context that would revalidate it has gone") {
  auto const clock = std::make_shared<ManualClock>();
  auto const client = std::make_shared<FakeClient>(
      always("Cache-Control: max-age=60, stale-while-revalidate=30\r\nETag: \"a\"\r\n"));
  auto const backend = std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                                      std::make_shared<MemoryCache<std::string>>(),
                                                      CacheOptions().clock(clock));
  std::optional<CachedSession> session;
  std::vector<std::string> bodies;
  auto const get = [&](asio::io_context& context) {
    asio::co_spawn(context, session->get(url), [&](std::exception_ptr e, CachedResponse response) {
      if (!e) bodies.push_back(response.body());
    });
    context.run();
  };
  {
    asio::io_context context;
    session.emplace(context.get_executor(), client, backend);
    get(context);
  }
  clock->advance(70s);
  asio::io_context other;
  get(other);
  CHECK(bodies == std::vector<std::string>{"body", "body"});
  CHECK(client->requests().size() == 1);
}

TEST_CASE("stale-while-revalidate answers at once and validates once (RFC 5861 3)") {
  RangeOrigin origin;
  origin.headers = "Cache-Control: max-age=60, stale-while-revalidate=30\r\n";
  World world(std::cref(origin), each_mode());
  world.get();
  world.clock->advance(70s);
  int answered = 0;
  for (int i = 0; i < 5; ++i)
    asio::co_spawn(world.io, world.session.get(url), [&](std::exception_ptr e, CachedResponse response) {
      CHECK_FALSE(e);
      CHECK(response.from_cache());
      CHECK(response.body() == "0123456789");
      ++answered;
    });
  world.io.restart();
  world.io.run();
  CHECK(answered == 5);
  CHECK(world.asked() == 2);
  // Of what nobody waits for nobody is told.
  CHECK(world.events->responses.size() == 6);
  CHECK(world.events->saved.size() == 5);
  CHECK(world.last_sent("If-None-Match") == "\"a\"");
  auto const hit = world.get();
  CHECK(hit.from_cache());
  CHECK(hit.header("Age") == "0");
  CHECK(world.asked() == 2);

  // New content comes with the request after the next.
  origin.etag = "\"b\"";
  origin.body = "new";
  world.clock->advance(70s);
  CHECK(world.get().body() == "0123456789");
  CHECK(world.asked() == 3);
  CHECK(world.get().body() == "new");
  CHECK(world.asked() == 3);
  CHECK(world.events->responses.size() == 9);
  CHECK(world.events->saved.size() == 8);
}

TEST_CASE("a caller's range or condition is met by a stale response, the validation is of the whole") {
  RangeOrigin origin;
  origin.headers = "Cache-Control: max-age=60, stale-while-revalidate=30\r\n";
  World world(std::cref(origin), each_mode());
  world.get();
  world.clock->advance(70s);
  bool const condition = GENERATE(false, true);
  Fields const asked = condition ? Fields{{"If-None-Match", "\"a\""}} : Fields{{"Range", "bytes=2-4"}};
  origin.etag = "\"b\"";
  origin.body = "abcdefghij";
  auto const stale = ask(world, asked);
  CHECK(stale.status() == (condition ? 304 : 206));
  CHECK(stale.body() == (condition ? "" : "234"));
  CHECK(world.asked() == 2);
  CHECK_FALSE(sent(world, "Range"));
  auto const whole = world.get();
  CHECK(whole.from_cache());
  CHECK(whole.status() == 200);
  CHECK(whole.body() == "abcdefghij");
  CHECK(world.asked() == 2);
}

TEST_CASE("stale-while-revalidate ends with its time, and yields to the stricter rules (RFC 5861 3)") {
  struct Row {
    std::string control;
    std::chrono::seconds wait;
    bool at_once, shared_at_once;
  };
  std::vector<Row> const rows{
      {"max-age=60, stale-while-revalidate=30", 89s, true, true},
      {"max-age=60, stale-while-revalidate=30", 91s, false, false},
      {"max-age=60, stale-while-revalidate=30, must-revalidate", 70s, false, false},
      {"max-age=60, stale-while-revalidate=30, proxy-revalidate", 70s, true, false},
      {"no-cache, max-age=60, stale-while-revalidate=30", 10s, false, false},
  };
  auto const mode = GENERATE(policy::CacheMode::private_cache, policy::CacheMode::shared_cache);
  for (auto const& row : rows) {
    CAPTURE(row.control);
    RangeOrigin origin;
    origin.headers = "Cache-Control: " + row.control + "\r\n";
    World world(std::cref(origin), in_mode(mode));
    world.get();
    world.clock->advance(row.wait);
    auto const answer = world.get();
    bool const at_once = has(answer.cache_status(), "hit");
    CHECK(at_once == (mode == policy::CacheMode::shared_cache ? row.shared_at_once : row.at_once));
    CHECK(world.asked() == 2);
  }
}

TEST_CASE("a validation in the background that fails is nobody's error, and keeps what is stored") {
  RangeOrigin origin;
  origin.headers = "Cache-Control: max-age=60, stale-while-revalidate=30\r\n";
  int mode = 0;
  World world(
      [&](Request const& request) {
        if (mode == 1) throw Error(http_errc::connect, "origin.test");
        if (mode == 2) return FakeClient::answer(request, 503, "", "busy");
        return origin(request);
      },
      each_mode());
  world.get();
  world.clock->advance(70s);
  mode = GENERATE(1, 2);
  CHECK(world.get().body() == "0123456789");
  CHECK(world.asked() == 2);
  CHECK(world.get().body() == "0123456789");
  CHECK(world.asked() == 3);  // the first has given way to the next
  CHECK(world.events->errors.empty());
  mode = 0;
  CHECK(world.get().from_cache());
  CHECK(world.get().header("Age") == "0");
  CHECK(world.asked() == 4);
}

TEST_CASE("close waits for the validations in the background") {
  std::shared_ptr<asio::steady_timer> gate;
  std::string const headers = "Cache-Control: max-age=60, stale-while-revalidate=30\r\n";
  World world(
      [&](Request const& request) {
        auto answer = FakeClient::answer(request, 200, headers, "body");
        if (!gate) return answer;
        return StreamedResponse(static_cast<ResponseHead&&>(answer), std::make_unique<HeldReader>(gate));
      },
      each_mode());
  world.get();
  world.clock->advance(70s);
  gate = std::make_shared<asio::steady_timer>(world.io, asio::steady_timer::time_point::max());
  bool served = false;
  bool closed = false;
  asio::co_spawn(world.io, world.session.get(url), [&](std::exception_ptr e, CachedResponse response) {
    CHECK_FALSE(e);
    CHECK(response.body() == "body");
    served = true;
  });
  world.io.restart();
  world.io.poll();
  CHECK(served);
  CHECK(world.asked() == 2);
  asio::co_spawn(world.io, world.session.close(), [&](std::exception_ptr e) {
    CHECK_FALSE(e);
    closed = true;
  });
  world.io.poll();
  CHECK_FALSE(closed);
  gate->cancel();
  world.io.run();
  CHECK(closed);
  gate.reset();  // before its context
}

TEST_CASE(
    "a stale response stands in for an origin that fails, as far as it may (RFC 9111 4.2.4, RFC 5861 4)") {
  struct Row {
    char const* control;
    bool unreachable, unreachable_shared;  // whether it answers in place of
    bool busy, busy_shared;                // a lost connection, a 503
  };
  std::vector<Row> const rows{
      {"max-age=60", true, true, false, false},
      {"max-age=60, stale-if-error=100", true, true, true, true},
      {"max-age=60, stale-if-error=5", false, false, false, false},  // its upper limit
      {"max-age=60, must-revalidate, stale-if-error=100", false, false, false, false},
      {"max-age=60, proxy-revalidate, stale-if-error=100", true, false, true, false},
      {"max-age=60, s-maxage=60, stale-if-error=100", true, false, true, false},
      {"no-cache, stale-if-error=100", false, false, false, false},
  };
  bool const shared = GENERATE(false, true);
  auto const failure = GENERATE(http_errc::connect, http_errc::timeout, http_errc::truncated,
                                http_errc::tls_handshake, http_errc::proxy);
  for (auto const& row : rows) {
    CAPTURE(row.control, shared);
    int mode = 0;
    World world(
        [&](Request const& request) {
          if (mode == 1) throw Error(failure, "origin.test");
          return FakeClient::answer(request, mode == 2 ? 503 : 200,
                                    mode == 2 ? "" : "Cache-Control: " + std::string(row.control) + "\r\n",
                                    "body");
        },
        in_mode(shared ? policy::CacheMode::shared_cache : policy::CacheMode::private_cache));
    world.get();
    world.clock->advance(80s);
    mode = 1;
    bool answered = true;
    try {
      answered = world.get().status() == 200;
    } catch (Error const& e) {
      CHECK(e.code() == failure);
      answered = false;
    }
    CHECK(answered == (shared ? row.unreachable_shared : row.unreachable));
    mode = 2;
    CHECK((world.get().status() == 200) == (shared ? row.busy_shared : row.busy));
  }
}

TEST_CASE("an unsafe method removes what is stored, unless it fails (RFC 9111 4.4)") {
  struct Row {
    char const* method;
    unsigned status;
    bool removes;
  };
  std::vector<Row> const rows{
      {"POST", 200, true},    {"PUT", 204, true},        {"DELETE", 200, true},   {"PATCH", 200, true},
      {"FROB", 200, true},    {"MKCALENDAR", 201, true}, {"POST", 303, true},     {"POST", 404, false},
      {"DELETE", 500, false}, {"FROB", 400, false},      {"OPTIONS", 200, false}, {"PROPFIND", 207, false},
  };
  auto const options = each_mode();
  for (auto const& row : rows) {
    CAPTURE(row.method, row.status);
    Writer writer{row.status, "", ""};
    World world(std::cref(writer), options);
    world.get();
    CHECK(world.get().from_cache());
    CHECK(ask(world, row.method).status() == row.status);
    CHECK(world.get().from_cache() == !row.removes);
  }
}

TEST_CASE(
    "an unsafe method removes what Location and Content-Location name, of the same origin (RFC 9111 4.4)") {
  struct Row {
    std::string location;
    std::string stored;
    bool removes;
  };
  std::vector<Row> const rows{
      {"/other", other, true},
      {"other", other, true},
      {other, other, true},
      {"http://ORIGIN.test:80/other", other, true},
      {"//origin.test/other", other, true},
      {"/third", other, false},
      {"http://elsewhere.test/other", "http://elsewhere.test/other", false},
      {"http://origin.test:8080/other", "http://origin.test:8080/other", false},
      {"https://origin.test/other", "https://origin.test/other", false},
  };
  auto const field = GENERATE(as<std::string>(), "Location", "Content-Location");
  auto const options = each_mode();
  for (auto const& row : rows) {
    CAPTURE(field, row.location);
    Writer writer{201, field + ": " + row.location + "\r\n", ""};
    World world(std::cref(writer), options);
    ask(world, "GET", row.stored);
    ask(world, "PUT");
    CHECK(ask(world, "GET", row.stored).from_cache() == !row.removes);
  }
}

TEST_CASE("an unsafe method removes the groups that its answer names, of the same origin (RFC 9875)") {
  std::string const elsewhere = "http://elsewhere.test/other";
  Writer writer{204, "Cache-Group-Invalidation: \"eurovision\", \"x\"\r\n",
                "Cache-Groups: \"a\", \"eurovision\"\r\n"};
  World world(std::cref(writer), each_mode());
  ask(world, "GET", other);
  ask(world, "GET", elsewhere);
  writer.groups = "Cache-Groups: \"Eurovision\"\r\n";  // names are compared by their letters
  ask(world, "GET", other + "2");
  SECTION("an unsafe method") {
    ask(world, "POST");
    CHECK_FALSE(ask(world, "GET", other).from_cache());
    CHECK(ask(world, "GET", elsewhere).from_cache());
    CHECK(ask(world, "GET", other + "2").from_cache());
  }
  SECTION("not a safe one") {
    ask(world, "OPTIONS");
    CHECK(ask(world, "GET", other).from_cache());
  }
  SECTION("not a malformed field") {
    writer.headers = "Cache-Group-Invalidation: eurovision\"\r\n";
    ask(world, "POST");
    CHECK(ask(world, "GET", other).from_cache());
  }
}

TEST_CASE("No-Vary-Search lets one answer serve other queries") {
  struct Row {
    char const* field;
    char const* query;
    bool hit;
  };
  std::vector<Row> const rows{
      {"params", "?id=2", true},
      {"params", "", true},
      {"params=(\"utm\")", "?id=1&utm=y", true},
      {"params=(\"utm\")", "?id=1", true},
      {"params=(\"utm\")", "?id=2&utm=x", false},
      {"params, except=(\"id\")", "?id=1&more=1", true},
      {"params, except=(\"id\")", "?id=2&utm=x", false},
      {"key-order", "?utm=x&id=1", true},
      {"key-order", "?utm=y&id=1", false},
      {"key-order=?0", "?utm=x&id=1", false},
      {"params=utm", "?id=1&utm=y", false},
  };
  auto const options = each_mode();
  for (auto const& row : rows) {
    CAPTURE(row.field, row.query);
    World world(always("Cache-Control: max-age=60\r\nNo-Vary-Search: " + std::string(row.field) + "\r\n"),
                options);
    ask(world, "GET", url + "?id=1&utm=x");
    CHECK(ask(world, "GET", url + row.query).from_cache() == row.hit);
    CHECK(ask(world, "GET", url + "?id=1&utm=x").from_cache());
  }
}

TEST_CASE("a POST's answer serves a GET when it says what it is and how long it holds (RFC 9110 9.3.3)") {
  struct Row {
    std::string headers;
    bool answers;
  };
  std::vector<Row> const rows{
      {"Content-Location: /page\r\nCache-Control: max-age=60\r\n", true},
      {"Content-Location: " + url + "\r\nCache-Control: max-age=60\r\n", true},
      {"Content-Location: /page\r\n", false},
      {"Content-Location: /page\r\nLast-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\n", false},
      {"Content-Location: /other\r\nCache-Control: max-age=60\r\n", false},
      {"Cache-Control: max-age=60\r\n", false},
      {"Content-Location: /page\r\nCache-Control: no-store, max-age=60\r\n", false},
  };
  auto const options = each_mode();
  for (auto const& row : rows) {
    CAPTURE(row.headers);
    World world(
        [&](Request const& request) {
          bool const post = request.method() == http::verb::post;
          return FakeClient::answer(request, 200, post ? row.headers : "Cache-Control: max-age=1\r\n",
                                    post ? "posted" : "got");
        },
        options);
    auto const post = [&] { return world.run(world.session.post(url).body("x")); };
    world.get();  // is removed in any case
    CHECK(post().body() == "posted");
    CHECK_FALSE(post().from_cache());
    CHECK(world.asked() == 3);
    auto const got = world.get();
    CHECK(got.from_cache() == row.answers);
    CHECK(got.body() == (row.answers ? "posted" : "got"));
  }
}

TEST_CASE("immutable spares the validation that a reload asks for, while it is fresh (RFC 8246)") {
  RangeOrigin origin;
  origin.headers = "Cache-Control: max-age=60, immutable\r\n";
  World world(std::cref(origin), each_mode());
  world.get();
  CHECK(world.get().from_cache());
  world.clock->advance(61s);
  world.get();
  CHECK(world.asked() == 2);
  CHECK(sent(world, "If-None-Match"));
}

TEST_CASE("an unsafe request for an equivalent URL removes what No-Vary-Search lets answer for it") {
  auto const options = each_mode();
  int state = 1;
  World world(
      [&](Request const& request) {
        if (request.method() == http::verb::post) ++state;
        return FakeClient::answer(request, 200,
                                  "Cache-Control: max-age=60\r\nNo-Vary-Search: params=(\"u\")\r\n",
                                  "state " + std::to_string(state));
      },
      options);
  ask(world, "GET", url + "?u=1");
  CHECK(ask(world, "GET", url + "?u=2").from_cache());
  ask(world, "POST", url + "?u=2");
  CHECK(ask(world, "GET", url + "?u=2").body() == "state 2");
  CHECK(ask(world, "GET", url + "?u=1").body() == "state 2");
}

TEST_CASE("a 304 that forbids to store removes what was found, whatever its URL") {
  auto const options = each_mode();
  World world(
      [&](Request const& request) {
        bool const validates = request.headers().count(http::field::if_none_match) != 0;
        return FakeClient::answer(request, validates ? 304 : 200,
                                  std::string("ETag: \"a\"\r\nNo-Vary-Search: params\r\nCache-Control: ") +
                                      (validates ? "no-store\r\n" : "max-age=60\r\n"),
                                  validates ? "" : "body");
      },
      options);
  ask(world, "GET", url + "?u=1");
  CHECK(world.run(world.session.get(url + "?u=2").refresh()).body() == "body");
  CHECK_FALSE(ask(world, "GET", url + "?u=2").from_cache());
}
