#pragma once
// Memory for bodies that are read whole.

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Buffers that were used, also by another thread: the allocator returns memory of this size to the operating
// system each time, and to touch it anew takes longer than to fill it.
class BodyBuffers {
 public:
  // A string of that size; what is in it is left over. A small one is nothing to keep.
  // Throws std::bad_alloc or std::length_error.
  std::shared_ptr<std::string> take(std::size_t size) {
    if (size <= least) return std::make_shared<std::string>(size, '\0');
    std::unique_ptr<std::string> buffer = find(size);
    if (!buffer) buffer = std::make_unique<std::string>();
    buffer->resize(size);
    return std::shared_ptr<std::string>(buffer.release(), Give());
  }
  static BodyBuffers& instance() {
    static auto* const buffers = new BodyBuffers;  // responses may be static objects
    return *buffers;
  }

 private:
  // In bytes, of one and of those that are kept.
  static constexpr std::size_t least = 32u << 10;
  static constexpr std::size_t most = 4u << 20;
  static constexpr std::size_t most_buffers = 64;

  class Give {
   public:
    void operator()(std::string* buffer) const noexcept {
      instance().give(std::unique_ptr<std::string>(buffer));
    }
  };

  BodyBuffers() { kept_.reserve(most_buffers); }

  // One that fits, without much waste: it may be kept for long.
  std::unique_ptr<std::string> find(std::size_t size) {
    std::lock_guard const lock(mutex_);
    for (auto at = kept_.rbegin(); at != kept_.rend(); ++at) {
      std::size_t const capacity = (*at)->capacity();
      if (capacity < size || capacity > size + size / 4) continue;
      std::unique_ptr<std::string> buffer = std::move(*at);
      *at = std::move(kept_.back());
      kept_.pop_back();
      size_ -= capacity;
      return buffer;
    }
    return nullptr;
  }
  // The oldest ones make room.
  void give(std::unique_ptr<std::string> buffer) noexcept {
    std::size_t const capacity = buffer->capacity();
    // (Its memory may have been moved elsewhere.)
    if (capacity <= least || capacity > most / 4) return;
    std::lock_guard const lock(mutex_);
    while (size_ + capacity > most || kept_.size() == most_buffers) {
      size_ -= kept_.front()->capacity();
      kept_.erase(kept_.begin());
    }
    size_ += capacity;
    kept_.push_back(std::move(buffer));
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<std::string>> kept_;
  std::size_t size_ = 0;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
