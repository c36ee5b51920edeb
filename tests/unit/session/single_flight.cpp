// Requests for the same that are made at the same time.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <thread>

#include "beast_cache/backend/statistics.hpp"
#include "beast_cache/detail/single_flight.hpp"
#include "support/cached_world.hpp"

using namespace test_support;

namespace {

// The test opens it.
class Gate {
  using Timer = asio::steady_timer;

 public:
  explicit Gate(asio::any_io_executor const& executor) : timer_(executor, Timer::time_point::max()) {}
  // False when cancelled.
  asio::awaitable<bool> wait() {
    error_code ec;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return timer_.expiry() != Timer::time_point::max();
  }
  void open() { timer_.expires_at(Timer::time_point::min()); }

 private:
  Timer timer_;
};

// Its answers come when the test says so.
class GatedClient final : public HttpClient {
 public:
  asio::awaitable<StreamedResponse> send(Request request) override {
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    auto const gate = std::make_shared<Gate>(executor);
    gates_.push_back(gate);
    ++asked;
    bool const opened = co_await gate->wait();
    if (!opened) throw Error(asio::error::operation_aborted, "cancelled");
    co_return answer(request);
  }
  // Lets the oldest that waits have its answer.
  void open() {
    gates_.front()->open();
    gates_.pop_front();
  }
  void open_newest() {
    gates_.back()->open();
    gates_.pop_back();
  }
  void forget() { gates_.pop_front(); }

  FakeClient::Answer answer = always("Cache-Control: max-age=60\r\n");
  std::size_t asked = 0;

 private:
  std::deque<std::shared_ptr<Gate>> gates_;
};

class Outcome {
 public:
  std::optional<CachedResponse> response;
  std::exception_ptr failure;
  asio::cancellation_signal cancel;
  bool done() const { return response || failure; }
};

class Crowd {
 public:
  explicit Crowd(CacheOptions options = CacheOptions())
      : client(std::make_shared<GatedClient>()),
        backend(std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                               std::make_shared<MemoryCache<std::string>>(),
                                               options.clock(clock))),
        session(io.get_executor(), client, backend),
        other(io.get_executor(), client, backend) {}

  std::shared_ptr<Outcome> ask(asio::awaitable<CachedResponse> request) {
    auto const outcome = std::make_shared<Outcome>();
    asio::co_spawn(io, std::move(request),
                   asio::bind_cancellation_slot(outcome->cancel.slot(),
                                                [outcome](std::exception_ptr e, CachedResponse response) {
                                                  outcome->failure = e;
                                                  if (!e) outcome->response.emplace(std::move(response));
                                                }));
    settle();
    return outcome;
  }
  std::vector<std::shared_ptr<Outcome>> ask(std::size_t count) {
    std::vector<std::shared_ptr<Outcome>> outcomes;
    for (std::size_t i = 0; i < count; ++i) outcomes.push_back(ask(session.get(url)));
    return outcomes;
  }
  // Until all of them wait for something.
  void settle() {
    io.restart();
    io.poll();
  }
  void open() {
    client->open();
    settle();
  }
  void open_newest() {
    client->open_newest();
    settle();
  }
  // Is answered before all that wait.
  void post(std::string const& where = url, std::string const& headers = "") {
    auto const outcome = ask(session.post(where));
    client->answer = always(headers, "done");
    open_newest();
    REQUIRE(outcome->done());
  }

  asio::io_context io;
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<GatedClient> client;
  std::shared_ptr<CacheBackend> backend;
  CachedSession session, other;
};

}  // namespace

TEST_CASE("many requests for one URL are one for the origin") {
  Crowd crowd;
  auto const outcomes = crowd.ask(100);
  CHECK(crowd.client->asked == 1);
  crowd.open();
  CHECK(crowd.client->asked == 1);
  std::size_t collapsed = 0;
  for (auto const& outcome : outcomes) {
    REQUIRE(outcome->response.has_value());
    CHECK(outcome->response->body() == "body");
    collapsed += outcome->response->cache_status() == "beast_cache; fwd=uri-miss; ttl=60; collapsed";
  }
  CHECK(outcomes.front()->response->cache_status() == "beast_cache; fwd=uri-miss; ttl=60; stored");
  CHECK(collapsed == 99);
  CHECK(outcomes.back()->response->from_cache());
}

TEST_CASE("who waits for another's request has not saved its time") {
  auto const statistics = std::make_shared<Statistics>();
  Crowd crowd(CacheOptions().observer(statistics));
  auto const outcomes = crowd.ask(3);
  crowd.clock->advance(1s);
  crowd.open();
  CHECK(statistics->snapshot().collapsed() == 2);
  CHECK(statistics->snapshot().time_saved() == 0ms);
  auto const hit = crowd.ask(1);
  CHECK(statistics->snapshot().hits() == 1);
  CHECK(statistics->snapshot().time_saved() == 1s);
}

TEST_CASE("who must not ask the origin does not wait for one who does, nor leads others") {
  bool const obeys = GENERATE(true, false);
  CAPTURE(obeys);
  Crowd crowd(CacheOptions().cache_control(obeys).expire_after(60s));
  auto const leader = crowd.ask(crowd.session.get(url));
  CHECK(crowd.client->asked == 1);
  auto const offline = crowd.ask(crowd.session.get(url).only_if_cached());
  REQUIRE(offline->response.has_value());
  CHECK(offline->response->status() == 504);
  crowd.open();
  CHECK(leader->response.has_value());
}

TEST_CASE("sessions that share a backend wait for one another") {
  Crowd crowd;
  auto const one = crowd.ask(crowd.session.get(url));
  auto const two = crowd.ask(crowd.other.get(url));
  CHECK(crowd.client->asked == 1);
  crowd.open();
  CHECK((one->response.has_value() && two->response.has_value()));
}

TEST_CASE("an answer that can't be stored lets the others go at once") {
  Crowd crowd;
  bool const too_big = GENERATE(false, true);
  Crowd small(CacheOptions().max_body_bytes(3));
  Crowd& chosen = too_big ? small : crowd;
  if (!too_big) chosen.client->answer = always("Cache-Control: no-store\r\n");
  auto const outcomes = chosen.ask(10);
  CHECK(chosen.client->asked == 1);
  chosen.open();
  CHECK(chosen.client->asked == 10);
  for (int i = 0; i < 9; ++i) chosen.open();
  for (auto const& outcome : outcomes) CHECK(outcome->response.has_value());
}

TEST_CASE("when the one that asks gives up, the next one asks") {
  Crowd crowd;
  auto const outcomes = crowd.ask(10);
  SECTION("cancelled") {
    outcomes.front()->cancel.emit(asio::cancellation_type::terminal);
    crowd.client->forget();
    crowd.settle();
  }
  SECTION("failed") {
    crowd.client->answer = [](Request const&) -> StreamedResponse {
      throw Error(http_errc::connect, "origin.test");
    };
    crowd.open();
  }
  CHECK(outcomes.front()->failure);
  CHECK(crowd.client->asked == 2);
  crowd.client->answer = always("Cache-Control: max-age=60\r\n");
  crowd.open();
  CHECK(crowd.client->asked == 2);
  for (std::size_t i = 1; i < outcomes.size(); ++i) CHECK(outcomes[i]->response.has_value());
}

TEST_CASE("who waits can be cancelled, and the others don't notice") {
  Crowd crowd;
  auto const outcomes = crowd.ask(3);
  outcomes[1]->cancel.emit(asio::cancellation_type::terminal);
  crowd.settle();
  REQUIRE(outcomes[1]->failure);
  try {
    std::rethrow_exception(outcomes[1]->failure);
  } catch (Error const& error) {
    CHECK(error.code() == asio::error::operation_aborted);
  }
  crowd.open();
  CHECK(crowd.client->asked == 1);
  CHECK((outcomes[0]->response.has_value() && outcomes[2]->response.has_value()));
}

TEST_CASE("a body that its caller does not read is read for those who wait") {
  Crowd crowd;
  std::optional<CachedStream> head;
  asio::co_spawn(crowd.io, crowd.session.get(url).stream(), [&](std::exception_ptr e, CachedStream stream) {
    if (!e) head.emplace(std::move(stream));
  });
  crowd.settle();
  auto const waits = crowd.ask(crowd.session.get(url));
  crowd.open();
  REQUIRE(head.has_value());
  CHECK(waits->response.has_value());
  CHECK(crowd.client->asked == 1);
}

TEST_CASE("what another request gets does not answer a request with other fields") {
  Crowd crowd;
  crowd.client->answer = always("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n");
  auto const one = crowd.ask(crowd.session.get(url).header("Accept-Language", "en"));
  auto const same = crowd.ask(crowd.session.get(url).header("Accept-Language", "en"));
  auto const two = crowd.ask(crowd.session.get(url).header("Accept-Language", "de"));
  CHECK(crowd.client->asked == 1);
  crowd.open();
  CHECK(crowd.client->asked == 2);
  CHECK((one->response.has_value() && same->response.has_value()));
  crowd.open();
  CHECK(two->response.has_value());
  // Now that it is known what they vary by, they don't wait for one another.
  auto const three = crowd.ask(crowd.session.get(url).header("Accept-Language", "fr"));
  auto const four = crowd.ask(crowd.session.get(url).header("Accept-Language", "it"));
  auto const five = crowd.ask(crowd.session.get(url).header("Accept-Language", "it"));
  CHECK(crowd.client->asked == 4);
  crowd.open();
  crowd.open();
  CHECK((three->response.has_value() && four->response.has_value() && five->response.has_value()));
  CHECK(crowd.client->asked == 4);
}

TEST_CASE("users don't wait for one another's answers, nor do requests that want the origin's word") {
  Crowd crowd;
  auto const first = crowd.ask(crowd.session.get(url).header("Authorization", "Basic YTph"));
  auto const other_user = crowd.ask(crowd.session.get(url).header("Authorization", "Basic Yjpi"));
  CHECK(crowd.client->asked == 2);
  auto const reload = crowd.ask(crowd.session.get(url).header("Cache-Control", "no-cache"));
  auto const unstored = crowd.ask(crowd.session.get(url).no_store());
  auto const posted = crowd.ask(crowd.session.post(url).body("x"));
  CHECK(crowd.client->asked == 5);
  for (int i = 0; i < 5; ++i) crowd.open();
  for (auto const& outcome : {first, other_user, reload, unstored, posted})
    CHECK(outcome->response.has_value());
}

TEST_CASE("a stale response is validated once for all who want it") {
  Crowd crowd;
  crowd.client->answer = always("Cache-Control: max-age=60\r\nETag: \"a\"\r\n");
  auto const first = crowd.ask(crowd.session.get(url));
  crowd.open();
  REQUIRE(first->response.has_value());
  crowd.clock->advance(100s);
  crowd.client->answer = always("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", "", 304);
  auto const outcomes = crowd.ask(10);
  CHECK(crowd.client->asked == 2);
  crowd.open();
  CHECK(crowd.client->asked == 2);
  for (auto const& outcome : outcomes) {
    REQUIRE(outcome->response.has_value());
    CHECK(outcome->response->body() == "body");
  }
  CHECK(outcomes.back()->response->cache_status() == "beast_cache; fwd=stale; ttl=60; collapsed");
}

TEST_CASE("nobody waits for longer than collapse_wait") {
  SECTION("not at all") {
    Crowd crowd(CacheOptions().collapse_wait(0ms));
    auto const outcomes = crowd.ask(3);
    CHECK(crowd.client->asked == 3);
    for (int i = 0; i < 3; ++i) crowd.open();
    for (auto const& outcome : outcomes) CHECK(outcome->response.has_value());
  }
  SECTION("no longer than for a moment") {
    Crowd crowd(CacheOptions().collapse_wait(1ms));
    auto const outcomes = crowd.ask(2);
    while (crowd.client->asked < 2) {
      crowd.io.restart();
      crowd.io.run_one();
    }
    crowd.open();
    crowd.open();
    for (auto const& outcome : outcomes) CHECK(outcome->response.has_value());
  }
  SECTION("nor than the request's own timeout") {
    Crowd crowd;
    auto const first = crowd.ask(crowd.session.get(url));
    auto const second = crowd.ask(crowd.session.get(url).timeout(1ms));
    std::vector<std::optional<std::chrono::milliseconds>> left;
    crowd.client->answer = [&](Request const& request) {
      left.push_back(request.timeout());
      return FakeClient::answer(request, 200, "");
    };
    while (crowd.client->asked < 2) {
      crowd.io.restart();
      crowd.io.run_one();
    }
    crowd.open();
    crowd.open();
    CHECK((first->response.has_value() && second->response.has_value()));
    // No time is left for the request itself.
    REQUIRE(left.size() == 2);
    CHECK_FALSE(left[0]);
    CHECK(left[1] == 0ms);
  }
  CHECK_THROWS_AS(CacheOptions().collapse_wait(-1ms), std::invalid_argument);
}

namespace {

// Fails after a while, as a host does that is not there.
class DeadClient final : public HttpClient {
 public:
  asio::awaitable<StreamedResponse> send(Request) override {
    most = std::max(most, ++now);
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    asio::steady_timer timer(executor, 300ms);
    co_await timer.async_wait(asio::use_awaitable);
    --now;
    throw Error(http_errc::connect, "origin.test");
  }
  int now = 0, most = 0;
};

}  // namespace

TEST_CASE("nobody waits for one failing request after the other for longer than collapse_wait") {
  asio::io_context io;
  auto const client = std::make_shared<DeadClient>();
  CachedSession const session(io.get_executor(), client,
                              std::make_shared<CacheBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                                             std::make_shared<MemoryCache<std::string>>(),
                                                             CacheOptions().collapse_wait(400ms)));
  int failed = 0;
  for (int i = 0; i < 8; ++i) {
    asio::co_spawn(io, asio::awaitable<CachedResponse>(CachedSession(session).get(url)),
                   [&](std::exception_ptr error, CachedResponse) { failed += error != nullptr; });
  }
  io.run();
  CHECK(failed == 8);
  // Not all of them one by one.
  CHECK(client->most > 2);
}

TEST_CASE("everything may go while requests wait for one another") {
  std::vector<std::shared_ptr<Outcome>> outcomes;
  {
    Crowd crowd;
    outcomes = crowd.ask(10);
    CHECK(crowd.client->asked == 1);
  }
  for (auto const& outcome : outcomes) CHECK_FALSE(outcome->done());
}

TEST_CASE("when the one that asks has to serve what is stale, so do the others") {
  Crowd crowd;
  bool const answers = GENERATE(false, true);
  std::string fields = "Cache-Control: max-age=60, stale-if-error=600\r\n";
  crowd.client->answer = always(fields);
  auto const first = crowd.ask(crowd.session.get(url));
  crowd.open();
  REQUIRE(first->response.has_value());
  crowd.clock->advance(100s);
  crowd.client->answer = [answers](Request const& request) -> StreamedResponse {
    if (!answers) throw Error(http_errc::connect, "origin.test");
    return always("", "down", 503)(request);
  };
  auto const outcomes = crowd.ask(10);
  // Who does not take what is stale asks for himself.
  auto const strict = crowd.ask(crowd.session.get(url).header("Cache-Control", "stale-if-error=0"));
  CHECK(crowd.client->asked == 2);
  crowd.open();
  CHECK(crowd.client->asked == 3);
  CHECK_FALSE(strict->done());
  for (auto const& outcome : outcomes) {
    REQUIRE(outcome->response.has_value());
    CHECK(outcome->response->body() == "body");
  }
  std::string const fault = answers ? "; fwd-status=503; ttl=-40" : "; ttl=-40";
  std::string const detail = answers ? "" : "; detail=\"origin unreachable\"";
  CHECK(outcomes.front()->response->cache_status() == "beast_cache; fwd=stale" + fault + detail);
  CHECK(outcomes.back()->response->cache_status() ==
        "beast_cache; fwd=stale" + fault + "; collapsed" + detail);
  crowd.open();
  CHECK(crowd.client->asked == 3);
  CHECK(strict->done());
}

TEST_CASE("the context of one that waits may be destroyed before the answer comes") {
  Crowd crowd;
  auto const first = crowd.ask(crowd.session.get(url));
  auto const outcome = std::make_shared<Outcome>();
  {
    asio::io_context context;
    CachedSession session(context.get_executor(), crowd.client, crowd.backend);
    asio::co_spawn(context, CachedSession(session).get(url), [outcome](std::exception_ptr, CachedResponse r) {
      outcome->response.emplace(std::move(r));
    });
    context.poll();
    CHECK(crowd.client->asked == 1);
  }
  crowd.open();
  CHECK(first->response.has_value());
  CHECK_FALSE(outcome->done());
}

namespace {

asio::awaitable<void> follow(detail::SingleFlight& flights, detail::SingleFlight::Clock::time_point deadline,
                             int& followed, int& completed) {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  auto const ticket = flights.join("key", "", executor, deadline);
  followed += ticket.follower != nullptr;
  auto const outcome = co_await ticket.follower->wait();
  completed += outcome == detail::SingleFlight::Outcome::stored;
}

}  // namespace

TEST_CASE("or while it comes") {
  auto const flights = std::make_shared<detail::SingleFlight>();
  auto const deadline = detail::SingleFlight::Clock::now() + 1h;
  for (int i = 0; i < 300; ++i) {
    asio::io_context leading;
    auto lead = flights->join("key", "", leading.get_executor(), deadline).lead;
    REQUIRE(lead);
    int completed = 0, followed = 0;
    std::thread lands;
    {
      asio::io_context context;
      for (int n = 0; n < 10; ++n) {
        asio::co_spawn(context, follow(*flights, deadline, followed, completed), asio::detached);
      }
      context.poll();
      lands = std::thread([&lead] { lead->land(detail::SingleFlight::Outcome::stored); });
      if (i % 3 == 1) context.poll();
      if (i % 3 == 2) std::this_thread::yield();
    }
    lands.join();
    CHECK(followed == 10);
    CHECK(completed <= 10);
  }
  CHECK(flights->landed("key") == 300);
}

namespace {

// The first look-up takes until the test says that it is over.
class SlowBackend final : public CacheBackend {
 public:
  using CacheBackend::CacheBackend;
  asio::awaitable<Lookup> lookup(LookupQuery query) override {
    Lookup found = co_await CacheBackend::lookup(query);
    if (++lookups != 1) co_return found;
    asio::any_io_executor const executor = co_await asio::this_coro::executor;
    gate = std::make_shared<Gate>(executor);
    bool const opened = co_await gate->wait();
    CHECK(opened);
    co_return found;
  }

  std::size_t lookups = 0;
  std::shared_ptr<Gate> gate;
};

}  // namespace

TEST_CASE("what landed during a look-up is looked up once more, if it was for the same URL") {
  std::string const other = GENERATE(as<std::string>(), url, "http://example.com/another");
  bool const is_same = other == url;
  asio::io_context io;
  auto const client = std::make_shared<FakeClient>(always("Cache-Control: max-age=60\r\n"));
  auto const backend = std::make_shared<SlowBackend>(std::make_shared<MemoryCache<CachedResponse>>(),
                                                     std::make_shared<MemoryCache<std::string>>());
  CachedSession session(io.get_executor(), client, backend);
  std::optional<CachedResponse> slow;
  asio::co_spawn(io, session.get(url), [&](std::exception_ptr, CachedResponse r) { slow = std::move(r); });
  io.poll();
  std::optional<CachedResponse> quick;
  asio::co_spawn(io, session.get(other), [&](std::exception_ptr, CachedResponse r) { quick = std::move(r); });
  io.poll();
  REQUIRE(quick.has_value());
  REQUIRE_FALSE(slow.has_value());
  backend->gate->open();
  io.poll();
  REQUIRE(slow.has_value());
  CHECK(slow->from_cache() == is_same);
  CHECK(backend->lookups == (is_same ? 3 : 2));
}

TEST_CASE("an answer from before an unsafe request is neither shared nor stored once that is done") {
  bool const old_lands_last = GENERATE(false, true);
  CAPTURE(old_lands_last);
  Crowd crowd;
  auto const say = [&](char const* body) {
    crowd.client->answer = always("Cache-Control: max-age=60\r\n", body);
  };
  auto const first = crowd.ask(crowd.session.get(url));
  crowd.post();
  auto const second = crowd.ask(crowd.other.get(url));
  CHECK(crowd.client->asked == 3);
  if (old_lands_last) {
    say("new");
    crowd.open_newest();
  }
  say("old");
  crowd.open();
  REQUIRE(first->response);
  CHECK(first->response->body() == "old");
  if (!old_lands_last) {
    say("new");
    crowd.open();
  }
  REQUIRE(second->response);
  CHECK(second->response->body() == "new");
  auto const later = crowd.ask(crowd.session.get(url));
  REQUIRE(later->response);
  CHECK(later->response->body() == "new");
  CHECK(later->response->from_cache());
}

TEST_CASE("an answer from before its cache group was made invalid is neither shared nor stored") {
  bool const is_of_group = GENERATE(false, true);
  CAPTURE(is_of_group);
  Crowd crowd;
  auto const first = crowd.ask(crowd.session.get(url));
  crowd.post(url + "/elsewhere", "Cache-Group-Invalidation: \"g\"\r\n");
  auto const second = crowd.ask(crowd.other.get(url));
  CHECK(crowd.client->asked == 3);
  crowd.client->answer = always(
      is_of_group ? "Cache-Control: max-age=60\r\nCache-Groups: \"g\"\r\n" : "Cache-Control: max-age=60\r\n",
      "old");
  crowd.open();
  REQUIRE(first->response);
  CHECK(first->response->body() == "old");
  auto const third = crowd.ask(crowd.session.get(url));
  CHECK(third->done() == !is_of_group);
  crowd.client->answer = always("Cache-Control: max-age=60\r\nCache-Groups: \"g\"\r\n", "new");
  crowd.open();
  REQUIRE(second->response);
  CHECK(second->response->body() == "new");
  REQUIRE(third->response);
  CHECK(third->response->body() == (is_of_group ? "new" : "old"));
}

TEST_CASE("a 304 from before an unsafe request brings nothing back") {
  Crowd crowd;
  crowd.client->answer = always("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", "old");
  auto const stored = crowd.ask(crowd.session.get(url));
  crowd.open();
  REQUIRE(stored->done());
  crowd.clock->advance(61s);
  auto const validating = crowd.ask(crowd.session.get(url));
  crowd.post();
  // It changes what the answer varies by, so that the response would be stored anew.
  crowd.client->answer = always("Cache-Control: max-age=60\r\nETag: \"a\"\r\nVary: Accept\r\n", "", 304);
  crowd.open();
  REQUIRE(validating->response);
  CHECK(validating->response->body() == "old");
  CHECK_FALSE(crowd.ask(crowd.session.get(url))->done());
}
