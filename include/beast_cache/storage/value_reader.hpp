#pragma once
/// \file value_reader.hpp
/// A stored value, read piece by piece.

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <memory>
#include <string_view>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {
class ValueSteps;
}

/// Reads a value of an `SQLiteCache` in constant memory. Made by `SQLiteCache::open`.
///
/// No transaction is held between two pieces: writing goes on. If the value is overwritten or removed before
/// the last piece was read, the next one fails with `cache_errc::changed`: two versions are never mixed. The
/// checksum can only be compared at the end: a value that is damaged fails with `cache_errc::bad_value` in
/// place of its last piece.
///
/// Lifetime: keeps the cache's file open.
/// Thread safety: distinct objects are independent; one object is used by one coroutine at a time.
class ValueReader {
 public:
  explicit ValueReader(std::shared_ptr<detail::ValueSteps> steps) noexcept;
  ValueReader(ValueReader&&) noexcept;
  ValueReader& operator=(ValueReader&&) noexcept;
  ~ValueReader();

  /// Bytes of the whole value.
  std::uint64_t size() const noexcept;

  /// The next piece, of up to 256 KiB; it lasts until the next call. Empty at the end.
  /// Executor and hops: one hop for each MiB.
  asio::awaitable<std::string_view> next();

 private:
  std::shared_ptr<detail::ValueSteps> steps_;
};

}  // namespace v1
}  // namespace beast_cache
