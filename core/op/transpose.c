/* transpose: axis i of the output is axis attr.dim[i] - 1 of the input; of 1 to 4 axes. */
#include "base/error.h"
#include "op/work.h"

enum { AXES = 4 };

static int transpose_shape(const anet_attr *a, const anet_shape *in, int32_t inputs,
                           anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  int32_t seen = 0;
  *out = (anet_shape){.rank = in->rank};
  bool fits = in->rank <= AXES;
  for (int32_t i = 0; i < AXES && fits; i++) {
    const int32_t axis = a->dim[i]; /* from 1 */
    fits = (i < in->rank) == (axis > 0) && axis <= in->rank;
    if (!fits || i >= in->rank) continue;
    seen |= 1 << (axis - 1);
    out->dim[i] = in->dim[axis - 1];
  }
  if (fits && seen == (1 << in->rank) - 1) return ANET_OK;
  return anet_fail(ANET_SHAPE, "transpose: (%d, %d, %d, %d) is no order of the axes of input %s",
                   a->dim[0], a->dim[1], a->dim[2], a->dim[3], anet__shape_text(in, text));
}

/* As four axes, the first ones of size 1: sizes of the output, and the input's step along each. */
typedef struct walk {
  size_t size[AXES], step[AXES];
} walk;

static walk walk_of(const anet__call *c)
{
  const anet_shape *in = &c->in_shape[0];
  size_t step[AXES] = {0}, at = 1;
  walk w = {{1, 1, 1, 1}, {0}};
  for (int32_t i = in->rank - 1; i >= 0; i--) {
    step[i] = at;
    at *= (size_t)in->dim[i];
  }
  for (int32_t i = 0; i < in->rank; i++) {
    w.size[AXES - in->rank + i] = (size_t)c->out_shape.dim[i];
    w.step[AXES - in->rank + i] = step[c->attr->dim[i] - 1];
  }
  return w;
}

/* Calls for planes [begin, end): a plane is the output's last two axes. */
static size_t plane_at(const walk *w, size_t plane, size_t total)
{
  const size_t image = plane / (w->size[0] * w->size[1]), rest = plane % (w->size[0] * w->size[1]);
  return image * total + rest / w->size[1] * w->step[0] + rest % w->size[1] * w->step[1];
}

static void forward_planes(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const walk w = walk_of(c);
  const size_t total = anet__shape_size(&c->out_shape);
  float *to = c->out + begin * w.size[2] * w.size[3];
  for (size_t p = begin; p < end; p++) {
    const float *from = c->in[0] + plane_at(&w, p, total);
    for (size_t y = 0; y < w.size[2]; y++)
      for (size_t x = 0; x < w.size[3]; x++) *to++ = from[y * w.step[2] + x * w.step[3]];
  }
}

static void backward_planes(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const walk w = walk_of(&g->call);
  const size_t total = anet__shape_size(&g->call.out_shape);
  const float *from = g->dout + begin * w.size[2] * w.size[3];
  for (size_t p = begin; p < end; p++) {
    float *to = g->din[0] + plane_at(&w, p, total);
    for (size_t y = 0; y < w.size[2]; y++)
      for (size_t x = 0; x < w.size[3]; x++) {
        float *at = to + y * w.step[2] + x * w.step[3];
        *at = g->add[0] ? *at + *from : *from;
        from++;
      }
  }
}

static void transpose_forward(const anet__call *c)
{
  const walk w = walk_of(c);
  anet__split(c->pool, (size_t)c->n * w.size[0] * w.size[1], 2 * w.size[2] * w.size[3],
              forward_planes, c);
}

static void transpose_backward(const anet__grad_call *g)
{
  const walk w = walk_of(&g->call);
  if (g->din[0])
    anet__split(g->call.pool, (size_t)g->call.n * w.size[0] * w.size[1], 2 * w.size[2] * w.size[3],
                backward_planes, g);
}

const anet__op anet__op_transpose = {
    .name = "transpose",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = transpose_shape,
    .forward = transpose_forward,
    .backward = transpose_backward,
};
