#include "onnx/onnx_layout.h"

#include <string.h>

#include "base/error.h"
#include "tensor/tensor.h"

int anet__layout_natural(bool batch, int32_t rank, const int64_t *dim, anet__layout *out)
{
  char text[ANET_SHAPE_TEXT];
  int64_t count = 1;
  *out = (anet__layout){.batch = batch, .axes = rank};
  for (int32_t a = 0; a < rank; a++) {
    out->first[a] = out->atoms;
    if (a == 0 && batch) continue;
    if (dim[a] < 1 || dim[a] > INT32_MAX || (count *= dim[a]) > INT32_MAX)
      return anet_fail(ANET_SHAPE, "a value of shape %s: its dimensions must be numbers above 0",
                       anet__onnx_dims_text(rank, dim, text));
    if (dim[a] == 1) continue;
    out->size[out->atoms] = (int32_t)dim[a];
    out->order[out->atoms] = out->atoms;
    out->atoms++;
  }
  out->first[rank] = out->atoms;
  return ANET_OK;
}

int anet__layout_image(bool batch, int32_t rank, const int64_t *dim, anet__layout *out)
{
  ANET_TRY(anet__layout_natural(batch, rank, dim, out));
  if (rank < 3 || out->first[1] == out->first[2]) return ANET_OK;
  const int32_t channel = out->first[1];
  int32_t k = 0;
  for (int32_t i = 0; i < out->atoms; i++)
    if (i != channel) out->order[k++] = i;
  out->order[k] = channel;
  return ANET_OK;
}

int64_t anet__layout_dim(const anet__layout *l, int32_t axis)
{
  int64_t size = 1;
  if (axis == 0 && l->batch) return -1;
  for (int32_t i = l->first[axis]; i < l->first[axis + 1]; i++) size *= l->size[i];
  return size;
}

int64_t anet__layout_count(const anet__layout *l)
{
  int64_t count = 1;
  for (int32_t i = 0; i < l->atoms; i++) count *= l->size[i];
  return count;
}

void anet__layout_dims(const anet__layout *l, int64_t *dim)
{
  for (int32_t a = 0; a < l->axes; a++) dim[a] = anet__layout_dim(l, a);
}

static int32_t place_of(const anet__layout *l, int32_t atom)
{
  int32_t k = 0;
  while (l->order[k] != atom) k++;
  return k;
}

void anet__layout_split(anet__layout *l, int32_t atom, int32_t size)
{
  const int32_t k = place_of(l, atom);
  for (int32_t i = l->atoms; i > atom + 1; i--) l->size[i] = l->size[i - 1];
  l->size[atom + 1] = l->size[atom] / size;
  l->size[atom] = size;
  for (int32_t i = 0; i < l->atoms; i++) l->order[i] += l->order[i] > atom;
  for (int32_t i = l->atoms; i > k + 1; i--) l->order[i] = l->order[i - 1];
  l->order[k + 1] = atom + 1;
  l->atoms++;
  for (int32_t a = 0; a <= l->axes; a++) l->first[a] += l->first[a] > atom;
}

/* Atoms that follow each other in both orders become one; axes are forgotten. */
static void merge_all(const anet__layout *l, anet__layout *out)
{
  int32_t merged[ANET_ATOMS];
  *out = (anet__layout){.batch = l->batch};
  for (int32_t i = 0; i < l->atoms; i++) {
    const bool joins = i > 0 && place_of(l, i) == place_of(l, i - 1) + 1;
    if (joins)
      out->size[out->atoms - 1] *= l->size[i];
    else
      out->size[out->atoms++] = l->size[i];
    merged[i] = out->atoms - 1;
  }
  int32_t k = 0;
  for (int32_t i = 0; i < l->atoms; i++)
    if (i == 0 || merged[l->order[i]] != merged[l->order[i - 1]])
      out->order[k++] = merged[l->order[i]];
}

bool anet__layout_reshape(const anet__layout *l, int32_t rank, const int64_t *dim,
                          anet__layout *out)
{
  int32_t at = 0;
  merge_all(l, out);
  out->axes = rank;
  for (int32_t a = 0; a < rank; a++) {
    int64_t want = a == 0 && l->batch ? 1 : dim[a];
    out->first[a] = at;
    while (want > 1) {
      if (at == out->atoms) return false;
      if (out->size[at] > want && out->size[at] % want == 0) {
        if (out->atoms == ANET_ATOMS) return false;
        anet__layout_split(out, at, (int32_t)want);
      }
      if (want % out->size[at]) return false;
      want /= out->size[at++];
    }
  }
  for (int32_t a = rank; a <= ANET_ONNX_RANK; a++) out->first[a] = at;
  return at == out->atoms;
}

void anet__layout_transpose(const anet__layout *l, const int32_t *perm, anet__layout *out)
{
  int32_t now[ANET_ATOMS], atom = 0;
  *out = *l;
  for (int32_t a = 0; a < l->axes; a++) {
    out->first[a] = atom;
    for (int32_t i = l->first[perm[a]]; i < l->first[perm[a] + 1]; i++, atom++) {
      out->size[atom] = l->size[i];
      now[i] = atom;
    }
  }
  out->first[l->axes] = atom;
  for (int32_t i = 0; i < l->atoms; i++) out->order[i] = now[l->order[i]];
}

int32_t anet__layout_atoms(const anet__layout *l, const int32_t *axis, int32_t count, int32_t *out)
{
  int32_t atoms = 0;
  for (int32_t a = 0; a < count; a++)
    for (int32_t i = l->first[axis[a]]; i < l->first[axis[a] + 1]; i++) out[atoms++] = i;
  return atoms;
}

bool anet__layout_is_order(const anet__layout *l, const int32_t *order)
{
  return memcmp(l->order, order, (size_t)l->atoms * sizeof *order) == 0;
}

void anet__layout_map(const anet__layout *l, int32_t *map)
{
  int32_t step[ANET_ATOMS + 1], count = 1, index[ANET_ATOMS] = {0};
  step[l->atoms] = 1;
  for (int32_t i = l->atoms - 1; i >= 0; i--) {
    step[i] = count;
    count *= l->size[i];
  }
  int32_t at = 0;
  for (int32_t k = 0; k < count; k++) {
    map[k] = at;
    for (int32_t d = l->atoms - 1; d >= 0; d--) {
      const int32_t atom = l->order[d];
      at += step[atom];
      if (++index[atom] < l->size[atom]) break;
      at -= step[atom] * l->size[atom];
      index[atom] = 0;
    }
  }
}
