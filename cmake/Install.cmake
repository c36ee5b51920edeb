# Installs the library, its headers, the CMake package and the pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(TARGETS beast_cache EXPORT beast_cacheTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# File sets would need CMake 3.23.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/beast_cache DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.hpp" PATTERN "*.ipp")
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

# A static library hands its own dependencies to whoever links it; a shared one keeps them.
get_target_property(type beast_cache TYPE)
if(type STREQUAL "STATIC_LIBRARY")
  set(BEAST_CACHE_IS_STATIC TRUE)
else()
  set(BEAST_CACHE_IS_STATIC FALSE)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/beast_cache)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/beast_cacheConfig.cmake.in
  ${PROJECT_BINARY_DIR}/beast_cacheConfig.cmake INSTALL_DESTINATION ${package_dir})
# Below 1.0 a minor version may break its users.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/beast_cacheConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES
  ${PROJECT_BINARY_DIR}/beast_cacheConfig.cmake ${PROJECT_BINARY_DIR}/beast_cacheConfigVersion.cmake
  ${PROJECT_SOURCE_DIR}/cmake/OptionalLibraries.cmake
  DESTINATION ${package_dir})
install(EXPORT beast_cacheTargets NAMESPACE beast_cache:: DESTINATION ${package_dir})

# What pkg-config calls them.
set(pc_BROTLI libbrotlidec)
set(pc_ZSTD libzstd)
set(pc_PSL libpsl)
set(pc_optional "")
foreach(name IN LISTS BEAST_CACHE_OPTIONAL)
  string(APPEND pc_optional ", ${pc_${name}}")
endforeach()

# The prefix is found from the .pc file's own place, so an install tree can be moved.
file(RELATIVE_PATH pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/beast_cache.pc.in ${PROJECT_BINARY_DIR}/beast_cache.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/beast_cache.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
