/* What the files of the evaluator share.
 *
 * A genome runs piece by piece: frozen segments of the oracle and pieces of options, each its own
 * plan. Values that cross from one to another live in a frame, one place a value. An option ends
 * at one boundary and so writes that boundary's place only; hence, when genomes are taken in
 * sorted order, whatever the next one shares with the last is still in the frame, and what it does
 * not share may be overwritten. The walk over the sorted genomes is the walk over their trie, and
 * the frame is the features of one path of it.
 */
#ifndef ANET_EVALUATE_H
#define ANET_EVALUATE_H

#include "elastic/supernet.h"
#include "plan/plan.h"

/* The features of one path for up to `chunk` images; each worker has one. */
typedef struct anet__frame {
  float *memory;             /* (chunk, frame_floats), value by value; owned */
  anet_workspace *workspace; /* fits every compiled plan; without a pool: frames run in parallel */
  const float *image;        /* (images, …) the network's input; borrowed */
  int32_t images;
  double runs, macs; /* pieces of options run; multiply-adds of those and of segments */
} anet__frame;

/* Invariants: plans are compiled for `chunk` images; a plan that is NULL has not been needed yet;
 * place[v] is a multiple of ANET_ALIGN bytes. */
struct anet_evaluator {
  anet_supernet *supernet; /* retained */
  const anet_space *space; /* the supernet's */
  anet_dataset *data;      /* owned */
  anet_input input;
  anet_pool *pool; /* retained, or NULL */
  int32_t items, classes;
  int32_t answers; /* their kind, ANET_ANSWER_… */
  bool labelled;   /* else the oracle's answers stand in for labels */

  anet__segments segments; /* owned */
  int64_t *place;      /* (oracle's values) floats before it in a frame, an image; -1 not kept */
  size_t frame_floats; /* an image */

  anet_plan *oracle;   /* owned; never run: it packs the weights of all that is kept into one slab */
  int32_t chunk, frames;
  anet_plan **piece;   /* (options) owned */
  uint64_t *version;   /* (options) of the weights that the plan was packed from */
  anet_plan **segment; /* (segments) owned */
  anet__frame *frame;  /* (frames) owned */

  anet_tensor *images; /* items [images_begin, images_begin + images_count), prepared; or NULL */
  int32_t images_begin, images_count;

  float *teacher; /* (items, classes) log probabilities, where known; owned */
  bool *known;    /* (items) owned */
};

/* ---- evaluate_walk.c ---------------------------------------------------------------------- */

int anet__evaluator_route(anet_evaluator *e);       /* segments, place, frame_floats */
void anet__evaluator_drop_plans(anet_evaluator *e); /* and frames */
/* `frames` frames of `chunk` images; plans of another chunk are dropped. */
int anet__evaluator_fit(anet_evaluator *e, int32_t chunk, int32_t frames);
/* Compiles what `genome` needs and is not there, or whose weights have changed since. */
int anet__evaluator_compile(anet_evaluator *e, const uint8_t *genome);

/* Binds n images and runs what comes before the first position. */
int anet__frame_start(const anet_evaluator *e, anet__frame *frame, const float *image, int32_t n);
/* Runs a genome from boundary `from`, where the frame holds the features of its prefix. */
int anet__frame_walk(const anet_evaluator *e, anet__frame *frame, const uint8_t *genome,
                     int32_t from);
/* (n, classes) */
const float *anet__frame_output(const anet_evaluator *e, const anet__frame *frame);

/* ---- evaluate_score.c --------------------------------------------------------------------- */

/* Log probabilities of one image's output y (classes). */
void anet__teach(const anet_evaluator *e, const float *y, float *log_p);
/* One image's answer against its label, or against the teacher's where there is none. */
void anet__score(const anet_evaluator *e, const float *y, int32_t item, bool *hit, double *loss);

#endif
