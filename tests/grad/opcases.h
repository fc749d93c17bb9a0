/* Every op with the attributes that are easy to get wrong, small enough for naive loops. */
#ifndef OPCASES_H
#define OPCASES_H

#include "support/opcase.h"

#define IMAGE(h, w, c)                                                                             \
  {                                                                                                \
    3,                                                                                             \
    {                                                                                              \
      h, w, c                                                                                      \
    }                                                                                              \
  }
#define FLAT(c)                                                                                    \
  {                                                                                                \
    1,                                                                                             \
    {                                                                                              \
      c                                                                                            \
    }                                                                                              \
  }
#define K(a, b) .kernel = {a, b}
#define S(a, b) .stride = {a, b}
#define D(a, b) .dilation = {a, b}
#define P(a, b, c, d) .pad = {a, b, c, d}
/* clang-format off */
static const op_case op_cases[] = {
    {"conv", {K(3, 3), P(1, 1, 1, 1), .channels = 5}, 2, 1, {IMAGE(6, 7, 3)}, true, false},
    {"conv", {K(3, 3), P(1, 1, 1, 1), .channels = 16, .bias = 1}, 3, 1, {IMAGE(28, 28, 1)}, true, false},
    {"conv", {K(3, 3), S(2, 2), P(1, 1, 1, 1), .channels = 33}, 2, 1, {IMAGE(9, 8, 17)}, true, false},
    {"conv", {K(3, 3), S(2, 2), P(0, 0, 1, 1), .channels = 8, .bias = 1}, 2, 1, {IMAGE(8, 8, 4)}, true, false},
    {"conv", {K(1, 1), .channels = 70, .bias = 1}, 2, 1, {IMAGE(5, 5, 24)}, true, false},
    {"conv", {K(1, 1), S(2, 2), .channels = 9}, 2, 1, {IMAGE(7, 6, 4)}, true, false},
    {"conv", {K(1, 1), P(1, 0, 0, 2), .channels = 3}, 1, 1, {IMAGE(3, 4, 2)}, true, false},
    {"conv", {K(3, 2), S(3, 2), D(2, 3), P(2, 0, 1, 3), .channels = 6}, 2, 1, {IMAGE(11, 9, 4)}, true, false},
    {"conv", {K(3, 3), S(2, 2), D(2, 2), P(2, 2, 2, 2), .channels = 4}, 1, 1, {IMAGE(8, 9, 3)}, true, false},
    {"conv", {K(5, 1), S(1, 3), P(2, 0, 2, 0), .channels = 4}, 1, 1, {IMAGE(6, 10, 3)}, true, false},
    {"conv", {K(2, 2), S(3, 3), .channels = 4}, 1, 1, {IMAGE(8, 8, 3)}, true, false},
    {"conv", {K(2, 1), S(9, 2000000000), P(0, 1, 0, 1), .channels = 4}, 1, 1, {IMAGE(8, 4, 3)}, true, false},
    {"conv", {K(3, 3), P(1, 1, 1, 1), .groups = 3, .channels = 12, .bias = 1}, 2, 1, {IMAGE(5, 6, 6)}, true, false},
    {"conv", {K(3, 3), S(2, 2), P(1, 1, 1, 1), .groups = 2, .channels = 144}, 1, 1, {IMAGE(5, 6, 140)}, true, false},
    {"conv", {K(7, 7), S(2, 2), P(3, 3, 3, 3), .channels = 8}, 1, 1, {IMAGE(13, 13, 3)}, true, false},
    {"conv", {K(3, 3), P(1, 1, 1, 1), .channels = 8}, 5, 1, {IMAGE(20, 20, 8)}, true, false},
    {"conv", {K(4, 4), .channels = 8, .bias = 1}, 2, 1, {IMAGE(4, 4, 3)}, true, false},
    {"depthwise", {K(3, 3), P(1, 1, 1, 1)}, 2, 1, {IMAGE(6, 7, 5)}, true, false},
    {"depthwise", {K(3, 3), S(2, 2), P(1, 1, 1, 1), .bias = 1}, 2, 1, {IMAGE(9, 8, 37)}, true, false},
    {"depthwise", {K(5, 5), S(2, 1), P(2, 2, 2, 2)}, 2, 1, {IMAGE(8, 7, 16)}, true, false},
    {"depthwise", {K(3, 2), S(1, 2), D(2, 1), P(2, 0, 1, 1), .bias = 1}, 1, 1, {IMAGE(7, 8, 3)}, true, false},
    {"depthwise", {K(3, 3), S(2, 2), P(0, 0, 1, 1)}, 6, 1, {IMAGE(28, 28, 8)}, true, false},
    {"depthwise", {K(3, 3), P(1, 1, 1, 1)}, 3, 1, {IMAGE(28, 28, 12)}, true, false},
    {"linear", {.channels = 10, .bias = 1}, 7, 1, {FLAT(33)}, true, false},
    {"linear", {.channels = 130}, 1, 1, {FLAT(70)}, true, false},
    {"linear", {.channels = 3}, 600, 1, {FLAT(20)}, true, false},
    {"norm", {.epsilon = 0}, 3, 1, {IMAGE(5, 4, 7)}, true, false},
    {"norm", {.epsilon = 1e-2F, .momentum = 0.5F}, 2, 1, {IMAGE(20, 20, 3)}, true, false},
    {"norm", {.epsilon = 0}, 3, 1, {IMAGE(5, 4, 7)}, true, true},
    {"norm", {.epsilon = 0}, 3, 1, {IMAGE(5, 4, 19)}, false, false},
    {"norm", {.epsilon = 0}, 9, 1, {FLAT(6)}, true, false},
    {"relu", {.mode = 0}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"relu6", {.mode = 0}, 40, 1, {FLAT(7)}, true, false},
    {"leaky_relu", {.alpha = 0.1F}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"sigmoid", {.mode = 0}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"hard_sigmoid", {.mode = 0}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"hard_swish", {.mode = 0}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"swish", {.mode = 0}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"add", {.mode = 0}, 2, 2, {IMAGE(5, 4, 7), IMAGE(5, 4, 7)}, true, false},
    {"add", {.mode = 0}, 2, 2, {IMAGE(5, 4, 7), IMAGE(1, 1, 7)}, true, false},
    {"add", {.mode = 0}, 3, 2, {IMAGE(5, 4, 18), FLAT(18)}, true, false},
    {"add", {.mode = 0}, 3, 2, {FLAT(5), FLAT(5)}, true, false},
    {"mul", {.mode = 0}, 2, 2, {IMAGE(5, 4, 7), IMAGE(5, 4, 7)}, true, false},
    {"mul", {.mode = 0}, 2, 2, {IMAGE(5, 4, 7), IMAGE(1, 1, 7)}, true, false},
    {"mul", {.mode = 0}, 3, 2, {IMAGE(5, 4, 18), FLAT(18)}, true, false},
    {"concat", {.axis = 0}, 2, 3, {IMAGE(3, 4, 5), IMAGE(3, 4, 1), IMAGE(3, 4, 8)}, true, false},
    {"concat", {.axis = 2}, 2, 2, {IMAGE(3, 4, 5), IMAGE(2, 4, 5)}, true, false},
    {"concat", {.axis = 1}, 2, 2, {IMAGE(3, 4, 5), IMAGE(3, 1, 5)}, true, false},
    {"concat", {.axis = 0}, 3, 2, {FLAT(4), FLAT(9)}, true, false},
    {"split", {.axis = 0, .begin = 2, .size = 3}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"split", {.axis = 1, .begin = 1, .size = 2}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"split", {.axis = 2, .begin = 0, .size = 2}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"max_pool", {K(2, 2), S(2, 2)}, 2, 1, {IMAGE(6, 7, 5)}, true, false},
    {"max_pool", {K(3, 3), S(2, 2), P(1, 1, 1, 1)}, 2, 1, {IMAGE(9, 8, 17)}, true, false},
    {"max_pool", {K(3, 2), P(2, 0, 0, 1)}, 2, 1, {IMAGE(5, 5, 3)}, true, false},
    {"avg_pool", {K(2, 2), S(2, 2)}, 2, 1, {IMAGE(6, 7, 5)}, true, false},
    {"avg_pool", {K(3, 3), S(2, 2), P(1, 1, 1, 1)}, 2, 1, {IMAGE(9, 8, 17)}, true, false},
    {"avg_pool", {K(3, 3), P(1, 1, 1, 1), .mode = 1}, 2, 1, {IMAGE(5, 5, 3)}, true, false},
    {"global_pool", {.mode = 0}, 3, 1, {IMAGE(5, 3, 18)}, true, false},
    {"pad", {P(1, 2, 3, 0), .alpha = 0.5F}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"pad", {P(1, 2, 2, 3), .mode = ANET_PAD_REFLECT}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"pad", {P(4, 0, 1, 5), .mode = ANET_PAD_EDGE}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"flatten", {.mode = 0}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"reshape", {.dim = {6, 10}}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"softmax", {.axis = 0}, 5, 1, {FLAT(11)}, true, false},
    {"softmax", {.axis = 1}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"softmax", {.axis = 0}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"resize", {.dim = {6, 9}, .mode = ANET_RESIZE_NEAREST}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"resize", {.dim = {2, 3}, .mode = ANET_RESIZE_NEAREST}, 2, 1, {IMAGE(7, 6, 5)}, true, false},
    {"resize", {.dim = {6, 9}, .mode = ANET_RESIZE_BILINEAR}, 2, 1, {IMAGE(3, 4, 5)}, true, false},
    {"resize", {.dim = {3, 2}, .mode = ANET_RESIZE_BILINEAR}, 2, 1, {IMAGE(7, 6, 5)}, true, false},
    {"resize", {.dim = {4, 5}, .mode = ANET_RESIZE_BILINEAR}, 1, 1, {IMAGE(1, 1, 3)}, true, false},
    {"dropout", {.alpha = 0.4F}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
    {"dropout", {.alpha = 0.4F}, 2, 1, {IMAGE(50, 14, 7)}, true, false},
    {"dropout", {.alpha = 0.4F}, 2, 1, {IMAGE(5, 4, 7)}, false, false},
    {"dropout", {.alpha = 0.4F}, 2, 1, {IMAGE(5, 4, 7)}, true, true},
    {"identity", {.mode = 0}, 2, 1, {IMAGE(5, 4, 7)}, true, false},
};
/* clang-format on */

#endif
