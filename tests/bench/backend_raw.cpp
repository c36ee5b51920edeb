// SQLite's C interface on the rows that the library has stored, and read(2) on a file.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

#include "backend_variants.hpp"
#include "storage_data.hpp"
#include "storage_raw.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

constexpr char select_row[] =
    "SELECT url, status, reason, headers, request_time, response_time, expires_at, body FROM responses "
    "WHERE key = ?1";

std::vector<std::string> keys_of(RawDatabase& db) {
  std::vector<std::string> keys;
  RawStatement select(db.handle(), "SELECT key FROM responses");
  while (select.step()) keys.emplace_back(select.bytes(0));
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(1));
  return keys;
}

// Each read is a transaction; head and body are copied.
Figures read_rows(Arguments const& arguments) {
  RawDatabase db(arguments, RawDatabase::Role::reader);
  std::vector<std::string> const keys = keys_of(db);
  std::size_t const size = arguments.number("value-size");
  RawStatement select(db.handle(), select_row);
  std::size_t at = 0;
  Meter meter = Meter::timed(std::min<std::size_t>(keys.size(), 100'000), 0.5);
  while (meter.next()) {
    select.bind_text(1, keys[at]);
    if (!select.step()) throw std::runtime_error("raw: a row is missing");
    std::string const url(select.bytes(0)), reason(select.bytes(2)), headers(select.bytes(3));
    std::string const body(select.bytes(7));
    check(select.integer(1) == 200 && body.size() == size && select.integer(6) > select.integer(5));
    select.reset();
    if (++at == keys.size()) at = 0;
  }
  return {{"rate", meter.rate()}};
}

// Into a buffer of 64 KiB.
Figures read_file(Arguments const& arguments) {
  std::string buffer(std::size_t{65536}, '\0');
  std::size_t total = 0;
  double seconds = 0;
  for (int round = 0; round < 2; ++round) {  // the first one warms up
    auto const begin = Clock::now();
    int const file = ::open(arguments.text("path").c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw std::runtime_error(arguments.text("path"));
    total = 0;
    ssize_t count = 1;
    while (count > 0) {
      count = ::read(file, buffer.data(), buffer.size());
      total += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
    ::close(file);
    seconds = seconds_since(begin);
  }
  check(total == arguments.number("size"));
  return {{"rate", 1 / seconds}};
}

}  // namespace

void add_raw_responses(Variants& variants) {
  variants["raw-rows"] = read_rows;
  variants["raw-file"] = read_file;
}

}  // namespace bench
