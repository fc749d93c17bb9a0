/* The text "border" of a bundle: how an ONNX model numbers the axes of its inputs and outputs.
 *   {"format": "onnx", "opset":, "producer":, "inputs": [face …], "outputs": [face …]}
 *   face: {"name":, "type": of its elements ("float", "int64", "bool", …), "batch": is axis 0 the batch?, "dims": the
 *          other axes, "atoms": dims cut into factors, "order": the factors as the engine stores them, counted from 0} */
#ifndef ANET_ONNX_BORDER_H
#define ANET_ONNX_BORDER_H

#include "onnx/onnx_import.h"

int anet__onnx_border_write(const anet__onnx_import *im, anet_bundle *about);
/* The layout of output `name` with dims of `count` elements an image; *found is false where the bundle has
 * no border, or that no such output with a batch. dim: (layout->axes). */
int anet__onnx_border_read(const anet_bundle *about, const char *name, int64_t count,
                           anet__layout *layout, int64_t *dim, bool *found);

#endif
