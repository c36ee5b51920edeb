#pragma once
// An HTTP origin on the loopback whose every byte the test decides. It runs in a thread of its own, and knows
// nothing of the library that it tests.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace test_support {

/// A request as it arrived.
class RecordedRequest {
 public:
  RecordedRequest() = default;
  std::string method;
  std::string target;
  /// Request line and header section, with the empty line.
  std::string head;
  /// The body, without the chunks' framing.
  std::string body;
  /// Which connection it came on, counted from 0.
  std::size_t connection = 0;

  /// The first field of that name in any case, or nothing.
  std::optional<std::string> header(std::string_view name) const;
};

/// What a scripted connection does next.
class Step {
 public:
  enum class Kind { receive, send, close, shut_down, reset };

  /// Waits for a whole request.
  static Step receive() { return Step(Kind::receive, {}); }
  static Step send(std::string bytes) { return Step(Kind::send, std::move(bytes)); }
  /// Closes; over TLS without close_notify.
  static Step close() { return Step(Kind::close, {}); }
  /// Over TLS: close_notify, and then closes.
  static Step shut_down() { return Step(Kind::shut_down, {}); }
  /// Closes with RST.
  static Step reset() { return Step(Kind::reset, {}); }

  Kind kind() const noexcept { return kind_; }
  std::string const& bytes() const noexcept { return bytes_; }

 private:
  Step(Kind kind, std::string bytes) : kind_(kind), bytes_(std::move(bytes)) {}

  Kind kind_;
  std::string bytes_;
};

/// The steps of one connection. After the last one it stays open and silent.
using Script = std::vector<Step>;

/// A response with Content-Length.
/// @param headers Lines, each with its CRLF: `"ETag: \"1\"\r\n"`.
std::string respond(unsigned status, std::string_view body, std::string_view headers = {});

/// Certificate and key of an origin that speaks TLS, in PEM files.
class TlsFiles {
 public:
  TlsFiles(std::string certificate, std::string key)
      : certificate_(std::move(certificate)), key_(std::move(key)) {}
  std::string const& certificate() const noexcept { return certificate_; }
  std::string const& key() const noexcept { return key_; }

 private:
  std::string certificate_;
  std::string key_;
};

class ScriptedOrigin {
 public:
  /// Answers one request; called on the origin's thread. An answer with a `Connection: close` field ends the
  /// connection.
  using Handler = std::function<std::string(RecordedRequest const&)>;

  /// Each connection runs the next of the scripts, those after the last run the last one again.
  explicit ScriptedOrigin(std::vector<Script> scripts, std::optional<TlsFiles> tls = std::nullopt);
  /// Answers every request by `handler`, on persistent connections.
  explicit ScriptedOrigin(Handler handler, std::optional<TlsFiles> tls = std::nullopt);
  ScriptedOrigin(ScriptedOrigin const&) = delete;
  ScriptedOrigin& operator=(ScriptedOrigin const&) = delete;
  ~ScriptedOrigin();

  std::uint16_t port() const noexcept;
  /// `http://127.0.0.1:PORT` and the target; https for an origin that speaks TLS.
  std::string url(std::string_view target = "/") const;
  /// The same with another name for the loopback.
  std::string url_at(std::string_view host, std::string_view target = "/") const;

  std::vector<RecordedRequest> requests() const;
  std::size_t request_count() const;
  /// How many connections have been accepted.
  std::size_t connection_count() const;
  /// How many of them are open.
  std::size_t open_count() const;
  /// Waits until that many connections are open; false when they have not become so for long.
  bool wait_for_open(std::size_t count) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace test_support
