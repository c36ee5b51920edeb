#include "support/proxy_process.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace test_support {
namespace {

std::string lower(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(), [](unsigned char c) { return std::tolower(c); });
  return copy;
}

}  // namespace

std::optional<std::string> Answer::header(std::string_view name) const {
  std::optional<std::string> found;
  std::string const wanted = lower(name) + ":";
  for (std::size_t begin = head.find("\r\n") + 2; begin < head.size();) {
    std::size_t const end = head.find("\r\n", begin);
    std::string const line = head.substr(begin, end - begin);
    if (lower(line).starts_with(wanted)) {
      std::string const value =
          line.substr(std::min(line.find_first_not_of(' ', wanted.size()), line.size()));
      found = found ? *found + "|" + value : value;
    }
    begin = end + 2;
  }
  return found;
}

RawClient::RawClient(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  timeval const patience{30, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("no connection: " + std::to_string(errno));
}
RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
RawClient::~RawClient() {
  if (fd_ >= 0) ::close(fd_);
}

void RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) throw std::runtime_error("not sent: " + std::to_string(errno));
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool RawClient::fill(bool* reset) {
  char piece[65536];
  ssize_t const count = ::recv(fd_, piece, sizeof piece, 0);
  if (count < 0 && errno == ECONNRESET && reset) *reset = true;
  if (count < 0 && errno != ECONNRESET) throw std::runtime_error("nothing came: " + std::to_string(errno));
  if (count > 0) buffer_.append(piece, static_cast<std::size_t>(count));
  return count > 0;
}

Answer RawClient::read_head() {
  std::size_t end = buffer_.find("\r\n\r\n");
  while (end == buffer_.npos) {
    if (!fill()) throw std::runtime_error("the connection ended in the head: " + buffer_);
    end = buffer_.find("\r\n\r\n");
  }
  Answer answer;
  answer.head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  answer.status = static_cast<unsigned>(std::strtoul(answer.head.c_str() + 9, nullptr, 10));
  return answer;
}

std::string RawClient::read(std::size_t count) {
  while (buffer_.size() < count) {
    if (!fill()) throw std::runtime_error("the connection ended too early");
  }
  std::string bytes = buffer_.substr(0, count);
  buffer_.erase(0, count);
  return bytes;
}

std::string RawClient::read_to_end(bool* reset) {
  if (reset) *reset = false;
  while (fill(reset)) {
  }
  return std::exchange(buffer_, std::string());
}

Answer RawClient::read_answer(std::string_view method) {
  Answer answer = read_head();
  while (answer.status < 200) answer = read_head();
  if (method == "HEAD" || answer.status == 204 || answer.status == 304) return answer;
  if (answer.header("Transfer-Encoding") == "chunked") {
    for (;;) {
      std::string line;
      while (!line.ends_with("\r\n")) line += read(1);
      std::size_t const size = std::strtoul(line.c_str(), nullptr, 16);
      std::string const chunk = read(size + 2);
      answer.body.append(chunk, 0, size);
      if (size == 0) return answer;
    }
  }
  auto const length = answer.header("Content-Length");
  answer.body = length ? read(std::strtoul(length->c_str(), nullptr, 10)) : read_to_end();
  return answer;
}

Answer RawClient::ask(std::string_view method, std::string_view target, std::string_view headers) {
  std::string text(method);
  send(
      text.append(" ").append(target).append(" HTTP/1.1\r\nHost: client\r\n").append(headers).append("\r\n"));
  return read_answer(method);
}

void RawClient::shut_down() {
  ::shutdown(fd_, SHUT_WR);
}

ProxyProcess::ProxyProcess(std::string const& origin, std::vector<std::string> options) {
  std::vector<std::string> arguments = {
      BEAST_CACHE_PROXY, "--listen", "127.0.0.1:0", "--origin", origin, "--cache", directory_.file("proxy")};
  arguments.insert(arguments.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe[1], 1);
  int const failed = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe[1]);
  std::string line;
  char c = 0;
  while (!failed && ::read(pipe[0], &c, 1) == 1 && c != '\n') line += c;
  ::close(pipe[0]);
  if (!line.starts_with("http://127.0.0.1:")) throw std::runtime_error("the proxy does not start: " + line);
  port_ = static_cast<std::uint16_t>(std::stoul(line.substr(line.rfind(':') + 1)));
}

ProxyProcess::~ProxyProcess() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  wait();
}

void ProxyProcess::terminate() const {
  ::kill(pid_, SIGTERM);
}

int ProxyProcess::wait() {
  int status = 0;
  ::waitpid(std::exchange(pid_, -1), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::size_t ProxyProcess::peak_memory() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  }
  throw std::runtime_error("no /proc/PID/status");
}

}  // namespace test_support
