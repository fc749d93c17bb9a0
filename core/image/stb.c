/* The body of stb_image, on the engine's allocator. */
#include <string.h>

#include "base/alloc.h"
#include "image/limits.h"

static void *grow_block(void *old, size_t old_bytes, size_t bytes)
{
  void *block = anet__alloc(bytes);
  if (!block) return NULL;
  if (old) memcpy(block, old, ANET_MIN(old_bytes, bytes));
  anet__free(old);
  return block;
}

#define STBI_MALLOC anet__alloc
#define STBI_REALLOC_SIZED grow_block
#define STBI_FREE anet__free
#define STBI_ASSERT ANET_ASSERT
#define STBI_MAX_DIMENSIONS ANET_IMAGE_SIDE
#define STB_IMAGE_IMPLEMENTATION
#include "image/stb.h"
