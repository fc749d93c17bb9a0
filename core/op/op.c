#include "op/op.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

static const anet__op *const ops[ANET_OP_COUNT] = {
#define X(upper, lower) &anet__op_##lower,
    ANET_OP_MAP(X)
#undef X
};

const anet__op *anet__op_get(anet__op_id id)
{
  return ops[id];
}

bool anet__op_find(const char *name, anet__op_id *id)
{
  for (int32_t i = 0; i < ANET_OP_COUNT; i++)
    if (strcmp(ops[i]->name, name) == 0) {
      *id = (anet__op_id)i;
      return true;
    }
  return false;
}

void anet__attr_default(anet_attr *a)
{
  for (int32_t i = 0; i < 2; i++) {
    if (a->stride[i] == 0) a->stride[i] = 1;
    if (a->dilation[i] == 0) a->dilation[i] = 1;
  }
  if (a->groups == 0) a->groups = 1;
  if (a->epsilon == 0) a->epsilon = 1e-5F;
  if (a->momentum == 0) a->momentum = 0.1F;
}

anet__post anet__post_none(void)
{
  return (anet__post){.low = -INFINITY, .high = INFINITY};
}

/* The caller of a network writes an input's value: there is nothing to run. */
static int input_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  return anet_fail(ANET_STATE, "input: its shape is given, not inferred");
}

const anet__op anet__op_input = {.name = "input", .shape = input_shape};
