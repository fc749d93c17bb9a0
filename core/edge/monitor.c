#include "edge/monitor.h"

#include "base/alloc.h"
#include "base/error.h"
#include "measure/timing.h"

enum { MOST_WINDOW = 1 << 16 };

int anet__monitor_new(int32_t window, anet__monitor *out)
{
  *out = (anet__monitor){.window = window};
  if (window < 1 || window > MOST_WINDOW)
    return anet_fail(ANET_RANGE, "session: a window of %d frames, want 1 .. %d", window,
                     MOST_WINDOW);
  out->lap = anet__alloc_array((size_t)window, sizeof *out->lap);
  out->change = anet__alloc_array((size_t)window, sizeof *out->change);
  out->scratch = anet__alloc_array((size_t)window, sizeof *out->scratch);
  if (out->lap && out->change && out->scratch) return ANET_OK;
  anet__monitor_free(out);
  return ANET_NOMEM;
}

void anet__monitor_free(anet__monitor *monitor)
{
  anet__free(monitor->lap);
  anet__free(monitor->change);
  anet__free(monitor->scratch);
  *monitor = (anet__monitor){0};
}

/* ---- noting ------------------------------------------------------------------------------- */

static int32_t place(const anet__monitor *m, double number)
{
  return (int32_t)((int64_t)number % m->window);
}

void anet__monitor_note(anet__monitor *monitor, double ms, double unloaded_ms, double budget_ms)
{
  monitor->lap[place(monitor, monitor->frames)] = (anet__lap){ms, ms / unloaded_ms, ms > budget_ms};
  monitor->frames++;
  monitor->frames_on_rung++;
}

void anet__monitor_add(anet__monitor *monitor, double ms, double unloaded_ms, double budget_ms)
{
  if (monitor->frames == 0) return;
  anet__lap *lap = &monitor->lap[place(monitor, monitor->frames - 1)];
  lap->ms += ms;
  lap->slowdown = lap->ms / unloaded_ms;
  lap->late = lap->ms > budget_ms;
}

void anet__monitor_top(anet__monitor *monitor, anet__surety *surety, double top)
{
  if (surety->frames < monitor->window) {
    surety->sum += top;
    surety->frames++;
    return;
  }
  monitor->change[place(monitor, monitor->changes)] = top - surety->sum / surety->frames;
  monitor->changes++;
}

void anet__monitor_switch(anet__monitor *monitor)
{
  monitor->frames_on_rung = 0;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* The i-th last lap. */
static const anet__lap *lap_at(const anet__monitor *m, int32_t i)
{
  return &m->lap[place(m, m->frames - 1 - i)];
}

static int32_t within(const anet__monitor *m, double frames)
{
  return frames < m->window ? (int32_t)frames : m->window;
}

static void read_latency(const anet__monitor *m, anet_state *out)
{
  const int32_t n = within(m, m->frames_on_rung);
  out->last_ms = out->mean_ms = out->p50_ms = out->p90_ms = out->p99_ms = -1;
  if (n == 0) return;
  double sum = 0;
  for (int32_t i = 0; i < n; i++) {
    m->scratch[i] = lap_at(m, i)->ms;
    sum += m->scratch[i];
  }
  out->last_ms = lap_at(m, 0)->ms;
  out->mean_ms = sum / n;
  out->p50_ms = anet__quantile(m->scratch, n, 0.50);
  out->p90_ms = anet__quantile(m->scratch, n, 0.90);
  out->p99_ms = anet__quantile(m->scratch, n, 0.99);
}

/* Over all rungs: the machine is as slow for one as for another. */
static void read_slowdown(const anet__monitor *m, anet_state *out)
{
  const int32_t n = within(m, m->frames);
  out->slowdown = out->late = -1;
  if (n == 0) return;
  int32_t late = 0;
  for (int32_t i = 0; i < n; i++) {
    m->scratch[i] = lap_at(m, i)->slowdown;
    late += lap_at(m, i)->late;
  }
  out->slowdown = anet__median(m->scratch, n);
  out->late = (double)late / n;
}

static double drift(const anet__monitor *m)
{
  const int32_t n = within(m, m->changes);
  double sum = 0;
  for (int32_t i = 0; i < n; i++) sum += m->change[i];
  return n ? sum / n : 0;
}

void anet__monitor_read(const anet__monitor *monitor, anet_state *out)
{
  out->frames = monitor->frames;
  out->frames_on_rung = monitor->frames_on_rung;
  read_latency(monitor, out);
  read_slowdown(monitor, out);
  out->drift = drift(monitor);
  out->frame_ms = monitor->frames > 0 ? lap_at(monitor, 0)->ms : -1;
}
