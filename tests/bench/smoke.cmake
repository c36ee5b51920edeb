# A short run writes the JSON that is documented.
# usage: cmake -DBENCH=PROGRAM -DSUITE=NAME -DONLY=SUBSTRING -DNAMES=ROW;ROW -DDIRECTORY=DIR -P smoke.cmake
execute_process(
  COMMAND ${BENCH} --dir ${DIRECTORY}/data --json ${DIRECTORY} --rounds 1 --entries 1000 --only ${ONLY}
  COMMAND_ERROR_IS_FATAL ANY)
file(READ ${DIRECTORY}/${SUITE}.json json)

function(expect actual expected)
  if(NOT actual STREQUAL expected)
    message(FATAL_ERROR "${actual}, not ${expected}\n${json}")
  endif()
endfunction()

string(JSON suite GET "${json}" suite)
expect("${suite}" ${SUITE})
string(JSON count LENGTH "${json}" rows)
list(LENGTH NAMES expected)
expect("${count}" ${expected})
set(row 0)
foreach(expected IN LISTS NAMES)
  string(JSON name GET "${json}" rows ${row} name)
  expect("${name}" "${expected}")
  string(JSON value GET "${json}" rows ${row} value)
  string(JSON type TYPE "${json}" rows ${row} value)
  expect("${type}" NUMBER)
  if(NOT value GREATER 0)
    message(FATAL_ERROR "${name}: ${value}")
  endif()
  foreach(field IN ITEMS unit reference)
    string(JSON type TYPE "${json}" rows ${row} ${field})
    expect("${type}" STRING)
  endforeach()
  string(JSON type TYPE "${json}" rows ${row} goal)
  expect("${type}" NUMBER)
  string(JSON type TYPE "${json}" rows ${row} met)
  expect("${type}" BOOLEAN)
  math(EXPR row "${row} + 1")
endforeach()

file(GLOB left ${DIRECTORY}/data/*)
expect("${left}" "")

execute_process(COMMAND ${BENCH} --dir ${DIRECTORY}/data --only "no row of that name" RESULT_VARIABLE result ERROR_QUIET)
expect("${result}" 1)
