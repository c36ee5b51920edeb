// What the documentation says of the file, against the file.
#include <fstream>
#include <map>
#include <sstream>

#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/backend/sqlite_format.hpp"
#include "sqlite_file.hpp"
#include "support.hpp"

using namespace backend_test;

namespace {

// "name TYPE" for each row of the tables in the documentation, by their names.
std::map<std::string, std::string> documented_tables() {
  std::ifstream in(BEAST_CACHE_SOURCE_DIR "/include/beast_cache/backend/sqlite_format.hpp");
  REQUIRE(in);
  std::map<std::string, std::string> tables;
  std::string table;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("/// `") && line.find("`:") != std::string::npos) {
      table = line.substr(5, line.find("`:") - 5);
    } else if (line.starts_with("/// Versions")) {
      table.clear();
    } else if (line.starts_with("/// | `") && !table.empty()) {
      std::istringstream words(line.substr(6));
      std::string name, bar, type;
      words >> name >> bar >> type;
      tables[table] += (tables[table].empty() ? "" : "\n") + name.substr(1, name.size() - 2) + ' ' + type;
    }
  }
  return tables;
}

}  // namespace

TEST_CASE("The documentation of the file names every table and column that it has, and no other") {
  TempDir dir;
  SQLiteBackend backend(dir / "cache", CacheOptions().max_entries(10).encryption_key(std::string(32, 'k')));
  run(backend.store(page("http://example.org/", "body")));
  std::map<std::string, std::string> tables;
  std::istringstream names(execute(
      backend.path(),
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN "
      "('beast_cache_tables')"));
  for (std::string name; std::getline(names, name);) {
    tables[name] = execute(backend.path(),
                           "SELECT name || ' ' || type FROM pragma_table_info('" + name + "') ORDER BY cid");
  }
  CHECK(tables.size() == 8);
  CHECK(documented_tables() == tables);
  CHECK(execute(backend.path(), "SELECT version FROM beast_cache_tables WHERE name = 'responses'") ==
        std::to_string(sqlite_format_version));
}
