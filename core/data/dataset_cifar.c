/* CIFAR binary files: records of one label (CIFAR-100: a coarse and a fine one) and 3072 bytes, the
 * three colour planes of 32 x 32 one after the other. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/pool.h"
#include "data/dataset.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, COLOURS = 3, FILE_LIMIT = 1 << 30 };

/* A part of a release of the set: its files are there together. */
typedef struct layout {
  const char *part, *file; /* %d: 1 .. files */
  int32_t files;
  int32_t labels, classes; /* bytes of labels, of which the last counts */
  const char *names;
} layout;

static const layout layouts[] = {
    {"train", "data_batch_%d.bin", 5, 1, 10, "batches.meta.txt"},
    {"test", "test_batch.bin", 1, 1, 10, "batches.meta.txt"},
    {"train", "train.bin", 1, 2, 100, "fine_label_names.txt"},
    {"test", "test.bin", 1, 2, 100, "fine_label_names.txt"},
};

static size_t record_bytes(const layout *form)
{
  return (size_t)form->labels + PLANE * COLOURS;
}

static int count_records(const layout *form, const char *path, int32_t *count)
{
  size_t bytes;
  ANET_TRY(anet__file_size(path, &bytes));
  if (bytes == 0 || bytes % record_bytes(form) != 0 || bytes > FILE_LIMIT)
    return anet_fail(ANET_FORMAT, "'%s' has %zu bytes, want a multiple of %zu up to %d", path,
                     bytes, record_bytes(form), FILE_LIMIT);
  *count += (int32_t)(bytes / record_bytes(form));
  return ANET_OK;
}

static int read_record(const layout *form, const uint8_t *record, anet_dataset *data, int32_t item)
{
  const int32_t label = record[form->labels - 1];
  const uint8_t *plane = record + form->labels;
  uint8_t *image = anet__dataset_image(data, item);
  if (label >= form->classes)
    return anet_fail(ANET_FORMAT, "label %d of record %d, want 0 .. %d", label, item,
                     form->classes - 1);
  *anet__dataset_label(data, item) = label;
  for (int32_t i = 0; i < PLANE; i++)
    for (int32_t c = 0; c < COLOURS; c++) *image++ = plane[c * PLANE + i];
  return ANET_OK;
}

/* The records of a file go to item *item and those after it. */
static int read_records(const layout *form, const char *path, anet_dataset *data, int32_t *item)
{
  char *bytes;
  size_t count;
  int rc = ANET_OK;
  ANET_TRY(anet__file_read(path, FILE_LIMIT, &bytes, &count));
  const size_t record = record_bytes(form);
  for (size_t at = 0; !rc && at + record <= count && *item < data->count; at += record)
    rc = read_record(form, (const uint8_t *)bytes + at, data, (*item)++);
  anet__free(bytes);
  return rc ? anet__fail_in(rc, "'%s'", path) : ANET_OK;
}

static int list_files(const layout *form, const char *folder, anet__names *out)
{
  for (int32_t i = 1; i <= form->files; i++) {
    char name[32];
    snprintf(name, sizeof name, form->file, i);
    ANET_TRY(anet__names_add_path(out, folder, name));
  }
  return ANET_OK;
}

static int read_files(const layout *form, const anet__names *path, const anet_pool *pool,
                      anet_dataset **out)
{
  int32_t count = 0, item = 0;
  for (int32_t i = 0; i < path->count; i++) ANET_TRY(count_records(form, path->at[i], &count));
  ANET_TRY(anet__dataset_blank(count, SIDE, SIDE, COLOURS, form->classes, out));
  for (int32_t i = 0; i < path->count; i++) {
    ANET_TRY(anet__pool_check(pool));
    ANET_TRY(read_records(form, path->at[i], *out, &item));
  }
  return ANET_OK;
}

static int open_layout(const layout *form, const char *folder, const anet_pool *pool,
                       anet_dataset **out)
{
  anet__names path = {0};
  int rc = list_files(form, folder, &path);
  if (!rc && !anet__file_exists(path.at[0])) rc = ANET_ABSENT;
  if (!rc) rc = read_files(form, &path, pool, out);
  if (!rc) rc = anet__dataset_read_names(*out, folder, form->names);
  anet__names_free(&path);
  return rc;
}

int anet__dataset_open_cifar(const char *folder, const char *part, int32_t size,
                             const anet_pool *pool, anet_dataset **out)
{
  for (int32_t i = 0; i < ANET_COUNT(layouts); i++) {
    if (!part || strcmp(part, layouts[i].part) != 0) continue;
    const int rc = open_layout(&layouts[i], folder, pool, out);
    if (rc != ANET_ABSENT) return rc;
  }
  return ANET_ABSENT;
}
