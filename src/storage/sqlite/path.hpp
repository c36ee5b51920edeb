#pragma once
// From what the user calls a cache to the file's path.

#include <string>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

class ResolvedPath {
 public:
  // `.sqlite` is appended when the base name has no extension; `~` is the home directory; `:memory:` is no
  // file. Touches nothing. Throws Error(invalid_argument) for what can't be a file's name.
  static ResolvedPath resolve(std::string const& filename, bool use_temp);

  bool memory() const noexcept { return memory_; }
  // Absolute once the file is about to be opened: use_temp and relative paths are settled by absolute().
  std::string const& name() const noexcept { return name_; }

  // The path to give to SQLite: absolute, with the links among its directories resolved, for SQLite refuses
  // them (and so do we for the file itself). Throws Error(io) if use_temp finds no safe directory.
  std::string absolute() const;

 private:
  std::string name_;
  bool memory_ = false;
  bool use_temp_ = false;
};

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
