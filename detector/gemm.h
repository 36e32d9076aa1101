/*
 * Matrix products in single precision, by OpenBLAS on the calling thread alone.
 */
#ifndef DETECTOR_GEMM_H
#define DETECTOR_GEMM_H

#include <stddef.h>

/* Readies the library for this process; what it runs on, e.g. "OpenBLAS SkylakeX". */
const char *gemm_init(void);

/* c[m][n] = a[m][k] . b[n][k]^T, all dense and row-major. */
void gemm_transposed(size_t m, size_t n, size_t k, const float *a, const float *b, float *c);

#endif
