/* gather: elements of in[0] by their places along attr.axis (counted from the last, 0 = channels),
 * which in[1] says: a value of as many axes, of size 1 where all places of another axis take the
 * same. Places are whole numbers (a fraction is cut off); negative ones count from the end, those
 * beyond an end are the end. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "op/gather.h"
#include "op/work.h"

static int gather_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char data[ANET_SHAPE_TEXT], index[ANET_SHAPE_TEXT];
  if (a->axis < 0 || a->axis >= in->rank)
    return anet_fail(ANET_RANGE, "gather: axis %d (counted from the last) is not one of input %s",
                     a->axis, anet__shape_text(in, data));
  const int32_t at = in->rank - 1 - a->axis;
  bool fits = in[1].rank == in->rank;
  for (int32_t d = 0; fits && d < in->rank; d++)
    fits = d == at || in[1].dim[d] == 1 || in[1].dim[d] == in->dim[d];
  if (!fits)
    return anet_fail(ANET_SHAPE, "gather: places %s along axis %d of input %s",
                     anet__shape_text(&in[1], index), at, anet__shape_text(in, data));
  *out = *in;
  out->dim[at] = in[1].dim[at];
  return ANET_OK;
}

/* Steps in the data and among the places along each axis of the output; the data's of the gathered
 * axis is `stride`. */
typedef struct walk {
  int32_t rank;
  size_t size[ANET_MAX_RANK], data[ANET_MAX_RANK], index[ANET_MAX_RANK];
  size_t stride, count; /* of the gathered axis */
} walk;

static walk walk_of(const anet__call *c)
{
  const anet_shape *x = &c->in_shape[0], *index = &c->in_shape[1];
  const int32_t at = x->rank - 1 - c->attr->axis;
  walk w = {.rank = x->rank};
  for (size_t d = (size_t)x->rank, from = 1, places = 1; d-- > 0;) {
    w.size[d] = (size_t)c->out_shape.dim[d];
    w.data[d] = d == (size_t)at ? 0 : from;
    w.index[d] = index->dim[d] == 1 ? 0 : places;
    if (d == (size_t)at) w.stride = from, w.count = (size_t)x->dim[d];
    from *= (size_t)x->dim[d];
    places *= (size_t)index->dim[d];
  }
  return w;
}

size_t anet__gather_place(float place, size_t count)
{
  const float whole = truncf(place), from = whole < 0 ? whole + (float)count : whole;
  if (!(from > 0)) return 0;
  return from < (float)count ? (size_t)from : count - 1;
}

/* Where row `row` of the output (all axes but the last) begins in an image's data and places. */
static void row_begin(const walk *w, size_t row, size_t *data, size_t *index)
{
  *data = *index = 0;
  for (int32_t d = w->rank - 2; d >= 0; d--) {
    *data += row % w->size[d] * w->data[d];
    *index += row % w->size[d] * w->index[d];
    row /= w->size[d];
  }
}

static void gather_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const walk w = walk_of(c);
  const size_t rows = anet__pixels(&c->out_shape), last = (size_t)w.rank - 1;
  const size_t size = anet__shape_size(&c->in_shape[0]), places = anet__shape_size(&c->in_shape[1]);
  for (size_t r = begin; r < end; r++) {
    size_t from, at;
    row_begin(&w, r % rows, &from, &at);
    const float *x = c->in[0] + r / rows * size + from, *place = c->in[1] + r / rows * places + at;
    float *to = c->out + r * w.size[last];
    if (w.index[last] == 0 && w.data[last] == 1) { /* a whole row of one place */
      memcpy(to, x + anet__gather_place(*place, w.count) * w.stride, w.size[last] * sizeof *to);
      continue;
    }
    for (size_t i = 0; i < w.size[last]; i++)
      to[i] =
          x[i * w.data[last] + anet__gather_place(place[i * w.index[last]], w.count) * w.stride];
  }
}

static void gather_forward(const anet__call *c)
{
  const size_t rows = (size_t)c->n * anet__pixels(&c->out_shape);
  anet__split(c->pool, rows, 2 * (size_t)anet__channels(&c->out_shape), gather_rows, c);
}

/* What was taken gives back, all of an image by one worker: places may repeat. */
static void grad_images(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__call *c = &g->call;
  const walk w = walk_of(c);
  const size_t rows = anet__pixels(&c->out_shape), last = (size_t)w.rank - 1;
  const size_t size = anet__shape_size(&c->in_shape[0]), places = anet__shape_size(&c->in_shape[1]);
  for (size_t n = begin; n < end; n++) {
    float *dx = g->din[0] + n * size;
    if (!g->add[0]) memset(dx, 0, size * sizeof *dx);
    for (size_t r = 0; r < rows; r++) {
      size_t to, at;
      row_begin(&w, r, &to, &at);
      const float *place = c->in[1] + n * places + at;
      const float *dy = g->dout + (n * rows + r) * w.size[last];
      for (size_t i = 0; i < w.size[last]; i++)
        dx[to + i * w.data[last] +
           anet__gather_place(place[i * w.index[last]], w.count) * w.stride] += dy[i];
    }
  }
}

static void gather_backward(const anet__grad_call *g)
{
  const size_t places = (size_t)g->call.n * anet__shape_size(&g->call.in_shape[1]);
  if (g->din[0])
    anet__split(g->call.pool, (size_t)g->call.n, 4 * anet__shape_size(&g->call.out_shape),
                grad_images, g);
  if (g->din[1] && !g->add[1]) memset(g->din[1], 0, places * sizeof *g->din[1]);
}

const anet__op anet__op_gather = {
    .name = "gather",
    .min_inputs = 2,
    .max_inputs = 2,
    .grad_needs_in = true,
    .shape = gather_shape,
    .forward = gather_forward,
    .backward = gather_backward,
};
