#pragma once
// A command line of `--name value` pairs, also what a child process is given.

#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace bench {

class Arguments {
 public:
  Arguments() = default;
  Arguments(int argc, char** argv) {
    for (int i = 1; i < argc; i += 2) {
      std::string const name = argv[i];
      if (!name.starts_with("--") || i + 1 == argc) {
        throw std::invalid_argument(name + ": expected --name value");
      }
      values_.insert_or_assign(name.substr(2), argv[i + 1]);
    }
  }

  /// A copy with \p name set.
  Arguments with(std::string const& name, std::string value) const {
    Arguments copy = *this;
    copy.values_.insert_or_assign(name, std::move(value));
    return copy;
  }
  Arguments with(std::string const& name, std::size_t value) const {
    return with(name, std::to_string(value));
  }

  bool has(std::string const& name) const { return values_.contains(name); }

  /// @throws std::invalid_argument if it was not given.
  std::string const& text(std::string const& name) const {
    auto const at = values_.find(name);
    if (at == values_.end()) throw std::invalid_argument("--" + name + " is missing");
    return at->second;
  }
  std::string text(std::string const& name, std::string fallback) const {
    return has(name) ? text(name) : std::move(fallback);
  }
  std::size_t number(std::string const& name) const { return std::stoull(text(name)); }
  std::size_t number(std::string const& name, std::size_t fallback) const {
    return has(name) ? number(name) : fallback;
  }

  std::vector<std::string> command_line() const {
    std::vector<std::string> out;
    for (auto const& [name, value] : values_) {
      out.push_back("--" + name);
      out.push_back(value);
    }
    return out;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace bench
