#include <limits.h>
#include <png.h>

#include "anet.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "image/limits.h"
#include "tensor/tensor.h"

static int check_image(const anet_tensor *image)
{
  char text[ANET_SHAPE_TEXT];
  const int32_t *dim = image->shape.dim;
  if (image->type != ANET_U8 || image->shape.rank != 3 ||
      (dim[2] != 1 && dim[2] != 3 && dim[2] != 4))
    return anet_fail(ANET_SHAPE, "image: %s %s, want u8 (height, width, 1 | 3 | 4)",
                     anet__type_name(image->type), anet__shape_text(&image->shape, text));
  if (dim[0] < 1 || dim[1] < 1 || dim[0] > ANET_IMAGE_SIDE || dim[1] > ANET_IMAGE_SIDE)
    return anet_fail(ANET_RANGE, "image: %d x %d pixels, want sides 1 .. %d", dim[0], dim[1],
                     ANET_IMAGE_SIDE);
  return ANET_OK;
}

/* image: dense. *out (freed with anet__free) = the bytes of a PNG file. */
static int encode(const anet_tensor *image, void **out, size_t *bytes)
{
  const int32_t *dim = image->shape.dim;
  png_image png = {.version = PNG_IMAGE_VERSION};
  png.height = (png_uint_32)dim[0];
  png.width = (png_uint_32)dim[1];
  png.format = dim[2] == 1 ? PNG_FORMAT_GRAY : dim[2] == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(png);
  void *memory = anet__alloc(room);
  if (!memory) return ANET_NOMEM;
  const uint8_t *pixels = (const uint8_t *)image->storage->data + image->offset;
  if (!png_image_write_to_memory(&png, memory, &room, 0, pixels, dim[1] * dim[2], NULL)) {
    anet__free(memory);
    return anet_fail(ANET_FORMAT, "image: %s", png.message);
  }
  *out = memory;
  *bytes = room;
  return ANET_OK;
}

static int save_dense(const anet_tensor *image, const char *path)
{
  void *bytes = NULL;
  size_t count = 0;
  ANET_TRY(encode(image, &bytes, &count));
  const int rc = anet__file_write(path, bytes, count);
  anet__free(bytes);
  return rc;
}

int anet_image_save(const anet_tensor *image, const char *path)
{
  ANET_TRY(check_image(image));
  if (anet_tensor_dense(image)) return save_dense(image, path);
  anet_tensor *copy;
  ANET_TRY(anet_tensor_new(ANET_U8, &image->shape, &copy));
  int rc = anet_tensor_copy(copy, image);
  if (!rc) rc = save_dense(copy, path);
  anet_tensor_release(copy);
  return rc;
}
