// Hundreds of thousands of keys in one call, and the threads on which values become bytes and come back.
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "beast_cache/storage/sqlite_pickle_cache.hpp"
#include "catch.hpp"
#include "support/sanitizer.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;

namespace {

// --- batches ---

constexpr std::size_t count = under_thread_sanitizer ? 50'000 : 300'000;

std::string key(std::size_t i) {
  return "key " + std::to_string(i);
}
std::string value(std::size_t i) {
  return "value " + std::to_string(i);
}

// Each number below `count` once, in an order that neither the table nor its index has.
constexpr std::size_t shuffled(std::size_t i) {
  return i * 7919 % count;
}

// The number of the i-th key that is asked for: of five, one is not there and one is that before it again.
constexpr std::optional<std::size_t> asked(std::size_t i) {
  if (i % 5 == 4) return std::nullopt;
  return shuffled(i % 5 == 3 ? i - 1 : i);
}
constexpr std::size_t asked_once = count / 5 * 3;

std::vector<std::string> asked_keys() {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) {
    std::optional<std::size_t> const number = asked(i);
    keys.push_back(number ? key(*number) : "missing " + std::to_string(i));
  }
  return keys;
}

std::vector<std::string> all_keys() {
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < count; ++i) keys.push_back(key(i));
  return keys;
}

// Every tenth is there twice; the later one is to stay.
std::vector<std::pair<std::string, std::string>> all_entries() {
  std::vector<std::pair<std::string, std::string>> entries;
  for (std::size_t i = 0; i < count; ++i) {
    std::size_t const number = shuffled(i);
    if (number % 10 == 0) entries.emplace_back(key(number), "another value");
    entries.emplace_back(key(number), value(number));
  }
  return entries;
}

template <class Cache>
asio::awaitable<void> expect_size(Cache& cache, std::size_t expected) {
  std::uint64_t const size = co_await cache.size();
  CHECK(size == expected);
}

template <class Cache>
asio::awaitable<void> write_all(Cache& cache) {
  bool const found = co_await cache.contains("missing");  // the file is there
  CHECK_FALSE(found);
  std::uint64_t const commits = cache.statistics().commits;
  std::vector<std::pair<std::string, std::string>> entries = all_entries();
  co_await cache.write_many(std::move(entries));
  CHECK(cache.statistics().commits == commits + 1);
  co_await expect_size(cache, count);
}

template <class Cache>
asio::awaitable<void> find_asked(Cache& cache) {
  std::vector<std::string> keys = asked_keys();
  std::vector<bool> const found = co_await cache.contains_many(std::move(keys));
  REQUIRE(found.size() == count);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) wrong += found[i] != asked(i).has_value();
  CHECK(wrong == 0);
}

template <class Cache>
asio::awaitable<void> read_asked(Cache& cache) {
  std::vector<std::string> keys = asked_keys();
  std::vector<std::optional<std::string>> const values = co_await cache.read_many(std::move(keys));
  REQUIRE(values.size() == count);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    std::optional<std::size_t> const number = asked(i);
    bool const right = number ? values[i] == value(*number) : !values[i];
    wrong += !right;
  }
  CHECK(wrong == 0);
}

template <class Cache>
asio::awaitable<void> remove_asked(Cache& cache) {
  std::uint64_t const commits = cache.statistics().commits;
  std::vector<std::string> keys = asked_keys();
  std::size_t const removed = co_await cache.bulk_remove(std::move(keys));
  CHECK(removed == asked_once);
  CHECK(cache.statistics().commits == commits + 1);
  co_await expect_size(cache, count - asked_once);
}

// Those that were not asked for.
template <class Cache>
asio::awaitable<void> find_rest(Cache& cache) {
  std::vector<bool> expected(count, true);
  for (std::size_t i = 0; i < count; ++i) {
    if (std::optional<std::size_t> const number = asked(i)) expected[*number] = false;
  }
  std::vector<std::string> keys = all_keys();
  std::vector<bool> const found = co_await cache.contains_many(std::move(keys));
  bool const same = found == expected;
  CHECK(same);
}

template <class Cache>
asio::awaitable<void> remove_rest(Cache& cache) {
  std::vector<std::string> keys = all_keys();
  std::size_t const removed = co_await cache.bulk_remove(std::move(keys));
  CHECK(removed == count - asked_once);
  co_await expect_size(cache, 0);
  std::vector<SQLiteCache::Entry> const page = co_await cache.page(std::nullopt, 10);
  CHECK(page.empty());
}

template <class Cache>
void work_in_one_call_each(SQLiteOptions const& options) {
  static_assert(count % 5 == 0 && count % 7919 != 0);  // 7919 is a prime number
  TempDirectory directory;
  Cache cache(directory.file("demo"), "cache", options);
  run(write_all(cache));
  run(find_asked(cache));
  run(read_asked(cache));
  run(remove_asked(cache));
  run(find_rest(cache));
  run(remove_rest(cache));
}

// --- threads ---

using Ids = std::set<std::thread::id>;

// Those that came by.
class Threads {
 public:
  void note() const {
    std::lock_guard const lock(mutex_);
    ids_.insert(std::this_thread::get_id());
  }
  // Since the last call.
  Ids take() const {
    std::lock_guard const lock(mutex_);
    return std::exchange(ids_, Ids());
  }

 private:
  mutable std::mutex mutex_;
  mutable Ids ids_;
};

class Noting : public Serializer<std::string> {
 public:
  std::uint8_t format() const noexcept override { return 201; }
  std::uint32_t type_id() const noexcept override { return 1; }
  void encode(std::string const& value, std::string& out) const override {
    encoded.note();
    out += value;
  }
  std::string decode(std::string_view bytes) const override {
    decoded.note();
    return std::string(bytes);
  }
  Threads encoded, decoded;
};

// Knows a quicker way to find the size; and something that is more than a bulk holds back.
class Measuring final : public Noting {
 public:
  std::size_t size_of(std::string const& value) const override {
    measured.note();
    return value == "huge" ? std::size_t{9} << 20 : value.size();
  }
  Threads measured;
};

using Cache = SQLitePickleCache<std::string>;

// The one of the lane that has that use.
asio::awaitable<Ids> lane_of(Cache& cache, ConnectionUse use) {
  auto const ask = [](SQLiteConnection&) { return std::this_thread::get_id(); };
  std::thread::id const id = co_await cache.get_connection(ask, use);
  co_return Ids{id};
}

Ids this_thread() {
  return Ids{std::this_thread::get_id()};
}

// Few share their transaction with others' writes, many have one of their own.
constexpr std::array<int, 2> batch_sizes{2, 300};

std::vector<Cache::Entry> some_entries(int number) {
  std::vector<Cache::Entry> entries;
  for (int i = 0; i < number; ++i) entries.emplace_back("entry " + std::to_string(i), "value");
  return entries;
}

std::vector<std::string> two_keys() {
  return {"entry 0", "entry 1"};
}

asio::awaitable<void> encode_on_writer(Cache& cache, Noting const& notes) {
  Ids const writer = co_await lane_of(cache, ConnectionUse::write);
  CHECK(writer != this_thread());
  co_await cache.write("one", "value");
  CHECK(notes.encoded.take() == writer);
  for (int const number : batch_sizes) {
    std::vector<Cache::Entry> entries = some_entries(number);
    co_await cache.write_many(std::move(entries));
    CHECK(notes.encoded.take() == writer);
  }
  CHECK(notes.decoded.take().empty());
}

asio::awaitable<void> decode_on_reader(Cache& cache, Noting const& notes) {
  Ids const reader = co_await lane_of(cache, ConnectionUse::read);
  CHECK(reader != this_thread());
  std::vector<std::string> keys = two_keys();
  std::vector<std::optional<std::string>> const many = co_await cache.read_many(std::move(keys));
  CHECK(many.size() == 2);
  CHECK(notes.decoded.take() == reader);
  std::vector<Cache::Entry> const page = co_await cache.page(std::nullopt, 10);
  CHECK(page.size() == 10);
  CHECK(notes.decoded.take() == reader);
  Cursor<std::string> values = cache.values();
  std::optional<std::string> const first = co_await values.next();
  CHECK(first.has_value());
  CHECK(notes.decoded.take() == reader);
  Cursor<Cache::Entry> entries = cache.entries();
  std::optional<Cache::Entry> const entry = co_await entries.next();
  CHECK(entry.has_value());
  CHECK(notes.decoded.take() == reader);
  CHECK(notes.encoded.take().empty());
}

asio::awaitable<void> decode_one(Cache& cache, Noting const& notes) {
  Ids const reader = co_await lane_of(cache, ConnectionUse::read);
  std::optional<std::string> const value = co_await cache.read("one");
  CHECK(value == "value");
  CHECK(notes.decoded.take() == reader);
}

asio::awaitable<void> pop_on_writer(Cache& cache, Noting const& notes) {
  Ids const writer = co_await lane_of(cache, ConnectionUse::write);
  std::optional<std::string> const value = co_await cache.pop("entry 2");
  CHECK(value == "value");
  CHECK(notes.decoded.take() == writer);
}

asio::awaitable<void> look_at_keys(Cache& cache, Noting const& notes) {
  bool const found = co_await cache.contains("entry 0");
  CHECK(found);
  std::vector<std::string> keys = two_keys();
  std::vector<bool> const both = co_await cache.contains_many(std::move(keys));
  CHECK(both == std::vector<bool>(2, true));
  Cursor<std::string> cursor = cache.keys();
  std::optional<std::string> const first = co_await cursor.next();
  CHECK(first.has_value());
  bool const removed = co_await cache.remove("entry 3");
  CHECK(removed);
  std::uint64_t const size = co_await cache.size();
  CHECK(size == 299);
  CHECK(notes.encoded.take().empty());
  CHECK(notes.decoded.take().empty());
}

asio::awaitable<void> fill(Cache& cache) {
  std::vector<Cache::Entry> entries = some_entries(3);
  co_await cache.write_many(std::move(entries));
}

asio::awaitable<void> commit_bulk(Cache& cache, Measuring const& notes) {
  Ids const writer = co_await lane_of(cache, ConnectionUse::write);
  Ids const reader = co_await lane_of(cache, ConnectionUse::read);
  BulkCommit<std::string> bulk = cache.bulk_commit();
  co_await bulk.write("new", "value");
  CHECK(notes.measured.take() == this_thread());
  std::optional<std::string> const held = co_await bulk.read("new");
  CHECK(held == "value");
  CHECK(notes.encoded.take().empty());
  CHECK(notes.decoded.take().empty());
  std::optional<std::string> const there = co_await bulk.read("entry 0");
  CHECK(there == "value");
  CHECK(notes.decoded.take() == reader);
  co_await bulk.commit();
  CHECK(notes.encoded.take() == writer);
  CHECK(notes.measured.take().empty());
}

// Beyond what is held back: its transaction is the writer's, and so is what is read in it.
asio::awaitable<void> commit_big_bulk(Cache& cache, Measuring const& notes) {
  Ids const writer = co_await lane_of(cache, ConnectionUse::write);
  BulkCommit<std::string> bulk = cache.bulk_commit();
  co_await bulk.write("big", "huge");
  CHECK(notes.measured.take() == this_thread());
  CHECK(notes.encoded.take() == writer);
  std::array<std::string, 2> const keys{"big", "entry 0"};
  for (std::string const& key : keys) {
    std::optional<std::string> const there = co_await bulk.read(key);
    CHECK(there.has_value());
    CHECK(notes.decoded.take() == writer);
  }
  co_await bulk.commit();
  CHECK(notes.encoded.take().empty());
}

asio::awaitable<void> commit_unmeasured(Cache& cache, Noting const& notes) {
  Ids const writer = co_await lane_of(cache, ConnectionUse::write);
  co_await cache.write("one", "value");
  CHECK(notes.encoded.take() == writer);
  BulkCommit<std::string> bulk = cache.bulk_commit();
  co_await bulk.write("new", "value");
  CHECK(notes.encoded.take() == this_thread());
  co_await bulk.commit();
  CHECK(notes.encoded.take() == writer);
}

// Everything that encodes or decodes.
asio::awaitable<void> do_everything(Cache& cache) {
  co_await cache.write("one", "value");
  for (int const number : batch_sizes) {
    std::vector<Cache::Entry> entries = some_entries(number);
    co_await cache.write_many(std::move(entries));
  }
  std::optional<std::string> const value = co_await cache.read("one");
  CHECK(value == "value");
  std::vector<std::string> keys = two_keys();
  std::vector<std::optional<std::string>> const many = co_await cache.read_many(std::move(keys));
  CHECK(many.size() == 2);
  std::vector<Cache::Entry> const page = co_await cache.page(std::nullopt, 10);
  CHECK(page.size() == 10);
  Cursor<Cache::Entry> entries = cache.entries();
  std::optional<Cache::Entry> const entry = co_await entries.next();
  CHECK(entry.has_value());
  std::optional<std::string> const popped = co_await cache.pop("one");
  CHECK(popped == "value");
  std::array<std::string, 2> const texts{"value", "huge"};
  for (std::string const& text : texts) {
    BulkCommit<std::string> bulk = cache.bulk_commit();
    co_await bulk.write("new", text);
    std::optional<std::string> const there = co_await bulk.read("entry 0");
    CHECK(there == "value");
    co_await bulk.commit();
  }
}

// Two of the user's own.
class Workers {
 public:
  Workers() : work_(context.get_executor()) {
    for (std::thread& thread : threads_) thread = std::thread([this] { context.run(); });
  }
  Workers(Workers const&) = delete;
  Workers& operator=(Workers const&) = delete;
  ~Workers() {
    work_.reset();
    for (std::thread& thread : threads_) thread.join();
  }
  bool have(std::thread::id id) const { return threads_[0].get_id() == id || threads_[1].get_id() == id; }
  asio::io_context context;

 private:
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread threads_[2];
};

}  // namespace

TEST_CASE("hundreds of thousands of entries are written, found, read and removed in one call each, in order",
          "[storage]") {
  work_in_one_call_each<SQLiteCache>(SQLiteOptions());
}

TEST_CASE("hundreds of thousands of serialised entries are, too", "[storage]") {
  work_in_one_call_each<SQLitePickleCache<std::string>>(SQLiteOptions().cache_size(64 << 20));
}

TEST_CASE("values are encoded on the writer's thread and decoded on the reader's, not on the caller's",
          "[storage]") {
  TempDirectory directory;
  auto const notes = std::make_shared<Measuring const>();
  Cache cache(directory.file("demo"), "cache", SQLiteOptions(), notes);
  run(encode_on_writer(cache, *notes));
  run(decode_on_reader(cache, *notes));
  run(decode_one(cache, *notes));
  run(pop_on_writer(cache, *notes));
  run(look_at_keys(cache, *notes));
  CHECK(notes->measured.take().empty());
}

TEST_CASE("a bulk finds out how big a value is on the caller's thread, and encodes it on the writer's",
          "[storage]") {
  TempDirectory directory;
  auto const notes = std::make_shared<Measuring const>();
  Cache cache(directory.file("demo"), "cache", SQLiteOptions(), notes);
  run(fill(cache));
  notes->encoded.take();
  run(commit_bulk(cache, *notes));
  run(commit_big_bulk(cache, *notes));
}

TEST_CASE("a serializer that knows no quicker way encodes for a bulk on the caller's thread as well",
          "[storage]") {
  TempDirectory directory;
  auto const notes = std::make_shared<Noting const>();
  Cache cache(directory.file("demo"), "cache", SQLiteOptions(), notes);
  run(commit_unmeasured(cache, *notes));
}

TEST_CASE("with inline_reads nothing but single values is decoded on the caller's thread", "[storage]") {
  TempDirectory directory;
  auto const notes = std::make_shared<Measuring const>();
  Cache cache(directory.file("demo"), "cache", SQLiteOptions().inline_reads(true), notes);
  run(encode_on_writer(cache, *notes));
  run(decode_on_reader(cache, *notes));
  run(pop_on_writer(cache, *notes));
}

TEST_CASE("values are encoded and decoded on the user's threads, if the cache has those", "[storage]") {
  Workers workers;
  TempDirectory directory;
  auto const notes = std::make_shared<Measuring const>();
  Cache cache(directory.file("demo"), "cache", SQLiteOptions().executor(workers.context.get_executor()),
              notes);
  run(do_everything(cache));
  run(cache.close());
  for (Threads const* const threads : {&notes->encoded, &notes->decoded}) {
    Ids const ids = threads->take();
    CHECK_FALSE(ids.empty());
    for (std::thread::id const id : ids) CHECK(workers.have(id));
  }
}

TEST_CASE("no caller's thread encodes or decodes, in memory or with several readers", "[storage]") {
  TempDirectory directory;
  for (std::string const& file : {std::string(":memory:"), directory.file("demo")}) {
    auto const notes = std::make_shared<Measuring const>();
    Cache cache(file, "cache", SQLiteOptions().readers(3), notes);
    run(do_everything(cache));
    for (Threads const* const threads : {&notes->encoded, &notes->decoded}) {
      Ids const ids = threads->take();
      CHECK_FALSE(ids.empty());
      CHECK(ids.count(std::this_thread::get_id()) == 0);
    }
  }
}
