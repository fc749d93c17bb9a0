/* OpenBLAS and its LAPACK, on one thread. It is loaded when something first needs it and not
 * linked: it makes a thread for each processor while it is loaded, and waits for them at the end,
 * which a program that only runs networks need not have (nor find memory for). Once loaded it
 * stays. */
#ifndef ANET_BLAS_H
#define ANET_BLAS_H

#include <cblas.h>

#include "base/compiler.h"

/* LAPACK: solve a x = b for a symmetric positive definite a, by columns. */
extern void dposv_(const char *uplo, const int *n, const int *nrhs, double *a, const int *lda,
                   double *b, const int *ldb, int *info);

/* What is used of it. */
#define ANET_BLAS_MAP(X)                                                                           \
  X(cblas_sgemm)                                                                                   \
  X(cblas_dgemm)                                                                                   \
  X(cblas_dsyrk)                                                                                   \
  X(cblas_dsyr)                                                                                    \
  X(cblas_dger)                                                                                    \
  X(cblas_dsymm)                                                                                   \
  X(cblas_ddot)                                                                                    \
  X(dposv_)                                                                                        \
  X(openblas_get_num_threads)                                                                      \
  X(openblas_set_num_threads)                                                                      \
  X(openblas_get_corename)

typedef struct anet__blas {
  void *library; /* owned */
  int threads;   /* that it had before */
#define X(name) ANET_TYPEOF(name) * name;
  ANET_BLAS_MAP(X)
#undef X
} anet__blas;

/* From open to close it computes on one thread: the same bits on any machine, and no threads that
 * spin beside the pool's. ANET_ABSENT: the library is not there. */
int anet__blas_open(anet__blas *out);
void anet__blas_close(anet__blas *blas);

#endif
