#include "beast_cache/backend/sqlite_backend.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <thread>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <vector>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"
#include "support/child_process.hpp"
#include "support/command.hpp"

using namespace backend_test;
using namespace test_support;

namespace {

constexpr char url[] = "http://example.org/page";

std::string contents(std::string const& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

void write_file(std::string const& file, std::string const& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

std::optional<std::string> find(SQLiteBackend& backend, std::string_view where = url) {
  return body_of(run(backend.lookup(query(where))));
}

class Watcher final : public Observer {
 public:
  void on_cache_error(std::string_view operation, std::string_view where,
                      std::exception_ptr failure) override {
    std::lock_guard lock(mutex);
    try {
      std::rethrow_exception(failure);
    } catch (Error const& error) {
      events.push_back(std::string(operation) + " " + std::string(where) + " " + error.code().message());
    }
    throw std::runtime_error("ignored");
  }
  std::mutex mutex;
  std::vector<std::string> events;
};

// A file that holds one response, and is closed.
void write_page(std::string const& path) {
  SQLiteBackend backend(path);
  run(backend.store(page(url, "body")));
  run(backend.close());
}

}  // namespace

TEST_CASE("A SQLiteBackend names its file as SQLiteCache does and makes it at the first operation") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  CHECK(backend.path() == dir / "demo.sqlite");
  CHECK_FALSE(std::filesystem::exists(backend.path()));
  CHECK_FALSE(find(backend).has_value());
  CHECK(std::filesystem::exists(backend.path()));
  struct stat file {};
  REQUIRE(::stat(backend.path().c_str(), &file) == 0);
  CHECK((file.st_mode & 0777) == 0600);
  CHECK(SQLiteBackend(":memory:").path() == ":memory:");
}

TEST_CASE("A name that can't be one is refused by the constructor") {
  for (std::string const& name :
       {std::string(), std::string("a\0b", 3), std::string("/tmp/"), std::string("..")}) {
    try {
      SQLiteBackend backend(name);
      FAIL("accepted: " << name);
    } catch (Error const& error) {
      CHECK(error.code() == cache_errc::invalid_argument);
    }
  }
}

TEST_CASE("The file outlives the backend") {
  TempDir dir;
  CachedResponse const stored = page(url, std::string("bytes\0\xff", 7));
  {
    SQLiteBackend backend(dir / "demo");
    run(backend.store(stored));
    run(backend.store_alias(Url("http://example.org/from"), Url(url)));
  }
  SQLiteBackend backend(dir / "demo");
  Lookup const found = run(backend.lookup(query(url)));
  REQUIRE(found.selected().has_value());
  check_same(*found.selected(), stored);
  CHECK(run(backend.has_url(Url("http://example.org/from"))));
}

TEST_CASE("Two backends and two copies on one file see each other's writes") {
  TempDir dir;
  SQLiteBackend one(dir / "demo");
  SQLiteBackend const two(dir / "demo");
  SQLiteBackend copy = two;
  run(one.store(page(url, "1")));
  CHECK(find(copy) == "1");
  run(copy.store(page(url, "2", 1)));
  CHECK(find(one) == "2");
  run(one.close());
  CHECK(find(copy) == "2");
  run(copy.close());
  SQLiteBackend shared = two;
  CHECK(failure_of(shared.lookup(query(url))) == cache_errc::closed);
}

TEST_CASE("child: stores a page", "[.][child-stores]") {
  SQLiteBackend backend(file_from_parent());
  CHECK(find(backend) == "of the parent");
  run(backend.store(page(url, "of the child", 1)));
  run(backend.close());
}

TEST_CASE("Whether a response is still current is asked when it is written, where removals are") {
  TempDir dir;
  SQLiteBackend backend(dir / "http.sqlite");
  run(backend.store(page("http://example.org/", "first")));
  std::thread::id asked_on;
  IsCurrent const is_not = [&] {
    asked_on = std::this_thread::get_id();
    return false;
  };
  CHECK_FALSE(run(backend.store_if(page("http://example.org/", "second"), is_not)));
  CHECK(asked_on != std::thread::id());
  CHECK(asked_on != std::this_thread::get_id());
  CHECK(body_of(run(backend.lookup(query("http://example.org/")))) == "first");
  std::unique_ptr<BodyWriter> const writer = backend.write_body();
  run(writer->append(std::string(writer->piece_size(), 'x')));
  StoredResponse const head = page("http://example.org/", "");
  CHECK_FALSE(run(writer->store_if(head, is_not)));
  CHECK(body_of(run(backend.lookup(query("http://example.org/")))) == "first");
}

TEST_CASE("Two processes on one file see each other's writes") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  run(backend.store(page(url, "of the parent")));
  CHECK(run_in_child("[child-stores]", backend.path()) == 0);
  CHECK(find(backend) == "of the child");
}

TEST_CASE("A person can read the tables with the sqlite3 tool") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  Request const request = make_request("http://example.org/a?b=c", "Accept: x\r\n");
  run(backend.store(answer(request, "ETag: \"1\"\r\nVary: Accept\r\n", "hello")));
  run(backend.store_alias(Url("http://example.org/from"), request.url()));
  // While it is in use, and written to.
  std::string const read_only = "sqlite3 -readonly " + backend.path() + " ";
  std::unique_ptr<BodyWriter> const writer = backend.write_body();
  run(writer->append(std::string(writer->piece_size(), 'x')));
  CHECK(command(read_only + "'select url, host from v_entries'") == "http://example.org/a?b=c|example.org\n");
  run(backend.store(page("http://example.org/more", "more")));
  CHECK(command(read_only + "'select entries from v_hosts'") == "2\n");
  CHECK(run(backend.remove_with_aliases(Url("http://example.org/more"))));
  run(backend.close());
  std::string const sqlite = "sqlite3 " + backend.path() + " ";
  CHECK(command(sqlite + "'select url, status, expires_at from responses'") ==
        "http://example.org/a?b=c|200|1767225660000\n");
  CHECK(command(sqlite + "\"select datetime(expires_at / 1000, 'unixepoch') from responses\"") ==
        "2026-01-01 00:01:00\n");
  CHECK(command(sqlite +
                "'select method, reason, version, size, body, headers, vary_headers from responses'") ==
        "GET|OK|11|5|hello|ETag: \"1\"\r\nVary: Accept\r\n|Accept: x\r\n\n");
  CHECK(command(sqlite + "'select url, target_url from redirects'") ==
        "http://example.org/from|http://example.org/a?b=c\n");
  CHECK(command(sqlite + "'select name, kind, version from beast_cache_tables'") ==
        "responses|http responses|7\n");
  CHECK(command(sqlite + "'pragma integrity_check'") == "ok\n");
}

TEST_CASE("No secret of the request is in the file") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  Request request = make_request("http://user:hunter2@example.org/", "Authorization: Bearer swordfish\r\n");
  run(backend.store(answer(request, "", "body", 0, create_principal(request.headers(), "salt"))));
  CHECK(body_of(run(backend.lookup(LookupQuery(request, create_principal(request.headers(), "salt"))))) ==
        "body");
  run(backend.close());
  std::string const bytes = contents(backend.path()) + contents(backend.path() + "-wal");
  CHECK(bytes.find("example.org") != std::string::npos);
  CHECK(bytes.find("hunter2") == std::string::npos);
  CHECK(bytes.find("swordfish") == std::string::npos);
}

TEST_CASE("A change to any column of a row makes it a miss, and the row goes") {
  char const* const change = GENERATE(
      "url = url || '#'", "method = 'HEAD'", "status = status + 1", "reason = 'Ok'", "version = 10",
      "headers = replace(headers, 'plain', 'slain')", "headers = ''", "headers = 'Content-Type: text/plain'",
      "vary_headers = 'A: b' || char(13, 10)", "principal = 'x'", "request_time = request_time + 1",
      "response_time = response_time - 1", "created_at = NULL", "expires_at = expires_at + 1",
      "expires_at = NULL", "expires_override = 0", "expires_fallback = 1", "size = 5", "body = x'626f6479ff'",
      "body = x''", "body = 'bodx'", "body_checksum = '00000000'", "checksum = '00000000'",
      "checksum = x'00'", "checksum = ''", "parts = '0-3/4'", "parts = 'x'", "status = 'abc'", "headers = 7",
      "body = 7", "coding = 1", "coding = 2", "coding = 4", "coding = 8", "coding = -1");
  CAPTURE(change);
  TempDir dir;
  auto const watcher = std::make_shared<Watcher>();
  SQLiteBackend backend(dir / "demo", CacheOptions().observer(watcher));
  run(backend.store(page(url, "body")));
  run(backend.store(page("http://example.org/other", "other")));
  Sqlite file(backend.path());
  file("UPDATE responses SET " + std::string(change) + " WHERE url LIKE '%page'");
  REQUIRE(file.changes() == 1);
  Lookup const found = run(backend.lookup(query(url)));
  CHECK_FALSE(found.selected().has_value());
  CHECK_FALSE(found.has_other_variants());
  CHECK(file("SELECT url FROM responses") == "http://example.org/other");
  REQUIRE(watcher->events.size() == 1);
  CHECK(watcher->events[0] ==
        "lookup http://example.org/page " + make_error_code(cache_errc::bad_value).message());
  CHECK(find(backend, "http://example.org/other") == "other");
  run(backend.store(page(url, "anew")));
  CHECK(find(backend) == "anew");
}

TEST_CASE("A row that was moved to another URL's key is damaged") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  run(backend.store(page(url, "body")));
  run(backend.store(page("http://example.org/other", "secret")));
  Sqlite file(backend.path());
  std::string const key = file("SELECT key FROM responses WHERE url LIKE '%page'");
  file("UPDATE responses SET key = '" + key + "' WHERE url LIKE '%other'");
  CHECK(find(backend) == "body");
  CHECK(file("SELECT url FROM responses") == url);
}

TEST_CASE("Of two variants the sound one answers when the newer one is damaged") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  Request const both = make_request(url, "A: 1\r\nB: 1\r\n");
  run(backend.store(answer(both, "Vary: A\r\n", "older", 0)));
  run(backend.store(answer(both, "Vary: B\r\n", "newer", 1)));
  Sqlite file(backend.path());
  file("UPDATE responses SET body = x'00' || substr(body, 2) WHERE body = CAST('newer' AS BLOB)");
  REQUIRE(file.changes() == 1);
  CHECK(body_of(run(backend.lookup(LookupQuery(both, "")))) == "older");
  CHECK(file("SELECT count(*) FROM responses") == "1");
}

TEST_CASE("A bit flipped anywhere in the stored text is never served") {
  TempDir dir;
  std::string const path = dir / "demo.sqlite";
  std::string const body = "the body of the page that is stored";
  {
    SQLiteBackend backend(path);
    run(backend.store(page(url, body)));
    run(backend.close());
  }
  std::string const sound = contents(path);
  std::size_t const first = sound.find("http://example.org/page");
  std::size_t const last = sound.find(body) + body.size();
  REQUIRE(first < last);
  std::size_t served = 0;
  for (std::size_t byte = first; byte < last; byte += 3) {
    std::string damaged = sound;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
    CAPTURE(byte - first);
    // The log of the round before would put its pages over these.
    for (char const* log : {"-wal", "-shm"}) std::filesystem::remove(path + log);
    write_file(path, damaged);
    SQLiteBackend backend(path);
    if (find(backend).has_value()) ++served;
    CHECK_FALSE(run(backend.has_url(Url(url))));
    run(backend.close());
  }
  CHECK(served == 0);
}

TEST_CASE("A row whose indexed column is damaged goes with the others") {
  TempDir dir;
  std::string const path = dir / "cache.sqlite";
  auto const url_of = [](int i) { return "http://a.example/page/" + std::to_string(i); };
  {
    SQLiteBackend backend(path);
    for (int i = 10; i < 30; ++i) run(backend.store(page(url_of(i), "body")));
    run(backend.close());
  }
  std::string file = contents(path);
  // The row's own copy: the other one is the index's.
  std::size_t const at = file.rfind(create_key(Url(url_of(17))), file.find(url_of(17)));
  REQUIRE(at != std::string::npos);
  file[at] = 'x';
  write_file(path, file);
  SQLiteBackend backend(path);
  SECTION("by a filter") {
    CHECK(run(backend.remove_matching(EntryFilter().url("a.example"))) == 20);
  }
  SECTION("as it has expired") {
    CHECK(run(backend.remove_expired(backend_test::at(1000))) == 20);
  }
  CHECK(execute(path, "SELECT count(*) FROM responses") == "0");
  CHECK(execute(path, "PRAGMA integrity_check") == "ok");
}

TEST_CASE("A damaged row in a file that can't be written is a miss all the same") {
  TempDir dir;
  std::string const path = dir / "demo.sqlite";
  {
    SQLiteBackend backend(path);
    run(backend.store(page(url, "body")));
    run(backend.store(page("http://example.org/other", "other")));
    run(backend.close());
  }
  execute(path, "UPDATE responses SET status = 201 WHERE url LIKE '%page'");
  SQLiteBackend backend(path, CacheOptions(), SQLiteOptions().read_only(true));
  CHECK_FALSE(find(backend).has_value());
  CHECK(find(backend, "http://example.org/other") == "other");
  CHECK(failure_of(backend.store(page(url, "body"))) == cache_errc::readonly);
  CHECK(failure_of(backend.clear()) == cache_errc::readonly);
}

TEST_CASE("A head is not given to a body that has changed meanwhile") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  run(backend.store(page(url, "body")));
  StoredResponse fresh = *run(backend.lookup(query(url))).selected();
  run(backend.store(page(url, "BODY", 1)));
  fresh.headers().set("X", "for the old body");
  CHECK_FALSE(run(backend.freshen(fresh)));
  CHECK(run(backend.lookup(query(url))).selected()->header("X").empty());
  CHECK(find(backend) == "BODY");
}

TEST_CASE("With a secret key a response that someone else wrote is an error until it is stored anew") {
  TempDir dir;
  SQLiteOptions const ours = SQLiteOptions().secret_key("ours");
  SQLiteOptions const options[] = {SQLiteOptions(), SQLiteOptions().secret_key("theirs"),
                                   SQLiteOptions().secret_key("ours").salt("another")};
  for (SQLiteOptions const& theirs : options) {
    {
      SQLiteBackend backend(dir / "demo", CacheOptions(), theirs);
      run(backend.store(page(url, "theirs")));
      CHECK(find(backend) == "theirs");
    }
    SQLiteBackend backend(dir / "demo", CacheOptions(), ours);
    CHECK(failure_of(backend.lookup(query(url))) == cache_errc::bad_signature);
    CHECK(run(backend.has_url(Url(url))));
    run(backend.store(page(url, "ours")));
    CHECK(find(backend) == "ours");
  }
  SQLiteBackend keyless(dir / "demo");
  CHECK(failure_of(keyless.lookup(query(url))) == cache_errc::bad_signature);
  execute(keyless.path(), "UPDATE responses SET body = x'00'");
  SQLiteBackend backend(dir / "demo", CacheOptions(), ours);
  CHECK(failure_of(backend.lookup(query(url))) == cache_errc::bad_signature);
}

TEST_CASE("A response above the limit is refused before anything is written") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo", CacheOptions(), SQLiteOptions().max_value_size(1000));
  run(backend.store(page(url, "body")));
  CHECK(failure_of(backend.store(page(url, std::string(1000, 'x')))) == cache_errc::too_big);
  CachedResponse big = page(url, "body");
  big.headers().set("X", std::string(1000, 'x'));
  CHECK(failure_of(backend.freshen(big)) == cache_errc::too_big);
  CHECK(find(backend) == "body");
}

TEST_CASE("A hit writes nothing to the file") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  run(backend.store(page(url, "body")));
  std::string const log = backend.path() + "-wal";
  auto const before = std::filesystem::file_size(log);
  std::string const bytes = contents(backend.path());
  for (int i = 0; i < 100; ++i) CHECK(find(backend) == "body");
  CHECK(std::filesystem::file_size(log) == before);
  CHECK(contents(backend.path()) == bytes);
}

TEST_CASE("150 000 expired responses go by an index, in two slices, whatever is in them") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  run(backend.store(page(url, "body", 1'000'000)));
  Sqlite file(backend.path());
  file(
      "BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) "
      "INSERT INTO responses SELECT NULL, printf('%064x', i), 'not a variant', 'not a URL', '', 0, '', 0, "
      "'no header', "
      "'', '', 0, 0, NULL, i, NULL, NULL, -1, '', '', '', NULL, NULL, NULL, NULL, x'ff', NULL, 0 FROM n; "
      "COMMIT");
  std::vector<std::uint64_t> removed;
  auto const progress = [&](std::uint64_t seen, std::uint64_t gone) {
    CHECK(seen == gone);
    removed.push_back(gone);
  };
  CHECK(run(backend.remove_expired(at(0), progress)) == 150'000);
  CHECK(removed == std::vector<std::uint64_t>{131072, 150000});
  CHECK(file("SELECT count(*) FROM responses") == "1");
  CHECK(find(backend) == "body");
  CHECK(file("EXPLAIN QUERY PLAN DELETE FROM responses WHERE expires_at <= 1 AND (expires_at < 1 OR id <= 9)")
            .find("responses_expires_at") != std::string::npos);
}

TEST_CASE("Aliases that lead nowhere go with what has expired") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  run(backend.store(page(url, "body")));
  run(backend.store(page("http://example.org/kept", "kept", 1000)));
  run(backend.store_alias(Url("http://example.org/a"), Url(url)));
  run(backend.store_alias(Url("http://example.org/b"), Url("http://example.org/kept")));
  CHECK(run(backend.remove_expired(at(500))) == 1);
  CHECK(execute(backend.path(), "SELECT url FROM redirects") == "http://example.org/b");
}

TEST_CASE("A file that is not a cache is refused and left as it is") {
  TempDir dir;
  std::string const path = dir / "demo.sqlite";
  SECTION("not a database") {
    write_file(path, std::string(5000, 'x'));
  }
  SECTION("a short text") {
    write_file(path, "hello");
  }
  SECTION("a database of another program") {
    execute(path, "CREATE TABLE responses(key, value); INSERT INTO responses VALUES(1, 2)");
  }
  std::string const before = contents(path);
  SQLiteBackend backend(path);
  try {
    run(backend.store(page(url, "body")));
    FAIL("stored");
  } catch (Error const& error) {
    CHECK(error.code() == cache_errc::not_a_cache);
    CHECK(std::string(error.what()).find(path) != std::string::npos);
  }
  CHECK(failure_of(backend.lookup(query(url))) == cache_errc::not_a_cache);
  CHECK(contents(path) == before);
}

TEST_CASE("A table of the same name that holds something else is refused and left as it is") {
  TempDir dir;
  std::string const table = GENERATE("responses", "redirects", "Responses", "responses_chunks");
  CAPTURE(table);
  {
    SQLiteCache cache(dir / "demo", table);
    run(cache.write("key", "value"));
    run(cache.close());
  }
  SQLiteBackend backend(dir / "demo");
  CHECK(failure_of(backend.lookup(query(url))) == cache_errc::not_a_cache);
  CHECK(failure_of(backend.store(page(url, "body"))) == cache_errc::not_a_cache);
  run(backend.close());
  SQLiteCache cache(dir / "demo", table);
  CHECK(run(cache.read("key")) == "value");
}

TEST_CASE("A SQLiteCache and a SQLiteBackend share a file") {
  TempDir dir;
  SQLiteCache cache(dir / "demo", "mine");
  SQLiteBackend backend(dir / "demo");
  run(cache.write("key", "value"));
  run(backend.store(page(url, "body")));
  run(backend.clear());
  CHECK(run(cache.read("key")) == "value");
}

TEST_CASE("A file that this user may not open is told as such") {
  TempDir dir;
  std::string const path = dir / "cache.sqlite";
  write_page(path);
  REQUIRE(::chmod(path.c_str(), 0) == 0);
  REQUIRE(::chmod(std::filesystem::path(path).parent_path().c_str(), 0755) == 0);
  // Nothing is forbidden to root.
  bool const is_root = ::geteuid() == 0;
  if (is_root) REQUIRE(::seteuid(65534) == 0);
  error_code code;
  std::string what;
  try {
    SQLiteBackend backend(path);
    run(backend.lookup(query(url)));
  } catch (Error const& e) {
    code = e.code();
    what = e.what();
  }
  if (is_root) REQUIRE(::seteuid(0) == 0);
  CHECK(code == cache_errc::readonly);
  CHECK(what.find("permission denied") != what.npos);
}

TEST_CASE("A newer schema is refused and left as it is") {
  TempDir dir;
  std::string const path = dir / "demo.sqlite";
  write_page(path);
  SECTION("of the tables") {
    execute(path, "UPDATE beast_cache_tables SET version = 8");
  }
  SECTION("of the file") {
    execute(path, "PRAGMA user_version = 1000");
  }
  std::string const before = contents(path);
  SQLiteBackend backend(path);
  CHECK(failure_of(backend.lookup(query(url))) == cache_errc::schema_newer);
  CHECK(failure_of(backend.store(page(url, "other"))) == cache_errc::schema_newer);
  run(backend.close());
  CHECK(contents(path) == before);
}

TEST_CASE("An older schema that no migration knows is an error, and the file stays") {
  TempDir dir;
  std::string const path = dir / "demo.sqlite";
  write_page(path);
  execute(path, "UPDATE beast_cache_tables SET version = -1");
  SQLiteBackend backend(path);
  CHECK(failure_of(backend.lookup(query(url))) == cache_errc::migration_failed);
  run(backend.close());
  CHECK(execute(path, "SELECT count(*) FROM responses") == "1");
}

TEST_CASE("A place where no file can be made is a typed error that names it") {
  TempDir dir;
  write_file(dir / "file", "x");
  std::filesystem::create_directory(dir / "folder.sqlite");
  for (std::string const& place : {dir / "file", dir / "folder.sqlite", std::string("/proc/no")}) {
    SQLiteBackend backend(place.ends_with(".sqlite") ? place : place + "/demo");
    try {
      run(backend.store(page(url, "body")));
      FAIL("stored in " << place);
    } catch (Error const& error) {
      CAPTURE(error.what());
      CHECK(&error.code().category() == &cache_category());
      CHECK(std::string(error.what()).find(place) != std::string::npos);
    }
  }
}

TEST_CASE("Many operations at the same time all end, and each as it would alone") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  asio::io_context context;
  int stored = 0;
  int found = 0;
  for (int i = 0; i < 200; ++i) {
    std::string const where = "http://example.org/" + std::to_string(i);
    asio::co_spawn(context, backend.store(page(where, where)),
                   [&](std::exception_ptr error) { stored += !error; });
  }
  context.run();
  context.restart();
  for (int i = 0; i < 200; ++i) {
    std::string const where = "http://example.org/" + std::to_string(i);
    asio::co_spawn(
        context, backend.lookup(query(where)),
        [&, where](std::exception_ptr error, Lookup lookup) { found += !error && body_of(lookup) == where; });
  }
  context.run();
  CHECK(stored == 200);
  CHECK(found == 200);
}

TEST_CASE("What was acknowledged before the close is kept, what came after fails") {
  TempDir dir;
  SQLiteBackend backend(dir / "demo");
  asio::io_context context;
  std::vector<std::string> acknowledged;
  for (int i = 0; i < 50; ++i) {
    std::string const where = "http://example.org/" + std::to_string(i);
    asio::co_spawn(context, backend.store(page(where, where)), [&, where](std::exception_ptr error) {
      if (!error) acknowledged.push_back(where);
    });
    if (i == 25)
      asio::co_spawn(context, backend.close(), [](std::exception_ptr error) { CHECK_FALSE(error); });
  }
  context.run();
  CHECK(acknowledged.size() == 26);
  SQLiteBackend again(dir / "demo");
  for (auto const& where : acknowledged) CHECK(find(again, where) == where);
}

TEST_CASE("An operation goes on when the backend it was begun on is gone") {
  TempDir dir;
  asio::io_context context;
  std::exception_ptr failure;
  {
    SQLiteBackend backend(dir / "demo");
    asio::co_spawn(context, backend.store(page(url, "body")),
                   [&](std::exception_ptr error) { failure = error; });
    context.poll();
  }
  context.run();
  CHECK_FALSE(failure);
  SQLiteBackend backend(dir / "demo");
  CHECK(find(backend) == "body");
}
