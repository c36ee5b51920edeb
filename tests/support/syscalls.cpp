#include "support/syscalls.hpp"

#include <dlfcn.h>
#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <string_view>

namespace {

class State {
 public:
  State() = default;
  std::mutex mutex;
  std::condition_variable resumed;
  bool counts = false;
  bool stalled = false;
  std::size_t first_failing = 0;
  std::size_t calls = 0;
  std::string failed;
};

State& state() {
  static State instance;
  return instance;
}

thread_local bool is_client = false;

/// Whether this call is to fail.
bool fails(char const* name) {
  State& s = state();
  std::lock_guard const lock(s.mutex);
  if (!s.counts || ++s.calls < s.first_failing) return false;
  if (s.failed.empty()) s.failed = name;
  return true;
}

/// The next definition of that function: the C library's, or a sanitizer's.
template <class Function>
Function* real(char const* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool fails_with(int error, char const* name) {
  if (!is_client || !fails(name)) return false;
  errno = error;
  return true;
}

}  // namespace

extern "C" {

ssize_t recv(int fd, void* data, std::size_t size, int flags) {
  static auto* const next = real<ssize_t(int, void*, std::size_t, int)>("recv");
  return fails_with(ECONNRESET, "recv") ? -1 : next(fd, data, size, flags);
}
ssize_t recvmsg(int fd, msghdr* message, int flags) {
  static auto* const next = real<ssize_t(int, msghdr*, int)>("recvmsg");
  return fails_with(ECONNRESET, "recv") ? -1 : next(fd, message, flags);
}
ssize_t send(int fd, void const* data, std::size_t size, int flags) {
  static auto* const next = real<ssize_t(int, void const*, std::size_t, int)>("send");
  return fails_with(ECONNRESET, "send") ? -1 : next(fd, data, size, flags);
}
ssize_t sendmsg(int fd, msghdr const* message, int flags) {
  static auto* const next = real<ssize_t(int, msghdr const*, int)>("sendmsg");
  return fails_with(ECONNRESET, "send") ? -1 : next(fd, message, flags);
}
int connect(int fd, sockaddr const* address, socklen_t size) {
  static auto* const next = real<int(int, sockaddr const*, socklen_t)>("connect");
  return fails_with(ECONNREFUSED, "connect") ? -1 : next(fd, address, size);
}

// It runs on the resolver's thread. Every name of the tests is this machine.
int getaddrinfo(char const* host, char const* service, addrinfo const* hints, addrinfo** result) {
  static auto* const next = real<int(char const*, char const*, addrinfo const*, addrinfo**)>("getaddrinfo");
  if (!host || !std::string_view(host).ends_with(".wild.test")) return next(host, service, hints, result);
  {
    State& s = state();
    std::unique_lock lock(s.mutex);
    s.resumed.wait(lock, [&s] { return !s.stalled; });
  }
  return fails("getaddrinfo") ? EAI_FAIL : next("127.0.0.1", service, hints, result);
}

}  // extern "C"

namespace test_support {

FailingCalls::FailingCalls(std::size_t first_failing) {
  State& s = state();
  std::lock_guard const lock(s.mutex);
  is_client = true;
  s.counts = true;
  s.first_failing = first_failing;
  s.calls = 0;
  s.failed.clear();
}
FailingCalls::~FailingCalls() {
  State& s = state();
  std::lock_guard const lock(s.mutex);
  is_client = false;
  s.counts = false;
}
std::string FailingCalls::failed() const {
  State& s = state();
  std::lock_guard const lock(s.mutex);
  return s.failed;
}
std::size_t FailingCalls::calls_after() const {
  State& s = state();
  std::lock_guard const lock(s.mutex);
  return s.failed.empty() ? 0 : s.calls - s.first_failing;
}

StalledResolver::StalledResolver() {
  State& s = state();
  std::lock_guard const lock(s.mutex);
  s.stalled = true;
}
StalledResolver::~StalledResolver() {
  State& s = state();
  {
    std::lock_guard const lock(s.mutex);
    s.stalled = false;
  }
  s.resumed.notify_all();
}

}  // namespace test_support
