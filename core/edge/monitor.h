/* What a session has seen of its own frames: latencies and how sure the answers were. */
#ifndef ANET_MONITOR_H
#define ANET_MONITOR_H

#include "anet.h"
#include "base/compiler.h"

typedef struct anet__lap {
  double ms, slowdown; /* over the rung's unloaded time */
  bool late;           /* over the budget of its time */
} anet__lap;

/* How sure a rung's answers were in its first frames: rungs differ in it, so each has its own. */
typedef struct anet__surety {
  double sum;
  int32_t frames; /* up to the window */
} anet__surety;

/* Rings: frame f is in place f % window. Noting a frame allocates nothing, nor does reading. */
typedef struct anet__monitor {
  int32_t window;
  double frames, frames_on_rung; /* since the start; since the last switch */
  anet__lap *lap;                /* (window) owned */
  double *change;                /* (window) top probability against its rung's surety; owned */
  double changes;
  double *scratch; /* (window) owned */
} anet__monitor;

int anet__monitor_new(int32_t window, anet__monitor *out);
void anet__monitor_free(anet__monitor *monitor);
void anet__monitor_note(anet__monitor *monitor, double ms, double unloaded_ms, double budget_ms);
/* The last frame took so much longer. */
void anet__monitor_add(anet__monitor *monitor, double ms, double unloaded_ms, double budget_ms);
void anet__monitor_top(anet__monitor *monitor, anet__surety *surety, double top);
void anet__monitor_switch(anet__monitor *monitor); /* the next frame is on another rung */
/* Fills frames, latencies, slowdown, late, drift and frame_ms. */
void anet__monitor_read(const anet__monitor *monitor, anet_state *out);

#endif
