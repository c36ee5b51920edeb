// Values of 1 MiB, a piece at a time.

#include <algorithm>
#include <vector>

#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "storage_raw.hpp"
#include "storage_variants.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

constexpr std::size_t piece_size = 256 * 1024;

Meter stream_meter(Arguments const& arguments) {
  return Meter::timed(arguments.number("entries"), 0.4);
}

asio::awaitable<void> stream_loop(SQLiteCache* cache, Keys* keys, Meter* meter, std::size_t size) {
  while (meter->next()) {
    std::optional<beast_cache::ValueReader> reader = co_await cache->open(keys->next());
    check(reader.has_value());
    std::size_t total = 0;
    for (;;) {
      std::string_view const piece = co_await reader->next();
      if (piece.empty()) break;
      total += piece.size();
    }
    check(total == size);
  }
}

Figures ours_stream(Arguments const& arguments) {
  SQLiteCache cache = open_cache(arguments);
  Keys keys(arguments.number("entries"));
  Meter meter = stream_meter(arguments);
  asio::io_context io;
  spawn(io, stream_loop(&cache, &keys, &meter, arguments.number("value-size")));
  io.run();
  return {{"rate", meter.rate()}};
}

Figures raw_blob(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::reader);
  RawStatement find(db.handle(), "SELECT rowid FROM cache WHERE key = ?1");
  Keys keys(arguments.number("entries"));
  std::vector<char> buffer(piece_size);
  Meter meter = stream_meter(arguments);
  while (meter.next()) {
    find.bind_text(1, keys.next());
    check(find.step());
    sqlite3_blob* blob = nullptr;
    check(sqlite3_blob_open(db.handle(), "main", "cache", "value", find.integer(0), 0, &blob) == SQLITE_OK);
    find.reset();
    int const size = sqlite3_blob_bytes(blob);
    for (int at = 0; at < size;) {
      int const piece = std::min<int>(static_cast<int>(piece_size), size - at);
      check(sqlite3_blob_read(blob, buffer.data(), piece, at) == SQLITE_OK);
      at += piece;
    }
    sqlite3_blob_close(blob);
  }
  return {{"rate", meter.rate()}};
}

}  // namespace

void add_stream_variants(Variants& variants) {
  variants["ours-stream"] = ours_stream;
  variants["raw-blob"] = raw_blob;
}

}  // namespace bench
