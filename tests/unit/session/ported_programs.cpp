// What programs rely on that come from another caching client, against an origin on the loopback and caches
// in files.

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/session/cookie_jar.hpp"
#include "support/cached_world.hpp"
#include "support/child_process.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/temp_directory.hpp"

using namespace test_support;

namespace {

CachedSession open_session(asio::io_context& io, std::string const& file, CacheOptions options,
                           ClientOptions client = ClientOptions()) {
  auto const executor = io.get_executor();
  return CachedSession(executor, std::make_shared<ClientSession>(executor, std::move(client)),
                       SQLiteBackend(file, std::move(options)));
}

std::vector<std::string> hops_of(ResponseHead const& response) {
  std::vector<std::string> hops;
  for (ResponseHead const& hop : response.history())
    hops.push_back(std::to_string(hop.status()) + ' ' + hop.url().str());
  return hops;
}

/// An answer that one session's options let in and another's don't.
class Refused {
 public:
  Refused(http::verb m, unsigned s, CacheOptions l, CacheOptions r)
      : method(m), status(s), lets(std::move(l)), refuses(std::move(r)) {}
  CachedResponse ask(asio::io_context& io, CachedSession session, std::string const& where) const {
    RequestBuilder<detail::CachedCore> request = session.request(method, where).redirects(0);
    if (method == http::verb::post) std::move(request).header("Content-Type", "application/json").body("{}");
    return run(io, std::move(request));
  }
  http::verb const method;
  unsigned const status;
  CacheOptions const lets, refuses;
};

/// What several callers ask for, one after another.
class Round {
 public:
  static constexpr int urls = 500;
  Round(CachedSession s, std::string o) : session(std::move(s)), origin(std::move(o)) {}
  CachedSession session;
  std::string const origin;
  int next = 0, in_flight = 0, most_in_flight = 0, right = 0, hits = 0;
};

asio::awaitable<void> ask_in_turn(std::shared_ptr<Round> round) {
  while (round->next < Round::urls) {
    std::string const target = "/item/" + std::to_string(round->next++);
    std::string const where = round->origin + target;
    round->most_in_flight = std::max(round->most_in_flight, ++round->in_flight);
    CachedResponse const response = co_await round->session.get(where);
    --round->in_flight;
    if (response.body() == "the body of " + target) ++round->right;
    if (response.from_cache()) ++round->hits;
  }
}

enum class First { session, context };

/// Has a validation in the background and half of a body, and drops all there is.
void drop_everything(First first) {
  ::alarm(120);                               // What hangs is to end, and not well.
  constexpr std::size_t half_size = 600'000;  // of which some is in the file by then
  auto const clock = std::make_shared<ManualClock>();
  auto io = std::make_unique<asio::io_context>();
  ScriptedOrigin const origin([stale_asked = 0](RecordedRequest const& request) mutable {
    if (request.target == "/half") {
      std::string const whole =
          respond(200, std::string(2 * half_size, 'x'), "Cache-Control: max-age=60\r\n");
      return whole.substr(0, whole.size() - half_size);
    }
    if (++stale_asked > 1) return std::string();  // no answer
    return respond(200, "stale", "Cache-Control: max-age=60, stale-while-revalidate=600\r\nETag: \"a\"\r\n");
  });
  std::optional<CachedSession> session = open_session(*io, file_from_parent(), CacheOptions().clock(clock));

  std::string const stale = origin.url("/stale");
  CHECK_FALSE(run(*io, session->get(stale)).from_cache());
  clock->advance(70s);
  std::optional<CachedStream> half = run(*io, session->get(origin.url("/half")).stream());
  std::string buffer(std::size_t{65536}, '\0');
  std::size_t came = 0;
  while (came < half_size) {
    std::size_t const count = run(*io, half->read_some(asio::buffer(buffer)));
    REQUIRE(count != 0);
    came += count;
  }
  CachedResponse const hit = run(*io, session->get(stale));
  CHECK(hit.from_cache());
  CHECK(hit.is_expired(clock->now()));
  // Until the origin has the question.
  while (origin.request_count() < 3) {
    io->restart();
    if (io->poll() == 0) std::this_thread::yield();
  }

  half.reset();  // The context has to outlive it; the session need not.
  if (first == First::context) io.reset();
  session.reset();
  io.reset();
}

}  // namespace

TEST_CASE("a chain of redirects out of the cache has the history that it had at first") {
  std::uint64_t const memory = GENERATE(0u, 1u << 20);
  TempDirectory const directory;
  std::string const file = directory.file("chain");
  auto const clock = std::make_shared<ManualClock>();
  CacheOptions const options = CacheOptions().clock(clock).memory(memory);
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    if (request.target == "/one")
      return respond(302, "moved", "Cache-Control: max-age=300\r\nLocation: /two?x=1\r\n");
    if (request.target == "/two?x=1")
      return respond(308, "", "Cache-Control: max-age=10\r\nLocation: /page\r\n");
    return respond(200, "page", "Cache-Control: max-age=300\r\n");
  });
  std::string const one = origin.url("/one");
  std::vector<std::string> const expected{"302 " + one, "308 " + origin.url("/two?x=1")};
  {
    asio::io_context io;
    CachedSession session = open_session(io, file, options);
    CachedResponse const first = run(io, session.get(one));
    CHECK_FALSE(first.from_cache());
    CHECK(hops_of(first) == expected);
    CHECK(origin.request_count() == 3);
    for (int i = 0; i < 2; ++i) {
      CachedResponse const hit = run(io, session.get(one));
      CHECK(hit.from_cache());
      CHECK(hit.body() == "page");
      CHECK(hit.url().str() == origin.url("/page"));
      CHECK(hops_of(hit) == expected);
    }
    CHECK(hops_of(run(io, session.get(one).stream())) == expected);
    CHECK(origin.request_count() == 3);
    run(io, session.close());
  }
  // As another program would; and one of the hops is not fresh any more.
  for (std::size_t const asked : {3u, 4u}) {
    asio::io_context io;
    CachedSession session = open_session(io, file, options);
    CachedResponse const later = run(io, session.get(one));
    CHECK(later.from_cache());
    CHECK(hops_of(later) == expected);
    CHECK(origin.request_count() == asked);
    run(io, session.close());
    clock->advance(11s);
  }
}

// README: what comes out of the cache sets no cookies, unless `restore_cookies` says so; never in a shared
// cache, and never over a newer one.
TEST_CASE("cookies of stored redirects return to a new jar, where the user wants that") {
  bool const wanted = GENERATE(true, false);
  bool const shared = GENERATE(true, false);
  CAPTURE(wanted, shared);
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    if (request.target == "/login")
      return respond(302, "",
                     "Cache-Control: max-age=60\r\nLocation: /account/page\r\nSet-Cookie: id=1; Path=/\r\n");
    return respond(200, "page", "Cache-Control: max-age=60\r\nSet-Cookie: seen=1; Path=/account\r\n");
  });
  TempDirectory const directory;
  auto const mode = shared ? policy::CacheMode::shared_cache : policy::CacheMode::private_cache;
  CacheOptions const options = CacheOptions()
                                   .clock(std::make_shared<ManualClock>())
                                   .restore_cookies(wanted)
                                   .rules(policy::Options().mode(mode));
  std::string const login = origin.url("/login");
  for (bool const again : {false, true}) {
    CAPTURE(again);
    bool const holds = !again || (wanted && !shared);
    asio::io_context io;
    auto const jar = std::make_shared<CookieJar>();
    CachedSession session =
        open_session(io, directory.file("cookies"), options, ClientOptions().cookie_jar(jar));
    CachedResponse const response = run(io, session.get(login));
    CHECK(response.from_cache() == again);
    CHECK(response.history().size() == 1);
    CHECK(jar->header(Url(origin.url("/"))) == (holds ? "id=1" : ""));
    CHECK(jar->size() == (holds ? 2 : 0));
    jar->store(Url(login), *Cookie::parse("id=2; Path=/"));
    CHECK(run(io, session.get(login)).from_cache());
    CHECK(jar->header(Url(origin.url("/"))) == "id=2");
    CHECK(origin.request_count() == 2);
    run(io, session.close());
  }
}

TEST_CASE("the next hop is looked up with the cookie that the stored redirect brought back") {
  bool const wanted = GENERATE(true, false);
  CAPTURE(wanted);
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    if (request.target == "/login")
      return respond(302, "", "Cache-Control: max-age=60\r\nLocation: /page\r\nSet-Cookie: id=1\r\n");
    return respond(200, request.header("Cookie").value_or("none"),
                   "Cache-Control: max-age=60\r\nVary: Cookie\r\n");
  });
  TempDirectory const directory;
  CacheOptions const options = CacheOptions().clock(std::make_shared<ManualClock>()).restore_cookies(wanted);
  for (bool const again : {false, true}) {
    CAPTURE(again);
    asio::io_context io;
    CachedSession session = open_session(io, directory.file("cookies"), options,
                                         ClientOptions().cookie_jar(std::make_shared<CookieJar>()));
    CachedResponse const response = run(io, session.get(origin.url("/login")));
    CHECK(response.from_cache() == (again && wanted));
    CHECK(response.body() == (again && !wanted ? "none" : "id=1"));
    run(io, session.close());
  }
  CHECK(origin.request_count() == (wanted ? 2 : 3));
}

TEST_CASE("what allowed_codes and allowed_methods don't let in is not read back, whoever stored it") {
  using enum http::verb;
  CacheOptions const any;
  std::vector<Refused> const rows{
      {get, 404, any, CacheOptions().allowed_codes(200)},
      {get, 200, any, CacheOptions().allowed_codes(404)},
      {get, 302, any, CacheOptions().allowed_codes(200)},  // not followed
      {get, 200, any, CacheOptions().allowed_methods(head)},
      {head, 200, any, CacheOptions().allowed_methods(get)},
      {post, 200, CacheOptions().allowed_methods(get, head, post), any},
  };
  // Plain requests are answered at once, out of memory or out of the file; whoever has a filter has all
  // judged.
  auto const way = GENERATE(as<std::string>(), "file", "memory", "filter");
  for (Refused const& row : rows) {
    CAPTURE(way, http::to_string(row.method), row.status);
    ScriptedOrigin const origin([&](RecordedRequest const& request) {
      std::string const location = row.status == 302 ? "Location: /else\r\n" : "";
      return respond(row.status, request.method == "HEAD" ? "" : "text",
                     "Cache-Control: max-age=60\r\n" + location);
    });
    TempDirectory const directory;
    std::string const file = directory.file("shared"), where = origin.url("/page");
    auto const clock = std::make_shared<ManualClock>();
    CacheOptions lets = row.lets, refuses = row.refuses;
    if (way == "memory") refuses.memory(1u << 20);
    if (way == "filter") refuses.filter([](CachedHead const&) { return true; });
    asio::io_context io;
    CachedSession const storing = open_session(io, file, lets.clock(clock));
    CachedSession const reading = open_session(io, file, refuses.clock(clock));

    CHECK_FALSE(row.ask(io, storing, where).from_cache());
    CHECK(row.ask(io, storing, where).from_cache());
    CHECK(row.ask(io, reading.offline(), where).status() == 504);
    CHECK(origin.request_count() == 1);
    for (std::size_t const asked : {2u, 3u}) {
      CachedResponse const response = row.ask(io, reading, where);
      CHECK(response.status() == row.status);
      CHECK_FALSE(response.from_cache());
      CHECK(origin.request_count() == asked);
    }
    // (A POST that is no query may have changed what is stored.)
    if (row.method != post) CHECK(row.ask(io, storing, where).from_cache());
  }
}

TEST_CASE("500 URLs, 100 at a time: each is asked for once, and then all of them are hits") {
  constexpr int at_once = 100;
  TempDirectory const directory;
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    return respond(200, "the body of " + request.target, "Cache-Control: max-age=60\r\n");
  });
  asio::io_context io;
  CachedSession session =
      open_session(io, directory.file("many"), CacheOptions().clock(std::make_shared<ManualClock>()));
  for (int const hits : {0, Round::urls}) {
    auto const round = std::make_shared<Round>(session, origin.url(""));
    int done = 0;
    for (int i = 0; i < at_once; ++i) {
      asio::co_spawn(io, ask_in_turn(round), [&](std::exception_ptr failure) {
        CHECK_FALSE(failure);
        ++done;
      });
    }
    io.restart();
    io.run();
    CHECK(done == at_once);
    CHECK(round->most_in_flight == at_once);
    CHECK(round->right == Round::urls);
    CHECK(round->hits == hits);
    CHECK(origin.request_count() == Round::urls);
  }
  run(io, session.close());
}

TEST_CASE("child: drops its session first", "[.][child-drops-session-first]") {
  drop_everything(First::session);
}

TEST_CASE("child: drops its context first", "[.][child-drops-context-first]") {
  drop_everything(First::context);
}

TEST_CASE("a program that drops everything without close ends well, and what it stored is there") {
  auto const first = GENERATE(as<std::string>(), "session", "context");
  TempDirectory const directory;
  std::string const file = directory.file("dropped");
  CHECK(run_in_child("[child-drops-" + first + "-first]", file) == 0);
  SQLiteBackend const backend(file);
  std::vector<std::string> stored;
  Cursor<StoredEntry> entries = backend.entries();
  for (;;) {
    std::optional<StoredEntry> const entry = run(entries.next());
    if (!entry) break;
    stored.emplace_back(entry->url().target());
  }
  CHECK(stored == std::vector<std::string>{"/stale"});
}
