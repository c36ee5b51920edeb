#pragma once
// This program once more, as another process.

#include <unistd.h>

#include <cstdlib>
#include <string>

#include "catch.hpp"

namespace test_support {

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
