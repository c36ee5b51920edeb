// What the removal of many responses costs.
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
