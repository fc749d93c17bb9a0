/* OpenBLAS comes when it is asked for, and not before: a program that embeds the engine gets none
 * of its threads. */
#include "elastic/blas.h"

#include "support/fault.h"
#include "support/nets.h"

static bool file_has(const char *path, const char *word)
{
  char line[512];
  bool found = false;
  FILE *file = fopen(path, "r");
  CHECK(file != NULL);
  while (file && fgets(line, sizeof line, file)) found |= strstr(line, word) != NULL;
  if (file) fclose(file);
  return found;
}

TEST(it_is_loaded_late)
{
  anet__blas blas;
  const double a[3] = {1, 2, 3}, b[3] = {4, 5, 6};
  anet_net *net = net_resnet(8, 3, 8, 1, 4);
  anet_net_release(net);
  CHECK(!file_has("/proc/self/maps", "openblas"));
  CHECK_OK(anet__blas_open(&blas));
  CHECK(file_has("/proc/self/maps", "openblas"));
  CHECK_NEAR(blas.cblas_ddot(3, a, 1, b, 1), 32, 0);
  CHECK_EQ_I(blas.openblas_get_num_threads(), 1);
  anet__blas_close(&blas);
  CHECK_OK(anet__blas_open(&blas));
  const int before = blas.threads;
  anet__blas_close(&blas);
  CHECK_OK(anet__blas_open(&blas));
  CHECK_EQ_I(blas.threads, before);
  anet__blas_close(&blas);
  anet__blas_close(&blas); /* of one that is closed: nothing */
}

TEST_MAIN(CASE(it_is_loaded_late))
