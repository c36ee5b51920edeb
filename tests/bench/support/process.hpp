#pragma once
// This process's memory.

#include <fstream>
#include <stdexcept>
#include <string>

namespace bench {

/// A line of /proc/self/status.
inline double status_mib(std::string const& name) {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  }
  throw std::runtime_error("/proc/self/status has no " + name);
}

/// The most memory that is used from now on, beyond what is used now.
class Peak {
 public:
  Peak() {
    std::ofstream("/proc/self/clear_refs") << 5;  // VmHWM, the peak, begins anew
    before_ = status_mib("VmRSS");
  }
  double mib() const { return status_mib("VmHWM") - before_; }

 private:
  double before_;
};

}  // namespace bench
