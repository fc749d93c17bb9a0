#include "base/clock.h"

#include <time.h>

#include "anet.h"

static int64_t read_ns(clockid_t clock)
{
  struct timespec now;
  clock_gettime(clock, &now); /* cannot fail for these clocks */
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t anet__now_ns(void)
{
  return read_ns(CLOCK_MONOTONIC);
}

int64_t anet__cpu_ns(void)
{
  return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

double anet_clock_ms(void)
{
  return (double)anet__now_ns() * 1e-6;
}
