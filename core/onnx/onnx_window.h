/* Windows that slide over images: what is read of their nodes. */
#ifndef ANET_ONNX_WINDOW_H
#define ANET_ONNX_WINDOW_H

#include "onnx/onnx_import.h"

/* A window over 1 or 2 axes; one axis is the rows of an image one column wide. */
typedef struct anet__onnx_window {
  int32_t axes;
  anet_attr
      attr; /* kernel stride dilation pad; of a transposed one, dim: what is added at the end */
} anet__onnx_window;

/* kernel: what the weights say, or NULL. in: the image it slides over. */
int anet__onnx_read_window(const anet__onnx_node *node, int32_t axes, const int64_t *kernel,
                           const anet_shape *in, anet__onnx_window *out);
/* Of a transposed one: output_padding, output_shape and auto_pad all say how large the output is.
 */
int anet__onnx_read_output(const anet__onnx_node *node, const anet_shape *in, anet__onnx_window *w);
/* ceil_mode: more padding at the end, so that a last window that begins inside is not lost. */
void anet__onnx_pad_ceil(anet_attr *a, const anet_shape *in);
/* A window over volumes (N, C, D, H, W), by windows over its planes. */
int anet__onnx_volume(anet__onnx_import *im, const anet__onnx_node *node);

#endif
