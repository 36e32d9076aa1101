/*
 * Matrix products in single precision, by OpenBLAS on the calling thread alone.
 *
 * OpenBLAS picks its kernels once, while it is loaded, from a table of the CPUs its makers knew: a
 * newer one may get kernels of half the speed.  So it is not linked but loaded here, after
 * OPENBLAS_CORETYPE was set from what the CPU itself reports; a value that the user has set stays.
 */
#ifndef DETECTOR_GEMM_H
#define DETECTOR_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

/* Loads the library, once a process, from any thread; E_NO_FILE when it is not installed. */
int gemm_init(void) MUST_CHECK;

/* What runs, "OpenBLAS SkylakeX"; after gemm_init(). */
const char *gemm_name(void);

/* c[m][n] = a[m][k] . b[n][k]^T, plus c itself where `add`; row-major, rows of a and c lda and ldc
 * floats apart, b dense; after gemm_init(). */
void gemm_transposed(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     bool add, float *c, size_t ldc);

#endif
