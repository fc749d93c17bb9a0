/* No pass over a graph takes the square of its nodes: of 16 times as many, a linear one takes 16
 * times as long and a square one 256; what is below 64 counts as linear, so that neither caches
 * that no longer hold the graph nor a busy machine matter. Of a few tries the best counts; what
 * takes no time is no matter either. */
#include "support/passes.h"

enum { NODES = 1000, TIMES = 16, LINEAR = 64, TRIES = 6 };
static const double NOTHING = 100; /* ms */

static bool is_square(double few, double many)
{
  return many > NOTHING && many > LINEAR * few;
}

static char folder[SCRATCH_PATH];

static bool is_near_linear(const double *few, const double *many)
{
  for (int32_t p = 0; p < PASSES; p++)
    if (is_square(few[p], many[p])) return false;
  return true;
}

static void keep_least(double *least, const double *ms, int32_t attempt)
{
  for (int32_t p = 0; p < PASSES; p++)
    if (attempt == 0 || ms[p] < least[p]) least[p] = ms[p];
}

static void check_shape(long_shape shape)
{
  double few[PASSES], many[PASSES], ms[PASSES];
  for (int32_t attempt = 0; attempt < TRIES; attempt++) {
    passes_time(shape, NODES, folder, ms);
    keep_least(few, ms, attempt);
    passes_time(shape, TIMES * NODES, folder, ms);
    keep_least(many, ms, attempt);
    if (is_near_linear(few, many)) return;
  }
  for (int32_t p = 0; p < PASSES; p++)
    if (is_square(few[p], many[p]))
      TEST_FAIL("%s: %s of %d nodes takes %.1f ms, of %d %.1f ms", long_name[shape], pass_name[p],
                NODES, few[p], TIMES * NODES, many[p]);
}

#define X(name)                                                                                    \
  TEST(name)                                                                                       \
  {                                                                                                \
    check_shape(LONG_##name);                                                                      \
  }
LONG_MAP(X)
#undef X

int main(int argc, char **argv)
{
  static const test_case cases[] = {
#define X(name) CASE(name),
      LONG_MAP(X)
#undef X
  };
  test_scratch_new(folder);
  const int rc = test_run(cases, (int)(sizeof cases / sizeof *cases), argc, argv);
  test_scratch_remove(folder);
  return rc;
}
