#pragma once
/// \file binary_archive.hpp
/// The cereal archives behind `CerealSerializer`: little-endian, without padding, and with every size
/// checked.

#include <algorithm>
#include <array>
#include <bit>
#include <cereal/cereal.hpp>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "beast_cache/error.hpp"

namespace beast_cache {
inline namespace v1 {

namespace detail {

template <class>
inline constexpr bool never = false;

// Copies n bytes that consist of elements of that size, between memory and little-endian order.
inline void copy_little_endian(char* to, char const* from, std::size_t n, std::size_t element) noexcept {
  if (n == 0) return;
  if (std::endian::native == std::endian::little || element == 1) {
    std::memcpy(to, from, n);
  } else {
    for (std::size_t i = 0; i + element <= n; i += element)
      std::reverse_copy(from + i, from + i + element, to + i);
  }
}

// Deeper nesting of classes than this is refused, both ways: the stack is finite.
inline constexpr int max_depth = 512;

template <class T>
constexpr void check_arithmetic() {
  static_assert(!std::is_same_v<std::remove_cv_t<T>, long double>,
                "long double has no portable representation: store a double");
}

}  // namespace detail

/// Writes to a string, or only counts the bytes.
class BinaryOutputArchive
    : public cereal::OutputArchive<BinaryOutputArchive, cereal::AllowEmptyClassElision> {
 public:
  explicit BinaryOutputArchive(std::string& out)
      : cereal::OutputArchive<BinaryOutputArchive, cereal::AllowEmptyClassElision>(this), out_(&out) {}
  BinaryOutputArchive()
      : cereal::OutputArchive<BinaryOutputArchive, cereal::AllowEmptyClassElision>(this), out_(nullptr) {}

  void save(void const* data, std::size_t n, std::size_t element) {
    size_ += n;
    if (!out_) return;
    std::size_t const at = out_->size();
    out_->resize(at + n);
    detail::copy_little_endian(out_->data() + at, static_cast<char const*>(data), n, element);
  }

  /// The bytes of all that was saved.
  std::size_t size() const noexcept { return size_; }

  void enter() {
    if (++depth_ > detail::max_depth)
      throw Error(cache_errc::bad_value, "nested too deeply to be read again");
  }
  void leave() noexcept { --depth_; }

 private:
  std::string* const out_;
  std::size_t size_ = 0;
  int depth_ = 0;
};

/// Reads from bytes that may be anything: nothing is allocated for what can't be there.
class BinaryInputArchive : public cereal::InputArchive<BinaryInputArchive, cereal::AllowEmptyClassElision> {
 public:
  explicit BinaryInputArchive(std::string_view in)
      : cereal::InputArchive<BinaryInputArchive, cereal::AllowEmptyClassElision>(this), in_(in) {}

  void load(void* data, std::size_t n, std::size_t element) {
    if (n > in_.size()) fail("cut off");
    detail::copy_little_endian(static_cast<char*>(data), in_.data(), n, element);
    in_.remove_prefix(n);
  }

  // Each element of a container takes at least a byte, or the given number of them, so that a size beyond the
  // bytes left is a forgery.
  void check_count(std::uint64_t count, std::size_t element = 1) const {
    if (count > in_.size() / element) fail("a size beyond the end");
  }

  std::size_t left() const noexcept { return in_.size(); }
  void enter() {
    if (++depth_ > detail::max_depth) fail("nested too deeply");
  }
  void leave() noexcept { --depth_; }

  [[noreturn]] static void fail(char const* reason) { throw Error(cache_errc::bad_value, reason); }

 private:
  std::string_view in_;
  int depth_ = 0;
};

template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_SAVE_FUNCTION_NAME(BinaryOutputArchive& archive, T const& value) {
  detail::check_arithmetic<T>();
  archive.save(std::addressof(value), sizeof value, sizeof value);
}
template <class T>
requires std::is_arithmetic_v<T>
void CEREAL_LOAD_FUNCTION_NAME(BinaryInputArchive& archive, T& value) {
  detail::check_arithmetic<T>();
  if constexpr (std::is_same_v<T, bool>) {
    unsigned char byte = 0;
    archive.load(&byte, 1, 1);
    if (byte > 1) BinaryInputArchive::fail("a bool that is neither");
    value = byte != 0;
  } else {
    archive.load(std::addressof(value), sizeof value, sizeof value);
  }
}

template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(BinaryInputArchive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(BinaryOutputArchive& archive, cereal::NameValuePair<T>& pair) {
  archive(pair.value);
}

// A size is 8 bytes, whatever size_t is.
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(BinaryOutputArchive& archive, cereal::SizeTag<T> const& tag) {
  std::uint64_t const count = tag.size;
  archive.save(&count, sizeof count, sizeof count);
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(BinaryInputArchive& archive, cereal::SizeTag<T>& tag) {
  std::uint64_t count = 0;
  archive.load(&count, sizeof count, sizeof count);
  archive.check_count(count);
  tag.size = static_cast<std::decay_t<T>>(count);
}

// A vector's memory follows the bytes that are there: cereal would make room for all elements first.
template <class T, class Allocator>
requires(!std::is_same_v<T, bool>) void CEREAL_LOAD_FUNCTION_NAME(BinaryInputArchive& archive,
                                                                  std::vector<T, Allocator>& vector) {
  std::uint64_t count = 0;
  archive.load(&count, sizeof count, sizeof count);
  vector.clear();
  if constexpr (std::is_arithmetic_v<T>) {
    detail::check_arithmetic<T>();
    archive.check_count(count, sizeof(T));
    vector.resize(static_cast<std::size_t>(count));
    archive.load(vector.data(), vector.size() * sizeof(T), sizeof(T));
  } else {
    // Those of an empty class take no bytes.
    constexpr std::uint64_t most_empty = std::uint64_t{1} << 20;
    if (!std::is_empty_v<T> || count > most_empty) archive.check_count(count);
    constexpr std::size_t step = std::max<std::size_t>(1, 65536 / sizeof(T));
    while (vector.size() < count) {
      std::size_t const begin = vector.size();
      vector.resize(begin + static_cast<std::size_t>(std::min<std::uint64_t>(count - begin, step)));
      for (std::size_t i = begin; i < vector.size(); ++i) archive(vector[i]);
    }
  }
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(BinaryOutputArchive& archive, cereal::BinaryData<T> const& data) {
  using Element = std::remove_cv_t<std::remove_pointer_t<T>>;
  detail::check_arithmetic<Element>();
  archive.save(data.data, static_cast<std::size_t>(data.size), sizeof(Element));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(BinaryInputArchive& archive, cereal::BinaryData<T>& data) {
  using Element = std::remove_cv_t<std::remove_pointer_t<T>>;
  detail::check_arithmetic<Element>();
  archive.load(data.data, static_cast<std::size_t>(data.size), sizeof(Element));
}

// Shared pointers carry identities that a forged value can use to mix up types.
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(BinaryOutputArchive&, std::shared_ptr<T> const&) {
  static_assert(detail::never<T>, "shared_ptr can't be stored: use unique_ptr, optional or a value");
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(BinaryInputArchive&, std::shared_ptr<T>&) {
  static_assert(detail::never<T>, "shared_ptr can't be stored: use unique_ptr, optional or a value");
}

// cereal calls these around every class.
template <class Archive, class T>
requires std::is_class_v<T> &&
    (std::is_same_v<Archive, BinaryInputArchive> ||
     std::is_same_v<Archive, BinaryOutputArchive>)void prologue(Archive& archive, T const&) {
  archive.enter();
}
template <class Archive, class T>
requires std::is_class_v<T> &&
    (std::is_same_v<Archive, BinaryInputArchive> ||
     std::is_same_v<Archive, BinaryOutputArchive>)void epilogue(Archive& archive, T const&) {
  archive.leave();
}

}  // namespace v1
}  // namespace beast_cache

CEREAL_REGISTER_ARCHIVE(beast_cache::BinaryOutputArchive)
CEREAL_REGISTER_ARCHIVE(beast_cache::BinaryInputArchive)
CEREAL_SETUP_ARCHIVE_TRAITS(beast_cache::BinaryInputArchive, beast_cache::BinaryOutputArchive)
