#include "data/dataset.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "tensor/tensor.h"

/* ---- checks ------------------------------------------------------------------------------- */

static int check_images(anet_tensor *images)
{
  char text[ANET_SHAPE_TEXT];
  const anet_shape *s = &images->shape;
  if (images->type != ANET_U8)
    return anet_fail(ANET_SHAPE, "dataset: images of type %s, want u8",
                     anet__type_name(images->type));
  if (s->rank != 4 || s->dim[1] < 1 || s->dim[2] < 1 || s->dim[3] < 1 || s->dim[3] > 4)
    return anet_fail(ANET_SHAPE, "dataset: images of shape %s, want (count, height, width, 1 .. 4)",
                     anet__shape_text(s, text));
  if (!anet_tensor_dense(images))
    return anet_fail(ANET_STATE, "dataset: images of shape %s are a view with gaps",
                     anet__shape_text(s, text));
  return ANET_OK;
}

static int check_labels(anet_tensor *labels, int32_t count, int32_t classes)
{
  char text[ANET_SHAPE_TEXT];
  if (labels->type != ANET_I32 || labels->shape.rank != 1 || labels->shape.dim[0] != count)
    return anet_fail(ANET_SHAPE, "dataset: labels are %s %s, want i32 (%d), one an image",
                     anet__type_name(labels->type), anet__shape_text(&labels->shape, text), count);
  const int32_t *label = anet_tensor_data(labels);
  for (int32_t i = 0; i < count; i++)
    if (label[i] < -1 || label[i] >= classes)
      return anet_fail(ANET_RANGE, "dataset: label %d of item %d, want -1 .. %d", label[i], i,
                       classes - 1);
  return ANET_OK;
}

/* ---- life --------------------------------------------------------------------------------- */

static void release_names(anet__class_names *named)
{
  if (!named || atomic_fetch_sub(&named->refs, 1) != 1) return;
  anet__names_free(&named->names);
  anet__free(named);
}

static void share_names(anet_dataset *data, const anet_dataset *from)
{
  release_names(data->named);
  atomic_fetch_add(&from->named->refs, 1);
  data->named = from->named;
}

static int new_handle(anet_tensor *images, anet_tensor *labels, int32_t classes, anet_dataset **out)
{
  anet_dataset *data = anet__alloc(sizeof *data);
  anet__class_names *named = anet__alloc(sizeof *named);
  if (!data || !named) {
    anet__free(named);
    anet__free(data);
    return ANET_NOMEM;
  }
  atomic_init(&named->refs, 1);
  data->named = named;
  data->count = images->shape.dim[0];
  data->classes = classes;
  data->images = anet_tensor_retain(images);
  data->labels = anet_tensor_retain(labels);
  *out = data;
  return ANET_OK;
}

static int new_unlabelled(int32_t count, anet_tensor **out)
{
  const anet_shape shape = {1, {count}};
  ANET_TRY(anet_tensor_new(ANET_I32, &shape, out));
  memset(anet_tensor_data(*out), 0xff, (size_t)count * sizeof(int32_t)); /* -1 */
  return ANET_OK;
}

int anet_dataset_new(anet_tensor *images, anet_tensor *labels, int32_t classes, anet_dataset **out)
{
  *out = NULL;
  if (classes < 0) return anet_fail(ANET_RANGE, "dataset: %d classes, want at least 0", classes);
  ANET_TRY(check_images(images));
  const int32_t count = images->shape.dim[0];
  if (labels) {
    ANET_TRY(check_labels(labels, count, classes));
    return new_handle(images, labels, classes, out);
  }
  ANET_TRY(new_unlabelled(count, &labels));
  const int rc = new_handle(images, labels, classes, out);
  anet_tensor_release(labels);
  return rc;
}

int anet__dataset_blank(int32_t count, int32_t height, int32_t width, int32_t channels,
                        int32_t classes, anet_dataset **out)
{
  const anet_shape shape = {4, {count, height, width, channels}};
  anet_tensor *images;
  *out = NULL;
  ANET_TRY(anet_tensor_new(ANET_U8, &shape, &images));
  const int rc = anet_dataset_new(images, NULL, classes, out);
  anet_tensor_release(images);
  return rc;
}

void anet_dataset_release(anet_dataset *data)
{
  if (!data) return;
  release_names(data->named);
  anet__free(data->order);
  anet_tensor_release(data->images);
  anet_tensor_release(data->labels);
  anet__free(data);
}

/* ---- parts -------------------------------------------------------------------------------- */

static int view_items(anet_tensor *tensor, int32_t begin, int32_t count, anet_tensor **out)
{
  const int32_t first[ANET_MAX_RANK] = {begin};
  anet_shape size = tensor->shape;
  size.dim[0] = count;
  return anet_tensor_view(tensor, first, &size, out);
}

int anet_dataset_slice(anet_dataset *data, int32_t begin, int32_t count, anet_dataset **out)
{
  anet_tensor *images = NULL, *labels = NULL;
  *out = NULL;
  if (begin < 0 || count < 0 || count > data->count || begin > data->count - count)
    return anet_fail(ANET_RANGE, "dataset: %d items from %d of %d", count, begin, data->count);
  int rc = view_items(data->images, begin, count, &images);
  if (!rc) rc = view_items(data->labels, begin, count, &labels);
  if (!rc) rc = new_handle(images, labels, data->classes, out);
  if (!rc) share_names(*out, data);
  anet_tensor_release(labels);
  anet_tensor_release(images);
  return rc;
}

int anet_dataset_pick(anet_dataset *data, const int32_t *index, int32_t count, anet_dataset **out)
{
  const int32_t *dim = data->images->shape.dim;
  const size_t bytes = (size_t)data->images->stride[0];
  *out = NULL;
  if (count < 0) return anet_fail(ANET_RANGE, "dataset: %d items to pick", count);
  for (int32_t i = 0; i < count; i++)
    if (index[i] < 0 || index[i] >= data->count)
      return anet_fail(ANET_RANGE, "dataset: item %d to pick, want 0 .. %d", index[i],
                       data->count - 1);
  ANET_TRY(anet__dataset_blank(count, dim[1], dim[2], dim[3], data->classes, out));
  for (int32_t i = 0; i < count; i++) {
    memcpy(anet__dataset_image(*out, i), anet__dataset_image(data, index[i]), bytes);
    *anet__dataset_label(*out, i) = *anet__dataset_label(data, index[i]);
  }
  share_names(*out, data);
  return ANET_OK;
}

int anet_dataset_crop(anet_dataset *data, int32_t height, int32_t width, anet_dataset **out)
{
  const int32_t *dim = data->images->shape.dim, channels = dim[3];
  *out = NULL;
  if (height < 1 || width < 1 || height > dim[1] || width > dim[2])
    return anet_fail(ANET_RANGE, "dataset: a middle of %d x %d of images of %d x %d", height, width,
                     dim[1], dim[2]);
  ANET_TRY(anet__dataset_blank(data->count, height, width, channels, data->classes, out));
  const size_t row = (size_t)width * (size_t)channels, from = (size_t)dim[2] * (size_t)channels;
  const size_t corner =
      (size_t)((dim[1] - height) / 2) * from + (size_t)((dim[2] - width) / 2) * (size_t)channels;
  for (int32_t i = 0; i < data->count; i++) {
    for (int32_t y = 0; y < height; y++)
      memcpy(anet__dataset_image(*out, i) + (size_t)y * row,
             anet__dataset_image(data, i) + corner + (size_t)y * from, row);
    *anet__dataset_label(*out, i) = *anet__dataset_label(data, i);
  }
  share_names(*out, data);
  return ANET_OK;
}

/* ---- reading a handle --------------------------------------------------------------------- */

uint8_t *anet__dataset_image(const anet_dataset *data, int32_t item)
{
  return (uint8_t *)anet_tensor_data(data->images) + item * data->images->stride[0];
}

int32_t *anet__dataset_label(const anet_dataset *data, int32_t item)
{
  return (int32_t *)anet_tensor_data(data->labels) + item;
}

int32_t anet_dataset_count(const anet_dataset *data)
{
  return data->count;
}

int32_t anet_dataset_classes(const anet_dataset *data)
{
  return data->classes;
}

const char *anet_dataset_class(const anet_dataset *data, int32_t label)
{
  const anet__names *names = &data->named->names;
  return label >= 0 && label < names->count ? names->at[label] : NULL;
}

anet_tensor *anet_dataset_images(anet_dataset *data)
{
  return data->images;
}

anet_tensor *anet_dataset_labels(anet_dataset *data)
{
  return data->labels;
}

/* ---- opening ------------------------------------------------------------------------------ */

int anet__dataset_read_names(anet_dataset *data, const char *folder, const char *file)
{
  char *path = anet__path_join(folder, file);
  if (!path) return ANET_NOMEM;
  const int rc = anet__file_exists(path) ? anet__names_read(path, &data->named->names) : ANET_OK;
  anet__free(path);
  return rc;
}

/* Classes are as many as names, and enough for every label. */
static void count_classes(anet_dataset *data)
{
  data->classes = ANET_MAX(data->classes, data->named->names.count);
  for (int32_t i = 0; i < data->count; i++)
    data->classes = ANET_MAX(data->classes, *anet__dataset_label(data, i) + 1);
}

static int open_folder(const char *path, const char *part, int32_t size, const anet_pool *pool,
                       anet_dataset **out)
{
  typedef int opener(const char *, const char *, int32_t, const anet_pool *, anet_dataset **);
  static opener *const form[] = {anet__dataset_open_idx, anet__dataset_open_cifar,
                                 anet__dataset_open_sheets, anet__dataset_open_classes,
                                 anet__dataset_open_named};
  for (int32_t i = 0; i < ANET_COUNT(form); i++) {
    const int rc = form[i](path, part, size, pool, out);
    if (rc != ANET_ABSENT) return rc;
  }
  return anet_fail(ANET_FORMAT,
                   "dataset '%s', part '%s': found no IDX files, CIFAR batches, PNG sheets, "
                   "folders of images, one a class, or images named NUMBER_…",
                   path, part ? part : "");
}

int anet_dataset_open(const char *path, const char *part, int32_t size, anet_pool *pool,
                      anet_dataset **out)
{
  struct stat info;
  *out = NULL;
  if (size < 0) return anet_fail(ANET_RANGE, "dataset '%s': size %d, want at least 0", path, size);
  if (stat(path, &info)) return anet_fail(ANET_IO, "cannot open '%s': %s", path, strerror(errno));
  const int rc = S_ISDIR(info.st_mode) ? open_folder(path, part, size, pool, out)
                                       : anet__dataset_open_idx_file(path, pool, out);
  if (rc) {
    anet_dataset_release(*out);
    *out = NULL;
    return rc;
  }
  count_classes(*out);
  return ANET_OK;
}
