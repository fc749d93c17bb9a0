/* An ONNX model in a neutral form: what the importer reads and the exporter writes. Only
 * onnx_read.c, onnx_write.c and what leaves a part out (onnx_partial.c, onnx_tail.c) know the
 * messages of protobuf. */
#ifndef ANET_ONNX_H
#define ANET_ONNX_H

#include "anet.h"
#include "base/compiler.h"

enum { ANET_ONNX_RANK = 8 }; /* most dimensions of an array */

/* Memory that lives as long as the model, freed all at once. `left` bounds what may be asked for,
 * so that a small file cannot ask for much. */
typedef struct anet__onnx_pool {
  void **at; /* (count), owned */
  int32_t count, capacity;
  size_t left; /* bytes */
  int rc;      /* of the last call that failed */
} anet__onnx_pool;
/* What the model takes elsewhere counts as well: numbers that the file does not hold. */
int anet__onnx_spend(anet__onnx_pool *pool, size_t count, size_t size);
void *anet__onnx_take(anet__onnx_pool *pool, size_t count,
                      size_t size); /* zeroed; NULL: pool->rc says why */
char *anet__onnx_text(anet__onnx_pool *pool, const char *format, ...) ANET_PRINTF(2, 3);
void anet__onnx_pool_free(anet__onnx_pool *pool);

/* A constant array, row-major in ONNX's own order of axes. Reals are f, whole numbers and booleans
 * i. */
typedef struct anet__onnx_array {
  bool real;
  int32_t type; /* ONNX's number of the element type it came with: 1 float, 7 int64, … */
  int32_t rank;
  int64_t dim[ANET_ONNX_RANK];
  size_t count;
  float *f;
  int64_t *i;
} anet__onnx_array;
enum { /* ONNX's numbers of element types */
       ANET_ONNX_FLOAT = 1,
       ANET_ONNX_UINT8 = 2,
       ANET_ONNX_INT8 = 3,
       ANET_ONNX_UINT16 = 4,
       ANET_ONNX_INT16 = 5,
       ANET_ONNX_INT32 = 6,
       ANET_ONNX_INT64 = 7,
       ANET_ONNX_BOOL = 9,
       ANET_ONNX_FLOAT16 = 10,
       ANET_ONNX_DOUBLE = 11,
       ANET_ONNX_UINT32 = 12,
       ANET_ONNX_UINT64 = 13,
       ANET_ONNX_BFLOAT16 = 16
};

typedef enum anet__onnx_kind {
  ANET_ONNX_ATTR_INT,
  ANET_ONNX_ATTR_REAL,
  ANET_ONNX_ATTR_TEXT,
  ANET_ONNX_ATTR_INTS,
  ANET_ONNX_ATTR_REALS,
  ANET_ONNX_ATTR_ARRAY,
  ANET_ONNX_ATTR_OTHER
} anet__onnx_kind;
typedef struct anet__onnx_attr {
  const char *name;
  anet__onnx_kind kind;
  int64_t i;
  float f;
  const char *text;
  const int64_t *ints; /* (count) */
  const float *reals;  /* (count) */
  size_t count;
  const anet__onnx_array *array;
} anet__onnx_attr;

/* Names of absent inputs and outputs are "". */
typedef struct anet__onnx_node {
  const void *message; /* as read: protobuf's own */
  const char *op, *name, *domain;
  const char **input, **output;
  int32_t inputs, outputs, attrs;
  anet__onnx_attr *attr;
} anet__onnx_node;

/* An input or output of the graph. dim: -1 where it is not a number; rank -1: unknown. */
typedef struct anet__onnx_face {
  const char *name;
  int32_t type, rank;
  int64_t dim[ANET_ONNX_RANK];
} anet__onnx_face;

typedef struct anet__onnx_named {
  const char *name;
  const anet__onnx_array *array;
} anet__onnx_named;

typedef struct anet__onnx_model {
  anet__onnx_pool pool;
  int64_t opset; /* of ONNX's own domain */
  const char *producer;
  anet__onnx_node *node;
  anet__onnx_named *initial;
  anet__onnx_face *input, *output; /* inputs that are initialisers too do not count */
  int32_t nodes, initials, inputs, outputs;
  const void
      *tail;     /* writing: what an import left out (onnx_tail.h), behind the rest; NULL: none */
  void *message; /* the unpacked protobuf, whose memory the rest borrows */
} anet__onnx_model;

int anet__onnx_read(const char *path, anet__onnx_model *out);
int anet__onnx_write(const char *path, anet__onnx_model *model); /* takes memory from its pool */
void anet__onnx_free(anet__onnx_model *model);
/* One TensorProto of a file of its own, of any type, as reals. */
int anet__onnx_read_array(const char *path, anet__onnx_pool *pool, anet__onnx_array **out);
int anet__onnx_write_array(const char *path, const anet__onnx_array *array);

/* ---- arrays (onnx_array.c) ------------------------------------------------------------------- */

/* How many elements an array of a shape has; false: no array can have it. Even where a dimension is
 * 0 the others have to be such that no step along an axis overflows. */
bool anet__onnx_count(int32_t rank, const int64_t *dim, size_t *count);
/* A zeroed array of a shape; ANET_SHAPE where a dimension is negative or they are too many. */
int anet__onnx_array_new(anet__onnx_pool *pool, bool real, int32_t rank, const int64_t *dim,
                         anet__onnx_array **out);
double anet__onnx_at(const anet__onnx_array *a, size_t index);
void anet__onnx_put(anet__onnx_array *a, size_t index, double value);
/* Element `index` as a place of an axis of `size`, which may be counted from the end: 0 .. size -
 * 1, or ANET_RANGE. */
int anet__onnx_place(const anet__onnx_array *a, size_t index, int64_t size, size_t *place);
/* "(1, 3, 224, 224)"; text of ANET_SHAPE_TEXT bytes. */
const char *anet__onnx_dims_text(int32_t rank, const int64_t *dim, char *text);
float anet__onnx_half(uint16_t bits);
bool anet__onnx_is_real(int32_t type);

/* ---- attributes --------------------------------------------------------------------------------
 */

const anet__onnx_attr *anet__onnx_attr_find(const anet__onnx_node *node, const char *name);
int64_t anet__onnx_int(const anet__onnx_node *node, const char *name, int64_t other);
float anet__onnx_real(const anet__onnx_node *node, const char *name, float other);
const char *anet__onnx_word(const anet__onnx_node *node, const char *name, const char *other);
/* How many there are; at most `most` are copied. 0: there is no such attribute. */
int32_t anet__onnx_ints(const anet__onnx_node *node, const char *name, int64_t *out, int32_t most);
/* An optional input: its name, or NULL. */
const char *anet__onnx_input(const anet__onnx_node *node, int32_t index);

#endif
