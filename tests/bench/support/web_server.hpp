#pragma once
// nginx on the loopback with files of known sizes: what the session and backend suites ask.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace bench {

class WebServer {
 public:
  /// Keeps its files in \p directory, which it makes anew and removes. With an \p origin (a URL) it passes
  /// requests on to that, and keeps the answers in a cache.
  explicit WebServer(std::string directory, std::string const& origin = std::string());
  WebServer(WebServer const&) = delete;
  WebServer& operator=(WebServer const&) = delete;
  ~WebServer();

  /// A file of so many bytes, made at once; with `Cache-Control: max-age=3600` where \p cacheable.
  std::string url(std::size_t size, bool cacheable = false);
  /// The path of that file.
  std::string file(std::size_t size, bool cacheable = false);
  std::uint16_t port() const noexcept { return port_; }

 private:
  std::string directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace bench
