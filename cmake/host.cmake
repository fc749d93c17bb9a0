# The LuaJIT host: libanet_host (sandboxed policies for C programs) and the `anet` command line.
# Needs the target anet_core.

need_library(dep_luajit luajit-5.1 luajit.h libluajit-5.1-dev luajit-2.1)
find_library(EDIT_LIBRARY NAMES edit)
find_path(EDIT_INCLUDE NAMES editline/readline.h)

# The FFI's declarations are the public headers themselves, preprocessed.
set(ANET_GENERATED "${CMAKE_BINARY_DIR}/generated")
file(MAKE_DIRECTORY "${ANET_GENERATED}")
set(ANET_CDEF "${ANET_GENERATED}/cdef.lua")
add_custom_command(
  OUTPUT "${ANET_CDEF}"
  COMMAND ${CMAKE_C_COMPILER} -E -P -DANET_CDEF "${CMAKE_SOURCE_DIR}/core/anet_host.h"
          -o "${ANET_GENERATED}/anet.i"
  COMMAND ${CMAKE_COMMAND} "-DIN=${ANET_GENERATED}/anet.i" "-DOUT=${ANET_CDEF}"
          -P "${CMAKE_SOURCE_DIR}/cmake/cdef.cmake"
  DEPENDS "${CMAKE_SOURCE_DIR}/core/anet.h" "${CMAKE_SOURCE_DIR}/core/anet_host.h" "${CMAKE_SOURCE_DIR}/cmake/cdef.cmake"
  VERBATIM)

# Every Lua file travels inside the library; the environment's ANET_LUA overrides them.
file(GLOB_RECURSE ANET_LUA_FILES CONFIGURE_DEPENDS RELATIVE "${CMAKE_SOURCE_DIR}"
  "${CMAKE_SOURCE_DIR}/lua/anet/*.lua" "${CMAKE_SOURCE_DIR}/policies/*.lua")
list(APPEND ANET_LUA_FILES core/anet.h) # the REPL's documentation of C functions
list(TRANSFORM ANET_LUA_FILES PREPEND "${CMAKE_SOURCE_DIR}/" OUTPUT_VARIABLE ANET_LUA_PATHS)
set(ANET_EMBEDDED "${ANET_GENERATED}/files.c")
add_custom_command(
  OUTPUT "${ANET_EMBEDDED}"
  COMMAND ${CMAKE_COMMAND} "-DOUT=${ANET_EMBEDDED}" "-DROOT=${CMAKE_SOURCE_DIR}"
          "-DFILES=${ANET_LUA_FILES};lua/anet/cdef.lua=${ANET_CDEF}"
          -P "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
  DEPENDS ${ANET_LUA_PATHS} "${ANET_CDEF}" "${CMAKE_SOURCE_DIR}/cmake/embed.cmake"
  VERBATIM)

file(GLOB ANET_HOST_SOURCES CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/core/host/*.c")
set(ANET_MAIN_SOURCES "${CMAKE_SOURCE_DIR}/core/host/main.c" "${CMAKE_SOURCE_DIR}/core/host/repl.c")
list(REMOVE_ITEM ANET_HOST_SOURCES ${ANET_MAIN_SOURCES})

add_library(anet_host STATIC ${ANET_HOST_SOURCES} "${ANET_EMBEDDED}")
target_include_directories(anet_host PUBLIC "${CMAKE_SOURCE_DIR}/core")
target_link_libraries(anet_host PUBLIC anet_core dep_luajit)

# The FFI looks up the engine's functions in the executable, so all of them must be in it.
add_executable(anet ${ANET_MAIN_SOURCES})
set_target_properties(anet PROPERTIES ENABLE_EXPORTS ON)
target_link_libraries(anet PRIVATE "-Wl,--whole-archive" anet_host anet_core "-Wl,--no-whole-archive")
if(EDIT_LIBRARY AND EDIT_INCLUDE)
  target_link_libraries(anet PRIVATE ${EDIT_LIBRARY})
  target_include_directories(anet SYSTEM PRIVATE ${EDIT_INCLUDE})
  target_compile_definitions(anet PRIVATE ANET_WITH_EDIT)
endif()

# For plain LuaJIT: require "anet" loads libanet.so.
install(DIRECTORY "${CMAKE_SOURCE_DIR}/lua/anet" DESTINATION share/lua/5.1 FILES_MATCHING PATTERN "*.lua")
install(FILES "${ANET_CDEF}" DESTINATION share/lua/5.1/anet)
install(TARGETS anet anet_host)
install(FILES "${CMAKE_SOURCE_DIR}/core/anet_host.h" TYPE INCLUDE)

if(ANET_TESTS)
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/host/test_*.c")
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE anet_host test_support)
    add_test(NAME host/${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties(host/${name} PROPERTIES TIMEOUT 600 LABELS host)
  endforeach()
  add_dependencies(test_command anet) # which it runs
endif()
