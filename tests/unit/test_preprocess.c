/* Geometry and bilinear resize against OpenCV's rules, evaluated in double precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/preprocess.h"
#include "detector_fixture.h"

static const struct preprocess butd = {.bgr = true,
                                       .mean = {102.9801, 115.9465, 122.7717},
                                       .std = {1, 1, 1},
                                       .short_side = 600,
                                       .long_side = 1000};

Test(preprocess, sizes_are_those_of_the_published_features)
{
    /* width, height -> network's, read off the Caffe features of ten COCO images */
    static const int sizes[][4] = {
        {500, 333, 901, 600}, {640, 428, 897, 600}, {640, 394, 975, 600}, {640, 513, 749, 600},
        {408, 391, 626, 600}, {640, 480, 800, 600}, {640, 427, 899, 600}, {640, 360, 1000, 562},
        {407, 640, 600, 943}, {640, 438, 877, 600}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct geometry g;
        cr_assert_eq(preprocess_geometry(&butd, (uint32_t)sizes[i][0], (uint32_t)sizes[i][1], &g),
                     0);
        cr_assert(g.net_width == sizes[i][2] && g.net_height == sizes[i][3], "%dx%d became %dx%d",
                  sizes[i][0], sizes[i][1], g.net_width, g.net_height);
    }
}

Test(preprocess, refuses_images_that_are_empty_or_enormous)
{
    struct geometry g;
    cr_assert_eq(preprocess_geometry(&butd, 0, 10, &g), E_ARG);
    cr_assert_eq(preprocess_geometry(&butd, 100000, 10, &g), E_IMAGE_TOO_BIG);
    cr_assert_eq(preprocess_geometry(&butd, 60000, 1, &g), 0);
    cr_assert_geq(g.net_height, 1);
}

static double clamped_sample(double at, int n, int *low, int *high)
{
    double base = floor(at);
    double part = at - base;
    if (base < 0) {
        base = 0;
        part = 0;
    }
    if (base >= n - 1) {
        base = n - 1;
        part = 0;
    }
    *low = (int)base;
    *high = *low + 1 < n ? *low + 1 : *low;
    return part;
}

static double sampled(const struct geometry *g, const struct preprocess *pre, const uint8_t *rgb,
                      int oy, int ox, int c)
{
    int x[2];
    int y[2];
    const double fx = clamped_sample((ox + 0.5) / g->scale - 0.5, g->width, &x[0], &x[1]);
    const double fy = clamped_sample((oy + 0.5) / g->scale - 0.5, g->height, &y[0], &y[1]);
    const int from = pre->bgr ? 2 - c : c;
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            const double v = rgb[3 * (y[i] * g->width + x[j]) + from];
            sum += (i ? fy : 1 - fy) * (j ? fx : 1 - fx) * (v - pre->mean[c]) / pre->std[c];
        }
    }
    return sum;
}

static void check(struct dice *dice, struct preprocess pre, int width, int height)
{
    struct bench b;
    bench_init(&b);
    uint8_t *rgb = malloc(3 * (size_t)width * height);
    for (int i = 0; i < 3 * width * height; i++) {
        rgb[i] = (uint8_t)dice_int(dice, 0, 255);
    }
    struct geometry g;
    cr_assert_eq(preprocess_geometry(&pre, (uint32_t)width, (uint32_t)height, &g), 0);
    const struct tensor x = preprocess_run(&pre, &b.pass, &g, rgb);
    cr_assert(x.h == g.net_height && x.w == g.net_width && x.c == 3);
    for (int oy = 0; oy < x.h; oy++) {
        for (int ox = 0; ox < x.w; ox++) {
            for (int c = 0; c < 3; c++) {
                cr_assert_float_eq((double)tensor_at(&x, 0, oy, ox)[c],
                                   sampled(&g, &pre, rgb, oy, ox, c), 0.01, "%dx%d at %d,%d,%d",
                                   width, height, oy, ox, c);
            }
        }
    }
    free(rgb);
    bench_release(&b);
}

Test(preprocess, samples_where_opencv_samples)
{
    struct dice dice = {.seed = 1};
    struct preprocess pre = butd;
    pre.short_side = 40;
    pre.long_side = 70;
    for (int i = 0; i < 25; i++) {
        pre.bgr = i % 2;
        check(&dice, pre, dice_int(&dice, 1, 160), dice_int(&dice, 1, 160));
    }
    check(&dice, pre, 1, 1);
    check(&dice, pre, 40, 70);  /* scale 1: a copy */
    check(&dice, pre, 140, 80); /* exactly one half */
}
