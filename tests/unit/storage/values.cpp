// Damaged, forged and foreign values.
#include <sqlite3.h>
#include <sys/resource.h>

#include <array>

#include "beast_cache/storage/sqlite_pickle_cache.hpp"
#include "catch.hpp"
#include "detail/crc32c.hpp"
#include "storage/envelope.hpp"
#include "support/command.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/run.hpp"
// After cereal.hpp: cereal 1.3.2's chrono.hpp relies on its macros without including it.
#include <cereal/types/array.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <new>

using namespace beast_cache;

namespace {

struct Node {
  std::unique_ptr<Node> next;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(next);
  }
};

struct Bomb {
  std::vector<std::uint8_t> bytes;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(bytes);
  }
};

struct Nothing {};

std::size_t peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss);
}

// A serializer of one's own that counts where it runs.
class Reversing final : public Serializer<std::string> {
 public:
  std::uint8_t format() const noexcept override { return 200; }
  std::uint32_t type_id() const noexcept override { return 7; }
  void encode(std::string const& value, std::string& out) const override {
    if (value == "refuse") throw std::domain_error("refused");
    out.append(value.rbegin(), value.rend());
  }
  std::string decode(std::string_view bytes) const override {
    if (bytes.empty()) throw Error(cache_errc::bad_value, "empty");
    return std::string(bytes.rbegin(), bytes.rend());
  }
};

error_code unseal_code(detail::Guard const& guard, std::string_view key, std::string_view sealed) {
  try {
    guard.unseal(1, 2, key, sealed);
  } catch (Error const& error) {
    return error.code();
  }
  return error_code();
}

template <class T>
error_code decode_code(std::string_view bytes) {
  try {
    CerealSerializer<T>().decode(bytes);
  } catch (Error const& error) {
    return error.code();
  }
  return error_code();
}

asio::awaitable<void> write_some(SQLiteCache cache) {
  co_await cache.write("a", "first value");
  co_await cache.write("b", "second value");
}

void sql(TempDirectory const& directory, std::string const& statement) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(directory.file("demo.sqlite").c_str(), &db) == SQLITE_OK);
  int const result = sqlite3_exec(db, statement.c_str(), nullptr, nullptr, nullptr);
  sqlite3_close(db);
  REQUIRE(result == SQLITE_OK);
}

// Whether a transaction that writes has begun.
bool is_being_written(TempDirectory const& directory) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(directory.file("demo.sqlite").c_str(), &db) == SQLITE_OK);
  int const result = sqlite3_exec(db, "BEGIN IMMEDIATE; ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  return result == SQLITE_BUSY;
}

template <class T>
asio::awaitable<void> fill_bulk(SQLitePickleCache<T>& cache, T mebibyte, TempDirectory const& directory) {
  auto bulk = cache.bulk_commit();
  co_await bulk.write("small", T());
  for (int i = 0; i < 6; ++i) co_await bulk.write("k" + std::to_string(i), mebibyte);
  CHECK_FALSE(is_being_written(directory));
  for (int i = 6; i < 9; ++i) co_await bulk.write("k" + std::to_string(i), mebibyte);
  CHECK(is_being_written(directory));
  co_await bulk.commit();
  std::optional<T> const value = co_await cache.read("k0");
  CHECK((value == mebibyte));
}

template <class T>
bool is_counted(T const& value) {
  std::string bytes;
  CerealSerializer<T>().encode(value, bytes);
  return CerealSerializer<T>().size_of(value) == bytes.size();
}

}  // namespace

TEST_CASE("CRC-32C gives the values of RFC 3720 appendix B.4", "[storage]") {
  CHECK(detail::crc32c(0, "123456789") == 0xe3069283u);
  CHECK(detail::crc32c(0, std::string(32, '\0')) == 0x8a9136aau);
  CHECK(detail::crc32c(0, std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(detail::crc32c(detail::crc32c(0, "12345"), "6789") == 0xe3069283u);
  // Bit by bit, around the sizes at which the parts of a long text are put together.
  std::string text;
  for (std::size_t i = 0; i < 20'000; ++i) text.push_back(static_cast<char>(i * i >> 3));
  for (std::size_t const size :
       {7u, 8u, 503u, 504u, 505u, 1007u, 6143u, 6144u, 6145u, 6700u, 12'288u, 20'000u}) {
    std::uint32_t crc = ~0u;
    for (std::size_t i = 0; i < size; ++i) {
      crc ^= static_cast<unsigned char>(text[i]);
      for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    }
    CAPTURE(size);
    CHECK(detail::crc32c(0, std::string_view(text).substr(0, size)) == ~crc);
  }
}

TEST_CASE("every flipped bit and every cut of a sealed value is noticed", "[storage]") {
  for (char const* const secret : {"", "secret"}) {
    detail::Guard const guard(secret, "salt", "Table");
    std::string const payload = "the payload, with a \0 in it and long enough";
    std::string const sealed = guard.seal(1, 2, "key", payload);
    REQUIRE(guard.unseal(1, 2, "key", sealed) == payload);
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      std::string damaged = sealed;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      error_code const code = unseal_code(guard, "key", damaged);
      if (*secret) {
        CHECK(code == cache_errc::bad_signature);
      } else {
        CHECK((code == cache_errc::bad_value || code == cache_errc::bad_signature));
      }
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
      CHECK(unseal_code(guard, "key", std::string_view(sealed).substr(0, size)));
    }
    CHECK(unseal_code(guard, "key", sealed + "x"));
  }
}

TEST_CASE("a sealed value is good for its key, table, type, format, secret and salt only", "[storage]") {
  detail::Guard const guard("secret", "salt", "table");
  std::string const sealed = guard.seal(1, 2, "key", "payload");
  CHECK(detail::Guard("secret", "salt", "TABLE").unseal(1, 2, "key", sealed) == "payload");
  CHECK(unseal_code(guard, "kez", sealed) == cache_errc::bad_signature);
  CHECK(unseal_code(detail::Guard("secret", "salt", "other"), "key", sealed) == cache_errc::bad_signature);
  CHECK(unseal_code(detail::Guard("Secret", "salt", "table"), "key", sealed) == cache_errc::bad_signature);
  CHECK(unseal_code(detail::Guard("secret", "pepper", "table"), "key", sealed) == cache_errc::bad_signature);
  CHECK(unseal_code(detail::Guard("", "salt", "table"), "key", sealed) == cache_errc::bad_signature);
  CHECK(unseal_code(guard, "key", detail::Guard("", "", "table").seal(1, 2, "key", "payload")) ==
        cache_errc::bad_signature);
  CHECK(unseal_code(guard, "key", guard.seal(1, 3, "key", "payload")) == cache_errc::bad_value);
  CHECK(unseal_code(guard, "key", guard.seal(9, 2, "key", "payload")) == cache_errc::bad_value);
}

TEST_CASE("a damaged plain value is a miss that is counted", "[storage]") {
  TempDirectory directory;
  run(write_some(SQLiteCache(directory.file("demo"))));
  sql(directory, "UPDATE cache SET value = CAST('first valuf' AS BLOB) WHERE key = 'a'");
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::optional<std::string> const a = co_await c.read("a");
    CHECK(!a);
    std::optional<std::string> const b = co_await c.read("b");
    CHECK(b == "second value");
    auto values = c.values();
    std::vector<std::string> const all = co_await values.next_batch();
    CHECK(all == std::vector<std::string>(1, "second value"));
    CHECK(c.statistics().damaged == 2);
    std::optional<std::string> const popped = co_await c.pop("a");
    CHECK(!popped);
    std::uint64_t const size = co_await c.size();
    CHECK(size == 2);
    co_await c.write("a", "again");
    std::optional<std::string> const again = co_await c.read("a");
    CHECK(again == "again");
  }(cache));
}

TEST_CASE("a plain value can't be moved to another key, nor be read from a row without a checksum",
          "[storage]") {
  TempDirectory directory;
  run(write_some(SQLiteCache(directory.file("demo"))));
  sql(directory,
      "INSERT INTO cache(key, value, \"check\") SELECT 'c', value, \"check\" FROM cache WHERE key = 'a';"
      "INSERT INTO cache(key, value, \"check\") VALUES('d', 'by hand', 0)");
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::vector<std::string> keys(1, "c");
    keys.emplace_back("d");
    std::vector<std::optional<std::string>> const values = co_await c.read_many(std::move(keys));
    CHECK((!values[0] && !values[1]));
  }(cache));
}

TEST_CASE("a table in which the check comes after the value is as good", "[storage]") {
  TempDirectory directory;
  run(write_some(SQLiteCache(directory.file("demo"))));
  sql(directory,
      "ALTER TABLE cache RENAME TO newer;"
      "CREATE TABLE cache(key TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL, \"check\" NOT NULL);"
      "INSERT INTO cache(key, value, \"check\") SELECT key, value, \"check\" FROM newer;"
      "DROP TABLE newer");
  SQLiteCache cache(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    std::optional<std::string> const a = co_await c.read("a");
    CHECK(a == "first value");
    std::optional<ValueReader> reader = co_await c.open("b");
    REQUIRE(reader);
    std::string_view const piece = co_await reader->next();
    CHECK(piece == "second value");
    co_await c.write("a", "another");
    std::optional<std::string> const again = co_await c.read("a");
    CHECK(again == "another");
  }(cache));
}

TEST_CASE("with a secret key an unsigned or altered value is an error of its own", "[storage]") {
  TempDirectory directory;
  run(write_some(SQLiteCache(directory.file("demo"))));
  SQLiteOptions const signing = SQLiteOptions().secret_key("secret");
  {
    SQLiteCache cache(directory.file("demo"), "cache", signing);
    run([](SQLiteCache& c) -> asio::awaitable<void> {
      std::string what;
      auto reading = c.read("a");
      auto const discard = [](asio::awaitable<std::optional<std::string>> r) -> asio::awaitable<void> {
        co_await std::move(r);
      };
      error_code const code = co_await code_of(discard(std::move(reading)), &what);
      CHECK(code == cache_errc::bad_signature);
      CHECK_THAT(what, Catch::Matchers::Contains("demo.sqlite") && Catch::Matchers::Contains("key a") &&
                           !Catch::Matchers::Contains("first value"));
      co_await c.write("a", "signed");
      std::optional<std::string> const value = co_await c.read("a");
      CHECK(value == "signed");
    }(cache));
  }
  SQLiteCache without(directory.file("demo"));
  run([](SQLiteCache& c) -> asio::awaitable<void> {
    auto const discard = [](asio::awaitable<std::optional<std::string>> r) -> asio::awaitable<void> {
      co_await std::move(r);
    };
    error_code const code = co_await code_of(discard(c.read("a")));
    CHECK(code == cache_errc::bad_signature);
  }(without));
}

TEST_CASE("a value of another type, or one that can't be decoded, is a miss that is counted", "[storage]") {
  TempDirectory directory;
  SQLitePickleCache<std::string> strings(directory.file("demo"));
  run([](SQLitePickleCache<std::string>& s, std::string file) -> asio::awaitable<void> {
    co_await s.write("k", "v");
    SQLitePickleCache<std::vector<int>> numbers(file);
    std::optional<std::vector<int>> const other = co_await numbers.read("k");
    CHECK(!other);
    CHECK(numbers.statistics().damaged == 1);
    // Nor does pop() take away what it can't give.
    std::optional<std::vector<int>> const popped = co_await numbers.pop("k");
    CHECK(!popped);
    std::optional<std::string> const value = co_await s.read("k");
    CHECK(value == "v");
  }(strings, directory.file("demo")));
}

TEST_CASE("a serializer of one's own is used, its exceptions reach the caller", "[storage]") {
  TempDirectory directory;
  SQLitePickleCache<std::string> cache(directory.file("demo"), "cache", SQLiteOptions(),
                                       std::make_shared<Reversing const>());
  run([](SQLitePickleCache<std::string>& c) -> asio::awaitable<void> {
    co_await c.write("k", "abc");
    std::optional<std::string> const value = co_await c.read("k");
    CHECK(value == "abc");
    co_await c.write("empty", "");
    std::optional<std::string> const empty = co_await c.read("empty");
    CHECK(!empty);
    CHECK(c.statistics().damaged == 1);
    bool refused = false;
    try {
      co_await c.write("no", "refuse");
    } catch (std::domain_error const&) {
      refused = true;
    }
    CHECK(refused);
    bool const there = co_await c.contains("no");
    CHECK_FALSE(there);
    auto bulk = c.bulk_commit();
    co_await bulk.write("x", "1");
    co_await bulk.write("y", "2");
    co_await bulk.remove("k");
    co_await bulk.commit();
    std::uint64_t const size = co_await c.size();
    CHECK(size == 3);
    auto const stored = [](SQLiteConnection& connection) {
      return connection.query_text("SELECT substr(value, -3) FROM cache WHERE key = 'x'").back();
    };
    char const last = co_await c.get_connection(stored, ConnectionUse::read);
    CHECK(last == '1');
  }(cache));
}

TEST_CASE("a bulk counts what its values own, whatever serialises them", "[storage]") {
  std::vector<std::string> words(1 << 10, std::string(1 << 10, 'w'));
  CHECK((is_counted(words) && is_counted(words[0]) && is_counted(std::map<std::string, int>{{"a", 1}})));
  CHECK((is_counted(1.5) && is_counted(std::unique_ptr<int>()) && is_counted(Bomb{{1, 2, 3}})));
  {
    TempDirectory directory;
    SQLitePickleCache<std::vector<std::string>> cache(directory.file("demo"));
    run(fill_bulk(cache, std::move(words), directory));
  }
  TempDirectory directory;
  SQLitePickleCache<std::string> cache(directory.file("demo"), "cache", SQLiteOptions(),
                                       std::make_shared<Reversing const>());
  run(fill_bulk(cache, std::string(1 << 20, 'r'), directory));
  // What can't be serialised is told of when it is to be written, as ever.
  run([](SQLitePickleCache<std::string>& c) -> asio::awaitable<void> {
    auto bulk = c.bulk_commit();
    co_await bulk.write("no", "refuse");
    bool refused = false;
    try {
      co_await bulk.commit();
    } catch (std::domain_error const&) {
      refused = true;
    }
    CHECK(refused);
  }(cache));
}

TEST_CASE("a forged size allocates nothing", "[storage]") {
  // A container's size tag of 4 GiB less one, and one byte.
  std::string const forged("\xff\xff\xff\xff\0\0\0\0x", 9);
  CHECK(decode_code<std::vector<std::uint8_t>>(forged) == cache_errc::bad_value);
  CHECK(decode_code<std::string>(forged) == cache_errc::bad_value);
  CHECK(decode_code<std::vector<std::string>>(forged) == cache_errc::bad_value);
  CHECK(decode_code<Bomb>(forged) == cache_errc::bad_value);
  CHECK((decode_code<std::map<std::string, int>>(forged) == cache_errc::bad_value));
  CHECK(decode_code<std::vector<double>>(std::string("\x02\0\0\0\0\0\0\0xx", 10)) == cache_errc::bad_value);
}

TEST_CASE("a forged count takes no more memory than there are bytes", "[storage]") {
  using Row = std::array<double, 8192>;
  std::string forged("\x10\x27\0\0\0\0\0\0", 8);  // 10 000 rows, 650 MB
  forged.append(20'000, '\1');
  std::size_t const before = peak_kib();
  CHECK(decode_code<std::vector<Row>>(forged) == cache_errc::bad_value);
  CHECK(decode_code<std::vector<double>>(forged) == cache_errc::bad_value);
  CHECK(peak_kib() < before + 50'000);
}

TEST_CASE("what can be written can be read: deep values and empty elements", "[storage]") {
  auto const chain = [](int length) {
    Node first;
    Node* last = &first;
    for (int i = 1; i < length; ++i) {
      last->next = std::make_unique<Node>();
      last = last->next.get();
    }
    return first;
  };
  std::string bytes;
  CerealSerializer<Node>().encode(chain(100), bytes);
  CHECK(CerealSerializer<Node>().decode(bytes).next);
  error_code code;
  try {
    CerealSerializer<Node>().encode(chain(1000), bytes);
  } catch (Error const& error) {
    code = error.code();
  }
  CHECK(code == cache_errc::bad_value);
  std::string empty;
  CerealSerializer<std::vector<Nothing>>().encode(std::vector<Nothing>(5), empty);
  CHECK(CerealSerializer<std::vector<Nothing>>().decode(empty).size() == 5);
  CHECK(decode_code<std::vector<Nothing>>(std::string("\0\0\0\0\0\1\0\0", 8)) == cache_errc::bad_value);
}

TEST_CASE("what cereal can decode only in part is refused", "[storage]") {
  std::string bytes;
  CerealSerializer<std::vector<std::string>>().encode(std::vector<std::string>(3, "abc"), bytes);
  CHECK(CerealSerializer<std::vector<std::string>>().decode(bytes) == std::vector<std::string>(3, "abc"));
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    CHECK(decode_code<std::vector<std::string>>(std::string_view(bytes).substr(0, n)) ==
          cache_errc::bad_value);
  }
  CHECK(decode_code<std::vector<std::string>>(bytes + "x") == cache_errc::bad_value);
  CHECK(decode_code<bool>("\x02") == cache_errc::bad_value);
  CHECK_FALSE(decode_code<bool>("\x01"));
  CHECK(decode_code<Node>(std::string(100000, '\x01')) == cache_errc::bad_value);
}

TEST_CASE("numbers are stored in the same order of bytes everywhere", "[storage]") {
  std::string bytes;
  CerealSerializer<std::uint32_t>().encode(0x01020304u, bytes);
  CHECK(bytes == "\x04\x03\x02\x01");
}
