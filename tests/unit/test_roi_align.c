/* RoI align against its definition, sample by sample in double precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/roi_align.h"
#include "detector_fixture.h"

/* One bilinear sample (roi_align_common.h, pre_calc_for_bilinear_interpolate). */
static double sample(const struct tensor *x, double y, double z, int c)
{
    if (y < -1 || y > x->h || z < -1 || z > x->w) {
        return 0;
    }
    y = fmax(y, 0);
    z = fmax(z, 0);
    int y0 = (int)y;
    int x0 = (int)z;
    if (y0 >= x->h - 1) {
        y = y0 = x->h - 1;
    }
    if (x0 >= x->w - 1) {
        z = x0 = x->w - 1;
    }
    const int y1 = y0 < x->h - 1 ? y0 + 1 : y0;
    const int x1 = x0 < x->w - 1 ? x0 + 1 : x0;
    const double py = y - y0;
    const double px = z - x0;
    return (1 - py) * (1 - px) * (double)tensor_at(x, 0, y0, x0)[c] +
           (1 - py) * px * (double)tensor_at(x, 0, y0, x1)[c] +
           py * (1 - px) * (double)tensor_at(x, 0, y1, x0)[c] +
           py * px * (double)tensor_at(x, 0, y1, x1)[c];
}

static double aligned_value(const struct roi_align *op, int level, const struct tensor *x,
                            struct box roi, int side, int py, int px, int c)
{
    const double scale = (double)op->scale[level];
    const double off = op->aligned ? 0.5 : 0;
    const double left = (double)roi.x1 * scale - off;
    const double top = (double)roi.y1 * scale - off;
    double w = (double)roi.x2 * scale - off - left;
    double h = (double)roi.y2 * scale - off - top;
    w = op->aligned ? w : fmax(w, 1);
    h = op->aligned ? h : fmax(h, 1);
    const int gx = op->sampling ? op->sampling : (int)ceil(w / side);
    const int gy = op->sampling ? op->sampling : (int)ceil(h / side);
    double sum = 0;
    for (int i = 0; i < gy; i++) {
        for (int k = 0; k < gx; k++) {
            sum += sample(x, top + (py + (i + 0.5) / gy) * h / side,
                          left + (px + (k + 0.5) / gx) * w / side, c);
        }
    }
    return sum / fmax(gx * gy, 1);
}

enum { LEVELS = 3, ROIS = 6 };

/* Feature maps of one image: each half the one before. */
static void make_maps(struct dice *d, struct tensor map[LEVELS])
{
    const int h = dice_int(d, 1, 40);
    const int w = dice_int(d, 1, 40);
    const int c = dice_int(d, 0, 2) ? dice_int(d, 1, 9) : dice_int(d, 60, 140);
    for (int l = 0; l < LEVELS; l++) {
        map[l] = (struct tensor){.n = 1, .h = (h >> l) + 1, .w = (w >> l) + 1, .c = c};
        map[l].p = dice_floats(d, tensor_count(&map[l]), -1, 1);
    }
}

static struct box make_roi(struct dice *d)
{
    const float most = dice_int(d, 0, 1) ? 300 : 20;
    const float x = dice_between(d, -30, 200);
    const float y = dice_between(d, -30, 200);
    return (struct box){x, y, x + dice_between(d, 0, most), y + dice_between(d, 0, most)};
}

static void check(struct dice *d, const struct roi_align *op, bool use_levels)
{
    struct bench b;
    struct tensor map[LEVELS];
    struct box roi[ROIS];
    uint8_t level[ROIS] = {0};
    bench_init(&b);
    make_maps(d, map);
    for (int i = 0; i < ROIS; i++) {
        roi[i] = make_roi(d);
        level[i] = (uint8_t)(use_levels ? dice_int(d, 0, LEVELS - 1) : 0);
    }
    const int side = dice_int(d, 1, 14);
    struct tensor y = {.n = ROIS, .h = side, .w = side, .c = map[0].c};
    y.p = dice_floats(d, tensor_count(&y), -9, 9);
    roi_align(op, &b.pass, map, roi, use_levels ? level : NULL, ROIS, &y);
    for (int i = 0; i < ROIS * side * side * y.c; i++) {
        const int c = i % y.c;
        const int px = i / y.c % side;
        const int py = i / y.c / side % side;
        const int n = i / y.c / side / side;
        const double want = aligned_value(op, level[n], &map[level[n]], roi[n], side, py, px, c);
        cr_assert_float_eq((double)y.p[i], want, 2e-4, "%g, not %g", (double)y.p[i], want);
    }
    cr_assert_eq(b.ws.count, 0);
    for (int l = 0; l < LEVELS; l++) {
        free(map[l].p);
    }
    free(y.p);
    bench_release(&b);
}

static void check_many(struct roi_align op, uint64_t seed)
{
    struct dice dice = {.seed = seed};
    op.levels = LEVELS;
    for (int l = 0; l < LEVELS; l++) {
        op.scale[l] = 0.25f / (float)(1 << l);
    }
    for (int i = 0; i < 40; i++) {
        check(&dice, &op, i % 2);
    }
}

Test(roi_align, equals_its_definition_with_two_samples_a_side)
{
    check_many((struct roi_align){.sampling = 2}, 1);
}

Test(roi_align, equals_its_definition_with_as_many_samples_as_pixels)
{
    check_many((struct roi_align){.sampling = 0}, 2);
}

Test(roi_align, equals_its_definition_half_a_pixel_off)
{
    check_many((struct roi_align){.sampling = 0, .aligned = true}, 3);
    check_many((struct roi_align){.sampling = 3, .aligned = true}, 4);
}

Test(roi_align, gives_zeros_far_outside_and_for_no_place)
{
    struct bench b;
    bench_init(&b);
    float x[4] = {1, 2, 3, 4};
    const struct tensor map = {.p = x, .n = 1, .h = 2, .w = 2, .c = 1};
    const struct roi_align op = {.levels = 1, .scale = {1}, .sampling = 2};
    const struct box roi[3] = {{50, 50, 60, 60}, {NAN, 0, NAN, 1}, {5, 5, -5, -5}};
    float y[12];
    const struct tensor out = {.p = y, .n = 3, .h = 2, .w = 2, .c = 1};
    roi_align(&op, &b.pass, &map, roi, NULL, 3, &out);
    for (int i = 0; i < 12; i++) {
        cr_assert_eq(y[i], 0, "%d is %g", i, (double)y[i]);
    }
    bench_release(&b);
}
