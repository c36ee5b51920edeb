// Files that the library wrote when the format had earlier versions: see data/README.md.
#include <cstdlib>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/backend/sqlite_format.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;

TEST_CASE("A file of each earlier version is opened, and keeps all that it had") {
  int const version = GENERATE(1, 2, 3, 4, 5, 6);
  CAPTURE(version);
  TempDir dir;
  std::string const file = dir / "cache.sqlite";
  std::string const packed =
      BEAST_CACHE_SOURCE_DIR "/tests/unit/backend/data/version_" + std::to_string(version);
  REQUIRE(std::system(("gzip -dc '" + packed + ".sqlite.gz' > '" + file + "'").c_str()) == 0);
  REQUIRE(execute(file, "SELECT version FROM beast_cache_tables WHERE name = 'responses'") ==
          std::to_string(version));
  SQLiteBackend backend(file, CacheOptions().max_entries(100));
  auto const find = [&](std::string_view where, std::string_view header_block = "") {
    return body_of(run(backend.lookup(query(where, header_block))));
  };
  CHECK(find("http://example.org/page") == "body");
  CHECK(find("http://example.org/other?b=2&a=1") == "other");
  CHECK(find("http://example.org/language", "Accept-Language: de\r\n") == "deutsch");
  CHECK(find("http://example.org/language", "Accept-Language: en\r\n") == "english");
  CHECK_FALSE(find("http://example.org/language", "Accept-Language: fr\r\n"));
  std::string const own = "http://example.org/private";
  CHECK(body_of(run(backend.lookup(query(own, "", http::verb::get, "principal")))) == "own");
  CHECK(run(backend.has_url(Url("http://example.org/old"))));
  if (version >= 2) {
    CHECK(find("http://example.org/search?q=1&utm=3") == "found");
    CHECK_FALSE(find("http://example.org/search?q=2&utm=2"));
    CHECK(find("http://example.org/grouped") == "grouped");
    CHECK(run(backend.remove_groups(Url("http://example.org/"), {"g"})) == 1);
    CHECK_FALSE(find("http://example.org/grouped"));
  }
  if (version == 3 || version == 6) {
    std::string bytes;
    for (int i = 0; i < 262'145; ++i) bytes += static_cast<char>('a' + i % 26);
    std::optional<StoredResponse> const large =
        run(backend.lookup(query("http://example.org/large"))).selected();
    REQUIRE(large);
    CHECK_FALSE(large->body().text());
    CHECK(run(read_all(large->body().open())) == bytes);
  }
  if (version >= 5) {
    CHECK(execute(file, "SELECT url FROM responses_pins") == "http://example.org/page");
    CHECK(execute(file, "SELECT pinned FROM v_entries WHERE url = 'http://example.org/page'") == "1");
  }
  if (version >= 6) {
    std::string const key(64, 'a');
    CHECK(body_of(run(backend.lookup(LookupQuery(make_request("http://example.org/query"), "", key)))) ==
          "answer");
    CHECK(run(backend.remove_with_aliases(Url("http://example.org/query"))));
  }
  run(backend.store(page("http://example.org/new", "new")));
  CHECK(find("http://example.org/new") == "new");
  CHECK(run(backend.remove_with_aliases(Url("http://example.org/page"))));
  CHECK_FALSE(run(backend.has_url(Url("http://example.org/old"))));
  CHECK(execute(file, "SELECT version FROM beast_cache_tables WHERE name = 'responses'") ==
        std::to_string(sqlite_format_version));
  CHECK(execute(file, "PRAGMA integrity_check") == "ok");
  CHECK(run(backend.remove_expired(at(1'000'000))) >= 5);
  CHECK(execute(file, "SELECT count(*) FROM responses") == "0");
}
