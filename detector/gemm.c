#include "detector/gemm.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    int rc;
    char why[200];
    char name[64];
    __typeof__(&cblas_sgemm) sgemm;
} blas; /* written once, under pthread_once */

/* OpenBLAS's name for kernels that this CPU runs well; NULL leaves the choice to OpenBLAS. */
static const char *core_type(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        return "SkylakeX";
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        return "Haswell";
    }
#endif
    return NULL;
}

static void load(void)
{
    const char *core = core_type();
    if (core) {
        setenv("OPENBLAS_CORETYPE", core, 0);
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* one process a core beats one thread a core */
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    __typeof__(&openblas_get_corename) corename = NULL;
    if (library) {
        *(void **)&blas.sgemm = dlsym(library, "cblas_sgemm");
        *(void **)&corename = dlsym(library, "openblas_get_corename");
    }
    if (!blas.sgemm || !corename) {
        blas.rc = E_NO_FILE;
        snprintf(blas.why, sizeof blas.why, "%s", dlerror());
        return;
    }
    snprintf(blas.name, sizeof blas.name, "OpenBLAS %s", corename());
}

int gemm_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    return blas.rc ? err_set(blas.rc,
                             "OpenBLAS cannot be loaded (Debian's package libopenblas0 "
                             "has it): %s",
                             blas.why)
                   : 0;
}

const char *gemm_name(void)
{
    return blas.name;
}

void gemm_transposed(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     bool add, float *c, size_t ldc)
{
    blas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1.0f, a, (int)lda,
               b, (int)k, add ? 1.0f : 0.0f, c, (int)ldc);
}
