// A file that is put into another one's place while that is open, and what its neighbours must not notice.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <optional>
#include <string>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "catch.hpp"
#include "support/run.hpp"
#include "support/temp_directory.hpp"
#include "unit/storage/probes.hpp"
#include "unit/storage/run.hpp"

using namespace beast_cache;
using namespace test_support;

namespace {

asio::awaitable<void> fill(SQLiteCache& cache, std::string value) {
  for (int i = 0; i < 300; ++i) co_await cache.write("key" + std::to_string(i), value);
}

std::string check_integrity(std::string const& file) {
  SQLiteCache cache(file);
  std::string answer;
  auto const check = [&answer](SQLiteConnection& connection) {
    answer = connection.query_text("PRAGMA integrity_check");
  };
  run(cache.get_connection(check));
  return answer;
}

asio::awaitable<void> begin(BulkCommit<std::string>& bulk) {
  // More than is kept back.
  for (int i = 0; i < 10; ++i) co_await bulk.write("large" + std::to_string(i), std::string(1 << 20, 'x'));
}

}  // namespace

TEST_CASE("the log of the file that was there before is not taken for the new one's", "[storage]") {
  bool const inline_reads = GENERATE(false, true);
  TempDirectory directory;
  std::string const file = directory.file("demo.sqlite"), backup = directory.file("backup.sqlite");
  {
    SQLiteCache other(backup);
    run(fill(other, std::string(500, 'b')));
    run(other.write("only there", "1"));
    run(other.close());
  }
  {
    SQLiteCache cache(file, "cache", SQLiteOptions().inline_reads(inline_reads));
    run(fill(cache, "live"));
    std::filesystem::rename(backup, file);
    CHECK(run(code_of(cache.write("new", "n"))) == cache_errc::moved);
    CHECK(run(code_of(cache.write("new", "n"))) == error_code());
    CHECK(run(cache.read("key1")) == std::string(500, 'b'));
    CHECK(run(cache.read("only there")) == "1");
    CHECK(run(cache.read("new")) == "n");
    run(cache.close());
  }
  CHECK(check_integrity(file) == "ok");
  CHECK(std::filesystem::exists(file + "-wal.replaced"));
}

TEST_CASE("a write during which the file is moved away says so", "[storage]") {
  TempDirectory directory;
  std::string const file = directory.file("demo.sqlite");
  SQLiteCache cache(file);
  run(cache.write("k", "v"));
  auto const move = [&](SQLiteConnection& connection) {
    connection.execute("DELETE FROM cache");
    std::filesystem::rename(file, file + ".away");
  };
  CHECK(run(code_of(cache.get_connection(move))) == cache_errc::moved);
}

TEST_CASE("close of one cache leaves the bulk of one that came meanwhile alone", "[storage]") {
  TempDirectory directory;
  SQLiteOptions const options = SQLiteOptions().readers(2);
  SQLiteCache cache(directory.file("demo"), "cache", options);
  run(cache.write("k", "v"));
  Gate gate;
  asio::io_context context;
  asio::co_spawn(context, hold_lane(cache, gate, ConnectionUse::read), asio::detached);
  context.poll();
  gate.wait_until_entered();
  bool closed = false;
  asio::co_spawn(context, cache.close(), [&](std::exception_ptr error) { closed = !error; });
  context.poll();
  CHECK_FALSE(closed);
  SQLiteCache other(directory.file("demo"), "cache", options);
  BulkCommit<std::string> bulk = other.bulk_commit();
  run(begin(bulk));
  gate.open();
  context.run();
  CHECK(closed);
  run(bulk.commit());
  CHECK(run(other.read("large9")) == std::string(1 << 20, 'x'));
}

TEST_CASE("what can be read can be popped, whatever the longest value that may be written", "[storage]") {
  TempDirectory directory;
  std::string const large(3 << 20, 'x');
  {
    SQLiteCache cache(directory.file("demo"));
    run(cache.write("k", large));
    run(cache.close());
  }
  SQLiteCache cache(directory.file("demo"), "cache", SQLiteOptions().max_value_size(1 << 20));
  std::optional<std::string> const popped = run(cache.pop("k"));
  CHECK(popped == large);
}
