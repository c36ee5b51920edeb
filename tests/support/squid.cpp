#include "support/squid.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace test_support {
namespace {

/// A port that is free just now.
std::uint16_t find_port() {
  int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  bool const found = fd >= 0 && ::bind(fd, any, size) == 0 && ::getsockname(fd, any, &size) == 0;
  ::close(fd);
  if (!found) throw std::runtime_error("no port is free");
  return ntohs(address.sin_port);
}

}  // namespace

Squid::Squid() {
  // As root, squid becomes another user, who has to reach its files.
  std::filesystem::permissions(dir_.path(), std::filesystem::perms(0755));
  // p@ss, by `openssl passwd -apr1`.
  std::ofstream(dir_.file("users")) << "me:$apr1$fj2PfCvp$uPXzN54iQPwwMX7CEMO6o.\n";
  // It can't take over a socket that listens already, nor take any port: another program may be faster.
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (start()) return;
  }
  throw std::runtime_error("squid can't be started");
}

bool Squid::start() {
  port_ = find_port();
  std::ofstream(dir_.file("conf"))
      << "http_port 127.0.0.1:" << port_ << "\n"
      << "auth_param basic program /usr/lib/squid/basic_ncsa_auth " << dir_.file("users") << "\n"
      << "acl known proxy_auth REQUIRED\n"
         "http_access allow known\n"
         "http_access deny all\n"
         "pid_filename none\naccess_log none\ncache_log /dev/null\n"
         "cache deny all\ncache_mem 8 MB\nnetdb_filename none\npinger_enable off\n"
         "shutdown_lifetime 0 seconds\nmax_filedescriptors 1024\n"
         "visible_hostname squid.test\ncoredump_dir /tmp\n";
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  std::vector<std::string> arguments = {"/usr/sbin/squid", "-N", "-d", "1", "-f", dir_.file("conf")};
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 2);
  int const failed = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  output_ = pipe[0];
  if (failed) throw std::runtime_error("squid is not installed");
  // It says when it is ready, or ends.
  std::string said;
  char buffer[4096];
  for (;;) {
    ssize_t const count = ::read(output_, buffer, sizeof buffer);
    if (count <= 0) break;
    said.append(buffer, static_cast<std::size_t>(count));
    // It says so just before it listens.
    if (said.find("Accepting HTTP Socket connections") != std::string::npos && wait_for_listener())
      return true;
  }
  ::close(output_);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  return false;
}

// False if it ends instead.
bool Squid::wait_for_listener() const {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  for (;;) {
    int const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool const listens = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    if (listens) return true;
    pollfd output{output_, 0, 0};  // hung up when it has ended
    if (::poll(&output, 1, 1) != 0) return false;
  }
}

Squid::~Squid() {
  ::kill(pid_, SIGKILL);  // it has nothing to save
  int status = 0;
  ::waitpid(pid_, &status, 0);
  ::close(output_);
}

}  // namespace test_support
