// How bodies come into the file: in their rows, or piece by piece while they arrive.

#include <filesystem>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "by_hand.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;

namespace {

constexpr char url[] = "http://example.org/body";
constexpr std::size_t piece = 256 * 1024;

std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 2654435761u + seed) >> 11);
  return bytes;
}

CachedHead head_of(CachedResponse const& response) {
  return CachedHead(response, response);
}

}  // namespace

TEST_CASE("A body that is not read with its head is whole, or it is not there") {
  auto const size = GENERATE(as<std::size_t>(), 32'768, 32'769, 100'000, 262'144);
  TempDir const dir;
  std::string const path = dir / "bodies.sqlite";
  SQLiteBackend backend(path);
  std::string const bytes = pattern(size);
  run(backend.store(page(url, bytes)));
  Lookup const found = run(backend.lookup(query(url)));
  REQUIRE(found.selected());
  CHECK((*found.selected()->body().text() == bytes));
  // What is held stays as it is, whatever is read into other memory.
  run(backend.store(page("http://example.org/other", std::string(size, 'x'))));
  CHECK((*run(backend.lookup(query("http://example.org/other"))).selected()->body().text() ==
         std::string(size, 'x')));
  CHECK((*found.selected()->body().text() == bytes));
  char const* const damage = GENERATE("zeroblob(length(body))", "substr(body, 1, length(body) - 1)",
                                      "CAST(body || x'00' AS BLOB)", "17");
  execute(path, std::string("UPDATE responses SET body = ") + damage + " WHERE url = '" + url + "'");
  CHECK_FALSE(run(backend.lookup(query(url))).selected());
}

namespace {

// A body of which the first piece has been written.
class Written : public ByHand {
 public:
  Written() : backend(path(), CacheOptions(), SQLiteOptions().executor(executor())) {
    writer = backend.write_body();
    append();
  }

  void append() { run(writer->append(next())); }
  // Without the file's threads.
  std::unique_ptr<Running<bool>> begin_appending() { return begin(done(writer->append(next()))); }
  std::unique_ptr<Running<bool>> begin_storing() {
    return begin(done(writer->store(head_of(page(url, "")))));
  }
  std::string path() const { return dir_ / "large.sqlite"; }
  std::string pieces() const { return execute(path(), "SELECT count(*) FROM responses_chunks"); }
  void store() { run(writer->store(head_of(page(url, "")))); }
  std::optional<std::string> body() {
    Lookup const found = run(backend.lookup(query(url)));
    if (!found.selected()) return std::nullopt;
    return run(read_all(found.selected()->body().open()));
  }

 private:
  static asio::awaitable<bool> done(asio::awaitable<void> operation) {
    co_await std::move(operation);
    co_return true;
  }
  std::string next() {
    std::string const bytes = pattern(piece, static_cast<unsigned>(appended.size()));
    appended += bytes;
    return bytes;
  }

  TempDir dir_;

 public:
  SQLiteBackend backend;
  std::unique_ptr<BodyWriter> writer;
  std::string appended;
};

// 1.5 MiB.
constexpr std::size_t pieces_under_way = 6;

}  // namespace

TEST_CASE("Pieces are written while the next ones arrive, up to 1.5 MiB of them") {
  Written body;
  for (std::size_t i = 0; i < pieces_under_way; ++i) REQUIRE(body.begin_appending()->result.has_value());
  CHECK(body.pieces() == "1");
  auto const appending = body.begin_appending();
  CHECK_FALSE(appending->result.has_value());
  body.finish(*appending);
  CHECK(body.pieces() == std::to_string(1 + pieces_under_way));
  body.store();
  CHECK((body.body() == body.appended));
}

TEST_CASE("A piece that can't be written fails a later one, or the storing") {
  bool const many = GENERATE(false, true);
  Written body;
  execute(body.path(), "DELETE FROM responses_bodies");
  for (std::size_t i = 0; i < (many ? pieces_under_way : 1); ++i)
    REQUIRE(body.begin_appending()->result.has_value());
  try {
    if (many) body.append();
    body.store();
    FAIL("stored");
  } catch (Error const& error) {
    CHECK(error.code() == cache_errc::changed);
  }
  CHECK_FALSE(body.body());
}

TEST_CASE("A body that is given up with pieces under way leaves nothing") {
  bool const with_context = GENERATE(false, true);
  Written body;
  for (int i = 0; i < 5; ++i) REQUIRE(body.begin_appending()->result.has_value());
  if (with_context) body.caller = std::make_shared<asio::io_context>();
  body.writer.reset();
  body.run(body.backend.store(page("http://example.org/other", "x")));
  body.run(body.backend.store(page("http://example.org/other", "y", 1)));
  CHECK(body.pieces() == "0");
  CHECK_FALSE(body.body());
}

TEST_CASE("Who waits for a piece may give up, and ask again") {
  Written body;
  for (int i = 0; i < 3; ++i) REQUIRE(body.begin_appending()->result.has_value());
  {
    auto const storing = body.begin_storing();
    CHECK_FALSE(storing->result.has_value());
    storing->cancel.emit(asio::cancellation_type::terminal);
    CHECK(storing->look());
    CHECK_THROWS_AS(body.finish(*storing), Error);
  }
  body.store();
  CHECK((body.body() == body.appended));
}
