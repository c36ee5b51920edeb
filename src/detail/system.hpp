#pragma once
// What the operating system has to do for the storage floor, behind portable signatures. system_posix.cpp is
// the only file of this floor that is POSIX-only.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Which file a path leads to at the moment, whatever the path's spelling.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t file = 0;
  std::uint64_t size = 0;
  enum class Type { regular, directory, symlink, other } type = Type::regular;

  bool same_file(FileIdentity const& other) const noexcept {
    return device == other.device && file == other.file;
  }
};

// Nothing if there is no such file. A symbolic link is not followed. Throws Error(io) naming the path.
std::optional<FileIdentity> identify(std::string const& path);

// Makes an empty file that only its owner can read, unless something of that name is there already.
// Throws Error(readonly / full / io) naming the path.
void create_private_file(std::string const& path);

// Makes the missing directories on the way to `path`, for their owner only. Throws as above.
void create_directories(std::string const& path);

// A directory for temporary caches that nobody else can write to: $XDG_RUNTIME_DIR, or one below the system's
// directory for temporary files that is checked to be ours. Throws Error(io) if it can't be trusted.
std::string private_temp_directory();

// The user's home directory; throws Error(invalid_argument) if there is none.
std::string home_directory();

// Grows by one in the child with every fork().
unsigned fork_generation() noexcept;

// On how many processors this process may run.
unsigned usable_processors() noexcept;

// Tells the processor that the thread is spinning.
inline void pause_processor() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#else
  std::this_thread::yield();
#endif
}

// Starts a thread that leaves signals to the threads of the program. Throws std::system_error.
std::thread start_thread(std::function<void()> body);

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
