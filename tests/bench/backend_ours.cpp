#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backend_answers.hpp"
#include "backend_variants.hpp"
#include "beast_cache/backend/sqlite_backend.hpp"
#include "beast_cache/session/cached_session.hpp"
#include "beast_cache/session/client_session.hpp"
#include "storage_data.hpp"
#include "storage_ours.hpp"
#include "support/meter.hpp"
#include "support/process.hpp"

namespace bench {
namespace {

using namespace beast_cache;

// Entries in a random order, over and over again.
class Urls {
 public:
  explicit Urls(std::size_t entries) : order_(entries) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::shuffle(order_.begin(), order_.end(), std::mt19937_64(1));
  }
  std::string next() {
    std::size_t const number = order_[at_];
    if (++at_ == order_.size()) at_ = 0;
    return entry_url(number);
  }

 private:
  std::vector<std::size_t> order_;
  std::size_t at_ = 0;
};

std::shared_ptr<SQLiteBackend> open_backend(std::string const& file, std::uint64_t memory = 0) {
  return std::make_shared<SQLiteBackend>(
      file, CacheOptions().max_body_bytes(std::uint64_t{1} << 40).memory(memory));
}

CachedSession over_network(asio::io_context& io, std::shared_ptr<SQLiteBackend> backend) {
  auto client = std::make_shared<ClientSession>(io.get_executor());
  return CachedSession(io.get_executor(), std::move(client), std::move(backend));
}

// A file of its own, that goes with it.
class TemporaryFile {
 public:
  explicit TemporaryFile(Arguments const& arguments) : path_(arguments.text("file")) { remove(); }
  TemporaryFile(TemporaryFile const&) = delete;
  TemporaryFile& operator=(TemporaryFile const&) = delete;
  ~TemporaryFile() { remove(); }
  std::string const& path() const noexcept { return path_; }

 private:
  void remove() const {
    std::error_code ignored;
    for (char const* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix, ignored);
  }
  std::string path_;
};

asio::awaitable<void> drain(CachedStream stream, std::size_t size) {
  std::string buffer(std::size_t{65536}, '\0');
  std::size_t total = 0;
  std::size_t count = 1;
  while (count != 0) {
    count = co_await stream.read_some(asio::buffer(buffer));
    total += count;
  }
  check(total == size);
}

asio::awaitable<void> fill_some(CachedSession* session, std::size_t* next, std::size_t entries,
                                std::size_t size) {
  while (*next < entries) {
    std::string const url = entry_url((*next)++);
    CachedStream stream = co_await session->get(url).stream();
    co_await drain(std::move(stream), size);
  }
}

asio::awaitable<void> end_filling(CachedSession* session, std::string file, std::string* reader) {
  co_await session->close();
  SQLiteCache cache(file, "bench");
  *reader = co_await cache.get_connection(pragmas, ConnectionUse::read);
  co_await cache.close();
}

// Arguments: file, entries, value-size.
Figures fill_backend(Arguments const& arguments) {
  std::string const file = arguments.text("file");
  std::size_t const entries = arguments.number("entries"), size = arguments.number("value-size");
  asio::io_context io(1);
  auto client = std::make_shared<Origin>(io, size);
  CachedSession session(io.get_executor(), client, open_backend(file));
  std::size_t next = 0;
  for (int i = 0; i < 64; ++i) spawn(io, fill_some(&session, &next, entries, size));
  io.run();
  io.restart();
  std::string reader;
  spawn(io, end_filling(&session, file, &reader));
  io.run();
  std::ofstream(file + ".pragmas") << reader << "\n\n";
  return {};
}

asio::awaitable<void> hit_loop(CachedSession* session, Urls* urls, std::size_t size, Meter* meter) {
  while (meter->next()) {
    std::string const url = urls->next();
    CachedResponse const response = co_await session->get(url);
    check(response.from_cache() && response.body().size() == size);
  }
}

// Of all entries or "hot" of them, with so many bytes of "memory".
Figures hits(Arguments const& arguments) {
  asio::io_context io(1);
  std::uint64_t const memory = arguments.has("memory") ? arguments.number("memory") : 0;
  CachedSession session = over_network(io, open_backend(arguments.text("file"), memory));
  Urls urls(arguments.number(arguments.has("hot") ? "hot" : "entries"));
  Meter meter = Meter::timed(std::min<std::size_t>(arguments.number("entries"), 100'000), 0.5);
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i)
    spawn(io, hit_loop(&session, &urls, arguments.number("value-size"), &meter));
  io.run();
  return {{"rate", meter.rate()}};
}

std::string url_of(Arguments const& arguments) {
  return "http://127.0.0.1:" + arguments.text("port") + arguments.text("path");
}

asio::awaitable<void> fetch_loop(CachedSession* session, std::string url, bool distinct, std::size_t* number,
                                 std::size_t size, Meter* meter) {
  while (meter->next()) {
    std::string const target = distinct ? url + "?" + std::to_string((*number)++) : url;
    CachedResponse const response = co_await session->get(target);
    check(!response.from_cache() && response.body().size() == size);
  }
}

// From the network: with "stores" each a miss that is stored, else past the cache.
Figures fetches(Arguments const& arguments) {
  TemporaryFile const file(arguments);
  bool const stores = arguments.has("stores");
  asio::io_context io(1);
  CachedSession const session = over_network(io, open_backend(file.path()));
  CachedSession used = stores ? session : session.disabled();
  std::size_t number = 0;
  Meter meter = Meter::timed(2000, 0.5);
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i)
    spawn(io, fetch_loop(&used, url_of(arguments), arguments.has("distinct"), &number,
                         arguments.number("size"), &meter));
  io.run();
  return {{"rate", meter.rate()}};
}

asio::awaitable<void> stream_once(CachedSession* session, std::string url, std::size_t size, bool cached) {
  CachedStream stream = co_await session->get(url).stream();
  check(stream.from_cache() == cached);
  co_await drain(std::move(stream), size);
}

// The only entry of a file. The first one warms up.
Figures stream_hit(Arguments const& arguments) {
  asio::io_context io(1);
  CachedSession session = over_network(io, open_backend(arguments.text("file")));
  Peak const peak;
  double seconds = 0;
  for (int round = 0; round < 2; ++round) {
    auto const begin = Clock::now();
    spawn(io, stream_once(&session, entry_url(0), arguments.number("value-size"), true));
    io.restart();
    io.run();
    seconds = seconds_since(begin);
  }
  return {{"rate", 1 / seconds}, {"mib", peak.mib()}};
}

// From the network, with "stores" into a file.
Figures stream_fetch(Arguments const& arguments) {
  TemporaryFile const file(arguments);
  asio::io_context io(1);
  CachedSession const session = over_network(io, open_backend(file.path()));
  CachedSession used = arguments.has("stores") ? session : session.disabled();
  Peak const peak;
  auto const begin = Clock::now();
  spawn(io, stream_once(&used, url_of(arguments), arguments.number("size"), false));
  io.run();
  return {{"rate", 1 / seconds_since(begin)}, {"mib", peak.mib()}};
}

// After the first look-up.
Figures idle(Arguments const& arguments) {
  asio::io_context io(1);
  CachedSession session = over_network(io, open_backend(arguments.text("file")));
  Urls urls(1);
  Meter meter = Meter::counted(0, 1);
  spawn(io, hit_loop(&session, &urls, arguments.number("value-size"), &meter));
  io.run();
  return {{"mib", status_mib("VmRSS")}};
}

asio::awaitable<void> remove_all(SQLiteBackend* backend, std::size_t entries, double* seconds) {
  Url const first(entry_url(0));
  bool const there = co_await backend->has_url(first);  // the file is open
  check(there);
  auto const begin = Clock::now();
  std::uint64_t const removed =
      co_await backend->remove_expired(system_clock()->now() + std::chrono::hours(48));
  *seconds = seconds_since(begin);
  check(removed == entries);
  co_await backend->close();
}

// All entries of a copy of the file have expired.
Figures expire(Arguments const& arguments) {
  TemporaryFile const copy(arguments.with("file", arguments.text("scratch")));
  std::filesystem::copy_file(arguments.text("file"), copy.path());
  asio::io_context io(1);
  auto const backend = open_backend(copy.path());
  double seconds = 0;
  spawn(io, remove_all(backend.get(), arguments.number("entries"), &seconds));
  io.run();
  return {{"seconds", seconds}};
}

}  // namespace

void add_cached_sessions(Variants& variants) {
  variants["backend-fill"] = fill_backend;
  variants["hits"] = hits;
  variants["fetches"] = fetches;
  variants["stream-hit"] = stream_hit;
  variants["stream-fetch"] = stream_fetch;
  variants["idle"] = idle;
  variants["expire"] = expire;
}

}  // namespace bench
