/* Many candidates on the same images, shared prefixes once. */
#include "measure/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/pool.h"

static const double DEFAULT_BYTES = 256.0 * 1024 * 1024;

/* ---- one call ----------------------------------------------------------------------------- */

/* A genome in sorted order. */
typedef struct candidate {
  const uint8_t *genome; /* (positions) borrowed */
  int32_t positions, index;
  int32_t shared; /* boundary up to which it goes the way of the candidate before it */
} candidate;

/* Images are done in rounds that fit the memory, a round in chunks. */
typedef struct task {
  anet_evaluator *e;
  const anet_evaluation_desc *desc;
  candidate *candidate; /* (n) owned */
  int32_t n;
  int32_t frames, chunk, step; /* images a frame holds, and takes at a time */
  int32_t round;               /* most images of a round, a multiple of step */
  int32_t begin, images;       /* of the round of now */
  bool *hit;                   /* (n, round) owned */
  double *loss;                /* (n, round) owned */
  int *status;                 /* (frames) owned */
} task;

static int compare(const void *a, const void *b)
{
  const candidate *x = a, *y = b;
  const int order = memcmp(x->genome, y->genome, (size_t)x->positions);
  return order ? order : (x->index > y->index) - (x->index < y->index);
}

static int32_t shared_prefix(const candidate *a, const candidate *b)
{
  int32_t p = 0;
  while (p < a->positions && a->genome[p] == b->genome[p]) p++;
  return p; /* where two legal genomes first differ, an option of each begins */
}

static int sort_candidates(task *t, const uint8_t *genomes)
{
  const int32_t positions = t->e->space->positions;
  t->candidate = anet__alloc_array((size_t)t->n, sizeof *t->candidate);
  if (!t->candidate) return ANET_NOMEM;
  for (int32_t i = 0; i < t->n; i++) {
    const uint8_t *genome = genomes + (size_t)i * (size_t)positions;
    const int rc = anet_genome_check(t->e->space, genome);
    if (rc) return anet__fail_in(rc, "evaluate: genome %d of %d", i, t->n);
    t->candidate[i] = (candidate){genome, positions, i, 0};
  }
  qsort(t->candidate, (size_t)t->n, sizeof *t->candidate, compare);
  for (int32_t i = 1; i < t->n; i++)
    t->candidate[i].shared = shared_prefix(&t->candidate[i - 1], &t->candidate[i]);
  return ANET_OK;
}

/* ---- memory ------------------------------------------------------------------------------- */

/* So many images that what one layer reads and writes stays in a core's own cache; some at least,
 * since every layer's weights are read once a chunk. */
static int32_t usual_chunk(const anet_evaluator *e)
{
  enum { CACHE_BYTES = 1 << 20, LEAST = 4, MOST = 32 };
  size_t most = 1;
  const anet_net *oracle = e->supernet->oracle;
  for (int32_t v = 0; v < oracle->count; v++)
    if (e->place[v] >= 0) most = ANET_MAX(most, anet__shape_size(&oracle->node[v].shape));
  const size_t fit = CACHE_BYTES / (2 * most * sizeof(float));
  return (int32_t)ANET_MIN(ANET_MAX(fit, (size_t)LEAST), (size_t)MOST);
}

static int32_t at_most(double value, int32_t most)
{
  return value >= most ? most : (int32_t)value;
}

/* How much at a time: fewer images first, then fewer frames. */
static int choose_sizes(task *t)
{
  const anet_evaluator *e = t->e;
  const double limit = t->desc->byte_limit ? t->desc->byte_limit : DEFAULT_BYTES;
  const double bytes = (double)e->frame_floats * sizeof(float);
  if (!(limit >= bytes))
    return anet_fail(ANET_RANGE,
                     "evaluate: features of one image take %.0f bytes, the limit is %.0f", bytes,
                     limit);
  const int32_t count = t->desc->count, wanted = t->desc->chunk ? t->desc->chunk : usual_chunk(e);
  t->frames = at_most(limit / bytes, ANET_MIN(anet__pool_workers(e->pool), count));
  t->chunk = at_most(limit / bytes / t->frames, wanted);
  t->step = ANET_MIN(t->chunk, (count + t->frames - 1) / t->frames);

  const double image = (double)e->input.height * e->input.width * e->input.channels * sizeof(float);
  const double kept = image + (double)t->n * (sizeof *t->loss + sizeof *t->hit);
  const int32_t most = at_most(limit / kept, count), least = ANET_MIN(t->frames * t->step, count);
  t->round = ANET_MAX(most, least);
  if (t->round < count) t->round -= t->round % t->step;
  return ANET_OK;
}

static int check_desc(const task *t)
{
  const anet_evaluation_desc *d = t->desc;
  if (t->n < 1) return anet_fail(ANET_RANGE, "evaluate: %d genomes, want at least 1", t->n);
  if (d->begin < 0 || d->count < 1 || d->count > t->e->items - d->begin)
    return anet_fail(ANET_RANGE, "evaluate: %d images from %d on, of %d", d->count, d->begin,
                     t->e->items);
  if (d->chunk < 0) return anet_fail(ANET_RANGE, "evaluate: chunk %d, want 0 or more", d->chunk);
  return ANET_OK;
}

static int task_new(task *t, const uint8_t *genomes)
{
  ANET_TRY(check_desc(t));
  ANET_TRY(sort_candidates(t, genomes));
  ANET_TRY(choose_sizes(t));
  size_t results;
  if (!anet__mul((size_t)t->n, (size_t)t->round, &results))
    return anet_fail(ANET_NOMEM, "evaluate: %d genomes on %d images are too many", t->n, t->round);
  t->hit = anet__alloc_array(results, sizeof *t->hit);
  t->loss = anet__alloc_array(results, sizeof *t->loss);
  t->status = anet__alloc_array((size_t)t->frames, sizeof *t->status);
  return t->hit && t->loss && t->status ? ANET_OK : ANET_NOMEM;
}

static void task_free(task *t)
{
  anet__free(t->status);
  anet__free(t->loss);
  anet__free(t->hit);
  anet__free(t->candidate);
}

static int compile_all(task *t)
{
  anet_evaluator *e = t->e;
  uint8_t oracle[ANET_MAX_POSITIONS] = {0};
  ANET_TRY(anet__evaluator_fit(e, t->chunk, t->frames));
  ANET_TRY(anet__evaluator_compile(e, oracle));
  for (int32_t i = 0; i < t->n; i++) ANET_TRY(anet__evaluator_compile(e, t->candidate[i].genome));
  return ANET_OK;
}

/* ---- a chunk ------------------------------------------------------------------------------ */

/* The oracle's answers are worked out the first time that an image is seen, off the record. */
static int teach(const anet_evaluator *e, anet__frame *frame, int32_t item)
{
  static const uint8_t oracle[ANET_MAX_POSITIONS]; /* all keep */
  const double runs = frame->runs, macs = frame->macs;
  bool known = true;
  for (int32_t i = 0; i < frame->images; i++) known &= e->known[item + i];
  if (known) return ANET_OK;
  ANET_TRY(anet__frame_walk(e, frame, oracle, 0));
  frame->runs = runs;
  frame->macs = macs;
  for (int32_t i = 0; i < frame->images; i++) {
    const size_t classes = (size_t)e->classes;
    anet__teach(e, anet__frame_output(e, frame) + (size_t)i * classes,
                e->teacher + (size_t)(item + i) * classes);
    e->known[item + i] = true;
  }
  return ANET_OK;
}

/* Results of the frame's images, the first of which is `first` in the round, in column order. */
static void score(const task *t, const anet__frame *frame, int32_t index, int32_t first)
{
  const anet_evaluator *e = t->e;
  const float *y = anet__frame_output(e, frame);
  const size_t at = (size_t)index * (size_t)t->round + (size_t)first;
  for (int32_t i = 0; i < frame->images; i++)
    anet__score(e, y + (size_t)i * (size_t)e->classes, t->begin + first + i,
                &t->hit[at + (size_t)i], &t->loss[at + (size_t)i]);
}

static int run_chunk(const task *t, anet__frame *frame, int32_t first)
{
  const anet_evaluator *e = t->e;
  const int32_t n = ANET_MIN(t->step, t->images - first), item = t->begin + first;
  const float *images = anet_tensor_data(e->images);
  const size_t pixels = (size_t)e->images->stride[0];
  ANET_TRY(anet__frame_start(e, frame, images + (size_t)(item - e->images_begin) * pixels, n));
  ANET_TRY(teach(e, frame, item));
  for (int32_t i = 0; i < t->n; i++) {
    const candidate *c = &t->candidate[i];
    ANET_TRY(anet__frame_walk(e, frame, c->genome, c->shared));
    score(t, frame, c->index, first);
  }
  return ANET_OK;
}

/* Frame f does chunks f, f + frames, … */
static void run_frame(void *context, int32_t part, int32_t worker)
{
  (void)worker;
  const task *t = context;
  for (int32_t first = part * t->step; first < t->images && !t->status[part];
       first += t->frames * t->step)
    t->status[part] = run_chunk(t, &t->e->frame[part], first);
}

/* ---- a round ------------------------------------------------------------------------------ */

static int fill_images(anet_evaluator *e, int32_t begin, int32_t count)
{
  const anet_shape shape = {4, {count, e->input.height, e->input.width, e->input.channels}};
  anet_dataset *slice;
  int32_t filled;
  ANET_TRY(anet_tensor_new(ANET_F32, &shape, &e->images));
  ANET_TRY(anet_dataset_slice(e->data, begin, count, &slice));
  const int rc =
      anet_dataset_batch(slice, &e->input, NULL, 0, -1, 0, e->pool, e->images, NULL, &filled);
  anet_dataset_release(slice);
  return rc;
}

/* Prepared images stay for the next call, which is often about the same ones. */
static int load_images(anet_evaluator *e, int32_t begin, int32_t count)
{
  const int32_t end = begin + count;
  if (e->images && begin >= e->images_begin && end <= e->images_begin + e->images_count)
    return ANET_OK;
  anet_tensor_release(e->images);
  e->images = NULL;
  const int rc = fill_images(e, begin, count);
  if (rc) {
    anet_tensor_release(e->images);
    e->images = NULL;
  }
  e->images_begin = begin;
  e->images_count = count;
  return rc;
}

/* In the order of images, so that sums do not depend on chunks, rounds or threads. */
static void collect(const task *t, uint8_t *hits, double *loss)
{
  const size_t done = (size_t)(t->begin - t->desc->begin);
  for (int32_t i = 0; i < t->n; i++) {
    const size_t row = (size_t)i * (size_t)t->round;
    for (int32_t k = 0; k < t->images; k++) {
      if (hits)
        hits[(size_t)i * (size_t)t->desc->count + done + (size_t)k] = t->hit[row + (size_t)k];
      if (loss) loss[i] += t->loss[row + (size_t)k];
    }
  }
}

static int run_round(task *t, uint8_t *hits, double *loss)
{
  ANET_TRY(load_images(t->e, t->begin, t->images));
  anet__pool_run(t->e->pool, run_frame, t, t->frames);
  for (int32_t i = 0; i < t->frames; i++)
    if (t->status[i])
      return anet_fail(t->status[i], "evaluate: a run failed: %s", anet_status_text(t->status[i]));
  collect(t, hits, loss);
  return ANET_OK;
}

static int run_rounds(task *t, uint8_t *hits, double *loss)
{
  const int32_t end = t->desc->begin + t->desc->count;
  for (int32_t i = 0; i < t->n && loss; i++) loss[i] = 0;
  for (int32_t i = 0; i < t->frames; i++) t->e->frame[i].runs = t->e->frame[i].macs = 0;
  for (t->begin = t->desc->begin; t->begin < end; t->begin += t->images) {
    t->images = ANET_MIN(t->round, end - t->begin);
    ANET_TRY(run_round(t, hits, loss));
  }
  for (int32_t i = 0; i < t->n && loss; i++) loss[i] /= t->desc->count;
  return ANET_OK;
}

/* ---- what it cost ------------------------------------------------------------------------- */

/* Nodes of the trie: distinct prefixes that end where an option ends. In sorted order equal
 * prefixes are neighbours. */
static double distinct_prefixes(const task *t)
{
  const int32_t positions = t->e->space->positions;
  double nodes = 0;
  for (int32_t end = 1; end <= positions; end++) {
    for (int32_t i = 0; i < t->n; i++) {
      const uint8_t *genome = t->candidate[i].genome;
      if (end < positions && genome[end] == ANET_COVERED) continue;
      nodes += i == 0 || memcmp(t->candidate[i - 1].genome, genome, (size_t)end) != 0;
    }
  }
  return nodes;
}

static void add_naive(const task *t, double *runs, double *macs)
{
  const anet_evaluator *e = t->e;
  for (int32_t i = 0; i < t->n; i++) {
    const uint8_t *genome = t->candidate[i].genome;
    for (int32_t p = 0; p < e->space->positions; p++) {
      if (genome[p] == ANET_COVERED) continue;
      *runs += 1;
      *macs += e->piece[anet_space_index(e->space, p, genome[p])]->macs;
    }
    for (int32_t s = 0; s < e->segments.count; s++) *macs += e->segment[s]->macs;
  }
}

static int32_t chunks_of(const task *t)
{
  const int32_t whole = t->desc->count / t->round, rest = t->desc->count % t->round;
  const int32_t a_round = (t->round + t->step - 1) / t->step;
  return whole * a_round + (rest + t->step - 1) / t->step;
}

static void read_stats(const task *t, anet_evaluation_stats *stats)
{
  double runs = 0, macs = 0, naive_runs = 0, naive_macs = 0;
  for (int32_t i = 0; i < t->frames; i++) {
    runs += t->e->frame[i].runs;
    macs += t->e->frame[i].macs;
  }
  add_naive(t, &naive_runs, &naive_macs);
  naive_macs *= t->desc->count;
  *stats = (anet_evaluation_stats){
      .block_runs = runs / chunks_of(t),
      .ideal_runs = distinct_prefixes(t),
      .naive_runs = naive_runs,
      .saved_time = naive_macs > 0 ? 1 - macs / naive_macs : 0,
      .feature_bytes = (double)t->frames * t->chunk * (double)t->e->frame_floats * sizeof(float),
  };
}

/* ---- anet_evaluate ------------------------------------------------------------------------ */

int anet_evaluate(anet_evaluator *evaluator, const uint8_t *genomes, int32_t n,
                  const anet_evaluation_desc *desc, uint8_t *hits, double *loss,
                  anet_evaluation_stats *stats)
{
  const int64_t start = anet__now_ns();
  task t = {.e = evaluator, .desc = desc, .n = n};
  int rc;
  if ((rc = task_new(&t, genomes)) || (rc = compile_all(&t)) || (rc = run_rounds(&t, hits, loss)))
    goto out;
  if (stats) {
    read_stats(&t, stats);
    stats->seconds = (double)(anet__now_ns() - start) * 1e-9;
  }
out:
  task_free(&t);
  return rc;
}
