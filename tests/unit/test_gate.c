/* Self-gating against its definition in double precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detector/gate.h"
#include "detector_fixture.h"

struct trial {
    struct tensor y; /* [n][h][w][c] */
    int at;
    int width; /* of the gated channels */
    float *weight;
    float *bias;
};

static double mean_of(const struct tensor *x, int c)
{
    double sum = 0;
    for (size_t i = 0; i < tensor_pixels(x); i++) {
        sum += (double)x->p[i * (size_t)x->c + (size_t)c];
    }
    return sum / (double)tensor_pixels(x);
}

static double gate_of(const struct trial *t, const struct tensor *x, int c)
{
    double z = (double)t->bias[c];
    for (int i = 0; i < t->width; i++) {
        z += (double)t->weight[c * t->width + i] * mean_of(x, t->at + i);
    }
    return 1 / (1 + exp(-z));
}

static void check(const struct trial *t)
{
    struct bench b;
    bench_init(&b);
    struct conv fc = {.name = "gate",
                      .in = t->width,
                      .out = t->width,
                      .kernel = 1,
                      .stride = 1,
                      .dilation = 1,
                      .bias = t->bias};
    bench_prepare(&fc, t->weight);
    struct tensor x = t->y;
    x.p = malloc(tensor_count(&x) * sizeof *x.p);
    memcpy(x.p, t->y.p, tensor_count(&x) * sizeof *x.p);
    gate_run(&fc, &b.pass, &t->y, t->at);
    for (int c = 0; c < x.c; c++) {
        const bool gated = c >= t->at && c < t->at + t->width;
        const double by = gated ? gate_of(t, &x, c - t->at) : 1;
        for (size_t i = 0; i < tensor_pixels(&x); i++) {
            const size_t j = i * (size_t)x.c + (size_t)c;
            cr_assert_float_eq((double)t->y.p[j], by * (double)x.p[j], 2e-6);
        }
    }
    cr_assert_eq(b.ws.count, 0);
    free(x.p);
    free((void *)fc.weight);
    bench_release(&b);
}

Test(gate, scales_its_channels_and_leaves_the_others)
{
    struct dice d = {.seed = 8};
    for (int i = 0; i < 40; i++) {
        struct trial t = {.width = dice_int(&d, 1, 40), .at = dice_int(&d, 0, 9)};
        t.y = (struct tensor){.n = dice_int(&d, 1, 5),
                              .h = dice_int(&d, 1, 9),
                              .w = dice_int(&d, 1, 9),
                              .c = t.at + t.width + dice_int(&d, 0, 5)};
        t.y.p = dice_floats(&d, tensor_count(&t.y), -2, 2);
        t.weight = dice_floats(&d, (size_t)t.width * (size_t)t.width, -3, 3);
        t.bias = dice_floats(&d, (size_t)t.width, -1, 1);
        check(&t);
        free(t.y.p);
        free(t.weight);
        free(t.bias);
    }
}

/* 500,000 values of nearly 1: summed one after the other they would be off by a thousandth. */
Test(gate, the_mean_of_a_long_clip_is_exact)
{
    struct dice d = {.seed = 9};
    struct trial t = {.width = 1, .at = 0, .y = {.n = 50, .h = 100, .w = 100, .c = 1}};
    float one = 1;
    float zero = 0;
    t.y.p = dice_floats(&d, tensor_count(&t.y), 0.9f, 1.1f);
    t.weight = &one;
    t.bias = &zero;
    check(&t);
    free(t.y.p);
}
