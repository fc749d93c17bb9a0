/* IDX files (the form of MNIST), plain or gzipped: a magic number with the type and the rank, the
 * dimensions, the bytes; numbers are big endian. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/pool.h"
#include "data/dataset.h"

enum {
  MAGIC_IMAGES = 0x803, /* bytes, three dimensions */
  MAGIC_LABELS = 0x801, /* bytes, one */
  MOST_SIDE = 1 << 14,
  MOST_RATIO = 1032 /* deflate cannot make more bytes of one */
};

typedef struct idx_file {
  const char *path;
  gzFile stream; /* reads plain files too */
  size_t limit;  /* bytes that the file may hold */
  const anet_pool *pool;
} idx_file;

static int fail_read(const idx_file *file)
{
  int code;
  const char *text = gzerror(file->stream, &code);
  return anet_fail(ANET_IO, "cannot read '%s': %s", file->path,
                   code == Z_ERRNO ? strerror(errno) : text);
}

static int read_bytes(const idx_file *file, void *to, size_t bytes)
{
  enum { PIECE = 1 << 22 };
  for (size_t done = 0; done < bytes;) {
    const unsigned wanted = (unsigned)ANET_MIN(bytes - done, (size_t)PIECE);
    ANET_TRY(anet__pool_check(file->pool));
    const int got = gzread(file->stream, (char *)to + done, wanted);
    if (got < 0) return fail_read(file);
    if (got == 0)
      return anet_fail(ANET_FORMAT, "'%s' ends after %zu of %zu bytes", file->path, done, bytes);
    done += (size_t)got;
  }
  return ANET_OK;
}

/* The magic number, then `count` numbers. */
static int read_header(const idx_file *file, uint32_t magic, uint32_t *number, int32_t count)
{
  uint8_t bytes[16];
  ANET_TRY(read_bytes(file, bytes, 4 + 4 * (size_t)count));
  uint32_t word[4];
  for (int32_t i = 0; i <= count; i++) {
    const uint8_t *b = bytes + 4 * i;
    word[i] = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
  }
  if (word[0] != magic)
    return anet_fail(ANET_FORMAT, "'%s' starts with 0x%08x, an IDX file of %s with 0x%08x",
                     file->path, word[0], count == 1 ? "labels" : "images", magic);
  memcpy(number, word + 1, (size_t)count * sizeof *number);
  return ANET_OK;
}

/* A stream that is cut off within its checksum gives all bytes, and says so only now. */
static int check_end(const idx_file *file)
{
  char byte;
  int code;
  const int got = gzread(file->stream, &byte, 1);
  (void)gzerror(file->stream, &code);
  if (got < 0 || code == Z_BUF_ERROR) return fail_read(file);
  if (got > 0)
    return anet_fail(ANET_FORMAT, "'%s' has more bytes than its header says", file->path);
  return ANET_OK;
}

static int open_file(const char *path, const anet_pool *pool, idx_file *out)
{
  size_t bytes;
  *out = (idx_file){.path = path, .pool = pool};
  ANET_TRY(anet__file_size(path, &bytes));
  out->stream = gzopen(path, "rb");
  if (!out->stream)
    return anet_fail(errno ? ANET_IO : ANET_NOMEM, "cannot open '%s': %s", path, strerror(errno));
  if (!anet__mul(bytes, MOST_RATIO, &out->limit)) out->limit = SIZE_MAX;
  return ANET_OK;
}

/* ---- images and labels -------------------------------------------------------------------- */

/* A header cannot make us reserve more than the file could hold. */
static int check_images(const idx_file *file, const uint32_t dim[3])
{
  if (dim[0] > INT32_MAX || dim[1] < 1 || dim[1] > MOST_SIDE || dim[2] < 1 || dim[2] > MOST_SIDE)
    return anet_fail(ANET_FORMAT, "'%s' has %u images of %u x %u, want sides 1 .. %d", file->path,
                     dim[0], dim[1], dim[2], MOST_SIDE);
  const size_t bytes = (size_t)dim[0] * dim[1] * dim[2];
  if (bytes > file->limit)
    return anet_fail(ANET_FORMAT, "'%s' says it has %u images of %u x %u, but is too short",
                     file->path, dim[0], dim[1], dim[2]);
  return ANET_OK;
}

static int read_images(const idx_file *file, anet_dataset **out)
{
  uint32_t dim[3] = {0};
  ANET_TRY(read_header(file, MAGIC_IMAGES, dim, 3));
  ANET_TRY(check_images(file, dim));
  ANET_TRY(anet__dataset_blank((int32_t)dim[0], (int32_t)dim[1], (int32_t)dim[2], 1, 0, out));
  ANET_TRY(read_bytes(file, anet__dataset_image(*out, 0), (size_t)dim[0] * dim[1] * dim[2]));
  return check_end(file);
}

/* Labels come as bytes at the end of the array of numbers, which are then widened in place. */
static int read_labels(const idx_file *file, anet_dataset *data)
{
  uint32_t count = 0;
  ANET_TRY(read_header(file, MAGIC_LABELS, &count, 1));
  if (count != (uint32_t)data->count)
    return anet_fail(ANET_FORMAT, "'%s' has %u labels for %d images", file->path, count,
                     data->count);
  if (count == 0) return check_end(file);
  int32_t *label = anet__dataset_label(data, 0);
  uint8_t *byte = (uint8_t *)(label + count) - count;
  ANET_TRY(read_bytes(file, byte, count));
  for (uint32_t i = 0; i < count; i++) label[i] = byte[i];
  return check_end(file);
}

static int read_pair(const char *images, const char *labels, const anet_pool *pool,
                     anet_dataset **out)
{
  idx_file file;
  ANET_TRY(open_file(images, pool, &file));
  int rc = read_images(&file, out);
  gzclose(file.stream);
  if (rc) return rc;
  ANET_TRY(open_file(labels, pool, &file));
  rc = read_labels(&file, *out);
  gzclose(file.stream);
  return rc;
}

/* ---- names -------------------------------------------------------------------------------- */

static const char IMAGES[] = "images-idx3", LABELS[] = "labels-idx1";

int anet__dataset_open_idx_file(const char *path, const anet_pool *pool, anet_dataset **out)
{
  _Static_assert(sizeof IMAGES == sizeof LABELS, "one can be written over the other");
  const char *slash = strrchr(path, '/'), *found = strstr(slash ? slash : path, IMAGES);
  if (!found)
    return anet_fail(ANET_FORMAT, "'%s': a file of a data set is named …%s-ubyte[.gz]", path,
                     IMAGES);
  char *labels = anet__strdup(path);
  if (!labels) return ANET_NOMEM;
  memcpy(labels + (found - path), LABELS, sizeof LABELS - 1);
  const int rc = read_pair(path, labels, pool, out);
  anet__free(labels);
  return rc;
}

/* ANET_ABSENT if the folder has no such file. */
static int open_named(const char *folder, const char *prefix, const char *suffix,
                      const anet_pool *pool, anet_dataset **out)
{
  char name[64];
  snprintf(name, sizeof name, "%s-%s-ubyte%s", prefix, IMAGES, suffix);
  char *path = anet__path_join(folder, name);
  if (!path) return ANET_NOMEM;
  const int rc =
      anet__file_exists(path) ? anet__dataset_open_idx_file(path, pool, out) : ANET_ABSENT;
  anet__free(path);
  return rc;
}

int anet__dataset_open_idx(const char *folder, const char *part, int32_t size,
                           const anet_pool *pool, anet_dataset **out)
{
  static const char *const suffix[] = {"", ".gz"};
  if (!part || strlen(part) > 16) return ANET_ABSENT;
  const char *prefix[] = {part, strcmp(part, "test") == 0 ? "t10k" : part};
  for (int32_t i = 0; i < 4; i++) {
    const int rc = open_named(folder, prefix[i / 2], suffix[i % 2], pool, out);
    if (rc == ANET_ABSENT) continue;
    return rc ? rc : anet__dataset_read_names(*out, folder, "classes.txt");
  }
  return ANET_ABSENT;
}
