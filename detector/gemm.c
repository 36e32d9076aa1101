#include "detector/gemm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "detector/gemm_internal.h"

static struct {
    int rc;
    char why[300];
    const struct gemm_kernels *kernels;
} chosen; /* written once, under pthread_once */

static int choose(void)
{
    const char *wanted = getenv("PAIRMILL_GEMM");
    chosen.kernels = gemm_avx512();
    if (wanted && strcmp(wanted, "avx512") == 0) {
        return chosen.kernels ? 0 : err_set(E_ARG, "PAIRMILL_GEMM=avx512: this CPU has no AVX-512");
    }
    if (wanted && strcmp(wanted, "openblas") != 0) {
        return err_set(E_ARG, "PAIRMILL_GEMM=%.40s: there are avx512 and openblas", wanted);
    }
    return wanted || !chosen.kernels ? gemm_openblas(&chosen.kernels) : 0;
}

static void choose_once(void)
{
    chosen.rc = choose();
    if (chosen.rc) {
        snprintf(chosen.why, sizeof chosen.why, "%s", err_text());
    }
}

int gemm_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_once);
    return chosen.rc ? err_set(chosen.rc, "%s", chosen.why) : 0;
}

const char *gemm_name(void)
{
    return chosen.kernels->name;
}

size_t gemm_packed_floats(size_t n, size_t k)
{
    return chosen.kernels->packed_floats(n, k);
}

size_t gemm_packed_at(size_t n, size_t k, size_t row, size_t column)
{
    return chosen.kernels->packed_at(n, k, row, column);
}

void gemm(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
          const struct gemm_finish *finish, float *c, size_t ldc)
{
    chosen.kernels->multiply(m, n, k, a, lda, b, finish, c, ldc);
}
