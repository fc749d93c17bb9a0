/* Importing: the walk over an ONNX graph, and what the handlers of its ops share. */
#ifndef ANET_ONNX_IMPORT_H
#define ANET_ONNX_IMPORT_H

#include "base/index.h"
#include "graph/net.h"
#include "onnx/onnx_layout.h"

/* The batch where arithmetic on shapes meets it: no number, but passed on by what moves numbers. */
#define ANET_ONNX_BATCH (INT64_MIN / 2)

/* What a name of the graph stands for: a constant, or a value of the net. */
typedef struct anet__onnx_value {
  const char *name;
  const anet__onnx_array *array; /* NULL: a value of the net */
  int32_t node;
  int32_t type; /* ONNX's element type of a value of the net; 0: floats */
  anet__layout layout;
  const char *left; /* not NULL: neither, it is left out; a reason, "" where it is made by what is
                       left out */
  bool wanted;      /* read by what is left out */
} anet__onnx_value;

typedef struct anet__onnx_import {
  anet__onnx_model model;
  anet_net *net;
  anet__onnx_value *value; /* (values), owned */
  int32_t values, capacity;
  anet__index names;          /* of values: by their names */
  const anet_onnx_desc *desc; /* borrowed, or NULL */
  bool whole;                 /* no axis is a batch: every input is one image */
  bool partial;               /* what cannot be imported is left out */
  int64_t batch;              /* the batch's size where the file fixes it, else -1 */
  const char **why; /* (model.nodes) partial imports: NULL imported, "" reads what is left out, or a
                       reason */
} anet__onnx_import;

/* Handles a node of one op: adds what computes it and binds its outputs. */
typedef int anet__onnx_handler(anet__onnx_import *im, const anet__onnx_node *node);
anet__onnx_handler *anet__onnx_handler_find(const char *op);
/* Is the op computed on constants alone? Then its outputs are constants too. */
typedef int anet__onnx_folder(anet__onnx_import *im, const anet__onnx_node *node);
anet__onnx_folder *anet__onnx_folder_find(const char *op);

/* ---- values -------------------------------------------------------------------------------------
 */

anet__onnx_value *anet__onnx_find(const anet__onnx_import *im, const char *name); /* or NULL */
/* What input `index` stands for; ANET_FORMAT: absent, or no earlier node makes it. Borrowed until
 * the next bind. */
int anet__onnx_get(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                   const anet__onnx_value **out);
/* As get, of a value of the net (a constant becomes one). */
int anet__onnx_get_value(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                         anet__onnx_value *out);
/* As get, of a constant; *out is NULL for an absent optional one. ANET_UNSUPPORTED: it is computed.
 */
int anet__onnx_get_array(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                         const anet__onnx_array **out);
/* The number of a constant input that holds one; `other` where it is left out. */
int anet__onnx_get_number(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                          float other, float *out);
/* The whole numbers of attribute `name`, or of the constant input `index` (newer opsets); *count is
 * -1 where there are neither. */
int anet__onnx_get_ints(anet__onnx_import *im, const anet__onnx_node *node, const char *name,
                        int32_t index, int64_t *out, int32_t most, int32_t *count);
int anet__onnx_bind(anet__onnx_import *im, const char *name, const anet__onnx_value *value);
/* Output `index` of the node is value `value` of the net, laid out so. */
int anet__onnx_bind_node(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                         int32_t value, const anet__layout *layout);
/* As bind_node; the net's (h, w, c) is (N, c, h, w), or with rank 3 (N, c, h). */
int anet__onnx_bind_image(anet__onnx_import *im, const anet__onnx_node *node, int32_t value,
                          int32_t rank, bool batch);
int anet__onnx_bind_array(anet__onnx_import *im, const anet__onnx_node *node, int32_t index,
                          const anet__onnx_array *array);

/* ---- nodes
 * --------------------------------------------------------------------------------------- */

/* Add a node to the net, called as the ONNX node's first output is, with a suffix (may be ""). */
int anet__onnx_add(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                   const char *op, const anet_attr *attr, const int32_t *in, int32_t inputs,
                   int32_t *value);
/* The data of parameter `index` of a node of the net, to be filled in. */
float *anet__onnx_param(anet__onnx_import *im, int32_t value, int32_t index);
/* Store a value in the order of these axes, each group of axes one dimension of its shape:
 * dimension g is axes axis[end[g-1]] .. axis[end[g] - 1]. */
int anet__onnx_store(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                     const int32_t *axis, const int32_t *end, int32_t groups);
/* As images are stored: (h, w, c); ranks 2 and 3 get dimensions of 1. */
int anet__onnx_store_image(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v);
/* In one dimension, whatever the order. */
int anet__onnx_store_flat(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v);
/* In ONNX's own order, one dimension an axis (the batch aside). */
int anet__onnx_store_natural(anet__onnx_import *im, const anet__onnx_node *node,
                             anet__onnx_value *v);
/* So that `axis` is a dimension of its own: images as images, all else naturally. *at: that
 * dimension, counted from the last. */
int anet__onnx_store_axis(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                          int32_t axis, int32_t *at);
/* Under another shape of as many elements, in the same order; a scalar's is (1). */
int anet__onnx_reshape(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v,
                       const anet_shape *shape);
/* A constant as a value of the net. */
int anet__onnx_constant(anet__onnx_import *im, const anet__onnx_node *node,
                        const anet__onnx_array *array, const char *name, anet__onnx_value *out);

/* ---- two values (onnx_binary.c)
 * ------------------------------------------------------------------ */

/* Store v[0] and v[1] alike, repeated to the size that both are broadcast to. */
int anet__onnx_align(anet__onnx_import *im, const anet__onnx_node *node, anet__onnx_value *v);
/* v[0] = op(v[0], v[1]), with broadcasting. */
int anet__onnx_two(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                   const char *op, anet__onnx_value *v);

/* ---- along an axis (onnx_shape.c, onnx_choose.c); v is stored as store_axis leaves it
 * -------------- */

/* The layout of v with another size along an axis. */
int anet__onnx_resized(const anet__onnx_value *v, int32_t axis, int64_t size, anet__layout *out);
/* The part [begin, begin + size) of an axis. */
int anet__onnx_cut(anet__onnx_import *im, const anet__onnx_node *node, const anet__onnx_value *x,
                   int32_t axis, int32_t at, int64_t begin, int64_t size, const char *suffix,
                   anet__onnx_value *out);
/* x becomes its elements at `count` places of an axis. */
int anet__onnx_take_places(anet__onnx_import *im, const anet__onnx_node *node, const char *suffix,
                           anet__onnx_value *x, int32_t axis, int32_t at, const int64_t *place,
                           int32_t count);

/* ---- element types (onnx_type.c)
 * ------------------------------------------------------------------- */

/* The engine's values are f32: whole numbers and booleans (0, 1) travel as f32, exactly up to 2^24.
 */
const char *anet__onnx_type_name(int32_t type); /* NULL: no numbers */
int32_t anet__onnx_type_of(const anet__onnx_value *value);
int32_t anet__onnx_type_in(anet__onnx_import *im, const anet__onnx_node *node, int32_t index);
/* Types of the outputs that a node has just bound, value `first` and later. */
void anet__onnx_set_types(anet__onnx_import *im, const anet__onnx_node *node, int32_t first);

/* An axis of a value of `rank` from one that may count from the end. */
int anet__onnx_axis(const anet__onnx_node *node, int64_t axis, int32_t rank, int32_t *out);
int anet__onnx_unsupported(const char *format, ...) ANET_PRINTF(1, 2);

#endif
