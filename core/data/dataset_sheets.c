/* Sheets: PNG images of square tiles, fifty a row, row by row, the last row not always full. Beside
 * "train_00.png" lies "train_00.labels", one byte a tile, and classes.txt names the classes. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/pool.h"
#include "data/dataset.h"
#include "image/guard.h"
#include "tensor/tensor.h"

enum { SHEET_COLUMNS = 50, COLOURS = 3, LABELS_LIMIT = 1 << 24 };

static const char LABELS[] = ".labels";

/* What a folder has. */
typedef struct sheets {
  anet__names path; /* of the files of labels */
  int64_t labels;   /* in all of them */
  int64_t pixels;   /* the most that their images can have, by the bytes of their files */
} sheets;

/* The side of the tiles of a sheet that holds `count`. */
static int find_side(const anet_tensor *sheet, size_t count, int32_t *side)
{
  const int32_t height = sheet->shape.dim[0], width = sheet->shape.dim[1];
  *side = width / SHEET_COLUMNS;
  if (*side == 0 || width % SHEET_COLUMNS != 0 || height % *side != 0)
    return anet_fail(ANET_FORMAT, "a sheet of %d x %d pixels is not rows of %d square tiles",
                     height, width, SHEET_COLUMNS);
  const size_t tiles = (size_t)(height / *side) * SHEET_COLUMNS;
  if (count > tiles || count + SHEET_COLUMNS <= tiles)
    return anet_fail(ANET_FORMAT, "a sheet of %zu tiles has %zu labels", tiles, count);
  return ANET_OK;
}

static void copy_tile(const anet_tensor *sheet, int32_t tile, int32_t side, uint8_t *to)
{
  const size_t row = (size_t)side * COLOURS;
  const uint8_t *from = (const uint8_t *)sheet->storage->data +
                        (tile / SHEET_COLUMNS) * side * sheet->stride[0] +
                        (tile % SHEET_COLUMNS) * (int64_t)row;
  for (int32_t y = 0; y < side; y++, from += sheet->stride[0], to += row) memcpy(to, from, row);
}

/* The first sheet makes the set, for all. Labels cannot make us reserve more than images can hold.
 */
static int make_set(const sheets *all, int32_t side, anet_dataset **out)
{
  const int64_t most = all->pixels / ((int64_t)side * side);
  if (all->labels > most)
    return anet_fail(ANET_FORMAT, "%lld labels for tiles of side %d, the sheets have %lld at most",
                     (long long)all->labels, side, (long long)most);
  return anet__dataset_blank((int32_t)all->labels, side, side, COLOURS, 0, out);
}

/* The tiles of one sheet go to item *item and those after it. */
static int add_tiles(const sheets *all, const anet_tensor *sheet, const char *labels, size_t count,
                     int32_t *item, anet_dataset **out)
{
  int32_t side;
  ANET_TRY(find_side(sheet, count, &side));
  if (!*out) ANET_TRY(make_set(all, side, out));
  anet_dataset *data = *out;
  if (side != data->images->shape.dim[1])
    return anet_fail(ANET_FORMAT, "a sheet of tiles of side %d, want %d as in the first", side,
                     data->images->shape.dim[1]);
  if (count > (size_t)(data->count - *item))
    return anet_fail(ANET_FORMAT, "the labels changed while they were read");
  for (size_t i = 0; i < count; i++, (*item)++) {
    copy_tile(sheet, (int32_t)i, side, anet__dataset_image(data, *item));
    *anet__dataset_label(data, *item) = (uint8_t)labels[i];
  }
  return ANET_OK;
}

/* The path of the sheet that the file of labels at `path` belongs to; the caller frees it. */
static char *image_path(const char *path)
{
  char *image = anet__strdup(path);
  if (image) memcpy(image + strlen(image) - strlen(LABELS), ".png", sizeof ".png");
  return image;
}

static int read_sheet(const sheets *all, const char *path, int32_t *item, anet_dataset **out)
{
  anet_tensor *sheet = NULL;
  char *labels = NULL;
  size_t count;
  char *image = image_path(path);
  if (!image) return ANET_NOMEM;
  int rc = anet_image_load(image, COLOURS, &sheet);
  if (!rc) rc = anet__file_read(path, LABELS_LIMIT, &labels, &count);
  if (!rc && (rc = add_tiles(all, sheet, labels, count, item, out)))
    anet__fail_in(rc, "'%s'", image);
  anet__free(labels);
  anet_tensor_release(sheet);
  anet__free(image);
  return rc;
}

/* One more file of labels, and its sheet. */
static int add_sheet(sheets *all, const char *folder, const char *name)
{
  size_t labels = 0, bytes = 0;
  ANET_TRY(anet__names_add_path(&all->path, folder, name));
  const char *path = all->path.at[all->path.count - 1];
  ANET_TRY(anet__file_size(path, &labels));
  char *image = image_path(path);
  if (!image) return ANET_NOMEM;
  /* One that is not there is missed when its turn comes. */
  const int rc = anet__file_exists(image) ? anet__file_size(image, &bytes) : ANET_OK;
  anet__free(image);
  all->labels += (int64_t)labels;
  all->pixels += anet__guard_most(bytes);
  return rc;
}

static int list_sheets(const char *folder, const char *part, sheets *out)
{
  anet__names all = {0};
  const size_t length = strlen(part);
  int rc = anet__names_list(folder, &all);
  for (int32_t i = 0; !rc && i < all.count; i++) {
    const char *name = all.at[i];
    if (strncmp(name, part, length) == 0 && name[length] == '_' && anet__name_ends(name, LABELS))
      rc = add_sheet(out, folder, name);
  }
  anet__names_free(&all);
  return rc;
}

int anet__dataset_open_sheets(const char *folder, const char *part, int32_t size,
                              const anet_pool *pool, anet_dataset **out)
{
  sheets all = {0};
  int32_t item = 0;
  if (!part) return ANET_ABSENT;
  int rc = list_sheets(folder, part, &all);
  if (!rc && all.path.count == 0) rc = ANET_ABSENT;
  if (!rc && all.labels > INT32_MAX)
    rc = anet_fail(ANET_RANGE, "'%s' has %lld labels, want at most %d", folder,
                   (long long)all.labels, INT32_MAX);
  for (int32_t i = 0; !rc && i < all.path.count; i++) {
    rc = anet__pool_check(pool);
    if (!rc) rc = read_sheet(&all, all.path.at[i], &item, out);
  }
  if (!rc) rc = anet__dataset_read_names(*out, folder, "classes.txt");
  anet__names_free(&all.path);
  return rc;
}
