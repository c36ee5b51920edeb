#pragma once
/// \file version.hpp
/// The library's version. CMake reads it from here, so that there is one place to change.

#define BEAST_CACHE_VERSION_MAJOR 0
#define BEAST_CACHE_VERSION_MINOR 1
#define BEAST_CACHE_VERSION_PATCH 0

/// 10000 * major + 100 * minor + patch
#define BEAST_CACHE_VERSION \
  (BEAST_CACHE_VERSION_MAJOR * 10000 + BEAST_CACHE_VERSION_MINOR * 100 + BEAST_CACHE_VERSION_PATCH)
