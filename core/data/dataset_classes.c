/* A folder of folders of images, one a class, which gives the class its name. One that has no
 * folder "train" or "test" has no parts: every part is all. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "tensor/tensor.h"

enum { COLOURS = 3 };

/* What was found: files[i] is of class label[i]. */
typedef struct found {
  anet__names classes, files;
  int32_t *label; /* (capacity, of which files.count are used), owned */
  int32_t capacity;
} found;

/* ---- finding ------------------------------------------------------------------------------ */

static bool is_folder(const char *path)
{
  struct stat info;
  return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool anet__dataset_is_image(const char *name)
{
  static const char *const suffix[] = {".png", ".jpg", ".jpeg", ".bmp", ".tga",
                                       ".ppm", ".pgm", ".pnm",  ".gif"};
  for (int32_t i = 0; i < ANET_COUNT(suffix); i++)
    if (anet__name_ends(name, suffix[i])) return true;
  return false;
}

static int add_file(found *f, const char *folder, const char *name)
{
  const int32_t count = f->files.count;
  ANET_TRY(anet__grow((void **)&f->label, &f->capacity, count, sizeof *f->label));
  ANET_TRY(anet__names_add_path(&f->files, folder, name));
  f->label[count] = f->classes.count - 1;
  return ANET_OK;
}

static int add_class(found *f, const char *folder, const char *name)
{
  anet__names inside = {0};
  ANET_TRY(anet__names_add(&f->classes, name));
  int rc = anet__names_list(folder, &inside);
  for (int32_t i = 0; !rc && i < inside.count; i++)
    if (anet__dataset_is_image(inside.at[i])) rc = add_file(f, folder, inside.at[i]);
  anet__names_free(&inside);
  return rc;
}

static int find_files(const char *root, found *f)
{
  anet__names inside = {0};
  int rc = anet__names_list(root, &inside);
  for (int32_t i = 0; !rc && i < inside.count; i++) {
    char *path = anet__path_join(root, inside.at[i]);
    if (!path) rc = ANET_NOMEM;
    if (!rc && is_folder(path)) rc = add_class(f, path, inside.at[i]);
    anet__free(path);
  }
  anet__names_free(&inside);
  return rc;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Scales the image so that its shorter side is `size`. */
static int scale_image(anet_tensor **image, int32_t size)
{
  const int32_t height = (*image)->shape.dim[0], width = (*image)->shape.dim[1];
  const int32_t shorter = ANET_MIN(height, width);
  const int64_t to_height = ((int64_t)height * size + shorter / 2) / shorter;
  const int64_t to_width = ((int64_t)width * size + shorter / 2) / shorter;
  anet_tensor *scaled;
  ANET_TRY(anet_image_resize(*image, (int32_t)ANET_MIN(to_height, INT32_MAX),
                             (int32_t)ANET_MIN(to_width, INT32_MAX), &scaled));
  anet_tensor_release(*image);
  *image = scaled;
  return ANET_OK;
}

/* The middle of the image, as large as the set's. */
static void copy_middle(const anet_tensor *image, anet_dataset *data, int32_t item)
{
  const int32_t *have = image->shape.dim, *want = data->images->shape.dim + 1;
  const size_t row = (size_t)want[1] * COLOURS;
  const int64_t top = (have[0] - want[0]) / 2, left = (have[1] - want[1]) / 2;
  const uint8_t *from =
      (const uint8_t *)image->storage->data + top * image->stride[0] + left * COLOURS;
  uint8_t *to = anet__dataset_image(data, item);
  for (int32_t y = 0; y < want[0]; y++, from += image->stride[0], to += row) memcpy(to, from, row);
}

/* The first image makes the set, for `total`. */
static int add_image(const anet_tensor *image, int32_t size, int32_t total, int32_t item,
                     anet_dataset **out)
{
  const int32_t *dim = image->shape.dim;
  if (!*out)
    ANET_TRY(
        anet__dataset_blank(total, size ? size : dim[0], size ? size : dim[1], COLOURS, 0, out));
  const int32_t *want = (*out)->images->shape.dim + 1;
  if (!size && (dim[0] != want[0] || dim[1] != want[1]))
    return anet_fail(ANET_SHAPE, "%d x %d pixels, the first image has %d x %d: give a size", dim[0],
                     dim[1], want[0], want[1]);
  copy_middle(image, *out, item);
  return ANET_OK;
}

static int read_image(const anet__names *files, int32_t item, int32_t size, anet_dataset **out)
{
  anet_tensor *image;
  ANET_TRY(anet_image_load(files->at[item], COLOURS, &image));
  int rc = size ? scale_image(&image, size) : ANET_OK;
  if (!rc) rc = add_image(image, size, files->count, item, out);
  anet_tensor_release(image);
  return rc ? anet__fail_in(rc, "'%s'", files->at[item]) : ANET_OK;
}

int anet__dataset_read_images(const anet__names *files, const int32_t *label, int32_t size,
                              const anet_pool *pool, anet_dataset **out)
{
  if (files->count == 0) return ANET_ABSENT;
  for (int32_t i = 0; i < files->count; i++) {
    ANET_TRY(anet__pool_check(pool));
    ANET_TRY(read_image(files, i, size, out));
    *anet__dataset_label(*out, i) = label[i];
  }
  return ANET_OK;
}

static int read_found(found *f, int32_t size, const anet_pool *pool, anet_dataset **out)
{
  ANET_TRY(anet__dataset_read_images(&f->files, f->label, size, pool, out));
  (*out)->named->names = f->classes; /* which it owns from here */
  f->classes = (anet__names){0};
  return ANET_OK;
}

static int has_folder(const char *folder, const char *name, bool *out)
{
  char *path = anet__path_join(folder, name);
  if (!path) return ANET_NOMEM;
  *out |= is_folder(path);
  anet__free(path);
  return ANET_OK;
}

/* The folder that holds the classes of a part; the caller frees. */
static int find_root(const char *folder, const char *part, char **root)
{
  bool parts = false;
  *root = NULL;
  if (part) ANET_TRY(has_folder(folder, part, &parts));
  if (part && !parts) ANET_TRY(has_folder(folder, "train", &parts));
  if (part && !parts) ANET_TRY(has_folder(folder, "test", &parts));
  *root = parts ? anet__path_join(folder, part) : anet__strdup(folder);
  return *root ? ANET_OK : ANET_NOMEM;
}

int anet__dataset_open_classes(const char *folder, const char *part, int32_t size,
                               const anet_pool *pool, anet_dataset **out)
{
  found f = {0};
  char *root;
  ANET_TRY(find_root(folder, part, &root));
  int rc = is_folder(root) ? find_files(root, &f) : ANET_ABSENT;
  if (!rc) rc = read_found(&f, size, pool, out);
  anet__names_free(&f.classes);
  anet__names_free(&f.files);
  anet__free(f.label);
  anet__free(root);
  return rc;
}
