/* Exporting: a net as the neutral model of onnx.h, node by node. */
#ifndef ANET_ONNX_EXPORT_H
#define ANET_ONNX_EXPORT_H

#include "graph/net.h"
#include "onnx/onnx.h"

enum { ANET_ONNX_OPSET = 17 };

/* A value of shape (h, w, c) is (N, c, h, w) in ONNX; all others are stored as ONNX has them, after N. */
typedef struct anet__onnx_export {
  anet__onnx_model model;
  const anet_net *net;
  int32_t node_capacity, initial_capacity;
  int32_t parts; /* of names made for values between nodes */
  bool *alone;   /* (values) depends on constants alone: it has a batch of 1, which is broadcast */
} anet__onnx_export;

/* Appends what computes value `value`. */
typedef int anet__onnx_exporter(anet__onnx_export *ex, int32_t value);
anet__onnx_exporter *anet__onnx_exporter_find(anet__op_id op); /* onnx_export_ops.c; NULL: nothing */
/* Of ops whose values are whole numbers or booleans to ONNX (onnx_export_whole.c). */
anet__onnx_exporter anet__onnx_export_trunc, anet__onnx_export_compare, anet__onnx_export_where,
    anet__onnx_export_top_k, anet__onnx_export_gather;

/* ---- building (onnx_emit.c); names are of the pool, NULL: it failed, pool.rc says why ------------ */

/* What a builder gives must be there; where there is an exporter `ex`. */
#define ANET_MADE(call)                                                                            \
  do {                                                                                             \
    if (!(call)) return ex->model.pool.rc;                                                         \
  } while (0)


/* A node of ONNX's op that reads `in` and makes `out` (NULL: a name is made). Gives out's name. */
const char *anet__onnx_emit(anet__onnx_export *ex, const char *op, const char *out,
                            const char *const *in, int32_t inputs);
/* One more output of the node emitted last: gives its name. */
const char *anet__onnx_emit_second(anet__onnx_export *ex);
const char *anet__onnx_emit_cast(anet__onnx_export *ex, const char *in, int32_t type,
                                 const char *out);
/* Attributes of the node emitted last. */
int anet__onnx_emit_int(anet__onnx_export *ex, const char *name, int64_t value);
int anet__onnx_emit_real(anet__onnx_export *ex, const char *name, float value);
int anet__onnx_emit_text(anet__onnx_export *ex, const char *name, const char *value);
int anet__onnx_emit_ints(anet__onnx_export *ex, const char *name, const int64_t *value,
                         int32_t count);
/* A constant "node.part" of a shape, to be filled by the caller. */
const char *anet__onnx_emit_array(anet__onnx_export *ex, int32_t value, const char *part, bool real,
                                  int32_t rank, const int64_t *dim, anet__onnx_array **out);
const char *anet__onnx_emit_number(anet__onnx_export *ex, int32_t value, const char *part, float k);
const char *anet__onnx_emit_row(anet__onnx_export *ex, int32_t value, const char *part,
                                const int64_t *row, int32_t count);

static inline const char *anet__onnx_name(const anet__onnx_export *ex, int32_t value)
{
  return anet__net_at(ex->net, value)->name;
}
/* Axis of ONNX's for stored axis `axis` (from the first) of an image's shape of `rank`. */
static inline int32_t anet__onnx_axis_of(int32_t rank, int32_t axis)
{
  static const int32_t image[3] = {2, 3, 1};
  return rank == 3 ? image[axis] : axis + 1;
}
/* Axis of ONNX's for attr.axis of a node, which counts the stored axes of its first input from the last. */
int32_t anet__onnx_axis_at(const anet__onnx_export *ex, int32_t value);
/* The value in the order in which it is stored, (N, h, w, c) for images: gives its name. */
const char *anet__onnx_stored(anet__onnx_export *ex, int32_t value);
/* What an import left out (onnx_tail.h), of a bundle that may be NULL, unpacked into the pool; NULL: there is none. */
int anet__onnx_tail_read(const anet_bundle *about, anet__onnx_pool *pool, void **tail);
/* From that order to `out`, where the shape is an image's. */
const char *anet__onnx_from_stored(anet__onnx_export *ex, const anet_shape *shape, const char *in,
                                   const char *out);

#endif
