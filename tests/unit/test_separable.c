/* A separable convolution equals its two steps' definitions, in double precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detector/separable.h"
#include "detector_fixture.h"

/* v[t][y][x][c] */
struct grid {
    int t;
    int h;
    int w;
    int c;
    double *v;
};

static double *place(struct grid g, int t, int y, int x)
{
    return g.v + (((size_t)t * g.h + y) * g.w + x) * g.c;
}

/* weight [out][in][kt][k][k] */
static struct grid convolve(struct grid x, const float *weight, const float *bias, int out, int kt,
                            int k, int st, int s, bool relu)
{
    struct grid y = {(x.t + kt / 2 * 2 - kt) / st + 1, (x.h + k / 2 * 2 - k) / s + 1,
                     (x.w + k / 2 * 2 - k) / s + 1, out, NULL};
    const int area = kt * k * k;
    y.v = calloc((size_t)y.t * y.h * y.w * out, sizeof *y.v);
    for (int i = 0; i < y.t * y.h * y.w * out; i++) {
        double sum = (double)bias[i % out];
        for (int a = 0; a < area; a++) {
            const int t = i / out / y.w / y.h * st - kt / 2 + a / k / k;
            const int row = i / out / y.w % y.h * s - k / 2 + a / k % k;
            const int column = i / out % y.w * s - k / 2 + a % k;
            const bool inside =
                t >= 0 && row >= 0 && column >= 0 && t < x.t && row < x.h && column < x.w;
            for (int c = 0; c < x.c && inside; c++) {
                sum += place(x, t, row, column)[c] *
                       (double)weight[((size_t)(i % out) * x.c + c) * area + a];
            }
        }
        y.v[i] = relu ? fmax(sum, 0) : sum;
    }
    return y;
}

struct trial {
    struct separable s;
    struct tensor x;
    float *space;
    float *time;
};

static struct grid defined(const struct trial *t)
{
    struct grid x = {t->x.n, t->x.h, t->x.w, t->x.c, NULL};
    x.v = malloc(tensor_count(&t->x) * sizeof *x.v);
    for (size_t i = 0; i < tensor_count(&t->x); i++) {
        x.v[i] = (double)t->x.p[i];
    }
    const struct conv *a = &t->s.space;
    const struct conv *b = &t->s.time;
    const struct grid flat =
        convolve(x, t->space, a->bias, a->out, 1, a->kernel, 1, a->stride, true);
    const struct grid y =
        convolve(flat, t->time, b->bias, b->out, b->taps, 1, b->tap_stride, 1, b->relu);
    free(x.v);
    free(flat.v);
    return y;
}

static void expect(const struct tensor *got, int at, struct grid want)
{
    cr_assert(got->n == want.t && got->h == want.h && got->w == want.w);
    for (int i = 0; i < want.t * want.h * want.w * want.c; i++) {
        const float v = got->p[(size_t)(i / want.c) * (size_t)got->c + (size_t)(at + i % want.c)];
        cr_assert_float_eq((double)v, want.v[i], 1e-4, "%d: %g, not %g", i, (double)v, want.v[i]);
    }
}

static void prepare(struct conv *c, struct dice *d, float **weight)
{
    const size_t taps = (size_t)c->taps * (size_t)c->kernel * (size_t)c->kernel;
    *weight = dice_floats(d, (size_t)c->out * (size_t)c->in * taps, -0.3f, 0.3f);
    c->bias = dice_floats(d, (size_t)c->out, -1, 1);
    bench_prepare(c, *weight);
}

static struct trial make_trial(struct dice *d, int kernel, int stride, bool relu)
{
    struct trial t = {.x = {.n = dice_int(d, 1, 9),
                            .h = dice_int(d, 1, 12),
                            .w = dice_int(d, 1, 12),
                            .c = dice_int(d, 1, 20)}};
    t.x.p = dice_floats(d, tensor_count(&t.x), -1, 1);
    t.s.space = (struct conv){.name = "space",
                              .in = t.x.c,
                              .out = dice_int(d, 1, 33),
                              .kernel = kernel,
                              .stride = stride,
                              .pad = kernel / 2,
                              .dilation = 1,
                              .taps = 1,
                              .relu = true};
    t.s.time = (struct conv){.name = "time",
                             .in = t.s.space.out,
                             .out = dice_int(d, 1, 20),
                             .kernel = 1,
                             .stride = 1,
                             .dilation = 1,
                             .taps = kernel,
                             .tap_stride = stride,
                             .tap_pad = kernel / 2,
                             .relu = relu};
    return t;
}

static void release(struct trial *t)
{
    struct conv *c[] = {&t->s.space, &t->s.time};
    float *weight[] = {t->space, t->time};
    for (int i = 0; i < 2; i++) {
        free((void *)c[i]->weight);
        free((void *)c[i]->bias);
        free(weight[i]);
    }
    free(t->x.p);
}

static void check(struct dice *d, int kernel, int stride, bool relu)
{
    struct bench b;
    bench_init(&b);
    struct trial t = make_trial(d, kernel, stride, relu);
    prepare(&t.s.space, d, &t.space);
    prepare(&t.s.time, d, &t.time);
    struct grid want = defined(&t);
    const struct tensor y = separable_run(&t.s, &b.pass, &t.x);
    expect(&y, 0, want);
    const struct tensor wide = pass_tensor(&b.pass, y.n, y.h, y.w, y.c + 5);
    separable_run_into(&t.s, &b.pass, &t.x, &wide, 3);
    expect(&wide, 3, want);
    if (!relu) {
        separable_add(&t.s, &b.pass, &t.x, &y);
        for (size_t i = 0; i < tensor_count(&y); i++) {
            want.v[i] *= 2;
        }
        expect(&y, 0, want);
    }
    cr_assert_eq(b.ws.count, 2);
    free(want.v);
    release(&t);
    bench_release(&b);
}

Test(separable, equals_its_two_steps)
{
    struct dice d = {.seed = 12};
    for (int i = 0; i < 30; i++) {
        check(&d, i % 3 ? 3 : 7, 1 + i / 3 % 2, i % 2);
    }
}
