#pragma once
// A program that serves while a benchmark asks.

#include <sys/types.h>

#include <string>
#include <vector>

namespace bench {

class Program {
 public:
  /// \p words are its path and arguments. It ends with this process, however that ends.
  /// @throws std::runtime_error if it can't be started.
  explicit Program(std::vector<std::string> words);
  Program(Program const&) = delete;
  Program& operator=(Program const&) = delete;
  /// Sends SIGTERM and waits.
  ~Program();

  /// What it prints first.
  std::string const& first_line() const noexcept { return first_line_; }

 private:
  pid_t pid_ = -1;
  int output_ = -1;
  std::string first_line_;
};

/// All that a program prints; its path and arguments. @throws std::runtime_error if it fails.
std::string output_of(std::vector<std::string> words);

}  // namespace bench
