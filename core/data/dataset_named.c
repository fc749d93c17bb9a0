/* A folder of images whose names begin with the number of their class, "0042_anything.jpg", counted
 * from 0; names of classes are the lines of labels.txt beside them. It has no parts: every part is
 * all. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "data/dataset.h"

enum { MOST_CLASS = 1 << 20 };

/* The number before the first '_'; -1: there is none. */
static int32_t class_of(const char *name)
{
  char *end;
  if (name[0] < '0' || name[0] > '9') return -1;
  const long number = strtol(name, &end, 10);
  return *end == '_' && number < MOST_CLASS ? (int32_t)number : -1;
}

static int list_images(const char *folder, anet__names *files, int32_t **label)
{
  anet__names all = {0};
  void *labels = NULL;
  int32_t capacity = 0;
  int rc = anet__names_list(folder, &all);
  for (int32_t i = 0; !rc && i < all.count; i++) {
    const int32_t number = class_of(all.at[i]), at = files->count;
    if (number < 0 || !anet__dataset_is_image(all.at[i])) continue;
    rc = anet__grow(&labels, &capacity, at, sizeof **label);
    if (!rc) rc = anet__names_add_path(files, folder, all.at[i]);
    if (!rc) ((int32_t *)labels)[at] = number;
  }
  *label = labels;
  anet__names_free(&all);
  return rc;
}

int anet__dataset_open_named(const char *folder, const char *part, int32_t size,
                             const anet_pool *pool, anet_dataset **out)
{
  anet__names files = {0};
  int32_t *label = NULL;
  int rc = list_images(folder, &files, &label);
  if (!rc) rc = anet__dataset_read_images(&files, label, size, pool, out);
  if (!rc) rc = anet__dataset_read_names(*out, folder, "labels.txt");
  anet__free(label);
  anet__names_free(&files);
  return rc;
}
