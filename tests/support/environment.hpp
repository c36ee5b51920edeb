#pragma once
#include <stdlib.h>

#include <string>

namespace test_support {

/// Sets a variable of the environment for a while.
class Environment {
 public:
  Environment(char const* name, std::string const& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  Environment(Environment const&) = delete;
  Environment& operator=(Environment const&) = delete;
  ~Environment() { ::unsetenv(name_); }

 private:
  char const* name_;
};

}  // namespace test_support
