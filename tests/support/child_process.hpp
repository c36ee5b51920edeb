#pragma once
// Other programs, and this one again.

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "catch.hpp"

namespace test_support {

// What a command prints.
inline std::string output_of(std::string const& command) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const pipe(::popen(command.c_str(), "r"), ::pclose);
  REQUIRE(pipe);
  std::string text;
  std::array<char, 256> buffer;
  while (std::fgets(buffer.data(), buffer.size(), pipe.get())) text += buffer.data();
  return text;
}

// Runs a hidden test of this program in another process.
inline int run_in_child(std::string const& test, std::string const& file) {
  ::setenv("BEAST_CACHE_TEST_FILE", file.c_str(), 1);
  return std::system(
      ("\"$(readlink /proc/" + std::to_string(::getpid()) + "/exe)\" '" + test + "' >/dev/null").c_str());
}
inline std::string file_from_parent() {
  char const* const file = std::getenv("BEAST_CACHE_TEST_FILE");
  REQUIRE(file);
  return file;
}

}  // namespace test_support
