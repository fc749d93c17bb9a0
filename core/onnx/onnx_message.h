/* The messages of onnx.proto, unpacked with bounds on depth and memory. */
#ifndef ANET_ONNX_MESSAGE_H
#define ANET_ONNX_MESSAGE_H

#include <onnx.pb-c.h>

#include "onnx/onnx.h"

/* Unpack a message of a file into memory of the pool. ANET_FORMAT: the bytes are not such a message,
 * or nest too deeply. */
int anet__onnx_unpack(anet__onnx_pool *pool, const ProtobufCMessageDescriptor *kind,
                      const char *data, size_t bytes, void **out);
/* The bytes of a file, in the pool, which from then on may ask for memory in proportion. */
int anet__onnx_load(anet__onnx_pool *pool, const char *path, char **data, size_t *bytes);
/* An array of `bytes` bytes of raw elements: ANET_FORMAT where they are not as many as the shape wants.
 * name: for messages. */
int anet__onnx_from_raw(anet__onnx_pool *pool, const char *name, int32_t type, int32_t rank,
                        const int64_t *dim, const void *raw, size_t bytes, anet__onnx_array **out);
/* A message whose memory is the array's; a single UINT8 stays one, other whole numbers become INT64. */
void anet__onnx_fill_tensor(const char *name, const anet__onnx_array *a, Onnx__TensorProto *t);
/* An array of a message of the file `path`, in whose folder files of external data lie. */
int anet__onnx_decode(anet__onnx_pool *pool, const char *path, const Onnx__TensorProto *t,
                      anet__onnx_array **out);

#endif
