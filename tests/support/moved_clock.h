/* A clock that the test moves, in the place of base/clock.c: include it in one program, once. Its
 * numbers rise by `wall_step` and `cpu_step` at every look. */
#ifndef ANET_MOVED_CLOCK_H
#define ANET_MOVED_CLOCK_H

#include "base/clock.h"
#include "anet.h"

static int64_t wall_ns = 1000000000, cpu_ns, wall_step, cpu_step, looks;

int64_t anet__now_ns(void)
{
  looks++;
  wall_ns += wall_step;
  cpu_ns += cpu_step;
  return wall_ns;
}

int64_t anet__cpu_ns(void)
{
  return cpu_ns;
}

double anet_clock_ms(void)
{
  return (double)anet__now_ns() * 1e-6;
}

#endif
