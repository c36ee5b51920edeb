#pragma once
// This program once more as a process of its own, and the pipes between the two.
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "catch.hpp"

namespace child_process {

template <class T>
std::optional<T> receive(int pipe) {
  T value{};
  if (::read(pipe, &value, sizeof value) != static_cast<ssize_t>(sizeof value)) return std::nullopt;
  return value;
}

template <class T>
bool send(int pipe, T value) {
  return ::write(pipe, &value, sizeof value) == static_cast<ssize_t>(sizeof value);
}

}  // namespace child_process

// It runs just the hidden test with that tag.
class Child {
 public:
  Child(std::string const& tag, std::string const& file) {
    if (::pipe(to_) != 0 || ::pipe(from_) != 0) throw std::runtime_error("pipe");
    std::string const self = std::filesystem::read_symlink("/proc/self/exe").string();
    ::setenv("BEAST_CACHE_TEST_FILE", file.c_str(), 1);
    ::setenv("BEAST_CACHE_TEST_PIPES", (std::to_string(to_[0]) + " " + std::to_string(from_[1])).c_str(), 1);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(to_[1]);
      ::close(from_[0]);
      ::execl(self.c_str(), self.c_str(), tag.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::close(to_[0]);
    ::close(from_[1]);
    ::unsetenv("BEAST_CACHE_TEST_FILE");
    ::unsetenv("BEAST_CACHE_TEST_PIPES");
    if (pid_ < 0) throw std::runtime_error("fork");
  }
  Child(Child const&) = delete;
  Child& operator=(Child const&) = delete;
  ~Child() { end(); }

  bool await() { return child_process::receive<char>(from_[0]).has_value(); }
  bool tell() { return child_process::send(to_[1], 'x'); }
  // The next number that it tells; nothing once it has ended and all that it told was taken.
  std::optional<int> await_number() { return child_process::receive<int>(from_[0]); }
  bool tell_number(int number) { return child_process::send(to_[1], number); }
  void kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
  // Its exit status. What it still tells ends it.
  int end() {
    if (pid_ <= 0) return status_;
    ::close(to_[1]);
    ::close(from_[0]);
    ::waitpid(std::exchange(pid_, 0), &status_, 0);
    return status_;
  }

 private:
  int to_[2], from_[2], status_ = -1;
  pid_t pid_ = 0;
};

// The child's end.
class Parent {
 public:
  Parent() {
    char const* const pipes = std::getenv("BEAST_CACHE_TEST_PIPES");
    REQUIRE(pipes);
    REQUIRE(std::sscanf(pipes, "%d %d", &in_, &out_) == 2);
  }
  bool await() { return child_process::receive<char>(in_).has_value(); }
  void tell() { REQUIRE(child_process::send(out_, 'x')); }
  std::optional<int> await_number() { return child_process::receive<int>(in_); }
  void tell_number(int number) { REQUIRE(child_process::send(out_, number)); }
  static std::string file() { return std::getenv("BEAST_CACHE_TEST_FILE"); }

 private:
  int in_ = -1, out_ = -1;
};
