#pragma once
/// \file cereal_serializer.hpp
/// Any type that cereal can serialise.

#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>
#include <cstddef>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "beast_cache/storage/binary_archive.hpp"
#include "beast_cache/storage/serializer.hpp"

namespace beast_cache {
inline namespace v1 {

/// The serializer of `SQLitePickleCache` by default. Of cereal's headers it brings those for strings and
/// vectors; include `<cereal/types/....hpp>` for the other types that are used.
///
/// The order of the members is the format: give a changed type another \p type_id, or store a version with
/// it. Only types that are default constructible; no shared or raw pointers, no long double, and classes
/// within each other 512 deep at most, cereal's own counted: a list of `unique_ptr` has three for each
/// element. Errors: `cache_errc::bad_value` for more, when it is written.
template <class T>
class CerealSerializer final : public Serializer<T> {
 public:
  /// The type is told by its name in the program.
  CerealSerializer() : CerealSerializer(name_hash(typeid(T).name())) {}
  explicit CerealSerializer(std::uint32_t type_id) : type_id_(type_id) {}

  std::uint8_t format() const noexcept override { return 1; }
  std::uint32_t type_id() const noexcept override { return type_id_; }

  void encode(T const& value, std::string& out) const override {
    BinaryOutputArchive archive(out);
    archive(value);
  }

  /// Nothing is copied for it.
  std::size_t size_of(T const& value) const override {
    if constexpr (std::is_trivially_copyable_v<T>) return sizeof(T);
    BinaryOutputArchive archive;
    archive(value);
    return archive.size();
  }

  T decode(std::string_view bytes) const override {
    BinaryInputArchive archive(bytes);
    T value{};
    try {
      archive(value);
    } catch (Error const&) {
      throw;
    } catch (std::bad_alloc const&) {
      throw;
    } catch (std::exception const& error) {
      // cereal's own complaints, and those of the type's constructors.
      throw Error(cache_errc::bad_value, error.what());
    }
    if (archive.left() != 0) BinaryInputArchive::fail("more bytes than the type takes");
    return value;
  }

 private:
  // FNV-1a
  static std::uint32_t name_hash(std::string_view name) noexcept {
    std::uint32_t hash = 2166136261u;
    for (char const c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
    return hash;
  }

  std::uint32_t type_id_;
};

}  // namespace v1
}  // namespace beast_cache
