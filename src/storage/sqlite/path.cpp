#include "storage/sqlite/path.hpp"

#include <filesystem>

#include "beast_cache/error.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

namespace fs = std::filesystem;

ResolvedPath ResolvedPath::resolve(std::string const& filename, bool use_temp) {
  ResolvedPath resolved;
  if (filename == ":memory:") {
    resolved.name_ = filename;
    resolved.memory_ = true;
    return resolved;
  }
  if (filename.empty() || filename.find('\0') != std::string::npos) {
    throw Error(cache_errc::invalid_argument, "the cache's file name is empty or holds a NUL byte");
  }
  std::string name = filename;
  if (name == "~" || name.starts_with("~/")) name.replace(0, 1, detail::home_directory());
  fs::path path(name);
  fs::path const base = path.filename();
  if (base.empty() || base == "." || base == "..") {
    throw Error(cache_errc::invalid_argument, filename + ": names a directory, not a cache file");
  }
  if (!base.has_extension()) path += ".sqlite";
  resolved.use_temp_ = use_temp && path.is_relative();
  if (resolved.use_temp_) {
    // "../x" would lead out of the directory that nobody else can write to.
    for (fs::path const& part : path) {
      if (part == "..") throw Error(cache_errc::invalid_argument, filename + ": \"..\" with use_temp");
    }
  } else if (path.is_relative()) {
    // Now, not at the first use: the program may change its directory meanwhile.
    path = fs::absolute(path);
  }
  resolved.name_ = path.string();
  return resolved;
}

std::string ResolvedPath::absolute() const {
  fs::path path(name_);
  if (use_temp_) path = fs::path(detail::private_temp_directory()) / path;
  std::error_code ignored;
  fs::path directory = fs::weakly_canonical(path.parent_path(), ignored);
  if (ignored) directory = path.parent_path().lexically_normal();
  return (directory / path.filename()).string();
}

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
