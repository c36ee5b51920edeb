// What a program leaves that is killed.
#include <signal.h>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/testing/manual_clock.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"
#include "support/child_process.hpp"

using namespace backend_test;
using namespace test_support;

namespace {

constexpr char kept[] = "http://example.org/kept";
constexpr char large[] = "http://example.org/large";

}  // namespace

TEST_CASE("child: is killed while it stores a body", "[.][child-killed]") {
  SQLiteBackend backend(file_from_parent());
  run(backend.store(page(kept, "kept", 1'000'000)));
  std::unique_ptr<BodyWriter> const writer = backend.write_body();
  for (int i = 0; i < 20; ++i) run(writer->append(std::string(writer->piece_size(), 'x')));
  ::raise(SIGKILL);
}

TEST_CASE(
    "A process that is killed while it stores a body leaves what it has stored, and nothing by halves") {
  TempDir dir;
  std::string const path = dir / "cache.sqlite";
  CHECK(run_in_child("[child-killed]", path) != 0);
  // Twenty pieces were appended, and no more are under way at once than six.
  CHECK(std::stoi(execute(path, "SELECT count(*) FROM responses_chunks")) >= 14);
  auto const clock = std::make_shared<testing::ManualClock>();
  clock->set(system_clock()->now() + std::chrono::minutes(11));
  SQLiteBackend backend(path, CacheOptions().clock(clock));
  CHECK(body_of(run(backend.lookup(query(kept)))) == "kept");
  CHECK_FALSE(run(backend.has_url(Url(large))));
  CHECK(execute(path, "PRAGMA integrity_check") == "ok");
  // The first write after ten minutes takes the pieces away.
  run(backend.store(page(large, "whole", 1'000'000)));
  CHECK(execute(path, "SELECT count(*) FROM responses_chunks") == "0");
  CHECK(execute(path, "SELECT count(*) FROM responses_bodies") == "0");
  CHECK(body_of(run(backend.lookup(query(large)))) == "whole");
}
