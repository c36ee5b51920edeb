// How bytes lie in the file: compressed, encrypted.

#include "backend/at_rest.hpp"

#include <fstream>
#include <iterator>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/storage/memory_cache.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;
using detail::AtRest;

namespace {

constexpr char url[] = "http://example.org/page";
constexpr std::size_t piece = 256 * 1024;

std::string text(std::size_t size) {
  std::string out;
  while (out.size() < size) out.append("line ").append(std::to_string(out.size())).append(" of a page\n");
  out.resize(size);
  return out;
}

// Nothing saves anything on it.
std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint64_t state = 1;
  for (char& c : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return out;
}

std::string key(char c) {
  return std::string(32, c);
}
CacheOptions encrypted_with(char c) {
  return CacheOptions().encryption_key(key(c));
}

CacheOptions options_of(std::string const& what) {
  CacheOptions options = what == "compressed" ? CacheOptions() : encrypted_with('a');
  return options.compress(what != "encrypted");
}

// Of the file and of its log.
std::string bytes_of(std::string const& file) {
  std::string all;
  for (char const* suffix : {"", "-wal"}) {
    std::ifstream in(file + suffix, std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return all;
}

void write_in_pieces(SQLiteBackend& backend, std::string const& bytes) {
  std::unique_ptr<BodyWriter> writer = backend.write_body();
  for (std::size_t at = 0; at < bytes.size(); at += piece) run(writer->append(bytes.substr(at, piece)));
  CachedResponse const head = page(url, "");
  run(writer->store(CachedHead(head, head)));
}

std::string read_part(SQLiteBackend& backend, std::size_t first, std::size_t count) {
  std::optional<StoredResponse> const found = run(backend.lookup(query(url))).selected();
  REQUIRE(found);
  return run(read_all(found->body().open(first, count)));
}

}  // namespace

TEST_CASE("What is encoded is decoded to the same, whatever the coding") {
  auto const compression = GENERATE(detail::as_it_came, detail::zlib, detail::zstd);
  auto const secret = GENERATE(as<std::string>(), "", std::string(32, 'k'));
  AtRest const at_rest(compression, secret);
  for (std::size_t const size : {0, 1, 255, 256, 257, 4000, 300'000}) {
    for (std::string const& bytes : {text(size), noise(size), std::string(size, '\0')}) {
      AtRest::Coded const coded = at_rest.encode("a", bytes, true);
      CHECK(((coded.coding() & detail::encrypted) != 0) == !secret.empty());
      CHECK((at_rest.decode("a", coded.coding(), coded.bytes(), bytes.size()) == bytes));
      CHECK_FALSE(at_rest.encode("a", bytes, false).is_compressed());
      if (coded.is_compressed()) CHECK(coded.bytes().size() <= bytes.size() - bytes.size() / 8 + 28);
      if (bytes.size() >= 4000) CHECK(coded.is_compressed() == (compression != 0 && bytes != noise(size)));
      // What it was is not another size.
      if (coded.coding() != detail::as_it_came)
        CHECK_FALSE(at_rest.decode("a", coded.coding(), coded.bytes(), bytes.size() + 1));
    }
  }
  CHECK(at_rest.decode_text("a", at_rest.encode_text("a", "some text")) == "some text");
}

TEST_CASE("What was encrypted opens with its key, for its part, and unchanged") {
  AtRest const at_rest(detail::zlib, key('a'));
  std::string const bytes = text(1000);
  AtRest::Coded const coded = at_rest.encode("part", bytes, true);
  auto const opens = [&](AtRest const& with, std::string_view part, std::string_view stored) {
    return with.decode(part, coded.coding(), stored, bytes.size()).has_value();
  };
  CHECK(opens(at_rest, "part", coded.bytes()));
  CHECK_FALSE(opens(at_rest, "other", coded.bytes()));
  CHECK_FALSE(opens(AtRest(detail::zlib, key('b')), "part", coded.bytes()));
  CHECK_FALSE(opens(AtRest(detail::zlib, ""), "part", coded.bytes()));
  for (std::size_t i = 0; i < coded.bytes().size(); ++i) {
    std::string changed(coded.bytes());
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(opens(at_rest, "part", changed));
    CHECK_FALSE(opens(at_rest, "part", coded.bytes().substr(0, i)));
  }
  // Never the same twice, or equal pages could be told.
  CHECK(at_rest.encode("part", bytes, true).bytes() != coded.bytes());
}

TEST_CASE("A forged size allocates nothing") {
  AtRest const at_rest(detail::zlib, "");
  CHECK_FALSE(at_rest.decode("a", detail::zlib, "x", std::uint64_t{1} << 60));
  std::string const large(std::size_t{20} << 20, 'x');
  CHECK_FALSE(at_rest.decode("a", detail::zlib, large, std::uint64_t{1} << 40));
}

TEST_CASE("Bodies are compressed in the file where that saves something") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache", CacheOptions().compress(true));
  auto const stored = [&](std::string const& fields, std::string const& body) {
    run(backend.store(answer(make_request(url), fields, body)));
    CHECK((body_of(run(backend.lookup(query(url)))) == body));
    return std::stoul(execute(backend.path(), "SELECT length(body) FROM responses")) < body.size();
  };
  CHECK(stored("", text(10'000)));
  CHECK(stored("Content-Type: image/svg+xml\r\n", text(10'000)));
  CHECK(stored("Content-Encoding: identity\r\n", text(10'000)));
  CHECK_FALSE(stored("", noise(10'000)));
  CHECK_FALSE(stored("", text(100)));
  CHECK_FALSE(stored("Content-Type: image/png\r\n", text(10'000)));
  CHECK_FALSE(stored("Content-Encoding: gzip\r\n", text(10'000)));
  CHECK(execute(backend.path(), "SELECT size FROM responses") == "10000");
}

TEST_CASE("A body in pieces is coded piece by piece, and any bytes of it can be read") {
  TempDir dir;
  CacheOptions const options = options_of(GENERATE(as<std::string>(), "compressed", "encrypted", "both"));
  SQLiteBackend backend(dir / "cache", options);
  std::string const bytes = text(3 * piece + 1000);
  write_in_pieces(backend, bytes);
  CHECK((read_part(backend, 0, bytes.size()) == bytes));
  CHECK((read_part(backend, piece - 10, piece + 20) == bytes.substr(piece - 10, piece + 20)));
  CHECK(read_part(backend, bytes.size() - 1, 1) == bytes.substr(bytes.size() - 1));
  bool const is_smaller =
      std::stoul(execute(backend.path(), "SELECT sum(length(data)) FROM responses_chunks")) <
      bytes.size() / 2;
  CHECK(is_smaller == options.compress());

  // One piece that is worth nothing, and no more are tried.
  write_in_pieces(backend, noise(piece) + text(piece));
  CHECK(execute(backend.path(),
                "SELECT sum(coding & 3) FROM responses_chunks WHERE id IN "
                "(SELECT id FROM responses_chunks ORDER BY id DESC LIMIT 2)") == "0");
}

TEST_CASE("A damaged coded body is a miss, and in pieces an error in its place") {
  TempDir dir;
  CacheOptions const options = options_of(GENERATE(as<std::string>(), "compressed", "encrypted"));
  SQLiteBackend backend(dir / "cache", options);
  std::string const cut =
      " = substr(body, 1, length(body) / 2) || x'00' || substr(body, length(body) / 2 + 2)";
  run(backend.store(page(url, text(5000))));
  execute(backend.path(), "UPDATE responses SET body" + cut);
  CHECK_FALSE(run(backend.lookup(query(url))).selected());
  CHECK(execute(backend.path(), "SELECT count(*) FROM responses") == "0");

  write_in_pieces(backend, text(2 * piece));
  execute(backend.path(), "UPDATE responses_chunks SET data = substr(data, 1, length(data) - 1)");
  try {
    read_part(backend, 0, 2 * piece);
    FAIL("was read");
  } catch (Error const& error) {
    CHECK(error.code() == cache_errc::bad_value);
  }
}

TEST_CASE("Of an encrypted response only what is said to be readable is in the file") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache", encrypted_with('a'));
  Request const request = make_request(url, "Accept: secretive\r\n");
  CachedResponse const response =
      answer(request, "X-Field: hidden\r\nVary: Accept\r\n", "the body that nobody reads");
  write_in_pieces(backend, text(piece + 1));
  run(backend.store(response));
  run(backend.close());
  std::string const bytes = bytes_of(backend.path());
  CHECK(bytes.find(url) != bytes.npos);
  for (char const* hidden : {"secretive", "hidden", "X-Field", "the body", "of a page", "kkkk"}) {
    CAPTURE(hidden);
    CHECK(bytes.find(hidden) == bytes.npos);
  }
  SQLiteBackend again(dir / "cache", encrypted_with('a'));
  auto const found = run(again.lookup(LookupQuery(request, ""))).selected();
  REQUIRE(found);
  check_same(*found, response);
}

TEST_CASE("A file is used with the key that it was made with, or with none") {
  TempDir dir;
  std::string const path = dir / "cache.sqlite";
  auto const made_with = GENERATE(0, 1);
  CacheOptions const made = made_with == 0 ? CacheOptions() : encrypted_with('a');
  {
    SQLiteBackend backend(path, made);
    run(backend.store(page(url, "body")));
    run(backend.close());
  }
  CacheOptions const other = made_with == 0 ? encrypted_with('a') : CacheOptions();
  for (CacheOptions const& options : {other, encrypted_with('b')}) {
    for (bool const read_only : {false, true}) {
      SQLiteBackend backend(path, options, SQLiteOptions().read_only(read_only));
      CHECK(failure_of(backend.lookup(query(url))) == cache_errc::wrong_key);
      CHECK(failure_of(backend.store(page(url, "new"))) == cache_errc::wrong_key);
      CHECK(failure_of(backend.clear()) == cache_errc::wrong_key);
      run(backend.close());
    }
  }
  SQLiteBackend backend(path, made);
  CHECK(body_of(run(backend.lookup(query(url)))) == "body");
  CHECK_THROWS_AS(CacheOptions().encryption_key("short"), std::invalid_argument);
}

TEST_CASE("An encrypted row that someone else wrote is not believed") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache", encrypted_with('a'));
  run(backend.store(page(url, "body")));
  execute(backend.path(), "UPDATE responses SET status = 404");
  CHECK_FALSE(body_of(run(backend.lookup(query(url)))));
  run(backend.store(page(url, "new")));
  CHECK(body_of(run(backend.lookup(query(url)))) == "new");
}

TEST_CASE("Groups and search rules work on encrypted fields") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache", encrypted_with('a'));
  run(backend.store(answer(make_request("http://example.org/q?a=1&utm=2"),
                           "No-Vary-Search: params=(\"utm\")\r\nCache-Groups: \"g\"\r\n", "body")));
  CHECK(body_of(run(backend.lookup(query("http://example.org/q?a=1")))) == "body");
  CHECK(run(backend.remove_groups(Url("http://example.org/"), {"other"})) == 0);
  CHECK(run(backend.remove_groups(Url("http://example.org/"), {"g"})) == 1);
}

TEST_CASE("What is compressed is read with the option off, and what is not with it on") {
  TempDir dir;
  for (bool const on : {true, false, true}) {
    SQLiteBackend backend(dir / "cache", CacheOptions().compress(on));
    auto const before = body_of(run(backend.lookup(query(url))));
    if (before) CHECK(*before == text(5000));
    run(backend.store(page(url, text(5000))));
    run(backend.close());
  }
  SQLiteBackend backend(dir / "cache");
  CHECK(body_of(run(backend.lookup(query(url)))) == text(5000));
}

TEST_CASE("In an encrypted file a damaged head is damage, and nobody else's") {
  TempDir dir;
  std::string const path = dir / "cache.sqlite";
  SQLiteBackend backend(path, CacheOptions().encryption_key(std::string(32, 'k')));
  run(backend.store(page(url, "body")));
  execute(path, "UPDATE responses SET expires_at = expires_at + 1");
  SECTION("it is removed where it is found") {
    CHECK_FALSE(body_of(run(backend.lookup(query(url)))));
    CHECK(execute(path, "SELECT count(*) FROM responses") == "0");
  }
  SECTION("and where it is looked for") {
    CHECK(run(backend.remove_invalid()) == 1);
  }
}

TEST_CASE("A file of the third version keeps its responses and takes coded ones") {
  TempDir dir;
  std::string const path = dir / "cache.sqlite";
  {
    SQLiteBackend backend(path);
    write_in_pieces(backend, text(piece + 5));
    run(backend.close());
  }
  execute(path, to_version_5 +
                    "DROP VIEW v_hosts; DROP VIEW v_entries; DROP TABLE responses_pins;"
                    "DROP TABLE responses_secret; ALTER TABLE responses DROP COLUMN coding; ALTER TABLE "
                    "responses_chunks "
                    "DROP COLUMN coding; UPDATE beast_cache_tables SET version = 3 WHERE name = 'responses'");
  SQLiteBackend backend(path, CacheOptions().compress(true));
  CHECK((read_part(backend, 0, piece + 5) == text(piece + 5)));
  run(backend.store(page(url, text(5000))));
  CHECK(body_of(run(backend.lookup(query(url)))) == text(5000));
  CHECK(execute(path, "SELECT coding <> 0 FROM responses") == "1");
}

TEST_CASE("A backend on other caches refuses what it can't do") {
  auto const make = [](CacheOptions options) {
    return CacheBackend(std::make_shared<MemoryCache<CachedResponse>>(),
                        std::make_shared<MemoryCache<std::string>>(), std::move(options));
  };
  CHECK_THROWS_AS(make(CacheOptions().compress(true)), std::invalid_argument);
  CHECK_THROWS_AS(make(encrypted_with('a')), std::invalid_argument);
  CHECK_NOTHROW(make(CacheOptions()));
}
