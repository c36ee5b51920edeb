// CacheOptions::max_entries and max_bytes: what goes when there is no room.

#include "backend/eviction.hpp"

#include <filesystem>
#include <random>

#include "any_backend.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "by_hand.hpp"
#include "sqlite_file.hpp"

using namespace backend_test;

namespace {

std::string at(int number) {
  return "http://example.org/" + std::to_string(number);
}

class Bounded {
 public:
  explicit Bounded(CacheOptions options) : options_(std::move(options)) { open(); }

  void open() { backend.emplace(dir_ / "bounded.sqlite", options_); }
  void open(CacheOptions options) {
    options_ = std::move(options);
    open();
  }
  void store(int number, std::size_t size = 10) {
    run(backend->store(page(at(number), std::string(size, 'x'))));
  }
  error_code failure_to_store(int number, std::size_t size = 10) {
    return failure_of(backend->store(page(at(number), std::string(size, 'x'))));
  }
  bool pin(int number) { return run(backend->pin(Url(at(number)))); }
  bool unpin(int number) { return run(backend->unpin(Url(at(number)))); }
  bool holds(int number) {
    bool const there = run(backend->has_url(Url(at(number))));
    return there;
  }
  bool use(int number) {
    Lookup const found = run(backend->lookup(query(at(number))));
    return found.selected().has_value();
  }
  std::int64_t ask(std::string const& sql) const { return std::stoll(execute(path(), sql)); }
  std::int64_t count() const { return ask("SELECT count(*) FROM responses"); }
  std::int64_t bytes() const {
    Sqlite file(path());
    auto const of = [&](char const* pragma) { return std::stoll(file(pragma)); };
    return (of("PRAGMA page_count") - of("PRAGMA freelist_count")) * of("PRAGMA page_size");
  }
  // Every response stands in one queue, and the sums are what they say.
  void check_queues() const {
    CHECK(ask("SELECT count(*) FROM responses WHERE id NOT IN (SELECT id FROM responses_queue WHERE id NOT "
              "NULL)") == 0);
    CHECK(ask("SELECT count(*) FROM responses_queue WHERE (queue = 2) <> (id IS NULL)") == 0);
    CHECK(ask("SELECT count(*) FROM responses_queue WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM "
              "responses)") == 0);
    CHECK(ask("SELECT count(*) FROM responses_queue JOIN responses USING(id) WHERE (queue = 3) <> (key IN "
              "(SELECT key FROM responses_pins) OR coalesce(url_key, '') IN (SELECT key FROM "
              "responses_pins))") == 0);
    for (int queue : {0, 1, 2, 3}) {
      std::string const which = " WHERE queue = " + std::to_string(queue);
      CHECK(execute(path(), "SELECT count(*), coalesce(sum(size), 0) FROM responses_queue" + which) ==
            execute(path(), "SELECT entries, bytes FROM responses_queue_sums" + which));
    }
  }
  std::string path() const { return dir_ / "bounded.sqlite"; }

  std::optional<SQLiteBackend> backend;

 private:
  TempDir dir_;
  CacheOptions options_;
};

}  // namespace

TEST_CASE("A backend with max_entries never holds more") {
  Bounded cache(CacheOptions().max_entries(10));
  for (int i = 0; i < 40; ++i) {
    cache.store(i);
    CHECK(cache.count() == std::min(i + 1, 10));
    CHECK(cache.holds(i));
  }
  cache.check_queues();
}

TEST_CASE("A backend with max_bytes keeps its file within them") {
  constexpr std::int64_t bound = 1 << 20;
  Bounded cache(CacheOptions().max_bytes(bound));
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    cache.store(i, 1 + random() % 60'000);
    REQUIRE(cache.bytes() <= bound);
    REQUIRE(cache.holds(i));
  }
  CHECK(cache.count() > 10);
  cache.check_queues();
  run(cache.backend->close());
  CHECK(std::filesystem::file_size(cache.path()) <= bound);
}

TEST_CASE("What is used again outlives what is asked for once") {
  Bounded cache(CacheOptions().max_entries(50));
  for (int i = 0; i < 20; ++i) {
    cache.store(i);
    cache.use(i);
    cache.use(i);
  }
  // A crawler.
  for (int i = 1000; i < 1500; ++i) cache.store(i);
  for (int i = 0; i < 20; ++i) CHECK(cache.holds(i));
  // They go as well once nobody wants them and others are wanted.
  for (int i = 2000; i < 2100; ++i) {
    cache.store(i);
    cache.use(i);
    cache.use(i);
  }
  for (int i = 0; i < 20; ++i) CHECK_FALSE(cache.holds(i));
}

TEST_CASE("What comes back soon after it had to go stays longer") {
  Bounded cache(CacheOptions().max_entries(50));
  for (int i = 0; i < 50; ++i) {
    cache.store(i);
    cache.use(i);
    cache.use(i);
  }
  for (int i = 1000; i < 1010; ++i) cache.store(i);
  REQUIRE_FALSE(cache.holds(1000));
  cache.store(1000);
  for (int i = 1100; i < 1120; ++i) cache.store(i);
  CHECK(cache.holds(1000));
  CHECK_FALSE(cache.holds(1100));
  cache.check_queues();
}

TEST_CASE("The queues follow whatever is stored and removed") {
  Bounded cache(CacheOptions().max_entries(30));
  std::mt19937 random(7);
  for (int i = 0; i < 400; ++i) {
    int const number = static_cast<int>(random() % 60);
    switch (random() % 8) {
      case 0:
        run(cache.backend->remove_with_aliases(Url(at(number))));
        break;
      case 1:
        cache.use(number);
        break;
      case 2:
        run(cache.backend->store_alias(Url(at(1000 + number)), Url(at(number))));
        break;
      case 3:
        if (i % 50 == 3) run(cache.backend->clear());
        break;
      default:
        cache.store(number, random() % 5000);
    }
    REQUIRE(cache.count() <= 30);
  }
  cache.check_queues();
  run(cache.backend->remove_expired(backend_test::at(1000)));
  CHECK(cache.count() == 0);
  cache.check_queues();
}

TEST_CASE("Aliases go with the last response that they lead to") {
  Bounded cache(CacheOptions().max_entries(2));
  cache.store(1);
  run(cache.backend->store_alias(Url(at(100)), Url(at(1))));
  CHECK(cache.holds(100));
  for (int i = 2; i < 6; ++i) cache.store(i);
  CHECK_FALSE(cache.holds(100));
  CHECK(cache.ask("SELECT count(*) FROM redirects") == 0);
}

TEST_CASE("Bounds that are set later hold for what was there before, step by step") {
  Bounded cache{CacheOptions()};
  for (int i = 0; i < 400; ++i) cache.store(i);
  run(cache.backend->close());
  cache.open(CacheOptions().max_entries(20));
  cache.store(1000);
  CHECK(cache.count() == 400 + 1 - 256);
  cache.store(1001);
  CHECK(cache.count() == 20);
  CHECK(cache.holds(1001));
  cache.check_queues();

  // And a process without bounds does not put them out of order.
  run(cache.backend->close());
  cache.open(CacheOptions());
  for (int i = 0; i < 100; ++i) cache.store(i);
  run(cache.backend->close());
  cache.open(CacheOptions().max_entries(20));
  cache.store(1002);
  CHECK(cache.count() == 20);
  cache.check_queues();
}

TEST_CASE("Uses count beyond close() and are written by nothing else") {
  Bounded cache(CacheOptions().max_entries(50));
  for (int i = 0; i < 50; ++i) cache.store(i);
  std::string const before = execute(cache.path(), "SELECT sum(uses) FROM responses_queue");
  Sqlite watcher(cache.path());
  std::string const version = watcher("PRAGMA data_version");
  for (int i = 0; i < 10; ++i) {
    cache.use(i);
    cache.use(i);
  }
  CHECK(watcher("PRAGMA data_version") == version);
  run(cache.backend->close());
  CHECK(before == "0");
  CHECK(execute(cache.path(), "SELECT sum(uses) FROM responses_queue") == "20");
  cache.open();
  for (int i = 1000; i < 1100; ++i) cache.store(i);
  for (int i = 0; i < 10; ++i) CHECK(cache.holds(i));
  for (int i = 10; i < 50; ++i) CHECK_FALSE(cache.holds(i));
}

TEST_CASE("However many uses are not asked for again, the latest are known") {
  // Of rows that were replaced, say.
  detail::RecentUses uses;
  for (std::int64_t id = 0; id < 100'000; ++id) {
    uses.note(id);
    if (id % 1000 == 0) uses.note(-1);
  }
  CHECK(uses.take(99'999) == 1);
  CHECK(uses.take(99'999) == 0);
  CHECK(uses.take(90'000) == 1);
  CHECK(uses.take(-1) == 3);  // what is used again and again stays
  CHECK(uses.take(-1) == 0);
  // The first ones had to go.
  CHECK(uses.take(0) == 0);
}

TEST_CASE("A row of the queue without its response is passed over") {
  Bounded cache(CacheOptions().max_entries(3));
  for (int i = 0; i < 3; ++i) cache.store(i);
  execute(cache.path(),
          "INSERT INTO responses_queue(place, queue, id, name, size, uses) "
          "VALUES(-1, 0, 12345, 'x', 1, 0)");
  for (int i = 3; i < 10; ++i) cache.store(i);
  CHECK(cache.count() == 3);
  cache.check_queues();
}

TEST_CASE("What is pinned stays, whatever comes in") {
  Bounded cache(CacheOptions().max_entries(10));
  for (int i = 0; i < 5; ++i) cache.store(i);
  for (int i : {1, 3}) CHECK(cache.pin(i));
  CHECK_FALSE(cache.pin(3));
  CHECK(cache.pin(100));  // is not stored yet
  cache.check_queues();
  for (int i = 10; i < 60; ++i) cache.store(i);
  cache.store(100);
  for (int i = 60; i < 120; ++i) cache.store(i);
  for (int i : {1, 3, 100}) CHECK(cache.holds(i));
  CHECK(cache.count() == 10);
  cache.check_queues();
  cache.store(1, 20);  // the new one is pinned as the old one was
  CHECK(cache.unpin(3));
  CHECK_FALSE(cache.unpin(3));
  CHECK_FALSE(cache.unpin(4));
  for (int i = 120; i < 150; ++i) cache.store(i);
  CHECK(cache.holds(1));
  CHECK_FALSE(cache.holds(3));
  cache.check_queues();
}

TEST_CASE("Where all that could go is pinned a response is refused, and what is there can be replaced") {
  Bounded cache(CacheOptions().max_entries(3));
  for (int i = 0; i < 3; ++i) {
    cache.store(i);
    cache.pin(i);
  }
  CHECK(cache.failure_to_store(3) == cache_errc::full);
  CHECK_FALSE(cache.holds(3));
  cache.store(1, 200);
  CHECK(cache.count() == 3);
  cache.unpin(2);
  cache.store(3);
  CHECK_FALSE(cache.holds(2));
  CHECK(cache.holds(1));
  cache.check_queues();
}

TEST_CASE("A file with max_bytes that is full of pinned responses stays as it is") {
  constexpr std::int64_t bound = 1 << 20;
  Bounded cache(CacheOptions().max_bytes(bound));
  int stored = 0;
  while (!cache.failure_to_store(stored, 50'000)) cache.pin(stored++);
  CHECK(stored > 10);
  CHECK(cache.failure_to_store(1000, 50'000) == cache_errc::full);
  cache.store(3, 50'001);
  CHECK(cache.bytes() <= bound);
  CHECK(cache.count() == stored);
  std::unique_ptr<BodyWriter> const writer = cache.backend->write_body();
  CHECK(failure_of(writer->append(std::string(writer->piece_size(), 'x'))) == cache_errc::full);
  cache.check_queues();
}

TEST_CASE("A pin keeps what is stored for its URL under other keys, too") {
  Bounded cache(CacheOptions().max_entries(3));
  auto const query = [](std::string const& key) { return LookupQuery(make_request(at(1)), "", key); };
  auto const store = [&](char digit) {
    StoredResponse response = backend_test::page(at(1), "answer");
    response.set_key(std::string(64, digit));
    run(cache.backend->store(std::move(response)));
  };
  store('a');
  CHECK(cache.pin(1));
  store('b');
  for (int i = 10; i < 30; ++i) cache.store(i);
  for (char const digit : {'a', 'b'}) {
    CAPTURE(digit);
    CHECK(body_of(run(cache.backend->lookup(query(std::string(64, digit))))) == "answer");
  }
  CHECK(cache.ask("SELECT sum(pinned) FROM v_entries") == 2);
  cache.check_queues();
  CHECK(run(cache.backend->unpin(Url(at(1)))));
  cache.check_queues();
  for (int i = 10; i < 30; ++i) cache.store(i + 100);
  CHECK(cache.ask("SELECT count(*) FROM responses WHERE url_key IS NOT NULL") == 0);
}

TEST_CASE("In an encrypted file, too, the queue knows how large the responses are") {
  Bounded plain(CacheOptions().max_entries(3));
  Bounded encrypted(CacheOptions().max_entries(3).encryption_key(std::string(32, 'k')));
  for (Bounded* const cache : {&plain, &encrypted}) {
    run(cache->backend->store(
        backend_test::answer(make_request(at(1)), "X-Long: " + std::string(3000, 'x') + "\r\n", "body")));
    cache->store(2);
  }
  auto const size = [](Bounded& cache) { return cache.ask("SELECT sum(size) FROM responses_queue"); };
  CHECK(size(encrypted) >= size(plain));
}

TEST_CASE("A file of the sixth version learns of pins by URL") {
  Bounded cache(CacheOptions().max_entries(3));
  StoredResponse response = backend_test::page(at(1), "answer");
  response.set_key(std::string(64, 'a'));
  run(cache.backend->store(std::move(response)));
  CHECK(cache.pin(1));
  run(cache.backend->close());
  execute(cache.path(), backend_test::to_version_6);
  cache.open();
  for (int i = 10; i < 30; ++i) cache.store(i);
  CHECK(cache.ask("SELECT sum(pinned) FROM v_entries") == 1);
  CHECK(cache.ask("SELECT count(*) FROM responses WHERE url_key IS NOT NULL") == 1);
  cache.check_queues();
}

TEST_CASE("One large response takes the room of however many small ones") {
  constexpr std::int64_t most = 4 << 20;
  Bounded cache(CacheOptions().max_bytes(most));
  for (int i = 0; cache.bytes() < most - (64 << 10); i += 100) {
    for (int number = i; number < i + 100; ++number) cache.store(number);
  }
  REQUIRE(cache.count() > 1000);
  cache.store(1'000'000, 3 << 20);
  CHECK(cache.holds(1'000'000));
  CHECK(cache.bytes() <= most);
  cache.check_queues();
}

TEST_CASE("A pin keeps what is stored under a key of the program's own, too") {
  auto const key = [](Request const& request) {
    return std::string(request.method_string()).append(" ").append(request.url().str()) + " of this program";
  };
  Bounded cache(CacheOptions().max_entries(3).key(key));
  StoredResponse response = backend_test::page(at(1), "answer");
  response.set_key(std::string(64, 'a'));
  run(cache.backend->store(std::move(response)));
  CHECK(cache.pin(1));
  CHECK(cache.ask("SELECT sum(pinned) FROM v_entries") == 1);
  for (int i = 10; i < 30; ++i) cache.store(i);
  CHECK(cache.ask("SELECT count(*) FROM responses WHERE url_key IS NOT NULL") == 1);
  CHECK(cache.unpin(1));
  CHECK(cache.ask("SELECT count(*) FROM responses_pins") == 0);
  cache.check_queues();
}

TEST_CASE("A response that is larger than the bound is refused") {
  Bounded cache(CacheOptions().max_bytes(1 << 20));
  cache.store(1);
  CHECK(cache.failure_to_store(2, 1 << 20) == cache_errc::full);
}

TEST_CASE("Pins outlive what they keep, until clear()") {
  Bounded cache{CacheOptions()};
  cache.store(1);
  cache.pin(1);
  run(cache.backend->remove_expired(backend_test::at(1000)));
  CHECK_FALSE(cache.holds(1));
  run(cache.backend->remove_with_aliases(Url(at(1))));
  run(cache.backend->close());
  cache.open(CacheOptions().max_entries(2));
  for (int i = 0; i < 20; ++i) cache.store(i);
  CHECK(cache.holds(1));
  cache.check_queues();
  run(cache.backend->clear());
  CHECK(cache.ask("SELECT count(*) FROM responses_pins") == 0);
  for (int i = 0; i < 20; ++i) cache.store(i);
  CHECK_FALSE(cache.holds(1));
}

TEST_CASE("A file of the fourth version takes pins, and its queue goes on") {
  Bounded cache(CacheOptions().max_entries(5));
  for (int i = 0; i < 5; ++i) cache.store(i);
  run(cache.backend->close());
  // What version 4 had in place of these.
  execute(cache.path(),
          to_version_5 +
              "DROP VIEW v_hosts; DROP VIEW v_entries; DROP TABLE responses_pins;"
              "DELETE FROM responses_queue_sums WHERE queue = 3;"
              "CREATE TRIGGER responses_stored AFTER INSERT ON responses BEGIN "
              "INSERT INTO responses_queue(queue, id, name, size, uses) VALUES("
              "EXISTS(SELECT 1 FROM responses_queue WHERE queue = 2 AND name = substr(NEW.key, 1, 16)), "
              "NEW.id, substr(NEW.key, 1, 16), NEW.size + length(NEW.headers), 0);"
              "DELETE FROM responses_queue WHERE queue = 2 AND name = substr(NEW.key, 1, 16); END;"
              "CREATE VIEW v_entries AS SELECT url, substr(url, instr(url, '://') + 3, instr(substr(url, "
              "instr(url, "
              "'://') + 3) || '/', '/') - 1) AS host, method, status, size, datetime(created_at / 1000, "
              "'unixepoch') "
              "AS created, CASE expires_at WHEN 9223372036854775807 THEN 'never' ELSE datetime(expires_at / "
              "1000, "
              "'unixepoch') END AS expires, expires_at <= unixepoch() * 1000 AS stale FROM responses;"
              "CREATE VIEW v_hosts AS SELECT host, count(*) AS entries, sum(size) AS bytes, sum(stale) AS "
              "stale FROM "
              "v_entries GROUP BY host ORDER BY bytes DESC;"
              "UPDATE beast_cache_tables SET version = 4 WHERE name = 'responses'");
  cache.open();
  CHECK(cache.holds(4));
  CHECK(cache.pin(2));
  CHECK(cache.ask("SELECT sum(pinned) FROM v_entries") == 1);
  for (int i = 10; i < 40; ++i) cache.store(i);
  CHECK(cache.holds(2));
  CHECK(cache.count() == 5);
  cache.check_queues();
}

namespace {

class Leavers final : public Observer {
 public:
  void on_evicted(std::string_view where, std::uint64_t size) override {
    urls.emplace_back(where);
    bytes += size;
  }
  std::vector<std::string> urls;
  std::uint64_t bytes = 0;
};

}  // namespace

TEST_CASE("The observer is told of what had to go") {
  auto const leavers = std::make_shared<Leavers>();
  Bounded cache(CacheOptions().max_entries(2).observer(leavers));
  for (int i = 0; i < 4; ++i) cache.store(i, 100);
  CHECK(leavers->urls == std::vector<std::string>{at(0), at(1)});
  CHECK(leavers->bytes >= 200);
}

namespace {

// A file of some megabytes that has become too large, with threads that run by hand.
class TooLarge : public ByHand {
 public:
  static constexpr std::uint64_t bound = 1 << 20;
  TooLarge() {
    SQLiteBackend before(path());
    for (int i = 0; i < 100; ++i) backend_test::run(before.store(page(at(i), std::string(60'000, 'x'))));
    backend_test::run(before.close());
    backend.emplace(path(), CacheOptions().max_bytes(bound), SQLiteOptions().executor(executor()));
  }
  std::string path() const { return dir_ / "large.sqlite"; }
  std::uintmax_t size() const { return std::filesystem::file_size(path()); }
  std::int64_t pages() const { return std::stoll(execute(path(), "PRAGMA page_count")); }
  void store(int number) { in_steps(done(backend->store(page(at(number), "x")))); }
  bool pin(int number) { return in_steps(backend->pin(Url(at(number)))); }
  void close() { in_steps(done(backend->close())); }

 private:
  // The threads do no more than the operation takes.
  bool in_steps(asio::awaitable<bool> operation) {
    auto const running = begin(std::move(operation));
    while (!running->look()) REQUIRE(work_once());
    return *running->result && !running->failure;
  }
  TempDir dir_;

 public:
  std::optional<SQLiteBackend> backend;
};

}  // namespace

// Pages of a slice; one of SQLite's own may be among them.
constexpr std::int64_t most = 65;

TEST_CASE("A file that is too large is cut to its bound by itself, a slice at a time") {
  TooLarge file;
  CHECK(file.size() > 4 * TooLarge::bound);
  file.store(1000);
  std::int64_t before = file.pages();
  int slices = 0;
  while (file.work_once()) {
    std::int64_t const after = file.pages();
    CHECK(before - after <= most);
    slices += after < before;
    before = after;
  }
  file.work_to_the_end();
  CHECK(slices > 10);
  CHECK(file.size() <= TooLarge::bound);
  CHECK(execute(file.path(), "PRAGMA integrity_check") == "ok");
  CHECK(file.run(file.backend->has_url(Url(at(1000)))));
  file.run(file.backend->close());
}

TEST_CASE("An operation that comes while a file is cut waits for one slice at most") {
  TooLarge file;
  file.store(1000);
  for (int i = 0; i < 5; ++i) {
    std::int64_t const before = file.pages();
    REQUIRE(static_cast<std::uint64_t>(before) * 4096 > TooLarge::bound);
    CHECK(file.pin(i));
    CHECK(before - file.pages() <= most);
    file.work_once();
  }
  SECTION("close() does not wait for all of it") {
    file.close();
    CHECK(file.size() > TooLarge::bound);
  }
  SECTION("nor does dropping the backend") {
    file.backend.reset();
    file.work_to_the_end();
    CHECK(static_cast<std::uint64_t>(file.pages()) * 4096 > TooLarge::bound);
  }
}

TEST_CASE("A thread of the file's own cuts it while it has nothing else to do") {
  TooLarge made;
  SQLiteBackend backend(made.path(), CacheOptions().max_bytes(TooLarge::bound));
  run(backend.store(page(at(1000), "x")));
  for (int i = 0; i < 1'000'000 && made.size() > TooLarge::bound; ++i) run(backend.has_url(Url(at(1000))));
  CHECK(made.size() <= TooLarge::bound);
  run(backend.close());
}

TEST_CASE("Bounds that can't be kept are refused") {
  CHECK_THROWS_AS(CacheOptions().max_bytes(1000), std::invalid_argument);
  CHECK(CacheOptions().max_bytes(0).max_bytes() == 0);
  // A larger body would find no room, however much goes for it.
  CHECK(CacheOptions().max_bytes(10 << 20).max_body_bytes() == 9 << 20);
  CHECK(CacheOptions().max_bytes(10 << 20).max_body_bytes(9).max_body_bytes() == 9);
  CHECK(CacheOptions().max_bytes(UINT64_MAX).max_body_bytes() == 16 << 20);
  auto const responses = std::make_shared<MemoryCache<CachedResponse>>();
  auto const redirects = std::make_shared<MemoryCache<std::string>>();
  CHECK_THROWS_AS(CacheBackend(responses, redirects, CacheOptions().max_entries(1)), std::invalid_argument);
  CHECK_THROWS_AS(CacheBackend(responses, redirects, CacheOptions().max_bytes(1 << 20)),
                  std::invalid_argument);
}
