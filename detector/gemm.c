#include "detector/gemm.h"

#include <cblas.h>
#include <stdio.h>

const char *gemm_init(void)
{
    static char text[64];
    openblas_set_num_threads(1);
    snprintf(text, sizeof text, "OpenBLAS %s", openblas_get_corename());
    return text;
}

void gemm_transposed(size_t m, size_t n, size_t k, const float *a, const float *b, float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1.0f, a, (int)k, b,
                (int)k, 0.0f, c, (int)n);
}
