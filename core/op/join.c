/* concat: inputs that differ only along attr.axis, side by side. split: the part [begin,
 * begin + size) of attr.axis. The axis counts from the last: 0 = channels. Both move runs: a batch
 * is `outer` rows, of which each input (or part) has a run. */
#include <string.h>

#include "base/error.h"
#include "op/work.h"

/* Elements of one step along the axis, and rows of one image. */
static size_t inner_of(const anet_shape *s, int32_t axis)
{
  size_t n = 1;
  for (int32_t i = s->rank - axis; i < s->rank; i++) n *= (size_t)s->dim[i];
  return n;
}

static size_t outer_of(const anet_shape *s, int32_t axis)
{
  size_t n = 1;
  for (int32_t i = 0; i < s->rank - axis - 1; i++) n *= (size_t)s->dim[i];
  return n;
}

static int check_axis(const char *op, int32_t axis, const anet_shape *in)
{
  char text[ANET_SHAPE_TEXT];
  if (axis >= 0 && axis < in->rank) return ANET_OK;
  return anet_fail(ANET_RANGE, "%s: axis %d (counted from the last) is not one of input %s", op,
                   axis, anet__shape_text(in, text));
}

/* Rows [begin, end) of `run` floats, to += or = from; ld: from one row to the next. */
static void move(const anet__kernels *k, float *to, size_t ld_to, const float *from, size_t ld_from,
                 size_t run, size_t begin, size_t end, bool add)
{
  for (size_t r = begin; r < end; r++) {
    float *t = to + r * ld_to;
    if (add)
      k->add(t, t, from + r * ld_from, run);
    else
      memcpy(t, from + r * ld_from, run * sizeof *t);
  }
}

/* -- concat --------------------------------------------------------------------------------- */

static int concat_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char first[ANET_SHAPE_TEXT], other[ANET_SHAPE_TEXT];
  ANET_TRY(check_axis("concat", a->axis, &in[0]));
  const int32_t axis = in[0].rank - 1 - a->axis;
  int64_t size = 0;
  *out = in[0];
  for (int32_t i = 0; i < inputs; i++) {
    anet_shape same = in[i];
    if (same.rank == out->rank) same.dim[axis] = out->dim[axis];
    if (!anet__shape_equal(&same, out))
      return anet_fail(ANET_SHAPE, "concat: inputs %s and %s differ beside axis %d",
                       anet__shape_text(&in[0], first), anet__shape_text(&in[i], other), a->axis);
    size += in[i].dim[axis];
  }
  if (size > INT32_MAX)
    return anet_fail(ANET_SHAPE, "concat: inputs %s and more make an axis of over %d",
                     anet__shape_text(&in[0], first), INT32_MAX);
  out->dim[axis] = (int32_t)size;
  return ANET_OK;
}

/* Floats that input i has in a row. */
static size_t run_of(const anet__call *c, int32_t i)
{
  const anet_shape *s = &c->in_shape[i];
  return (size_t)s->dim[s->rank - 1 - c->attr->axis] * inner_of(s, c->attr->axis);
}

static size_t concat_row(const anet__call *c)
{
  size_t n = 0;
  for (int32_t i = 0; i < c->inputs; i++) n += run_of(c, i);
  return n;
}

static void concat_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const size_t row = concat_row(c);
  float *to = c->out;
  for (int32_t i = 0; i < c->inputs; to += run_of(c, i++))
    move(c->kernels, to, row, c->in[i], run_of(c, i), run_of(c, i), begin, end, false);
}

static void concat_forward(const anet__call *c)
{
  const size_t rows = (size_t)c->n * outer_of(&c->out_shape, c->attr->axis);
  anet__split(c->pool, rows, concat_row(c), concat_rows, c);
}

static void concat_grad_rows(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__call *c = &g->call;
  const size_t row = concat_row(c);
  const float *from = g->dout;
  for (int32_t i = 0; i < c->inputs; from += run_of(c, i++))
    if (g->din[i])
      move(c->kernels, g->din[i], run_of(c, i), from, row, run_of(c, i), begin, end, g->add[i]);
}

static void concat_backward(const anet__grad_call *g)
{
  const size_t rows = (size_t)g->call.n * outer_of(&g->call.out_shape, g->call.attr->axis);
  anet__split(g->call.pool, rows, concat_row(&g->call), concat_grad_rows, g);
}

/* -- split ---------------------------------------------------------------------------------- */

static int split_shape(const anet_attr *a, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  ANET_TRY(check_axis("split", a->axis, in));
  const int32_t axis = in->rank - 1 - a->axis;
  if (a->begin < 0 || a->size < 1 || a->begin > in->dim[axis] - a->size)
    return anet_fail(ANET_RANGE, "split: part [%d, %lld) does not fit axis %d of input %s",
                     a->begin, (long long)a->begin + a->size, a->axis, anet__shape_text(in, text));
  *out = *in;
  out->dim[axis] = a->size;
  return ANET_OK;
}

static void split_rows(const void *context, size_t begin, size_t end)
{
  const anet__call *c = context;
  const size_t inner = inner_of(&c->in_shape[0], c->attr->axis);
  const size_t run = (size_t)c->attr->size * inner;
  move(c->kernels, c->out, run, c->in[0] + (size_t)c->attr->begin * inner, run_of(c, 0), run, begin,
       end, false);
}

static void split_forward(const anet__call *c)
{
  const size_t rows = (size_t)c->n * outer_of(&c->in_shape[0], c->attr->axis);
  anet__split(c->pool, rows, (size_t)c->attr->size * inner_of(&c->in_shape[0], c->attr->axis),
              split_rows, c);
}

static void split_grad_rows(const void *context, size_t begin, size_t end)
{
  const anet__grad_call *g = context;
  const anet__call *c = &g->call;
  const size_t inner = inner_of(&c->in_shape[0], c->attr->axis), row = run_of(c, 0);
  const size_t run = (size_t)c->attr->size * inner;
  if (!g->add[0]) memset(g->din[0] + begin * row, 0, (end - begin) * row * sizeof(float));
  move(c->kernels, g->din[0] + (size_t)c->attr->begin * inner, row, g->dout, run, run, begin, end,
       g->add[0]);
}

static void split_backward(const anet__grad_call *g)
{
  const anet__call *c = &g->call;
  const size_t rows = (size_t)c->n * outer_of(&c->in_shape[0], c->attr->axis);
  if (g->din[0]) anet__split(c->pool, rows, run_of(c, 0), split_grad_rows, g);
}

const anet__op anet__op_concat = {
    .name = "concat",
    .min_inputs = 1,
    .max_inputs = ANET_MAX_INPUTS,
    .shape = concat_shape,
    .forward = concat_forward,
    .backward = concat_backward,
};

const anet__op anet__op_split = {
    .name = "split",
    .min_inputs = 1,
    .max_inputs = 1,
    .shape = split_shape,
    .forward = split_forward,
    .backward = split_backward,
};
