/* Training speed, a step being forward, backward and update, on random images:
 *   bench_train [net] [threads] [batch] [seconds]
 * net: resnet20, resnet18, mobilenet_v2 (all on 32x32x3, the last two without the early strides),
 * small (mobilenet_v2_small of `anet train`, 28x28x1), or one of them with `-fixed` for fixed norms.
 */
#include <stdlib.h>
#include <time.h>

#include "support/nets.h"

enum { CLASSES = 10 };

static int32_t conv_norm(anet_net *net, int32_t x, int32_t channels, int32_t kernel, int32_t stride)
{
  return net_op(net, "norm", net_conv(net, NULL, x, channels, kernel, stride, 0));
}

static anet_net *finish(anet_net *net, int32_t x)
{
  x = net_op(net, "flatten", net_op(net, "global_pool", x));
  CHECK_OK(anet_net_output(net, net_linear(net, "head", x, CLASSES)));
  CHECK_OK(anet_net_init(net, 1));
  return net;
}

static anet_net *resnet20(void)
{
  return net_resnet(32, 3, 16, 3, CLASSES);
}

static anet_net *resnet18(void)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_op(net, "relu", conv_norm(net, net_image(net, 32, 3), 64, 3, 1));
  for (int32_t b = 0; b < 8; b++) x = net_basic(net, x, 64 << b / 2, b && b % 2 == 0 ? 2 : 1);
  return finish(net, x);
}

/* An inverted residual (Sandler et al. 2018). */
static int32_t inverted(anet_net *net, int32_t x, int32_t expand, int32_t channels, int32_t stride)
{
  anet_node node;
  CHECK_OK(anet_net_node(net, x, &node));
  const int32_t before = node.shape.dim[2];
  const anet_attr depth = {.kernel = {3, 3}, .stride = {stride, stride}, .pad = {1, 1, 1, 1}};
  int32_t y = x;
  if (expand > 1) y = net_op(net, "relu6", conv_norm(net, y, before * expand, 1, 1));
  y = net_op(net, "norm", net_put(net, "depthwise", NULL, &depth, y, -1));
  y = conv_norm(net, net_op(net, "relu6", y), channels, 1, 1);
  return stride == 1 && before == channels ? net_put(net, "add", NULL, NULL, y, x) : y;
}

typedef struct stage {
  int32_t expand, channels, blocks, stride;
} stage;

static anet_net *mobilenet(int32_t size, int32_t colours, int32_t stem, const stage *stages,
                           int32_t count, int32_t head)
{
  anet_net *net;
  CHECK_OK(anet_net_new(&net));
  int32_t x = net_op(net, "relu6", conv_norm(net, net_image(net, size, colours), stem, 3, 1));
  for (int32_t s = 0; s < count; s++)
    for (int32_t b = 0; b < stages[s].blocks; b++)
      x = inverted(net, x, stages[s].expand, stages[s].channels, b ? 1 : stages[s].stride);
  return finish(net, net_op(net, "relu6", conv_norm(net, x, head, 1, 1)));
}

static anet_net *mobilenet_v2(void)
{
  static const stage stages[] = {{1, 16, 1, 1}, {6, 24, 2, 1},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                 {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  return mobilenet(32, 3, 32, stages, ANET_COUNT(stages), 1280);
}

static anet_net *mobilenet_small(void)
{
  static const stage stages[] = {{1, 16, 1, 1}, {4, 32, 3, 2}, {4, 64, 4, 2}, {4, 96, 2, 1}};
  return mobilenet(28, 1, 16, stages, ANET_COUNT(stages), 256);
}

static const struct {
  const char *name;
  anet_net *(*make)(void);
} nets[] = {{"resnet20", resnet20},
            {"resnet18", resnet18},
            {"mobilenet_v2", mobilenet_v2},
            {"small", mobilenet_small}};

static anet_net *net_named(const char *name)
{
  for (int32_t i = 0; i < ANET_COUNT(nets); i++)
    if (!strncmp(name, nets[i].name, strlen(nets[i].name))) return nets[i].make();
  fprintf(stderr, "bench_train: no net '%s'\n", name);
  exit(2);
}

/* Milliseconds that all threads have had of the processor: what a busy machine disturbs least. */
static double processor_ms(void)
{
  return 1000.0 * (double)clock() / CLOCKS_PER_SEC;
}

int main(int argc, char **argv)
{
  const char *name = argc > 1 ? argv[1] : "resnet20";
  const int32_t threads = argc > 2 ? atoi(argv[2]) : 2, batch = argc > 3 ? atoi(argv[3]) : 32;
  const double seconds = argc > 4 ? atof(argv[4]) : 3;
  anet_net *net = net_named(name);
  anet_pool *pool;
  anet_optim *optim;
  anet_tape *tape;
  anet_step_stats stats;
  anet_node node;
  const anet_loss loss = {.kind = ANET_LOSS_LABELS, .weight = 1};
  CHECK_OK(anet_pool_new(threads, &pool));
  CHECK_OK(anet_optim_new(&(anet_optim_desc){.momentum = 0.9f, .decay = 1e-4f}, &optim));
  CHECK_OK(anet_tape_new(net, batch, pool, &tape));
  CHECK_OK(anet_net_node(net, 0, &node));
  if (test_failures) return 1;
  anet_tape_fix_norms(tape, strstr(name, "-fixed") != NULL);
  const size_t floats =
      (size_t)batch * (size_t)node.shape.dim[0] * (size_t)node.shape.dim[1] * (size_t)node.shape.dim[2];
  float *in = malloc(floats * sizeof *in);
  float *labels = malloc((size_t)batch * CLASSES * sizeof *labels);
  fill_normal(in, floats, 1);
  fill_labels(labels, batch, CLASSES, 2);
  const float *from = in, *target = labels;
  int32_t steps = 0;
  double best = INFINITY, best_cpu = INFINITY, begin = anet_clock_ms(), now = begin;
  while (now - begin < 1000 * seconds) {
    const double cpu = processor_ms();
    CHECK_OK(anet_tape_step(tape, &from, batch, &loss, &target, 1, 0, &stats));
    CHECK_OK(anet_optim_step(optim, tape, 1e-3, &stats));
    const double then = now;
    now = anet_clock_ms();
    best = fmin(best, now - then);
    best_cpu = fmin(best_cpu, processor_ms() - cpu);
    steps++;
  }
  printf("%s, isa %s, %d threads, batch %d, tape %.0f MB: best step %.1f ms (processor %.1f) of "
         "%d, %.1f on average, loss %.9g\n",
         name, anet_isa(), threads, batch, anet_tape_bytes(tape) / 1e6, best, best_cpu,
         steps,         (now - begin) / steps, stats.loss);
  free(in);
  free(labels);
  anet_tape_release(tape);
  anet_optim_release(optim);
  anet_pool_release(pool);
  anet_net_release(net);
  return test_failures > 0;
}
