/* Winograd's convolution F(m x m, 3 x 3), m = 2 or 4 (Lavin & Gray 2016): n = m + 2, and a tile of
 * n x n input pixels d gives m x m output pixels y for filter g (3 x 3), all per pair of channels:
 *
 *   y = AT [ (G g GT) . (BT d B) ] A
 *
 * The element-wise product, summed over input channels, is a matrix product for each of the
 * n * n points. The matrices come from interpolation at 0, 1, -1 and infinity for m = 2, at 0,
 * a, -a, b, -b (a = 1 / sqrt 2, b = sqrt 2) and infinity for m = 4: since a * b = 1 their entries
 * stay near 1, which halves the rounding error of the usual points 1 and 2.
 */
#ifndef ANET_WINOPOINTS_H
#define ANET_WINOPOINTS_H

/* a, b and what else the transforms multiply by */
#define ANET_WINO_A 0.70710678118654752
#define ANET_WINO_B 1.41421356237309505

enum { ANET_WINO_MOST = 6 }; /* n at most */

/* clang-format off */
static const float anet__wino2_bt[4][4] = {
    {1, 0, -1,  0},
    {0, 1,  1,  0},
    {0, -1, 1,  0},
    {0, 1,  0, -1}};
static const float anet__wino2_at[2][4] = {
    {1, 1,  1,  0},
    {0, 1, -1, -1}};
static const double anet__wino2_g[4][3] = {
    {1,   0,    0},
    {0.5, 0.5,  0.5},
    {0.5, -0.5, 0.5},
    {0,   0,    1}};

static const float anet__wino4_bt[6][6] = {
    {1, 0,                   -2.5f, 0,                  1, 0},
    {0, -2 * ANET_WINO_A,    -2,    ANET_WINO_A,        1, 0},
    {0, 2 * ANET_WINO_A,     -2,    -ANET_WINO_A,       1, 0},
    {0, -0.5f * ANET_WINO_B, -0.5f, ANET_WINO_B,        1, 0},
    {0, 0.5f * ANET_WINO_B,  -0.5f, -ANET_WINO_B,       1, 0},
    {0, 1,                   0,     -2.5f,              0, 1}};
static const float anet__wino4_at[4][6] = {
    {1, 1,                  1,                   1,               1,                0},
    {0, ANET_WINO_A,        -ANET_WINO_A,        ANET_WINO_B,     -ANET_WINO_B,     0},
    {0, 0.5f,               0.5f,                2,               2,                0},
    {0, 0.5f * ANET_WINO_A, -0.5f * ANET_WINO_A, 2 * ANET_WINO_B, -2 * ANET_WINO_B, 1}};
/* rows: (1, p, p^2) / product of (p - every other point) */
static const double anet__wino4_g[6][3] = {
    {1,          0,                  0},
    {-2.0 / 3.0, -2.0 / 3.0 * ANET_WINO_A, -1.0 / 3.0},
    {-2.0 / 3.0, 2.0 / 3.0 * ANET_WINO_A,  -1.0 / 3.0},
    {1.0 / 6.0,  ANET_WINO_B / 6.0,  1.0 / 3.0},
    {1.0 / 6.0,  -ANET_WINO_B / 6.0, 1.0 / 3.0},
    {0,          0,                  1}};
/* clang-format on */

/* The n * n points of one filter, whose 3 x 3 taps lie ld apart, in double. */
static inline void anet__wino_filter(double *u, const float *g, size_t ld, int32_t m)
{
  const int32_t n = m + 2;
  const double *const matrix = m == 2 ? anet__wino2_g[0] : anet__wino4_g[0];
  double half[ANET_WINO_MOST][3];
  for (int32_t i = 0; i < n; i++)
    for (int32_t x = 0; x < 3; x++) {
      half[i][x] = 0;
      for (int32_t y = 0; y < 3; y++)
        half[i][x] += matrix[i * 3 + y] * (double)g[(size_t)(y * 3 + x) * ld];
    }
  for (int32_t i = 0; i < n; i++)
    for (int32_t j = 0; j < n; j++) {
      u[i * n + j] = 0;
      for (int32_t x = 0; x < 3; x++) u[i * n + j] += half[i][x] * matrix[j * 3 + x];
    }
}

#endif
