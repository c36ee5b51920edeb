// Walks over all of the entries, their memory, and clear.

#include <fstream>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/meter.hpp"
#include "support/process.hpp"

namespace bench {
namespace {

// One walk to warm up, then so long.
Meter walk_meter() {
  return Meter::timed(1, 0.3);
}

double walk_rate(Meter const& meter, Arguments const& arguments) {
  return meter.rate() * static_cast<double>(arguments.number("entries"));
}

// --- ours ---

template <class T>
asio::awaitable<std::size_t> walk_batches(beast_cache::Cursor<T> cursor) {
  std::size_t count = 0;
  for (;;) {
    std::vector<T> const batch = co_await cursor.next_batch();
    if (batch.empty()) break;
    count += batch.size();
  }
  co_return count;
}

template <class T>
asio::awaitable<std::size_t> walk_singly(beast_cache::Cursor<T> cursor) {
  std::size_t count = 0;
  for (;;) {
    std::optional<T> const one = co_await cursor.next();
    if (!one) break;
    ++count;
  }
  co_return count;
}

asio::awaitable<void> walk(SQLiteCache* cache, std::string what, std::size_t entries, Meter* meter) {
  while (meter->next()) {
    std::size_t count = 0;
    if (what == "keys") {
      count = co_await walk_batches(cache->keys());
    } else if (what == "keys-singly") {
      count = co_await walk_singly(cache->keys());
    } else if (what == "values") {
      count = co_await walk_batches(cache->values());
    } else {
      count = co_await walk_batches(cache->entries());
    }
    check(count == entries);
  }
}

Figures ours_walk(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Meter meter = walk_meter();
  asio::io_context io;
  spawn(io, walk(&cache, arguments.text("what"), arguments.number("entries"), &meter));
  io.run();
  return {{"rate", walk_rate(meter, arguments)}};
}

asio::awaitable<void> touch(SQLiteCache* cache) {
  bool const found = co_await cache->contains("nothing of that name");
  check(!found);
}

Figures ours_walk_memory(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Meter meter = Meter::counted(0, 1);
  asio::io_context io;
  spawn(io, touch(&cache));
  io.run();
  io.restart();
  Peak const peak;
  spawn(io, walk(&cache, arguments.text("what"), arguments.number("entries"), &meter));
  io.run();
  return {{"mib", peak.mib()}};
}

asio::awaitable<void> time_clear(SQLiteCache* cache, double* seconds) {
  co_await touch(cache);
  auto const begin = Clock::now();
  co_await cache->clear();
  *seconds = seconds_since(begin);
}

// On a copy, which only this child uses.
Arguments on_copy(Arguments const& arguments) {
  std::string const file = arguments.text("file"), copy = file + ".copy";
  copy_file(file, copy);
  copy_file(file + ".pragmas", copy + ".pragmas");
  return arguments.with("file", copy);
}

Figures ours_clear(Arguments const& arguments) {
  SQLiteCache cache = open_cache(on_copy(arguments));
  double seconds = 0;
  asio::io_context io;
  spawn(io, time_clear(&cache, &seconds));
  io.run();
  return {{"milliseconds", seconds * 1e3}};
}

// --- raw ---

Figures raw_walk(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::reader);
  std::string const what = arguments.text("what"), order = arguments.text("order", " ORDER BY key");
  RawStatement scan(db.handle(), ("SELECT " + what + " FROM cache" + order).c_str());
  Meter meter = walk_meter();
  while (meter.next()) {
    std::size_t count = 0;
    while (scan.step()) {
      std::string const element(scan.bytes(0));
      count += !element.empty();
    }
    scan.reset();
    check(count == arguments.number("entries"));
  }
  return {{"rate", walk_rate(meter, arguments)}};
}

Figures raw_clear(Arguments const& arguments) {
  RawDatabase db(on_copy(arguments), RawDatabase::Role::writer);
  db.execute("PRAGMA secure_delete=ON");
  RawStatement clear(db.handle(), "DELETE FROM cache");
  auto const begin = Clock::now();
  clear.run();
  return {{"milliseconds", seconds_since(begin) * 1e3}};
}

}  // namespace

void add_scan_variants(Variants& variants) {
  variants["ours-walk"] = ours_walk;
  variants["ours-walk-memory"] = ours_walk_memory;
  variants["ours-clear"] = ours_clear;
  variants["raw-walk"] = raw_walk;
  variants["raw-clear"] = raw_clear;
}

}  // namespace bench
