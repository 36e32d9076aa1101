#include <cblas.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "detector/gemm_internal.h"
#include "detector/simd.h"

static struct {
    char name[64];
    __typeof__(&cblas_sgemm) sgemm;
} blas; /* written once, by gemm_init() */

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

/* OpenBLAS packs at each call what it needs: the matrix stays as it is. */
static size_t packed_floats(size_t n, size_t k)
{
    return n * k;
}

static size_t packed_at(size_t n, size_t k, size_t row, size_t column)
{
    (void)n;
    return row * k + column;
}

/* y[rows][n] += bias, ReLU. */
SIMD_CLONES
static void finish_rows(float *restrict y, size_t ldy, const float *restrict bias, size_t rows,
                        size_t n, bool relu)
{
    const float floor = relu ? 0.0f : -__builtin_inff();
    for (size_t r = 0; r < rows; r++, y += ldy) {
        for (size_t i = 0; i < n; i++) {
            const float v = bias ? y[i] + bias[i] : y[i];
            y[i] = v > floor ? v : floor;
        }
    }
}

static void multiply(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     const struct gemm_finish *finish, float *c, size_t ldc)
{
    blas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)n, (int)k, 1.0f, a, (int)lda,
               b, (int)k, finish->add ? 1.0f : 0.0f, c, (int)ldc);
    if (finish->bias || finish->relu) {
        finish_rows(c, ldc, finish->bias, m, n, finish->relu);
    }
}

int gemm_openblas(const struct gemm_kernels **out)
{
    static const struct gemm_kernels kernels = {blas.name, packed_floats, packed_at, multiply};
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
        return err_set(E_NO_FILE,
                       "OpenBLAS cannot be loaded (Debian's package libopenblas0 has it): %s",
                       dlerror());
    }
    snprintf(blas.name, sizeof blas.name, "OpenBLAS %s", corename());
    *out = &kernels;
    return 0;
}
