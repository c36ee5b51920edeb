#pragma once
/// \file http_client.hpp
/// What a client has to offer so that a cache can stand in front of it.

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "beast_cache/clock.hpp"
#include "beast_cache/config.hpp"
#include "beast_cache/http/request.hpp"
#include "beast_cache/http/response.hpp"

namespace beast_cache {
inline namespace v1 {

/// Something that answers HTTP requests: `ClientSession`, `CachedSession`, or a user's own client.
///
/// Executor and hops: `send` is awaited on the caller's executor and resumes there. Where that executor runs
/// on several threads, await it on a strand. Thread safety: `send` may be called from any thread, and again
/// before an earlier call has completed.
class HttpClient {
 public:
  HttpClient() = default;
  HttpClient(HttpClient const&) = default;
  HttpClient& operator=(HttpClient const&) = default;
  virtual ~HttpClient() = default;

  /// Sends `request` and completes as soon as the head of the final response is there.
  ///
  /// Redirects are followed as `request.redirects()` says; a client that follows none may ignore it, since
  /// `CachedSession` asks for single hops and follows them itself.
  /// @return The head, with a reader for the body; the reader keeps alive what it reads from.
  /// Errors: `Error` with an `http_errc` when there is no response; 4xx and 5xx are responses.
  /// Cancellation: all types; the connection is closed.
  virtual asio::awaitable<StreamedResponse> send(Request request) = 0;

  /// Adds the header fields that this client sends by default and the caller has not set, so that a cache in
  /// front judges `Vary` by what the origin will see. `send` adds them as well. Where it adds Accept-Encoding
  /// it sets `Request::decompression()`: the cache keeps the coded bytes, and decodes for its caller.
  virtual void prepare(Request& request) const { static_cast<void>(request); }

  /// The URL that a request's text means: a client with a base URL takes relative ones.
  /// Errors: `http_errc::invalid_url`.
  virtual Url resolve(std::string_view text) const { return Url(text); }

  /// What the client does where a request does not say; a cache in front follows the redirects in its place
  /// and reads whole bodies.
  virtual unsigned max_redirects() const { return 10; }
  /// Whether redirects from https to http are followed.
  virtual bool allow_downgrade() const { return false; }
  /// The largest body that is read into memory as a whole, in bytes.
  virtual std::uint64_t max_body_size() const { return std::numeric_limits<std::uint64_t>::max(); }

  /// How long a request may take that does not say so itself; none for no limit. A cache in front gives the
  /// hops of a redirect what is left of it.
  virtual std::optional<std::chrono::milliseconds> timeout() const { return std::nullopt; }

  /// Takes over the cookies of a response that came out of a cache in front
  /// (`CacheOptions::restore_cookies`). A client that keeps none ignores it. @param received When the
  /// response came from the origin.
  virtual void restore_cookies(Url const& url, http::fields const& response, TimePoint received) {
    static_cast<void>(url);
    static_cast<void>(response);
    static_cast<void>(received);
  }

  /// Gives up what the client holds (idle connections, files). Requests under way end with
  /// `http_errc::closed` or complete; later ones fail with `http_errc::closed`. Closing twice is fine.
  virtual asio::awaitable<void> close() { co_return; }
};

}  // namespace v1
}  // namespace beast_cache
