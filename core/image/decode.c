#include <limits.h>

#include "anet.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "image/guard.h"
#include "image/limits.h"
#include "image/stb.h"
#include "tensor/tensor.h"

static int check_size(int32_t height, int32_t width)
{
  if (height < 1 || width < 1 || height > ANET_IMAGE_SIDE || width > ANET_IMAGE_SIDE ||
      (int64_t)height * width > ANET_IMAGE_PIXELS)
    return anet_fail(ANET_RANGE, "image: %d x %d pixels, want sides 1 .. %d, at most %d in all",
                     height, width, ANET_IMAGE_SIDE, ANET_IMAGE_PIXELS);
  return ANET_OK;
}

/* stb_image does not say why it failed, but if memory ran out the allocator has left a message,
 * which is empty otherwise. */
static int fail_decode(void)
{
  if (*anet_error()) return ANET_NOMEM;
  return anet_fail(ANET_FORMAT, "image: not a PNG, JPEG, BMP, TGA, PNM or GIF, or a damaged one");
}

static void clear_message(void)
{
  (void)anet_fail(ANET_OK, "%s", "");
}

/* stb_image takes the two bytes of a PNM's values for one where it changes the channels, reads past
 * them then, and has them in the wrong order elsewhere. */
static int check_deep(const uint8_t *bytes, int count)
{
  if (bytes[0] == 'P' && stbi_is_16_bit_from_memory(bytes, count))
    return anet_fail(ANET_UNSUPPORTED, "image: a PNM of 16 bits a value, 8 are supported");
  return ANET_OK;
}

int anet_image_decode(const void *bytes, double count, int32_t channels, anet_tensor **out)
{
  int width, height, found;
  *out = NULL;
  if (channels != 1 && channels != 3)
    return anet_fail(ANET_RANGE, "image: %d channels, want 1 or 3", channels);
  if (!(count >= 0 && count <= INT_MAX))
    return anet_fail(ANET_RANGE, "image: %.0f bytes, want 0 .. %d", count, INT_MAX);
  ANET_TRY(anet__guard_parts(bytes, (size_t)count));
  clear_message();
  const int known = stbi_info_from_memory(bytes, (int)count, &width, &height, &found);
  if (!known || *anet_error()) return fail_decode();
  ANET_TRY(check_deep(bytes, (int)count));
  ANET_TRY(check_size(height, width));
  ANET_TRY(anet__guard_pixels(bytes, (size_t)count, (int64_t)height * width));
  uint8_t *pixels = stbi_load_from_memory(bytes, (int)count, &width, &height, &found, channels);
  if (!pixels) return fail_decode();
  const anet_shape shape = {3, {height, width, channels}};
  const int rc = anet__tensor_wrap(ANET_U8, &shape, pixels, anet__free, pixels, out);
  if (rc) anet__free(pixels);
  return rc;
}

int anet_image_load(const char *path, int32_t channels, anet_tensor **out)
{
  char *bytes;
  size_t count;
  *out = NULL;
  ANET_TRY(anet__file_read(path, ANET_IMAGE_FILE, &bytes, &count));
  const int rc = anet_image_decode(bytes, (double)count, channels, out);
  anet__free(bytes);
  return rc ? anet__fail_in(rc, "'%s'", path) : ANET_OK;
}
