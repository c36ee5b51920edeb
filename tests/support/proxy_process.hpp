#pragma once
// examples/caching_proxy as a process of its own, and a client that decides each byte it sends.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/temp_directory.hpp"

namespace test_support {

/// A message as it arrived.
class Answer {
 public:
  Answer() = default;
  unsigned status = 0;
  /// Status line and header section, with the empty line.
  std::string head;
  /// Without the chunks' framing.
  std::string body;

  /// All fields of that name, in any case, joined by `|`; nothing where there is none.
  std::optional<std::string> header(std::string_view name) const;
};

/// A connection on the loopback. What does not come within a long time is an exception.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  void send(std::string_view bytes);
  /// The head of the next message.
  Answer read_head();
  /// That many bytes.
  std::string read(std::size_t count);
  /// All until the connection ends. @param reset Set to whether it ended by a reset.
  std::string read_to_end(bool* reset = nullptr);
  /// The next message that is not interim, with its body. @param method Of the request.
  Answer read_answer(std::string_view method = "GET");
  /// Sends a request without a body and reads its answer.
  Answer ask(std::string_view method, std::string_view target, std::string_view headers = {});
  Answer get(std::string_view target, std::string_view headers = {}) { return ask("GET", target, headers); }
  /// No more is sent; reading goes on.
  void shut_down();

 private:
  bool fill(bool* reset = nullptr);
  int fd_;
  std::string buffer_;
};

class ProxyProcess {
 public:
  /// @param origin Its URL. @param options Further arguments.
  explicit ProxyProcess(std::string const& origin, std::vector<std::string> options = {});
  ProxyProcess(ProxyProcess const&) = delete;
  ProxyProcess& operator=(ProxyProcess const&) = delete;
  /// Kills it, if nobody waited for its end.
  ~ProxyProcess();

  std::uint16_t port() const noexcept { return port_; }
  RawClient connect() const { return RawClient(port_); }
  Answer get(std::string_view target, std::string_view headers = {}) const {
    return connect().get(target, headers);
  }
  void terminate() const;
  /// Waits for its end. @return What it exited with, or 128 and the signal that ended it.
  int wait();
  /// The most memory that it ever had, in bytes.
  std::size_t peak_memory() const;

 private:
  TempDirectory directory_;
  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace test_support
