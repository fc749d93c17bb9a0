#include "measure/layerspeed.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "graph/net.h"
#include "op/bytes.h"
#include "op/fused.h"
#include "op/work.h"

/* One image of size x size pixels, stride 1, `same` padding. A chain expands to `wide` channels,
 * and projects. */
typedef struct layer {
  const char *name, *op;
  anet__method method;
  int32_t size, kernel, cin, cout, wide;
} layer;

static const layer layers[] = {
    {"winograd_2", "conv", ANET_METHOD_WINOGRAD_2, 28, 3, 64, 64, 0},
    {"winograd_4", "conv", ANET_METHOD_WINOGRAD_4, 28, 3, 64, 64, 0},
    {"winograd_4", "conv", ANET_METHOD_WINOGRAD_4, 56, 3, 64, 64, 0},
    {"winograd_4", "conv", ANET_METHOD_WINOGRAD_4, 14, 3, 256, 256, 0},
    {"lines", "depthwise", ANET_METHOD_DIRECT, 112, 3, 32, 32, 0},
    {"lines", "depthwise", ANET_METHOD_DIRECT, 28, 3, 144, 144, 0},
    {"strips", "conv", ANET_METHOD_DIRECT, 56, 3, 24, 24, 144},
    {"strips", "conv", ANET_METHOD_DIRECT, 28, 3, 32, 32, 192},
    {"int8_conv", "conv", ANET_METHOD_BYTES, 56, 1, 24, 144, 0},
    {"int8_conv", "conv", ANET_METHOD_BYTES, 14, 1, 576, 96, 0},
    {"int8_conv", "conv", ANET_METHOD_BYTES, 28, 3, 64, 64, 0},
    {"int8_depthwise", "depthwise", ANET_METHOD_BYTES, 28, 3, 144, 144, 0},
    {"int8_depthwise", "depthwise", ANET_METHOD_BYTES, 14, 3, 576, 576, 0},
};

enum { CHAIN = ANET_FUSED_MOST };

/* The layer, or the chain of three, ready to run. */
typedef struct job {
  anet_net *net;
  anet__call call[CHAIN];
  int32_t calls;
  float *packed[CHAIN];
  float *in, *out, *post, *scratch;
} job;

static int add_layer(job *j, const char *op, int32_t kernel, int32_t channels, int32_t in,
                     int32_t *value)
{
  const int32_t pad = kernel / 2;
  const anet_attr attr = {
      .kernel = {kernel, kernel}, .pad = {pad, pad, pad, pad}, .channels = channels};
  return anet_net_add(j->net, op, NULL, &attr, &in, 1, value);
}

static int make_net(job *j, const layer *l)
{
  int32_t v;
  ANET_TRY(anet_net_new(&j->net));
  ANET_TRY(anet_net_input(j->net, "in", &(anet_shape){3, {l->size, l->size, l->cin}}, &v));
  if (l->wide) {
    ANET_TRY(add_layer(j, "conv", 1, l->wide, v, &v));
    ANET_TRY(add_layer(j, "depthwise", l->kernel, l->wide, v, &v));
    ANET_TRY(add_layer(j, "conv", 1, l->cout, v, &v));
  } else {
    ANET_TRY(add_layer(j, l->op, l->kernel, l->cout, v, &v));
  }
  return anet_net_init(j->net, 1);
}

static const anet__op *op_of(const layer *l, const anet__node *node)
{
  return l->method == ANET_METHOD_BYTES ? &anet__op_bytes : anet__op_get(node->op);
}

static void make_call(job *j, const layer *l, const anet__kernels *k, int32_t index)
{
  const anet__node *node = anet__net_at(j->net, index + 1);
  anet__call *c = &j->call[index];
  const bool bytes = l->method == ANET_METHOD_BYTES;
  *c = (anet__call){.attr = &node->attr,
                    .kernels = k,
                    .n = 1,
                    .inputs = 1,
                    .in_shape = {j->net->node[node->in[0]].shape},
                    .out_shape = node->shape,
                    .param = {node->param[0]},
                    .method = l->method,
                    .post = {.low = 0, .high = 6},
                    .bytes = {.in = bytes, .out = bytes, .add_scale = 1},
                    .frozen = true};
}

/* Chains take the scratch of the chain, others their op's. */
static anet__fused chain_of(const job *j)
{
  return (anet__fused){&j->call[0], &j->call[1], &j->call[2]};
}

static int make_buffers(job *j, const layer *l)
{
  const anet__call *first = &j->call[0], *last = &j->call[j->calls - 1];
  const size_t in = anet__shape_size(&first->in_shape[0]), out = anet__shape_size(&last->out_shape);
  const anet__fused chain = chain_of(j);
  const anet__op *op = op_of(l, anet__net_at(j->net, j->calls));
  const size_t scratch = j->calls > 1 ? anet__fused_scratch(&chain) : op->scratch(first, false);
  j->in =
      anet__alloc_array(in + 1, sizeof(float)); /* and what kernels on bytes read beyond a pixel */
  j->out = anet__alloc_array(out, sizeof(float));
  j->post = anet__alloc_array((size_t)l->cout, sizeof(float));
  j->scratch = anet__alloc(scratch);
  if (!j->in || !j->out || !j->post || !j->scratch) return ANET_NOMEM;
  for (size_t i = 0; i < in; i++) j->in[i] = (float)(i % 17) - 8;
  for (int32_t c = 0; c < l->cout; c++) j->post[c] = 1.0F / 1024;
  j->call[0].in[0] = j->in;
  j->call[j->calls - 1].out = j->out;
  j->call[j->calls - 1].scratch = j->scratch;
  if (l->method == ANET_METHOD_BYTES) j->call[0].post.scale = j->call[0].post.shift = j->post;
  return ANET_OK;
}

static int pack(job *j, const layer *l, int32_t index)
{
  const anet__op *op = op_of(l, anet__net_at(j->net, index + 1));
  anet__call *c = &j->call[index];
  if (!op->pack_size) return ANET_OK;
  j->packed[index] = anet__alloc_array(op->pack_size(c), sizeof(float));
  if (!j->packed[index]) return ANET_NOMEM;
  op->pack(c, j->packed[index]);
  c->packed = j->packed[index];
  return ANET_OK;
}

static int job_new(job *j, const layer *l, const anet__kernels *k)
{
  *j = (job){.calls = l->wide ? CHAIN : 1};
  ANET_TRY(make_net(j, l));
  for (int32_t i = 0; i < j->calls; i++) make_call(j, l, k, i);
  for (int32_t i = 0; i < j->calls; i++) ANET_TRY(pack(j, l, i));
  return make_buffers(j, l);
}

static void job_free(job *j)
{
  for (int32_t i = 0; i < CHAIN; i++) anet__free(j->packed[i]);
  anet__free(j->scratch);
  anet__free(j->post);
  anet__free(j->out);
  anet__free(j->in);
  anet_net_release(j->net);
}

static void job_run(const job *j, const layer *l)
{
  const anet__fused chain = chain_of(j);
  if (j->calls > 1)
    anet__fused_run(&chain);
  else
    op_of(l, anet__net_at(j->net, 1))->forward(&j->call[0]);
}

static double job_time(const job *j, const layer *l, double budget)
{
  double best = INFINITY, spent = 0;
  for (int32_t calls = 0; calls < 2 || spent < budget; calls++) {
    const int64_t begin = anet__now_ns();
    job_run(j, l);
    const double took = (double)(anet__now_ns() - begin);
    best = fmin(best, took);
    spent += took;
  }
  return best;
}

static void describe(const layer *l, anet_kernel_speed *out)
{
  const double pixels = (double)l->size * l->size, taps = (double)l->kernel * l->kernel;
  const double element = l->method == ANET_METHOD_BYTES ? 1 : sizeof(float);
  const bool dense = l->op[0] == 'c';
  const double weights =
      l->wide ? l->wide * (l->cin + taps + l->cout) : taps * l->cin * (dense ? l->cout : 1);
  out->name = l->name;
  snprintf(out->shape, sizeof out->shape,
           l->wide ? "1x%dx%d k%d %d->%d->%d" : "1x%dx%d k%d %d->%.0d%d", l->size, l->size,
           l->kernel, l->cin, l->wide, l->cout);
  out->flops = 2 * pixels * weights;
  out->bytes = element * (pixels * (l->cin + l->cout) + weights);
}

int32_t anet__layer_cases(void)
{
  return ANET_COUNT(layers);
}

int anet__layer_time(int32_t index, const anet__kernels *k, double budget, anet_kernel_speed *out)
{
  const layer *l = &layers[index];
  job j;
  describe(l, out);
  if (budget <= 0) return ANET_OK;
  const int rc = job_new(&j, l, k);
  if (!rc) out->ns = job_time(&j, l, budget);
  job_free(&j);
  return rc;
}
