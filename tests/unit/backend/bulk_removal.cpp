// What the removal of many responses costs.
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"
#include "support/disk.hpp"

using namespace backend_test;
using test::Disk;

namespace {

constexpr char add_20000[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
    "INSERT INTO responses SELECT NULL, lower(hex(randomblob(32))), 'v', 'http://many.example/' || i, 'GET', "
    "200, '', 11, '', '', '', 0, 0, NULL, 5, NULL, NULL, 1000, '', '', '', NULL, NULL, NULL, NULL, "
    "randomblob(1000), NULL, 0 FROM n";

}  // namespace

TEST_CASE(
    "To remove many responses writes each page that is left about once, and keeps none to take it back") {
  TempDir dir;
  Disk disk;
  SQLiteBackend backend(dir / "cache", CacheOptions(), SQLiteOptions().cache_size(std::size_t{256} << 10));
  run(backend.store(page("http://example.org/", "body", 1'000'000)));
  execute(backend.path(), add_20000);
  CHECK(run(backend.has_url(Url("http://example.org/"))));
  disk.take_events();
  SECTION("that have expired") {
    CHECK(run(backend.remove_expired(at(0))) == 20'000);
  }
  SECTION("that match") {
    CHECK(run(backend.remove_matching(EntryFilter().url("many.example"))) == 20'000);
  }
  CHECK(run(backend.has_url(Url("http://example.org/"))));
  std::size_t logged = 0, kept = 0;
  for (Disk::Event const& event : disk.take_events()) {
    if (event.call != Disk::Call::write) continue;
    if (event.file.ends_with("-wal")) logged += event.size;
    if (!event.file.ends_with("-wal") && !event.file.ends_with(".sqlite")) ++kept;
  }
  CHECK(kept == 0);
  // The index by keys has some 600 pages of the file's 7 500.
  CHECK(logged > 0);
  CHECK(logged < std::size_t{8} << 20);
}

TEST_CASE("A removal can be cancelled within a slice, of which nothing has gone then") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache");
  for (int i = 0; i < 100; ++i) run(backend.store(page("http://a.example/" + std::to_string(i), "body")));
  Sqlite file(backend.path());
  // It does not end by itself.
  file(
      "CREATE TRIGGER endless AFTER DELETE ON responses BEGIN "
      "SELECT count(*) FROM responses, responses, responses, responses, responses; END");
  int const how = GENERATE(0, 1);
  asio::io_context context;
  asio::cancellation_signal cancel;
  std::exception_ptr failure;
  bool ended = false;
  auto const done = [&](std::exception_ptr error, std::uint64_t) {
    failure = std::move(error);
    ended = true;
  };
  asio::co_spawn(context,
                 how == 0 ? backend.remove_expired(at(1000)) : backend.remove_matching(EntryFilter()),
                 asio::bind_cancellation_slot(cancel.slot(), done));
  // Until it holds the write lock.
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open_v2(backend.path().c_str(), &other, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> const closed(other, sqlite3_close);
  while (sqlite3_exec(other, "BEGIN IMMEDIATE; ROLLBACK", nullptr, nullptr, nullptr) != SQLITE_BUSY)
    context.poll();
  CHECK_FALSE(ended);
  cancel.emit(asio::cancellation_type::terminal);
  context.run();
  REQUIRE(ended);
  REQUIRE(failure);
  try {
    std::rethrow_exception(failure);
  } catch (Error const& error) {
    CHECK(error.code() == asio::error::operation_aborted);
  }
  file("DROP TRIGGER endless");
  CHECK(file("SELECT count(*) FROM responses") == "100");
  CHECK(file("PRAGMA integrity_check") == "ok");
  CHECK(run(backend.has_url(Url("http://a.example/7"))));
  CHECK(run(backend.remove_matching(EntryFilter())) == 100);
}

TEST_CASE("A removal that is cancelled between two slices goes no further") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache");
  run(backend.store(page("http://example.org/", "body", 1'000'000)));
  execute(backend.path(), add_20000);
  asio::io_context context;
  asio::cancellation_signal cancel;
  std::exception_ptr failure;
  std::vector<std::uint64_t> removed;
  auto const progress = [&](std::uint64_t, std::uint64_t gone) {
    removed.push_back(gone);
    cancel.emit(asio::cancellation_type::terminal);
  };
  asio::co_spawn(context, backend.remove_matching(EntryFilter().url("many.example"), progress),
                 asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr error, std::uint64_t) {
                   failure = std::move(error);
                 }));
  context.run();
  REQUIRE(failure);
  CHECK(removed == std::vector<std::uint64_t>{16'383});
  CHECK(execute(backend.path(), "SELECT count(*) FROM responses") == "3618");
}
