/*
 * A kind of kernels behind gemm.h.
 */
#ifndef DETECTOR_GEMM_INTERNAL_H
#define DETECTOR_GEMM_INTERNAL_H

#include "detector/gemm.h"

struct gemm_kernels {
    const char *name;
    size_t (*packed_floats)(size_t n, size_t k);
    size_t (*packed_at)(size_t n, size_t k, size_t row, size_t column);
    void (*multiply)(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     const struct gemm_finish *finish, float *c, size_t ldc);
};

/* NULL where the CPU or the compiler's target has no AVX-512. */
const struct gemm_kernels *gemm_avx512(void);

/* Loads the library. */
int gemm_openblas(const struct gemm_kernels **out) MUST_CHECK;

#endif
