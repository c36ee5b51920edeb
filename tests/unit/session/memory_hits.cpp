// Hits that are answered at once, out of memory: what they are, and that nobody can tell them from others.

#include <boost/asio/detached.hpp>
#include <iterator>
#include <random>
#include <variant>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "catch.hpp"
#include "support/cached_world.hpp"

using namespace test_support;

namespace {

/// As a `ClientSession` asks, without a network.
class Client final : public HttpClient {
 public:
  Client(asio::any_io_executor executor, FakeClient::Answer answer)
      : asks_(std::move(executor)), answers_(std::move(answer)) {}
  void prepare(Request& request) const override { asks_.prepare(request); }
  std::uint64_t max_body_size() const override { return most; }
  asio::awaitable<StreamedResponse> send(Request request) override {
    ++asked;
    co_return answers_(request);
  }
  int asked = 0;
  std::uint64_t most = 1u << 20;

 private:
  ClientSession asks_;
  FakeClient::Answer answers_;
};

class Site {
 public:
  explicit Site(FakeClient::Answer answer, CacheOptions options = CacheOptions().memory(1u << 20))
      : client(std::make_shared<Client>(io.get_executor(), std::move(answer))),
        backend(std::make_shared<SQLiteBackend>(":memory:", options.clock(clock).observer(events))),
        session(io.get_executor(), client, backend) {}

  template <class T>
  T run(asio::awaitable<T> operation) {
    start(std::move(operation));
    io.restart();
    io.run();
    return finish<T>();
  }
  /// Without waiting for anything.
  std::optional<CachedResponse> at_once(asio::awaitable<CachedResponse> operation) {
    start(std::move(operation));
    io.restart();
    io.poll();
    bool const done = is_done_;
    io.restart();
    io.run();
    CachedResponse response = finish<CachedResponse>();
    return done ? std::optional(std::move(response)) : std::nullopt;
  }
  void warm_up() {
    run(session.get(url));
    run(session.get(url));
  }

  asio::io_context io;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<Events> events = std::make_shared<Events>();
  std::shared_ptr<Client> client;
  std::shared_ptr<SQLiteBackend> backend;
  CachedSession session;

 private:
  template <class T>
  void start(asio::awaitable<T> operation) {
    is_done_ = false;
    asio::co_spawn(io, std::move(operation), [this](std::exception_ptr e, T value) {
      is_done_ = true;
      failure_ = e;
      result_ = std::move(value);
    });
  }
  template <class T>
  T finish() {
    if (failure_) std::rethrow_exception(failure_);
    return std::move(std::get<T>(result_));
  }
  bool is_done_ = false;
  std::exception_ptr failure_;
  std::variant<CachedResponse, bool> result_;
};

/// Pages of all kinds.
StreamedResponse page(Request const& request) {
  static std::string const coded(
      "\037\213\010\000\000\000\000\000\002\003\113\316\117\111\115\121\110\312\117\251\004\000\225"
      "\342\347\177\012\000\000\000",
      30);
  std::string_view const path = request.url().target();
  std::string const language(request.headers()["Accept-Language"]);
  if (request.method() == http::verb::post) return FakeClient::answer(request, 204, "");
  if (path == "/language")
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\nVary: Accept-Language\r\n",
                              language);
  if (path == "/moved")
    return FakeClient::answer(request, 301, "Cache-Control: max-age=40\r\nLocation: /language\r\n");
  if (path == "/gone") return FakeClient::answer(request, 404, "Cache-Control: max-age=60\r\n", "gone");
  if (path == "/coded")
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\nContent-Encoding: gzip\r\n", coded);
  if (path == "/no-cache")
    return FakeClient::answer(request, 200, "Cache-Control: no-cache, max-age=60\r\nETag: \"1\"\r\n",
                              "no-cache");
  if (path == "/secret")
    return FakeClient::answer(request, 200, "Cache-Control: private, max-age=60\r\n",
                              std::string(request.headers()["Authorization"]));
  if (path == "/aged")
    return FakeClient::answer(request, 200, "Cache-Control: max-age=60\r\nAge: 30\r\n", "aged");
  if (path == "/modified")
    return FakeClient::answer(request, 200, "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n", "modified");
  return FakeClient::answer(request, 200, "Cache-Control: max-age=20, must-revalidate\r\nETag: \"2\"\r\n",
                            "page");
}

class Dice {
 public:
  std::size_t below(std::size_t n) { return random_() % n; }
  bool one_in(std::size_t n) { return below(n) == 0; }

 private:
  std::mt19937 random_{11};
};

/// The same request for each side: it is made twice.
RequestBuilder<detail::CachedCore> make(CachedSession& session, unsigned seed) {
  std::mt19937 random(seed);
  auto const one_in = [&](unsigned n) { return random() % n == 0; };
  auto const any = [&](auto const&... of) {
    std::string const all[] = {std::string(of)...};
    return all[random() % sizeof...(of)];
  };
  std::string const where =
      "http://origin.test" + any("/language", "/language", "/moved", "/gone", "/coded", "/no-cache",
                                 "/secret", "/aged", "/modified", "/page", "/page");
  http::verb const method = one_in(12) ? http::verb::head : one_in(30) ? http::verb::post : http::verb::get;
  RequestBuilder<detail::CachedCore> request = session.request(method, where);
  if (one_in(3)) std::move(request).header("Accept-Language", any("en", "de"));
  if (one_in(8))
    std::move(request).header("Cache-Control",
                              any("no-cache", "max-age=5", "min-fresh=30", "max-stale", "no-store", "x"));
  if (one_in(20)) std::move(request).header("Pragma", "no-cache");
  if (one_in(8)) std::move(request).header("Authorization", any("alice", "bob"));
  if (one_in(20)) std::move(request).header("Cookie", "a=b");
  if (one_in(12)) std::move(request).header("Range", "bytes=1-2");
  if (one_in(12)) std::move(request).header("If-None-Match", any("\"1\"", "\"2\""));
  if (one_in(20)) std::move(request).header("Accept-Encoding", any("gzip", "identity"));
  if (one_in(20)) std::move(request).header("X-HTTP-Method-Override", "PUT");
  if (one_in(20)) std::move(request).query("a", "b");
  if (one_in(20)) std::move(request).expire_after(5s);
  if (one_in(40)) std::move(request).expire_after(do_not_cache);
  if (one_in(8)) {
    constexpr CacheUse uses[] = {CacheUse::read_only,     CacheUse::offline,  CacheUse::refresh,
                                 CacheUse::force_refresh, CacheUse::disabled, CacheUse::record};
    std::move(request).use(uses[random() % std::size(uses)]);
  }
  if (one_in(30)) std::move(request).redirects(0);
  return request;
}

std::string describe(CachedResponse const& response) {
  std::string text = std::to_string(response.status()) + ' ' + response.reason() + ' ' + response.url().str();
  for (auto const& field : response.headers())
    text.append("\n").append(field.name_string()).append(": ").append(field.value());
  text.append("\n\n").append(response.body()).append("\n").append(response.cache_status());
  text += response.from_cache() ? " from cache" : "";
  for (auto const& when : {response.created_at(), response.expires()})
    text.append(" ").append(when ? std::to_string(when->time_since_epoch().count()) : "-");
  for (auto const& hop : response.history()) text.append(" via ").append(hop.url().str());
  return text;
}

/// The answer to one of the requests, or the error.
std::string outcome(Site& site, unsigned seed) {
  try {
    return describe(site.run(make(site.session, seed)));
  } catch (Error const& error) {
    return error.code().message();
  }
}

asio::awaitable<std::string> read_stream(CachedSession session) {
  CachedStream stream = co_await session.get(url).stream();
  std::string body = co_await read_all(stream.take_body());
  co_return body;
}
asio::awaitable<std::string> read_sent(CachedSession session) {
  Request request(http::verb::get, Url(url));
  StreamedResponse response = co_await session.send(std::move(request));
  std::string body = co_await read_all(response.take_body());
  body.append(" ").append(response.header("Cache-Status"));
  co_return body;
}

}  // namespace

TEST_CASE("A hit in memory does not wait, and is a hit like another") {
  Site site(always("Cache-Control: max-age=60\r\nVary: Accept-Encoding, Accept\r\n"));
  CachedResponse const miss = site.run(site.session.get(url));
  CachedResponse const from_file = site.run(site.session.get(url));
  site.clock->advance(20s);
  std::optional<CachedResponse> const hit = site.at_once(site.session.get(url));
  REQUIRE(hit);
  CHECK(site.client->asked == 1);
  CHECK(hit->from_cache());
  CHECK(hit->body() == "body");
  CHECK(hit->header("Age") == "20");
  CHECK(from_file.header("Age") == "0");
  CHECK(hit->cache_status() == "beast_cache; hit; ttl=40");
  CHECK(hit->created_at() == miss.created_at());
  CHECK(hit->expires() == miss.expires());
  CHECK(hit->history().empty());
  CHECK(hit->url().str() == url);
  CHECK(site.events->responses.back() == hit->cache_status());
  CHECK(site.events->responses.size() == 3);

  site.clock->advance(39s);
  std::optional<CachedResponse> const last = site.at_once(site.session.get(url));
  REQUIRE(last);
  CHECK(last->header("Age") == "59");
  site.clock->advance(1s);
  CHECK_FALSE(site.run(site.session.get(url)).from_cache());
}

TEST_CASE("Whatever the caller does to a response, the next one is as it was stored") {
  Site site(always("Cache-Control: max-age=60\r\nX-A: 1\r\n"));
  site.warm_up();
  std::optional<CachedResponse> first = site.at_once(site.session.get(url));
  REQUIRE(first);
  CachedResponse const copy = *first;
  first->headers().set("X-A", "2");
  first->set_cache_status("mine").set_principal("me").set_expires(std::nullopt);
  first->set_url(Url("http://else.test/"));
  CHECK(copy.header("X-A") == "1");
  std::optional<CachedResponse> const second = site.at_once(site.session.get(url));
  REQUIRE(second);
  CHECK(describe(*second) == describe(copy));
}

TEST_CASE("What nobody may see is not seen in memory either") {
  Site site(always("Cache-Control: max-age=60\r\n"));
  site.warm_up();
  REQUIRE(site.at_once(site.session.get(url)));
  SECTION("by someone else") {
    CHECK_FALSE(site.run(site.session.get(url).header("Authorization", "bob")).from_cache());
    CHECK_FALSE(site.run(site.session.get("http://bob:secret@origin.test/page")).from_cache());
  }
  SECTION("when it has been removed") {
    CHECK(site.run(site.backend->remove_with_aliases(Url(url))));
    CHECK_FALSE(site.run(site.session.get(url)).from_cache());
  }
  SECTION("after the backend was closed") {
    asio::co_spawn(site.io, site.backend->close(), asio::detached);
    site.io.restart();
    site.io.run();
    CHECK_FALSE(site.run(site.session.get(url)).from_cache());
    CHECK(site.events->errors.size() == 2);
  }
  SECTION("where it is larger than the client takes") {
    site.client->most = 3;
    CHECK_THROWS_AS(site.run(site.session.get(url)), Error);
  }
}

TEST_CASE("What the program asks for holds in front of memory, too, without cache_control") {
  int count = 0;
  Site site(
      [&](Request const& request) { return FakeClient::answer(request, 200, "", std::to_string(++count)); },
      CacheOptions().memory(1u << 20).cache_control(false).expire_after(60s));
  CHECK(site.run(site.session.get(url).no_store()).body() == "1");
  CHECK_FALSE(site.run(site.backend->has_url(Url(url))));
  site.warm_up();
  REQUIRE(site.at_once(site.session.get(url)));
  CHECK(site.run(site.session.get(url).no_store()).body() == "3");
  CHECK(site.at_once(site.session.get(url))->body() == "2");
  CHECK(site.run(site.session.get(url).refresh()).body() == "4");
  CHECK(site.run(site.session.get(url).use(CacheUse::refresh)).body() == "5");
  CHECK(site.run(site.session.get(url)).body() == "5");
}

TEST_CASE("A request is looked up as it is sent, whatever its client would make of it by then") {
  // Has credentials as soon as it is prepared a second time.
  class Late final : public HttpClient {
   public:
    void prepare(Request& request) const override {
      bool const is_first = std::as_const(request).headers().count("X-Prepared") == 0;
      request.headers().set(is_first ? "X-Prepared" : "Authorization", "late");
    }
    asio::awaitable<StreamedResponse> send(Request request) override {
      ++(request.headers().count("Authorization") == 0 ? plain : late);
      std::string_view const fields = "Cache-Control: max-age=60\r\nETag: \"1\"\r\n";
      bool const asks = request.headers().count("If-None-Match") != 0;
      co_return FakeClient::answer(request, asks ? 304 : 200, fields, asks ? "" : "body");
    }
    int plain = 0, late = 0;
  };
  asio::io_context io;
  auto const client = std::make_shared<Late>();
  auto const clock = std::make_shared<ManualClock>();
  CachedSession session(io.get_executor(), client, SQLiteBackend(":memory:", CacheOptions().clock(clock)));
  for (int i = 1; i <= 3; ++i) {
    asio::co_spawn(io, session.get(url), [](std::exception_ptr failure, CachedResponse response) {
      CHECK_FALSE(failure);
      CHECK(response.body() == "body");
    });
    io.restart();
    io.run();
    CHECK(client->plain == i);
    CHECK(client->late == 0);
    clock->advance(100s);
  }
}

TEST_CASE("The user's functions are asked for each hit in memory") {
  bool keeps = true;
  Site site(always("Cache-Control: max-age=60\r\n"),
            CacheOptions().memory(1u << 20).filter([&](CachedHead const&) { return keeps; }));
  site.warm_up();
  site.warm_up();
  CHECK(site.client->asked == 1);
  keeps = false;
  CHECK_FALSE(site.run(site.session.get(url)).from_cache());
}

TEST_CASE("A stream and a plain send are answered out of memory, too") {
  Site site(always("Cache-Control: max-age=60\r\n"));
  site.warm_up();
  site.client->most = 3;  // a bound for those who want it whole
  for (bool const sends : {false, true}) {
    std::size_t const told = site.events->responses.size();
    std::string body;
    asio::co_spawn(site.io, sends ? read_sent(site.session) : read_stream(site.session),
                   [&](std::exception_ptr failure, std::string text) {
                     CHECK_FALSE(failure);
                     body = std::move(text);
                   });
    site.io.restart();
    site.io.poll();
    CHECK(body == (sends ? "body beast_cache; hit; ttl=60" : "body"));
    CHECK(site.events->responses.size() == told + 1);
  }
  CHECK(site.client->asked == 1);
}

TEST_CASE("From memory, from the file or by all the rules: whatever is asked, the answers are the same") {
  policy::CacheMode const mode = GENERATE(policy::CacheMode::private_cache, policy::CacheMode::shared_cache);
  policy::Options const rules = policy::Options().mode(mode);
  Site memory(page, CacheOptions().memory(1u << 20).rules(rules));
  Site file(page, CacheOptions().rules(rules));
  // Whoever has a filter has each answer judged.
  Site judged(page, CacheOptions().rules(rules).filter([](CachedHead const&) { return true; }));
  Dice dice;
  int at_once = 0;
  for (unsigned i = 0; i < 1500; ++i) {
    unsigned const seed = static_cast<unsigned>(dice.below(1u << 30));
    INFO("request " << i);
    std::string const expected = outcome(judged, seed);
    for (Site* const site : {&memory, &file}) {
      REQUIRE(outcome(*site, seed) == expected);
      REQUIRE(site->client->asked == judged.client->asked);
      REQUIRE(site->events->responses == judged.events->responses);
      REQUIRE(site->events->saved == judged.events->saved);
    }
    at_once += memory.at_once(memory.session.get("http://origin.test/aged")).has_value();
    for (Site* const site : {&file, &judged}) site->run(site->session.get("http://origin.test/aged"));
    if (dice.one_in(4)) {
      auto const step = std::chrono::seconds(dice.below(8));
      for (Site* const site : {&memory, &file, &judged}) site->clock->advance(step);
    }
  }
  CHECK(at_once > 500);
}
