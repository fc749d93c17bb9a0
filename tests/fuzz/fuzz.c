#define _GNU_SOURCE /* memfd_create */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "anet.h"

static const double FREE_BYTES =
    1 << 26; /* a small file's fixed costs: tables, the pool of an ONNX file */

_Noreturn void fuzz_stop(const char *what)
{
  fprintf(stderr, "%s: %s\n", door_name, what);
  abort();
}

const char *fuzz_file(const uint8_t *data, size_t bytes)
{
  static char path[64];
  static int file = -1;
  if (file < 0) file = memfd_create("fuzz", 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  if (file < 0 || ftruncate(file, 0) || pwrite(file, data, bytes, 0) != (ssize_t)bytes)
    fuzz_stop("cannot write the input to memory");
  return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
  anet_memory before, after;
  char text[160];
  anet_memory_mark();
  anet_memory_read(&before);
  door_open(data, bytes);
  anet_memory_read(&after);
  const double peak = after.peak_bytes - before.live_bytes;
  const double most = FREE_BYTES + door_ratio * (double)bytes;
  snprintf(text, sizeof text, "%zu bytes: peak %.0f, at most %.0f; %.0f are left", bytes, peak,
           most, after.live_bytes - before.live_bytes);
  if (peak > most || after.live_bytes != before.live_bytes) fuzz_stop(text);
  return 0;
}
