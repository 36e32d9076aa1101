#include "common/half.h"

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx,f16c"))) static size_t widen_eights(const half *h, float *f, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i eight = _mm_loadu_si128((const __m128i *)(const void *)(h + i));
        _mm256_storeu_ps(f + i, _mm256_cvtph_ps(eight));
    }
    return i;
}

__attribute__((target("avx,f16c"))) static size_t narrow_eights(const float *f, half *h, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i eight = _mm256_cvtps_ph(_mm256_loadu_ps(f + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(h + i), eight);
    }
    return i;
}

/* clang 14 cannot ask for F16C by name; every processor with AVX2 has it. */
static int has_f16c(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static size_t widen_eights(const half *h, float *f, size_t n)
{
    (void)h, (void)f, (void)n;
    return 0;
}

static size_t narrow_eights(const float *f, half *h, size_t n)
{
    (void)h, (void)f, (void)n;
    return 0;
}

static int has_f16c(void)
{
    return 0;
}
#endif

void half_to_floats(const half *h, float *f, size_t n)
{
    size_t i = has_f16c() ? widen_eights(h, f, n) : 0;
    for (; i < n; i++) {
        f[i] = half_to_float(h[i]);
    }
}

void half_from_floats(const float *f, half *h, size_t n)
{
    size_t i = has_f16c() ? narrow_eights(f, h, n) : 0;
    for (; i < n; i++) {
        h[i] = half_from_float(f[i]);
    }
}
