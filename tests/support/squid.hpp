#pragma once
// A real HTTP proxy on the loopback.

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "support/temp_directory.hpp"

namespace test_support {

/// squid, without a cache of its own, for the user `me` with the password `p@ss`.
class Squid {
 public:
  Squid();
  Squid(Squid const&) = delete;
  Squid& operator=(Squid const&) = delete;
  ~Squid();

  /// @param user_info `me:p%40ss`.
  std::string url(std::string const& user_info) const {
    return "http://" + user_info + "@127.0.0.1:" + std::to_string(port_);
  }

 private:
  bool start();
  bool wait_for_listener() const;

  TempDirectory dir_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
  int output_ = -1;
};

}  // namespace test_support
