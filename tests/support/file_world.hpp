#pragma once
// A cached session over a cache in a file.

#include <memory>
#include <string>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/storage/sqlite_cache.hpp"
#include "support/cached_world.hpp"
#include "support/temp_directory.hpp"

namespace test_support {

class FileWorld : public World {
 public:
  explicit FileWorld(FakeClient::Answer answer, CacheOptions options = CacheOptions())
      : World(std::move(answer)) {
    backend = std::make_shared<SQLiteBackend>(dir_.file("cache"), options.clock(clock).observer(events));
    session = CachedSession(io.get_executor(), client, backend);
  }
  // As another program would.
  void reopen(CacheOptions options) {
    close_file();
    backend = std::make_shared<SQLiteBackend>(dir_.file("cache"), options.clock(clock).observer(events));
    session = CachedSession(io.get_executor(), client, backend);
  }
  bool holds() { return run(backend->has_url(Url(url))); }
  // As a failing disk would.
  void damage(int piece) {
    change("UPDATE responses_chunks SET data = zeroblob(length(data)) WHERE id & 16777215 = " +
           std::to_string(piece));
  }
  // One row.
  void change(std::string const& sql) {
    SQLiteCache tables(dir_.file("cache"));
    auto const change = [&](SQLiteConnection& connection) {
      connection.execute(sql);
      return connection.changes();
    };
    REQUIRE(run(tables.get_connection(change, ConnectionUse::write)) == 1);
  }
  void close_file() { static_cast<void>(run(close(backend))); }

 private:
  static asio::awaitable<bool> close(std::shared_ptr<CacheBackend> backend) {
    co_await backend->close();
    co_return true;
  }
  TempDirectory const dir_;
};

}  // namespace test_support
