#include "op/bytes.h"

#include <math.h>
#include <string.h>

#include "kernel/int8.h"
#include "op/work.h"

enum {
  UNIT = 64,      /* output channels that are packed together: workers share rows, or units */
  MANY = 48,      /* rows a worker that make sharing by rows pay */
  FOUR = 4,       /* bytes that kernels read at a time */
  MOST_KERNEL = 16 /* lines of a depthwise window */
};

anet__levels anet__levels_of(const anet_attr *a)
{
  const float levels = 255.0F / (a->beta - a->alpha);
  return (anet__levels){levels, rintf(-a->alpha * levels)};
}

/* (2^31 - 1) / (255 * 127); where a depthwise table sums in floats, 2^24 / (255 * 127). */
enum { MOST_TERMS = 66311, MOST_TAPS = 518 };

bool anet__bytes_reads(anet__op_id op, const anet_attr *a, const anet_shape *in)
{
  const double taps = (double)a->kernel[0] * a->kernel[1], channels = anet__channels(in);
  switch (op) {
    case ANET_OP_CONV:
      return a->groups == 1 && taps * channels <= MOST_TERMS;
    case ANET_OP_DEPTHWISE:
      return a->kernel[0] <= MOST_KERNEL && taps <= MOST_TAPS;
    case ANET_OP_LINEAR:
      return channels <= MOST_TERMS;
    default:
      return false;
  }
}

/* ---- the three ops as one -------------------------------------------------------------------- */

typedef struct window {
  int32_t kernel[2], stride[2], pad[2], step[2], in[2], out[2], cin, cout;
  bool depthwise;
} window;

static window window_of(const anet__call *c)
{
  const anet_attr *a = c->attr;
  const anet_shape *in = &c->in_shape[0], *out = &c->out_shape;
  window w = {.cin = anet__channels(in), .cout = anet__channels(out)};
  const bool line = in->rank == 1;
  w.depthwise = c->param[0]->shape.rank == 3;
  for (int32_t i = 0; i < 2; i++) {
    w.kernel[i] = line ? 1 : a->kernel[i];
    w.stride[i] = line ? 1 : a->stride[i];
    w.step[i] = line ? 1 : a->dilation[i];
    w.pad[i] = line ? 0 : a->pad[i];
    w.in[i] = line ? 1 : in->dim[i];
    w.out[i] = line ? 1 : out->dim[i];
  }
  return w;
}

static int32_t taps_of(const window *w)
{
  return w->kernel[0] * w->kernel[1];
}

static size_t terms_of(const window *w)
{
  return (size_t)taps_of(w) * (size_t)(w->depthwise ? 1 : w->cin);
}

static const anet__int8 *table_of(const anet__call *c)
{
  return anet__int8_for(c->kernels->isa);
}

/* ---- packing: scales, sums of the rounded weights, the weights -------------------------------- */

/* Weight `term` of an output channel; terms are (kernel, cin) as the tensor has them. */
static float weight_at(const anet_tensor *t, size_t term, int32_t channel)
{
  const int32_t last = t->shape.rank - 1;
  const float *w = anet__f32(t) + channel;
  for (int32_t i = last - 1; i >= 0; term /= (size_t)t->shape.dim[i], i--)
    w += (int64_t)(term % (size_t)t->shape.dim[i]) * t->stride[i];
  return *w;
}

static float scale_of(const anet_tensor *t, size_t terms, int32_t channel)
{
  float most = 0;
  for (size_t k = 0; k < terms; k++) most = fmaxf(most, fabsf(weight_at(t, k, channel)));
  return most > 0 ? most / 127.0F : 1.0F;
}

void anet__bytes_round(const anet_tensor *t, float *to)
{
  const int32_t channels = t->shape.dim[t->shape.rank - 1];
  const size_t terms = anet__shape_size(&t->shape) / (size_t)channels;
  for (int32_t c = 0; c < channels; c++) {
    const float scale = scale_of(t, terms, c);
    for (size_t k = 0; k < terms; k++)
      to[k * (size_t)channels + (size_t)c] = scale * rintf(weight_at(t, k, c) / scale);
  }
}

/* As floats of the packed block: where the weights begin. */
static size_t weights_at(const window *w)
{
  size_t used = 0;
  anet__take(&used, (size_t)w->cout);
  anet__take(&used, (size_t)w->cout);
  return used;
}

static int32_t units_of(const window *w)
{
  return w->depthwise ? 1 : (w->cout + UNIT - 1) / UNIT;
}

static int32_t unit_channels(const window *w, int32_t unit)
{
  return w->depthwise ? w->cout : ANET_MIN(UNIT, w->cout - unit * UNIT);
}

static size_t unit_bytes(const anet__int8 *table, const window *w, int32_t unit)
{
  if (w->depthwise) return table->depthwise_pack_size(w->kernel[0], w->kernel[1], w->cout);
  return table->conv_pack_size(taps_of(w), w->cin, unit_channels(w, unit));
}

/* Units but the last are alike. */
static size_t unit_offset(const anet__int8 *table, const window *w, int32_t unit)
{
  return unit ? (size_t)unit * unit_bytes(table, w, 0) : 0;
}

/* Packed weights, and rounded ones of a unit on their way there. */
static size_t pack_size(const anet__call *c)
{
  const window w = window_of(c);
  const anet__int8 *table = table_of(c);
  const int32_t last = units_of(&w) - 1;
  const size_t bytes = unit_offset(table, &w, last) + unit_bytes(table, &w, last);
  const size_t rounded = terms_of(&w) * (size_t)unit_channels(&w, 0);
  return weights_at(&w) + (bytes + rounded + sizeof(float) - 1) / sizeof(float);
}

static void pack_unit(const anet__call *c, const window *w, int32_t unit, float *scale, float *sum,
                      int8_t *rounded, int8_t *to)
{
  const int32_t count = unit_channels(w, unit), first = unit * UNIT;
  const size_t terms = terms_of(w);
  for (int32_t o = first; o < first + count; o++) {
    int32_t total = 0;
    scale[o] = scale_of(c->param[0], terms, o);
    for (size_t k = 0; k < terms; k++) {
      const int32_t level = (int32_t)lrintf(weight_at(c->param[0], k, o) / scale[o]);
      rounded[k * (size_t)count + (size_t)(o - first)] = (int8_t)level;
      total += level;
    }
    sum[o] = (float)total;
  }
  if (w->depthwise)
    table_of(c)->depthwise_pack(to, rounded, w->kernel[0], w->kernel[1], count);
  else
    table_of(c)->conv_pack(to, rounded, taps_of(w), w->cin, count);
}

static void pack(const anet__call *c, float *packed)
{
  const window w = window_of(c);
  const anet__int8 *table = table_of(c);
  size_t used = 0;
  float *scale = packed + anet__take(&used, (size_t)w.cout);
  float *sum = packed + anet__take(&used, (size_t)w.cout);
  int8_t *to = (int8_t *)(packed + weights_at(&w));
  const int32_t units = units_of(&w);
  int8_t *rounded = to + unit_offset(table, &w, units - 1) + unit_bytes(table, &w, units - 1);
  for (int32_t u = 0; u < units; u++)
    pack_unit(c, &w, u, scale, sum, rounded, to + unit_offset(table, &w, u));
}

const float *anet__bytes_scale(const float *packed)
{
  return packed;
}

float anet__bytes_rest(const anet__call *c, const float *packed, int32_t channel, float zero)
{
  const window w = window_of(c);
  size_t used = 0;
  anet__take(&used, (size_t)w.cout);
  const float *sum = packed + anet__take(&used, (size_t)w.cout);
  return sum[channel] * (zero - (float)table_of(c)->offset);
}

/* ---- running ---------------------------------------------------------------------------------- */

typedef struct job {
  const anet__call *call;
  window w;
  const anet__int8 *table;
  const int8_t *weights;
  const uint8_t *in, *outside; /* outside: a pixel of zeros */
  anet__int8_post post;
} job;

static size_t pixels_of(const window *w)
{
  return (size_t)w->out[0] * (size_t)w->out[1];
}

/* Output pixels are the input's, one by one: no need to count lines. */
static bool straight(const window *w)
{
  return taps_of(w) == 1 && w->stride[0] == 1 && w->stride[1] == 1 && !w->pad[0] && !w->pad[1] &&
         w->in[0] == w->out[0] && w->in[1] == w->out[1];
}

/* The taps of the pixel whose window begins in line y and column x. Returns where the next one's go. */
static const uint8_t **fill_pixel(const job *j, const uint8_t *image, int32_t y, int32_t x,
                                  const uint8_t **tap)
{
  const window *w = &j->w;
  for (int32_t i = 0; i < w->kernel[0]; i++) {
    const int32_t row = y + i * w->step[0];
    const bool in = row >= 0 && row < w->in[0];
    const uint8_t *line = image + (in ? (size_t)row * (size_t)w->in[1] * (size_t)w->cin : 0);
    for (int32_t k = 0; k < w->kernel[1]; k++) {
      const int32_t column = x + k * w->step[1];
      const bool there = in && column >= 0 && column < w->in[1];
      *tap++ = there ? line + (size_t)column * (size_t)w->cin : j->outside;
    }
  }
  return tap;
}

/* Pointers of output pixels first .. first+rows-1, counted over all images. */
static void fill_taps(const job *j, size_t first, size_t rows, const uint8_t **tap)
{
  const window *w = &j->w;
  if (straight(w)) {
    for (size_t r = 0; r < rows; r++) tap[r] = j->in + (first + r) * (size_t)w->cin;
    return;
  }
  const size_t size = pixels_of(w), image = (size_t)w->in[0] * (size_t)w->in[1] * (size_t)w->cin;
  const uint8_t *base = j->in + first / size * image;
  int32_t y = (int32_t)(first % size) / w->out[1], x = (int32_t)(first % size) % w->out[1];
  for (size_t r = 0; r < rows; r++) {
    tap = fill_pixel(j, base, y * w->stride[0] - w->pad[0], x * w->stride[1] - w->pad[1], tap);
    if (++x < w->out[1]) continue;
    x = 0;
    if (++y == w->out[0]) y = 0, base += image;
  }
}

/* The output from an element on; elements are bytes or floats. */
static void *out_at(const job *j, size_t element)
{
  return (char *)j->call->out + element * (j->post.bytes ? 1 : sizeof(float));
}

static anet__int8_post post_at(const job *j, size_t row, int32_t channel)
{
  anet__int8_post post = j->post;
  post.scale += channel;
  post.shift += channel;
  if (post.add) post.add += row * post.add_ld + (size_t)channel;
  return post;
}

/* Rows [r0, r1) of units [u0, u1). */
static void conv_part(const job *j, size_t r0, size_t r1, size_t u0, size_t u1)
{
  enum { ROOM = 2048 };
  const uint8_t *tap[ROOM];
  const window *w = &j->w;
  const size_t taps = (size_t)taps_of(w), step = ROOM / taps;
  const size_t ld = j->call->out_ld ? j->call->out_ld : (size_t)w->cout;
  for (size_t r = r0; r < r1; r += step) {
    const size_t rows = ANET_MIN(step, r1 - r);
    fill_taps(j, r, rows, tap);
    for (size_t u = u0; u < u1; u++) {
      const int32_t first = (int32_t)u * UNIT;
      j->table->conv(&(anet__int8_conv_args){
          .tap = tap,
          .rows = (int32_t)rows,
          .taps = (int32_t)taps,
          .cin = w->cin,
          .cout = unit_channels(w, (int32_t)u),
          .packed = j->weights + unit_offset(j->table, w, (int32_t)u),
          .out = out_at(j, r * ld + (size_t)first),
          .out_ld = ld,
          .post = post_at(j, r, first),
      });
    }
  }
}

static void conv_rows(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  conv_part(j, begin, end, 0, (size_t)units_of(&j->w));
}

static void conv_units(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  conv_part(j, 0, (size_t)j->call->n * pixels_of(&j->w), begin, end);
}

static void run_conv(const job *j)
{
  anet_pool *pool = j->call->pool;
  const size_t rows = (size_t)j->call->n * pixels_of(&j->w), units = (size_t)units_of(&j->w);
  const size_t workers = (size_t)anet__pool_workers(pool), depth = terms_of(&j->w) / 32 + 4;
  if (rows >= MANY * workers || units < workers)
    anet__split(pool, rows, depth * (size_t)j->w.cout, conv_rows, j);
  else
    anet__split(pool, units, depth * UNIT * rows, conv_units, j);
}

/* Output lines [begin, end) of all images. */
static void depthwise_lines(const void *context, size_t begin, size_t end)
{
  const job *j = context;
  const window *w = &j->w;
  const size_t row = (size_t)w->in[1] * (size_t)w->cin, width = (size_t)w->out[1];
  for (size_t at = begin; at < end; at++) {
    const uint8_t *line[MOST_KERNEL];
    const size_t image = at / (size_t)w->out[0] * (size_t)w->in[0];
    const int32_t top = (int32_t)(at % (size_t)w->out[0]) * w->stride[0] - w->pad[0];
    for (int32_t k = 0; k < w->kernel[0]; k++) {
      const int32_t y = top + k * w->step[0];
      line[k] = y >= 0 && y < w->in[0] ? j->in + (image + (size_t)y) * row : NULL;
    }
    j->table->depthwise(&(anet__int8_depthwise_args){
        .line = line,
        .kernel = {w->kernel[0], w->kernel[1]},
        .stride = w->stride[1],
        .offset = -w->pad[1],
        .step = w->step[1],
        .columns = w->in[1],
        .pixels = w->out[1],
        .channels = w->cout,
        .zero = j->call->bytes.zero,
        .packed = j->weights,
        .out = out_at(j, at * width * (size_t)w->cout),
        .post = post_at(j, at * width, 0),
    });
  }
}

static void run_depthwise(const job *j)
{
  const size_t line = (size_t)j->w.out[1] * (size_t)j->w.cout * (size_t)(taps_of(&j->w) + 8) / 8;
  anet__split(j->call->pool, (size_t)j->call->n * (size_t)j->w.out[0], line, depthwise_lines, j);
}

static size_t scratch(const anet__call *c, bool training)
{
  return (size_t)anet__channels(&c->in_shape[0]) + FOUR;
}

static void forward(const anet__call *c)
{
  job j = {.call = c, .w = window_of(c), .table = table_of(c)};
  j.weights = (const int8_t *)(c->packed + weights_at(&j.w));
  j.in = (const uint8_t *)c->in[0];
  j.outside = memset(c->scratch, c->bytes.zero, scratch(c, false));
  j.post = (anet__int8_post){.scale = c->post.scale,
                             .shift = c->post.shift,
                             .add = c->post.add,
                             .add_ld = c->post.add_ld,
                             .add_scale = c->bytes.add_scale,
                             .low = c->post.low,
                             .high = c->post.high,
                             .bytes = c->bytes.out};
  if (j.w.depthwise)
    run_depthwise(&j);
  else
    run_conv(&j);
}

const anet__op anet__op_bytes = {
    .name = "bytes",
    .by_image = true,
    .has_post = true,
    .forward = forward,
    .scratch = scratch,
    .pack_size = pack_size,
    .pack = pack,
};
