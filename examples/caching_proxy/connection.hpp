#pragma once
// One client's connection to the proxy.

#include <atomic>
#include <beast_cache/session/cached_session.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// What all connections share.
struct Site {
  Site(beast_cache::CachedSession s, beast_cache::Url o) : session(std::move(s)), origin(std::move(o)) {}
  beast_cache::CachedSession session;
  beast_cache::Url origin;
  std::atomic<bool> draining = false;
};

/// Reads requests one after another, has the session answer each, and passes the answer on.
///
/// All of it runs on the socket's executor, on one thread at a time.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<Site> site);

  /// Until the client or a fault ends it.
  static boost::asio::awaitable<void> run(std::shared_ptr<Connection> self);
  /// Ends the connection if it waits for a request; otherwise it ends after the answer, since
  /// `Site::draining` is set. From any thread.
  void drain();

 private:
  template <class T>
  using awaitable = boost::asio::awaitable<T>;
  using error_code = beast_cache::error_code;
  class Upload;
  /// How the client finds the end of an answer's body.
  enum class Framing { none, length, chunked, until_close };

  using Clock = std::chrono::steady_clock;
  /// Closes the connection when a time is up. One timer for all that is waited for: to set one for each read
  /// and each write, and to cancel it, takes longer than to look at the clock.
  static awaitable<void> watch(std::shared_ptr<Connection> self);
  awaitable<bool> serve_one();
  awaitable<error_code> read_head();
  awaitable<std::size_t> read_body(boost::asio::mutable_buffer buffer);

  awaitable<bool> pass_on(beast_cache::StreamedResponse response);
  awaitable<bool> pass_body(beast_cache::BodyReader& body, Framing framing);
  awaitable<bool> refuse(unsigned status, std::string reason);
  awaitable<bool> write(std::string_view first, std::string_view second = {}, std::string_view third = {});
  void write_interim(std::string_view text);
  Framing finish_head(boost::beast::http::fields& fields, unsigned status,
                      std::optional<std::uint64_t> length);
  awaitable<void> linger();
  void reset();
  void end() noexcept;

  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::shared_ptr<Site> site_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::buffer_body>> parser_;
  boost::asio::steady_timer watchdog_;
  Clock::time_point read_until_ = Clock::time_point::max();
  Clock::time_point write_until_ = Clock::time_point::max();
  unsigned turn_ = 0;  // counts the stretches in which an interim response may be written
  bool waits_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
  bool lingers_ = false;
  error_code upload_error_;
  std::string unsent_;  // interim responses that the socket did not take at once
};
