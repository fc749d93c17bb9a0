/* Ridge regression against the same sums and elimination in plain doubles. */
#include <math.h>

#include "base/error.h"
#include "base/rng.h"
#include "elastic/ridge.h"
#include "support/fault.h"

enum { MOST_ROWS = 700, INPUTS = 5, OUTPUTS = 3 };

/* Rows of inputs about 2, and outputs that they explain but for noise and a shift. */
typedef struct data {
  int32_t rows;
  double x[MOST_ROWS][INPUTS], y[MOST_ROWS][OUTPUTS];
} data;

static void draw(data *d, int32_t rows, double seed)
{
  anet_rng rng;
  anet_rng_seed(&rng, seed);
  double w[INPUTS][OUTPUTS];
  for (int32_t j = 0; j < INPUTS; j++)
    for (int32_t o = 0; o < OUTPUTS; o++) w[j][o] = (double)anet__rng_normal(&rng);
  d->rows = rows;
  for (int32_t i = 0; i < rows; i++) {
    for (int32_t j = 0; j < INPUTS; j++) d->x[i][j] = 2 + (double)anet__rng_normal(&rng) * (1 + j);
    for (int32_t o = 0; o < OUTPUTS; o++) {
      d->y[i][o] = 7 * o + 0.3 * (double)anet__rng_normal(&rng);
      for (int32_t j = 0; j < INPUTS; j++) d->y[i][o] += w[j][o] * d->x[i][j];
    }
  }
}

static void fill(anet__ridge *r, const data *d)
{
  for (int32_t i = 0; i < d->rows; i++) {
    double *x, *y;
    anet__ridge_next(r, &x, &y);
    for (int32_t j = 0; j < INPUTS; j++) x[j] = d->x[i][j];
    for (int32_t o = 0; o < OUTPUTS; o++) y[o] = d->y[i][o];
  }
}

/* What the solution is by elimination; b, of a row more than there are inputs, ends with the shift.
 */
static void eliminate(const data *d, bool intercept, double penalty, double b[INPUTS + 1][OUTPUTS])
{
  double mx[INPUTS] = {0}, my[OUTPUTS] = {0}, a[INPUTS][INPUTS] = {{0}}, diagonal = 0;
  memset(b, 0, sizeof(double[INPUTS + 1][OUTPUTS]));
  for (int32_t i = 0; intercept && i < d->rows; i++) {
    for (int32_t j = 0; j < INPUTS; j++) mx[j] += d->x[i][j] / d->rows;
    for (int32_t o = 0; o < OUTPUTS; o++) my[o] += d->y[i][o] / d->rows;
  }
  for (int32_t i = 0; i < d->rows; i++)
    for (int32_t j = 0; j < INPUTS; j++) {
      const double x = d->x[i][j] - mx[j];
      for (int32_t k = 0; k < INPUTS; k++) a[j][k] += x * (d->x[i][k] - mx[k]);
      for (int32_t o = 0; o < OUTPUTS; o++) b[j][o] += x * (d->y[i][o] - my[o]);
    }
  for (int32_t j = 0; j < INPUTS; j++) diagonal += a[j][j];
  for (int32_t j = 0; j < INPUTS; j++) a[j][j] += penalty * diagonal / INPUTS;
  for (int32_t p = 0; p < INPUTS; p++)
    for (int32_t j = 0; j < INPUTS; j++) {
      if (j == p) continue;
      const double f = a[j][p] / a[p][p];
      for (int32_t k = 0; k < INPUTS; k++) a[j][k] -= f * a[p][k];
      for (int32_t o = 0; o < OUTPUTS; o++) b[j][o] -= f * b[p][o];
    }
  for (int32_t o = 0; o < OUTPUTS; o++) {
    b[INPUTS][o] = my[o];
    for (int32_t j = 0; j < INPUTS; j++) {
      b[j][o] /= a[j][j];
      b[INPUTS][o] -= b[j][o] * mx[j];
    }
  }
}

/* Of y - x' w - shift, over all; and the variance of x' w, about zero where there is no intercept.
 */
static double error_by_hand(const data *d, double w[INPUTS + 1][OUTPUTS], bool intercept,
                            double *mean, double *variance)
{
  double error = 0;
  for (int32_t o = 0; o < OUTPUTS; o++) {
    double sum = 0, square = 0;
    for (int32_t i = 0; i < d->rows; i++) {
      double fit = 0;
      for (int32_t j = 0; j < INPUTS; j++) fit += w[j][o] * d->x[i][j];
      sum += fit, square += fit * fit;
      error += pow(d->y[i][o] - fit - w[INPUTS][o], 2);
    }
    mean[o] = intercept ? sum / d->rows : 0;
    variance[o] = square / d->rows - mean[o] * mean[o];
  }
  return error / d->rows / OUTPUTS;
}

static void check_solution(int32_t rows, bool intercept, double penalty)
{
  static data d;
  anet__ridge r;
  double want[INPUTS + 1][OUTPUTS], other[INPUTS + 1][OUTPUTS], mean[OUTPUTS], variance[OUTPUTS];
  double error, got_variance[OUTPUTS];
  draw(&d, rows, rows);
  CHECK_OK(anet__ridge_new(INPUTS, OUTPUTS, &r));
  fill(&r, &d);
  anet__ridge_end(&r, intercept);
  CHECK_EQ_I((int)r.rows, rows);

  /* what weights are worth that were there before */
  for (int32_t j = 0; j <= INPUTS; j++)
    for (int32_t o = 0; o < OUTPUTS; o++)
      other[j][o] = j < INPUTS || intercept ? 0.2 * j - 0.3 * o : 0;
  const double worth = error_by_hand(&d, other, intercept, mean, variance);
  CHECK_NEAR(anet__ridge_error(&r, other[0], other[INPUTS]), worth, 1e-8 * worth);

  eliminate(&d, intercept, penalty, want);
  CHECK_OK(anet__ridge_solve(&r, penalty, &error, got_variance));
  for (int32_t j = 0; j < INPUTS; j++)
    for (int32_t o = 0; o < OUTPUTS; o++)
      CHECK_NEAR(r.cross[j * OUTPUTS + o], want[j][o], 1e-8 * (1 + fabs(want[j][o])));
  const double least = error_by_hand(&d, want, intercept, mean, variance);
  CHECK_NEAR(error, least, 1e-7 * (1 + least));
  for (int32_t o = 0; o < OUTPUTS; o++) {
    CHECK_NEAR(got_variance[o], variance[o], 1e-7 * variance[o]);
    CHECK_NEAR(anet__ridge_mean(&r, r.cross, o), mean[o], 1e-8 * (1 + fabs(mean[o])));
  }
  anet__ridge_free(&r);
}

TEST(solutions_by_hand)
{
  static const int32_t rows[] = {9, ANET_RIDGE_ROWS - 1, ANET_RIDGE_ROWS, ANET_RIDGE_ROWS + 1,
                                 MOST_ROWS};
  for (int i = 0; i < ANET_COUNT(rows); i++)
    for (int intercept = 0; intercept < 2; intercept++) {
      check_solution(rows[i], intercept, 0);
      check_solution(rows[i], intercept, 0.01);
      check_solution(rows[i], intercept, 3);
    }
}

static void solve_flat(double penalty, bool zero, anet__ridge *r, double *error, double *variance,
                       int want)
{
  CHECK_OK(anet__ridge_new(INPUTS, OUTPUTS, r));
  for (int32_t i = 0; i < 20; i++) {
    double *x, *y;
    anet__ridge_next(r, &x, &y);
    for (int32_t j = 0; j < INPUTS; j++) x[j] = zero ? 0 : i; /* all the same */
    for (int32_t o = 0; o < OUTPUTS; o++) y[o] = 2 * o;
  }
  anet__ridge_end(r, false);
  if (want)
    CHECK_FAILS(anet__ridge_solve(r, penalty, error, variance), want,
                "least squares: 5 inputs of 20 rows are not independent, want a larger ridge");
  else
    CHECK_OK(anet__ridge_solve(r, penalty, error, variance));
}

TEST(inputs_that_say_the_same)
{
  anet__ridge r;
  double error, variance[OUTPUTS];
  solve_flat(0, false, &r, &error, variance, ANET_RANGE);
  anet__ridge_free(&r);
  solve_flat(1e-6, false, &r, &error, variance, ANET_OK);
  for (int32_t j = 1; j < INPUTS; j++) CHECK_NEAR(r.cross[3 * j + 1], r.cross[1], 1e-6);
  anet__ridge_free(&r);
}

TEST(inputs_that_are_zero)
{
  anet__ridge r;
  double error, variance[OUTPUTS];
  solve_flat(0, true, &r, &error, variance, ANET_OK);
  for (int32_t i = 0; i < INPUTS * OUTPUTS; i++) CHECK_NEAR(r.cross[i], 0, 0);
  for (int32_t o = 0; o < OUTPUTS; o++) CHECK_NEAR(variance[o], 0, 0);
  CHECK_NEAR(error, (0 + 4 + 16) / 3.0, 1e-12);
  anet__ridge_free(&r);
}

static int solve_once(void *context)
{
  double error, variance[OUTPUTS];
  anet__ridge r;
  ANET_TRY(anet__ridge_new(INPUTS, OUTPUTS, &r));
  fill(&r, context);
  anet__ridge_end(&r, true);
  const int rc = anet__ridge_solve(&r, 1, &error, variance);
  anet__ridge_free(&r);
  return rc;
}

TEST(allocations)
{
  static data d;
  draw(&d, 10, 1);
  test_each_allocation(solve_once, &d);
}

/* Whoever had OpenBLAS before has its number of threads again. */
TEST(threads_are_given_back)
{
  anet__blas outer, inner;
  CHECK_OK(anet__blas_open(&outer));
  outer.openblas_set_num_threads(2);
  const int before = outer.openblas_get_num_threads();
  CHECK_OK(anet__blas_open(&inner));
  CHECK_EQ_I(inner.threads, before);
  CHECK_EQ_I(outer.openblas_get_num_threads(), 1);
  anet__blas_close(&inner);
  CHECK_EQ_I(outer.openblas_get_num_threads(), before);
  CHECK(inner.library == NULL);
  anet__blas_close(&inner); /* twice is once */
  anet__blas_close(&outer);
}

TEST_MAIN(CASE(solutions_by_hand), CASE(inputs_that_say_the_same), CASE(inputs_that_are_zero),
          CASE(allocations), CASE(threads_are_given_back))
