#pragma once
// A SOCKS5 proxy on the loopback. It reaches every name at 127.0.0.1, and records which was asked for.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace test_support {

class SocksServer {
 public:
  /// @param user Empty: nobody is asked who they are.
  explicit SocksServer(std::string user = {}, std::string password = {});
  SocksServer(SocksServer const&) = delete;
  SocksServer& operator=(SocksServer const&) = delete;
  ~SocksServer();

  /// @param user_info `user:password@`, or nothing.
  std::string url(std::string const& user_info = {}) const;
  /// `host:port`, in the order in which they were asked for.
  std::vector<std::string> targets() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace test_support
