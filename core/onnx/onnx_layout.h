/* How a value's axes, as ONNX numbers them, lie in the engine's memory.
 *
 * An axis is a run of atoms (of none where its size is 1). Storage is the same atoms in another order:
 * an image (N, C, H, W) is stored as H, W, C. Reshaping regroups atoms or splits them, transposing
 * renumbers them; neither moves data. Only an op that wants another order of storage does. */
#ifndef ANET_ONNX_LAYOUT_H
#define ANET_ONNX_LAYOUT_H

#include "onnx/onnx.h"

enum { ANET_ATOMS = 16 };

/* Invariants: sizes are above 1; first[axes] is atoms; order is a permutation. With `batch`, axis 0 is
 * the batch, which is no atom. */
typedef struct anet__layout {
  bool batch;
  int32_t axes, atoms;
  int32_t first[ANET_ONNX_RANK + 1]; /* atoms of axis a are first[a] .. first[a + 1] - 1 */
  int32_t size[ANET_ATOMS];
  int32_t order[ANET_ATOMS]; /* atoms as they are stored, the slowest first */
} anet__layout;

/* Stored in ONNX's own order. ANET_SHAPE: a dimension is not a number (the batch aside). */
int anet__layout_natural(bool batch, int32_t rank, const int64_t *dim, anet__layout *out);
/* Stored with axis 1 last, as images are. */
int anet__layout_image(bool batch, int32_t rank, const int64_t *dim, anet__layout *out);
/* Size of an axis; -1: the batch's. */
int64_t anet__layout_dim(const anet__layout *l, int32_t axis);
int64_t anet__layout_count(const anet__layout *l); /* elements of an image */
void anet__layout_dims(const anet__layout *l, int64_t *dim);
/* Other axes over the same memory; false where the storage does not allow it. dim[0] of a batch is
 * not looked at. */
bool anet__layout_reshape(const anet__layout *l, int32_t rank, const int64_t *dim,
                          anet__layout *out);
/* Axis i of the result is axis perm[i]. */
void anet__layout_transpose(const anet__layout *l, const int32_t *perm, anet__layout *out);
/* Cut an atom into a slower part of `size` and the rest. */
void anet__layout_split(anet__layout *l, int32_t atom, int32_t size);
/* The atoms of these axes, one axis after the other: gives how many. */
int32_t anet__layout_atoms(const anet__layout *l, const int32_t *axis, int32_t count, int32_t *out);
bool anet__layout_is_order(const anet__layout *l, const int32_t *order);
/* map[k] = index in ONNX's order of the element that is stored at k; (elements of an image). */
void anet__layout_map(const anet__layout *l, int32_t *map);

#endif
