# Sanitizers, coverage and ccache: all off, or only where found, unless asked for.

set(BEAST_CACHE_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, e.g. address,undefined or thread")
option(BEAST_CACHE_COVERAGE "Count the lines that run (gcov)" OFF)

# A user's own launcher wins; a project that includes this one decides for itself.
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(BEAST_CACHE_CCACHE ccache)
  mark_as_advanced(BEAST_CACHE_CCACHE)
  if(BEAST_CACHE_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${BEAST_CACHE_CCACHE}")
  endif()
endif()

# Whoever links an instrumented library has to be instrumented as well (ASan's container annotations and
# TSan's happens-before edges cross the boundary in both directions), so these are usage requirements of the
# target in the build tree. An installed library does not carry them.
function(beast_cache_instrument target)
  set(flags "")
  if(BEAST_CACHE_SANITIZE)
    list(APPEND flags -fsanitize=${BEAST_CACHE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  endif()
  if(BEAST_CACHE_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND flags -Wno-tsan)  # Asio's use of atomic_thread_fence: see tests/tsan.supp
  endif()
  if(BEAST_CACHE_COVERAGE)
    list(APPEND flags --coverage)
  endif()
  foreach(flag IN LISTS flags)
    target_compile_options(${target} PUBLIC $<BUILD_INTERFACE:${flag}>)
    target_link_options(${target} PUBLIC $<BUILD_INTERFACE:${flag}>)
  endforeach()
endfunction()
