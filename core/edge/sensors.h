/* What the machine says of itself: load, memory, heat, battery. */
#ifndef ANET_SENSORS_H
#define ANET_SENSORS_H

#include "base/compiler.h"

enum { ANET_MAX_ZONES = 16 };

/* Files stay open, and reading one allocates nothing. A file that is not there is -1, and so is
 * the value it would give. */
typedef struct anet__sensors {
  int stat, own, memory, battery_file, zone[ANET_MAX_ZONES];
  int64_t read_ns;          /* when they were last read */
  double busy, total, used; /* processor ticks then: of all, there were, of this process */
  double load; /* 0 .. 1: busy share of the processors by others, since the time before */
  double free_bytes, temperature, battery;
} anet__sensors;

/* root: what stands before /proc and /sys; "" but for recorded machines. */
void anet__sensors_new(const char *root, int64_t now_ns, anet__sensors *out);
void anet__sensors_free(anet__sensors *sensors);
/* Reads anew what is older than 100 ms. */
void anet__sensors_read(anet__sensors *sensors, int64_t now_ns);

#endif
