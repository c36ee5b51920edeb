// How long one operation takes, from the coroutine that awaits it.

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/meter.hpp"
#include "support/report.hpp"

namespace bench {
namespace {

class Latencies {
 public:
  void add(Clock::time_point begin) { microseconds_.push_back(seconds_since(begin) * 1e6); }
  /// Without the first tenth, which warms up.
  double at(double fraction) const {
    auto const skipped = static_cast<std::ptrdiff_t>(microseconds_.size() / 10);
    return quantile(std::vector<double>(microseconds_.begin() + skipped, microseconds_.end()), fraction);
  }
  Figures percentiles() const { return {{"p50", at(0.5)}, {"p99", at(0.99)}, {"p99.9", at(0.999)}}; }

 private:
  std::vector<double> microseconds_;
};

// --- one read at a time ---

asio::awaitable<void> time_reads(SQLiteCache* cache, Keys* keys, Meter* meter, Latencies* latencies) {
  while (meter->next()) {
    auto const begin = Clock::now();
    std::optional<std::string> const value = co_await cache->read(keys->next());
    latencies->add(begin);
    check(value.has_value());
  }
}

Figures ours_latency(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  Meter meter = Meter::timed(0, 0.4);
  Latencies latencies;
  asio::io_context io;
  spawn(io, time_reads(&cache, &keys, &meter, &latencies));
  io.run();
  return latencies.percentiles();
}

// What one writes first: a thread for the database, a post there and a post back.
asio::awaitable<std::string> post_read(asio::thread_pool* pool, RawStatement* select,
                                       std::string const* key) {
  auto initiate = [pool, select, key](auto handler) {
    auto const caller = asio::get_associated_executor(handler);
    auto job = [select, key, caller, work = asio::make_work_guard(caller),
                handler = std::move(handler)]() mutable {
      auto deliver = [handler = std::move(handler), value = raw_read(*select, *key)]() mutable {
        std::move(handler)(std::move(value));
      };
      asio::post(caller, std::move(deliver));
    };
    asio::post(*pool, std::move(job));
  };
  return asio::async_initiate<asio::use_awaitable_t<> const, void(std::string)>(std::move(initiate),
                                                                                asio::use_awaitable);
}

asio::awaitable<void> time_posts(asio::thread_pool* pool, RawStatement* select, Keys* keys, Meter* meter,
                                 Latencies* latencies) {
  while (meter->next()) {
    auto const begin = Clock::now();
    std::string const value = co_await post_read(pool, select, &keys->next());
    latencies->add(begin);
    check(!value.empty());
  }
}

Figures post_latency(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::reader);
  RawStatement select(db.handle(), raw_select);
  Keys keys(arguments.number("entries"));
  Meter meter = Meter::timed(0, 0.4);
  Latencies latencies;
  asio::thread_pool pool(1);
  asio::io_context io;
  spawn(io, time_posts(&pool, &select, &keys, &meter, &latencies));
  io.run();
  pool.join();
  return latencies.percentiles();
}

// --- a read while a bulk is written ---

asio::awaitable<void> write_bulk(SQLiteCache* cache, Keys* keys, Values* values, bool* done) {
  auto bulk = cache->bulk_commit();
  for (std::size_t i = 0; i < keys->size(); ++i) co_await bulk.write(keys->next(), values->next());
  co_await bulk.commit();
  *done = true;
}

asio::awaitable<void> time_reads_until(SQLiteCache* cache, Keys* keys, bool* done, Latencies* latencies) {
  while (!*done) {
    auto const begin = Clock::now();
    std::optional<std::string> const value = co_await cache->read(keys->next());
    latencies->add(begin);
    check(value.has_value());
  }
}

Figures latency_during_bulk(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys reads(arguments.number("entries"), 1), writes(arguments.number("entries"), 2);
  Values values(arguments.number("value-size"));
  Latencies latencies;
  bool done = false;
  asio::io_context io;
  spawn(io, time_reads_until(&cache, &reads, &done, &latencies));
  spawn(io, write_bulk(&cache, &writes, &values, &done));
  io.run();
  return latencies.percentiles();
}

// --- size ---

void nothing(beast_cache::SQLiteConnection&) {}

asio::awaitable<void> time_sizes(SQLiteCache* cache, Meter* meter, Latencies* sizes, Latencies* hops) {
  while (meter->next()) {
    auto begin = Clock::now();
    std::uint64_t const size = co_await cache->size();
    sizes->add(begin);
    check(size > 0);
    begin = Clock::now();
    co_await cache->get_connection(nothing, beast_cache::ConnectionUse::read);
    hops->add(begin);
  }
}

Figures size_beyond_hop(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Meter meter = Meter::timed(0, 0.2);
  Latencies sizes, hops;
  asio::io_context io;
  spawn(io, time_sizes(&cache, &meter, &sizes, &hops));
  io.run();
  return {{"microseconds", sizes.at(0.5) - hops.at(0.5)}};
}

}  // namespace

void add_latency_variants(Variants& variants) {
  variants["ours-latency"] = ours_latency;
  variants["post-latency"] = post_latency;
  variants["ours-latency-during-bulk"] = latency_during_bulk;
  variants["ours-size"] = size_beyond_hop;
}

}  // namespace bench
