// The benchmark of the cache of responses: CachedSession over SQLiteBackend beside SQLite itself, nginx and
// plain files. README.md explains the rows.

#include <filesystem>

#include "backend_variants.hpp"
#include "support/suite.hpp"
#include "support/web_server.hpp"

namespace bench {
namespace {

constexpr std::size_t KiB = 1024;
constexpr std::size_t MiB = KiB * KiB;

// The cache files of a run, each made when it is first needed.
class CacheFiles {
 public:
  explicit CacheFiles(std::string directory) : directory_(std::move(directory)) {
    std::filesystem::create_directories(directory_);
  }
  CacheFiles(CacheFiles const&) = delete;
  CacheFiles& operator=(CacheFiles const&) = delete;
  ~CacheFiles() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  Arguments of(std::size_t entries, std::size_t size) const {
    std::string const name = directory_ + "/" + std::to_string(entries) + "x" + std::to_string(size);
    return Arguments().with("file", name + ".sqlite").with("entries", entries).with("value-size", size);
  }
  std::function<void()> make(std::vector<Arguments> files) const {
    return [files = std::move(files)] {
      for (Arguments const& file : files) {
        if (!std::filesystem::exists(file.text("file") + ".pragmas")) run_child("backend-fill", file);
      }
    };
  }
  std::string scratch() const { return directory_ + "/scratch.sqlite"; }

 private:
  std::string directory_;
};

class Parts {
 public:
  Suite& suite;
  WebServer& server;
  CacheFiles const& files;
  std::size_t entries;

  // What asks nginx for a file of that size.
  Arguments asking(std::size_t size, std::size_t in_flight) const {
    server.url(size, true);
    return Arguments()
        .with("port", server.port())
        .with("path", "/cacheable/" + std::to_string(size))
        .with("size", size)
        .with("in-flight", in_flight)
        .with("file", files.scratch());
  }
};

void add_hits(Parts const& parts) {
  Arguments const small = parts.files.of(parts.entries, KiB);
  Arguments const medium = parts.files.of(parts.entries / 50, 100 * KiB);
  Case many;
  many.prepare = parts.files.make({small});
  many.contestants = {{"hit 1 KiB 64 in flight", "hits", small.with("in-flight", 64)},
                      {"raw 1 KiB", "raw-rows", small},
                      {"uncached 64 in flight", "fetches", parts.asking(KiB, 64)}};
  many.rows = {ratio("hit of 1 KiB, 64 in flight / raw read of its row, committing per read",
                     "hit 1 KiB 64 in flight", "raw 1 KiB", Goal::at_least(1.15)),
               ratio("hit of 1 KiB, 64 in flight / uncached from nginx, 64 connections",
                     "hit 1 KiB 64 in flight", "uncached 64 in flight", Goal::at_least(6.5))};
  Case one;
  one.prepare = many.prepare;
  one.contestants = {{"hit 1 KiB one at a time", "hits", small.with("in-flight", 1)},
                     {"uncached one at a time", "fetches", parts.asking(KiB, 1)}};
  one.rows = {ratio("hit of 1 KiB, one at a time / uncached", "hit 1 KiB one at a time",
                    "uncached one at a time", Goal::at_least(2.3))};
  Case hundred;
  hundred.prepare = parts.files.make({medium});
  hundred.contestants = {{"hit 100 KiB 64 in flight", "hits", medium.with("in-flight", 64)},
                         {"raw 100 KiB", "raw-rows", medium}};
  hundred.rows = {ratio("hit of 100 KiB, 64 in flight / raw read of its row", "hit 100 KiB 64 in flight",
                        "raw 100 KiB", Goal::at_least(0.70))};
  Case memory;
  memory.prepare = many.prepare;
  Arguments const hot = small.with("hot", 1000).with("memory", 16 * MiB);
  memory.contestants = {{"memory 1 KiB 64 in flight", "hits", hot.with("in-flight", 64)},
                        {"raw 1 KiB", "raw-rows", small}};
  memory.rows = {ratio("hit of 1 KiB in memory, 64 in flight / raw read of its row, committing per read",
                       "memory 1 KiB 64 in flight", "raw 1 KiB", Goal::at_least(4))};
  Case cost;
  cost.contestants = {{"parts of a hit", "hit-parts", Arguments()}};
  auto const part = [](std::string name, std::string figure, std::optional<Goal> goal = std::nullopt) {
    return plain(std::move(name), "us", "parts of a hit", std::move(figure), goal);
  };
  cost.rows = {part("URL and key of a request", "key", Goal::at_most(1.5)),
               part("part of a hit: the URL", "url"),
               part("part of a hit: the look-up in memory", "look-up"),
               part("part of a hit: the decision, where fields of the request count", "decision"),
               part("part of a hit: decision and response, for a plain request", "answer"),
               part("a hit in memory, one at a time", "hit")};
  parts.suite.cases.insert(parts.suite.cases.end(), {many, one, hundred, memory, cost});
}

void add_misses(Parts const& parts) {
  Arguments const asking = parts.asking(KiB, 64).with("distinct", 1);
  Case misses;
  misses.contestants = {{"miss 1 KiB 64 in flight", "fetches", asking.with("stores", 1)},
                        {"without a cache 64 in flight", "fetches", asking}};
  misses.rows = {ratio("miss of 1 KiB, 64 in flight / the same fetch without a cache",
                       "miss 1 KiB 64 in flight", "without a cache 64 in flight", Goal::at_least(0.80))};
  parts.suite.cases.push_back(misses);
}

void add_large(Parts const& parts) {
  constexpr std::size_t size = 100 * MiB;
  Arguments const large = parts.files.of(1, size);
  Arguments const asking = parts.asking(size, 1);
  Case cached;
  cached.prepare = parts.files.make({large});
  cached.contestants = {{"cached 100 MiB", "stream-hit", large},
                        {"read(2) 100 MiB", "raw-file",
                         Arguments().with("path", parts.server.file(size, true)).with("size", size)}};
  cached.rows = {ratio("cached 100 MiB body streamed / read(2) of the same file", "cached 100 MiB",
                       "read(2) 100 MiB", Goal::at_least(0.50)),
                 plain("memory for that", "MiB", "cached 100 MiB", "mib", Goal::at_most(16))};
  Case stored;
  stored.most_rounds = 7;
  stored.contestants = {{"storing 100 MiB", "stream-fetch", asking.with("stores", 1)},
                        {"passing on 100 MiB", "stream-fetch", asking}};
  stored.rows = {ratio("storing a streamed 100 MiB body / the same download without a cache",
                       "storing 100 MiB", "passing on 100 MiB", Goal::at_least(0.80)),
                 plain("memory for storing it", "MiB", "storing 100 MiB", "mib", Goal::at_most(16))};
  parts.suite.cases.insert(parts.suite.cases.end(), {cached, stored});
}

void add_proxy_hits(Parts const& parts, std::string const& directory) {
  Arguments const asking = parts.asking(KiB, 64).with("dir", directory + "/proxy");
  Case proxies;
  proxies.contestants = {{"hit of caching_proxy", "proxy-hits", asking},
                         {"hit of nginx", "nginx-hits", asking}};
  proxies.rows = {ratio("hit of 1 KiB through caching_proxy under wrk, 64 connections / nginx proxy_cache",
                        "hit of caching_proxy", "hit of nginx", Goal::at_least(1.0))};
  parts.suite.cases.push_back(proxies);
}

void add_expired(Parts const& parts) {
  Arguments const all = parts.files.of(parts.entries, KiB);
  Case expired;
  expired.most_rounds = 5;
  expired.prepare = parts.files.make({all});
  expired.contestants = {{"expired", "expire", all.with("scratch", parts.files.scratch())}};
  expired.rows = {plain("removing " + std::to_string(parts.entries) + " expired responses", "s", "expired",
                        "seconds", Goal::at_most(1))};
  parts.suite.cases.push_back(expired);
}

void add_growth(Parts const& parts) {
  Arguments const few = parts.files.of(parts.entries / 10, KiB);
  Arguments const many = parts.files.of(parts.entries * 10, KiB);
  Case growth;
  growth.most_rounds = 5;
  Arguments const empty = parts.files.of(1, KiB);
  growth.prepare = parts.files.make({few, many, empty});
  growth.contestants = {{"hit of ten times as many", "hits", many.with("in-flight", 64)},
                        {"hit of a tenth", "hits", few.with("in-flight", 64)},
                        {"idle with ten times as many", "idle", many},
                        {"idle with one", "idle", empty}};
  std::string const largest = std::to_string(parts.entries * 10);
  std::string const smallest = std::to_string(parts.entries / 10);
  Row cost = ratio("cost of a hit at " + largest + " responses / at " + smallest, "hit of a tenth",
                   "hit of ten times as many", Goal::at_most(1.45));
  Row memory{"resident memory with " + largest + " responses stored, idle, over that with one", "MiB", "",
             Goal::at_most(32), [](Round const& round) {
               return round.at("idle with ten times as many").at("mib") - round.at("idle with one").at("mib");
             }};
  growth.rows = {cost, memory};
  parts.suite.cases.push_back(growth);
}

int run(Arguments const& arguments) {
  Suite suite;
  suite.name = "backend";
  add_cached_sessions(suite.variants);
  add_hit_parts(suite.variants);
  add_raw_responses(suite.variants);
  add_proxies(suite.variants);
  if (arguments.has("variant")) return child_main(suite.variants, arguments);

  std::string const directory = arguments.text("dir", "build/bench/data");
  WebServer server(directory + "/server");
  CacheFiles const files(std::filesystem::absolute(directory + "/backend").string());
  Parts const parts{suite, server, files, std::stoul(arguments.text("entries", "100000"))};
  add_hits(parts);
  add_misses(parts);
  add_large(parts);
  add_proxy_hits(parts, std::filesystem::absolute(directory).string());
  add_expired(parts);
  add_growth(parts);
  run_suite(suite, arguments);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  return bench::guarded(bench::run, argc, argv);
}
