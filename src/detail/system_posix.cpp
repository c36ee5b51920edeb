#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "beast_cache/error.hpp"
#include "detail/system.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {
namespace {

[[noreturn]] void fail(int error, std::string const& what) {
  cache_errc code = cache_errc::io;
  if (error == EACCES || error == EPERM || error == EROFS) code = cache_errc::readonly;
  if (error == ENOSPC || error == EDQUOT) code = cache_errc::full;
  throw Error(code, what + ": " + std::generic_category().message(error));
}

std::atomic<unsigned> generation{0};

}  // namespace

std::optional<FileIdentity> identify(std::string const& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) {
    // ENOTDIR: something on the way is a file. Creating will say so.
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    fail(errno, path);
  }
  FileIdentity identity;
  identity.device = static_cast<std::uint64_t>(st.st_dev);
  identity.file = static_cast<std::uint64_t>(st.st_ino);
  identity.size = static_cast<std::uint64_t>(st.st_size);
  identity.type = S_ISREG(st.st_mode)   ? FileIdentity::Type::regular
                  : S_ISDIR(st.st_mode) ? FileIdentity::Type::directory
                  : S_ISLNK(st.st_mode) ? FileIdentity::Type::symlink
                                        : FileIdentity::Type::other;
  return identity;
}

void create_private_file(std::string const& path) {
  int const fd = ::open(path.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDWR, 0600);
  if (fd >= 0) {
    ::close(fd);
  } else if (errno != EEXIST) {
    fail(errno, path);
  }
}

void create_directories(std::string const& path) {
  if (path.empty() || path == "/") return;
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return;
    fail(ENOTDIR, path);
  }
  if (errno != ENOENT) fail(errno, path);
  create_directories(std::filesystem::path(path).parent_path().string());
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail(errno, path);
}

std::string private_temp_directory() {
  std::string path;
  if (char const* const runtime = std::getenv("XDG_RUNTIME_DIR"); runtime && *runtime == '/') {
    path = runtime;
  } else {
    path = std::filesystem::temp_directory_path().string() + "/beast-cache-" + std::to_string(::geteuid());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) fail(errno, path);
  }
  // Anyone may have put something of that name into a shared directory before us.
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) fail(errno, path);
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 0077) != 0) {
    throw Error(cache_errc::io,
                path + ": not a directory that only this user can access; use_temp refuses it");
  }
  return path;
}

std::string home_directory() {
  if (char const* const home = std::getenv("HOME"); home && *home) return home;
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found &&
      found->pw_dir) {
    return found->pw_dir;
  }
  throw Error(cache_errc::invalid_argument, "~: the user has no home directory");
}

unsigned fork_generation() noexcept {
  static int const registered = ::pthread_atfork(nullptr, nullptr, [] { ++generation; });
  static_cast<void>(registered);
  return generation.load(std::memory_order_relaxed);
}

unsigned usable_processors() noexcept {
#ifdef CPU_COUNT
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
#endif
  return std::thread::hardware_concurrency();
}

std::thread start_thread(std::function<void()> body) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread;
  try {
    thread = std::thread(std::move(body));
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
