#include "op/work.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "op/taps.h"

enum {
  GRAIN = 16384,    /* floats that are worth waking a worker for */
  CHUNK_ROWS = 256, /* fewest rows of a chunk */
  MAX_CHUNKS = 32
};

/* -- splitting ------------------------------------------------------------------------------ */

typedef struct split {
  size_t count;
  int32_t parts;
  anet__body body;
  const void *context;
} split;

/* Long runs are cut on vector boundaries. */
static size_t cut(const split *s, int32_t part)
{
  if (part == s->parts) return s->count;
  const size_t at = (size_t)((double)s->count * part / s->parts);
  return s->count >= GRAIN ? at & ~(size_t)15 : at;
}

static void split_part(void *context, int32_t part, int32_t worker)
{
  const split *s = context;
  const size_t begin = cut(s, part), end = cut(s, part + 1);
  if (begin < end) s->body(s->context, begin, end);
}

void anet__split(anet_pool *pool, size_t count, size_t cost, anet__body body, const void *context)
{
  const double worth = (double)count * (double)cost / GRAIN;
  const int32_t workers = anet__pool_workers(pool);
  split s = {.count = count, .body = body, .context = context};
  s.parts = worth < workers ? ANET_MAX(1, (int32_t)worth) : workers;
  if (s.parts == 1)
    body(context, 0, count);
  else
    anet__pool_run(pool, split_part, &s, s.parts);
}

size_t anet__take(size_t *used, size_t floats)
{
  const size_t align = ANET_ALIGN / sizeof(float), at = *used;
  *used = at + (floats + align - 1) / align * align;
  return at;
}

/* -- sums over rows ------------------------------------------------------------------------- */

int32_t anet__chunks(size_t rows)
{
  return (int32_t)ANET_MAX((size_t)1, ANET_MIN(rows / CHUNK_ROWS, (size_t)MAX_CHUNKS));
}

void anet__chunk(size_t rows, int32_t chunks, size_t index, size_t *begin, size_t *end)
{
  *begin = rows * index / (size_t)chunks;
  *end = rows * (index + 1) / (size_t)chunks;
}

size_t anet__sums_floats(size_t rows, int32_t channels)
{
  return (size_t)anet__chunks(rows) * 2 * (size_t)channels * (sizeof(double) / sizeof(float));
}

static void sums_chunks(const void *context, size_t first, size_t last)
{
  const anet__sums *s = context;
  const int32_t chunks = anet__chunks(s->rows);
  const size_t c = (size_t)s->channels;
  for (size_t k = first; k < last; k++) {
    size_t begin, end;
    anet__chunk(s->rows, chunks, k, &begin, &end);
    double *sum = s->partial + k * 2 * c, *other = sum + c;
    const int32_t rows = (int32_t)(end - begin);
    memset(sum, 0, 2 * c * sizeof *sum);
    if (s->kind != ANET_SUM_DOT) {
      s->kernels->moments(sum, s->kind == ANET_SUM_SQUARE ? other : NULL, s->x + begin * c, rows,
                          s->channels);
      continue;
    }
    anet__norm_args norm = *s->norm;
    norm.dy += begin * c;
    norm.x += begin * c;
    norm.rows = rows;
    norm.channels = s->channels;
    s->kernels->norm_sums(sum, other, &norm);
  }
}

void anet__sums_run(anet_pool *pool, const anet__sums *s)
{
  const size_t chunks = (size_t)anet__chunks(s->rows), width = 2 * (size_t)s->channels;
  anet__split(pool, chunks, s->rows / chunks * (size_t)s->channels, sums_chunks, s);
  for (size_t k = 1; k < chunks; k++)
    for (size_t i = 0; i < width; i++) s->partial[i] += s->partial[k * width + i];
}

/* -- copying -------------------------------------------------------------------------------- */

typedef struct copy {
  const anet__kernels *kernels;
  float *to;
  const float *from;
  bool add;
} copy;

static void copy_run(const void *context, size_t begin, size_t end)
{
  const copy *c = context;
  if (c->add)
    c->kernels->add(c->to + begin, c->to + begin, c->from + begin, end - begin);
  else
    memcpy(c->to + begin, c->from + begin, (end - begin) * sizeof *c->to);
}

void anet__copy(const anet__call *call, float *to, const float *from, size_t count, bool add)
{
  const copy c = {call->kernels, to, from, add};
  if (to != from) anet__split(call->pool, count, 1, copy_run, &c);
}

/* -- checks --------------------------------------------------------------------------------- */

int anet__want_image(const char *op, const anet_shape *in)
{
  char text[ANET_SHAPE_TEXT];
  if (in->rank == 3) return ANET_OK;
  return anet_fail(ANET_SHAPE, "%s: input %s has rank %d, want 3 (height, width, channels)", op,
                   anet__shape_text(in, text), in->rank);
}

/* Places of a window, and a stride beyond one, are sums that int32 holds. */
enum { MOST_PLACES = 1 << 30 };

int anet__window_check(const char *op, const anet_attr *a)
{
  static const char *const axis[2] = {"rows", "columns"};
  for (int32_t i = 0; i < 2; i++) {
    if (a->kernel[i] < 1 || a->stride[i] < 1 || a->dilation[i] < 1)
      return anet_fail(ANET_RANGE, "%s: %s: kernel %d, stride %d, dilation %d must be at least 1",
                       op, axis[i], a->kernel[i], a->stride[i], a->dilation[i]);
    if (a->stride[i] > MOST_PLACES)
      return anet_fail(ANET_RANGE, "%s: %s: stride %d is over %d", op, axis[i], a->stride[i],
                       MOST_PLACES);
    if (a->pad[i] < 0 || a->pad[i + 2] < 0)
      return anet_fail(ANET_RANGE, "%s: %s: padding %d, %d is negative", op, axis[i], a->pad[i],
                       a->pad[i + 2]);
  }
  if ((int64_t)a->kernel[0] * a->kernel[1] > ANET_TAP_ROOM)
    return anet_fail(ANET_UNSUPPORTED, "%s: kernel (%d, %d) has over %d taps", op, a->kernel[0],
                     a->kernel[1], ANET_TAP_ROOM);
  return ANET_OK;
}

int anet__window_shape(const char *op, const anet_attr *a, const anet_shape *in, int32_t channels,
                       anet_shape *out)
{
  char text[ANET_SHAPE_TEXT];
  size_t count;
  ANET_TRY(anet__want_image(op, in));
  ANET_TRY(anet__window_check(op, a));
  *out = (anet_shape){.rank = 3, .dim = {0, 0, channels}};
  for (int32_t i = 0; i < 2; i++) {
    const int64_t span = (int64_t)(a->kernel[i] - 1) * a->dilation[i] + 1;
    const int64_t room = (int64_t)in->dim[i] + a->pad[i] + a->pad[i + 2];
    const int64_t size = room < span ? 0 : (room - span) / a->stride[i] + 1;
    if (room > MOST_PLACES)
      return anet_fail(ANET_SHAPE, "%s: input %s with padding (%d, %d, %d, %d) is over %d places",
                       op, anet__shape_text(in, text), a->pad[0], a->pad[1], a->pad[2], a->pad[3],
                       MOST_PLACES);
    if (size < 1)
      return anet_fail(ANET_SHAPE,
                       "%s: kernel (%d, %d) with padding (%d, %d, %d, %d) does not fit input %s",
                       op, a->kernel[0], a->kernel[1], a->pad[0], a->pad[1], a->pad[2], a->pad[3],
                       anet__shape_text(in, text));
    out->dim[i] = (int32_t)size;
  }
  if (!anet__shape_count(out, &count))
    return anet_fail(ANET_SHAPE, "%s: output %s is too large", op, anet__shape_text(out, text));
  return ANET_OK;
}

int anet__same_shape(const anet_attr *attr, const anet_shape *in, int32_t inputs, anet_shape *out)
{
  *out = in[0];
  return ANET_OK;
}
