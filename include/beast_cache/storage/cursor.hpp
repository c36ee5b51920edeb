#pragma once
/// \file cursor.hpp
/// A pull cursor over the contents of a cache.

#include <boost/asio/awaitable.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// Where a `Cursor` takes its batches from. A cache of your own needs one only if it overrides `keys`,
/// `values` or `entries` of `BaseCache`.
template <class T>
class CursorSource {
 public:
  CursorSource() = default;
  CursorSource(CursorSource const&) = delete;
  CursorSource& operator=(CursorSource const&) = delete;
  virtual ~CursorSource() = default;

  /// The next elements, at least one; empty at the end. Never called again after the end or a failure.
  virtual asio::awaitable<std::vector<T>> fetch() = 0;
};

/// Walks over keys, values or entries, a batch at a time: keys in the order of their bytes, values and
/// entries in an order of the cache's own.
///
/// Never the whole cache in memory, and no transaction is held between two calls: writing, removing and
/// clearing meanwhile are allowed and never wait. An element that is there all the time is seen exactly once;
/// one that is written or removed meanwhile is seen or not.
///
/// Cancellation: as the cache's `read`; the cursor stays where it was.
/// Thread safety: distinct objects are independent; one object is used by one coroutine at a time.
template <class T>
class Cursor {
 public:
  using value_type = T;

  /// An empty walk.
  Cursor() = default;
  explicit Cursor(std::unique_ptr<CursorSource<T>> source) noexcept : source_(std::move(source)) {}
  Cursor(Cursor&&) noexcept = default;
  Cursor& operator=(Cursor&&) noexcept = default;

  /// The next element, or nothing at the end.
  asio::awaitable<std::optional<T>> next() {
    if (position_ == batch_.size()) co_await refill();
    if (position_ == batch_.size()) co_return std::nullopt;
    std::optional<T> element(std::move(batch_[position_++]));
    co_return element;
  }

  /// As many elements as are at hand or come with one fetch: at least one, none at the end.
  asio::awaitable<std::vector<T>> next_batch() {
    if (position_ == batch_.size()) co_await refill();
    std::vector<T> batch;
    if (position_ == 0) {
      batch = std::move(batch_);
    } else {
      batch.reserve(batch_.size() - position_);
      for (; position_ < batch_.size(); ++position_) batch.push_back(std::move(batch_[position_]));
    }
    batch_.clear();
    position_ = 0;
    co_return batch;
  }

 private:
  asio::awaitable<void> refill() {
    if (!source_) co_return;
    std::vector<T> fresh = co_await source_->fetch();
    batch_ = std::move(fresh);
    position_ = 0;
    if (batch_.empty()) source_.reset();
  }

  std::unique_ptr<CursorSource<T>> source_;
  std::vector<T> batch_;
  std::size_t position_ = 0;
};

}  // namespace v1
}  // namespace beast_cache
