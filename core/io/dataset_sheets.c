/* Sheets: PNG images of square tiles, fifty a row, row by row, the last row not always full. Beside
 * "train_00.png" lies "train_00.labels", one byte a tile, and classes.txt names the classes. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "io/dataset.h"
#include "tensor/tensor.h"

enum { SHEET_COLUMNS = 50, COLOURS = 3, LABELS_LIMIT = 1 << 24 };

static const char LABELS[] = ".labels";

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

/* The tiles of one sheet go to item *item and those after it. The first sheet makes the set, for
 * `total` tiles. */
static int add_tiles(const anet_tensor *sheet, const char *labels, size_t count, int32_t total,
                     int32_t *item, anet_dataset **out)
{
  int32_t side;
  ANET_TRY(find_side(sheet, count, &side));
  if (!*out) ANET_TRY(anet__dataset_blank(total, side, side, COLOURS, 0, out));
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

/* path: of the labels. */
static int read_sheet(const char *path, int32_t total, int32_t *item, anet_dataset **out)
{
  anet_tensor *sheet = NULL;
  char *labels = NULL;
  size_t count;
  char *image = anet__strdup(path);
  if (!image) return ANET_NOMEM;
  memcpy(image + strlen(image) - strlen(LABELS), ".png", sizeof ".png");
  int rc = anet_image_load(image, COLOURS, &sheet);
  if (!rc) rc = anet__file_read(path, LABELS_LIMIT, &labels, &count);
  if (!rc && (rc = add_tiles(sheet, labels, count, total, item, out)))
    anet__fail_in(rc, "'%s'", image);
  anet__free(labels);
  anet_tensor_release(sheet);
  anet__free(image);
  return rc;
}

/* The paths of the files of labels, and how many labels they hold. */
static int list_labels(const char *folder, const char *part, anet__names *path, int64_t *total)
{
  anet__names all = {0};
  const size_t length = strlen(part);
  int rc = anet__names_list(folder, &all);
  for (int32_t i = 0; !rc && i < all.count; i++) {
    const char *name = all.at[i];
    if (strncmp(name, part, length) != 0 || name[length] != '_') continue;
    if (!anet__name_ends(name, LABELS)) continue;
    size_t bytes = 0;
    rc = anet__names_add_path(path, folder, name);
    if (!rc) rc = anet__file_size(path->at[path->count - 1], &bytes);
    *total += (int64_t)bytes;
  }
  anet__names_free(&all);
  return rc;
}

int anet__dataset_open_sheets(const char *folder, const char *part, int32_t size,
                              anet_dataset **out)
{
  anet__names path = {0};
  int64_t total = 0;
  int32_t item = 0;
  if (!part) return ANET_ABSENT;
  int rc = list_labels(folder, part, &path, &total);
  if (!rc && path.count == 0) rc = ANET_ABSENT;
  if (!rc && total > INT32_MAX)
    rc = anet_fail(ANET_RANGE, "'%s' has %lld labels, want at most %d", folder, (long long)total,
                   INT32_MAX);
  for (int32_t i = 0; !rc && i < path.count; i++)
    rc = read_sheet(path.at[i], (int32_t)total, &item, out);
  if (!rc) rc = anet__dataset_read_names(*out, folder, "classes.txt");
  anet__names_free(&path);
  return rc;
}
