#include "support/opcase.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"

void op_fill_nan(void *memory, size_t bytes)
{
  if (memory) memset(memory, 0xff, bytes);
}

bool op_case_positive(const char *op)
{
  static const char *const ops[] = {"sqrt", "log", "reciprocal", "power", "div", "pow", "mod"};
  for (int32_t i = 0; i < ANET_COUNT(ops); i++)
    if (strcmp(op, ops[i]) == 0) return true;
  return false;
}

float op_case_input(const char *op, float normal)
{
  if (op_case_positive(op)) return 0.4F + fabsf(normal);
  return strcmp(op, "equal") == 0 || strcmp(op, "where") == 0 ? rintf(normal) : normal;
}

static float *random_floats(size_t count, const char *op, anet_rng *rng)
{
  float *x = anet__alloc_array(count, sizeof *x);
  for (size_t i = 0; x && i < count; i++) x[i] = op_case_input(op, 1.5F * anet__rng_normal(rng));
  return x;
}

static void fill_param(op_run *run, int32_t i, anet_rng *rng)
{
  float *p = anet__f32(run->param[i]);
  for (size_t k = 0; k < run->param_count[i]; k++) {
    const float r = anet__rng_normal(rng);
    switch (run->spec[i].role) {
      case ANET_PARAM_VARIANCE:
        p[k] = 0.5F + r * r;
        break;
      case ANET_PARAM_SCALE:
        p[k] = 1.0F + 0.3F * r;
        break;
      default:
        p[k] = 0.5F * r;
    }
  }
}

static int make_params(op_run *run, anet_rng *rng)
{
  anet__call *c = &run->grad.call;
  if (run->op->params) ANET_TRY(run->op->params(&run->attr, c->in_shape, run->spec, &run->params));
  for (int32_t i = 0; i < run->params; i++) {
    ANET_TRY(anet_tensor_new(ANET_F32, &run->spec[i].shape, &run->param[i]));
    run->param_count[i] = anet__shape_size(&run->spec[i].shape);
    run->grad.dparam[i] = anet__alloc_array(run->param_count[i], sizeof(float));
    if (!run->grad.dparam[i]) return ANET_NOMEM;
    fill_param(run, i, rng);
    c->param[i] = run->param[i];
    if (strcmp(run->spec[i].name, "bias") == 0) c->post.shift = anet__f32(run->param[i]);
  }
  if (run->params == 4) { /* running statistics have no gradient */
    for (int32_t i = 2; i < 4; i++) anet__free(run->grad.dparam[i]), run->grad.dparam[i] = NULL;
  }
  return ANET_OK;
}

static int make_buffers(op_run *run, anet_rng *rng)
{
  anet__call *c = &run->grad.call;
  for (int32_t i = 0; i < c->inputs; i++) {
    run->in_count[i] = (size_t)c->n * anet__shape_size(&c->in_shape[i]);
    c->in[i] = run->in[i] = random_floats(run->in_count[i], run->op->name, rng);
    run->grad.din[i] = anet__alloc_array(run->in_count[i], sizeof(float));
    if (!run->in[i] || !run->grad.din[i]) return ANET_NOMEM;
    op_fill_nan(run->grad.din[i], run->in_count[i] * sizeof(float));
  }
  run->out_count = (size_t)c->n * anet__shape_size(&c->out_shape);
  c->out = run->out = anet__alloc_array(run->out_count, sizeof(float));
  run->grad.dout = run->dout = random_floats(run->out_count, "", rng);
  run->saved_bytes = run->op->saved ? run->op->saved(c) : 0;
  run->scratch_bytes = run->op->scratch ? run->op->scratch(c, true) : 0;
  c->saved = anet__alloc(run->saved_bytes);
  c->scratch = anet__alloc(run->scratch_bytes);
  if (!run->out || !run->dout || !c->saved || !c->scratch) return ANET_NOMEM;
  op_fill_nan(run->out, run->out_count * sizeof(float));
  op_fill_nan(c->saved, run->saved_bytes);
  return ANET_OK;
}

int op_run_new(const op_case *what, double seed, const anet__kernels *kernels, anet_pool *pool,
               op_run *run)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  *run = (op_run){.attr = what->attr};
  if (!anet__op_find(what->op, &run->id)) return anet_fail(ANET_ABSENT, "no op '%s'", what->op);
  run->op = anet__op_get(run->id);
  anet__attr_default(&run->attr);
  anet__call *c = &run->grad.call;
  *c = (anet__call){.attr = &run->attr,
                    .kernels = kernels,
                    .pool = pool,
                    .n = what->n,
                    .inputs = what->inputs,
                    .post = anet__post_none(),
                    .training = what->training,
                    .frozen = what->frozen,
                    .seed = 77};
  memcpy(c->in_shape, what->in, sizeof c->in_shape);
  ANET_TRY(run->op->shape(&run->attr, c->in_shape, c->inputs, &c->out_shape));
  ANET_TRY(make_params(run, &rng));
  return make_buffers(run, &rng);
}

int op_run_method(op_run *run, anet__method method)
{
  anet__call *c = &run->grad.call;
  c->method = method;
  anet__free(c->scratch);
  run->scratch_bytes = run->op->scratch ? run->op->scratch(c, true) : 0;
  c->scratch = anet__alloc(run->scratch_bytes);
  return c->scratch ? ANET_OK : ANET_NOMEM;
}

void op_run_free(op_run *run)
{
  for (int32_t i = 0; i < ANET_MAX_INPUTS; i++) {
    anet__free(run->in[i]);
    anet__free(run->grad.din[i]);
  }
  for (int32_t i = 0; i < ANET_MAX_PARAMS; i++) {
    anet_tensor_release(run->param[i]);
    anet__free(run->grad.dparam[i]);
  }
  anet__free(run->out);
  anet__free(run->dout);
  anet__free(run->grad.call.saved);
  anet__free(run->grad.call.scratch);
}

void op_run_forward(op_run *run)
{
  op_fill_nan(run->grad.call.scratch, run->scratch_bytes);
  run->op->forward(&run->grad.call);
}

void op_run_backward(op_run *run)
{
  op_fill_nan(run->grad.call.scratch, run->scratch_bytes);
  run->op->backward(&run->grad);
}

const char *op_case_text(const op_case *what, char *text)
{
  char shape[2][ANET_SHAPE_TEXT];
  const anet_attr *a = &what->attr;
  snprintf(text, 256,
           "%s k %dx%d s %dx%d d %dx%d p %d,%d,%d,%d g %d c %d bias %d axis %d mode %d in %s %s n "
           "%d%s%s",
           what->op, a->kernel[0], a->kernel[1], a->stride[0], a->stride[1], a->dilation[0],
           a->dilation[1], a->pad[0], a->pad[1], a->pad[2], a->pad[3], a->groups, a->channels,
           a->bias, a->axis, a->mode, anet__shape_text(&what->in[0], shape[0]),
           what->inputs > 1 ? anet__shape_text(&what->in[1], shape[1]) : "", what->n,
           what->training ? " training" : "", what->frozen ? " frozen" : "");
  return text;
}
