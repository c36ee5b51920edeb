#pragma once
// The marks of a cache file.

#include <cstdint>

#include "beast_cache/config.hpp"

namespace beast_cache {
inline namespace v1 {
namespace sqlite {

// "BCch" in the database header, where file(1) and we recognise it.
inline constexpr std::int64_t application_id = 0x42436368;

// user_version: the layout of the file as a whole, that is of the catalogue
//   beast_cache_tables(name, kind, version, entries)
// Each table owner's own version is in the catalogue. `entries` is the number of rows of a table, NULL if it
// has to be counted anew; it came with version 2.
inline constexpr std::int64_t file_version = 2;

}  // namespace sqlite
}  // namespace v1
}  // namespace beast_cache
