#pragma once
/// Files that are read whole, or written and named when they are complete. Internal.

#include <string>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A file descriptor of its own.
class Descriptor {
 public:
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor const&) = delete;
  Descriptor& operator=(Descriptor const&) = delete;
  ~Descriptor();
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A file that takes its name when it is complete, and is gone if it does not become so.
///
/// Errors, of all functions: `Error` with the operating system's code, naming the path.
class NewFile {
 public:
  enum class Mode { by_umask, owner_only };

  explicit NewFile(std::string path, Mode mode = Mode::by_umask);
  NewFile(NewFile const&) = delete;
  NewFile& operator=(NewFile const&) = delete;
  ~NewFile();

  void write(char const* data, std::size_t size);
  /// Brings it to the disk, and names it.
  void commit();

 private:
  int create(Mode mode);

  std::string path_;
  std::string temporary_;
  bool is_there_ = false;
  Descriptor file_;
};

/// The whole of a file. Errors: as above.
std::string read_file(std::string const& path);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
