// CacheOptions::max_entries and max_bytes: what goes when there is no room.

#include <filesystem>
#include <random>

#include "any_backend.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
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
    for (int queue : {0, 1, 2}) {
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

TEST_CASE("Bounds that can't be kept are refused") {
  CHECK_THROWS_AS(CacheOptions().max_bytes(1000), std::invalid_argument);
  CHECK(CacheOptions().max_bytes(0).max_bytes() == 0);
  CHECK(CacheOptions().max_bytes(2 << 20).max_body_bytes() == 2 << 20);
  auto const responses = std::make_shared<MemoryCache<CachedResponse>>();
  auto const redirects = std::make_shared<MemoryCache<std::string>>();
  CHECK_THROWS_AS(CacheBackend(responses, redirects, CacheOptions().max_entries(1)), std::invalid_argument);
  CHECK_THROWS_AS(CacheBackend(responses, redirects, CacheOptions().max_bytes(1 << 20)),
                  std::invalid_argument);
}
