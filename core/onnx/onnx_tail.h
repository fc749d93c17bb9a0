/* The end of a model that an import left out: it goes through the bundle as it came, a message of
 * protobuf in the tensor "onnx.tail", and stands behind the rest again where that is exported.
 *
 * The message is a ModelProto whose graph has: the nodes; the constants that only they need;
 * value_info: what they read of the rest; input: the model's inputs that only they read; output:
 * all outputs of the model, in its order. */
#ifndef ANET_ONNX_TAIL_H
#define ANET_ONNX_TAIL_H

#include "onnx/onnx_message.h"
#include "onnx/onnx_partial.h"

/* Keep it in the bundle. *why: a text of the pool where exports cannot have it again; NULL: they
 * can. */
int anet__onnx_tail_keep(anet__onnx_import *im, anet_bundle *about, const char **why);
/* Put it behind a model that is ready to be packed. ANET_STATE: an output that it reads is not
 * there. ANET_UNSUPPORTED: a name is taken. */
int anet__onnx_tail_attach(anet__onnx_pool *pool, const void *tail, Onnx__ModelProto *model);

#endif
