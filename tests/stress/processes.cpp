// Many threads of several processes on one cache file: nothing is lost, nothing fails.
//   stress_processes [--processes 8] [--threads 100] [--seconds 60 | --operations 200]
// The threads are those of all processes together. Each owns some keys and knows what is in them; all count
// in shared rows. At the end everything is compared. Exit status: 0 if all was right.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "support/temp_directory.hpp"

using namespace beast_cache;

namespace {

using Clock = std::chrono::steady_clock;

class Settings {
 public:
  long processes = 8, threads = 32, seconds = 0, operations = 200;
};

class Report {
 public:
  long operations = 0, increments = 0, keys = 0, errors = 0, wrong = 0, slowest_ms = 0;
  void add(Report const& other) {
    operations += other.operations;
    increments += other.increments;
    keys += other.keys;
    errors += other.errors;
    wrong += other.wrong;
    slowest_ms = std::max(slowest_ms, other.slowest_ms);
  }
};

SQLiteCache open(std::string const& file) {
  // Far from what it takes: whether it holds must not hang on the machine's speed.
  return SQLiteCache(file, "cache",
                     SQLiteOptions().busy_timeout(std::chrono::minutes(5)).checkpoint_pages(1000));
}

constexpr int own_keys = 50;
constexpr int counters = 4;

// What a thread does, and what it knows of its keys.
class Worker {
 public:
  Worker(SQLiteCache& cache, std::string prefix, unsigned seed)
      : cache_(cache), prefix_(std::move(prefix)), random_(seed * 2654435761u + 1) {}

  asio::awaitable<void> run(Clock::time_point end, long operations) {
    for (long i = 0; operations != 0 ? i < operations : Clock::now() < end; ++i) {
      auto const began = Clock::now();
      co_await one();
      auto const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
      report.slowest_ms = std::max(report.slowest_ms, static_cast<long>(took));
      ++report.operations;
    }
    std::vector<std::string> keys;
    for (int i = 0; i < own_keys; ++i) keys.push_back(key(i));
    std::vector<std::optional<std::string>> const values = co_await cache_.read_many(std::move(keys));
    for (int i = 0; i < own_keys; ++i) check(i, values[static_cast<std::size_t>(i)]);
    report.keys = static_cast<long>(known_.size());
  }

  Report report;

 private:
  int random(int limit) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return static_cast<int>(random_ % static_cast<unsigned>(limit));
  }
  std::string key(int i) const { return prefix_ + std::to_string(i); }
  std::string next_value() {
    return std::to_string(++version_) + std::string(static_cast<std::size_t>(random(1500)), 'v');
  }
  void check(int i, std::optional<std::string> const& value) {
    auto const at = known_.find(i);
    bool const right = at == known_.end() ? !value : value == at->second;
    if (!right) ++report.wrong;
  }

  asio::awaitable<void> one() {
    int const i = random(own_keys - 10);
    switch (random(10)) {
      case 0:
      case 1: {
        std::string value = next_value();
        known_[i] = value;
        co_await cache_.write(key(i), std::move(value));
        break;
      }
      case 2: {
        bool const removed = co_await cache_.remove(key(i));
        if (removed != (known_.erase(i) != 0)) ++report.wrong;
        break;
      }
      case 3: {
        std::vector<SQLiteCache::Entry> entries;
        for (int k = i; k < i + 10; ++k) entries.emplace_back(key(k), known_[k] = next_value());
        co_await cache_.write_many(std::move(entries));
        break;
      }
      case 4:
        co_await bulk(i);
        break;
      case 5:
        co_await count();
        break;
      default: {
        std::optional<std::string> const value = co_await cache_.read(key(i));
        check(i, value);
      }
    }
  }

  asio::awaitable<void> bulk(int i) {
    BulkCommit<std::string> bulk = cache_.bulk_commit();
    bool const commits = random(4) != 0;
    std::map<int, std::string> known = known_;
    for (int k = i; k < i + 10; ++k) {
      if (random(3) == 0) {
        known.erase(k);
        co_await bulk.remove(key(k));
      } else {
        std::string value = next_value();
        known[k] = value;
        co_await bulk.write(key(k), std::move(value));
      }
    }
    if (!commits) co_return;
    co_await bulk.commit();
    known_ = std::move(known);
  }

  asio::awaitable<void> count() {
    // Reads and writes in two statements: without the transaction some would be lost.
    auto increment = [id = std::to_string(random(counters))](SQLiteConnection& connection) {
      std::int64_t const n = connection.query_integer("SELECT n FROM counters WHERE id = " + id);
      connection.execute("UPDATE counters SET n = " + std::to_string(n + 1) + " WHERE id = " + id);
    };
    co_await cache_.get_connection(std::move(increment));
    ++report.increments;
  }

  SQLiteCache& cache_;
  std::string const prefix_;
  unsigned random_;
  long version_ = 0;
  std::map<int, std::string> known_;
};

void complain(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "process %d: %s\n", static_cast<int>(::getpid()), e.what());
  }
}

// Runs a coroutine on this thread; false if it threw.
bool run(asio::awaitable<void> task) {
  asio::io_context context;
  bool good = false;
  asio::co_spawn(context, std::move(task), [&](std::exception_ptr error) {
    good = !error;
    if (error) complain(error);
  });
  context.run();
  return good;
}

Report run_process(std::string const& file, long process, long threads, Settings const& settings) {
  SQLiteCache cache = open(file);
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> running;
  auto const end = Clock::now() + std::chrono::seconds(settings.seconds);
  long const operations = settings.seconds != 0 ? 0 : settings.operations;
  for (long t = 0; t < threads; ++t) {
    std::string prefix = std::to_string(process) + "/" + std::to_string(t) + "/";
    workers.push_back(
        std::make_unique<Worker>(cache, std::move(prefix), static_cast<unsigned>(process * 1000 + t + 1)));
    Worker* const worker = workers.back().get();
    running.emplace_back([worker, end, operations] {
      if (!run(worker->run(end, operations))) ++worker->report.errors;
    });
  }
  for (std::thread& thread : running) thread.join();
  Report report;
  for (auto const& worker : workers) report.add(worker->report);
  if (!run(cache.close())) ++report.errors;
  return report;
}

asio::awaitable<void> create(SQLiteCache& cache) {
  auto const tables = [](SQLiteConnection& connection) {
    connection.execute("CREATE TABLE counters(id INTEGER PRIMARY KEY, n INTEGER NOT NULL)");
    for (int i = 0; i < counters; ++i) {
      connection.execute("INSERT INTO counters VALUES(" + std::to_string(i) + ", 0)");
    }
  };
  co_await cache.get_connection(tables);
}

asio::awaitable<void> verify(SQLiteCache& cache, Report report, bool& right) {
  auto const sum = [](SQLiteConnection& c) { return c.query_integer("SELECT sum(n) FROM counters"); };
  auto const rows = [](SQLiteConnection& c) { return c.query_integer("SELECT count(*) FROM cache"); };
  auto const integrity = [](SQLiteConnection& c) { return c.query_text("PRAGMA integrity_check"); };
  std::int64_t const counted = co_await cache.get_connection(sum, ConnectionUse::read);
  std::int64_t const there = co_await cache.get_connection(rows, ConnectionUse::read);
  std::uint64_t const size = co_await cache.size();
  std::string const sound = co_await cache.get_connection(integrity, ConnectionUse::read);
  std::printf("counters: %ld of %ld; entries: %ld, size(): %ld, of %ld; integrity_check: %s\n",
              static_cast<long>(counted), report.increments, static_cast<long>(there),
              static_cast<long>(size), report.keys, sound.c_str());
  right = counted == report.increments && there == report.keys && static_cast<long>(size) == report.keys &&
          sound == "ok";
}

Settings parse(int argc, char** argv) {
  Settings settings;
  std::map<std::string, long*> const names{{"--processes", &settings.processes},
                                           {"--threads", &settings.threads},
                                           {"--seconds", &settings.seconds},
                                           {"--operations", &settings.operations}};
  for (int i = 1; i < argc; i += 2) {
    auto const at = names.find(argv[i]);
    if (at == names.end() || i + 1 == argc || std::atol(argv[i + 1]) <= 0) {
      std::fprintf(stderr, "usage: %s [--processes N] [--threads N] [--seconds N | --operations N]\n",
                   argv[0]);
      std::exit(2);
    }
    *at->second = std::atol(argv[i + 1]);
  }
  return settings;
}

}  // namespace

int main(int argc, char** argv) {
  Settings const settings = parse(argc, argv);
  TempDirectory const directory;
  std::string const file = directory.file("shared.sqlite");
  int ends[2];
  if (::pipe(ends) != 0) return 2;
  std::vector<pid_t> children;
  // Before this process has a thread or has opened the file. They begin when the tables are there.
  int start[2];
  if (::pipe(start) != 0) return 2;
  for (long p = 0; p < settings.processes; ++p) {
    long const threads = settings.threads / settings.processes + (p < settings.threads % settings.processes);
    pid_t const child = ::fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    ::close(start[1]);
    char byte;
    if (::read(start[0], &byte, 1) != 0) ::_exit(3);  // the end of the pipe is the sign
    Report const report = run_process(file, p, threads, settings);
    bool const sent = ::write(ends[1], &report, sizeof report) == sizeof report;
    ::_exit(sent && report.errors == 0 && report.wrong == 0 ? 0 : 1);
  }
  ::close(ends[1]);
  bool right = true;
  {
    SQLiteCache cache = open(file);
    right &= run(create(cache)) && run(cache.close());
  }
  ::close(start[1]);
  Report total, one;
  while (::read(ends[0], &one, sizeof one) == sizeof one) total.add(one);
  for (pid_t const child : children) {
    int status = -1;
    right &= child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
  }
  std::printf("%ld processes, %ld threads: %ld operations, %ld errors, %ld wrong values, slowest %ld ms\n",
              settings.processes, settings.threads, total.operations, total.errors, total.wrong,
              total.slowest_ms);
  SQLiteCache cache = open(file);
  bool same = false;
  right &= run(verify(cache, total, same)) && same;
  std::printf("%s\n", right ? "all right" : "FAILED");
  return right ? 0 : 1;
}
