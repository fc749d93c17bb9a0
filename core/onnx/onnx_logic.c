/* Comparisons, choices and remainders; functions of booleans, which are 0 and 1. */
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

/* `op` of both inputs, as one value. */
static int both(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                const char *op, bool swaps, anet__onnx_value *out)
{
  anet__onnx_value v[2];
  for (int32_t i = 0; i < 2; i++)
    ANET_TRY(anet__onnx_get_value(im, node, swaps ? 1 - i : i, &v[i]));
  ANET_TRY(anet__onnx_two(im, node, suffix, op, v));
  *out = v[0];
  return ANET_OK;
}

static int give(anet__onnx_import *im, const anet__onnx_node *node, const anet__onnx_value *v)
{
  return anet__onnx_bind_node(im, node, 0, v->node, &v->layout);
}

/* 1 - x. */
static int negate(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v)
{
  const anet_attr line = {.alpha = -1, .beta = 1};
  return anet__onnx_add(im, node, "", "affine", &line, &v->node, 1, &v->node);
}

#define BOTH(handler, op, swaps)                                                                   \
  int anet__onnx_op_##handler(anet__onnx_import *im, const anet__onnx_node *node)                  \
  {                                                                                                \
    anet__onnx_value v;                                                                            \
    ANET_TRY(both(im, node, "", #op, swaps, &v));                                                  \
    return give(im, node, &v);                                                                     \
  }
BOTH(equal, equal, false)
BOTH(less, less, false)
BOTH(less_or_equal, less_equal, false)
BOTH(greater, less, true)
BOTH(greater_or_equal, less_equal, true)
BOTH(and, mul, false)
BOTH(or, maximum, false)

int anet__onnx_op_xor(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value v;
  ANET_TRY(both(im, node, ".equal", "equal", false, &v));
  ANET_TRY(negate(im, node, &v));
  return give(im, node, &v);
}

int anet__onnx_op_not(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value v;
  ANET_TRY(anet__onnx_get_value(im, node, 0, &v));
  ANET_TRY(negate(im, node, &v));
  return give(im, node, &v);
}

/* Without `fmod` the remainder r of x by y has the sign of y: that of r + y. */
int anet__onnx_op_mod(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value v[2];
  for (int32_t i = 0; i < 2; i++) ANET_TRY(anet__onnx_get_value(im, node, i, &v[i]));
  ANET_TRY(anet__onnx_align(im, node, v));
  const bool plain = anet__onnx_int(node, "fmod", 0) != 0;
  int32_t in[2] = {v[0].node, v[1].node};
  ANET_TRY(anet__onnx_add(im, node, plain ? "" : ".rest", "mod", NULL, in, 2, &in[0]));
  if (!plain) {
    ANET_TRY(anet__onnx_add(im, node, ".sum", "add", NULL, in, 2, &in[0]));
    ANET_TRY(anet__onnx_add(im, node, "", "mod", NULL, in, 2, &in[0]));
  }
  return anet__onnx_bind_node(im, node, 0, in[0], &v[0].layout);
}

static bool same_layout(const anet__layout *a, const anet__layout *b)
{
  bool same = a->axes == b->axes && a->atoms == b->atoms;
  for (int32_t i = 0; same && i <= a->axes; i++) same = a->first[i] == b->first[i];
  for (int32_t i = 0; same && i < a->atoms; i++)
    same = a->size[i] == b->size[i] && a->order[i] == b->order[i];
  return same;
}

/* Three values stored alike: two first, the third with what they became, and again. */
int anet__onnx_op_where(anet__onnx_import *im, const anet__onnx_node *node)
{
  anet__onnx_value v[3], choice[2];
  int32_t in[3];
  for (int32_t i = 0; i < 3; i++) ANET_TRY(anet__onnx_get_value(im, node, i, &v[i]));
  ANET_TRY(anet__onnx_align(im, node, v + 1));
  choice[0] = v[0];
  choice[1] = v[1];
  ANET_TRY(anet__onnx_align(im, node, choice));
  v[1] = choice[1];
  ANET_TRY(anet__onnx_align(im, node, v + 1));
  v[0] = choice[0];
  if (!same_layout(&v[0].layout, &v[1].layout))
    return anet__onnx_unsupported("its three inputs have axes that are mixed in memory");
  for (int32_t i = 0; i < 3; i++) in[i] = v[i].node;
  ANET_TRY(anet__onnx_add(im, node, "", "where", NULL, in, 3, &in[0]));
  v[0].layout.batch = v[1].layout.batch;
  return anet__onnx_bind_node(im, node, 0, in[0], &v[0].layout);
}
