/* Convolution against its definition in double precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/conv.h"
#include "detector/winograd.h"
#include "detector_fixture.h"

struct trial {
    struct conv conv;
    struct tensor x;
    float *weight; /* [out][in][k][k] */
    float *residual;
};

/* One output value, and the sum of the magnitudes that went into it: the scale of its rounding. */
static double defined(const struct trial *t, int n, int oy, int ox, int o, double *scale)
{
    const struct conv *c = &t->conv;
    double sum = (double)c->bias[o];
    *scale = fabs(sum);
    for (int i = 0; i < c->in; i++) {
        for (int ky = 0; ky < c->kernel; ky++) {
            for (int kx = 0; kx < c->kernel; kx++) {
                const int y = oy * c->stride - c->pad + ky * c->dilation;
                const int x = ox * c->stride - c->pad + kx * c->dilation;
                if (y < 0 || x < 0 || y >= t->x.h || x >= t->x.w) {
                    continue;
                }
                const double v =
                    (double)tensor_at(&t->x, n, y, x)[i] *
                    (double)t->weight[((o * c->in + i) * c->kernel + ky) * c->kernel + kx];
                sum += v;
                *scale += fabs(v);
            }
        }
    }
    return sum;
}

/* conv_run(), or conv_add() onto a copy of the residual. */
static struct tensor run(const struct trial *t, struct pass *pass, int h, int w)
{
    if (!t->residual) {
        return conv_run(&t->conv, pass, &t->x);
    }
    const struct tensor y = pass_tensor(pass, t->x.n, h, w, t->conv.out);
    memcpy(y.p, t->residual, tensor_count(&y) * sizeof *y.p);
    conv_add(&t->conv, pass, &t->x, &y);
    return y;
}

static void check(struct trial *t, struct dice *dice)
{
    /* Of the sum of the magnitudes: a few roundings of 2^-24, more where sums are transformed. */
    const double tolerance = winograd_fits(&t->conv) ? 1e-5 : 2e-6;
    struct bench b;
    bench_init(&b);
    struct conv *c = &t->conv;
    const int h = conv_side(c, t->x.h);
    const int w = conv_side(c, t->x.w);
    const size_t outputs = (size_t)t->x.n * h * w * c->out;
    t->x.p = dice_floats(dice, tensor_count(&t->x), -1, 1);
    t->weight = dice_floats(dice, (size_t)c->out * c->in * c->kernel * c->kernel, -1, 1);
    float *bias = dice_floats(dice, (size_t)c->out, -1, 1);
    t->residual = dice_int(dice, 0, 1) ? dice_floats(dice, outputs, -1, 1) : NULL;
    float *room = aligned_alloc(64, (conv_prepared_floats(c) + 16) / 16 * 64);
    c->bias = bias;
    conv_prepare(c, t->weight, room);
    const struct tensor y = run(t, &b.pass, h, w);
    cr_assert(y.n == t->x.n && y.h == h && y.w == w && y.c == c->out);
    for (size_t at = 0; at < outputs; at++) {
        const int o = (int)(at % c->out);
        const size_t pixel = at / c->out;
        double scale;
        double want =
            defined(t, (int)(pixel / w / h), (int)(pixel / w % h), (int)(pixel % w), o, &scale);
        want += t->residual ? (double)t->residual[at] : 0.0;
        want = c->relu && want < 0 ? 0 : want;
        cr_assert_lt(fabs((double)y.p[at] - want), tolerance * (scale + 1),
                     "%d->%d k%d s%d p%d d%d on %dx%dx%d: [%zu] is %g, not %g", c->in, c->out,
                     c->kernel, c->stride, c->pad, c->dilation, t->x.n, t->x.h, t->x.w, at,
                     (double)y.p[at], want);
    }
    free(t->x.p);
    free(t->weight);
    free(bias);
    free(t->residual);
    free(room);
    bench_release(&b);
}

static struct trial random_trial(struct dice *d, int kernel)
{
    struct trial t = {
        .x = {.n = dice_int(d, 1, 3), .h = dice_int(d, 1, 15), .w = dice_int(d, 1, 15)}};
    t.conv = (struct conv){.name = "trial",
                           .in = dice_int(d, 1, 20),
                           .out = dice_int(d, 1, 20),
                           .kernel = kernel,
                           .stride = dice_int(d, 1, 2),
                           .dilation = dice_int(d, 1, 3),
                           .relu = dice_int(d, 0, 1)};
    t.conv.pad = t.conv.dilation * (kernel / 2);
    t.x.c = t.conv.in;
    return t;
}

Test(conv, equals_its_definition_on_random_shapes)
{
    struct dice dice = {.seed = 1};
    for (int i = 0; i < 120; i++) {
        const int kernels[] = {1, 3, 7};
        struct trial t = random_trial(&dice, kernels[i % 3]);
        check(&t, &dice);
    }
}

Test(conv, equals_its_definition_on_plain_3x3_of_every_small_size)
{
    struct dice dice = {.seed = 2};
    for (int h = 1; h <= 10; h++) {
        for (int w = 1; w <= 10; w++) {
            struct trial t = random_trial(&dice, 3);
            t.x.h = h;
            t.x.w = w;
            t.conv.stride = 1;
            t.conv.dilation = 1 + (h + w) % 2;
            t.conv.pad = t.conv.dilation;
            check(&t, &dice);
        }
    }
}

Test(conv, works_in_several_blocks)
{
    struct dice dice = {.seed = 4};
    struct trial t = {.x = {.n = 1, .h = 41, .w = 43, .c = 40}};
    t.conv = (struct conv){.name = "large",
                           .in = 40,
                           .out = 8,
                           .kernel = 7,
                           .stride = 1,
                           .pad = 3,
                           .dilation = 1,
                           .relu = true};
    check(&t, &dice);
}

Test(conv, equals_its_definition_on_the_channels_and_sizes_that_winograd_takes)
{
    struct dice dice = {.seed = 5};
    for (int i = 0; i < 60; i++) {
        struct trial t = random_trial(&dice, 3);
        t.conv.in = 16 * dice_int(&dice, 1, 3);
        t.conv.out = 16 * dice_int(&dice, 1, 2);
        t.conv.stride = 1;
        t.x.c = t.conv.in;
        check(&t, &dice);
    }
}

Test(conv, winograd_works_in_several_blocks)
{
    struct dice dice = {.seed = 6};
    struct trial t = {.x = {.n = 1, .h = 130, .w = 140, .c = 256}};
    t.conv = (struct conv){.name = "large",
                           .in = 256,
                           .out = 16,
                           .kernel = 3,
                           .stride = 1,
                           .pad = 2,
                           .dilation = 2,
                           .relu = true};
    check(&t, &dice);
}
