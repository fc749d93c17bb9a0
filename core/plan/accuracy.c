/* Accuracy of a plan on labelled data. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/answers.h"
#include "plan/plan.h"

typedef struct run {
  anet_plan *plan;
  anet_workspace *workspace;
  anet_tensor *images;          /* (batch, shape of the input) */
  float *block;                 /* the outputs of a batch, one after the other */
  float *out[ANET_MAX_OUTPUTS]; /* in block */
  int32_t classes;              /* of the first output */
} run;

static int check_plan(const anet_plan *plan, const anet_dataset *data, const anet_input *input)
{
  const anet_shape *in = &plan->input[0], *out = &plan->output[0];
  char text[ANET_SHAPE_TEXT];
  if (plan->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "accuracy: the plan has %d inputs, want 1", plan->inputs);
  if (in->rank != 3 || in->dim[0] != input->height || in->dim[1] != input->width ||
      in->dim[2] != input->channels)
    return anet_fail(ANET_SHAPE, "accuracy: images become (%d, %d, %d), the plan's input is %s",
                     input->height, input->width, input->channels, anet__shape_text(in, text));
  const anet_answers answers = anet__net_answers(plan->net, plan->net->output[0]);
  if (answers.rows != 1)
    return anet_fail(ANET_UNSUPPORTED, "accuracy: the output is %s, want one row of classes",
                     anet__shape_text(out, text));
  if (anet_dataset_classes(data) > answers.classes)
    return anet_fail(ANET_SHAPE, "accuracy: the data has %d classes, the network gives %d answers",
                     anet_dataset_classes(data), answers.classes);
  return ANET_OK;
}

static int run_new(anet_plan *plan, anet_pool *pool, run *r)
{
  size_t floats = 0;
  anet_shape shape = {.rank = 4, .dim = {plan->batch}};
  memcpy(shape.dim + 1, plan->input[0].dim, 3 * sizeof *shape.dim);
  r->plan = plan;
  r->classes = (int32_t)anet__shape_size(&plan->output[0]);
  ANET_TRY(anet_workspace_new(plan, pool, &r->workspace));
  ANET_TRY(anet_tensor_new(ANET_F32, &shape, &r->images));
  for (int32_t i = 0; i < plan->outputs; i++) floats += anet__shape_size(&plan->output[i]);
  r->block = anet__alloc_array(floats * (size_t)plan->batch, sizeof *r->block);
  if (!r->block) return ANET_NOMEM;
  float *at = r->block;
  for (int32_t i = 0; i < plan->outputs; i++) {
    r->out[i] = at;
    at += anet__shape_size(&plan->output[i]) * (size_t)plan->batch;
  }
  return ANET_OK;
}

static void run_free(run *r)
{
  anet__free(r->block);
  anet_tensor_release(r->images);
  anet_workspace_release(r->workspace);
}

/* label: of the batch's n images; hits may be NULL. */
static double count_hits(const run *r, const int32_t *label, int32_t n, uint8_t *hits)
{
  double correct = 0;
  for (int32_t i = 0; i < n; i++) {
    const int32_t top = anet__answers_top(r->out[0] + (size_t)i * (size_t)r->classes, r->classes);
    const bool hit = top >= 0 && top == label[i];
    if (hits) hits[i] = hit;
    correct += hit;
  }
  return correct;
}

static int run_all(const run *r, anet_dataset *data, const anet_input *input, anet_pool *pool,
                   double *correct, uint8_t *hits)
{
  const int32_t *label = anet_tensor_data(anet_dataset_labels(data));
  const int32_t count = anet_dataset_count(data), batch = r->plan->batch;
  const float *in = anet_tensor_data(r->images);
  for (int32_t i = 0, begin = 0; begin < count; i++, begin += batch) {
    int32_t n;
    ANET_TRY(anet_dataset_batch(data, input, NULL, 0, -1, i, pool, r->images, NULL, &n));
    ANET_TRY(anet_run(r->plan, r->workspace, &in, r->out, n));
    *correct += count_hits(r, label + begin, n, hits ? hits + begin : NULL);
  }
  return ANET_OK;
}

int anet_plan_accuracy(anet_plan *plan, anet_dataset *data, const anet_input *input,
                       anet_pool *pool, double *correct, uint8_t *hits)
{
  run r = {0};
  *correct = 0;
  ANET_TRY(check_plan(plan, data, input));
  int rc = run_new(plan, pool, &r);
  if (!rc) rc = run_all(&r, data, input, pool, correct, hits);
  run_free(&r);
  return rc;
}
