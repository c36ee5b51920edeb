#pragma once
#include <cstdio>
#include <stdexcept>
#include <string>

// What a shell command prints; throws if it fails.
inline std::string command(std::string const& line) {
  FILE* const pipe = ::popen(line.c_str(), "r");
  if (!pipe) throw std::runtime_error("popen: " + line);
  std::string out;
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  int const status = ::pclose(pipe);
  if (status != 0) throw std::runtime_error("status " + std::to_string(status) + ": " + line);
  return out;
}
