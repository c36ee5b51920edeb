// A cache in front of your own HTTP client: derive from HttpClient and give it to CachedSession.
// usage: own_client URL
#include <beast_cache/beast_cache.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <iostream>

#include "support/run.hpp"

using namespace beast_cache;
namespace beast = boost::beast;

// The client that the program had before: one connection for each request, whole bodies, http only.
asio::awaitable<http::response<http::string_body>> exchange(http::request<http::string_body> request,
                                                            std::string host, std::string port) {
  auto const executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  auto const addresses = co_await resolver.async_resolve(host, port, asio::use_awaitable);
  beast::tcp_stream stream(executor);
  stream.expires_after(std::chrono::seconds(30));
  co_await stream.async_connect(addresses, asio::use_awaitable);
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.skip(request.method() == http::verb::head);  // its answer has no body, whatever its header says
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  co_return parser.release();
}

// What makes it an HttpClient: from the library's Request to Beast's, and back. It follows no redirects,
// since CachedSession does that itself; and what it throws reaches the caller, or lets a stale answer stand
// in.
class PlainClient final : public HttpClient {
 public:
  asio::awaitable<StreamedResponse> send(Request request) override { return send_to(std::move(request)); }

 private:
  static asio::awaitable<StreamedResponse> send_to(Request request) {
    Url const url = request.url();
    if (url.is_secure()) throw Error(http_errc::invalid_url, url.str() + ": this client speaks no https");
    http::request<http::string_body> message(request.method(), url.target(), 11);
    for (auto const& field : request.headers())
      message.insert(field.name(), field.name_string(), field.value());
    message.set(http::field::host, url.authority());
    message.set(http::field::connection, "close");
    message.body() = co_await read_all(request.body().open());
    message.prepare_payload();
    http::response<http::string_body> answer =
        co_await exchange(std::move(message), std::string(url.host_name()), std::to_string(url.port()));
    // The header fields are Beast's own type on both sides: they are moved, not converted.
    ResponseHead head(url, answer.result_int(), std::string(answer.reason()),
                      static_cast<http::fields&&>(answer.base()));
    co_return StreamedResponse(std::move(head), std::make_unique<StringReader>(std::move(answer.body())));
  }
};

asio::awaitable<void> fetch_twice(std::string url) {
  auto const executor = co_await asio::this_coro::executor;
  CachedSession session(executor, std::make_shared<PlainClient>(), SQLiteBackend("own_client"));
  for (int i = 0; i < 2; ++i) {
    CachedResponse response = co_await session.get(url).header("Accept", "text/plain");
    std::cout << response.status() << "  " << response.body().size() << " bytes  " << response.cache_status()
              << '\n';
  }
  co_await session.close();
}

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: own_client URL\n", 2;
  return run(fetch_twice(argv[1]));
}
