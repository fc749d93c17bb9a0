/* The body of stb_image, on the engine's allocator. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "image/limits.h"

/* A few bytes of a PNG can say that they unpack to gigabytes: no block is larger than what the
 * largest image takes, of four channels of two bytes and a byte a row. */
static const size_t BLOCK_LIMIT = (size_t)8 * ANET_IMAGE_PIXELS + ANET_IMAGE_SIDE;

static void *new_block(size_t bytes)
{
  if (bytes <= BLOCK_LIMIT) return anet__alloc(bytes);
  anet_fail(ANET_NOMEM, "image: it takes %zu bytes, want at most %zu", bytes, BLOCK_LIMIT);
  return NULL;
}

static void *grow_block(void *old, size_t old_bytes, size_t bytes)
{
  void *block = new_block(bytes);
  if (!block) return NULL;
  if (old) memcpy(block, old, ANET_MIN(old_bytes, bytes));
  anet__free(old);
  return block;
}

/* A PNG whose first IDAT is empty makes stb_image copy nothing to NULL, which memcpy must not be asked for. */
static void *copy(void *to, const void *from, size_t bytes)
{
  return bytes ? memcpy(to, from, bytes) : to;
}

#define memcpy copy
#define STBI_MALLOC new_block
#define STBI_REALLOC_SIZED grow_block
#define STBI_FREE anet__free
#define STBI_ASSERT ANET_ASSERT
#define STBI_MAX_DIMENSIONS ANET_IMAGE_SIDE
#define STB_IMAGE_IMPLEMENTATION
#include "image/stb.h"
