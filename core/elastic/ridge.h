/* Ridge regression of many outputs on the same inputs, from rows that come one after the other. */
#ifndef ANET_RIDGE_H
#define ANET_RIDGE_H

#include "elastic/blas.h"

/* All sums run over the rows so far; those that wait in x and y are not in the others yet. */
typedef struct anet__ridge {
  anet__blas blas; /* open as long as this lives */
  int32_t inputs, outputs;
  double *gram;          /* (inputs, inputs) x' x, the lower triangle; owned */
  double *cross;         /* (inputs, outputs) x' y; owned */
  double *sum_x, *sum_y; /* (inputs), (outputs); owned */
  double *square_y;      /* (outputs); owned */
  double *work;          /* (inputs, outputs); owned */
  double *x, *y;         /* (ANET_RIDGE_ROWS, inputs | outputs) rows that wait; owned */
  int32_t waiting;
  double rows;
} anet__ridge;
enum { ANET_RIDGE_ROWS = 256 };

/* ANET_NOMEM, ANET_ABSENT: no OpenBLAS. */
int anet__ridge_new(int32_t inputs, int32_t outputs, anet__ridge *out);
void anet__ridge_free(anet__ridge *ridge);
/* Where the next row's inputs and outputs are to be written, at once. */
void anet__ridge_next(anet__ridge *ridge, double **x, double **y);
/* After the last row. With an intercept all sums are centred: about the means of x and y. */
void anet__ridge_end(anet__ridge *ridge, bool intercept);

/* Mean squared error, over rows and outputs, of y = x' weight + shift; weight (inputs, outputs),
 * shift (outputs), zeros without an intercept. */
double anet__ridge_error(const anet__ridge *ridge, const double *weight, const double *shift);
/* Solve for the weights that minimise the error with `penalty` times the mean of the gram's
 * diagonal on their squares: in cross afterwards; the gram is used up. *error: theirs, with the
 * best shift, if there was an intercept. variance (outputs): of x' weight over the rows.
 * ANET_RANGE: singular. */
int anet__ridge_solve(anet__ridge *ridge, double penalty, double *error, double *variance);
/* Mean of x' weight over the rows, for one output of the solution. */
double anet__ridge_mean(const anet__ridge *ridge, const double *weight, int32_t output);

#endif
