#pragma once
// What the variants that run the library share.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <utility>

#include "beast_cache/storage/sqlite_cache.hpp"
#include "support/arguments.hpp"

namespace bench {

namespace asio = boost::asio;
using beast_cache::SQLiteCache;
using beast_cache::SQLiteOptions;

inline SQLiteCache open_cache(Arguments const& arguments) {
  SQLiteOptions options;
  if (arguments.text("durability", "normal") == "full") options.durability(beast_cache::Durability::full);
  options.inline_reads(arguments.has("inline"));
  if (arguments.has("cache-size")) options.cache_size(arguments.number("cache-size"));
  if (arguments.has("mmap-size")) options.mmap_size(arguments.number("mmap-size"));
  return SQLiteCache(arguments.text("file"), "cache", options);
}

/// Whatever a coroutine of a benchmark throws ends the benchmark.
inline void spawn(asio::io_context& io, asio::awaitable<void> work) {
  asio::co_spawn(io, std::move(work), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
}

}  // namespace bench
