/* Matrix products by packed weights against their definition in double precision, by each kind of
 * kernels that runs here. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detector/gemm.h"
#include "detector/gemm_internal.h"
#include "detector_fixture.h"

struct trial {
    size_t m;
    size_t n;
    size_t k;
    size_t lda;
    size_t ldc;
    struct gemm_finish finish;
    float *a;      /* [m][lda] */
    float *b;      /* [n][k] */
    float *packed; /* b */
    float *bias;   /* [n] */
    float *before; /* [m][ldc] what c holds first */
};

static size_t upto(struct dice *d, size_t most)
{
    return (size_t)dice_int(d, 1, (int)most);
}

static void trial_init(struct trial *t, struct dice *d, size_t m, size_t n, size_t k)
{
    *t = (struct trial){.m = m, .n = n, .k = k};
    t->lda = k + upto(d, 9) - 1;
    t->ldc = n + upto(d, 9) - 1;
    t->a = dice_floats(d, m * t->lda, -1, 1);
    t->b = dice_floats(d, n * k, -1, 1);
    t->bias = dice_floats(d, n, -1, 1);
    t->before = dice_floats(d, m * t->ldc, -1, 1);
    t->finish = (struct gemm_finish){.add = dice_int(d, 0, 1),
                                     .bias = dice_int(d, 0, 1) ? t->bias : NULL,
                                     .relu = dice_int(d, 0, 1)};
    const size_t floats = gemm_packed_floats(n, k);
    t->packed = aligned_alloc(64, (floats + 15) / 16 * 64);
    memset(t->packed, 0, floats * sizeof *t->packed);
    for (size_t row = 0; row < n; row++) {
        for (size_t column = 0; column < k; column++) {
            t->packed[gemm_packed_at(n, k, row, column)] = t->b[row * k + column];
        }
    }
}

static void trial_release(struct trial *t)
{
    free(t->a);
    free(t->b);
    free(t->packed);
    free(t->bias);
    free(t->before);
}

/* Rows [from, to) of the product, over a copy of what c held; free() it. */
static float *product(const struct trial *t, size_t from, size_t to)
{
    float *c = malloc(t->m * t->ldc * sizeof *c);
    memcpy(c, t->before, t->m * t->ldc * sizeof *c);
    gemm(to - from, t->n, t->k, t->a + from * t->lda, t->lda, t->packed, &t->finish,
         c + from * t->ldc, t->ldc);
    return c;
}

static double defined(const struct trial *t, size_t row, size_t column)
{
    double sum = t->finish.bias ? (double)t->bias[column] : 0;
    sum += t->finish.add ? (double)t->before[row * t->ldc + column] : 0;
    for (size_t i = 0; i < t->k; i++) {
        sum += (double)t->a[row * t->lda + i] * (double)t->b[column * t->k + i];
    }
    return t->finish.relu && sum < 0 ? 0 : sum;
}

static void check(struct trial *t)
{
    float *c = product(t, 0, t->m);
    for (size_t row = 0; row < t->m; row++) {
        for (size_t column = 0; column < t->ldc; column++) {
            const size_t at = row * t->ldc + column;
            if (column >= t->n) {
                cr_assert_eq(c[at], t->before[at], "wrote beyond a row's end");
                continue;
            }
            const double want = defined(t, row, column);
            /* Roundings of 2^-24 of at most k + 2 terms below 1. */
            cr_assert_lt(fabs((double)c[at] - want), 6e-8 * ((double)t->k + 2) + 1e-7,
                         "%zux%zux%zu: (%zu, %zu) is %g, not %g", t->m, t->n, t->k, row, column,
                         (double)c[at], want);
        }
    }
    free(c);
}

/* PAIRMILL_GEMM's values; what does not run on this CPU gives way to the other. */
ParameterizedTestParameters(gemm, equals_its_definition)
{
    static char kinds[2][16] = {"avx512", "openblas"};
    return cr_make_param_array(char[16], kinds, 2);
}

static void use(const char *kind)
{
    setenv("PAIRMILL_GEMM", gemm_avx512() ? kind : "openblas", 1);
    cr_assert_eq(gemm_init(), 0, "%s", err_text());
}

ParameterizedTest(char (*kind)[16], gemm, equals_its_definition)
{
    struct dice dice = {.seed = 1};
    use(*kind);
    for (int i = 0; i < 150; i++) {
        struct trial t;
        trial_init(&t, &dice, upto(&dice, 40), upto(&dice, 100), upto(&dice, 70));
        check(&t);
        trial_release(&t);
    }
}

Test(gemm, equals_its_definition_beyond_the_blocks_of_each_side)
{
    struct dice dice = {.seed = 2};
    use("avx512");
    const size_t sizes[][3] = {
        {1, 1, 1}, {15, 33, 513}, {29, 401, 1025}, {14, 384, 512}, {3, 17, 2048}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct trial t;
        trial_init(&t, &dice, sizes[i][0], sizes[i][1], sizes[i][2]);
        check(&t);
        trial_release(&t);
    }
}

Test(gemm, gives_a_row_the_same_bits_however_many_are_multiplied)
{
    struct dice dice = {.seed = 3};
    struct trial t;
    use("avx512");
    if (!gemm_avx512()) {
        cr_skip_test("OpenBLAS does not promise this");
    }
    trial_init(&t, &dice, 31, 70, 600);
    float *whole = product(&t, 0, t.m);
    for (size_t row = 0; row < t.m; row++) {
        float *alone = product(&t, row, row + 1);
        cr_assert_arr_eq(alone + row * t.ldc, whole + row * t.ldc, t.n * sizeof *whole);
        free(alone);
    }
    free(whole);
    trial_release(&t);
}

Test(gemm, of_no_rows_writes_nothing)
{
    struct dice dice = {.seed = 4};
    struct trial t;
    use("avx512");
    trial_init(&t, &dice, 2, 5, 7);
    float *c = product(&t, 1, 1);
    cr_assert_arr_eq(c, t.before, t.m * t.ldc * sizeof *c);
    free(c);
    trial_release(&t);
}

Test(gemm, names_the_kernels_that_the_environment_asks_for_in_vain)
{
    setenv("PAIRMILL_GEMM", "abacus", 1);
    cr_assert_eq(gemm_init(), E_ARG);
    cr_assert(strstr(err_text(), "abacus"), "%s", err_text());
}
