/* Kernels on whole numbers: activations are bytes, weights are signed bytes.
 *
 * A byte u stands for scale * (u - zero). Sums of products are exact in 32 bits (where a sum has at most
 * 2^31 / (255 * 127) = 66 300 terms), so all tables give the same sums, and differ by rounding in the
 * epilogue alone. The caller folds scales and zeros into it: what a table sums is
 * sum of (u - offset) * w, offset its own (see `offset`).
 */
#ifndef ANET_INT8_H
#define ANET_INT8_H

#include "kernel/kernel.h"

/* y = clamp(scale[c] * sum + shift[c] + add_scale * add, low, high); as bytes, y is in levels: rounded to
 * the nearest (ties to even) and cut to 0 .. 255. */
typedef struct anet__int8_post {
  const float *scale, *shift; /* (channels) */
  const float *add;           /* (rows, channels), leading dimension add_ld; or NULL */
  size_t add_ld;
  float add_scale;
  float low, high;
  bool bytes; /* out is bytes, else floats */
} anet__int8_post;

/* As anet__conv_args. A tap's channels go in fours: up to 3 bytes past its pixel are read, and multiplied by
 * zero. */
typedef struct anet__int8_conv_args {
  const uint8_t *const *tap; /* (rows, taps) each points to cin bytes */
  int32_t rows, taps, cin, cout;
  const int8_t *packed; /* conv_pack */
  void *out;            /* (rows, cout), leading dimension out_ld, in elements */
  size_t out_ld;
  anet__int8_post post;
} anet__int8_conv_args;

/* As anet__depthwise_lines_args, for one line of output: tap (ky, kx) of pixel x is column
 * x * stride + offset + kx * step of line[ky]; what is not there is `zero`. */
typedef struct anet__int8_depthwise_args {
  const uint8_t *const *line; /* (kernel[0]) each (columns, channels), or NULL: padding */
  int32_t kernel[2], stride, offset, step, columns;
  int32_t pixels, channels; /* of the output line */
  uint8_t zero;
  const int8_t *packed; /* depthwise_pack */
  void *out;            /* (pixels, channels) */
  anet__int8_post post; /* rows are pixels */
} anet__int8_depthwise_args;

/* clang-format off
 * X(name, arguments) */
#define ANET_INT8_MAP(X) \
  X(size_t, conv_pack_size, (int32_t taps, int32_t cin, int32_t cout)) /* bytes */ \
  X(void, conv_pack, (int8_t *packed, const int8_t *w, int32_t taps, int32_t cin, int32_t cout)) /* w (taps, cin, cout) */ \
  X(void, conv, (const anet__int8_conv_args *a)) \
  X(size_t, depthwise_pack_size, (int32_t rows, int32_t columns, int32_t channels)) /* bytes */ \
  X(void, depthwise_pack, (int8_t *packed, const int8_t *w, int32_t rows, int32_t columns, int32_t channels)) /* w (rows, columns, channels) */ \
  X(void, depthwise, (const anet__int8_depthwise_args *a)) \
  X(void, quantize, (uint8_t *y, const float *x, size_t n, float levels, float zero)) /* y = levels * x + zero, as bytes */
/* clang-format on */

typedef struct anet__int8 {
  const char *name;
  int32_t offset; /* what is taken from bytes before they are multiplied */
#define X(result, name, args) result(*name) args;
  ANET_INT8_MAP(X)
#undef X
} anet__int8;

/* The best for an ISA on this machine; all that this machine can run, by number (NULL ends them). */
const anet__int8 *anet__int8_for(anet__isa isa);
const anet__int8 *anet__int8_at(int32_t index);

/* ref's own, for the tables of this folder. */
#define X(result, name, args) result anet__ref_int8_##name args;
ANET_INT8_MAP(X)
#undef X

#endif
