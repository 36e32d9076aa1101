/*
 * Matrix products in single precision, on the calling thread alone, by weights that were packed
 * beforehand: weights are used for every image, so what a BLAS does to its operand at each call is
 * done once here, and bias, ReLU and the sum with a shortcut are applied while a result is in
 * registers.
 *
 * Two kinds of kernels compute them: pairmill's own (gemm_avx512.c) where the CPU has AVX-512, and
 * OpenBLAS's elsewhere, or where the environment variable PAIRMILL_GEMM says "openblas".  OpenBLAS
 * picks its kernels once, while it is loaded, from a table of the CPUs its makers knew: a newer one
 * may get kernels of half the speed.  So it is not linked but loaded at need, after
 * OPENBLAS_CORETYPE was set from what the CPU itself reports; a value that the user has set stays.
 */
#ifndef DETECTOR_GEMM_H
#define DETECTOR_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

/* Chooses the kernels, once a process, from any thread.  E_NO_FILE when OpenBLAS is needed and not
 * installed, E_ARG when PAIRMILL_GEMM names no kernels that run here. */
int gemm_init(void) MUST_CHECK;

/* What runs, "pairmill AVX-512" or "OpenBLAS Haswell"; after gemm_init(), as all below. */
const char *gemm_name(void);

/* Floats that a packed matrix [n][k] takes.  They must be zero before elements are put in. */
size_t gemm_packed_floats(size_t n, size_t k);

/* Where in a packed matrix [n][k] its element (row, column) lies. */
size_t gemm_packed_at(size_t n, size_t k, size_t row, size_t column);

/* What becomes of a sum: plus what c holds, plus bias, ReLU. */
struct gemm_finish {
    bool add;
    const float *bias; /* [n]; NULL: none */
    bool relu;
};

/* c[m][n] = finish(a[m][k] . b[n][k]^T); row-major, rows of a and c lda and ldc floats apart; b as
 * gemm_packed_at() says, 64-byte aligned. */
void gemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
          const struct gemm_finish *finish, float *c, size_t ldc);

#endif
