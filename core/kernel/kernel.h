/* The maths on raw pointers: one table of functions an instruction set.
 *
 * ref.c is the specification, in plain C; simd.inc gives the same contract in vectors and is
 * compiled once an ISA. All arrays are float32, NHWC, dense unless a leading dimension is given.
 * No kernel allocates, fails or knows a tensor. Inputs and outputs do not overlap unless said.
 * A kernel gives the same bits for a pixel whatever rows it is called with, so splitting rows
 * between threads never changes a result.
 */
#ifndef ANET_KERNEL_H
#define ANET_KERNEL_H

#include "base/compiler.h"
#include "base/cpu.h"

/* What happens to an accumulator on its way out: y = clamp(scale[c] * acc + shift[c] + add, low, high).
 * NULL scale is 1, NULL shift is 0, NULL add is 0. No clamp: low = -INFINITY, high = INFINITY.
 * NaN stays NaN. `add` has the layout of the output and may be the output itself (accumulate). */
typedef struct anet__post {
  const float *scale, *shift; /* (channels) */
  const float *add;           /* (rows, channels), leading dimension add_ld */
  size_t add_ld;
  float low, high;
} anet__post;

/* A convolution as an indirect GEMM: row r of the output needs `taps` rows of the input, found
 * through pointers. A tap that falls into the padding points to a row of zeros. A 1x1
 * convolution and a linear layer have one tap; a transposed convolution (the gradient for data)
 * is the same with other pointers. */
typedef struct anet__conv_args {
  const float *const *tap; /* (rows, taps) each points to cin floats */
  int32_t rows, taps, cin, cout;
  const float *packed;     /* weights as conv_pack lays them out */
  const float *ahead;      /* those of the call that follows, laid out alike: asked for meanwhile. NULL: none */
  float *out;              /* (rows, cout), leading dimension out_ld */
  size_t out_ld;
  anet__post post;
} anet__conv_args;

/* dw[t][i][o] += sum over rows of tap(r, t)[i] * dy[r][o]. Rows are added in order. */
typedef struct anet__conv_grad_args {
  const float *const *tap; /* (rows, taps) */
  int32_t rows, taps, cin, cout;
  const float *dy;         /* (rows, cout), leading dimension dy_ld */
  size_t dy_ld;
  float *dw;               /* (taps, cin, cout), leading dimension of a (t, i) row: dw_ld */
  size_t dw_ld;
} anet__conv_grad_args;

/* Depthwise: y[r][c] = post(sum over t of tap(r, t)[c] * w[t][c]). post.add may be out. */
typedef struct anet__depthwise_args {
  const float *const *tap; /* (rows, taps) */
  int32_t rows, taps, channels;
  const float *weight;     /* (taps, channels), leading dimension weight_ld */
  size_t weight_ld;
  float *out;
  size_t out_ld;
  anet__post post;
} anet__depthwise_args;

/* Memory that is wanted after this call, by whoever comes then, and that lies as something does here: it is asked for
 * meanwhile, as a kernel computes more than it moves. NULL: nothing. */
typedef struct anet__ahead {
  const float *at[4];
} anet__ahead;

/* The same for lines of output pixels, found by lines of input pixels: tap (ky, kx) of pixel (y, x) is column
 * x * stride[1] + offset + kx of line[y * stride[0] + ky]; a line that is NULL and columns that are not there
 * are padding. */
typedef struct anet__depthwise_lines_args {
  const float *const *line; /* ((lines - 1) * stride[0] + kernel[0]), each (columns, channels) */
  int32_t kernel[2], stride[2], offset, columns;
  int32_t lines, pixels, channels; /* of the output */
  size_t pixel;        /* floats from one input pixel to the next */
  const float *weight; /* (kernel, channels), leading dimension weight_ld */
  size_t weight_ld;
  float *out;          /* (lines, pixels, channels), leading dimension out_ld of a pixel */
  size_t out_ld;
  anet__post post;     /* rows are pixels */
  anet__ahead ahead;   /* lies as out does */
} anet__depthwise_lines_args;

/* dw[t][c] += sum over rows of tap(r, t)[c] * dy[r][c]. */
typedef struct anet__depthwise_grad_args {
  const float *const *tap;
  int32_t rows, taps, channels;
  const float *dy;
  size_t dy_ld;
  float *dw; /* (taps, channels), leading dimension dw_ld */
  size_t dw_ld;
} anet__depthwise_grad_args;

/* Both gradients of a depthwise convolution, at lines of its input. Tap (ky, kx) that read input pixel (y, x) was that of
 * column (x + phase[1] - kx) / stride[1] of line dy[(y + phase[0] - ky) / stride[0]], where both are whole; what they are
 * all lies there, for phase[i] >= kernel[i] - 1 and dy has zeros around. Then
 *   dx[y][x] = (accumulate ? dx[y][x] : 0) + sum over taps of dy * w, dw[ky][kx] += sum over pixels of x * dy. */
typedef struct anet__depthwise_back_args {
  const float *const *dy; /* lines, each (columns, channels) */
  int32_t kernel[2], stride[2], phase[2];
  int32_t lines, pixels, channels; /* of the input */
  const float *x; /* (lines, pixels, channels) */
  float *dx;      /* likewise */
  int32_t accumulate;
  const float *weight; /* (kernel, channels), leading dimension weight_ld */
  size_t weight_ld;
  float *dw; /* (kernel, channels) */
  anet__ahead ahead; /* lies as x does */
} anet__depthwise_back_args;

/* A tile of a Winograd convolution (winopoints.h) has n x n input pixels, n = m + 2. Its points:
 * v[point][tile][c] = (BT d B)[point] of channel c. */
typedef struct anet__winograd_in_args {
  const float *const *tap; /* (tiles, n * n) pixels of the tiles, line by line */
  int32_t m, tiles, channels;
  float *v;                /* (n * n, tiles, channels), leading dimensions ld_point, ld_tile */
  size_t ld_point, ld_tile;
} anet__winograd_in_args;

/* Where a tile's m x m output pixels go; rows, cols <= m of them are inside the image. */
typedef struct anet__winograd_spot {
  size_t at; /* floats from `out`, and from post.add */
  int32_t rows, cols;
} anet__winograd_spot;

/* out = post(AT product A), pixel (y, x) of a tile at out + at + y * ld_line + x * ld_pixel. */
typedef struct anet__winograd_out_args {
  const float *product; /* (n * n, tiles, channels), leading dimensions ld_point, ld_tile */
  size_t ld_point, ld_tile;
  const anet__winograd_spot *spot; /* (tiles) */
  int32_t m, tiles, channels;
  float *out;
  size_t ld_line, ld_pixel;
  anet__post post; /* add lies as out does; add_ld is not used */
} anet__winograd_out_args;

/* The gradient of a norm, whose output may have been clamped: what of dy gets through is
 * g = low < scale[c] * x + shift[c] && scale[c] * x + shift[c] < high ? dy : 0, the bounds being the
 * forward pass's own to the bit. Without a clamp scale is NULL and g is dy. */
typedef struct anet__norm_args {
  const float *dy, *x; /* (rows, channels) */
  int32_t rows, channels;
  const float *scale, *shift; /* (channels) */
  float low, high;
  const float *mean;     /* (channels) norm_sums */
  const float *a, *b, *c; /* (channels) norm_grad */
} anet__norm_args;

/* One parameter update over a dense run of n values. */
typedef struct anet__sgd_args {
  float *w, *momentum;
  const float *grad;
  size_t n;
  float rate, momentum_keep, decay;
  int32_t nesterov;
} anet__sgd_args;
typedef struct anet__adam_args {
  float *w, *mean, *square;
  const float *grad;
  size_t n;
  float rate, beta1, beta2, epsilon, decay; /* decoupled decay (AdamW): w -= rate * decay * w */
  float bias1, bias2;                        /* 1 - beta^t */
} anet__adam_args;

/* Kinds of activation that have a vector form beyond a clamp. */
#define ANET_ACT_MAP(X)                                                                     \
  X(SIGMOID, sigmoid)           /* 1 / (1 + exp(-x)) */                                     \
  X(HARD_SIGMOID, hard_sigmoid) /* clamp(x / 6 + 1/2, 0, 1) */                              \
  X(HARD_SWISH, hard_swish)     /* x * hard_sigmoid(x) */                                   \
  X(SWISH, swish)               /* x * sigmoid(x) */                                        \
  X(LEAKY_RELU, leaky_relu)     /* x > 0 ? x : alpha * x */                                 \
  X(ELU, elu)                   /* x > 0 ? x : alpha * (exp(x) - 1) */                      \
  X(GELU, gelu)                 /* x * (1 + erf(x / sqrt(2))) / 2 */                        \
  X(MISH, mish)                 /* x * tanh(softplus(x)) */                                 \
  X(SOFTPLUS, softplus)         /* log(1 + exp(x)) */                                       \
  X(TANH, tanh)                                                                             \
  X(ERF, erf)                                                                               \
  X(EXP, exp)
typedef enum anet__act {
#define X(upper, lower) ANET_ACT_##upper,
  ANET_ACT_MAP(X)
#undef X
  ANET_ACT_GELU_TANH, /* gelu as mode 1 approximates it: x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)) */
  ANET_ACT_COUNT
} anet__act;

/* clang-format off
 * X(name, arguments): every kernel of the table. Pointers of elementwise kernels: y may be x (or a). */
#define ANET_KERNEL_MAP(X) \
  /* -- convolution ------------------------------------------------------------------------- */ \
  /* floats that conv_pack writes for these weights */ \
  X(size_t, conv_pack_size, (int32_t taps, int32_t cin, int32_t cout)) \
  /* w[t * ld_tap + i * ld_in + o * ld_out]: any order of axes can be packed, so the gradient for data packs the transpose */ \
  X(void, conv_pack, (float *packed, const float *w, int32_t taps, int32_t cin, int32_t cout, size_t ld_tap, size_t ld_in, size_t ld_out)) \
  X(void, conv, (const anet__conv_args *a)) \
  X(void, conv_grad, (const anet__conv_grad_args *a)) \
  /* the n * n matrices (cin, cout) of 3 x 3 filters one after the other, each as conv_pack lays it out */ \
  X(void, winograd_pack, (float *packed, const float *w, int32_t m, int32_t cin, int32_t cout, size_t ld_tap, size_t ld_in, size_t ld_out)) \
  X(void, winograd_in, (const anet__winograd_in_args *a)) \
  X(void, winograd_out, (const anet__winograd_out_args *a)) \
  X(void, depthwise, (const anet__depthwise_args *a)) \
  X(void, depthwise_lines, (const anet__depthwise_lines_args *a)) \
  X(void, depthwise_grad, (const anet__depthwise_grad_args *a)) \
  X(void, depthwise_back, (const anet__depthwise_back_args *a)) \
  /* -- pooling: rows of taps, padding taps are NULL here and skipped ------------------------ */ \
  /* y[r][c] = max over taps; index[r][c] (may be NULL) = the tap that won, the first of equals */ \
  X(void, max_pool, (float *y, uint8_t *index, const float *const *tap, int32_t rows, int32_t taps, int32_t channels)) \
  /* y[r][c] = sum over taps / count, count = taps present, or all when count_padding */ \
  X(void, avg_pool, (float *y, const float *const *tap, int32_t rows, int32_t taps, int32_t channels, int32_t count_padding)) \
  /* y[c] = mean over rows */ \
  X(void, mean_rows, (float *y, const float *x, int32_t rows, int32_t channels)) \
  /* -- rows of channels: x, y are (rows, channels) ------------------------------------------- */ \
  /* y = clamp(scale[c] * x + shift[c] + add); post as above */ \
  X(void, affine, (float *y, const float *x, int32_t rows, int32_t channels, const anet__post *post)) \
  /* sum[c] += over rows of x; square[c] += over rows of x*x (square may be NULL). In double, or runs of at most 64 rows in float \
     from the run's first row: off by 70 * FLT_EPSILON of the sums of |x - first| and of (x - first)^2, rows in order. */ \
  X(void, moments, (double *sum, double *square, const float *x, int32_t rows, int32_t channels)) \
  /* sum[c] += over rows of g; dot[c] += over rows of g * (x - mean[c]). In double, or as above: off by 70 * FLT_EPSILON of the \
     sums of |terms|. */ \
  X(void, norm_sums, (double *sum, double *dot, const anet__norm_args *a)) \
  /* dx = (accumulate ? dx : 0) + a[c] * g + b[c] * x + c[c]; dx may be dy */ \
  X(void, norm_grad, (float *dx, const anet__norm_args *a, int32_t accumulate)) \
  /* y = x * gate[c] */ \
  X(void, mul_channels, (float *y, const float *x, const float *gate, int32_t rows, int32_t channels)) \
  /* y[c] += over rows of a * b */ \
  X(void, dot_rows, (float *y, const float *a, const float *b, int32_t rows, int32_t channels)) \
  /* -- flat runs of n ---------------------------------------------------------------------- */ \
  X(void, add, (float *y, const float *a, const float *b, size_t n)) \
  X(void, mul, (float *y, const float *a, const float *b, size_t n)) \
  X(void, axpy, (float *y, float k, const float *x, size_t n))            /* y += k * x */ \
  X(void, muladd, (float *y, const float *a, const float *b, size_t n))   /* y += a * b */ \
  X(void, affine_clamp, (float *y, const float *x, size_t n, float k, float c, float low, float high)) \
  /* dx = (accumulate ? dx : 0) + (low < y && y < high ? dy : 0); y is the clamped output */ \
  X(void, clamp_grad, (float *dx, const float *dy, const float *y, size_t n, float low, float high, int32_t accumulate)) \
  X(void, act, (float *y, const float *x, size_t n, anet__act kind, float alpha)) \
  /* dx = (accumulate ? dx : 0) + dy * f'(x) */ \
  X(void, act_grad, (float *dx, const float *dy, const float *x, size_t n, anet__act kind, float alpha, int32_t accumulate)) \
  /* y[r] = softmax(k * x[r]) over channels */ \
  X(void, softmax, (float *y, const float *x, int32_t rows, int32_t channels, float k)) \
  X(double, dot, (const float *a, const float *b, size_t n))                /* summed in double */ \
  X(double, distance, (const float *a, const float *b, size_t n))           /* sum of (a-b)^2, in double */ \
  X(void, from_bytes, (float *y, const uint8_t *x, int32_t rows, int32_t channels, const float *scale, const float *shift)) \
  X(void, sgd, (const anet__sgd_args *a)) \
  X(void, adam, (const anet__adam_args *a))
/* clang-format on */

typedef struct anet__kernels {
  anet__isa isa;
  int32_t lanes;
  int32_t rows;  /* of the register tile that conv spends its time in */
  int32_t panel; /* output channels of a panel of packed weights; 0: all of them lie interleaved */
#define X(result, name, args) result(*name) args;
  ANET_KERNEL_MAP(X)
#undef X
} anet__kernels;

/* The table for one ISA; NULL if this machine cannot run it or it was not compiled in. */
const anet__kernels *anet__kernels_for(anet__isa isa);
/* The table in use: the best of the machine, or what ANET_ISA in the environment names (an unknown
 * or unavailable name falls back to the best; anet_isa_check in the public header reports it). */
const anet__kernels *anet__kernels_best(void);

#endif
