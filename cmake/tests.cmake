# Every tests/{unit,kernel,grad,…}/test_*.c is one program and one test; tests/bench/bench_*.c are
# programs that no test runs.
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_SYSTEM_PROCESSOR STREQUAL aarch64)
  add_compile_options(-fno-tree-loop-vectorize) # GCC 12 crashes on sums by fmax; for what follows only
endif()
file(GLOB support_sources CONFIGURE_DEPENDS tests/support/*.c)
add_library(test_support STATIC ${support_sources})
target_include_directories(test_support PUBLIC tests core)
target_link_libraries(test_support PUBLIC anet_core)

foreach(kind unit kernel grad fault golden)
  file(GLOB sources CONFIGURE_DEPENDS tests/${kind}/test_*.c)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE test_support)
    add_test(NAME ${kind}/${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${kind}/${name} PROPERTIES TIMEOUT 600 LABELS ${kind})
  endforeach()
endforeach()

file(GLOB sources CONFIGURE_DEPENDS tests/bench/bench_*.c)
foreach(source ${sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE test_support)
endforeach()

file(GLOB lints CONFIGURE_DEPENDS tests/lint/*.sh)
foreach(lint ${lints})
  get_filename_component(name ${lint} NAME_WE)
  add_test(NAME lint/${name} COMMAND bash ${lint} ${CMAKE_BINARY_DIR} ${CMAKE_NM} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endforeach()

if(TARGET anet)
  file(GLOB scripts CONFIGURE_DEPENDS tests/lua/test_*.lua tests/policy/test_*.lua)
  foreach(script ${scripts})
    get_filename_component(name ${script} NAME_WE)
    add_test(NAME lua/${name} COMMAND anet ${script} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(lua/${name} PROPERTIES TIMEOUT 600 LABELS lua)
  endforeach()
endif()

# These compare times, or want an answer within some: nothing else runs beside them.
set(measuring_tests unit/test_long unit/test_profile unit/test_stop host/test_hostile lua/test_demo lua/test_interrupt
                    lua/test_road)
