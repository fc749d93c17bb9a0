/* Batches for training and evaluation: order, fit, augmentation, mixup. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "image/augment.h"
#include "image/fit.h"
#include "tensor/tensor.h"

/* Streams of random numbers that one seed gives. */
typedef struct keys {
  uint64_t order, change, mixup;
} keys;

/* One call. Workers write to their own items, and to their own part of the scratch. */
typedef struct batch {
  anet_dataset *data;
  const anet_pool *pool;
  const anet_input *input;
  const anet_augment *augment; /* or NULL */
  keys key;
  int32_t epoch, begin, filled; /* places [begin, begin + filled) of the order */
  const int32_t *order;         /* (count), or NULL: their own */
  float *images, *targets;      /* (n, h, w, c); (n, classes) or NULL */
  size_t pixels, classes;       /* floats an image and a target */
  float lambda;                 /* of mixup */
  anet__normal normal;
  anet__fit fit;
  char *scratch; /* (workers, fit.scratch_bytes), owned */
} batch;

/* ---- order -------------------------------------------------------------------------------- */

static keys keys_of(double seed)
{
  anet_rng rng;
  keys key;
  anet_rng_seed(&rng, seed);
  key.order = anet__rng_next(&rng);
  key.change = anet__rng_next(&rng);
  key.mixup = anet__rng_next(&rng);
  return key;
}

static void shuffle(int32_t *order, int32_t count, anet_rng *rng)
{
  for (int32_t i = 0; i < count; i++) order[i] = i;
  for (int32_t i = count - 1; i > 0; i--) {
    const uint32_t j = anet__rng_below(rng, (uint32_t)i + 1);
    const int32_t keep = order[i];
    order[i] = order[j];
    order[j] = keep;
  }
}

/* The order of an epoch stays in the handle until another one is asked for. */
static int find_order(anet_dataset *data, uint64_t key, int32_t epoch, const int32_t **out)
{
  const bool known = data->order && data->order_key == key && data->order_epoch == epoch;
  if (!data->order) data->order = anet__alloc_array((size_t)data->count, sizeof *data->order);
  if (!data->order) return ANET_NOMEM;
  if (!known) {
    anet_rng rng;
    anet__rng_at(&rng, key, (uint64_t)epoch);
    shuffle(data->order, data->count, &rng);
    data->order_key = key;
    data->order_epoch = epoch;
  }
  *out = data->order;
  return ANET_OK;
}

/* ---- the work ----------------------------------------------------------------------------- */

static void set_target(const batch *b, int32_t place, int32_t item)
{
  float *row = b->targets + (size_t)place * b->classes;
  const int32_t label = *anet__dataset_label(b->data, item);
  memset(row, 0, b->classes * sizeof *row);
  if (label >= 0) row[label] = 1;
}

static void fill_item(void *context, int32_t place, int32_t worker)
{
  const batch *b = context;
  if (anet__pool_stopped(b->pool)) return;
  const int32_t at = b->begin + place, item = b->order ? b->order[at] : at;
  char *scratch = b->scratch + (size_t)worker * b->fit.scratch_bytes;
  const uint8_t *image = anet__fit_run(&b->fit, anet__dataset_image(b->data, item), scratch);
  anet__change change = {0};
  if (b->augment) {
    anet_rng rng;
    anet__rng_at(&rng, b->key.change, (uint64_t)((int64_t)b->epoch * b->data->count + item));
    anet__change_draw(b->augment, b->input, &rng, &change);
  }
  anet__change_apply(&change, b->input, &b->normal, image, b->images + (size_t)place * b->pixels);
  if (b->targets) set_target(b, place, item);
}

static void mix(float *a, float *b, size_t n, float lambda)
{
  for (size_t i = 0; i < n; i++) {
    const float x = a[i], y = b[i];
    a[i] = lambda * x + (1 - lambda) * y;
    b[i] = lambda * y + (1 - lambda) * x;
  }
}

/* Places are mixed with their mirror image in the batch; the order has been shuffled already. */
static void mix_pair(void *context, int32_t place, int32_t worker)
{
  const batch *b = context;
  const size_t first = (size_t)place, second = (size_t)(b->filled - 1 - place);
  mix(b->images + first * b->pixels, b->images + second * b->pixels, b->pixels, b->lambda);
  if (!b->targets) return;
  mix(b->targets + first * b->classes, b->targets + second * b->classes, b->classes, b->lambda);
}

/* Labels are memory that callers can write. */
static int check_labels(const batch *b)
{
  for (int32_t i = 0; b->targets && i < b->filled; i++) {
    const int32_t item = b->order ? b->order[b->begin + i] : b->begin + i;
    const int32_t label = *anet__dataset_label(b->data, item);
    if (label >= (int32_t)b->classes)
      return anet_fail(ANET_RANGE, "batch: item %d has label %d, want -1 .. %d", item, label,
                       (int32_t)b->classes - 1);
  }
  return ANET_OK;
}

static int run(batch *b, anet_pool *pool, int32_t index)
{
  ANET_TRY(check_labels(b));
  const size_t workers = (size_t)anet__pool_workers(pool);
  b->scratch = anet__alloc_array(workers, b->fit.scratch_bytes);
  if (!b->scratch) return ANET_NOMEM;
  anet__pool_run(pool, fill_item, b, b->filled);
  if (b->augment && b->augment->mixup > 0) {
    anet_rng rng;
    anet__rng_at(&rng, b->key.mixup, (uint64_t)b->epoch << 32 | (uint32_t)index);
    b->lambda = anet__mixup_draw(b->augment->mixup, &rng);
    anet__pool_run(pool, mix_pair, b, b->filled / 2);
  }
  anet__free(b->scratch);
  return anet__pool_check(pool);
}

/* ---- the call ----------------------------------------------------------------------------- */

static int check_tensor(const char *what, const anet_tensor *tensor, const anet_shape *want)
{
  char have[ANET_SHAPE_TEXT], wanted[ANET_SHAPE_TEXT];
  if (tensor->type != ANET_F32 || !anet__shape_equal(&tensor->shape, want))
    return anet_fail(ANET_SHAPE, "batch: %s are %s %s, want f32 %s", what,
                     anet__type_name(tensor->type), anet__shape_text(&tensor->shape, have),
                     anet__shape_text(want, wanted));
  if (!anet_tensor_dense(tensor)) return anet_fail(ANET_STATE, "batch: %s are not dense", what);
  return ANET_OK;
}

static int check(const batch *b, const anet_tensor *images, const anet_tensor *targets)
{
  const int32_t n = images->shape.rank ? images->shape.dim[0] : 0;
  const anet_input *input = b->input;
  const anet_shape image = {4, {n, input->height, input->width, input->channels}};
  const anet_shape target = {2, {n, b->data->classes}};
  ANET_TRY(check_tensor("images", images, &image));
  if (n < 1) return anet_fail(ANET_RANGE, "batch: %d images, want at least 1", n);
  if (targets) ANET_TRY(check_tensor("targets", targets, &target));
  return b->augment ? anet__augment_check(b->augment) : ANET_OK;
}

int anet_dataset_batch(anet_dataset *data, const anet_input *input, const anet_augment *augment,
                       double seed, int32_t epoch, int32_t index, anet_pool *pool,
                       anet_tensor *images, anet_tensor *targets, int32_t *filled)
{
  batch b = {.data = data, .pool = pool, .input = input, .augment = augment, .epoch = epoch};
  *filled = 0;
  ANET_TRY(anet__input_normal(input, &b.normal));
  ANET_TRY(check(&b, images, targets));
  if (index < 0) return anet_fail(ANET_RANGE, "batch: index %d, want at least 0", index);
  const int64_t n = images->shape.dim[0], begin = n * index;
  if (begin >= data->count) return ANET_OK; /* after the last */

  b.begin = (int32_t)begin;
  b.filled = (int32_t)ANET_MIN(n, data->count - begin);
  b.images = anet_tensor_data(images);
  b.targets = targets ? anet_tensor_data(targets) : NULL;
  b.pixels = (size_t)images->stride[0];
  b.classes = (size_t)data->classes;
  b.key = keys_of(seed);
  if (epoch >= 0) ANET_TRY(find_order(data, b.key.order, epoch, &b.order));
  ANET_TRY(anet__fit_new(&data->images->shape, input, &b.fit));
  const int rc = run(&b, pool, index);
  anet__fit_free(&b.fit);
  if (!rc) *filled = b.filled;
  return rc;
}
