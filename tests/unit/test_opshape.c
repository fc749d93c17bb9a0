/* Shapes of ops at the last numbers that they take, and the words for the first that they do not;
 * what their work is said to be; and how it is cut for threads. */
#include <float.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "../grad/opcases.h"
#include "op/bytes.h"
#include "op/taps.h"
#include "op/work.h"
#include "support/test.h"

/* ---- shapes --------------------------------------------------------------------------------- */

enum { MOST_PLACES = 1 << 30 };

static const anet_shape image = IMAGE(5, 6, 4);

typedef struct shape_case {
  const char *op;
  anet_attr attr;
  anet_shape in[3], out; /* out.rank 0: it is refused, */
  int rc;                /* so, */
  const char *words;     /* and in these words */
} shape_case;

#define SHAPE3(h, w, c)                                                                            \
  {                                                                                                \
    3,                                                                                             \
    {                                                                                              \
      h, w, c                                                                                      \
    }                                                                                              \
  }
#define SHAPE2(h, w)                                                                               \
  {                                                                                                \
    2,                                                                                             \
    {                                                                                              \
      h, w                                                                                         \
    }                                                                                              \
  }
#define SHAPE1(n)                                                                                  \
  {                                                                                                \
    1,                                                                                             \
    {                                                                                              \
      n                                                                                            \
    }                                                                                              \
  }

// clang-format off
static const shape_case cases[] = {
    {"conv", {.kernel = {5, 6}, .channels = 3}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(1, 1, 3)},
    {"conv", {.kernel = {6, 6}, .channels = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "conv: kernel (6, 6) with padding (0, 0, 0, 0) does not fit input (5, 6, 4)"},
    {"conv", {.kernel = {30, 6}, .pad = {1, 2, 3, 4}, .channels = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "conv: kernel (30, 6) with padding (1, 2, 3, 4) does not fit input (5, 6, 4)"},
    {"conv", {.kernel = {5, 7}, .channels = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "does not fit"},
    {"conv", {.kernel = {6, 7}, .pad = {1, 0, 0, 1}, .channels = 3}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(1, 1, 3)},
    {"conv", {.kernel = {3, 2}, .dilation = {2, 5}, .channels = 3}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(1, 1, 3)},
    {"conv", {.kernel = {3, 2}, .dilation = {2, 6}, .channels = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "does not fit"},
    {"conv", {.kernel = {2, 2}, .stride = {3, 4}, .channels = 3}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(2, 2, 3)},
    {"conv", {.kernel = {2, 2}, .stride = {4, 5}, .channels = 3}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(1, 1, 3)},
    {"conv", {.kernel = {1, 1}, .channels = 1}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 6, 1)},
    {"conv", {.kernel = {1, 1}, .channels = 0}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "conv: channels 0 and groups 1 must be at least 1"},
    {"conv", {.kernel = {1, 1}, .channels = 2, .groups = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "groups -1"},
    {"conv", {.kernel = {1, 1}, .channels = 6, .groups = 4}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "conv: input (5, 6, 4) and 6 output channels do not divide by 4 groups"},
    {"conv", {.kernel = {1, 1}, .channels = 6, .groups = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "do not divide by 3 groups"},
    {"conv", {.kernel = {1, 1}, .channels = 6, .groups = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 6, 6)},
    {"conv", {.kernel = {0, 1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "conv: rows: kernel 0, stride 1, dilation 1 must be at least 1"},
    {"conv", {.kernel = {1, 0}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "conv: columns: kernel 0"},
    {"conv", {.kernel = {1, 1}, .stride = {-1, 1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "rows: kernel 1, stride -1"},
    {"conv", {.kernel = {1, 1}, .dilation = {1, -1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "dilation -1"},
    {"conv", {.kernel = {1, 1}, .stride = {MOST_PLACES, 1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(1, 6, 2)},
    {"conv", {.kernel = {1, 1}, .stride = {MOST_PLACES + 1, 1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "rows: stride 1073741825 is over 1073741824"},
    {"conv", {.kernel = {1, 1}, .pad = {-1, 0, 0, 0}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "rows: padding -1, 0 is negative"},
    {"conv", {.kernel = {1, 1}, .pad = {0, 0, 0, -1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "columns: padding 0, -1 is negative"},
    {"conv", {.kernel = {1, 1}, .pad = {0, MOST_PLACES - 6, 0, 0}, .stride = {1, MOST_PLACES}, .channels = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 1, 2)},
    {"conv", {.kernel = {1, 1}, .pad = {0, MOST_PLACES - 5, 0, 0}, .stride = {1, MOST_PLACES}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "conv: input (5, 6, 4) with padding (0, 1073741819, 0, 0) is over 1073741824 places"},
    {"conv", {.kernel = {64, 32}, .channels = 1}, {SHAPE3(64, 64, 1)}, .out = SHAPE3(1, 33, 1)},
    {"conv", {.kernel = {64, 33}, .channels = 1}, {SHAPE3(64, 64, 1)}, .rc = ANET_UNSUPPORTED, .words = "conv: kernel (64, 33) has over 2048 taps"},
    {"conv", {.kernel = {1, 1}, .channels = 2}, {SHAPE2(6, 4)}, .rc = ANET_SHAPE, .words = "conv: input (6, 4) has rank 2, want 3 (height, width, channels)"},
    {"depthwise", {.kernel = {2, 3}, .stride = {3, 3}}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(2, 2, 4)},
    {"conv_transpose", {.kernel = {2, 3}, .stride = {2, 3}, .channels = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(10, 18, 2)},
    {"conv_transpose", {.kernel = {3, 3}, .dilation = {2, 1}, .pad = {1, 0, 2, 1}, .dim = {0, 1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(6, 8, 2)},
    {"conv_transpose", {.kernel = {2, 2}, .pad = {1, 0, 0, 0}, .channels = 2}, {SHAPE3(1, 6, 4)}, .out = SHAPE3(1, 7, 2)},
    {"conv_transpose", {.kernel = {2, 2}, .pad = {1, 0, 1, 0}, .channels = 2}, {SHAPE3(1, 6, 4)}, .rc = ANET_SHAPE, .words = "conv_transpose: of input (1, 6, 4) it would make 0 rows"},
    {"conv_transpose", {.kernel = {2, 2}, .pad = {0, 1, 0, 1}, .channels = 2}, {SHAPE3(6, 1, 4)}, .rc = ANET_SHAPE, .words = "0 columns"},
    {"conv_transpose", {.kernel = {2, 2}, .dim = {0, -1}, .channels = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "6 columns"},
    {"conv_transpose", {.kernel = {2, 2}, .channels = 6, .groups = 4}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "conv_transpose: input (5, 6, 4), 6 channels, 4 groups do not divide"},
    {"conv_transpose", {.kernel = {2, 2}, .channels = 6, .groups = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "3 groups do not divide"},
    {"conv_transpose", {.kernel = {2, 2}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "0 channels"},
    {"conv_transpose", {.kernel = {2, 2}, .channels = 2, .groups = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "-1 groups"},
    {"conv_transpose", {.kernel = {2, 2}, .channels = 2}, {SHAPE1(4)}, .rc = ANET_SHAPE, .words = "conv_transpose: input (4) has rank 1, want 3"},
    {"max_pool", {.kernel = {16, 16}}, {SHAPE3(16, 17, 2)}, .out = SHAPE3(1, 2, 2)},
    {"max_pool", {.kernel = {16, 17}}, {SHAPE3(16, 17, 2)}, .rc = ANET_UNSUPPORTED, .words = "max_pool: kernel (16, 17) has over 256 taps"},
    {"max_pool", {.kernel = {2, 3}, .pad = {1, 2, 1, 2}}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(6, 8, 4)},
    {"max_pool", {.kernel = {2, 3}, .pad = {1, 2, 2, 2}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "max_pool: padding 2 is not below the window's 2"},
    {"max_pool", {.kernel = {2, 3}, .pad = {1, 3, 1, 2}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "max_pool: padding 3 is not below the window's 3"},
    {"max_pool", {.kernel = {2, 2}, .dilation = {3, 1}, .pad = {3, 0, 3, 0}}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(8, 5, 4)},
    {"avg_pool", {.kernel = {2, 2}, .pad = {0, 0, 0, 2}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "avg_pool: padding 2 is not below"},
    {"avg_pool", {.kernel = {32, 64}}, {SHAPE3(32, 64, 2)}, .out = SHAPE3(1, 1, 2)},
    {"global_pool", {.mode = 0}, {SHAPE3(5, 6, 4)}, .out = SHAPE1(4)},
    {"global_pool", {.mode = 0}, {SHAPE2(5, 6)}, .rc = ANET_SHAPE, .words = "global_pool: input (5, 6) has rank 2"},
    {"linear", {.channels = 1}, {SHAPE1(7)}, .out = SHAPE1(1)},
    {"linear", {.channels = 0}, {SHAPE1(7)}, .rc = ANET_RANGE, .words = "linear: channels 0 must be at least 1"},
    {"matmul", {.mode = 0}, {SHAPE2(5, 6), SHAPE2(6, 4)}, .out = SHAPE2(5, 4)},
    {"matmul", {.mode = 0}, {SHAPE3(2, 5, 6), SHAPE3(2, 6, 4)}, .out = SHAPE3(2, 5, 4)},
    {"matmul", {.mode = 0}, {SHAPE3(2, 5, 6), SHAPE3(3, 6, 4)}, .rc = ANET_SHAPE, .words = "matmul: inputs (2, 5, 6) and (3, 6, 4) do not fit"},
    {"matmul", {.mode = 0}, {SHAPE2(5, 6), SHAPE2(5, 4)}, .rc = ANET_SHAPE, .words = "do not fit"},
    {"matmul", {.mode = 0}, {SHAPE3(1, 5, 6), SHAPE2(6, 4)}, .rc = ANET_SHAPE, .words = "do not fit"},
    {"matmul", {.mode = 0}, {SHAPE1(5), SHAPE1(5)}, .rc = ANET_SHAPE, .words = "do not fit"},
    {"add", {.mode = 0}, {SHAPE3(5, 6, 4), SHAPE1(4)}, .out = SHAPE3(5, 6, 4)},
    {"add", {.mode = 0}, {SHAPE3(5, 6, 4), SHAPE3(1, 1, 4)}, .out = SHAPE3(5, 6, 4)},
    {"add", {.mode = 0}, {SHAPE3(5, 6, 4), SHAPE1(6)}, .rc = ANET_SHAPE, .words = "add: inputs (5, 6, 4) and (6) differ"},
    {"add", {.mode = 0}, {SHAPE3(5, 6, 4), SHAPE3(1, 6, 4)}, .rc = ANET_SHAPE, .words = "differ"},
    {"add", {.mode = 0}, {SHAPE2(6, 4), SHAPE1(4)}, .rc = ANET_SHAPE, .words = "add: inputs (6, 4) and (4) differ"},
    {"mul", {.mode = 0}, {SHAPE1(4), SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "mul: inputs (4) and (5, 6, 4) differ"},
    {"mul", {.mode = 0}, {SHAPE3(5, 6, 4), SHAPE1(4)}, .out = SHAPE3(5, 6, 4)},
    {"sub", {.mode = 0}, {SHAPE3(5, 6, 4), SHAPE1(4)}, .rc = ANET_SHAPE, .words = "sub: inputs (5, 6, 4) and (4) differ"},
    {"maximum", {.mode = 0}, {SHAPE2(5, 6), SHAPE2(5, 6)}, .out = SHAPE2(5, 6)},
    {"where", {.mode = 0}, {SHAPE1(3), SHAPE1(3), SHAPE1(3)}, .out = SHAPE1(3)},
    {"where", {.mode = 0}, {SHAPE1(3), SHAPE1(2), SHAPE1(3)}, .rc = ANET_SHAPE, .words = "where: inputs (3), (2) and (3) differ"},
    {"where", {.mode = 0}, {SHAPE1(3), SHAPE1(3), SHAPE1(2)}, .rc = ANET_SHAPE, .words = "where: inputs (3), (3) and (2) differ"},
    {"concat", {.axis = 0}, {SHAPE3(5, 6, 4), SHAPE3(5, 6, 3)}, .out = SHAPE3(5, 6, 7)},
    {"concat", {.axis = 2}, {SHAPE3(5, 6, 4), SHAPE3(1, 6, 4)}, .out = SHAPE3(6, 6, 4)},
    {"concat", {.axis = 2}, {SHAPE3(5, 6, 4), SHAPE3(5, 5, 4)}, .rc = ANET_SHAPE, .words = "concat: inputs (5, 6, 4) and (5, 5, 4) differ beside axis 2"},
    {"concat", {.axis = 0}, {SHAPE3(5, 6, 4), SHAPE2(5, 6)}, .rc = ANET_SHAPE, .words = "concat: inputs (5, 6, 4) and (5, 6) differ beside axis 0"},
    {"concat", {.axis = -1}, {SHAPE3(5, 6, 4), SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "concat: axis -1 (counted from the last) is not one of input (5, 6, 4)"},
    {"concat", {.axis = 3}, {SHAPE3(5, 6, 4), SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "axis 3"},
    {"concat", {.axis = 0}, {SHAPE1(INT32_MAX - 1), SHAPE1(1)}, .out = SHAPE1(INT32_MAX)},
    {"concat", {.axis = 0}, {SHAPE1(INT32_MAX), SHAPE1(1)}, .rc = ANET_SHAPE, .words = "make an axis of over 2147483647"},
    {"split", {.axis = 1, .begin = 2, .size = 4}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 4, 4)},
    {"split", {.axis = 1, .begin = 3, .size = 4}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "split: part [3, 7) does not fit axis 1 of input (5, 6, 4)"},
    {"split", {.axis = 1, .begin = -1, .size = 4}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "split: part [-1, 3)"},
    {"split", {.axis = 1, .begin = 0, .size = 0}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "split: part [0, 0)"},
    {"split", {.axis = 3, .begin = 0, .size = 1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "split: axis 3"},
    {"pad", {.pad = {4, 5, 4, 5}, .mode = ANET_PAD_REFLECT}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(13, 16, 4)},
    {"pad", {.pad = {0, 6, 0, 0}, .mode = ANET_PAD_REFLECT}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "pad: cannot reflect (6, 0) pixels of input (5, 6, 4)"},
    {"pad", {.pad = {0, 0, 5, 0}, .mode = ANET_PAD_REFLECT}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "pad: cannot reflect (0, 5) pixels"},
    {"pad", {.pad = {9, 0, 0, 0}, .mode = ANET_PAD_EDGE}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(14, 6, 4)},
    {"pad", {.dim = {1, 2}}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 6, 7)},
    {"pad", {.dim = {1, 0}, .mode = ANET_PAD_EDGE}, {SHAPE3(5, 6, 4)}, .rc = ANET_UNSUPPORTED, .words = "pad: mode 2 has no channels to add, want 0"},
    {"pad", {.dim = {0, 1}, .mode = ANET_PAD_EDGE}, {SHAPE3(5, 6, 4)}, .rc = ANET_UNSUPPORTED, .words = "no channels to add"},
    {"pad", {.dim = {-1, 0}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "pad: (-1, 0) channels around 4 are out of range"},
    {"pad", {.dim = {0, -1}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "pad: (0, -1) channels"},
    {"pad", {.dim = {INT32_MAX - 4, 0}}, {SHAPE3(1, 1, 4)}, .out = SHAPE3(1, 1, INT32_MAX)},
    {"pad", {.dim = {INT32_MAX - 4, 1}}, {SHAPE3(1, 1, 4)}, .rc = ANET_RANGE, .words = "channels around 4 are out of range"},
    {"pad", {.pad = {-1, 0, 0, 0}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "pad: (-1, 0) around 5 is out of range"},
    {"pad", {.pad = {0, 0, 0, -1}}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "pad: (0, -1) around 6 is out of range"},
    {"pad", {.pad = {INT32_MAX - 5, 0, 0, 0}}, {SHAPE3(5, 1, 1)}, .out = SHAPE3(INT32_MAX, 1, 1)},
    {"pad", {.pad = {INT32_MAX - 4, 0, 0, 0}}, {SHAPE3(5, 1, 1)}, .rc = ANET_RANGE, .words = "around 5 is out of range"},
    {"pad", {.mode = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "pad: mode 3 is not one of 0 to 2"},
    {"pad", {.mode = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "pad: mode -1"},
    {"resize", {.dim = {1, 1}, .begin = ANET_RESIZE_ALIGN, .size = ANET_RESIZE_HALF_UP, .mode = ANET_RESIZE_BILINEAR}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(1, 1, 4)},
    {"resize", {.dim = {0, 1}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "resize: cannot make (0, 1) of input (5, 6, 4)"},
    {"resize", {.dim = {1, 1}, .mode = 2}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "resize: mode 2 is not 0 or 1"},
    {"resize", {.dim = {1, 1}, .begin = ANET_RESIZE_ALIGN + 1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "resize: centre 3 or rounding 0 is not within 0 to 2, 3"},
    {"resize", {.dim = {1, 1}, .size = ANET_RESIZE_HALF_UP + 1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "rounding 4"},
    {"resize", {.dim = {1, 1}, .begin = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "centre -1"},
    {"resize", {.dim = {1, 1}, .size = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "rounding -1"},
    {"reshape", {.dim = {10, 12}}, {SHAPE3(5, 6, 4)}, .out = SHAPE2(10, 12)},
    {"reshape", {.dim = {10, 11}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "reshape: input (5, 6, 4) has not as many elements as (10, 11)"},
    {"reshape", {.dim = {0, 120}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "as many elements as ()"},
    {"reshape", {.dim = {2, 3, 4, 5}}, {SHAPE3(5, 6, 4)}, .out = {4, {2, 3, 4, 5}}},
    {"flatten", {.mode = 0}, {SHAPE3(5, 6, 4)}, .out = SHAPE1(120)},
    {"flatten", {.mode = 0}, {SHAPE2(1 << 16, 1 << 15)}, .rc = ANET_SHAPE, .words = "flatten: input (65536, 32768) has over 2147483647 elements"},
    {"flatten", {.mode = 0}, {SHAPE2(1, INT32_MAX)}, .out = SHAPE1(INT32_MAX)},
    {"transpose", {.dim = {3, 1, 2}}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(4, 5, 6)},
    {"transpose", {.dim = {3, 1, 4}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "transpose: (3, 1, 4, 0) is no order of the axes of input (5, 6, 4)"},
    {"transpose", {.dim = {3, 1, 1}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "is no order"},
    {"transpose", {.dim = {2, 1}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "is no order"},
    {"transpose", {.dim = {3, 1, 2, 4}}, {SHAPE3(5, 6, 4)}, .rc = ANET_SHAPE, .words = "is no order"},
    {"transpose", {.dim = {4, 3, 2, 1}}, {{4, {2, 3, 4, 5}}}, .out = {4, {5, 4, 3, 2}}},
    {"transpose", {.dim = {1, 2, 3, 4}}, {{5, {2, 3, 4, 5, 6}}}, .rc = ANET_SHAPE, .words = "is no order"},
    {"expand", {.dim = {5, 6, 4}}, {SHAPE3(5, 1, 4)}, .out = SHAPE3(5, 6, 4)},
    {"expand", {.dim = {5, 6}}, {SHAPE3(5, 1, 4)}, .rc = ANET_SHAPE, .words = "expand: input (5, 1, 4) cannot become (5, 6)"},
    {"expand", {.dim = {5, 6, 4}}, {SHAPE3(5, 2, 4)}, .rc = ANET_SHAPE, .words = "expand: input (5, 2, 4) cannot become (5, 6, 4)"},
    {"constant", {.dim = {5, 6}}, {{0}}, .out = SHAPE2(5, 6)},
    {"constant", {.dim = {2, 3, 4, 5}}, {{0}}, .out = {4, {2, 3, 4, 5}}},
    {"constant", {.dim = {0, 6}}, {{0}}, .rc = ANET_SHAPE, .words = "constant: there is no shape ()"},
    {"constant", {.dim = {5, -6}}, {{0}}, .rc = ANET_SHAPE, .words = "constant: there is no shape (5, -6)"},
    {"gather", {.axis = 1}, {SHAPE2(5, 6), SHAPE2(3, 6)}, .out = SHAPE2(3, 6)},
    {"gather", {.axis = 1}, {SHAPE2(5, 6), SHAPE2(3, 1)}, .out = SHAPE2(3, 6)},
    {"gather", {.axis = 1}, {SHAPE2(5, 6), SHAPE2(3, 2)}, .rc = ANET_SHAPE, .words = "gather: places (3, 2) along axis 0 of input (5, 6)"},
    {"gather", {.axis = 0}, {SHAPE2(5, 6), SHAPE1(3)}, .rc = ANET_SHAPE, .words = "gather: places (3) along axis 1"},
    {"gather", {.axis = 2}, {SHAPE2(5, 6), SHAPE2(3, 6)}, .rc = ANET_RANGE, .words = "gather: axis 2 (counted from the last)"},
    {"gather", {.axis = -1}, {SHAPE2(5, 6), SHAPE2(3, 6)}, .rc = ANET_RANGE, .words = "gather: axis -1"},
    {"top_k", {.axis = 1, .size = 5}, {SHAPE2(5, 6)}, .out = SHAPE2(5, 6)},
    {"top_k", {.axis = 0, .size = 1, .mode = 1, .begin = 1}, {SHAPE2(5, 6)}, .out = SHAPE2(5, 1)},
    {"top_k", {.axis = 1, .size = 6}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "top_k: there are no 6 of 5, of input (5, 6)"},
    {"top_k", {.axis = 1, .size = 0}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "top_k: there are no 0 of 5"},
    {"top_k", {.axis = 2, .size = 1}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "top_k: axis 2"},
    {"top_k", {.axis = -1, .size = 1}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "top_k: axis -1"},
    {"top_k", {.size = 1, .mode = 2}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "top_k: mode 2 or begin 0 is not 0 or 1"},
    {"top_k", {.size = 1, .mode = -1}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "mode -1"},
    {"top_k", {.size = 1, .begin = 2}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "begin 2"},
    {"top_k", {.size = 1, .begin = -1}, {SHAPE2(5, 6)}, .rc = ANET_RANGE, .words = "begin -1"},
    {"reduce_sum", {.axis = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE2(6, 4)},
    {"reduce_mean", {.axis = 0}, {SHAPE3(5, 6, 4)}, .out = SHAPE2(5, 6)},
    {"reduce_max", {.axis = 0}, {SHAPE1(5)}, .out = SHAPE1(1)},
    {"reduce_prod", {.axis = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "axis 3 (counted from the last) is not one of input (5, 6, 4)"},
    {"reduce_sum", {.axis = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "axis -1"},
    {"softmax", {.axis = 2}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 6, 4)},
    {"softmax", {.axis = 3}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "softmax: axis 3 (counted from the last) is not one of input (5, 6, 4)"},
    {"clip", {.alpha = 1, .beta = 1}, {SHAPE1(3)}, .out = SHAPE1(3)},
    {"clip", {.alpha = 1.5F, .beta = 1}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "clip: the lower bound 1.5 is above the upper 1"},
    {"dropout", {.alpha = 0}, {SHAPE1(3)}, .out = SHAPE1(3)},
    {"dropout", {.alpha = 0.999F}, {SHAPE1(3)}, .out = SHAPE1(3)},
    {"dropout", {.alpha = 1}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "dropout: probability 1 is not within [0, 1)"},
    {"dropout", {.alpha = -0.01F}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "dropout: probability -0.01"},
    {"norm", {.momentum = 1}, {SHAPE1(3)}, .out = SHAPE1(3)},
    {"norm", {.momentum = 1.25F}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "norm: epsilon 1e-05 must be over 0, momentum 1.25 within [0, 1]"},
    {"norm", {.momentum = -0.25F}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "momentum -0.25"},
    {"lrn", {.size = 1, .alpha = 0}, {SHAPE3(5, 6, 4)}, .out = SHAPE3(5, 6, 4)},
    {"lrn", {.size = 0}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "lrn: size 0, alpha 0, epsilon 1e-05; want at least 1, 0, above 0"},
    {"lrn", {.size = 1, .alpha = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "alpha -1"},
    {"lrn", {.size = 1, .epsilon = -1}, {SHAPE3(5, 6, 4)}, .rc = ANET_RANGE, .words = "epsilon -1"},
    {"quantize", {.alpha = 0, .beta = 1}, {SHAPE1(3)}, .out = SHAPE1(3)},
    {"quantize", {.alpha = -1, .beta = 0}, {SHAPE1(3)}, .out = SHAPE1(3)},
    {"quantize", {.alpha = 0.5F, .beta = 1}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "quantize: the range is 0.5 to 1, want one that contains 0"},
    {"quantize", {.alpha = -1, .beta = -0.5F}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "the range is -1 to -0.5"},
    {"quantize", {.alpha = 0, .beta = 0}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "the range is 0 to 0"},
    {"quantize", {.alpha = -FLT_MAX, .beta = FLT_MAX}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "contains 0"},
    {"quantize", {.alpha = 0, .beta = 1e-37F}, {SHAPE1(3)}, .rc = ANET_RANGE, .words = "contains 0"},
    {"input", {.mode = 0}, {SHAPE1(3)}, .rc = ANET_STATE, .words = "input: its shape is given, not inferred"},
};
// clang-format on

TEST(shapes_at_their_bounds)
{
  for (int32_t k = 0; k < ANET_COUNT(cases); k++) {
    const shape_case *c = &cases[k];
    anet__op_id id;
    anet_attr attr = c->attr;
    anet_shape out;
    char got[ANET_SHAPE_TEXT], want[ANET_SHAPE_TEXT];
    int32_t inputs = 0;
    while (inputs < 3 && c->in[inputs].rank) inputs++;
    CHECK(anet__op_find(c->op, &id));
    anet__attr_default(&attr);
    const int rc = anet__op_get(id)->shape(&attr, c->in, inputs, &out);
    test_checks++;
    if (rc != c->rc)
      TEST_FAIL("%s, case %d: status %d, want %d (%s)", c->op, k, rc, c->rc, anet_error());
    else if (rc && !strstr(anet_error(), c->words))
      TEST_FAIL("%s, case %d: '%s' does not say '%s'", c->op, k, anet_error(), c->words);
    else if (!rc && !anet__shape_equal(&out, &c->out))
      TEST_FAIL("%s, case %d: %s, want %s", c->op, k, anet__shape_text(&out, got),
                anet__shape_text(&c->out, want));
  }
}

/* list: " one two ". */
static bool is_among(const char *name, const char *list)
{
  char word[64];
  snprintf(word, sizeof word, " %s ", name);
  return strstr(list, word) != NULL;
}

/* A net takes as many inputs for an op as its maths has, and no more. */
TEST(how_many_inputs)
{
  static const char two[] =
      " matmul add mul sub div minimum maximum pow mod equal less less_equal gather ";
  for (int32_t i = 0; i < ANET_OP_COUNT; i++) {
    const anet__op *op = anet__op_get((anet__op_id)i);
    const bool many = strcmp(op->name, "concat") == 0;
    const int32_t want = is_among(op->name, " input constant ") ? 0
                         : is_among(op->name, two)              ? 2
                         : strcmp(op->name, "where") == 0       ? 3
                                                                : 1;
    test_checks++;
    if (op->min_inputs != want || op->max_inputs != (many ? ANET_MAX_INPUTS : want))
      TEST_FAIL("%s takes %d to %d inputs, want %d", op->name, op->min_inputs, op->max_inputs,
                want);
  }
}

/* Names, roles and shapes of an op's parameters: files and optimisers go by them. */
TEST(what_parameters)
{
  static const struct {
    const char *op;
    anet_attr attr;
    anet_shape in;
    const char *names, *roles, *shapes;
    double fan;
  } want[] = {
      // clang-format off
      {"conv", {.kernel = {3, 2}, .channels = 8, .groups = 2, .bias = 1}, IMAGE(5, 6, 4), "weight bias ", "WB", "(3, 2, 2, 8)(8)", 24},
      {"conv", {.kernel = {1, 1}, .channels = 8}, IMAGE(5, 6, 4), "weight ", "W", "(1, 1, 4, 8)", 8},
      {"depthwise", {.kernel = {3, 2}, .bias = 1}, IMAGE(5, 6, 4), "weight bias ", "WB", "(3, 2, 4)(4)", 6},
      {"depthwise", {.kernel = {3, 2}}, IMAGE(5, 6, 4), "weight ", "W", "(3, 2, 4)", 6},
      {"conv_transpose", {.kernel = {3, 2}, .channels = 8, .groups = 2, .bias = 1}, IMAGE(5, 6, 4), "weight bias ", "WB", "(3, 2, 4, 4)(8)", 24},
      {"linear", {.channels = 9, .bias = 1}, FLAT(7), "weight bias ", "WB", "(7, 9)(9)", 7},
      {"linear", {.channels = 9}, FLAT(7), "weight ", "W", "(7, 9)", 7},
      {"norm", {.mode = 0}, IMAGE(5, 6, 4), "gamma beta mean var ", "SBMV", "(4)(4)(4)(4)", 0},
      {"layer_norm", {.mode = 0}, IMAGE(5, 6, 4), "gamma beta ", "SB", "(4)(4)", 0},
      {"instance_norm", {.mode = 0}, IMAGE(5, 6, 4), "gamma beta ", "SB", "(4)(4)", 0},
      {"scale", {.mode = 0}, IMAGE(5, 6, 4), "gamma beta ", "SB", "(4)(4)", 0},
      {"relu", {.mode = 0}, IMAGE(5, 6, 4), "", "", "", 0},
      // clang-format on
  };
  for (int32_t k = 0; k < ANET_COUNT(want); k++) {
    anet__op_id id;
    anet__param_spec spec[ANET_MAX_PARAMS] = {0};
    anet_attr attr = want[k].attr;
    int32_t count = 0;
    char names[64] = "", roles[8] = "", shapes[96] = "", text[ANET_SHAPE_TEXT];
    CHECK(anet__op_find(want[k].op, &id));
    anet__attr_default(&attr);
    const anet__op *op = anet__op_get(id);
    if (op->params) CHECK_OK(op->params(&attr, &want[k].in, spec, &count));
    for (int32_t p = 0; p < count; p++) {
      strcat(strcat(names, spec[p].name), " ");
      strncat(roles, &"WBSMV"[spec[p].role], 1);
      strcat(shapes, anet__shape_text(&spec[p].shape, text));
    }
    CHECK_EQ_S(names, want[k].names);
    CHECK_EQ_S(roles, want[k].roles);
    CHECK_EQ_S(shapes, want[k].shapes);
    CHECK_NEAR(spec[0].fan, want[k].fan, 0);
  }
}

TEST(defaults_fill_what_is_not_said)
{
  anet_attr none = {0};
  anet_attr all = {.stride = {2, 3},
                   .dilation = {4, 5},
                   .groups = 6,
                   .epsilon = 0.5F,
                   .momentum = 0.25F,
                   .kernel = {7, 8}};
  const anet_attr same = all;
  anet__attr_default(&none);
  CHECK(none.stride[0] == 1 && none.stride[1] == 1 && none.dilation[0] == 1);
  CHECK(none.dilation[1] == 1 && none.groups == 1 && none.kernel[0] == 0);
  CHECK_NEAR(none.epsilon, 1e-5F, 0);
  CHECK_NEAR(none.momentum, 0.1F, 0);
  anet__attr_default(&all);
  CHECK(memcmp(&all, &same, sizeof all) == 0);
}

/* ---- what it costs -------------------------------------------------------------------------- */

static double macs_of(const char *op, anet_attr attr, const anet_shape *in, int32_t inputs)
{
  anet__op_id id;
  anet_shape out;
  CHECK(anet__op_find(op, &id));
  anet__attr_default(&attr);
  CHECK_OK(anet__op_get(id)->shape(&attr, in, inputs, &out));
  return anet__op_get(id)->macs ? anet__op_get(id)->macs(&attr, in, &out) : 0;
}

TEST(multiply_adds)
{
  const anet_shape pair[2] = {{2, {5, 6}}, {2, {6, 4}}}, flat = FLAT(7);
  const anet_attr window = {.kernel = {3, 2}, .channels = 8, .groups = 2};
  CHECK_NEAR(macs_of("conv", window, &image, 1), 3 * 5 * 8 * 6 * 2, 0);
  CHECK_NEAR(macs_of("depthwise", window, &image, 1), 3 * 5 * 4 * 6, 0);
  CHECK_NEAR(macs_of("conv_transpose", window, &image, 1), 5 * 6 * 4 * 6 * 4, 0);
  CHECK_NEAR(macs_of("linear", window, &flat, 1), 7 * 8, 0);
  CHECK_NEAR(macs_of("matmul", window, pair, 2), 5 * 6 * 4, 0);
  CHECK_NEAR(macs_of("norm", window, &image, 1), 120, 0);
}

/* Sums of products of bytes must fit 32 bits, or where they are made in floats, 24. */
TEST(what_can_be_read_in_bytes)
{
  enum { TERMS = 66311, TAPS = 518, MOST_LINES = 16 };
  static const struct {
    anet__op_id op;
    anet_attr attr;
    anet_shape in;
    bool reads;
  } bound[] = {
      {ANET_OP_CONV, {.kernel = {1, 1}, .groups = 1}, IMAGE(4, 4, TERMS), true},
      {ANET_OP_CONV, {.kernel = {1, 1}, .groups = 1}, IMAGE(4, 4, TERMS + 1), false},
      {ANET_OP_CONV, {.kernel = {3, 1}, .groups = 1}, IMAGE(4, 4, TERMS / 3), true},
      {ANET_OP_CONV, {.kernel = {1, 3}, .groups = 1}, IMAGE(4, 4, TERMS / 3 + 1), false},
      {ANET_OP_CONV, {.kernel = {1, 1}, .groups = 2}, IMAGE(4, 4, 4), false},
      {ANET_OP_DEPTHWISE, {.kernel = {7, TAPS / 7}}, IMAGE(9, 99, 4), true},
      {ANET_OP_DEPTHWISE, {.kernel = {7, TAPS / 7 + 1}}, IMAGE(9, 99, 4), false},
      {ANET_OP_DEPTHWISE, {.kernel = {1, TAPS}}, IMAGE(9, 999, 4), true},
      {ANET_OP_DEPTHWISE, {.kernel = {MOST_LINES, 1}}, IMAGE(99, 9, 4), true},
      {ANET_OP_DEPTHWISE, {.kernel = {MOST_LINES + 1, 1}}, IMAGE(99, 9, 4), false},
      {ANET_OP_LINEAR, {.mode = 0}, FLAT(TERMS), true},
      {ANET_OP_LINEAR, {.mode = 0}, FLAT(TERMS + 1), false},
      {ANET_OP_MATMUL, {.mode = 0}, FLAT(4), false},
  };
  for (int32_t k = 0; k < ANET_COUNT(bound); k++) {
    test_checks++;
    if (anet__bytes_reads(bound[k].op, &bound[k].attr, &bound[k].in) != bound[k].reads)
      TEST_FAIL("case %d: %s, want %s", k, bound[k].reads ? "refused" : "read",
                bound[k].reads ? "read" : "refused");
  }
}

/* ---- how it is cut --------------------------------------------------------------------------- */

enum { MOST = 40000, PARTS = 64 };

typedef struct tally {
  atomic_int parts;
  size_t begin[PARTS], end[PARTS];
  atomic_int seen[MOST];
} tally;

static void count_items(const void *context, size_t begin, size_t end)
{
  tally *t = (tally *)context;
  const int32_t at = atomic_fetch_add(&t->parts, 1);
  t->begin[at] = begin;
  t->end[at] = end;
  for (size_t i = begin; i < end; i++) atomic_fetch_add(&t->seen[i], 1);
}

/* Every item once, in so many parts; long runs are cut at multiples of 16. */
static void check_split(anet_pool *pool, size_t count, size_t cost, int32_t parts)
{
  tally *t = calloc(1, sizeof *t);
  anet__split(pool, count, cost, count_items, t);
  CHECK_EQ_I(t->parts, parts);
  for (size_t i = 0; i < count; i++)
    if (t->seen[i] != 1) {
      TEST_FAIL("item %zu of %zu is done %d times", i, count, t->seen[i]);
      break;
    }
  for (int32_t p = 0; p < t->parts; p++)
    if (count >= 16384) CHECK(t->begin[p] % 16 == 0);
  free(t);
}

TEST(work_is_shared_where_it_is_worth_it)
{
  anet_pool *pool;
  CHECK_OK(anet_pool_new(3, &pool));
  check_split(pool, 16384 * 2 - 1, 1, 1); /* not enough for two */
  check_split(pool, 16384 * 2, 1, 2);
  check_split(pool, 16384 * 2 + 17, 1, 2);
  check_split(pool, 10, 16384, 3);
  check_split(pool, 100, 16384, 3);
  check_split(pool, 3, 1 << 20, 3);
  check_split(pool, 2, 1 << 20, 2); /* nobody gets nothing */
  check_split(pool, 5, 1, 1);
  check_split(NULL, 100, 1 << 20, 1);
  anet_pool_release(pool);
}

TEST(chunks_depend_on_rows_alone)
{
  static const struct {
    size_t rows;
    int32_t chunks;
  } want[] = {{0, 1},   {1, 1},     {511, 1},   {512, 2},   {767, 2},
              {768, 3}, {8191, 31}, {8192, 32}, {8448, 32}, {1 << 20, 32}};
  for (int32_t k = 0; k < ANET_COUNT(want); k++) {
    const int32_t chunks = anet__chunks(want[k].rows);
    size_t begin, end, last = 0;
    CHECK_EQ_I(chunks, want[k].chunks);
    CHECK_EQ_I(anet__sums_floats(want[k].rows, 5), (size_t)chunks * 2 * 5 * 2);
    for (int32_t c = 0; c < chunks; c++) {
      anet__chunk(want[k].rows, chunks, (size_t)c, &begin, &end);
      CHECK_EQ_I(begin, last);
      last = end;
    }
    CHECK_EQ_I(last, want[k].rows);
  }
}

TEST(scratch_is_aligned)
{
  const size_t line = ANET_ALIGN / sizeof(float);
  size_t used = 0;
  CHECK_EQ_I(anet__take(&used, 1), 0);
  CHECK_EQ_I(used, line);
  CHECK_EQ_I(anet__take(&used, line), line);
  CHECK_EQ_I(used, 2 * line);
  CHECK_EQ_I(anet__take(&used, 0), 2 * line);
  CHECK_EQ_I(used, 2 * line);
  CHECK_EQ_I(anet__take(&used, line + 1), 2 * line);
  CHECK_EQ_I(used, 4 * line);
}

/* Per channel, over rows of more chunks than one, with any number of threads. */
TEST(sums_over_rows)
{
  enum { ROWS = 700, CHANNELS = 5 };
  static float x[ROWS * CHANNELS];
  static double partial[2 * 2 * 2 * CHANNELS];
  double sum[CHANNELS] = {0}, square[CHANNELS] = {0};
  for (int32_t i = 0; i < ROWS * CHANNELS; i++) {
    x[i] = (float)(i * 37 % 101) / 8 - 5;
    sum[i % CHANNELS] += (double)x[i];
    square[i % CHANNELS] += (double)x[i] * (double)x[i];
  }
  for (int32_t workers = 1; workers < 4; workers += 2)
    for (int32_t kind = ANET_SUM_PLAIN; kind <= ANET_SUM_SQUARE; kind++) {
      anet_pool *pool;
      CHECK_OK(anet_pool_new(workers, &pool));
      const anet__sums s = {.kernels = anet__kernels_best(),
                            .kind = (anet__sum_kind)kind,
                            .x = x,
                            .rows = ROWS,
                            .channels = CHANNELS,
                            .partial = partial};
      anet__sums_run(pool, &s);
      for (int32_t c = 0; c < CHANNELS; c++) {
        CHECK_NEAR(partial[c], sum[c], 1e-6);
        if (kind == ANET_SUM_SQUARE) CHECK_NEAR(partial[CHANNELS + c], square[c], 1e-6);
      }
      anet_pool_release(pool);
    }
}

int main(int argc, char **argv)
{
  static const test_case tests[] = {
      CASE(shapes_at_their_bounds),
      CASE(how_many_inputs),
      CASE(what_parameters),
      CASE(defaults_fill_what_is_not_said),
      CASE(multiply_adds),
      CASE(what_can_be_read_in_bytes),
      CASE(work_is_shared_where_it_is_worth_it),
      CASE(chunks_depend_on_rows_alone),
      CASE(scratch_is_aligned),
      CASE(sums_over_rows),
  };
  return test_run(tests, ANET_COUNT(tests), argc, argv);
}
