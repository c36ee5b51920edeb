// The whole way of a response: whatever a server sends, and however it is split, a session ends with the same
// answer or the same error, and nothing that an answer offers does worse than throw.

#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "beast_cache/session/client_session.hpp"
#include "beast_cache/session/cookie_jar.hpp"
#include "beast_cache/session/json.hpp"
#include "fuzz/fuzz.hpp"

using namespace beast_cache;
using Local = asio::local::stream_protocol;

namespace {

/// A server that sends what it is told, whoever asks.
class Server {
 public:
  Server() : path_("/tmp/fuzz_response." + std::to_string(::getpid())) {
    ::unlink(path_.c_str());
    acceptor_.open();
    acceptor_.bind(Local::endpoint(path_));
    acceptor_.listen();
    acceptor_.non_blocking(true);
    for (char const c : path_) url_ += c == '/' ? std::string("%2F") : std::string(1, c);
  }
  ~Server() { ::unlink(path_.c_str()); }

  /// What a GET ends with, when the bytes arrive in pieces of that size.
  std::string outcome(std::string_view bytes, std::size_t piece) {
    std::string text;
    bool done = false;
    io_.restart();
    ClientOptions options;
    options.max_redirects(0).max_body_size(1u << 20).max_header_size(4096);
    options.cookie_jar(std::make_shared<CookieJar>());
    ClientSession session(io_.get_executor(), std::move(options));
    session.get(url_).send([&](error_code ec, Response const& response) {
      done = true;
      text = ec ? ec.to_string() : describe(response);
    });
    Local::socket socket(io_);
    for (error_code ec = asio::error::would_block; ec;) {
      io_.poll();
      acceptor_.accept(socket, ec);
    }
    while (!bytes.empty() && !done) {
      std::string_view const next = bytes.substr(0, piece);
      error_code ignored;
      asio::write(socket, asio::buffer(next.data(), next.size()), ignored);
      bytes.remove_prefix(next.size());
      io_.poll();
    }
    error_code ignored;
    socket.shutdown(Local::socket::shutdown_send, ignored);
    while (!done) io_.run_one();
    return text;
  }

 private:
  template <class Read>
  static std::string attempt(Read read) {
    try {
      return read();
    } catch (boost::system::system_error const& e) {
      return e.code().to_string();
    }
  }

  static std::string describe(Response const& response) {
    fuzz::require(response.status() >= 200 && response.status() <= 999);
    std::string text = std::to_string(response.status()) + response.reason() + "|" + response.charset();
    for (auto const& field : response.headers())
      text.append("|").append(field.name_string()).append(":").append(field.value());
    for (Cookie const& cookie : response.cookies()) text += "|" + cookie.name() + "=" + cookie.value();
    for (Link const& link : response.links()) text += "|" + link.target();
    text += "|" + response.body();
    text += "|" + attempt([&] { return response.text(); });
    text += "|" + attempt([&] { return boost::json::serialize(response.json()); });
    attempt([&] { return response.raise_for_status(), std::string(); });
    return text;
  }

  std::string path_;
  std::string url_ = "http+unix://";
  asio::io_context io_;
  Local::acceptor acceptor_{io_};
};

}  // namespace

int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static Server server;
  if (size == 0 || size > 2000) return 0;
  std::size_t const piece = 1 + data[0] % 64;
  std::string_view const bytes = fuzz::text_of(data + 1, size - 1);
  fuzz::require(server.outcome(bytes, bytes.size()) == server.outcome(bytes, piece));
  return 0;
}
