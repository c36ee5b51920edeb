#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "beast_cache/session/client_session.hpp"
#include "session_variants.hpp"
#include "support/allocations.hpp"
#include "support/meter.hpp"
#include "support/process.hpp"
#include "support/report.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
using beast_cache::ClientOptions;
using beast_cache::ClientSession;

void spawn(asio::io_context& io, asio::awaitable<void> work) {
  asio::co_spawn(io, std::move(work), [](std::exception_ptr error) {
    if (error) std::rethrow_exception(error);
  });
}

std::string url_of(Arguments const& arguments) {
  return "http://127.0.0.1:" + arguments.text("port") + arguments.text("path");
}

asio::awaitable<void> fetch_loop(ClientSession* session, std::string const* url, std::size_t size,
                                 Meter* meter) {
  while (meter->next()) {
    beast_cache::Response const response = co_await session->get(*url);
    if (response.status() != 200 || response.body().size() != size)
      throw std::runtime_error("another answer");
  }
}

Figures fetch(Arguments const& arguments) {
  asio::io_context io(1);
  ClientSession session(io.get_executor());
  std::string const url = url_of(arguments);
  std::size_t const in_flight = arguments.number("in-flight");
  Meter meter = Meter::timed(arguments.number("warm-up"), 0.5);
  for (std::size_t i = 0; i < in_flight; ++i)
    spawn(io, fetch_loop(&session, &url, arguments.number("size"), &meter));
  io.run();
  return {{"rate", meter.rate()}};
}

// The body's own allocation is one of them.
Figures allocations_of_fetch(Arguments const& arguments) {
  asio::io_context io(1);
  ClientSession session(io.get_executor());
  std::string const url = url_of(arguments);
  constexpr std::size_t requests = 5000;
  double each = 0;
  for (int round = 0; round < 2; ++round) {  // the first one warms up
    Meter meter = Meter::counted(0, requests);
    for (std::size_t i = 0; i < arguments.number("in-flight"); ++i)
      spawn(io, fetch_loop(&session, &url, arguments.number("size"), &meter));
    count_allocations(true);
    std::size_t const before = allocations();
    io.restart();
    io.run();
    each = static_cast<double>(allocations() - before) / requests;
    count_allocations(false);
  }
  return {{"allocations", each}};
}

asio::awaitable<void> save(ClientSession* session, std::string url, std::string path, bool by_hand) {
  auto stream = co_await session->get(url).stream();
  if (!by_hand) {
    co_await stream.save_to(std::move(path));
    co_return;
  }
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::fopen(path.c_str(), "wb"), std::fclose);
  std::string buffer(std::size_t{65536}, '\0');
  std::size_t count = 1;
  while (count != 0) {
    count = co_await stream.read_some(asio::buffer(buffer));
    if (std::fwrite(buffer.data(), 1, count, file.get()) != count) throw std::runtime_error("fwrite");
  }
}

Figures save_to_file(Arguments const& arguments) {
  asio::io_context io(1);
  ClientSession session(io.get_executor());
  Peak const peak;
  auto const begin = Clock::now();
  spawn(io, save(&session, url_of(arguments), arguments.text("file"), arguments.has("by-hand")));
  io.run();
  double const rate = 1 / seconds_since(begin);
  std::remove(arguments.text("file").c_str());
  return {{"rate", rate}, {"mib", peak.mib()}};
}

asio::awaitable<void> fetch_once(ClientSession* session, std::string const* url, Clock::time_point begin,
                                 std::vector<double>* times) {
  beast_cache::Response const response = co_await session->get(*url);
  if (response.status() == 200) times->push_back(seconds_since(begin));
}

// All at once.
Figures crowd(Arguments const& arguments) {
  asio::io_context io(1);
  ClientSession session(io.get_executor());
  std::string const url = url_of(arguments);
  std::size_t const requests = arguments.number("requests");
  std::vector<double> times;
  times.reserve(requests);
  Peak const peak;
  auto const begin = Clock::now();
  for (std::size_t i = 0; i < requests; ++i) spawn(io, fetch_once(&session, &url, begin, &times));
  io.run();
  return {{"rate", static_cast<double>(times.size()) / times.back()},
          {"answered", static_cast<double>(times.size()) / static_cast<double>(requests)},
          {"last", times.back() / quantile(times, 0.5)},
          {"mib", peak.mib()}};
}

}  // namespace

void add_our_clients(Variants& variants) {
  variants["ours-fetch"] = fetch;
  variants["ours-allocations"] = allocations_of_fetch;
  variants["ours-save"] = save_to_file;
  variants["ours-crowd"] = crowd;
}

}  // namespace bench
