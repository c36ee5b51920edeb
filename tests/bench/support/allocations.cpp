#include "support/allocations.hpp"

#include <atomic>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> counted{0};

void note() noexcept {
  if (counting.load(std::memory_order_relaxed)) counted.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

// glibc's own, under its other names; free stays as it is.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);

void* malloc(std::size_t size) {
  note();
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  note();
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  note();
  return __libc_realloc(old, size);
}
}

namespace bench {

std::size_t allocations() noexcept {
  return counted.load();
}

void count_allocations(bool on) noexcept {
  counting.store(on);
}

}  // namespace bench
