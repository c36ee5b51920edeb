#pragma once
/// \file response.hpp
/// A response: its head, its head with a stream, and the whole of it.

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/status.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/detail/copy_on_write.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/cookie.hpp"
#include "beast_cache/http/link.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {

class JsonTag;

/// What `StreamedResponse::save_to` does.
asio::awaitable<std::uint64_t> save_body(std::unique_ptr<BodyReader> body, std::string path);

}  // namespace detail

/// Status line and header fields of a response, and where it came from.
///
/// Thread safety: distinct objects: safe; shared objects: const members safe.
class ResponseHead {
 public:
  /// No response: status 0. What a completion handler gets beside an error.
  ResponseHead() = default;

  /// @param url The URL that was requested in the end, after redirects.
  /// @param version 11 for HTTP/1.1, 10 for HTTP/1.0.
  ResponseHead(Url url, unsigned status, std::string reason, http::fields headers, unsigned version = 11)
      : url_(std::move(url)),
        status_(status),
        version_(version),
        reason_(std::move(reason)),
        headers_(std::move(headers)) {}

  unsigned status() const noexcept { return status_; }
  std::string const& reason() const noexcept { return reason_; }
  unsigned version() const noexcept { return version_; }
  /// True below 400.
  bool ok() const noexcept { return status_ < 400; }
  /// Copies of the head share them until they are asked for to be changed.
  http::fields const& headers() const noexcept { return *headers_; }
  http::fields& headers() { return headers_.edit(); }
  /// The first field of that name, or an empty view.
  std::string_view header(std::string_view name) const {
    auto const value = headers()[{name.data(), name.size()}];
    return {value.data(), value.size()};
  }
  Url const& url() const noexcept { return url_; }
  void set_url(Url url) { url_ = std::move(url); }
  /// The redirects that were followed, first one first.
  std::vector<ResponseHead> const& history() const noexcept { return history_; }
  void set_history(std::vector<ResponseHead> history) { history_ = std::move(history); }

  /// How long it took from sending the request to the end of this head, redirects included.
  std::chrono::nanoseconds elapsed() const noexcept { return elapsed_; }
  void set_elapsed(std::chrono::nanoseconds elapsed) { elapsed_ = elapsed; }

  /// The links of all Link fields, their targets as absolute URLs. Source: RFC 8288.
  std::vector<Link> links() const;
  /// What the Set-Cookie fields say. Source: RFC 6265bis section 5.6.
  std::vector<Cookie> cookies() const;
  /// The charset that Content-Type names, in lower case, or nothing.
  std::string charset() const;

  /// Turns a status of 400 and more into an exception.
  /// Errors: `Error` with `http_errc::status`, naming status and URL, but not its query.
  void raise_for_status() const {
    if (!ok())
      throw Error(http_errc::status,
                  std::string(url_.without_query()) + ": " + std::to_string(status_) + " " + reason_);
  }

 private:
  Url url_;
  unsigned status_ = 0;
  unsigned version_ = 11;
  std::string reason_;
  detail::CopyOnWrite<http::fields> headers_;
  std::vector<ResponseHead> history_;
  std::chrono::nanoseconds elapsed_{0};
};

/// A response whose body is still to be read.
///
/// Thread safety: one operation at a time.
class StreamedResponse : public ResponseHead {
 public:
  StreamedResponse() = default;
  StreamedResponse(ResponseHead head, std::unique_ptr<BodyReader> body)
      : ResponseHead(std::move(head)), body_(std::move(body)) {}

  /// The body; never null in a response that was received, until `take_body()`.
  BodyReader& body() noexcept { return *body_; }
  std::unique_ptr<BodyReader> take_body() noexcept { return std::move(body_); }

  /// Reads at least one byte of the body; 0 at its end. As `BodyReader::read_some`.
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer buffer) { return body_->read_some(buffer); }

  /// Reads the rest of the body into a file, which takes its name, in place of any other, once it is complete
  /// and on the disk. Until then it is in the same directory, under a name that begins with this one.
  /// @return The number of bytes.
  /// Errors: the body's; `Error` with the operating system's code, naming the path. Cancellation: all types.
  /// Neither leaves anything behind, or touches what had the name. Executor and hops: the file is written on
  /// the executor that reads the body.
  asio::awaitable<std::uint64_t> save_to(std::string path) {
    return detail::save_body(take_body(), std::move(path));
  }

 private:
  std::unique_ptr<BodyReader> body_;
};

/// A whole response, its body in memory.
///
/// Thread safety: distinct objects: safe, copies share the body; shared objects: const members safe.
class Response : public ResponseHead {
 public:
  Response() : Response(ResponseHead(), std::string()) {}
  Response(ResponseHead head, std::string body)
      : Response(std::move(head), std::make_shared<std::string const>(std::move(body))) {}
  Response(ResponseHead head, std::shared_ptr<std::string const> body)
      : ResponseHead(std::move(head)), body_(std::move(body)) {}

  /// The body's bytes, as often as wanted.
  std::string const& body() const noexcept { return *body_; }
  std::shared_ptr<std::string const> const& shared_body() const noexcept { return body_; }

  /// The body as UTF-8: from UTF-8 as it stands (also where no charset is named), from ISO-8859-1 and
  /// US-ASCII, which mean windows-1252, and from UTF-16. A byte order mark counts more than Content-Type, and
  /// goes. Errors: `http_errc::unknown_charset` for any other.
  std::string text() const;

  /// The body as a `boost::json::value`; needs `beast_cache/session/json.hpp`.
  /// Errors: `Error` with Boost.JSON's code.
  template <class Tag = detail::JsonTag>
  auto json() const {
    return json_value(Tag(), *this);
  }

 private:
  std::shared_ptr<std::string const> body_;
};

}  // namespace v1
}  // namespace beast_cache
