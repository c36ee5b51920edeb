#include <algorithm>
#include <filesystem>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

// So many that several checkpoints fall into the measured part, the same number on both sides.
Meter write_meter(Arguments const& arguments) {
  std::size_t const batch = arguments.number("batch", 1);
  return Meter::counted(arguments.number("writes") / 10 / batch, arguments.number("writes") / batch);
}

double rate(Meter const& meter, Arguments const& arguments) {
  return meter.rate() * static_cast<double>(arguments.number("batch", 1));
}

/// The largest size that a file has, looked at now and then.
class FileSize {
 public:
  explicit FileSize(std::string path) : path_(std::move(path)) {}
  void sample() {
    if (++count_ % 256 != 0) return;
    std::error_code ignored;  // there may be no such file yet
    auto const size = std::filesystem::file_size(path_, ignored);
    if (!ignored) largest_ = std::max(largest_, size);
  }
  double megabytes() const { return static_cast<double>(largest_) / 1e6; }

 private:
  std::string path_;
  std::size_t count_ = 0;
  std::uintmax_t largest_ = 0;
};

// --- ours ---

asio::awaitable<void> write_loop(SQLiteCache* cache, Keys* keys, Values* values, Meter* meter,
                                 FileSize* log) {
  while (meter->next()) {
    co_await cache->write(keys->next(), values->next());
    log->sample();
  }
}

asio::awaitable<void> write_many_loop(SQLiteCache* cache, Keys* keys, Values* values, Meter* meter,
                                      std::size_t batch) {
  while (meter->next()) {
    std::vector<SQLiteCache::Entry> entries;
    entries.reserve(batch);
    for (std::size_t i = 0; i < batch; ++i) entries.emplace_back(keys->next(), values->next());
    co_await cache->write_many(std::move(entries));
  }
}

asio::awaitable<void> bulk_loop(SQLiteCache* cache, Keys* keys, Values* values, Meter* meter,
                                std::size_t batch) {
  while (meter->next()) {
    auto bulk = cache->bulk_commit();
    for (std::size_t i = 0; i < batch; ++i) co_await bulk.write(keys->next(), values->next());
    co_await bulk.commit();
  }
}

Figures ours_write(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  Values values(arguments.number("value-size"));
  Meter meter = write_meter(arguments);
  FileSize log(arguments.text("file") + "-wal");
  asio::io_context io;
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i) {
    spawn(io, write_loop(&cache, &keys, &values, &meter, &log));
  }
  io.run();
  meter.finish();
  return {{"rate", rate(meter, arguments)}, {"wal", log.megabytes()}};
}

Figures ours_batches(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  Values values(arguments.number("value-size"));
  std::size_t const batch = arguments.number("batch");
  Meter meter = write_meter(arguments);
  asio::io_context io;
  auto const loop = arguments.text("by") == "bulk_commit" ? bulk_loop : write_many_loop;
  spawn(io, loop(&cache, &keys, &values, &meter, batch));
  io.run();
  meter.finish();
  return {{"rate", rate(meter, arguments)}};
}

// --- raw ---

Figures raw_write(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::writer);
  RawStatement begin(db.handle(), "BEGIN IMMEDIATE"), commit(db.handle(), "COMMIT");
  RawStatement upsert(db.handle(), raw_upsert);
  Keys keys(arguments.number("entries"));
  Values values(arguments.number("value-size"));
  std::size_t const batch = arguments.number("batch", 1);
  Meter meter = write_meter(arguments);
  while (meter.next()) {
    if (batch > 1) begin.run();
    for (std::size_t i = 0; i < batch; ++i) {
      std::string const value = values.next();
      raw_write(upsert, keys.next(), value);
    }
    if (batch > 1) commit.run();
  }
  meter.finish();
  return {{"rate", rate(meter, arguments)}};
}

}  // namespace

void add_write_variants(Variants& variants) {
  variants["ours-write"] = ours_write;
  variants["ours-batches"] = ours_batches;
  variants["raw-write"] = raw_write;
}

}  // namespace bench
