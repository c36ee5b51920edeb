#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <stdexcept>

#include "session_variants.hpp"
#include "support/meter.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

class Target {
 public:
  explicit Target(Arguments const& arguments)
      : port(static_cast<std::uint16_t>(arguments.number("port"))),
        path(arguments.text("path")),
        size(arguments.number("size")) {}
  std::uint16_t port;
  std::string path;
  std::size_t size;
};

// One connection that is kept, with the deadline that a careful user sets for each exchange.
asio::awaitable<void> fetch_loop(Target const* target, Meter* meter) {
  asio::any_io_executor const executor = co_await asio::this_coro::executor;
  beast::tcp_stream stream(executor);
  tcp::endpoint const endpoint(asio::ip::address_v4::loopback(), target->port);
  co_await stream.async_connect(endpoint, asio::use_awaitable);
  stream.socket().set_option(tcp::no_delay(true));
  beast::flat_buffer buffer;
  while (meter->next()) {
    stream.expires_after(std::chrono::seconds(30));
    http::request<http::empty_body> request(http::verb::get, target->path, 11);
    request.set(http::field::host, "127.0.0.1:" + std::to_string(target->port));
    request.set(http::field::user_agent, "beast");
    co_await http::async_write(stream, request, asio::use_awaitable);
    http::response<http::string_body> response;
    co_await http::async_read(stream, buffer, response, asio::use_awaitable);
    if (response.result_int() != 200 || response.body().size() != target->size)
      throw std::runtime_error("another answer");
  }
}

Figures fetch(Arguments const& arguments) {
  Target const target(arguments);
  Meter meter = Meter::timed(arguments.number("warm-up"), 0.5);
  asio::io_context io(1);
  for (std::size_t i = 0; i < arguments.number("in-flight"); ++i) {
    asio::co_spawn(io, fetch_loop(&target, &meter), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
  }
  io.run();
  return {{"rate", meter.rate()}};
}

}  // namespace

void add_beast_clients(Variants& variants) {
  variants["beast-fetch"] = fetch;
}

}  // namespace bench
