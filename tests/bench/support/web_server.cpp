#include "support/web_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {
namespace {

// nginx takes over a socket that listens already, as when its program is upgraded: no port is lost meanwhile.
int listen_somewhere(std::uint16_t& port) {
  int const fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (fd < 0 || ::bind(fd, any, size) != 0 || ::listen(fd, 4096) != 0 || ::getsockname(fd, any, &size) != 0)
    throw std::runtime_error("no socket to listen on");
  port = ntohs(address.sin_port);
  return fd;
}

}  // namespace

WebServer::WebServer(std::string directory, std::string const& origin)
    : directory_(std::filesystem::absolute(std::move(directory)).string()) {
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directories(directory_ + "/cacheable");
  int const fd = listen_somewhere(port_);
  {
    std::ofstream config(directory_ + "/nginx.conf");
    if (::geteuid() == 0) config << "user root;\n";
    config << "daemon off; worker_processes 1; pid " << directory_ << "/pid; error_log stderr crit;\n"
           << "events { worker_connections 16384; }\nhttp { access_log off; sendfile on; tcp_nopush on;\n"
           << "keepalive_requests 1000000000; keepalive_timeout 1h; open_file_cache max=2000;\n";
    for (char const* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
      config << kind << "_temp_path " << directory_ << "/" << kind << ";\n";
    if (origin.empty()) {
      config << "server { listen 127.0.0.1:" << port_ << "; root " << directory_
             << ";\nlocation /cacheable/ { add_header Cache-Control max-age=3600; } } }\n";
    } else {
      config << "proxy_cache_path " << directory_
             << "/cache levels=1:2 keys_zone=bench:16m use_temp_path=off;\n"
             << "server { listen 127.0.0.1:" << port_ << "; location / { proxy_pass " << origin
             << "; proxy_cache bench; } } }\n";
    }
  }
  std::string const variable = "NGINX=" + std::to_string(fd) + ";";
  // It ends with this process, however that ends.
  std::vector<std::string> words{
      "/usr/bin/setpriv",         "--pdeathsig", "TERM",  "/usr/sbin/nginx", "-p", directory_, "-c",
      directory_ + "/nginx.conf", "-e",          "stderr"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (char** entry = environ; *entry; ++entry) env.push_back(*entry);
  env.push_back(const_cast<char*>(variable.c_str()));
  env.push_back(nullptr);
  int const failed = ::posix_spawn(&pid_, words[0].c_str(), nullptr, nullptr, argv.data(), env.data());
  ::close(fd);
  if (failed != 0) throw std::runtime_error("nginx can't be started");
}

WebServer::~WebServer() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::string WebServer::url(std::size_t size, bool cacheable) {
  return "http://127.0.0.1:" + std::to_string(port_) + file(size, cacheable).substr(directory_.size());
}

std::string WebServer::file(std::size_t size, bool cacheable) {
  std::string const path = directory_ + (cacheable ? "/cacheable/" : "/") + std::to_string(size);
  if (!std::filesystem::exists(path)) {
    std::string block(std::size_t{1} << 16, '\0');
    for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 2654435761u >> 13);
    std::ofstream file(path, std::ios::binary);
    for (std::size_t left = size; left != 0;) {
      std::size_t const step = left < block.size() ? left : block.size();
      file.write(block.data(), static_cast<std::streamsize>(step));
      left -= step;
    }
  }
  return path;
}

}  // namespace bench
