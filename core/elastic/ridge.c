#include "elastic/ridge.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static double *doubles(int32_t rows, int32_t columns)
{
  size_t count;
  if (!anet__mul((size_t)rows, (size_t)columns, &count)) count = SIZE_MAX;
  return anet__alloc_array(count, sizeof(double));
}

int anet__ridge_new(int32_t inputs, int32_t outputs, anet__ridge *out)
{
  *out = (anet__ridge){.inputs = inputs, .outputs = outputs};
  ANET_TRY(anet__blas_open(&out->blas));
  out->gram = doubles(inputs, inputs);
  out->cross = doubles(inputs, outputs);
  out->work = doubles(inputs, outputs);
  out->sum_x = doubles(inputs, 1);
  out->sum_y = doubles(outputs, 1);
  out->square_y = doubles(outputs, 1);
  out->x = doubles(ANET_RIDGE_ROWS, inputs);
  out->y = doubles(ANET_RIDGE_ROWS, outputs);
  if (out->gram && out->cross && out->work && out->sum_x && out->sum_y && out->square_y && out->x &&
      out->y)
    return ANET_OK;
  anet__ridge_free(out);
  return ANET_NOMEM;
}

void anet__ridge_free(anet__ridge *ridge)
{
  anet__free(ridge->gram);
  anet__free(ridge->cross);
  anet__free(ridge->work);
  anet__free(ridge->sum_x);
  anet__free(ridge->sum_y);
  anet__free(ridge->square_y);
  anet__free(ridge->x);
  anet__free(ridge->y);
  anet__blas_close(&ridge->blas);
  *ridge = (anet__ridge){0};
}

/* ---- sums --------------------------------------------------------------------------------------
 */

static void take_waiting(anet__ridge *r)
{
  const int32_t k = r->inputs, m = r->outputs, n = r->waiting;
  if (n == 0) return;
  r->blas.cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, k, n, 1, r->x, k, 1, r->gram, k);
  r->blas.cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, k, m, n, 1, r->x, k, r->y, m, 1,
                      r->cross, m);
  for (int32_t i = 0; i < n; i++) {
    for (int32_t j = 0; j < k; j++) r->sum_x[j] += r->x[(size_t)i * (size_t)k + (size_t)j];
    for (int32_t j = 0; j < m; j++) {
      const double y = r->y[(size_t)i * (size_t)m + (size_t)j];
      r->sum_y[j] += y;
      r->square_y[j] += y * y;
    }
  }
  r->rows += n;
  r->waiting = 0;
}

void anet__ridge_next(anet__ridge *ridge, double **x, double **y)
{
  if (ridge->waiting == ANET_RIDGE_ROWS) take_waiting(ridge);
  *x = ridge->x + (size_t)ridge->waiting * (size_t)ridge->inputs;
  *y = ridge->y + (size_t)ridge->waiting * (size_t)ridge->outputs;
  ridge->waiting++;
}

/* The sum of (a - mean a) (b - mean b) is that of a b less the product of the sums over rows. */
static void centre(anet__ridge *r)
{
  const int32_t k = r->inputs, m = r->outputs;
  const double less = -1 / r->rows;
  r->blas.cblas_dsyr(CblasRowMajor, CblasLower, k, less, r->sum_x, 1, r->gram, k);
  r->blas.cblas_dger(CblasRowMajor, k, m, less, r->sum_x, 1, r->sum_y, 1, r->cross, m);
  for (int32_t j = 0; j < m; j++) r->square_y[j] += less * r->sum_y[j] * r->sum_y[j];
}

void anet__ridge_end(anet__ridge *ridge, bool intercept)
{
  take_waiting(ridge);
  if (intercept) {
    centre(ridge);
    return;
  }
  memset(ridge->sum_x, 0, (size_t)ridge->inputs * sizeof(double)); /* as if the means were zero */
  memset(ridge->sum_y, 0, (size_t)ridge->outputs * sizeof(double));
}

/* ---- solving
 * ------------------------------------------------------------------------------------- */

/* Of column j of two matrices (inputs, outputs). */
static double column_dot(const anet__ridge *r, const double *a, const double *b, int32_t j)
{
  return r->blas.cblas_ddot(r->inputs, a + j, r->outputs, b + j, r->outputs);
}

double anet__ridge_mean(const anet__ridge *ridge, const double *weight, int32_t output)
{
  const int32_t m = ridge->outputs;
  return ridge->blas.cblas_ddot(ridge->inputs, ridge->sum_x, 1, weight + output, m) / ridge->rows;
}

double anet__ridge_error(const anet__ridge *ridge, const double *weight, const double *shift)
{
  const int32_t k = ridge->inputs, m = ridge->outputs;
  double error = 0;
  ridge->blas.cblas_dsymm(CblasRowMajor, CblasLeft, CblasLower, k, m, 1, ridge->gram, k, weight, m,
                          0, ridge->work, m);
  for (int32_t j = 0; j < m; j++) {
    const double off =
        ridge->sum_y[j] / ridge->rows - anet__ridge_mean(ridge, weight, j) - shift[j];
    error += ridge->square_y[j] - 2 * column_dot(ridge, weight, ridge->cross, j) +
             column_dot(ridge, weight, ridge->work, j) + ridge->rows * off * off;
  }
  return error / (ridge->rows * m);
}

/* Row major (inputs, outputs) from and to LAPACK's columns, through work. */
static int solve(anet__ridge *r)
{
  const int32_t k = r->inputs, m = r->outputs;
  int info = 0;
  for (int32_t i = 0; i < k; i++)
    for (int32_t j = 0; j < m; j++)
      r->work[(size_t)j * (size_t)k + (size_t)i] = r->cross[(size_t)i * (size_t)m + (size_t)j];
  r->blas.dposv_("U", &k, &m, r->gram, &k, r->work, &k,
                 &info); /* rows' lower triangle: columns' upper */
  if (info)
    return anet_fail(ANET_RANGE,
                     "least squares: %d inputs of %.0f rows are not independent, want a "
                     "larger ridge",
                     k, r->rows);
  for (int32_t i = 0; i < k; i++)
    for (int32_t j = 0; j < m; j++)
      r->cross[(size_t)i * (size_t)m + (size_t)j] = r->work[(size_t)j * (size_t)k + (size_t)i];
  return ANET_OK;
}

int anet__ridge_solve(anet__ridge *ridge, double penalty, double *error, double *variance)
{
  const int32_t k = ridge->inputs, m = ridge->outputs;
  double diagonal = 0;
  for (int32_t i = 0; i < k; i++) diagonal += ridge->gram[(size_t)i * (size_t)(k + 1)];
  const double add =
      diagonal > 0 ? penalty * diagonal / k : 1; /* inputs that are zero: zero weights */
  for (int32_t i = 0; i < k; i++) ridge->gram[(size_t)i * (size_t)(k + 1)] += add;
  for (int32_t j = 0; j < m; j++) variance[j] = 0;
  /* with w = (G + add)^-1 c:  w'Gw = w'c - add w'w; c is overwritten by w, so w'c is taken apart */
  double *target = doubles(k, m);
  if (!target) return ANET_NOMEM;
  memcpy(target, ridge->cross, (size_t)k * (size_t)m * sizeof *target);
  const int rc = solve(ridge);
  *error = 0;
  for (int32_t j = 0; !rc && j < m; j++) {
    const double fit = column_dot(ridge, ridge->cross, target, j);
    const double norm = add * column_dot(ridge, ridge->cross, ridge->cross, j);
    variance[j] = ANET_MAX(0, (fit - norm) / ridge->rows);
    *error += ridge->square_y[j] - fit - norm;
  }
  *error /= ridge->rows * m;
  anet__free(target);
  return rc;
}
