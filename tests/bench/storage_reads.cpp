#include <algorithm>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/allocations.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

// Each key once to warm up, then so long. Of a very large file a part will do: the kernel reads, and maps,
// the neighbours as well.
Meter read_meter(Arguments const& arguments, std::size_t each = 1) {
  return Meter::timed(std::min<std::size_t>(arguments.number("entries"), 300'000) / each, 0.4);
}

// --- ours ---

asio::awaitable<void> read_loop(SQLiteCache* cache, Keys* keys, Meter* meter, std::size_t size) {
  while (meter->next()) {
    std::optional<std::string> const value = co_await cache->read(keys->next());
    check(value && value->size() == size);
  }
}

asio::awaitable<void> read_into_loop(SQLiteCache* cache, Keys* keys, Meter* meter, std::size_t size) {
  std::string value;
  while (meter->next()) {
    bool const found = co_await cache->read_into(keys->next(), value);
    check(found && value.size() == size);
  }
}

asio::awaitable<void> contains_loop(SQLiteCache* cache, Keys* keys, Meter* meter) {
  while (meter->next()) {
    bool const found = co_await cache->contains(keys->next());
    check(found);
  }
}

asio::awaitable<void> contains_many_loop(SQLiteCache* cache, Keys* keys, Meter* meter, std::size_t batch) {
  while (meter->next()) {
    std::vector<bool> const found = co_await cache->contains_many(keys->next(batch));
    for (bool const one : found) check(one);
  }
}

Figures ours_read(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  Meter meter = read_meter(arguments);
  asio::io_context io;
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i) {
    auto const loop = arguments.has("into") ? read_into_loop : read_loop;
    spawn(io, loop(&cache, &keys, &meter, arguments.number("value-size")));
  }
  io.run();
  return {{"rate", meter.rate()}};
}

// Beyond the one allocation that is the value's.
Figures ours_read_allocations(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  asio::io_context io;
  std::size_t const rounds = 2, reads = arguments.number("entries");
  double per_read = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    Meter meter = Meter::counted(0, reads);
    for (std::size_t i = 0; i < arguments.number("in-flight"); ++i) {
      spawn(io, read_loop(&cache, &keys, &meter, arguments.number("value-size")));
    }
    count_allocations(true);
    std::size_t const before = allocations();
    io.run();
    per_read = static_cast<double>(allocations() - before) / static_cast<double>(reads);
    count_allocations(false);
    io.restart();
  }
  return {{"allocations", per_read - 1}};
}

Figures ours_contains(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  Meter meter = read_meter(arguments);
  asio::io_context io;
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i)
    spawn(io, contains_loop(&cache, &keys, &meter));
  io.run();
  return {{"rate", meter.rate()}};
}

Figures ours_contains_many(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  std::size_t const batch = arguments.number("batch");
  Meter meter = read_meter(arguments, batch);
  asio::io_context io;
  spawn(io, contains_many_loop(&cache, &keys, &meter, batch));
  io.run();
  return {{"rate", meter.rate() * static_cast<double>(batch)}};
}

// --- raw ---

Figures raw_read(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::reader);
  RawStatement select(db.handle(), raw_select);
  Keys keys(arguments.number("entries"));
  Meter meter = read_meter(arguments);
  std::size_t const size = arguments.number("value-size");
  bool const transaction = arguments.text("transaction", "each") == "one";
  if (transaction) db.execute("BEGIN");
  while (meter.next()) {
    std::string const value = raw_read(select, keys.next());
    check(value.size() == size);
  }
  if (transaction) db.execute("COMMIT");
  return {{"rate", meter.rate()}};
}

Figures raw_contains_in_one_transaction(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::reader);
  RawStatement contains(db.handle(), raw_contains);
  Keys keys(arguments.number("entries"));
  Meter meter = read_meter(arguments);
  db.execute("BEGIN");
  while (meter.next()) {
    contains.bind_text(1, keys.next());
    check(contains.step());
    contains.reset();
  }
  db.execute("COMMIT");
  return {{"rate", meter.rate()}};
}

}  // namespace

void add_read_variants(Variants& variants) {
  variants["ours-read"] = ours_read;
  variants["ours-read-allocations"] = ours_read_allocations;
  variants["ours-contains"] = ours_contains;
  variants["ours-contains-many"] = ours_contains_many;
  variants["raw-read"] = raw_read;
  variants["raw-contains"] = raw_contains_in_one_transaction;
}

}  // namespace bench
