# Every tests/fuzz/door_NAME.c is a door that strangers' bytes come through. With ANET_FUZZ it becomes the
# fuzzer fuzz_NAME, which changes inputs as tests/fuzz/change_NAME.c says where there is one; with ANET_TESTS
# the program replay_NAME, which runs its seeds, whole and damaged.
file(GLOB ANET_DOORS CONFIGURE_DEPENDS tests/fuzz/door_*.c)

function(fuzz_program name door)
  add_executable(${name} ${door} tests/fuzz/fuzz.c tests/fuzz/visit.c tests/support/scratch.c ${ARGN})
  target_include_directories(${name} PRIVATE tests core)
  target_link_libraries(${name} PRIVATE anet_core)
endfunction()

function(fuzz_replays)
  foreach(door ${ANET_DOORS})
    string(REGEX REPLACE ".*/door_(.*)\\.c" "\\1" name ${door})
    fuzz_program(replay_${name} ${door} tests/fuzz/replay.c)
    add_test(NAME fuzz/replay_${name} COMMAND replay_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(fuzz/replay_${name} PROPERTIES TIMEOUT 600 LABELS fuzz)
  endforeach()
endfunction()

if(ANET_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID STREQUAL Clang)
    message(FATAL_ERROR "ANET_FUZZ needs clang, not ${CMAKE_C_COMPILER_ID}: use the preset fuzz")
  endif()
  foreach(door ${ANET_DOORS})
    string(REGEX REPLACE ".*/door_(.*)\\.c" "\\1" name ${door})
    file(GLOB change CONFIGURE_DEPENDS tests/fuzz/change_${name}.c)
    fuzz_program(fuzz_${name} ${door} ${change})
    target_include_directories(fuzz_${name} SYSTEM PRIVATE ${ANET_ONNX_INCLUDE})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  endforeach()
endif()
