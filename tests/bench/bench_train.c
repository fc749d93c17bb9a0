/* Training speed of ResNet-20 on 28x28 images:  bench_train [threads] [batch] [seconds] */
#include <stdlib.h>

#include "support/nets.h"

int main(int argc, char **argv)
{
  enum { SIZE = 28, CLASSES = 10 };
  const int32_t threads = argc > 1 ? atoi(argv[1]) : 2, batch = argc > 2 ? atoi(argv[2]) : 128;
  const double seconds = argc > 3 ? atof(argv[3]) : 3;
  anet_net *net = net_resnet(SIZE, 1, 16, 3, CLASSES);
  anet_pool *pool;
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  const anet_loss loss = {.kind = ANET_LOSS_LABELS, .weight = 1};
  CHECK_OK(anet_pool_new(threads, &pool));
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f, .decay = 1e-4f}, &optim));
  CHECK_OK(anet_tape_new(net, batch, pool, &tape));
  if (test_failures) return 1;
  float *in = malloc((size_t)batch * SIZE * SIZE * sizeof *in);
  float *labels = malloc((size_t)batch * CLASSES * sizeof *labels);
  fill_normal(in, (size_t)batch * SIZE * SIZE, 1);
  fill_labels(labels, batch, CLASSES, 2);
  const float *from = in, *target = labels;
  int32_t steps = 0;
  double best = INFINITY, begin = anet_clock_ms(), now = begin;
  while (now - begin < 1000 * seconds) {
    CHECK_OK(anet_tape_step(tape, &from, batch, &loss, &target, 1, 0, &stats));
    CHECK_OK(anet_optim_step(optim, tape, 0.01, &stats));
    const double then = now;
    now = anet_clock_ms();
    best = fmin(best, now - then);
    steps++;
  }
  printf("isa %s, %d threads, batch %d, tape %.0f MB: %.0f images/s, best step %.1f ms = %.0f "
         "images/s\n",
         anet_isa(), threads, batch, anet_tape_bytes(tape) / 1e6,
         1000.0 * batch * steps / (now - begin), best, 1000.0 * batch / best);
  free(in);
  free(labels);
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_pool_release(pool);
  anet_net_release(net);
  return test_failures > 0;
}
