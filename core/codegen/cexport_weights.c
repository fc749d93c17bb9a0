/* The weights of a C file: one array, in which every step has its parts. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "codegen/cexport.h"

enum { WEIGHT, BIAS };
enum { GAMMA, BETA, MEAN, VARIANCE };
enum { PARTS = 2 }; /* that a step has at most */

/* The next part, `count` floats; NULL while they are only counted. */
static float *open_part(anet__c_program *p, anet__c_step *step, int32_t index, const char *name,
                        size_t count)
{
  const size_t begin = p->floats;
  step->weight[index] = begin;
  p->floats += count;
  if (!p->weights) return NULL;
  p->part[p->parts++] =
      (anet__c_part){.node = step->node, .name = name, .begin = begin, .count = count};
  return p->weights + begin;
}

/* A window of any strides, dense. */
static void copy_dense(float *to, const anet_tensor *from)
{
  const anet_shape *s = &from->shape;
  const size_t count = anet__shape_size(s);
  for (size_t i = 0; i < count; i++) {
    int64_t at = 0;
    size_t rest = i;
    for (int32_t d = s->rank - 1; d >= 0; rest /= (size_t)s->dim[d--])
      at += (int64_t)(rest % (size_t)s->dim[d]) * from->stride[d];
    to[i] = anet__f32(from)[at];
  }
}

static void put_param(anet__c_program *p, anet__c_step *step, int32_t part, int32_t param,
                      const char *name)
{
  const anet_tensor *t = p->net->node[step->node].param[param];
  float *to = open_part(p, step, part, name, anet__shape_size(&t->shape));
  if (to) copy_dense(to, t);
}

/* What a norm or scale does to channel c: scale * x + shift. */
typedef struct affine {
  double scale, shift;
} affine;

static affine affine_of(const anet__node *node, size_t c)
{
  const double gamma = (double)anet__f32(node->param[GAMMA])[c];
  const double beta = (double)anet__f32(node->param[BETA])[c];
  if (node->op == ANET_OP_SCALE) return (affine){gamma, beta};
  const double mean = (double)anet__f32(node->param[MEAN])[c];
  const double variance = (double)anet__f32(node->param[VARIANCE])[c];
  const double k = gamma / sqrt(variance + (double)node->attr.epsilon);
  return (affine){k, beta - k * mean};
}

/* All norms and scales that the step has taken in, one after the other, and its bias. */
static affine folded(const anet__c_program *p, const anet__c_step *step, size_t c)
{
  const anet__node *node = anet__net_at(p->net, step->node);
  affine all = {1, node->attr.bias ? (double)anet__f32(node->param[BIAS])[c] : 0};
  for (int32_t v = step->node + 1; v <= step->value; v++) {
    const anet__node *taken = anet__net_at(p->net, v);
    if (p->step_of[v] != p->step_of[step->node]) continue;
    if (taken->op != ANET_OP_NORM && taken->op != ANET_OP_SCALE) continue;
    const affine next = affine_of(taken, c);
    all.scale *= next.scale;
    all.shift = next.scale * all.shift + next.shift;
  }
  return all;
}

static void put_filter(anet__c_program *p, anet__c_step *step)
{
  const anet__node *node = anet__net_at(p->net, step->node);
  const size_t channels = (size_t)anet__channels(&node->shape);
  const size_t count = anet__shape_size(&node->param[WEIGHT]->shape);
  float *weight = open_part(p, step, WEIGHT, "weight", count);
  float *bias = step->bias ? open_part(p, step, BIAS, "bias", channels) : NULL;
  if (!weight) return;
  copy_dense(weight, node->param[WEIGHT]);
  for (size_t c = 0; step->bias && c < channels; c++) {
    const affine all = folded(p, step, c);
    bias[c] = (float)all.shift;
    for (size_t i = c; i < count; i += channels) weight[i] = (float)(all.scale * (double)weight[i]);
  }
}

/* (taps, out of a group, in) becomes (taps, in, out of a group): the inner loop runs over the
 * latter. */
static void put_transposed(anet__c_program *p, anet__c_step *step)
{
  const anet__node *node = anet__net_at(p->net, step->node);
  const anet_tensor *t = node->param[WEIGHT];
  const int32_t taps = t->shape.dim[0] * t->shape.dim[1], out = t->shape.dim[2],
                in = t->shape.dim[3];
  float *to = open_part(p, step, WEIGHT, "weight", anet__shape_size(&t->shape));
  for (int32_t k = 0; to && k < taps; k++)
    for (int32_t i = 0; i < in; i++)
      for (int32_t o = 0; o < out; o++)
        *to++ =
            anet__f32(t)[k / t->shape.dim[1] * t->stride[0] + k % t->shape.dim[1] * t->stride[1] +
                         o * t->stride[2] + i * t->stride[3]];
  if (step->bias) put_param(p, step, BIAS, BIAS, "bias");
}

static void put_channels(anet__c_program *p, anet__c_step *step)
{
  const anet__node *node = anet__net_at(p->net, step->node);
  const size_t channels = (size_t)anet__channels(&node->shape);
  float *scale = open_part(p, step, GAMMA, "scale", channels);
  float *shift = open_part(p, step, BETA, "shift", channels);
  for (size_t c = 0; scale && c < channels; c++) {
    const affine a = affine_of(node, c);
    scale[c] = (float)a.scale;
    shift[c] = (float)a.shift;
  }
}

static void put_step(anet__c_program *p, anet__c_step *step)
{
  switch (p->net->node[step->node].op) {
    case ANET_OP_CONV:
    case ANET_OP_DEPTHWISE:
    case ANET_OP_LINEAR:
      put_filter(p, step);
      break;
    case ANET_OP_CONV_TRANSPOSE:
      put_transposed(p, step);
      break;
    case ANET_OP_NORM:
    case ANET_OP_SCALE:
      put_channels(p, step);
      break;
    case ANET_OP_INSTANCE_NORM:
    case ANET_OP_LAYER_NORM:
      put_param(p, step, GAMMA, GAMMA, "gamma");
      put_param(p, step, BETA, BETA, "beta");
      break;
    case ANET_OP_PRELU:
      put_param(p, step, WEIGHT, 0, "slope");
      break;
    case ANET_OP_CONSTANT:
      put_param(p, step, WEIGHT, 0, "value");
      break;
    default:
      break;
  }
}

int anet__c_weights(anet__c_program *p)
{
  for (int32_t i = 0; i < p->steps; i++) put_step(p, &p->step[i]);
  p->part = anet__alloc_array((size_t)p->steps * PARTS, sizeof *p->part);
  p->weights = anet__alloc_array(p->floats, sizeof *p->weights);
  if (!p->part || !p->weights) return ANET_NOMEM;
  p->floats = 0;
  for (int32_t i = 0; i < p->steps; i++) put_step(p, &p->step[i]);
  return ANET_OK;
}
