/*
 * The matrix product for CPUs with AVX-512 (after Goto and van de Geijn 2008, with b packed ahead).
 *
 * The result is computed in tiles of 14 rows by 32 columns, whose sums fill 28 of the 32 vector
 * registers; each step of k takes two vectors of b and 14 numbers of a.  b is stored in panels of
 * 32 columns, [k][32], cut into blocks of at most DEPTH steps:
 *
 *     b [block of k][panel][step][32]        12 panels of a block stay in L2 ...
 *     a, a strip of 14 rows of a block       ... while strip after strip is copied into L1
 *
 * The copy has a fixed distance between its rows, so that rows never compete for the same cache
 * sets, as rows of 1024 or 2048 channels do.  A sum runs through k in order whatever m is: how many
 * rows are multiplied at a time changes no bit.
 */
#include "detector/gemm_internal.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum {
    ROWS = 14, /* of a tile */
    LANES = 16,
    PANEL = 2 * LANES,   /* columns of a tile */
    DEPTH = 512,         /* steps of k at a time */
    STRIDE = DEPTH + 16, /* floats between the rows of a copied strip */
    PANELS = 12          /* at a time: 768 KB */
};

#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline)) AVX512

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t padded(size_t n)
{
    return (n + PANEL - 1) / PANEL * PANEL;
}

static size_t packed_floats(size_t n, size_t k)
{
    return padded(n) * k;
}

static size_t packed_at(size_t n, size_t k, size_t row, size_t column)
{
    const size_t block = column / DEPTH * DEPTH;
    const size_t depth = smaller(k - block, DEPTH);
    return block * padded(n) + row / PANEL * PANEL * depth + (column - block) * PANEL + row % PANEL;
}

/* A tile: where it goes, and what is done to its sums. */
struct tile {
    float *c;
    size_t ldc;
    size_t depth;      /* steps of k */
    bool add;          /* to what c holds */
    const float *bias; /* at the tile's first column; NULL: none */
    bool relu;
    __mmask16 last; /* which lanes of the last vector are columns of c */
};

/* `rows` and `vectors` are constants wherever this is called, so that every sum is a register.
 * a: [rows][STRIDE], b: [depth][PANEL] */
INLINE void run_tile(const int rows, const int vectors, const float *a, const float *b,
                     const struct tile *t)
{
    __m512 sum[ROWS][2];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++) {
        sum[r][0] = _mm512_setzero_ps();
        sum[r][1] = _mm512_setzero_ps();
        _mm_prefetch((const char *)(t->c + (size_t)r * t->ldc), _MM_HINT_T0);
        _mm_prefetch((const char *)(t->c + (size_t)r * t->ldc + LANES), _MM_HINT_T0);
    }
    for (size_t k = 0; k < t->depth; k++, a++, b += PANEL) {
        const __m512 b0 = _mm512_load_ps(b);
        const __m512 b1 = vectors > 1 ? _mm512_load_ps(b + LANES) : b0;
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            const __m512 x = _mm512_set1_ps(a[r * STRIDE]);
            sum[r][0] = _mm512_fmadd_ps(x, b0, sum[r][0]);
            if (vectors > 1) {
                sum[r][1] = _mm512_fmadd_ps(x, b1, sum[r][1]);
            }
        }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
        const __mmask16 lanes = v + 1 < vectors ? (__mmask16)0xffff : t->last;
        const __m512 bias =
            t->bias ? _mm512_maskz_loadu_ps(lanes, t->bias + v * LANES) : _mm512_setzero_ps();
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            float *c = t->c + (size_t)r * t->ldc + v * LANES;
            __m512 y = _mm512_add_ps(sum[r][v], bias);
            y = t->add ? _mm512_add_ps(y, _mm512_maskz_loadu_ps(lanes, c)) : y;
            y = t->relu ? _mm512_max_ps(y, _mm512_setzero_ps()) : y;
            _mm512_mask_storeu_ps(c, lanes, y);
        }
    }
}

#define TILES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)

#define X(rows)                                                                            \
    AVX512 static void wide_##rows(const float *a, const float *b, const struct tile *t)   \
    {                                                                                      \
        run_tile(rows, 2, a, b, t);                                                        \
    }                                                                                      \
    AVX512 static void narrow_##rows(const float *a, const float *b, const struct tile *t) \
    {                                                                                      \
        run_tile(rows, 1, a, b, t);                                                        \
    }
TILES(X)
#undef X

typedef void tile_function(const float *a, const float *b, const struct tile *t);

#define NARROW(rows) narrow_##rows,
#define WIDE(rows)   wide_##rows,
static tile_function *const tiles[2][ROWS] = {{TILES(NARROW)}, {TILES(WIDE)}}; /* [rows - 1] */

/* The panels of one block of b. */
struct block {
    const float *b;
    size_t columns;
    size_t depth;
};

/* Rows of a, a few at a time, on their way into L2. */
struct ahead {
    const float *a;
    size_t lda;
    size_t rows; /* still to fetch */
};

static void fetch(struct ahead *next, size_t rows, size_t depth)
{
    for (; rows && next->rows; rows--, next->rows--, next->a += next->lda) {
        for (size_t k = 0; k < depth; k += LANES) {
            _mm_prefetch((const char *)(next->a + k), _MM_HINT_T1);
        }
    }
}

/* All columns of the block for one strip of rows; `t` says where its first tile goes.  Meanwhile
 * the next strip is fetched. */
static void run_strip(const float *a, size_t rows, const struct block *block, struct tile t,
                      struct ahead *next)
{
    const float *b = block->b;
    const size_t panels = (block->columns + PANEL - 1) / PANEL;
    for (size_t at = 0; at < block->columns; at += PANEL, b += PANEL * block->depth) {
        fetch(next, (ROWS + panels - 1) / panels, block->depth);
        const size_t columns = smaller(block->columns - at, PANEL);
        const size_t over = (columns - 1) % LANES + 1;
        t.last = (__mmask16)(0xffffu >> (LANES - over));
        tiles[columns > LANES][rows - 1](a, b, &t);
        t.c += PANEL;
        t.bias = t.bias ? t.bias + PANEL : NULL;
    }
}

static void copy_strip(const float *a, size_t lda, size_t rows, size_t depth, float *out)
{
    for (size_t r = 0; r < rows; r++) {
        memcpy(out + r * STRIDE, a + r * lda, depth * sizeof *out);
    }
}

/* c[m][..] of one block, whose columns begin at c and bias. */
static void run_block(size_t m, const float *a, size_t lda, const struct block *block,
                      const struct tile *first)
{
    _Alignas(64) float strip[ROWS * STRIDE];
    for (size_t at = 0; at < m; at += ROWS) {
        const size_t rows = smaller(m - at, ROWS);
        struct tile t = *first;
        t.c += at * t.ldc;
        copy_strip(a + at * lda, lda, rows, block->depth, strip);
        const size_t done = at + rows;
        struct ahead next = {a + done * lda, lda, smaller(m - done, ROWS)};
        run_strip(strip, rows, block, t, &next);
    }
}

static void multiply(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b,
                     const struct gemm_finish *finish, float *c, size_t ldc)
{
    for (size_t at = 0; at < n; at += PANELS * PANEL) {
        for (size_t from = 0; from < k; from += DEPTH) {
            const size_t depth = smaller(k - from, DEPTH);
            const bool last = from + depth == k;
            const struct block block = {b + from * padded(n) + at * depth,
                                        smaller(n - at, PANELS * PANEL), depth};
            const struct tile tile = {.c = c + at,
                                      .ldc = ldc,
                                      .depth = depth,
                                      .add = finish->add || from > 0,
                                      .bias = last && finish->bias ? finish->bias + at : NULL,
                                      .relu = last && finish->relu};
            run_block(m, a + from, lda, &block, &tile);
        }
    }
}

const struct gemm_kernels *gemm_avx512(void)
{
    static const struct gemm_kernels kernels = {"pairmill AVX-512", packed_floats, packed_at,
                                                multiply};
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") ? &kernels : NULL;
}

#else

const struct gemm_kernels *gemm_avx512(void)
{
    return NULL;
}

#endif
