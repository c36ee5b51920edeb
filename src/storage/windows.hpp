#pragma once
// Memory into which is read ahead.

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

// Windows that were used. To take a MiB from the operating system and to touch it the first time takes as
// long as reading it.
class Windows {
 public:
  // A hop is worth about as much as reading this.
  static constexpr std::size_t size = 1024 * 1024;

  std::unique_ptr<char[]> take() {
    {
      std::lock_guard lock(mutex_);
      if (!kept_.empty()) {
        std::unique_ptr<char[]> window = std::move(kept_.back());
        kept_.pop_back();
        return window;
      }
    }
    return std::make_unique_for_overwrite<char[]>(size);
  }
  void give(std::unique_ptr<char[]> window) noexcept {
    std::lock_guard lock(mutex_);
    if (kept_.size() < kept_.capacity()) kept_.push_back(std::move(window));
  }
  static Windows& instance() {
    static auto* const windows = new Windows;  // readers may be static objects
    return *windows;
  }

 private:
  Windows() { kept_.reserve(4); }
  std::mutex mutex_;
  std::vector<std::unique_ptr<char[]>> kept_;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
