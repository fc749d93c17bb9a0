/* The specification of Winograd's convolution, as the matrix products of winopoints.h. */
#include "kernel/ref.h"
#include "kernel/winopoints.h"

enum { MOST = ANET_WINO_MOST };

/* Here the matrices are simply (cin, cout), as anet__ref_conv_pack has them. */
void anet__ref_winograd_pack(float *packed, const float *w, int32_t m, int32_t cin, int32_t cout,
                             size_t ld_tap, size_t ld_in, size_t ld_out)
{
  const int32_t points = (m + 2) * (m + 2);
  double u[MOST * MOST];
  for (int32_t i = 0; i < cin; i++)
    for (int32_t o = 0; o < cout; o++, packed++) {
      anet__wino_filter(u, w + (size_t)i * ld_in + (size_t)o * ld_out, ld_tap, m);
      for (int32_t p = 0; p < points; p++)
        packed[(size_t)p * (size_t)cin * (size_t)cout] = (float)u[p];
    }
}

/* What a zero would multiply does not count, so that a NaN spreads to those sums only that it
 * belongs to. */
static float term(float k, float x)
{
  return k != 0.0f ? k * x : 0.0f;
}

/* y (rows, rows) = matrix (rows, n) x (n, n) matrix' */
static void both_sides(float *y, const float *x, const float *matrix, int32_t rows, int32_t n)
{
  float half[MOST * MOST];
  for (int32_t i = 0; i < rows; i++)
    for (int32_t j = 0; j < n; j++) {
      half[i * n + j] = 0;
      for (int32_t k = 0; k < n; k++) half[i * n + j] += term(matrix[i * n + k], x[k * n + j]);
    }
  for (int32_t i = 0; i < rows; i++)
    for (int32_t j = 0; j < rows; j++) {
      y[i * rows + j] = 0;
      for (int32_t k = 0; k < n; k++) y[i * rows + j] += term(matrix[j * n + k], half[i * n + k]);
    }
}

void anet__ref_winograd_in(const anet__winograd_in_args *a)
{
  const int32_t n = a->m + 2;
  const float *const bt = a->m == 2 ? anet__wino2_bt[0] : anet__wino4_bt[0];
  float d[MOST * MOST], v[MOST * MOST];
  for (int32_t t = 0; t < a->tiles; t++)
    for (int32_t c = 0; c < a->channels; c++) {
      for (int32_t i = 0; i < n * n; i++) d[i] = a->tap[t * n * n + i][c];
      both_sides(v, d, bt, n, n);
      for (int32_t i = 0; i < n * n; i++)
        a->v[(size_t)i * a->ld_point + (size_t)t * a->ld_tile + (size_t)c] = v[i];
    }
}

static float finish(float acc, const anet__post *post, size_t at, int32_t c)
{
  float v = (post->scale ? post->scale[c] : 1.0f) * acc + (post->shift ? post->shift[c] : 0.0f);
  if (post->add) v += post->add[at + (size_t)c];
  v = v < post->low ? post->low : v;
  return v > post->high ? post->high : v;
}

void anet__ref_winograd_out(const anet__winograd_out_args *a)
{
  const int32_t m = a->m, n = m + 2;
  const float *const at = m == 2 ? anet__wino2_at[0] : anet__wino4_at[0];
  float x[MOST * MOST], y[MOST * MOST];
  for (int32_t t = 0; t < a->tiles; t++) {
    const anet__winograd_spot *spot = &a->spot[t];
    for (int32_t c = 0; c < a->channels; c++) {
      for (int32_t i = 0; i < n * n; i++)
        x[i] = a->product[(size_t)i * a->ld_point + (size_t)t * a->ld_tile + (size_t)c];
      both_sides(y, x, at, m, n);
      for (int32_t i = 0; i < spot->rows; i++)
        for (int32_t j = 0; j < spot->cols; j++) {
          const size_t to = spot->at + (size_t)i * a->ld_line + (size_t)j * a->ld_pixel;
          a->out[to + (size_t)c] = finish(y[i * m + j], &a->post, to, c);
        }
    }
  }
}
