/* What passes over graphs cost: bench_graph [NODES [SHAPE…]]. Each shape of support/long.h, of
 * NODES nodes (10000) and of four times as many: milliseconds of each pass, and how many times
 * longer the larger took. */
#include "base/clock.h"
#include "graph/blocks.h"
#include "graph/net.h"
#include "support/scratch.h"
#include "support/passes.h"

static char folder[SCRATCH_PATH];

static void run(long_shape shape, int32_t count)
{
  double ms[2][PASSES];
  passes_time(shape, count, folder, ms[0]);
  passes_time(shape, 4 * count, folder, ms[1]);
  printf("%s\n", long_name[shape]);
  for (int32_t p = 0; p < PASSES; p++)
    printf("  %-14s %9.1f %9.1f  x%.1f\n", pass_name[p], ms[0][p], ms[1][p], ms[1][p] / ms[0][p]);
}

int main(int argc, char **argv)
{
  const int32_t count = argc > 1 ? atoi(argv[1]) : 10000;
  setenv("ANET_TUNE", "off", 1);
  test_scratch_new(folder);
  for (int32_t s = 0; s < LONG_SHAPES; s++) {
    bool wanted = argc < 3;
    for (int32_t i = 2; i < argc; i++) wanted |= strcmp(argv[i], long_name[s]) == 0;
    if (wanted) run((long_shape)s, count);
  }
  test_scratch_remove(folder);
  return test_failures > 0;
}
