/* expand: every axis of size 1 repeated to attr.dim; rank 1 to 4, others as they are. */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

enum { AXES = 4 };

static int expand_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char from[ANET_SHAPE_TEXT], to[ANET_SHAPE_TEXT];
  size_t count;
  *out = (anet_shape){0};
  while (out->rank < AXES && a->dim[out->rank]) {
    out->dim[out->rank] = a->dim[out->rank];
    out->rank++;
  }
  bool fits = out->rank == in->rank && anet__shape_count(out, &count);
  for (int32_t i = 0; fits && i < in->rank; i++)
    fits = in->dim[i] == 1 || in->dim[i] == out->dim[i];
  if (fits) return ANET_OK;
  return anet_fail(ANET_SHAPE, "expand: input %s cannot become %s", anet__shape_text(in, from),
                   anet__shape_text(out, to));
}

/* As four axes, the first ones of size 1; a step of 0 along those that are repeated. */
typedef struct walk {
  size_t size[AXES], step[AXES];
} walk;

static walk walk_of(const anet__call *c)
{
  const anet_shape *in = &c->in_shape[0], *out = &c->out_shape;
  walk w = {{1, 1, 1, 1}, {0}};
  size_t at = 1;
  for (int32_t i = in->rank - 1; i >= 0; i--) {
    const int32_t to = AXES - in->rank + i;
    w.size[to] = (size_t)out->dim[i];
    w.step[to] = in->dim[i] == 1 ? 0 : at;
    at *= (size_t)in->dim[i];
  }
  return w;
}

static void expand_image(const walk *w, float *to, const float *from)
{
  for (size_t a = 0; a < w->size[0]; a++)
    for (size_t b = 0; b < w->size[1]; b++)
      for (size_t y = 0; y < w->size[2]; y++) {
        const float *row = from + a * w->step[0] + b * w->step[1] + y * w->step[2];
        for (size_t x = 0; x < w->size[3]; x++) *to++ = row[x * w->step[3]];
      }
}

static void sum_image(const walk *w, float *to, const float *from)
{
  for (size_t a = 0; a < w->size[0]; a++)
    for (size_t b = 0; b < w->size[1]; b++)
      for (size_t y = 0; y < w->size[2]; y++) {
        float *row = to + a * w->step[0] + b * w->step[1] + y * w->step[2];
        for (size_t x = 0; x < w->size[3]; x++) row[x * w->step[3]] += *from++;
      }
}

static void expand_images(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const walk w = walk_of(c);
  const size_t in = anet__shape_size(&c->in_shape[0]), out = anet__shape_size(&c->out_shape);
  for (size_t i = begin; i < end; i++) expand_image(&w, c->out + i * out, c->in[0] + i * in);
}

static void grad_images(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const walk w = walk_of(&g->call);
  const size_t in = anet__shape_size(&g->call.in_shape[0]);
  const size_t out = anet__shape_size(&g->call.out_shape);
  for (size_t i = begin; i < end; i++) {
    float *dx = g->din[0] + i * in;
    if (!g->add[0]) memset(dx, 0, in * sizeof *dx);
    sum_image(&w, dx, g->dout + i * out);
  }
}

static void expand_forward(const anet__call *c)
{
  anet__split(c->pool, (size_t)c->n, anet__shape_size(&c->out_shape), expand_images, c);
}

static void expand_backward(const anet__grad_call *g)
{
  if (g->din[0])
    anet__split(g->call.pool, (size_t)g->call.n, 2 * anet__shape_size(&g->call.out_shape),
                grad_images, g);
}

const anet__op anet__op_expand = {
    .name = "expand",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = expand_shape,
    .forward = expand_forward,
    .backward = expand_backward,
};
