/* Sizes against those of the original programs; what the network sees against the rules evaluated
 * in double precision. */
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

/* Sizes that the three programs' own functions gave, at 800 / 1333, 800 / 1333 and 600 / 1000. */
static const struct {
    uint32_t width;
    uint32_t height;
    int torchvision[4]; /* network's, then with padding */
    int detectron2[2];
    int maskrcnn[2];
} sizes_elsewhere[] = {
    {640, 422, {1213, 800, 1216, 800}, {1213, 800}, {909, 600}},
    {640, 426, {1201, 800, 1216, 800}, {1202, 800}, {901, 600}},
    {427, 640, {799, 1199, 800, 1216}, {800, 1199}, {600, 899}},
    {500, 500, {800, 800, 800, 800}, {800, 800}, {600, 600}},
    {640, 428, {1196, 799, 1216, 800}, {1196, 800}, {897, 600}},
    {500, 375, {1066, 799, 1088, 800}, {1067, 800}, {800, 600}},
    {640, 361, {1333, 751, 1344, 768}, {1333, 752}, {999, 564}},
    {480, 640, {800, 1066, 800, 1088}, {800, 1067}, {600, 800}},
    {1, 1, {800, 800, 800, 800}, {800, 800}, {600, 600}},
    {3, 700, {5, 1332, 32, 1344}, {6, 1333}, {4, 933}},
    {507, 1233, {548, 1332, 576, 1344}, {548, 1333}, {411, 999}},
    {1134, 287, {1333, 337, 1344, 352}, {1333, 337}, {999, 253}},
    {777, 1256, {800, 1293, 800, 1312}, {800, 1293}, {600, 969}},
    {990, 1301, {800, 1051, 800, 1056}, {800, 1051}, {600, 788}},
    {1209, 154, {1332, 169, 1344, 192}, {1333, 170}, {997, 127}},
    {1260, 46, {1333, 48, 1344, 64}, {1333, 49}, {1013, 37}},
    {980, 551, {1332, 749, 1344, 768}, {1333, 749}, {999, 562}},
    {1148, 499, {1333, 579, 1344, 608}, {1333, 579}, {1000, 435}},
    {412, 1488, {369, 1332, 384, 1344}, {369, 1333}, {277, 1000}},
    {983, 1127, {800, 917, 800, 928}, {800, 917}, {600, 687}},
    {1145, 995, {920, 800, 928, 800}, {921, 800}, {690, 600}},
    {833, 1328, {799, 1275, 800, 1280}, {800, 1275}, {600, 956}},
    {328, 494, {799, 1204, 800, 1216}, {800, 1205}, {600, 903}},
    {1320, 330, {1332, 333, 1344, 352}, {1333, 333}, {1000, 250}},
};

static void expect_size(enum preprocess_rule rule, size_t i, int width, int height)
{
    const bool vinvl = rule == PREPROCESS_MASKRCNN;
    const struct preprocess pre = {
        .rule = rule, .short_side = vinvl ? 600 : 800, .long_side = vinvl ? 1000 : 1333};
    struct geometry g;
    cr_assert_eq(preprocess_geometry(&pre, sizes_elsewhere[i].width, sizes_elsewhere[i].height, &g),
                 0);
    cr_assert(g.net_width == width && g.net_height == height, "rule %d: %ux%u became %dx%d", rule,
              sizes_elsewhere[i].width, sizes_elsewhere[i].height, g.net_width, g.net_height);
    cr_assert(g.padded_width == width && g.padded_height == height);
}

Test(preprocess, sizes_are_those_of_torchvision_detectron2_and_maskrcnn_benchmark)
{
    for (size_t i = 0; i < sizeof sizes_elsewhere / sizeof *sizes_elsewhere; i++) {
        const int *t = sizes_elsewhere[i].torchvision;
        expect_size(PREPROCESS_TORCHVISION, i, t[0], t[1]);
        expect_size(PREPROCESS_DETECTRON2, i, sizes_elsewhere[i].detectron2[0],
                    sizes_elsewhere[i].detectron2[1]);
        expect_size(PREPROCESS_MASKRCNN, i, sizes_elsewhere[i].maskrcnn[0],
                    sizes_elsewhere[i].maskrcnn[1]);
        const struct preprocess padded = {
            .rule = PREPROCESS_TORCHVISION, .short_side = 800, .long_side = 1333, .multiple = 32};
        struct geometry g;
        cr_assert_eq(
            preprocess_geometry(&padded, sizes_elsewhere[i].width, sizes_elsewhere[i].height, &g),
            0);
        cr_assert(g.net_width == t[0] && g.padded_width == t[2] && g.padded_height == t[3]);
    }
}

Test(preprocess, pads_with_zeros_and_normalises_before_or_after)
{
    struct dice dice = {.seed = 3};
    for (int trial = 0; trial < 12; trial++) {
        struct bench b;
        bench_init(&b);
        const int width = dice_int(&dice, 20, 50); /* the short side: nothing is resized */
        const int height = width + dice_int(&dice, 0, 20);
        const struct preprocess pre = {.rule = trial % 2 ? PREPROCESS_TORCHVISION
                                                         : PREPROCESS_DETECTRON2,
                                       .bgr = trial % 3 == 0,
                                       .mean = {1, 2, 3},
                                       .std = {4, 5, 6},
                                       .short_side = width,
                                       .long_side = 200,
                                       .multiple = 8};
        struct geometry g;
        uint8_t *rgb = random_image((uint64_t)trial, width, height);
        cr_assert_eq(preprocess_geometry(&pre, (uint32_t)width, (uint32_t)height, &g), 0);
        cr_assert(g.net_width == width && g.net_height == height);
        const struct tensor x = preprocess_run(&pre, &b.pass, &g, rgb);
        cr_assert(x.w % 8 == 0 && x.h % 8 == 0 && x.w >= width && x.h >= height);
        for (int i = 0; i < x.h * x.w * 3; i++) {
            const int c = i % 3;
            const int ox = i / 3 % x.w;
            const int oy = i / 3 / x.w;
            const int from = pre.bgr ? 2 - c : c;
            const bool inside = ox < width && oy < height;
            const double v =
                inside ? (rgb[3 * (oy * width + ox) + from] - pre.mean[c]) / pre.std[c] : 0;
            cr_assert_float_eq((double)x.p[i], v, 1e-5);
        }
        cr_assert_eq(b.ws.count, 1);
        free(rgb);
        bench_release(&b);
    }
}
