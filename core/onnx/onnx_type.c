/* Element types of a graph's values. The engine's values are f32: whole numbers and booleans (0 and
 * 1) travel as f32, exactly up to 2^24. What type ONNX gives a value is kept beside it, for the ops
 * whose result it changes (a quotient of whole numbers is one) and for the border. */
#include <string.h>

#include "base/error.h"
#include "onnx/onnx_import.h"

static const struct {
  int32_t type;
  const char *name;
} names[] = {
    {ANET_ONNX_FLOAT, "float"},       {ANET_ONNX_DOUBLE, "double"}, {ANET_ONNX_FLOAT16, "float16"},
    {ANET_ONNX_BFLOAT16, "bfloat16"}, {ANET_ONNX_UINT8, "uint8"},   {ANET_ONNX_INT8, "int8"},
    {ANET_ONNX_UINT16, "uint16"},     {ANET_ONNX_INT16, "int16"},   {ANET_ONNX_UINT32, "uint32"},
    {ANET_ONNX_INT32, "int32"},       {ANET_ONNX_UINT64, "uint64"}, {ANET_ONNX_INT64, "int64"},
    {ANET_ONNX_BOOL, "bool"},
};

const char *anet__onnx_type_name(int32_t type)
{
  for (int32_t i = 0; i < ANET_COUNT(names); i++)
    if (names[i].type == type) return names[i].name;
  return NULL;
}

int32_t anet__onnx_type_of(const anet__onnx_value *value)
{
  const int32_t type = value->array ? value->array->type : value->type;
  return type ? type : ANET_ONNX_FLOAT;
}

int32_t anet__onnx_type_in(anet__onnx_import *im, const anet__onnx_node *node, int32_t index)
{
  const anet__onnx_value *value;
  if (!anet__onnx_input(node, index) || anet__onnx_get(im, node, index, &value))
    return ANET_ONNX_FLOAT;
  return anet__onnx_type_of(value);
}

/* X(OnnxName, output, type): outputs that are not of the type of the node's first input. */
#define TYPE_MAP(X)                                                                                \
  X(Equal, 0, ANET_ONNX_BOOL)                                                                      \
  X(Less, 0, ANET_ONNX_BOOL)                                                                       \
  X(LessOrEqual, 0, ANET_ONNX_BOOL)                                                                \
  X(Greater, 0, ANET_ONNX_BOOL)                                                                    \
  X(GreaterOrEqual, 0, ANET_ONNX_BOOL)                                                             \
  X(ArgMax, 0, ANET_ONNX_INT64)                                                                    \
  X(ArgMin, 0, ANET_ONNX_INT64)                                                                    \
  X(TopK, 1, ANET_ONNX_INT64)                                                                      \
  X(MaxPool, 1, ANET_ONNX_INT64)                                                                   \
  X(Dropout, 1, ANET_ONNX_BOOL)                                                                    \
  X(QuantizeLinear, 0, ANET_ONNX_FLOAT)                                                            \
  X(DequantizeLinear, 0, ANET_ONNX_FLOAT)                                                          \
  X(Cast, 0, (int32_t)anet__onnx_int(node, "to", ANET_ONNX_FLOAT))                                 \
  X(Where, 0, anet__onnx_type_in(im, node, 1))

static int32_t type_out(anet__onnx_import *im, const anet__onnx_node *node, int32_t output)
{
#define X(op_name, index, type)                                                                    \
  if (output == (index) && strcmp(node->op, #op_name) == 0) return type;
  TYPE_MAP(X)
#undef X
  return anet__onnx_type_in(im, node, 0);
}

void anet__onnx_set_types(anet__onnx_import *im, const anet__onnx_node *node, int32_t first)
{
  for (int32_t i = 0; i < node->outputs; i++) {
    const int32_t type = type_out(im, node, i);
    anet__onnx_value *value = anet__onnx_find(im, node->output[i]);
    if (value && value - im->value >= first && !value->array) value->type = type;
  }
}
