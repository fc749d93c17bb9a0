/* Frames, and walking a genome through one. */
#include "measure/evaluate.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"

/* ---- places ------------------------------------------------------------------------------- */

static void keep(anet_evaluator *e, int32_t value)
{
  const size_t step = ANET_ALIGN / sizeof(float);
  const anet_net *oracle = e->supernet->oracle;
  if (e->place[value] >= 0) return;
  e->place[value] = (int64_t)e->frame_floats;
  e->frame_floats += (anet__shape_size(&oracle->node[value].shape) + step - 1) / step * step;
}

int anet__evaluator_route(anet_evaluator *e)
{
  const anet_net *oracle = e->supernet->oracle;
  const anet_blocks *blocks = e->supernet->blocks;
  ANET_TRY(anet__supernet_segments(e->supernet, &e->segments));
  e->place = anet__alloc_array((size_t)oracle->count, sizeof *e->place);
  if (!e->place) return ANET_NOMEM;
  for (int32_t v = 0; v < oracle->count; v++) e->place[v] = -1;
  for (int32_t i = 0; i < blocks->count; i++) keep(e, blocks->block[i].face.exit);
  for (int32_t i = 0; i < e->segments.count; i++) {
    const anet__segment *s = &e->segments.segment[i];
    for (int32_t k = 0; k < s->writes; k++) keep(e, s->write[k]);
  }
  return ANET_OK;
}

/* The network's input has no place: the images stay where they are. */
static const float *value_of(const anet_evaluator *e, const anet__frame *frame, int32_t value)
{
  return e->place[value] < 0 ? frame->image : frame->memory + e->place[value] * e->chunk;
}

static float *place_of(const anet_evaluator *e, anet__frame *frame, int32_t value)
{
  return frame->memory + e->place[value] * e->chunk;
}

const float *anet__frame_output(const anet_evaluator *e, const anet__frame *frame)
{
  return value_of(e, frame, e->supernet->oracle->output[0]);
}

/* ---- plans and frames --------------------------------------------------------------------- */

void anet__evaluator_drop_plans(anet_evaluator *e)
{
  for (int32_t i = 0; i < e->frames; i++) {
    anet_workspace_release(e->frame[i].workspace);
    anet__free(e->frame[i].memory);
  }
  anet__free(e->frame);
  e->frame = NULL;
  e->frames = 0;
  for (int32_t i = 0; e->piece && i < anet_space_options(e->space); i++) {
    anet_plan_release(e->piece[i]);
    e->piece[i] = NULL;
  }
  for (int32_t i = 0; e->segment && i < e->segments.count; i++) {
    anet_plan_release(e->segment[i]);
    e->segment[i] = NULL;
  }
}

static int fit_frames(anet_evaluator *e, anet_plan *plan)
{
  for (int32_t i = 0; i < e->frames; i++) {
    anet__frame *frame = &e->frame[i];
    ANET_TRY(frame->workspace ? anet_workspace_fit(frame->workspace, plan)
                              : anet_workspace_new(plan, NULL, &frame->workspace));
  }
  return ANET_OK;
}

/* *plan is set only once every frame can run it. */
static int compile(anet_evaluator *e, anet_net *net, anet_plan **plan)
{
  anet_plan *made;
  ANET_TRY(anet_plan_new(net, e->chunk, &made));
  const int rc = fit_frames(e, made);
  if (rc) {
    anet_plan_release(made);
    return rc;
  }
  anet_plan_release(*plan);
  *plan = made;
  return ANET_OK;
}

static int new_frames(anet_evaluator *e, int32_t frames)
{
  size_t floats;
  if (!anet__mul(e->frame_floats, (size_t)e->chunk, &floats))
    return anet_fail(ANET_NOMEM, "evaluate: %zu features of %d images are too many",
                     e->frame_floats, e->chunk);
  e->frame = anet__alloc_array((size_t)frames, sizeof *e->frame);
  if (!e->frame) return ANET_NOMEM;
  e->frames = frames;
  for (int32_t i = 0; i < frames; i++) {
    e->frame[i].memory = anet__alloc_array(floats, sizeof *e->frame[i].memory);
    if (!e->frame[i].memory) return ANET_NOMEM;
  }
  for (int32_t i = 0; i < e->segments.count; i++)
    ANET_TRY(compile(e, e->segments.segment[i].net, &e->segment[i]));
  return ANET_OK;
}

int anet__evaluator_fit(anet_evaluator *e, int32_t chunk, int32_t frames)
{
  if (e->chunk == chunk && e->frames == frames) return ANET_OK;
  anet__evaluator_drop_plans(e);
  e->chunk = chunk;
  const int rc = new_frames(e, frames);
  if (rc) anet__evaluator_drop_plans(e);
  return rc;
}

/* Grows whenever training changes one of the parameters. */
static uint64_t version_of(const anet_net *net)
{
  uint64_t version = 0;
  for (int32_t v = 0; v < net->count; v++)
    for (int32_t p = 0; p < net->node[v].params; p++)
      if (net->node[v].param[p]) version += atomic_load(&net->node[v].param[p]->storage->version);
  return version;
}

int anet__evaluator_compile(anet_evaluator *e, const uint8_t *genome)
{
  for (int32_t p = 0; p < e->space->positions; p++) {
    if (genome[p] == ANET_COVERED) continue;
    ANET_TRY(anet__pool_check(e->pool));
    const int32_t option = anet_space_index(e->space, p, genome[p]);
    const uint64_t version = version_of(e->supernet->piece[option]);
    if (e->piece[option] && e->version[option] == version) continue;
    ANET_TRY(compile(e, e->supernet->piece[option], &e->piece[option]));
    e->version[option] = version;
  }
  return ANET_OK;
}

/* ---- walking ------------------------------------------------------------------------------ */

static int run_segment(const anet_evaluator *e, anet__frame *frame, int32_t index)
{
  const anet__segment *s = &e->segments.segment[index];
  const float *in[ANET_MAX_INPUTS];
  float *out[ANET_MAX_OUTPUTS];
  for (int32_t i = 0; i < s->reads; i++) in[i] = value_of(e, frame, s->read[i]);
  for (int32_t i = 0; i < s->writes; i++) out[i] = place_of(e, frame, s->write[i]);
  ANET_TRY(anet__pool_check(e->pool));
  frame->macs += e->segment[index]->macs * frame->images;
  return anet_run(e->segment[index], frame->workspace, in, out, frame->images);
}

/* The segments on the way from boundary `from` (done) to `to`. */
static int run_segments(const anet_evaluator *e, anet__frame *frame, int32_t from, int32_t to)
{
  for (int32_t i = 0; i < e->segments.count; i++) {
    const int32_t at = e->segments.segment[i].at;
    if (from < at && at <= to) ANET_TRY(run_segment(e, frame, i));
  }
  return ANET_OK;
}

static int run_piece(const anet_evaluator *e, anet__frame *frame, int32_t option, int32_t position,
                     int32_t end)
{
  const anet__block *block = e->supernet->blocks->block;
  const float *in = value_of(e, frame, block[position].face.entry);
  float *out = place_of(e, frame, block[end - 1].face.exit);
  ANET_TRY(anet__pool_check(e->pool));
  frame->runs += 1;
  frame->macs += e->piece[option]->macs * frame->images;
  return anet_run(e->piece[option], frame->workspace, &in, &out, frame->images);
}

int anet__frame_start(const anet_evaluator *e, anet__frame *frame, const float *image, int32_t n)
{
  frame->image = image;
  frame->images = n;
  return run_segments(e, frame, -1, 0);
}

int anet__frame_walk(const anet_evaluator *e, anet__frame *frame, const uint8_t *genome,
                     int32_t from)
{
  while (from < e->space->positions) {
    const int32_t option = anet_space_index(e->space, from, genome[from]);
    const int32_t end = from + e->space->option[option].span;
    ANET_TRY(run_piece(e, frame, option, from, end));
    ANET_TRY(run_segments(e, frame, from, end));
    from = end;
  }
  return ANET_OK;
}
