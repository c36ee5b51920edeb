#include <stdexcept>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

// Each key once to warm up, then so long.
Meter read_meter(Arguments const& arguments, std::size_t each = 1) {
  return Meter::timed(arguments.number("entries") / each, 0.4);
}

void check(bool good) {
  if (!good) throw std::runtime_error("a key is missing, or its value has the wrong size");
}

// --- ours ---

asio::awaitable<void> read_loop(SQLiteCache* cache, Keys* keys, Meter* meter, std::size_t size) {
  while (meter->next()) {
    std::optional<std::string> const value = co_await cache->read(keys->next());
    check(value && value->size() == size);
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
    spawn(io, read_loop(&cache, &keys, &meter, arguments.number("value-size")));
  }
  io.run();
  return {{"rate", meter.rate()}};
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
  variants["ours-contains"] = ours_contains;
  variants["ours-contains-many"] = ours_contains_many;
  variants["raw-read"] = raw_read;
  variants["raw-contains"] = raw_contains_in_one_transaction;
}

}  // namespace bench
