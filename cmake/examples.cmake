# Every example runs as a test, from the top of the repository; my_*.lua are policies that others load.
function(add_example name)
  add_test(NAME example/${name} COMMAND ${ARGN} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(example/${name} PROPERTIES TIMEOUT 120 LABELS example)
endfunction()

add_executable(embed examples/embed.c)
target_link_libraries(embed PRIVATE anet_core)
add_example(embed embed)

if(TARGET anet)
  add_executable(embed_policies examples/embed_policies.c)
  target_link_libraries(embed_policies PRIVATE anet_host)
  add_example(embed_policies embed_policies)

  file(GLOB scripts CONFIGURE_DEPENDS examples/*.lua)
  list(FILTER scripts EXCLUDE REGEX "/my_[^/]*$")
  foreach(script ${scripts})
    get_filename_component(name ${script} NAME_WE)
    add_example(${name} anet ${script})
  endforeach()
endif()
