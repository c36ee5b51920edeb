# Installs the library from this build tree, then builds tests/consumer in each of its three ways and runs it.
# The consumers are compiled without optimisation and debug information: it is the build that is tested.
set(consumer_dir ${CMAKE_CURRENT_LIST_DIR})
set(consumer_prefix ${PROJECT_BINARY_DIR}/consumer/prefix)

function(beast_cache_consumer_test name)
  add_test(NAME "consumer: ${name}"
    COMMAND ${CMAKE_CTEST_COMMAND} --build-and-test ${consumer_dir} ${PROJECT_BINARY_DIR}/consumer/${name}
      --build-generator ${CMAKE_GENERATOR} --build-target consumer
      --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_BUILD_TYPE=None ${ARGN}
      --test-command ${PROJECT_BINARY_DIR}/consumer/${name}/consumer)
  # The build inside uses every processor.
  set_tests_properties("consumer: ${name}" PROPERTIES TIMEOUT 600 PROCESSORS 2)
endfunction()

if(BEAST_CACHE_INSTALL)
  add_test(NAME "consumer: install"
    COMMAND ${CMAKE_COMMAND} --install ${PROJECT_BINARY_DIR} --prefix ${consumer_prefix})
  beast_cache_consumer_test(find_package -DCMAKE_PREFIX_PATH=${consumer_prefix})
  add_test(NAME "consumer: pkg-config"
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/pkg_config.sh ${CMAKE_CXX_COMPILER} ${consumer_prefix}
      ${PROJECT_BINARY_DIR}/consumer/pkg-config)
  set_tests_properties("consumer: install" PROPERTIES FIXTURES_SETUP install_tree)
  set_tests_properties("consumer: find_package" "consumer: pkg-config" PROPERTIES FIXTURES_REQUIRED install_tree)
endif()

set(launcher "")
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(launcher -DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER})
endif()
beast_cache_consumer_test(add_subdirectory -DBEAST_CACHE_SOURCE_DIR=${PROJECT_SOURCE_DIR} ${launcher})
