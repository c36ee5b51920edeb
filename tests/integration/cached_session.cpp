// Whole sessions: a real origin, a real file.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <fstream>
#include <mutex>

#include "beast_cache/beast_cache.hpp"
#include "catch.hpp"
#include "support/nginx.hpp"
#include "support/run.hpp"
#include "support/scripted_origin.hpp"
#include "support/temp_directory.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

class Faults final : public Observer {
 public:
  void on_cache_error(std::string_view operation, std::string_view, std::exception_ptr failure) override {
    std::lock_guard const lock(mutex_);
    try {
      std::rethrow_exception(failure);
    } catch (Error const& e) {
      seen_.push_back(std::string(operation) + ": " + e.what());
    }
  }
  std::vector<std::string> seen() const {
    std::lock_guard const lock(mutex_);
    return seen_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> seen_;
};

std::string content(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::string cacheable(RecordedRequest const& request) {
  return respond(200, "the body of " + request.target, "Cache-Control: max-age=3600\r\n");
}

}  // namespace

TEST_CASE("a place where no cache file can be does not fail requests, and is left as it is") {
  TempDirectory const directory;
  std::string const text =
      "this is no database, and it is longer than the smallest page of one: " + std::string(600, '.');
  std::ofstream(directory.file("text.sqlite")) << text;
  std::filesystem::create_directory(directory.file("directory.sqlite"));
  ScriptedOrigin const origin(cacheable);
  asio::io_context io;
  for (char const* name : {"text.sqlite", "directory.sqlite", "text.sqlite/below.sqlite"}) {
    CAPTURE(name);
    std::string const path = directory.file(name);
    auto const faults = std::make_shared<Faults>();
    CachedSession session(io.get_executor(), SQLiteBackend(path, CacheOptions().observer(faults)));
    CachedResponse const response = run(io, session.get(origin.url("/a")));
    CHECK(response.body() == "the body of /a");
    CHECK_FALSE(response.from_cache());
    CHECK_FALSE(response.created_at());
    REQUIRE(faults->seen().size() == 2);
    CHECK(faults->seen()[0].find("lookup: " + directory.path()) == 0);
    CHECK(faults->seen()[1].find("store: " + directory.path()) == 0);

    CachedSession strict(io.get_executor(), SQLiteBackend(path, CacheOptions().strict(true)));
    try {
      run(io, strict.get(origin.url("/a")));
      FAIL("answered");
    } catch (Error const& e) {
      CHECK(e.code().category() == cache_category());
      CHECK(std::string(e.what()).find(directory.path()) == 0);
    }
  }
  CHECK(content(directory.file("text.sqlite")) == text);
  CHECK(std::filesystem::is_empty(directory.file("directory.sqlite")));
}

TEST_CASE("a response that is cut off is an error and leaves nothing in the file") {
  TempDirectory const directory;
  std::string const whole = respond(200, "0123456789", "Cache-Control: max-age=3600\r\n");
  ScriptedOrigin const origin(std::vector<Script>{
      {Step::receive(), Step::send(whole.substr(0, whole.size() - 1)), Step::close()},
      {Step::receive(), Step::send(whole), Step::close()},
  });
  asio::io_context io;
  CachedSession session(io.get_executor(), SQLiteBackend(directory.file("cut")));
  try {
    run(io, session.get(origin.url()));
    FAIL("answered");
  } catch (Error const& e) {
    CHECK(e.code() == http_errc::truncated);
  }
  CHECK_FALSE(run(io, session.backend().has_url(Url(origin.url()))));
  CHECK(run(io, session.get(origin.url())).body() == "0123456789");
  CHECK(run(io, session.get(origin.url())).from_cache());
}

TEST_CASE("a request that is cancelled ends as cancelled, at every step, and leaves nothing half-stored") {
  TempDirectory const directory;
  ScriptedOrigin const origin(cacheable);
  bool completed = false;
  int steps = 0;
  for (; !completed; ++steps) {
    REQUIRE(steps < 1000);
    asio::io_context io;
    CachedSession session(io.get_executor(), SQLiteBackend(directory.file("cancel")));
    asio::cancellation_signal signal;
    std::optional<error_code> outcome;
    std::string const target = "/" + std::to_string(steps);
    session.get(origin.url(target))
        .send(asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, CachedResponse r) {
          outcome = ec;
          if (!ec) CHECK(r.body() == "the body of " + target);
        }));
    for (int i = 0; i < steps && !outcome; ++i) io.run_one();
    completed = outcome.has_value();
    signal.emit(asio::cancellation_type::terminal);
    while (!outcome && io.run_one() != 0) {
    }
    REQUIRE(outcome);
    // A store that had been committed when the cancellation came is a success.
    if (*outcome) CHECK(*outcome == asio::error::operation_aborted);
    CachedResponse const next = run(io, session.get(origin.url(target)));
    CHECK(next.body() == "the body of " + target);
  }
  CHECK(steps > 3);
}

TEST_CASE("a session whose backend was closed goes on without it") {
  TempDirectory const directory;
  ScriptedOrigin const origin(cacheable);
  asio::io_context io;
  CachedSession session(io.get_executor(), SQLiteBackend(directory.file("closed")));
  run(io, session.get(origin.url()));
  CHECK(run(io, session.get(origin.url())).from_cache());
  run(io, session.backend().close());
  CHECK_FALSE(run(io, session.get(origin.url())).from_cache());
  CHECK(origin.request_count() == 2);
}

TEST_CASE("what nginx serves is stored, validated and changed as its fields say") {
  TempDirectory const directory;
  Nginx const nginx(Certificates::shared().good());
  asio::io_context io;
  auto const client = std::make_shared<ClientSession>(
      io.get_executor(), ClientOptions().ca_file(Certificates::shared().ca_file()));
  CachedSession session(io.get_executor(), client, SQLiteBackend(directory.file("nginx")));
  for (std::string const& url : {nginx.url("/files/page"), nginx.secure_url("/files/page")}) {
    CAPTURE(url);
    CHECK(run(io, session.put(url).body("one")).ok());
    CachedResponse const first = run(io, session.get(url));
    CHECK(first.body() == "one");
    CHECK_FALSE(first.header("ETag").empty());
    CHECK_FALSE(first.from_cache());
    // nginx gives no lifetime: refresh asks, and a 304 answers.
    CachedResponse const validated = run(io, session.get(url).refresh());
    CHECK(validated.body() == "one");
    CHECK(validated.from_cache());
    CHECK(validated.cache_status().find("fwd-status=304") != std::string::npos);
    CHECK(run(io, session.get(url).expire_after(std::chrono::hours(1)).refresh()).from_cache());
    CHECK(run(io, session.get(url).only_if_cached()).body() == "one");
    // PUT through the session makes what is stored invalid.
    CHECK(run(io, session.put(url).body("another")).ok());
    CHECK(run(io, session.get(url)).body() == "another");
  }
}
