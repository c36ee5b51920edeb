// Bodies that are stored in pieces.

#include "backend/large_bodies.hpp"

#include "backend/stored_responses.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "beast_cache/testing/manual_clock.hpp"
#include "by_hand.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;

namespace {

constexpr char url[] = "http://example.org/large";
constexpr std::size_t piece = 256 * 1024;

std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 2654435761u + seed) >> 11);
  return bytes;
}

CachedHead head_of(CachedResponse const& response) {
  return CachedHead(response, response);
}

class World {
 public:
  explicit World(CacheOptions options = CacheOptions(), SQLiteOptions storage = SQLiteOptions())
      : options_(options.clock(clock)), storage_(std::move(storage)) {
    open();
  }

  void open() { backend.emplace(path(), options_, storage_); }

  std::unique_ptr<BodyWriter> write(std::string_view bytes) {
    std::unique_ptr<BodyWriter> writer = backend->write_body();
    REQUIRE(writer);
    REQUIRE(writer->piece_size() == piece);
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      run(writer->append(std::string(bytes.substr(at, piece))));
    return writer;
  }
  void store(std::string_view bytes, std::string_view where = url, std::int64_t seconds = 0) {
    run(write(bytes)->store(head_of(page(where, "", seconds))));
  }
  std::optional<StoredResponse> find(std::string_view where = url) {
    return run(backend->lookup(query(where))).selected();
  }
  // All of it.
  std::optional<std::string> body(std::string_view where = url) {
    std::optional<StoredResponse> const found = find(where);
    if (!found) return std::nullopt;
    return run(read_all(found->body().open()));
  }
  std::string path() const { return dir_ / "large.sqlite"; }
  std::string ask(std::string const& sql) const { return execute(path(), sql); }
  std::string pieces() const { return ask("SELECT count(*) FROM responses_chunks"); }
  std::string bodies() const { return ask("SELECT count(*) FROM responses_bodies"); }
  // Any write.
  void touch() { run(backend->store(page("http://example.org/touch", "x"))); }

  std::shared_ptr<testing::ManualClock> clock = std::make_shared<testing::ManualClock>();
  std::optional<SQLiteBackend> backend;

 private:
  TempDir dir_;
  CacheOptions options_;
  SQLiteOptions storage_;
};

// The next bytes, at most so many.
std::string read_some(BodyReader& reader, std::size_t most) {
  std::string buffer(most, '\0');
  buffer.resize(run(reader.read_some(asio::buffer(buffer))));
  return buffer;
}

}  // namespace

TEST_CASE("A body in pieces is found once it is stored, byte by byte") {
  auto const size = GENERATE(as<std::size_t>(), 1, piece - 1, piece, piece + 1, 4 * piece, 9 * piece + 7);
  CAPTURE(size);
  World world;
  std::string const bytes = pattern(size);
  {
    auto const writer = world.write(bytes);
    CHECK_FALSE(world.find());
    CHECK_FALSE(run(world.backend->has_url(Url(url))));
    run(writer->store(head_of(page(url, ""))));
  }
  world.touch();
  std::optional<StoredResponse> const found = world.find();
  REQUIRE(found);
  CHECK(found->body().size() == size);
  CHECK_FALSE(found->body().text());
  CHECK(world.body() == bytes);
  CHECK(world.ask("SELECT size, length(body) FROM responses WHERE body_id IS NOT NULL") ==
        std::to_string(size) + "|0");
}

TEST_CASE("Any bytes of a body in pieces can be read") {
  World world;
  std::string const bytes = pattern(6 * piece + 100);
  world.store(bytes);
  StoredBody const body = world.find()->body();
  for (std::size_t const first :
       {std::size_t{0}, std::size_t{1}, piece - 1, piece, 4 * piece + 17, bytes.size() - 1}) {
    for (std::size_t const count :
         {std::size_t{0}, std::size_t{1}, std::size_t{100}, 3 * piece, bytes.size()}) {
      if (first + count > bytes.size()) continue;
      auto reader = body.open(first, count);
      CHECK(reader->remaining() == count);
      bool const same = run(read_all(std::move(reader))) == bytes.substr(first, count);
      CHECK(same);
    }
  }
}

TEST_CASE("What was not stored is gone with the next write, and nobody sees it") {
  World world;
  world.write(pattern(3 * piece)).reset();
  CHECK(world.pieces() == "3");
  CHECK_FALSE(world.find());
  world.touch();
  CHECK(world.pieces() == "0");
  CHECK(world.bodies() == "0");
}

TEST_CASE("A body whose beginning was rolled back does not take the next one along") {
  World world;
  world.touch();
  SQLiteCache same_file(world.path(), "pages");
  auto const set_pages = [&](std::string const& most) {
    run(same_file.get_connection(
        [most](SQLiteConnection& connection) {
          sqlite3_exec(connection.native_handle(), ("PRAGMA max_page_count=" + most).c_str(), nullptr,
                       nullptr, nullptr);
        },
        ConnectionUse::write_autocommit));
  };
  set_pages("1");  // which is no less than there are
  std::unique_ptr<BodyWriter> failed = world.backend->write_body();
  CHECK(failure_of(failed->append(pattern(piece))) == cache_errc::full);
  set_pages("1000000");
  std::string const bytes = pattern(3 * piece);
  std::unique_ptr<BodyWriter> const writer = world.write(std::string_view(bytes).substr(0, piece));
  failed.reset();
  run(writer->append(bytes.substr(piece, piece)));
  run(writer->append(bytes.substr(2 * piece)));
  run(writer->store(head_of(page(url, ""))));
  CHECK(world.body() == bytes);
}

TEST_CASE("Closing the backend takes what is left along") {
  World world;
  world.write(pattern(200 * piece)).reset();
  run(world.backend->close());
  CHECK(world.pieces() == "0");
  CHECK(world.bodies() == "0");
}

TEST_CASE("What a killed process was writing goes after ten minutes, and not before") {
  World world;
  world.touch();
  std::string const now = std::to_string(world.clock->now().time_since_epoch().count());
  world.ask("INSERT INTO responses_bodies VALUES(7, 'token', 0, " + now +
            "); INSERT INTO responses_chunks VALUES((7 << 24) + 1, 'x', 'data', 0)");
  world.clock->advance(std::chrono::minutes(10));
  world.touch();
  CHECK(world.pieces() == "1");
  world.clock->advance(std::chrono::milliseconds(1));
  world.touch();
  CHECK(world.pieces() == "0");
  CHECK(world.bodies() == "0");
}

TEST_CASE("A writer whose pieces another process has swept fails, and stores nothing") {
  World world;
  auto const writer = world.write(pattern(piece));
  world.ask("DELETE FROM responses_chunks; DELETE FROM responses_bodies");
  // It may complete before the piece is written: then the next operation that waits for it fails.
  run(writer->append(pattern(piece)));
  CHECK(failure_of(writer->store(head_of(page(url, "")))) == cache_errc::changed);
  CHECK_FALSE(world.find());
}

TEST_CASE("A body that is removed can be read to its end, and goes then") {
  auto const how = GENERATE(as<std::string>(), "remove", "replace", "clear", "expire");
  CAPTURE(how);
  World world;
  std::string const bytes = pattern(9 * piece);
  world.store(bytes);
  {
    std::optional<StoredResponse> found = world.find();
    auto const reader = found->body().open();
    found.reset();
    std::string read = read_some(*reader, 100);
    if (how == "remove") CHECK(run(world.backend->remove_with_aliases(Url(url))));
    if (how == "replace") run(world.backend->store(page(url, "new", 1)));
    if (how == "clear") run(world.backend->clear());
    if (how == "expire") CHECK(run(world.backend->remove_expired(at(61))) == 1);
    CHECK(world.body() == (how == "replace" ? std::optional<std::string>("new") : std::nullopt));
    world.touch();
    CHECK(world.pieces() == "9");
    for (std::string some = "x"; !some.empty(); read += some) some = read_some(*reader, 65536);
    bool const same = read == bytes;
    CHECK(same);
  }
  world.touch();
  CHECK(world.pieces() == "0");
  CHECK(world.bodies() == "0");
}

TEST_CASE("A body that another process removes while it is read is an error, never something else") {
  World world;
  world.store(pattern(9 * piece));
  auto const reader = world.find()->body().open();
  CHECK(read_some(*reader, 100).size() == 100);
  world.ask("DELETE FROM responses; DELETE FROM responses_chunks; DELETE FROM responses_bodies");
  error_code failure;
  try {
    while (!read_some(*reader, piece).empty()) continue;
  } catch (Error const& error) {
    failure = error.code();
  }
  CHECK(failure == cache_errc::changed);
}

TEST_CASE("A body that is being removed is not found any more, unless that is rolled back") {
  auto const end = GENERATE(as<std::string>(), "committed", "the write fails", "its transaction fails");
  CAPTURE(end);
  World world;
  std::string const bytes = pattern(3 * piece);
  world.store(bytes);
  run(world.backend->close());
  // A backend's own, with threads that run when they are told to; its writes share transactions.
  ByHand lanes;
  SQLiteOptions const options = SQLiteOptions().executor(lanes.executor()).hold_time(std::chrono::seconds(1));
  auto const bodies = std::make_shared<detail::LargeBodies>(
      sqlite::Database::open(sqlite::ResolvedPath::resolve(world.path(), false), options),
      detail::Seal("", options.salt()), detail::AtRest(detail::as_it_came, ""), world.clock);
  auto nothing = [](sqlite::Handle&) { return true; };
  lanes.run(bodies->write(nothing));
  // Who reads in a snapshot from before the removal.
  sqlite::Handle reader(world.path(), false, sqlite::Handle::Access::read_only);
  reader.execute("BEGIN");
  auto const look_up = [&] { return detail::find_judged(reader, query(url), *bodies); };
  auto const is_a_miss = [&] {
    detail::Found const found = look_up();
    return !found.selected && found.rejected.empty() && found.damaged.empty();
  };
  REQUIRE(look_up().selected);

  auto remove = [&](sqlite::Handle& handle) {
    handle.execute("DELETE FROM responses");
    CHECK_FALSE(bodies->sweep(handle));
    CHECK(is_a_miss());
    if (end == "the write fails") throw Error(cache_errc::io, "removal");
    return true;
  };
  auto fail_all = [&](sqlite::Handle& handle) {
    if (end != "its transaction fails") return true;
    handle.execute("ROLLBACK");
    throw Error(cache_errc::io, "transaction");
  };
  auto removal = lanes.begin(bodies->write(remove));
  auto other = lanes.begin(bodies->write(fail_all));
  auto const outcome = [&](auto& running) {
    try {
      return lanes.finish(running);
    } catch (Error const& error) {
      CHECK(error.code() == cache_errc::io);
      return false;
    }
  };
  CHECK(outcome(*removal) == (end == "committed"));
  CHECK(outcome(*other) == (end != "its transaction fails"));
  CHECK(is_a_miss() == (end == "committed"));
  reader.execute("COMMIT");
  CHECK(world.pieces() == (end == "committed" ? "0" : "3"));
  CHECK(look_up().selected.has_value() == (end != "committed"));
}

TEST_CASE("A body in pieces of which one is damaged, or missing, is found and removed") {
  auto const damage = GENERATE(as<std::string>(), "UPDATE responses_chunks SET data = zeroblob(length(data))",
                               "DELETE FROM responses_chunks");
  World world;
  world.store(pattern(3 * piece), "http://example.org/1");
  CHECK(run(world.backend->remove_invalid()) == 0);
  world.ask(damage + " WHERE id % 16777216 = 2");
  world.store(pattern(3 * piece), "http://example.org/2");
  CHECK(run(world.backend->remove_invalid()) == 1);
  CHECK(world.ask("SELECT url FROM responses") == "http://example.org/2");
  CHECK(run(world.backend->remove_invalid()) == 0);
}

TEST_CASE("A damaged piece is an error in its place, and the response is removed") {
  auto const damage = GENERATE(
      as<std::string>(), "UPDATE responses_chunks SET data = zeroblob(length(data)) WHERE id % 16777216 = 5",
      "UPDATE responses_chunks SET data = substr(data, 1, 1000) WHERE id % 16777216 = 5",
      "DELETE FROM responses_chunks WHERE id % 16777216 = 5");
  CAPTURE(damage);
  World world;
  std::string const bytes = pattern(9 * piece);
  world.store(bytes);
  world.ask(damage);
  auto const reader = world.find()->body().open();
  std::string read;
  error_code failure;
  try {
    for (std::string some = "x"; !some.empty(); read += some) some = read_some(*reader, 100'000);
  } catch (Error const& error) {
    failure = error.code();
  }
  CHECK(failure == cache_errc::bad_value);
  bool const same = read == bytes.substr(0, 5 * piece);
  CHECK(same);
  CHECK_FALSE(world.find());
}

TEST_CASE("A response whose pieces are gone is a miss") {
  World world;
  world.store(pattern(2 * piece));
  world.ask("DELETE FROM responses_bodies");
  CHECK_FALSE(world.find());
  CHECK(world.ask("SELECT count(*) FROM responses") == "0");
}

TEST_CASE("With a secret key a piece of another body does not pass") {
  World world(CacheOptions(), SQLiteOptions().secret_key("secret"));
  world.store(pattern(2 * piece, 1), "http://example.org/1");
  world.store(pattern(2 * piece, 2), "http://example.org/2");
  CHECK(world.body("http://example.org/1") == pattern(2 * piece, 1));
  world.ask(
      "UPDATE responses_chunks SET (checksum, data) = (SELECT checksum, data FROM responses_chunks WHERE id "
      "= (2 << 24)) WHERE id = (1 << 24)");
  CHECK(failure_of(read_all(world.find("http://example.org/1")->body().open())) == cache_errc::bad_signature);
}

TEST_CASE("Where a value may not be as large as a piece, no body is in pieces") {
  CHECK_FALSE(World(CacheOptions(), SQLiteOptions().max_value_size(piece - 1)).backend->write_body());
  CHECK(World(CacheOptions(), SQLiteOptions().max_value_size(piece)).backend->write_body());
}

TEST_CASE("Freshening keeps a body in pieces, and variants may share one") {
  World world;
  std::string const bytes = pattern(3 * piece);
  world.store(bytes);
  StoredResponse fresh = *world.find();
  fresh.headers().set("X-New", "yes");
  CHECK(run(world.backend->freshen(fresh)));
  CHECK(world.find()->header("X-New") == "yes");
  CHECK(world.body() == bytes);

  fresh.headers().set("Vary", "Accept");
  run(world.backend->store(fresh));
  CHECK(world.ask("SELECT count(*), count(DISTINCT body_id) FROM responses") == "2|1");
  world.ask("DELETE FROM responses WHERE id = (SELECT min(id) FROM responses)");
  world.touch();
  CHECK(world.body() == bytes);

  // Removed and stored anew while it is held.
  CHECK(run(world.backend->remove_with_aliases(Url(url))));
  run(world.backend->store(fresh));
  world.touch();
  CHECK(world.body() == bytes);
  CHECK(world.bodies() == "1");
}

TEST_CASE("Another body stored meanwhile is not freshened") {
  World world;
  world.store(pattern(2 * piece, 1));
  StoredResponse const old = *world.find();
  world.store(pattern(2 * piece, 2), url, 1);
  CHECK_FALSE(run(world.backend->freshen(old)));
  CHECK(world.body() == pattern(2 * piece, 2));
}

TEST_CASE("A body of another backend is refused") {
  World one;
  World other;
  one.store(pattern(2 * piece));
  CHECK(failure_of(other.backend->store(*one.find())) == cache_errc::invalid_argument);
  CHECK(other.ask("SELECT count(*) FROM sqlite_schema WHERE name = 'responses'") == "0");
}

TEST_CASE("Bodies in pieces stay within max_bytes") {
  constexpr std::int64_t bound = 4 << 20;
  World world(CacheOptions().max_bytes(bound));
  for (int i = 0; i < 12; ++i) {
    std::string const where = "http://example.org/" + std::to_string(i);
    std::string const bytes = pattern(5 * piece, static_cast<unsigned>(i));
    world.store(bytes, where);
    CHECK(world.body(where) == bytes);
    Sqlite file(world.path());
    auto const of = [&](char const* pragma) { return std::stoll(file(pragma)); };
    CHECK((of("PRAGMA page_count") - of("PRAGMA freelist_count")) * of("PRAGMA page_size") <= bound);
  }
  CHECK(world.ask("SELECT count(*) FROM responses_bodies WHERE id NOT IN (SELECT body_id FROM responses)") ==
        "0");
  CHECK(std::stoi(world.ask("SELECT count(*) FROM responses")) >= 2);
}

TEST_CASE("A file of the second version takes bodies in pieces") {
  World world;
  world.touch();
  run(world.backend->close());
  world.ask(
      to_version_5 +
      "DROP VIEW v_hosts; DROP VIEW v_entries; DROP TABLE responses_pins; DROP TRIGGER responses_body_left; "
      "DROP INDEX "
      "responses_body_id; DROP TABLE responses_bodies;"
      "DROP TABLE responses_chunks; DROP TABLE responses_secret; ALTER TABLE responses DROP COLUMN body_id;"
      "ALTER TABLE responses DROP COLUMN coding;"
      "UPDATE beast_cache_tables SET version = 2 WHERE name = 'responses'");
  world.open();
  CHECK(*world.find("http://example.org/touch")->body().text() == "x");
  std::string const bytes = pattern(2 * piece);
  world.store(bytes);
  CHECK(world.body() == bytes);
  run(world.backend->clear());
  CHECK(world.pieces() == "0");
}

namespace {

// A body of four windows, of which more than one has been read.
class Ahead : public ByHand {
 public:
  Ahead() : backend(dir_ / "large.sqlite", CacheOptions(), SQLiteOptions().executor(executor())) {
    std::unique_ptr<BodyWriter> const writer = backend.write_body();
    for (std::size_t at = 0; at < bytes.size(); at += piece) run(writer->append(bytes.substr(at, piece)));
    CachedResponse const head = page(url, "");
    run(writer->store(head_of(head)));
    Lookup const found = run(backend.lookup(query(url)));
    reader = found.selected()->body().open();
    while (text.size() != 8 * piece) read_on();
    // The third window is with the threads now.
  }

  std::unique_ptr<Running<std::size_t>> begin_reading() {
    return begin(reader->read_some(asio::buffer(buffer)));
  }
  void finish_reading(Running<std::size_t>& reading) {
    std::size_t const count = finish(reading);
    text.append(buffer, 0, count);
  }
  void read_on() { finish_reading(*begin_reading()); }
  void read_to_the_end() {
    while (reader->remaining() != 0) read_on();
    bool const same = text == bytes;
    CHECK(same);
  }
  std::string path() const { return dir_ / "large.sqlite"; }

 private:
  TempDir dir_;

 public:
  SQLiteBackend backend;
  std::string const bytes = pattern(15 * piece + 3);
  std::string text, buffer = std::string(piece, '\0');
  std::unique_ptr<BodyReader> reader;
};

}  // namespace

TEST_CASE("While one window of a body is used the next one is read") {
  Ahead body;
  CHECK(body.work());
  auto const reading = body.begin_reading();
  REQUIRE(reading->result.has_value());
  body.finish_reading(*reading);
  body.read_to_the_end();
}

TEST_CASE("Who waits for the next window may give up, and ask again") {
  Ahead body;
  for (int i = 0; i < 2; ++i) {
    auto const reading = body.begin_reading();
    CHECK_FALSE(reading->result.has_value());
    reading->cancel.emit(asio::cancellation_type::terminal);
    CHECK(reading->look());
    try {
      static_cast<void>(body.finish(*reading));
      FAIL("not cancelled");
    } catch (Error const& error) {
      CHECK(error.code() == asio::error::operation_aborted);
    }
  }
  body.read_to_the_end();
}

TEST_CASE("The window that was read ahead may come to nothing: then it is read again") {
  Ahead body;
  SECTION("its context has gone") {
    body.caller = std::make_shared<asio::io_context>();
    body.read_to_the_end();
  }
  SECTION("who waited for it has gone") {
    auto reading = body.begin_reading();
    CHECK_FALSE(reading->result.has_value());
    body.caller = std::make_shared<asio::io_context>();
    reading.reset();
    body.read_to_the_end();
  }
  SECTION("nobody wants it any more") {
    body.reader.reset();
    while (body.work()) {
    }
    CHECK(body.text.size() == 8 * piece);
  }
}

TEST_CASE("Damage in a window that is read ahead is an error in its place") {
  Ahead body;
  execute(body.path(), "UPDATE responses_chunks SET data = zeroblob(262144) WHERE id % 16777216 = 13");
  CHECK_THROWS_AS(body.read_to_the_end(), Error);
  CHECK(body.text == body.bytes.substr(0, 13 * piece));
  Lookup const found = body.run(body.backend.lookup(query(url)));
  CHECK_FALSE(found.selected());
}
