# C for the messages of the system's onnx.proto, by protobuf-c. Nothing generated is committed.
find_path(ONNX_PROTO_FOLDER NAMES onnx.proto PATH_SUFFIXES onnx PATHS /usr/include /usr/local/include)
if(NOT ONNX_PROTO_FOLDER)
  message(FATAL_ERROR "anet needs onnx.proto: install the Debian package libonnx-dev")
endif()
find_program(PROTOC_C NAMES protoc-c)
if(NOT PROTOC_C)
  message(FATAL_ERROR "anet needs protoc-c: install the Debian package protobuf-c-compiler")
endif()

set(ANET_ONNX_INCLUDE "${CMAKE_BINARY_DIR}/generated/onnx")
set(ANET_ONNX_SOURCES "${ANET_ONNX_INCLUDE}/onnx.pb-c.c")
file(MAKE_DIRECTORY "${ANET_ONNX_INCLUDE}")
add_custom_command(
  OUTPUT "${ANET_ONNX_INCLUDE}/onnx.pb-c.c" "${ANET_ONNX_INCLUDE}/onnx.pb-c.h"
  COMMAND ${PROTOC_C} "--proto_path=${ONNX_PROTO_FOLDER}" "--c_out=${ANET_ONNX_INCLUDE}"
          "${ONNX_PROTO_FOLDER}/onnx.proto"
  DEPENDS "${ONNX_PROTO_FOLDER}/onnx.proto"
  VERBATIM)
set_source_files_properties("${ANET_ONNX_SOURCES}" PROPERTIES COMPILE_OPTIONS "-w")
