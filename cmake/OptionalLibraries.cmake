# The libraries that are used where they are found: each becomes the target beast_cache::optional_NAME. Their own
# CMake packages differ from one distribution to the next, or don't exist. Installed beside the package file, which
# has to find again what a static library was built with.

# beast_cache_optional(NAME HEADER LIBRARY)
function(beast_cache_optional name header library)
  if(TARGET beast_cache::optional_${name})
    return()
  endif()
  find_path(BEAST_CACHE_${name}_INCLUDE_DIR ${header})
  find_library(BEAST_CACHE_${name}_LIBRARY ${library})
  mark_as_advanced(BEAST_CACHE_${name}_INCLUDE_DIR BEAST_CACHE_${name}_LIBRARY)
  if(BEAST_CACHE_${name}_INCLUDE_DIR AND BEAST_CACHE_${name}_LIBRARY)
    add_library(beast_cache::optional_${name} UNKNOWN IMPORTED)
    set_target_properties(beast_cache::optional_${name} PROPERTIES
      IMPORTED_LOCATION "${BEAST_CACHE_${name}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${BEAST_CACHE_${name}_INCLUDE_DIR}")
  endif()
endfunction()

function(beast_cache_find_optional name)
  if(name STREQUAL "BROTLI")
    beast_cache_optional(BROTLI brotli/decode.h brotlidec)
  elseif(name STREQUAL "ZSTD")
    beast_cache_optional(ZSTD zstd.h zstd)
  elseif(name STREQUAL "PSL")
    beast_cache_optional(PSL libpsl.h psl)
  endif()
endfunction()
