#pragma once
/// \file client_session.hpp
/// An HTTP/1.1 client: pooled connections, TLS, redirects, timeouts.

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <utility>

#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/http/response.hpp"
#include "beast_cache/session/client_options.hpp"
#include "beast_cache/session/http_client.hpp"
#include "beast_cache/session/request_builder.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {

class ConnectionPool;
class ExchangeRecord;

/// A plain session has no directives beside the request's own.
class NoDirectives {
 public:
  NoDirectives() noexcept {}
};

/// What the requests of a `ClientSession` share. It outlives the session while a request is under way.
class ClientCore : public std::enable_shared_from_this<ClientCore> {
 public:
  using response_type = Response;
  using stream_type = StreamedResponse;
  using options_type = NoDirectives;

  ClientCore(asio::any_io_executor executor, ClientOptions options);
  ClientCore(ClientCore const&) = delete;
  ClientCore& operator=(ClientCore const&) = delete;
  ~ClientCore();

  asio::any_io_executor get_executor() const noexcept { return executor_; }

  /// Answers a request, redirects followed. The core has to live until the operation is done.
  asio::awaitable<StreamedResponse> start(Request request, NoDirectives directives);
  /// Reads an answer's body to its end.
  asio::awaitable<Response> finish(StreamedResponse stream);
  void prepare(Request& request) const;
  void restore_cookies(Url const& url, http::fields const& response, TimePoint received) const;
  Url resolve(std::string_view text) const;
  ClientOptions const& options() const noexcept { return options_; }
  void close() noexcept;

 private:
  void add_default_fields(Request& request) const;
  /// @param last Of the hop before, or null.
  std::shared_ptr<ExchangeRecord> next_record(ExchangeRecord const* last, Request const& request);

  asio::any_io_executor executor_;
  ClientOptions options_;
  std::shared_ptr<ConnectionPool> pool_;
  Request defaults_;                         // what a request without fields of its own is sent as
  std::atomic<std::uint64_t> observed_ = 0;  // requests
};

}  // namespace detail

/// An HTTP/1.1 client over TCP, TLS and Unix-domain sockets (`http+unix://%2Frun%2Fx.sock/path`).
///
///     ClientSession session{co_await asio::this_coro::executor};
///     auto response = co_await session.get("https://example.org/").header("Accept", "text/html");
///     response.status(); response.body();
///
/// Connections are kept alive and reused per origin. A request whose reused connection turns out to be dead
/// before the first byte of an answer is sent once more on a new one, if it is idempotent and its body
/// repeatable. Redirects are followed, without credentials and without the caller's own header fields where
/// they lead to another origin. Certificate and host name of an https server are always verified.
///
/// Host, Content-Length, Transfer-Encoding, Connection, Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade
/// and Expect are the client's own: a request that sets one fails with `http_errc::injection`;
/// Proxy-Authorization is left out, a proxy's credentials stand in its URL. User information in a URL is sent
/// as Basic authorization unless the request sets Authorization.
///
/// It is a handle: copies share everything, and requests under way outlive it.
///
/// Errors: `Error` with an `http_errc`; `what()` names the URL's origin, never its user information.
/// Cancellation: all types, at every step; the connection is closed. A name lookup that the operating system
/// is working on goes on in the background, where it is ignored.
/// Executor and hops: no hop: an operation runs and completes on the awaiting coroutine's executor. The
/// session's executor runs the timers, and must belong to a context that is run.
/// Thread safety: distinct objects: safe; shared objects: requests may be made from any thread, also on a
/// context that several threads run. The context must not be destroyed before the last `StreamedResponse`;
/// a session may outlive it, unless the session's executor is a strand. A request that was made on another
/// context waits in the session's: the other one must not be destroyed before the request has completed.
class ClientSession : public HttpClient, public RequestMethods<ClientSession, detail::ClientCore> {
 public:
  explicit ClientSession(asio::any_io_executor executor, ClientOptions options = {})
      : core_(std::make_shared<detail::ClientCore>(std::move(executor), std::move(options))) {}

  asio::awaitable<StreamedResponse> send(Request request) override {
    return send_through(core_, std::move(request));
  }
  /// Adds User-Agent, Accept and Accept-Encoding as the options say, and Authorization from the URL's user
  /// information, where they are missing.
  void prepare(Request& request) const override { core_->prepare(request); }
  Url resolve(std::string_view text) const override { return core_->resolve(text); }
  unsigned max_redirects() const override { return core_->options().max_redirects(); }
  bool allow_downgrade() const override { return core_->options().allow_downgrade(); }
  std::uint64_t max_body_size() const override { return core_->options().max_body_size(); }
  std::optional<std::chrono::milliseconds> timeout() const override { return core_->options().timeout(); }
  void restore_cookies(Url const& url, http::fields const& response, TimePoint received) override {
    core_->restore_cookies(url, response, received);
  }

  /// Closes the idle connections. Requests under way complete; those that wait for a connection and later
  /// ones fail with `http_errc::closed`. Closing twice is fine.
  asio::awaitable<void> close() override { return close_core(core_); }

  std::shared_ptr<detail::ClientCore> const& core() const noexcept { return core_; }

 private:
  static asio::awaitable<StreamedResponse> send_through(std::shared_ptr<detail::ClientCore> core,
                                                        Request request);
  static asio::awaitable<void> close_core(std::shared_ptr<detail::ClientCore> core);

  std::shared_ptr<detail::ClientCore> core_;
};

}  // namespace v1
}  // namespace beast_cache
