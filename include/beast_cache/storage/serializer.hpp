#pragma once
/// \file serializer.hpp
/// How a value becomes bytes and comes back.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {

/// Turns values into bytes and back, for `SQLitePickleCache`. Derive from it to use something other than
/// cereal.
///
/// The bytes are checked for damage, or their signature, before `decode` sees them; it still has to survive
/// any input when there is no secret key, since whoever can write to the file can write what he likes.
///
/// Thread safety: one object is used by several threads at the same time; they are the cache's, but for
/// `size_of`, which runs on the caller's.
template <class T>
class Serializer {
 public:
  Serializer() = default;
  Serializer(Serializer const&) = delete;
  Serializer& operator=(Serializer const&) = delete;
  virtual ~Serializer() = default;

  /// Which serializer in which version of its format, 1 to 255: a value written with another is treated as
  /// missing. 1 is taken by cereal.
  virtual std::uint8_t format() const noexcept = 0;

  /// Tells types apart, so that a value of one type is never decoded as another. Constant for a type.
  virtual std::uint32_t type_id() const noexcept = 0;

  /// Appends the bytes of \p value to \p out. What it throws reaches the writer.
  virtual void encode(T const& value, std::string& out) const = 0;

  /// About how many bytes of memory \p value takes: with that a bulk decides when to send what it holds. As
  /// it is, the number that `encode` appends, found by calling it; override it where there is a quicker way.
  /// What it throws is ignored.
  virtual std::size_t size_of(T const& value) const {
    if constexpr (std::is_trivially_copyable_v<T>) return sizeof(T);
    std::string bytes;
    encode(value, bytes);
    return bytes.size();
  }

  /// The value of \p bytes. Throws `Error` with `cache_errc::bad_value` if there is none.
  virtual T decode(std::string_view bytes) const = 0;
};

}  // namespace v1
}  // namespace beast_cache
