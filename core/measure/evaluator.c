/* The evaluator: what stays between calls. */
#include "measure/evaluate.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "graph/answers.h"

static int check_network(const anet_evaluator *e)
{
  const anet_net *oracle = e->supernet->oracle;
  const anet_input *input = &e->input;
  char text[ANET_SHAPE_TEXT], want[ANET_SHAPE_TEXT];
  if (!e->supernet->sealed) return anet_fail(ANET_STATE, "evaluator: the supernet is not sealed");
  if (oracle->inputs != 1)
    return anet_fail(ANET_UNSUPPORTED, "evaluator: the network has %d inputs, want 1",
                     oracle->inputs);
  const anet_shape image = {3, {input->height, input->width, input->channels}};
  const anet_shape *in = &oracle->node[oracle->input[0]].shape;
  const anet_shape *out = &oracle->node[oracle->output[0]].shape;
  const anet_answers answers = anet__net_answers(oracle, oracle->output[0]);
  if (!anet__shape_equal(&image, in))
    return anet_fail(ANET_SHAPE, "evaluator: images are %s, the network's input is %s",
                     anet__shape_text(&image, text), anet__shape_text(in, want));
  if (answers.rows != 1)
    return anet_fail(ANET_UNSUPPORTED, "evaluator: the output is %s, want one row of classes",
                     anet__shape_text(out, text));
  return ANET_OK;
}

/* Labels count if every item has one. */
static int read_labels(anet_evaluator *e)
{
  const int32_t *label = anet_tensor_data(anet_dataset_labels(e->data));
  const int32_t classes = anet_dataset_classes(e->data);
  e->labelled = true;
  for (int32_t i = 0; i < e->items && e->labelled; i++) e->labelled = label[i] >= 0;
  if (!e->labelled) return ANET_OK;
  if (classes > e->classes)
    return anet_fail(ANET_SHAPE, "evaluator: the data has %d classes, the network gives %d answers",
                     classes, e->classes);
  for (int32_t i = 0; i < e->items; i++)
    if (label[i] >= e->classes)
      return anet_fail(ANET_RANGE, "evaluator: item %d has label %d, want 0 .. %d", i, label[i],
                       e->classes - 1);
  return ANET_OK;
}

/* Room for the oracle's answers. */
static int make_teacher(anet_evaluator *e)
{
  size_t floats;
  if (!anet__mul((size_t)e->items, (size_t)e->classes, &floats))
    return anet_fail(ANET_NOMEM, "evaluator: %d items of %d classes are too many", e->items,
                     e->classes);
  e->teacher = anet__alloc_array(floats, sizeof *e->teacher);
  e->known = anet__alloc_array((size_t)e->items, sizeof *e->known);
  return e->teacher && e->known ? ANET_OK : ANET_NOMEM;
}

static int fill_evaluator(anet_evaluator *e, anet_dataset *data)
{
  const anet_net *oracle = e->supernet->oracle;
  ANET_TRY(check_network(e));
  const anet_answers answers = anet__net_answers(oracle, oracle->output[0]);
  e->answers = answers.kind;
  e->classes = answers.classes;
  e->items = anet_dataset_count(data);
  ANET_TRY(anet_dataset_slice(data, 0, e->items, &e->data)); /* a handle of our own */
  ANET_TRY(read_labels(e));
  ANET_TRY(make_teacher(e));
  ANET_TRY(anet__evaluator_route(e));
  const size_t options = (size_t)anet_space_options(e->space);
  e->piece = anet__alloc_array(options, sizeof *e->piece);
  e->version = anet__alloc_array(options, sizeof *e->version);
  e->segment = anet__alloc_array((size_t)e->segments.count, sizeof *e->segment);
  if (!e->piece || !e->version || !e->segment) return ANET_NOMEM;
  return anet_plan_new(e->supernet->oracle, 1, &e->oracle);
}

int anet_evaluator_new(anet_supernet *supernet, anet_dataset *data, const anet_input *input,
                       anet_pool *pool, anet_evaluator **out)
{
  *out = NULL;
  anet_evaluator *e = anet__alloc(sizeof *e);
  if (!e) return ANET_NOMEM;
  e->supernet = anet_supernet_retain(supernet);
  e->space = anet_supernet_space(supernet);
  e->input = *input;
  e->pool = anet__pool_retain(pool);
  const int rc = fill_evaluator(e, data);
  if (rc) {
    anet_evaluator_release(e);
    return rc;
  }
  *out = e;
  return ANET_OK;
}

void anet_evaluator_release(anet_evaluator *e)
{
  if (!e) return;
  anet__evaluator_drop_plans(e);
  anet_plan_release(e->oracle);
  anet_tensor_release(e->images);
  anet__free(e->known);
  anet__free(e->teacher);
  anet__free(e->segment);
  anet__free(e->version);
  anet__free(e->piece);
  anet__free(e->place);
  anet__segments_free(&e->segments);
  anet_pool_release(e->pool);
  anet_dataset_release(e->data);
  anet_supernet_release(e->supernet);
  anet__free(e);
}
