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
    float *weight; /* [out][in / groups][taps][k][k] */
    float *residual;
};

static int at_least_1(int v)
{
    return v > 1 ? v : 1;
}

/* Input pixel that tap (t, ky, kx) of an output pixel sees; NULL outside. */
static const float *seen(const struct trial *t, int n, int oy, int ox, int tap, int ky, int kx)
{
    const struct conv *c = &t->conv;
    const int y = oy * c->stride - c->pad + ky * c->dilation;
    const int x = ox * c->stride - c->pad + kx * c->dilation;
    const int frame = n * at_least_1(c->tap_stride) - c->tap_pad + tap;
    const bool inside =
        frame >= 0 && frame < t->x.n && y >= 0 && y < t->x.h && x >= 0 && x < t->x.w;
    return inside ? tensor_at(&t->x, frame, y, x) : NULL;
}

/* One output value, and the sum of the magnitudes that went into it: the scale of its rounding. */
static double defined(const struct trial *t, int n, int oy, int ox, int o, double *scale)
{
    const struct conv *c = &t->conv;
    const int taps = at_least_1(c->taps);
    const int in = c->in / at_least_1(c->groups);
    const int first = o / (c->out / at_least_1(c->groups)) * in;
    const int area = c->kernel * c->kernel;
    double sum = (double)c->bias[o];
    *scale = fabs(sum);
    for (int k = 0; k < taps * area; k++) {
        const float *pixel = seen(t, n, oy, ox, k / area, k % area / c->kernel, k % c->kernel);
        for (int i = 0; i < in && pixel; i++) {
            const double v =
                (double)pixel[first + i] * (double)t->weight[(o * in + i) * taps * area + k];
            sum += v;
            *scale += fabs(v);
        }
    }
    return sum;
}

enum { EXTRA = 3 }; /* channels around what conv_run_into() writes */

/* conv_run(); or conv_add() onto a copy of the residual; or conv_run_into() a wider tensor, of
 * which the rest must stay: returns c->out channels in any case. */
static struct tensor run(const struct trial *t, struct pass *pass, bool into)
{
    const struct conv *c = &t->conv;
    const int n = conv_frames(c, t->x.n);
    const int h = conv_side(c, t->x.h);
    const int w = conv_side(c, t->x.w);
    if (!t->residual && !into) {
        return conv_run(c, pass, &t->x);
    }
    const struct tensor y = pass_tensor(pass, n, h, w, c->out);
    if (t->residual) {
        memcpy(y.p, t->residual, tensor_count(&y) * sizeof *y.p);
        conv_add(c, pass, &t->x, &y);
        return y;
    }
    const struct tensor wide = pass_tensor(pass, n, h, w, c->out + 2 * EXTRA);
    for (size_t i = 0; i < tensor_count(&wide); i++) {
        wide.p[i] = 77;
    }
    conv_run_into(c, pass, &t->x, &wide, EXTRA);
    for (size_t i = 0; i < tensor_pixels(&wide); i++) {
        const float *row = wide.p + i * wide.c;
        memcpy(y.p + i * c->out, row + EXTRA, c->out * sizeof *row);
        cr_assert(row[EXTRA - 1] == 77 && row[EXTRA + c->out] == 77, "wrote beyond its channels");
    }
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
    const int n = conv_frames(c, t->x.n);
    const size_t outputs = (size_t)n * h * w * c->out;
    const size_t filters = (size_t)c->out * (c->in / at_least_1(c->groups));
    t->x.p = dice_floats(dice, tensor_count(&t->x), -1, 1);
    t->weight = dice_floats(dice, filters * at_least_1(c->taps) * c->kernel * c->kernel, -1, 1);
    float *bias = dice_floats(dice, (size_t)c->out, -1, 1);
    t->residual = dice_int(dice, 0, 1) ? dice_floats(dice, outputs, -1, 1) : NULL;
    c->bias = bias;
    bench_prepare(c, t->weight);
    const struct tensor y = run(t, &b.pass, dice_int(dice, 0, 1));
    cr_assert(y.n == n && y.h == h && y.w == w && y.c == c->out);
    for (size_t at = 0; at < outputs; at++) {
        const int o = (int)(at % c->out);
        const size_t pixel = at / c->out;
        double scale;
        double want =
            defined(t, (int)(pixel / w / h), (int)(pixel / w % h), (int)(pixel % w), o, &scale);
        want += t->residual ? (double)t->residual[at] : 0.0;
        want = c->relu && want < 0 ? 0 : want;
        cr_assert_lt(fabs((double)y.p[at] - want), tolerance * (scale + 1),
                     "%d->%d g%d t%d k%d s%d p%d d%d on %dx%dx%d: [%zu] is %g, not %g", c->in,
                     c->out, c->groups, c->taps, c->kernel, c->stride, c->pad, c->dilation, t->x.n,
                     t->x.h, t->x.w, at, (double)y.p[at], want);
    }
    free(t->x.p);
    free(t->weight);
    free(bias);
    free(t->residual);
    free((void *)c->weight);
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

/* `each` channels a group, in and out. */
static void make_groups(struct trial *t, int groups, int each_in, int each_out)
{
    t->conv.groups = groups;
    t->conv.in = groups * each_in;
    t->conv.out = groups * each_out;
    t->x.c = t->conv.in;
}

Test(conv, equals_its_definition_in_groups_of_any_width)
{
    struct dice dice = {.seed = 7};
    for (int i = 0; i < 60; i++) {
        const int kernels[] = {1, 3};
        struct trial t = random_trial(&dice, kernels[i % 2]);
        make_groups(&t, dice_int(&dice, 2, 12), dice_int(&dice, 1, 20), dice_int(&dice, 1, 9));
        check(&t, &dice);
    }
}

Test(conv, equals_its_definition_in_the_groups_of_resnext)
{
    struct dice dice = {.seed = 8};
    for (int width = 4; width <= 32; width *= 2) {
        for (int stride = 1; stride <= 2; stride++) {
            struct trial t = random_trial(&dice, 3);
            make_groups(&t, 16, width, width);
            t.conv.stride = stride;
            check(&t, &dice);
        }
    }
}

/* A clip of up to 9 frames under 1 to 4 taps. */
static void make_clip(struct trial *t, struct dice *d)
{
    t->conv.taps = dice_int(d, 1, 4);
    t->conv.tap_stride = dice_int(d, 0, 2);
    t->conv.tap_pad = dice_int(d, 0, t->conv.taps);
    t->x.n = dice_int(d, t->conv.taps, 9);
}

Test(conv, equals_its_definition_along_the_frames)
{
    struct dice dice = {.seed = 9};
    for (int i = 0; i < 150; i++) {
        const int kernels[] = {1, 3};
        struct trial t = random_trial(&dice, kernels[i % 2]);
        make_clip(&t, &dice);
        if (i % 4 == 3) {
            t.conv.in = t.x.c = 16 * dice_int(&dice, 1, 2);
            t.conv.out = 16;
            t.conv.stride = 1;
        }
        check(&t, &dice);
    }
}

Test(conv, winograd_along_the_frames_works_in_several_blocks)
{
    struct dice dice = {.seed = 10};
    struct trial t = {.x = {.n = 5, .h = 90, .w = 92, .c = 144}};
    t.conv = (struct conv){.name = "large",
                           .in = 144,
                           .out = 16,
                           .kernel = 3,
                           .stride = 1,
                           .pad = 1,
                           .dilation = 1,
                           .taps = 3,
                           .tap_stride = 1,
                           .tap_pad = 1};
    check(&t, &dice);
}
