// CacheOptions::memory: what is answered without the file, and when it is not any more.

#include "backend/memory_tier.hpp"

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "beast_cache/backend/ready_response.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/storage/memory_cache.hpp"
#include "beast_cache/testing/manual_clock.hpp"
#include "by_hand.hpp"
#include "sqlite_file.hpp"

using namespace backend_test;
using beast_cache::testing::ManualClock;
using namespace std::chrono_literals;

namespace {

std::string const where = "http://h.test/page";

class Tiered : public ByHand {
 public:
  explicit Tiered(std::uint64_t bytes = 1u << 20, CacheOptions options = CacheOptions())
      : backend(open(options.memory(bytes).clock(clock))) {}

  SQLiteBackend open(CacheOptions options) {
    return SQLiteBackend(dir_ / "cache.sqlite", std::move(options), SQLiteOptions().executor(executor()));
  }
  SQLiteBackend open() { return open(CacheOptions().memory(1u << 20).clock(clock)); }
  std::string path() const { return dir_ / "cache.sqlite"; }

  void store(std::string const& url, std::string body, std::int64_t seconds = 0) {
    run(backend.store(page(url, std::move(body), seconds)));
  }
  // What is found without the file's threads; nothing when these are needed.
  std::optional<Lookup> in_memory(LookupQuery what) {
    auto const running = begin(backend.lookup(std::move(what)));
    bool const there = running->result.has_value();
    Lookup found = finish(*running);
    return there ? std::optional(std::move(found)) : std::nullopt;
  }
  bool is_in_memory(std::string const& url = where) { return in_memory(query(url)).has_value(); }
  // Until it is, if it ever is.
  bool warm_up(std::string const& url = where) {
    bool there = false;
    for (int i = 0; i < 3 && !there; ++i) there = is_in_memory(url);
    return there;
  }
  std::optional<std::string> body(std::string const& url = where) {
    Lookup const found = run(backend.lookup(query(url)));
    return body_of(found);
  }

 private:
  TempDir dir_;

 public:
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  SQLiteBackend backend;
};

}  // namespace

TEST_CASE("What was found in the file is found in memory, and is the same") {
  Tiered file;
  file.store(where, "body");
  Lookup const from_file = file.run(file.backend.lookup(query(where)));
  REQUIRE(file.warm_up());
  std::optional<Lookup> const found = file.in_memory(query(where));
  REQUIRE((found && found->selected()));
  check_same(*found->selected(), *from_file.selected());
  // Whatever the caller does to what it got.
  Lookup changed = *found;
  changed.selected()->headers().set("X", "changed");
  std::optional<Lookup> const again = file.in_memory(query(where));
  REQUIRE((again && again->selected()));
  CHECK(again->selected()->headers().count("X") == 0);
}

TEST_CASE("It answers what the file would answer with it, and nothing else") {
  Tiered file;
  file.run(file.backend.store(
      answer(make_request(where, "Accept-Language: en\r\n"), "Vary: Accept-Language\r\n", "english", 0)));
  std::string const en = "Accept-Language: en\r\n", de = "Accept-Language: de\r\n";
  for (int i = 0; i < 3; ++i) static_cast<void>(file.in_memory(query(where, en)));
  CHECK(file.in_memory(query(where, en)).has_value());
  CHECK(file.in_memory(query(where, en, http::verb::head)).has_value());
  CHECK_FALSE(file.in_memory(query(where, de)).has_value());
  CHECK_FALSE(file.in_memory(query(where, en, http::verb::get, "someone")).has_value());
  SECTION("of two variants the newest one that matches, which the file knows") {
    file.run(file.backend.store(answer(make_request(where, de), "Vary: Accept-Language\r\n", "deutsch", 1)));
    for (int i = 0; i < 3; ++i) CHECK_FALSE(file.in_memory(query(where, en)).has_value());
    CHECK(body_of(file.run(file.backend.lookup(query(where, en)))) == "english");
    CHECK(body_of(file.run(file.backend.lookup(query(where, de)))) == "deutsch");
  }
}

TEST_CASE("What this process writes counts at once, through whichever backend") {
  Tiered file;
  std::optional<SQLiteBackend> other;
  SECTION("the same") {
    other.emplace(file.backend);
  }
  SECTION("another one, of the same file") {
    other.emplace(file.open());
  }
  SECTION("another one, without memory") {
    other.emplace(file.open(CacheOptions()));
  }
  auto const warm = [&] {
    file.run(other->clear());
    file.run(other->store(answer(make_request(where), "Cache-Groups: \"a\"\r\n", "old", 0)));
    REQUIRE(file.warm_up());
    REQUIRE(file.body() == "old");
  };
  warm();
  file.run(other->store(page(where, "new", 1)));
  CHECK(file.body() == "new");
  warm();
  CHECK(file.run(other->freshen(answer(make_request(where), "X: new\r\n", "old", 30))));
  Lookup const fresh = file.run(file.backend.lookup(query(where)));
  REQUIRE(fresh.selected());
  CHECK(fresh.selected()->headers()["X"] == "new");
  warm();
  CHECK(file.run(other->remove_with_aliases(Url(where))));
  CHECK_FALSE(file.body());
  warm();
  CHECK(file.run(other->remove_groups(Url(where), {"a"})) == 1);
  CHECK_FALSE(file.body());
  warm();
  CHECK(file.run(other->remove_expired(at(1000))) == 1);
  CHECK_FALSE(file.body());
  warm();
  CHECK(file.run(other->remove_matching(EntryFilter())) == 1);
  CHECK_FALSE(file.body());
  warm();
  file.run(other->clear());
  CHECK_FALSE(file.body());
}

TEST_CASE("What others write counts when the log has been looked at") {
  Tiered file;
  file.store(where, "body");
  REQUIRE(file.warm_up());
  execute(file.path(), "DELETE FROM responses");
  file.clock->advance(999ms);
  CHECK(file.body() == "body");
  CHECK(file.is_in_memory());
  file.clock->advance(1ms);
  CHECK_FALSE(file.body());
}

TEST_CASE("As long as nobody writes, one look-up in that time is all that goes to the file") {
  Tiered file;
  file.store(where, "body");
  REQUIRE(file.warm_up());
  for (int i = 0; i < 5; ++i) {
    file.clock->advance(1s);
    CHECK_FALSE(file.is_in_memory());
    CHECK(file.is_in_memory());
  }
  // The same after the clock was set back.
  file.clock->advance(-10s);
  CHECK_FALSE(file.is_in_memory());
  CHECK(file.is_in_memory());
}

TEST_CASE("A look at the log that came to nothing is left to the next look-up") {
  Tiered file;
  file.store(where, "body");
  REQUIRE(file.warm_up());
  file.clock->advance(1s);
  auto given_up = file.begin(file.backend.lookup(query(where)));
  auto other = file.begin(file.backend.lookup(query(where)));
  CHECK_FALSE(given_up->result.has_value());
  CHECK_FALSE(other->result.has_value());
  file.caller = std::make_shared<asio::io_context>();
  given_up.reset();
  other.reset();
  CHECK_FALSE(file.is_in_memory());
  CHECK(file.is_in_memory());
}

TEST_CASE("A look-up that a write overtakes is not remembered") {
  Tiered file;
  file.store(where, "old");
  REQUIRE(file.warm_up());
  file.store(where, "older", 1);  // no more in memory
  auto const slow = file.begin(file.backend.lookup(query(where)));
  while (file.work()) {
  }
  // It has been read, and not been delivered.
  file.store(where, "new", 2);
  Lookup const late = file.finish(*slow);
  CHECK(body_of(late) == "older");
  CHECK(file.body() == "new");
  CHECK(file.body() == "new");
}

TEST_CASE("What was removed is gone even if the one who did that stands still") {
  Tiered file;
  file.store(where, "body");
  REQUIRE(file.warm_up());
  auto const removal = file.begin(file.backend.remove_with_aliases(Url(where)));
  while (file.work()) {
  }
  CHECK_FALSE(removal->result.has_value());
  std::shared_ptr<asio::io_context> const standing_still = std::move(file.caller);
  file.caller = std::make_shared<asio::io_context>();
  CHECK_FALSE(file.body());
}

TEST_CASE("A body in pieces stays in the file, and a large one does not push out all others") {
  Tiered file(1u << 20);
  file.store(where, std::string(200'000, 'x'));
  CHECK_FALSE(file.warm_up());
  file.store(where, std::string(100'000, 'x'));
  CHECK(file.warm_up());
  std::unique_ptr<BodyWriter> const writer = file.backend.write_body();
  file.run(writer->append(std::string(writer->piece_size(), 'y')));
  CachedResponse const head = page(where, "", 1);
  file.run(writer->store(CachedHead(head, head)));
  CHECK_FALSE(file.warm_up());
  Lookup const found = file.run(file.backend.lookup(query(where)));
  REQUIRE(found.selected());
  CHECK(found.selected()->body().size() == writer->piece_size());
}

TEST_CASE("What has to go out of the file goes out of memory, too") {
  // Else it would go on answering when what changes its URL finds nothing in the file that is to be removed.
  Tiered file;
  SQLiteBackend bounded = file.open(CacheOptions().max_entries(2).clock(file.clock));
  file.run(bounded.store(page(where, "body", 0)));
  REQUIRE(file.warm_up());
  file.run(bounded.store(page("http://h.test/1", "body", 1)));
  CHECK(file.is_in_memory());
  file.run(bounded.store(page("http://h.test/2", "body", 2)));
  REQUIRE_FALSE(file.run(bounded.has_url(Url(where))));
  CHECK_FALSE(file.is_in_memory());
  CHECK_FALSE(file.body());
}

TEST_CASE("A glance finds what a look-up would find in memory") {
  Tiered file;
  Request const plain = make_request(where);
  auto const glance = [&] { return file.backend.glance(plain, file.clock->now()); };
  CHECK_FALSE(glance());
  file.store(where, "body");
  CHECK_FALSE(glance());
  REQUIRE(file.warm_up());
  auto const ready = glance();
  REQUIRE(ready);
  CHECK(*ready->stored().body().text() == "body");
  SECTION("until it is written") {
    file.store(where, "new", 1);
    CHECK_FALSE(glance());
    CHECK(*ready->stored().body().text() == "body");
  }
  SECTION("until it is removed") {
    CHECK(file.run(file.backend.remove_with_aliases(Url(where))));
    CHECK_FALSE(glance());
  }
  SECTION("until it is to be known whether others have written") {
    file.clock->advance(1s);
    CHECK_FALSE(glance());
    CHECK_FALSE(file.is_in_memory());
    CHECK(glance());
  }
}

TEST_CASE("After close() there is no answer from memory either") {
  Tiered file;
  file.store(where, "body");
  REQUIRE(file.warm_up());
  file.run(file.backend.close());
  CHECK_FALSE(file.backend.glance(make_request(where), file.clock->now()));
  CHECK_THROWS_AS(file.run(file.backend.lookup(query(where))), Error);
}

TEST_CASE("A database in memory has no others to look out for") {
  auto const clock = std::make_shared<ManualClock>();
  SQLiteBackend backend(":memory:", CacheOptions().memory(1u << 20).clock(clock));
  run(backend.store(page(where, "old")));
  for (int i = 0; i < 3; ++i) CHECK(body_of(run(backend.lookup(query(where)))) == "old");
  run(backend.store(page(where, "new", 1)));
  CHECK(body_of(run(backend.lookup(query(where)))) == "new");
}

TEST_CASE("Memory keeps within its bytes, and what is asked for in it") {
  sqlite::WriteEpochs epochs;
  constexpr std::uint64_t most = 200'000;
  detail::MemoryTier tier(most, 1s, std::make_shared<ManualClock>(), policy::Options(), true);
  auto const remember = [&](int number) {
    std::string const url = "http://h.test/" + std::to_string(number);
    detail::MemoryTier::Glance glance;
    tier.glance(glance, epochs, query(url));
    if (glance.hit()) return true;
    tier.remember(glance, query(url), number, page(url, std::string(5000, 'x')));
    return false;
  };
  int hits = 0;
  for (int i = 0; i < 1000; ++i) {
    hits += remember(0);
    hits += remember(1);
    remember(1000 + i);
    CHECK(tier.size() <= most);
  }
  CHECK(hits == 1998);
  CHECK(tier.size() > most / 2);
  // With keys that come back, and go.
  std::mt19937 random(7);
  for (int i = 0; i < 5000; ++i) {
    int const number = static_cast<int>(random() % 60);
    if (random() % 4 == 0) {
      sqlite::Writing const writing(epochs, query("http://h.test/" + std::to_string(number)).key());
      CHECK_FALSE(remember(number));
    }
    remember(number);
    CHECK(tier.size() <= most);
  }
}

TEST_CASE("Whoever has stored something finds that or what came after it, from any thread") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache.sqlite", CacheOptions().memory(1u << 20));
  run(backend.store(page(where, "0", 0)));
  std::atomic<int> stored{0};
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int last = 0; last < 200;) {
        int const before = stored.load();
        std::optional<std::string> const text = body_of(run(backend.lookup(query(where))));
        last = text ? std::stoi(*text) : -1;
        wrong += last < before;
        if (!text) break;
      }
    });
  }
  for (int i = 1; i <= 200; ++i) {
    run(backend.store(page(where, std::to_string(i), i)));
    stored = i;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("Memory that can't be, or for a backend that has none, is refused") {
  CHECK_THROWS_AS(CacheOptions().memory(1, 0ms), std::invalid_argument);
  CHECK_THROWS_AS(CacheOptions().memory(1, 2h), std::invalid_argument);
  CHECK_THROWS_AS(CacheBackend(std::make_shared<MemoryCache<CachedResponse>>(),
                               std::make_shared<MemoryCache<std::string>>(), CacheOptions().memory(1)),
                  std::invalid_argument);
}
