#pragma once
/// \file response.hpp
/// A response: its head, its head with a stream, and the whole of it.

#include <boost/asio/awaitable.hpp>
#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/status.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"
#include "beast_cache/error.hpp"
#include "beast_cache/http/body.hpp"
#include "beast_cache/http/url.hpp"

namespace beast_cache {
inline namespace v1 {

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
  http::fields const& headers() const noexcept { return headers_; }
  http::fields& headers() noexcept { return headers_; }
  /// The first field of that name, or an empty view.
  std::string_view header(std::string_view name) const {
    auto const value = headers_[{name.data(), name.size()}];
    return {value.data(), value.size()};
  }
  Url const& url() const noexcept { return url_; }
  void set_url(Url url) { url_ = std::move(url); }
  /// The redirects that were followed, first one first.
  std::vector<ResponseHead> const& history() const noexcept { return history_; }
  void set_history(std::vector<ResponseHead> history) { history_ = std::move(history); }

  /// Turns a status of 400 and more into an exception.
  /// Errors: `Error` with `http_errc::status`, naming status and URL.
  void raise_for_status() const {
    if (!ok())
      throw Error(http_errc::status, url_.str() + " answered " + std::to_string(status_) + " " + reason_);
  }

 private:
  Url url_;
  unsigned status_ = 0;
  unsigned version_ = 11;
  std::string reason_;
  http::fields headers_;
  std::vector<ResponseHead> history_;
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

 private:
  std::shared_ptr<std::string const> body_;
};

}  // namespace v1
}  // namespace beast_cache
