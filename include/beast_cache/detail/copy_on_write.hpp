#pragma once
/// Values that copies share until one of them is changed. Internal.

#include <atomic>
#include <utility>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace detail {

/// A `T` whose copies cost a pointer. Moved from, it is `T()` again.
//
// Not a `std::shared_ptr`, whose `use_count()` does not tell the last owner that what the others have read is
// over.
///
/// Thread safety: distinct objects: safe, also those that share; shared objects: const members safe.
template <class T>
class CopyOnWrite {
 public:
  CopyOnWrite() noexcept = default;
  CopyOnWrite(T value) : shared_(new Shared(std::move(value))) {}
  CopyOnWrite(CopyOnWrite const& other) noexcept : shared_(other.shared_) {
    if (shared_) shared_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  CopyOnWrite(CopyOnWrite&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
  CopyOnWrite& operator=(CopyOnWrite other) noexcept {
    std::swap(shared_, other.shared_);
    return *this;
  }
  ~CopyOnWrite() {
    if (shared_ && shared_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared_;
  }

  T const& operator*() const noexcept { return shared_ ? shared_->value : none(); }
  T const* operator->() const noexcept { return &**this; }

  /// The value to be changed: this object's own from here on. The reference is good until the object is
  /// copied.
  T& edit() {
    if (!shared_) {
      shared_ = new Shared(T());
    } else if (shared_->owners.load(std::memory_order_acquire) != 1) {
      *this = CopyOnWrite(T(shared_->value));
    }
    return shared_->value;
  }

  /// Whether both are one value, so that neither has been changed since one was copied from the other.
  bool shares_with(CopyOnWrite const& other) const noexcept { return shared_ == other.shared_; }
  /// Whether there are others that share it, just now.
  bool is_shared() const noexcept { return shared_ && shared_->owners.load(std::memory_order_relaxed) != 1; }

 private:
  class Shared {
   public:
    explicit Shared(T v) : value(std::move(v)) {}
    T value;
    std::atomic<unsigned> owners{1};
  };
  static T const& none() noexcept {
    static T const value{};
    return value;
  }

  Shared* shared_ = nullptr;
};

}  // namespace detail
}  // namespace v1
}  // namespace beast_cache
