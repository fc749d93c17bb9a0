/* Calibration: the ranges that a network's values take, and the network in bytes.
 *
 * A range is cut where the expected squared error is least: what is cut off against the width of a level. The values
 * are counted in a histogram between their extremes, so images pass twice. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "elastic/piece.h"
#include "elastic/quantized.h"
#include "elastic/supernet.h"
#include "plan/stream.h"

enum {
  BATCH = 8,
  GROUP = 16,   /* values measured at a time */
  BINS = 2048,
  CUTS = 96,    /* ranges tried on each side */
  LEVELS = 255
};
static const double LEAST_SPAN = 1e-30; /* of a range whose levels floats can divide */

typedef struct gauge {
  float least, most; /* and 0 lies between them */
  double count[BINS];
} gauge;

typedef struct measuring {
  int32_t value[GROUP], values;
  anet__stream stream;
  gauge *gauge; /* (GROUP), owned */
  bool counting; /* second pass */
} measuring;

/* ---- a range --------------------------------------------------------------------------------- */

static double middle(const gauge *g, int32_t bin)
{
  return g->least + ((double)g->most - g->least) * (bin + 0.5) / BINS;
}

/* Values inside are off by a level's uniform error, others by their distance to the end. */
static double error_of(const gauge *g, double low, double high)
{
  const double level = (high - low) / LEVELS;
  double error = 0;
  for (int32_t b = 0; b < BINS; b++) {
    const double x = middle(g, b), off = x < low ? low - x : x > high ? x - high : 0;
    error += g->count[b] * (off > 0 ? off * off : level * level / 12);
  }
  return error;
}

static anet__range best_range(const gauge *g)
{
  double low = g->least, high = g->most, least = error_of(g, low, high);
  for (int32_t side = 0; side < 2; side++)
    for (int32_t k = 1; k < CUTS; k++) {
      const double share = 1 - (double)k / CUTS;
      const double l = side ? g->least * share : low, h = side ? high : g->most * share;
      const double error = h > l ? error_of(g, l, h) : INFINITY;
      if (error < least) least = error, low = l, high = h;
    }
  if (!(high - low > LEAST_SPAN)) low = 0, high = 1; /* nothing but zeros */
  return (anet__range){(float)low, (float)high};
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void see_extremes(gauge *g, const float *x, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    g->least = fminf(g->least, x[i]);
    g->most = fmaxf(g->most, x[i]);
  }
}

/* In double, which holds the distance of any two floats and what divides it. */
static void see_counts(gauge *g, const float *x, size_t n)
{
  const double least = g->least, span = g->most - least, scale = span > 0 ? BINS / span : 0;
  for (size_t i = 0; i < n; i++)
    g->count[ANET_MIN(BINS - 1, (int32_t)((x[i] - least) * scale))]++;
}

static int check_finite(const float *x, size_t n, const char *name)
{
  for (size_t i = 0; i < n; i++)
    if (!isfinite(x[i]))
      return anet_fail(ANET_COLLAPSED, "calibrate: the values of '%s' are not finite", name);
  return ANET_OK;
}

static int see_batch(measuring *m, const anet_net *net, int32_t n)
{
  for (int32_t i = 0; i < m->values; i++) {
    const size_t size = (size_t)n * anet__shape_size(&m->stream.plan->output[i]);
    const float *x = m->stream.out[i];
    if (m->counting) {
      see_counts(&m->gauge[i], x, size);
    } else {
      ANET_TRY(check_finite(x, size, net->node[m->value[i]].name));
      see_extremes(&m->gauge[i], x, size);
    }
  }
  return ANET_OK;
}

static int see_images(measuring *m, const anet_net *net, const float *in, int32_t count)
{
  const size_t size = anet__shape_size(&net->node[net->input[0]].shape);
  for (int32_t i = 0; i < count; i += BATCH) {
    const int32_t n = ANET_MIN(BATCH, count - i);
    ANET_TRY(anet__stream_run(&m->stream, in + (size_t)i * size, n));
    ANET_TRY(see_batch(m, net, n));
  }
  return ANET_OK;
}

/* The values that the gauges hold now. */
static int measure_group(measuring *m, const anet_net *net, const float *in, int32_t count,
                         anet_pool *pool)
{
  anet_net *part = NULL;
  memset(m->gauge, 0, GROUP * sizeof *m->gauge);
  int rc = anet__net_extract(net, net->input, net->inputs, m->value, m->values, NULL, &part);
  if (!rc) rc = anet__stream_new(part, ANET_MIN(count, BATCH), pool, &m->stream);
  m->counting = false;
  if (!rc) rc = see_images(m, net, in, count);
  m->counting = true;
  if (!rc) rc = see_images(m, net, in, count);
  anet__stream_free(&m->stream);
  anet_net_release(part);
  return rc;
}

static int measure_all(measuring *m, const anet_net *net, const bool *wanted, const float *in,
                       int32_t count, anet_pool *pool, anet__range *range)
{
  for (int32_t v = 0; v < net->count; v++) {
    if (wanted[v]) m->value[m->values++] = v;
    if (m->values == 0 || (m->values < GROUP && v + 1 < net->count)) continue;
    ANET_TRY(measure_group(m, net, in, count, pool));
    for (int32_t i = 0; i < m->values; i++) range[m->value[i]] = best_range(&m->gauge[i]);
    m->values = 0;
  }
  return ANET_OK;
}

/* Ranges of all values that could be bytes; range: (count). */
static int measure_ranges(const anet_net *net, const float *in, int32_t count, anet_pool *pool,
                          anet__range *range)
{
  measuring m = {.gauge = anet__alloc_array(GROUP, sizeof(gauge))};
  bool *wanted = NULL;
  int rc = m.gauge ? anet__quantize_candidates(net, &wanted) : ANET_NOMEM;
  if (!rc) rc = measure_all(&m, net, wanted, in, count, pool, range);
  anet__free(wanted);
  anet__free(m.gauge);
  return rc;
}

static int check(const anet_net *net, int32_t count)
{
  if (count < 1) return anet_fail(ANET_RANGE, "calibrate: got %d images, want 1 or more", count);
  if (net->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "calibrate: the net has %d inputs, want 1", net->inputs);
  return ANET_OK;
}

int anet_net_quantize(anet_net *net, const float *in, int32_t count, anet_pool *pool,
                      anet_net **out)
{
  *out = NULL;
  ANET_TRY(check(net, count));
  anet__range *range = anet__alloc_array((size_t)net->count, sizeof *range);
  int rc = range ? measure_ranges(net, in, count, pool, range) : ANET_NOMEM;
  if (!rc) rc = anet__quantize_net(net, range, out);
  anet__free(range);
  return rc;
}

/* ---- supernets ------------------------------------------------------------------------------- */

/* The options that there are, each with its piece. */
static int take_options(const anet_supernet *from, anet_supernet *to)
{
  for (int32_t i = 0; i < from->space->options; i++) {
    const anet_option *option = &from->space->option[i];
    if (option->kind != ANET_KEEP) ANET_TRY(anet__supernet_add_piece(to, option, from->piece[i]));
  }
  return ANET_OK;
}

/* Position p's block in bytes, by the ranges of the oracle's values. */
static int quantized_block(const anet_supernet *s, int32_t p, const anet__range *range,
                           anet_net **out)
{
  anet_net *keep = NULL;
  *out = NULL;
  int32_t *map = anet__alloc_array((size_t)s->oracle->count, sizeof *map);
  int rc = map ? anet__piece_keep(s->blocks, p, map, &keep) : ANET_NOMEM;
  anet__range *own = rc ? NULL : anet__alloc_array((size_t)keep->count, sizeof *own);
  if (!rc && !own) rc = ANET_NOMEM;
  for (int32_t v = 0; !rc && v < s->oracle->count; v++)
    if (map[v] >= 0) own[map[v]] = range[v];
  if (!rc) rc = anet__quantize_net(keep, own, out);
  anet__free(own);
  anet__free(map);
  anet_net_release(keep);
  return rc;
}

static int add_block(anet_supernet *s, int32_t p, const anet__range *range)
{
  anet_option option = {.kind = ANET_INT8, .position = p, .span = 1, .width = 1};
  anet_net *piece = NULL;
  ANET_TRY(quantized_block(s, p, range, &piece));
  int rc = anet__piece_hidden(piece, &option.hidden);
  if (!rc) rc = anet__supernet_add_piece(s, &option, piece);
  anet_net_release(piece);
  return rc;
}

static int add_blocks(anet_supernet *s, const float *in, int32_t count, anet_pool *pool)
{
  anet__range *range = anet__alloc_array((size_t)s->oracle->count, sizeof *range);
  int rc = range ? measure_ranges(s->oracle, in, count, pool, range) : ANET_NOMEM;
  for (int32_t p = 0; !rc && p < s->blocks->count; p++) rc = add_block(s, p, range);
  anet__free(range);
  return rc;
}

int anet_supernet_quantize(anet_supernet *supernet, const float *in, int32_t count, anet_pool *pool,
                           anet_supernet **out)
{
  anet_supernet *made = NULL;
  *out = NULL;
  ANET_TRY(check(supernet->oracle, count));
  ANET_TRY(anet_supernet_new(supernet->oracle, &made));
  int rc = take_options(supernet, made);
  if (!rc) rc = add_blocks(made, in, count, pool);
  if (!rc) rc = anet_supernet_seal(made);
  if (rc)
    anet_supernet_release(made);
  else
    *out = made;
  return rc;
}
