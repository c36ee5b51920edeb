#include "support/nginx.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace test_support {
namespace {

class Listener {
 public:
  Listener() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    if (fd_ < 0 || ::bind(fd_, any, size) != 0 || ::listen(fd_, 1024) != 0 ||
        ::getsockname(fd_, any, &size) != 0)
      throw std::runtime_error("no socket to listen on");
    port_ = ntohs(address.sin_port);
  }
  Listener(Listener const&) = delete;
  Listener& operator=(Listener const&) = delete;
  ~Listener() { ::close(fd_); }
  int fd() const noexcept { return fd_; }
  std::uint16_t port() const noexcept { return port_; }

 private:
  int fd_;
  std::uint16_t port_;
};

pid_t start(std::vector<std::string> arguments, std::string const& variable, std::string const& log) {
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::string copy = variable;
  std::vector<char*> env;
  for (char** entry = environ; *entry; ++entry) env.push_back(*entry);
  if (!copy.empty()) env.push_back(copy.data());
  env.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = -1;
  int const failed = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  if (failed) throw std::runtime_error(arguments[0] + " can't be started");
  return pid;
}

std::string read_file(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void openssl(std::string const& log, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  int status = 0;
  ::waitpid(start(std::move(arguments), {}, log), &status, 0);
  if (status != 0) throw std::runtime_error("openssl: " + read_file(log));
}

}  // namespace

Certificates::Certificates() {
  std::string const dir = dir_.path() + "/";
  std::string const log = dir + "log";
  std::string const local = "subjectAltName=DNS:localhost,DNS:*.wild.test,IP:127.0.0.1";
  auto const create = [&](std::string const& name, std::string const& subject, std::string const& extension,
                          bool is_request) {
    std::vector<std::string> arguments = {"req",
                                          "-newkey",
                                          "ec",
                                          "-pkeyopt",
                                          "ec_paramgen_curve:prime256v1",
                                          "-nodes",
                                          "-subj",
                                          subject,
                                          "-addext",
                                          extension,
                                          "-keyout",
                                          dir + name + ".key",
                                          "-out",
                                          dir + name + ".pem"};
    if (!is_request) arguments.insert(arguments.end(), {"-x509", "-days", "2"});
    openssl(log, std::move(arguments));
  };
  auto const sign = [&](std::string const& name, std::string const& authority, std::string const& days) {
    openssl(log, {"x509", "-req", "-in", dir + name + ".pem", "-CA", dir + authority + ".pem", "-CAkey",
                  dir + authority + ".key", "-days", days, "-copy_extensions", "copy", "-out",
                  dir + name + ".pem"});
  };
  create("ca", "/CN=beast_cache test CA", "keyUsage=critical,keyCertSign", false);
  create("other_ca", "/CN=another test CA", "keyUsage=critical,keyCertSign", false);
  create("self_signed", "/CN=localhost", local, false);
  create("good", "/CN=good", local, true);
  sign("good", "ca", "2");
  create("expired", "/CN=expired", local, true);
  sign("expired", "ca", "-1");
  create("wrong_host", "/CN=localhost", "subjectAltName=DNS:another.example", true);
  sign("wrong_host", "ca", "2");
  create("unknown_ca", "/CN=localhost", local, true);
  sign("unknown_ca", "other_ca", "2");
  create("client", "/CN=a client", "extendedKeyUsage=clientAuth", true);
  sign("client", "ca", "2");
  openssl(log, {"pkey", "-in", dir + "client.key", "-aes256", "-passout", "pass:secret", "-out",
                dir + "encrypted.key"});
  create("intermediate", "/CN=an intermediate CA", "basicConstraints=critical,CA:TRUE", true);
  sign("intermediate", "ca", "2");
  create("leaf", "/CN=leaf", local, true);
  sign("leaf", "intermediate", "2");
  // Its own issuer comes last, after what has nothing to do with it.
  std::ofstream(dir + "disordered.pem")
      << read_file(dir + "other_ca.pem") << read_file(dir + "ca.pem") << read_file(dir + "intermediate.pem");
}

Certificates const& Certificates::shared() {
  static Certificates const certificates;
  return certificates;
}

OpensslServer::OpensslServer(TlsFiles const& tls, std::vector<std::string> extra) {
  std::vector<std::string> arguments = {"openssl", "s_server",        "-accept", "127.0.0.1:0", "-www",
                                        "-cert",   tls.certificate(), "-key",    tls.key()};
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  std::string const log = dir_.path() + "/log";
  if (::mkfifo(log.c_str(), 0600) != 0) throw std::runtime_error("no pipe");
  output_ = ::open(log.c_str(), O_RDWR | O_CLOEXEC);
  pid_ = start(std::move(arguments), {}, log);
  // It says where it listens: ACCEPT 127.0.0.1:PORT
  std::string said;
  std::size_t begin = std::string::npos;
  while (begin == std::string::npos || said.find('\n', begin) == std::string::npos) {
    char buffer[512];
    ssize_t const count = ::read(output_, buffer, sizeof buffer);
    if (count <= 0) throw std::runtime_error("openssl s_server: " + said);
    said.append(buffer, static_cast<std::size_t>(count));
    if (said.find("error") != std::string::npos) throw std::runtime_error("openssl s_server: " + said);
    begin = said.find("ACCEPT 127.0.0.1:");
  }
  port_ = static_cast<std::uint16_t>(std::stoi(said.substr(begin + 17)));
}

OpensslServer::~OpensslServer() {
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  ::close(output_);
}

Nginx::Nginx(TlsFiles const& tls, std::string_view extra) {
  // nginx takes over sockets that listen already, as in an upgrade of its binary: no port is lost to another
  // program, and a connection made before nginx is ready waits for it.
  Listener const plain;
  Listener const secure;
  port_ = plain.port();
  secure_port_ = secure.port();
  std::string const dir = dir_.path();
  std::string const at = "127.0.0.1:" + std::to_string(port_);
  std::filesystem::create_directory(dir + "/files");
  std::string locations =
      "location = /hello { return 200 'hello nginx\\n'; }\n"
      "location = /moved { return 301 /hello; }\n"
      "location = /count { proxy_pass http://" +
      at +
      "/length; }\n"
      "location = /length { return 200 $content_length; }\n"
      "location /files/ { root " +
      dir + "; dav_methods PUT DELETE; }\n";
  locations += extra;
  std::ofstream config(dir + "/nginx.conf");
  // A worker of root's nginx would run as another user, who can't read the test's files.
  if (::geteuid() == 0) config << "user root;\n";
  config << "daemon off; worker_processes 1; pid " << dir << "/pid; error_log stderr warn;\n"
         << "events { worker_connections 2048; }\n"
         << "http { access_log off; client_max_body_size 0; keepalive_requests 1000000;\n";
  for (char const* const kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"})
    config << kind << "_temp_path " << dir << "/" << kind << ";\n";
  config << "server { listen " << at << ";\n"
         << locations << "}\n"
         << "server { listen 127.0.0.1:" << secure_port_ << " ssl;\nssl_certificate " << tls.certificate()
         << "; ssl_certificate_key " << tls.key() << ";\n"
         << locations << "} }\n";
  config.close();
  pid_ = start({"/usr/sbin/nginx", "-p", dir, "-c", dir + "/nginx.conf", "-e", "stderr"},
               "NGINX=" + std::to_string(plain.fd()) + ";" + std::to_string(secure.fd()) + ";", dir + "/log");
}

Nginx::~Nginx() {
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
}

std::string Nginx::url(std::string_view target) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(target);
}
std::string Nginx::secure_url(std::string_view target) const {
  return "https://localhost:" + std::to_string(secure_port_) + std::string(target);
}
std::string Nginx::errors() const {
  return read_file(dir_.path() + "/log");
}

}  // namespace test_support
