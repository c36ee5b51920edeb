// A small HTTP origin on the loopback for the other examples: prints its address, then serves until it is
// killed. usage: origin [DELAY_MS]     every answer waits that long, as if the origin were far away
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <iostream>
#include <string>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

// Each path shows another of the caching rules.
Response answer(Request const& request) {
  std::string const path(request.target());
  Response response(http::status::ok, request.version());
  response.set(http::field::content_type, "text/plain");
  if (path == "/checked") {  // may be stored, and has to be validated each time
    response.set(http::field::cache_control, "no-cache");
    response.set(http::field::etag, "\"v1\"");
    if (request[http::field::if_none_match] == "\"v1\"")
      response.result(http::status::not_modified);
    else
      response.body() = std::string(20'000, 'c');
  } else if (path == "/greeting") {  // depends on a header field of the request
    response.set(http::field::cache_control, "max-age=3600");
    response.set(http::field::vary, "Accept-Language");
    response.body() = request[http::field::accept_language] == "fr" ? "bonjour" : "hello";
  } else if (path == "/secret") {  // may not be stored
    response.set(http::field::cache_control, "no-store");
    response.body() = "for your eyes only";
  } else if (path == "/moved") {
    response.result(http::status::moved_permanently);
    response.set(http::field::cache_control, "max-age=3600");
    response.set(http::field::location, "/page");
  } else if (path.starts_with("/page") || path.starts_with("/item/")) {
    response.set(http::field::cache_control, "max-age=3600");
    response.body() = std::string(1'000, 'p');
  } else {
    response.result(http::status::not_found);
    response.body() = "there is no " + path;
  }
  response.keep_alive(request.keep_alive());
  response.prepare_payload();
  return response;
}

asio::awaitable<void> serve(tcp::socket socket, std::chrono::milliseconds delay) {
  asio::steady_timer timer(socket.get_executor());
  beast::tcp_stream stream(std::move(socket));
  beast::flat_buffer buffer;
  for (bool keep = true; keep;) {
    Request request;
    co_await http::async_read(stream, buffer, request, asio::use_awaitable);
    if (delay.count() > 0) {
      timer.expires_after(delay);
      co_await timer.async_wait(asio::use_awaitable);
    }
    Response response = answer(request);
    co_await http::async_write(stream, response, asio::use_awaitable);
    keep = response.keep_alive();
  }
}

asio::awaitable<void> listen(tcp::acceptor acceptor, std::chrono::milliseconds delay) {
  for (;;) {
    tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    socket.set_option(tcp::no_delay(true));
    auto const executor = socket.get_executor();
    asio::co_spawn(executor, serve(std::move(socket), delay), asio::detached);  // a closed connection ends it
  }
}

int main(int argc, char** argv) {
  asio::io_context io(1);
  tcp::acceptor acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  std::cout << "http://127.0.0.1:" << acceptor.local_endpoint().port() << std::endl;
  std::chrono::milliseconds const delay(argc > 1 ? std::atoi(argv[1]) : 0);
  asio::co_spawn(io, listen(std::move(acceptor), delay), asio::detached);
  io.run();
}
