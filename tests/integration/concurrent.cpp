// Many requests at the same time through one cache file, on one thread and on several.
#include <mutex>
#include <thread>

#include "beast_cache/beast_cache.hpp"
#include "catch.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/temp_directory.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

class Tally {
 public:
  Tally() = default;
  int hits = 0;
  int wrong = 0;
  std::string first_error;
};

// Sends `count` requests at once and runs them to their end on `threads` threads.
Tally get_all(CachedSession& session, asio::io_context& io, ScriptedOrigin const& origin, int count,
              int threads) {
  Tally tally;
  std::mutex mutex;
  io.restart();
  for (int i = 0; i < count; ++i) {
    std::string const target = "/item/" + std::to_string(i);
    session.get(origin.url(target)).send([&, target](error_code ec, CachedResponse response) {
      std::lock_guard const lock(mutex);
      if (ec && tally.first_error.empty()) tally.first_error = ec.message();
      if (response.body() != "the body of " + target) ++tally.wrong;
      if (response.from_cache()) ++tally.hits;
    });
  }
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back([&io] { io.run(); });
  io.run();
  for (auto& thread : others) thread.join();
  return tally;
}

}  // namespace

TEST_CASE("500 concurrent requests through one file: no error, then all of them are hits") {
  constexpr int count = 500;
  int const threads = GENERATE(1, 4);
  CAPTURE(threads);
  TempDirectory const directory;
  ScriptedOrigin const origin([](RecordedRequest const& request) {
    return respond(200, "the body of " + request.target, "Cache-Control: max-age=3600\r\n");
  });
  asio::io_context io;
  CachedSession session(io.get_executor(), SQLiteBackend(directory.file("many")));

  Tally const cold = get_all(session, io, origin, count, threads);
  CHECK(cold.first_error == "");
  CHECK(cold.wrong == 0);
  CHECK(cold.hits == 0);
  CHECK(origin.request_count() == count);

  Tally const warm = get_all(session, io, origin, count, threads);
  CHECK(warm.first_error == "");
  CHECK(warm.wrong == 0);
  CHECK(warm.hits == count);
  CHECK(origin.request_count() == count);

  run(io, session.close());
}

TEST_CASE("a second session on the file finds what the first one stored") {
  TempDirectory const directory;
  ScriptedOrigin const origin(
      [](RecordedRequest const&) { return respond(200, "kept", "Cache-Control: max-age=3600\r\n"); });
  for (bool const expected : {false, true}) {
    asio::io_context io;
    CachedSession session(io.get_executor(), SQLiteBackend(directory.file("kept")));
    CachedResponse const response = run(io, session.get(origin.url("/page")));
    CHECK(response.body() == "kept");
    CHECK(response.from_cache() == expected);
    run(io, session.close());
  }
  CHECK(origin.request_count() == 1);
}
