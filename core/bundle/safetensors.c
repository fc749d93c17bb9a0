/* The bundle's file format: safetensors (8 bytes of header length, a JSON header, tensor data).
 *
 * Three things are added inside the format's own rules, so that any safetensors reader opens it:
 * padding tensors ("__pad.0", …, zero bytes) put every tensor on a 64-byte boundary, the metadata
 * entry "checksums" has the CRC-32 of every tensor, and "checksum" the CRC-32 of the length and
 * the header, taken with its own eight digits as zeros. Every byte of a file is thus covered.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "bundle/bundle.h"
#include "tensor/tensor.h"

#define PAD_PREFIX "__pad."
#define NO_CHECKSUM "00000000"
static const size_t header_most = 100u << 20; /* what other readers of the format accept */

static uint32_t crc_of(uint32_t crc, const void *data, size_t bytes)
{
  return (uint32_t)crc32_z(crc, data, bytes);
}

static const char *dtype_name(anet_type type)
{
  static const char *const names[ANET_TYPE_COUNT] = {"F32", "U8", "I32", "I8"};
  return names[type];
}

static bool dtype_parse(const char *name, anet_type *out)
{
  for (int32_t i = 0; i < ANET_TYPE_COUNT; i++)
    if (strcmp(name, dtype_name((anet_type)i)) == 0) return *out = (anet_type)i, true;
  return false;
}

/* ---- writing ------------------------------------------------------------------------------------
 */

typedef int visit_run(void *context, const void *data, size_t bytes);

/* Calls visit(context, data, bytes) for each contiguous run of the window, in order. */
static int each_run(const anet_tensor *t, visit_run *visit, void *context)
{
  const size_t size = anet__type_bytes(t->type);
  const int32_t rank = t->shape.rank;
  const size_t row = rank ? (size_t)t->shape.dim[rank - 1] : 1;
  size_t rows = row ? 1 : 0;
  for (int32_t i = 0; i + 1 < rank; i++) rows *= (size_t)t->shape.dim[i];
  for (size_t r = 0; r < rows; r++) {
    int64_t at = t->offset;
    size_t rest = r;
    for (int32_t i = rank - 2; i >= 0; i--) {
      at += (int64_t)(rest % (size_t)t->shape.dim[i]) * t->stride[i];
      rest /= (size_t)t->shape.dim[i];
    }
    ANET_TRY(visit(context, (const char *)t->storage->data + (size_t)at * size, row * size));
  }
  return ANET_OK;
}

static int put_run(void *sink, const void *data, size_t bytes)
{
  return anet__sink_put(sink, data, bytes);
}

static int crc_run(void *crc, const void *data, size_t bytes)
{
  *(uint32_t *)crc = crc_of(*(uint32_t *)crc, data, bytes);
  return ANET_OK;
}

static size_t tensor_bytes(const anet_tensor *t)
{
  size_t count = 0;
  bool fits = anet__shape_count(&t->shape, &count);
  ANET_ASSERT(fits);
  (void)fits;
  return count * anet__type_bytes(t->type);
}

static size_t padding_of(size_t bytes)
{
  return (ANET_ALIGN - bytes % ANET_ALIGN) % ANET_ALIGN;
}

static int header_tensor(json_t *header, const char *name, anet_type type, const anet_shape *shape,
                         size_t begin, size_t end)
{
  json_t *dims = json_array();
  for (int32_t i = 0; i < shape->rank; i++)
    dims = anet__json_push(dims, json_integer(shape->dim[i]));
  json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype_name(type), "shape", dims,
                            "data_offsets", (json_int_t)begin, (json_int_t)end);
  if (!entry || json_object_set_new(header, name, entry))
    return anet_fail(ANET_NOMEM, "bundle: no memory for the header entry of '%s'", name);
  return ANET_OK;
}

/* The tensors' entries, padding between them, and the sum of each. */
static int header_tensors(const anet_bundle *bundle, json_t *header, json_t *sums)
{
  size_t offset = 0;
  int32_t pads = 0;
  for (int32_t i = 0; i < bundle->entries; i++) {
    const anet__entry *e = &bundle->entry[i];
    const size_t bytes = tensor_bytes(e->tensor), pad = padding_of(bytes);
    uint32_t crc = 0;
    char text[16], name[32];
    (void)each_run(e->tensor, crc_run, &crc);
    snprintf(text, sizeof text, "%08x", crc);
    if (json_object_set_new(sums, e->name, json_string(text)))
      return anet_fail(ANET_NOMEM, "bundle: no memory for the checksum of '%s'", e->name);
    ANET_TRY(
        header_tensor(header, e->name, e->tensor->type, &e->tensor->shape, offset, offset + bytes));
    offset += bytes;
    if (!pad) continue;
    snprintf(name, sizeof name, PAD_PREFIX "%d", (int)pads++);
    ANET_TRY(header_tensor(header, name, ANET_U8, &(anet_shape){1, {(int32_t)pad}}, offset,
                           offset + pad));
    offset += pad;
  }
  return ANET_OK;
}

/* The bundle's texts, and those of the format. */
static int header_texts(const anet_bundle *bundle, const json_t *sums, json_t *texts)
{
  const char *key;
  json_t *value;
  int bad = 0;
  char *all = anet__json_text(sums);
  json_object_foreach (bundle->text, key, value) {
    bad |= json_object_set(texts, key, value);
  }
  bad |= !all || json_object_set_new(texts, "checksums", json_string(all));
  bad |= json_object_set_new(texts, "format", json_string("anet"));
  bad |= json_object_set_new(texts, "checksum", json_string(NO_CHECKSUM));
  anet__free(all);
  return bad ? anet_fail(ANET_NOMEM, "bundle: no memory for its texts") : ANET_OK;
}

/* The whole header as JSON, with its own checksum still zero. */
static int header_build(const anet_bundle *bundle, json_t **out)
{
  json_t *header = json_object(), *sums = json_object(), *texts = json_object();
  int rc =
      header && sums && texts ? ANET_OK : anet_fail(ANET_NOMEM, "bundle: no memory for its header");
  if (!rc) rc = header_tensors(bundle, header, sums);
  if (!rc) rc = header_texts(bundle, sums, texts);
  if (!rc && json_object_set(header, "__metadata__", texts))
    rc = anet_fail(ANET_NOMEM, "bundle: no memory for its header");
  json_decref(sums);
  json_decref(texts);
  if (rc)
    json_decref(header);
  else
    *out = header;
  return rc;
}

/* The position of the eight digits of the header's own checksum; NULL if it has none. */
static char *checksum_digits(char *header)
{
  static const char key[] = "\"checksum\":\"";
  char *at = strstr(header, key);
  return at && strlen(at) >= sizeof key - 1 + 8 ? at + sizeof key - 1 : NULL;
}

static uint32_t header_crc(uint64_t length, const char *header)
{
  return crc_of(crc_of(0, &length, sizeof length), header, (size_t)length);
}

/* Header text padded with spaces so that the data begins on a boundary, checksum filled in. */
static int header_text(const anet_bundle *bundle, char **out, uint64_t *length)
{
  json_t *header = NULL;
  ANET_TRY(header_build(bundle, &header));
  char *text = anet__json_text(header);
  json_decref(header);
  const size_t bytes = text ? strlen(text) : 0, pad = padding_of(sizeof *length + bytes);
  char *padded = text ? anet__alloc(bytes + pad + 1) : NULL;
  if (padded) {
    memcpy(padded, text, bytes);
    memset(padded + bytes, ' ', pad);
  }
  anet__free(text);
  if (!padded) return anet_fail(ANET_NOMEM, "bundle: no memory for its header");
  *length = bytes + pad;
  char digits[9], *at = checksum_digits(padded);
  ANET_ASSERT(at);
  snprintf(digits, sizeof digits, "%08x", header_crc(*length, padded));
  memcpy(at, digits, 8);
  *out = padded;
  return ANET_OK;
}

typedef struct contents {
  const anet_bundle *bundle;
  const char *header;
  uint64_t length; /* of the header */
} contents;

static int put_contents(anet__sink *sink, void *context)
{
  static const char zeros[ANET_ALIGN];
  const contents *c = context;
  ANET_TRY(anet__sink_put(sink, &c->length, sizeof c->length));
  ANET_TRY(anet__sink_put(sink, c->header, (size_t)c->length));
  for (int32_t i = 0; i < c->bundle->entries; i++) {
    const anet_tensor *tensor = c->bundle->entry[i].tensor;
    ANET_TRY(each_run(tensor, put_run, sink));
    ANET_TRY(anet__sink_put(sink, zeros, padding_of(tensor_bytes(tensor))));
  }
  return ANET_OK;
}

int anet__safetensors_write(const char *path, const anet_bundle *bundle)
{
  char *header = NULL;
  uint64_t length = 0;
  ANET_TRY(header_text(bundle, &header, &length));
  contents c = {bundle, header, length};
  const int rc = anet__file_save(path, put_contents, &c);
  anet__free(header);
  return rc;
}

/* ---- reading ------------------------------------------------------------------------------------
 */

/* A mapped file, shared by its tensors: unmapped when the last is gone. */
typedef struct mapping {
  atomic_int refs;
  char *base;
  size_t bytes;
} mapping;

static void mapping_release(void *owner)
{
  mapping *m = owner;
  if (!m || atomic_fetch_sub(&m->refs, 1) > 1) return;
  if (m->base) munmap(m->base, m->bytes);
  anet__free(m);
}

static int map_file(const char *path, mapping **out)
{
  int file;
  mapping *m = anet__alloc(sizeof *m);
  if (!m) return ANET_NOMEM;
  atomic_store(&m->refs, 1);
  int rc = anet__file_open(path, &file, &m->bytes);
  if (rc) {
    mapping_release(m);
    return rc;
  }
  if (m->bytes < 16) {
    rc = anet_fail(ANET_FORMAT, "%s: %zu bytes are too few for a bundle", path, m->bytes);
  } else {
    /* Private: training writes to its own copies of pages, never to the file. */
    m->base = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (m->base == MAP_FAILED) {
      m->base = NULL;
      rc = anet_fail(ANET_IO, "%s: cannot map %zu bytes: %s", path, m->bytes, strerror(errno));
    }
  }
  close(file);
  if (rc)
    mapping_release(m);
  else
    *out = m;
  return rc;
}

/* The header's text: bounds and its checksum verified. The caller frees it. */
static int read_header(const char *path, const mapping *m, char **out, uint64_t *length)
{
  memcpy(length, m->base, sizeof *length);
  if (*length < 2 || *length > header_most || *length > m->bytes - sizeof *length)
    return anet_fail(ANET_FORMAT,
                     "%s: header of %llu bytes in a file of %zu: cut off, or not a bundle", path,
                     (unsigned long long)*length, m->bytes);
  char *text = anet__alloc((size_t)*length + 1);
  if (!text) return ANET_NOMEM;
  memcpy(text, m->base + sizeof *length, (size_t)*length);
  char *digits = checksum_digits(text), found[9] = "", want[9];
  if (digits) {
    memcpy(found, digits, 8);
    memcpy(digits, NO_CHECKSUM, 8);
  }
  snprintf(want, sizeof want, "%08x", header_crc(*length, text));
  int rc = ANET_OK;
  if (!digits)
    rc = anet_fail(ANET_FORMAT, "%s: its header has no checksum: not written by anet, or damaged",
                   path);
  else if (strcmp(found, want) != 0)
    rc = anet_fail(ANET_CHECKSUM, "%s: the header is damaged: checksum %s, want %s", path, want,
                   found);
  if (rc)
    anet__free(text);
  else
    *out = text;
  return rc;
}

static int read_shape(const char *path, const char *name, const json_t *dims, anet_shape *shape)
{
  const size_t rank = json_array_size(dims);
  if (!json_is_array(dims) || rank > ANET_MAX_RANK)
    return anet_fail(ANET_FORMAT, "%s: tensor '%s' has %zu dimensions, at most %d are read", path,
                     name, rank, ANET_MAX_RANK);
  shape->rank = (int32_t)rank;
  for (size_t i = 0; i < rank; i++) {
    const json_int_t dim = json_integer_value(json_array_get(dims, i));
    if (dim < 0 || dim > INT32_MAX)
      return anet_fail(ANET_FORMAT, "%s: tensor '%s' has a dimension of %lld", path, name,
                       (long long)dim);
    shape->dim[i] = (int32_t)dim;
  }
  return ANET_OK;
}

typedef struct reader {
  const char *path;
  mapping *map;
  size_t data, bytes; /* where tensor data begins in the map, and how much there is */
  json_t *sums;       /* name -> CRC-32 */
} reader;

static int check_sum(const reader *r, const char *name, const char *data, size_t bytes)
{
  char sum[9];
  if (strncmp(name, PAD_PREFIX, strlen(PAD_PREFIX)) == 0) {
    for (size_t i = 0; i < bytes; i++)
      if (data[i]) return anet_fail(ANET_CHECKSUM, "%s: padding '%s' is damaged", r->path, name);
    return ANET_OK;
  }
  const char *want = json_string_value(json_object_get(r->sums, name));
  snprintf(sum, sizeof sum, "%08x", crc_of(0, data, bytes));
  if (!want || strcmp(want, sum) != 0)
    return anet_fail(ANET_CHECKSUM, "%s: tensor '%s' is damaged: checksum %s, want %s", r->path,
                     name, sum, want ? want : "one");
  return ANET_OK;
}

/* One tensor of the header: sizes against the file, checksum, then a tensor over the map. `end` is
 * where the one before ended: the format allows no holes. */
static int read_tensor(const reader *r, const char *name, const json_t *entry, anet_bundle *bundle,
                       size_t *end)
{
  anet_shape shape = {0};
  anet_type type = ANET_F32;
  size_t count = 0, bytes = 0;
  const char *dtype = json_string_value(json_object_get(entry, "dtype"));
  const json_t *offsets = json_object_get(entry, "data_offsets");
  const json_int_t from = json_integer_value(json_array_get(offsets, 0));
  const json_int_t to = json_integer_value(json_array_get(offsets, 1));
  if (!dtype || !dtype_parse(dtype, &type))
    return anet_fail(ANET_FORMAT, "%s: tensor '%s' has type '%s', F32, U8, I32 or I8 are read",
                     r->path, name, dtype ? dtype : "none");
  ANET_TRY(read_shape(r->path, name, json_object_get(entry, "shape"), &shape));
  if (!anet__shape_count(&shape, &count) || !anet__mul(count, anet__type_bytes(type), &bytes) ||
      from < 0 || (size_t)from != *end || to < from || (size_t)(to - from) != bytes ||
      (size_t)to > r->bytes)
    return anet_fail(ANET_FORMAT,
                     "%s: tensor '%s' spans bytes %lld to %lld of %zu, its shape needs %zu at %zu",
                     r->path, name, (long long)from, (long long)to, r->bytes, bytes, *end);
  *end = (size_t)to;
  char *data = r->map->base + r->data + from;
  ANET_TRY(check_sum(r, name, data, bytes));
  if (strncmp(name, PAD_PREFIX, strlen(PAD_PREFIX)) == 0) return ANET_OK;
  /* Kernels count on it, and a file that was written here has it so. */
  if ((r->data + (size_t)from) % ANET_ALIGN != 0)
    return anet_fail(ANET_FORMAT, "%s: tensor '%s' begins at byte %zu, no multiple of %d", r->path,
                     name, r->data + (size_t)from, ANET_ALIGN);
  anet_tensor *tensor = NULL;
  atomic_fetch_add(&r->map->refs, 1);
  int rc = anet__tensor_wrap(type, &shape, data, mapping_release, r->map, &tensor);
  if (rc) {
    mapping_release(r->map);
    return rc;
  }
  rc = anet_bundle_set_tensor(bundle, name, tensor);
  anet_tensor_release(tensor);
  return rc;
}

static int read_metadata(reader *r, json_t *header, anet_bundle *bundle)
{
  json_t *metadata = json_object_get(header, "__metadata__"), *value;
  const char *key, *sums = json_string_value(json_object_get(metadata, "checksums"));
  if (!sums) return anet_fail(ANET_FORMAT, "%s: no checksums in its metadata", r->path);
  ANET_TRY(anet__json_parse(sums, strlen(sums), r->path, &r->sums));
  json_object_foreach (metadata, key, value) {
    if (!json_is_string(value))
      return anet_fail(ANET_FORMAT, "%s: metadata '%s' is not text", r->path, key);
    if (!strcmp(key, "checksums") || !strcmp(key, "checksum") || !strcmp(key, "format")) continue;
    if (json_object_set(bundle->text, key, value))
      return anet_fail(ANET_NOMEM, "%s: no memory for metadata '%s'", r->path, key);
  }
  return ANET_OK;
}

static int read_tensors(const reader *r, json_t *header, anet_bundle *bundle)
{
  const char *name;
  json_t *entry;
  size_t end = 0;
  json_object_foreach (header, name, entry) {
    if (strcmp(name, "__metadata__") == 0) continue;
    ANET_TRY(read_tensor(r, name, entry, bundle, &end));
  }
  if (end != r->bytes)
    return anet_fail(ANET_FORMAT, "%s: its tensors end at byte %zu of %zu", r->path, end, r->bytes);
  return ANET_OK;
}

int anet__safetensors_read(const char *path, anet_bundle *bundle)
{
  reader r = {.path = path};
  char *text = NULL;
  json_t *header = NULL;
  uint64_t length = 0;
  int rc;
  if ((rc = map_file(path, &r.map))) return rc;
  if ((rc = read_header(path, r.map, &text, &length))) goto done;
  r.data = sizeof length + (size_t)length;
  r.bytes = r.map->bytes - r.data;
  if ((rc = anet__json_parse(text, (size_t)length, path, &header))) goto done;
  if ((rc = read_metadata(&r, header, bundle))) goto done;
  rc = read_tensors(&r, header, bundle);
done:
  json_decref(header);
  json_decref(r.sums);
  anet__free(text);
  mapping_release(r.map);
  return rc;
}
