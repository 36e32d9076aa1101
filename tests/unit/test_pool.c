/* Max, average and RoI pooling against their definitions. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/pool.h"
#include "detector/roi_pool.h"
#include "detector_fixture.h"

static struct tensor random_tensor(struct dice *d, int n, int h, int w, int c)
{
    struct tensor t = {.n = n, .h = h, .w = w, .c = c};
    t.p = dice_floats(d, tensor_count(&t), -1, 1);
    return t;
}

/* Maximum over the window's pixels that exist; -inf when there are none. */
static float window_max(const struct tensor *x, int n, const int range[4], int c)
{
    float best = -INFINITY;
    for (int y = range[0]; y < range[1]; y++) {
        for (int z = range[2]; z < range[3]; z++) {
            if (y >= 0 && y < x->h && z >= 0 && z < x->w) {
                best = fmaxf(best, tensor_at(x, n, y, z)[c]);
            }
        }
    }
    return best;
}

static void check_max_pool(const struct max_pool *pool, struct dice *dice)
{
    struct bench b;
    bench_init(&b);
    const struct tensor x = random_tensor(dice, dice_int(dice, 1, 2), dice_int(dice, 1, 20),
                                          dice_int(dice, 1, 20), dice_int(dice, 1, 5));
    const struct tensor y = max_pool_run(pool, &b.pass, &x);
    for (int n = 0; n < y.n; n++) {
        for (int oy = 0; oy < y.h; oy++) {
            for (int ox = 0; ox < y.w; ox++) {
                const int top = oy * pool->stride - pool->pad;
                const int left = ox * pool->stride - pool->pad;
                const int range[4] = {top, top + pool->kernel, left, left + pool->kernel};
                for (int c = 0; c < y.c; c++) {
                    cr_assert_eq(tensor_at(&y, n, oy, ox)[c], window_max(&x, n, range, c));
                }
            }
        }
    }
    free(x.p);
    bench_release(&b);
}

Test(max_pool, equals_its_definition)
{
    struct dice dice = {.seed = 1};
    for (int i = 0; i < 60; i++) {
        const struct max_pool pool = {
            .name = "pool", .kernel = 3, .stride = 2, .pad = i % 2, .ceil = i / 2 % 2};
        check_max_pool(&pool, &dice);
    }
}

Test(max_pool, has_the_side_that_caffe_and_torch_give)
{
    /* ceil((in + 2p - 3) / 2) + 1, less the window that would begin in the padding; or floor */
    const struct max_pool caffe = {.kernel = 3, .stride = 2, .pad = 0, .ceil = true};
    const struct max_pool padded = {.kernel = 3, .stride = 2, .pad = 1, .ceil = true};
    const struct max_pool torch = {.kernel = 3, .stride = 2, .pad = 1, .ceil = false};
    cr_assert_eq(max_pool_side(&caffe, 300), 150);
    cr_assert_eq(max_pool_side(&caffe, 301), 150);
    cr_assert_eq(max_pool_side(&caffe, 1), 1);
    cr_assert_eq(max_pool_side(&caffe, 2), 1);
    cr_assert_eq(max_pool_side(&caffe, 4), 2);
    cr_assert_eq(max_pool_side(&padded, 4), 3);
    cr_assert_eq(max_pool_side(&padded, 5), 3);
    cr_assert_eq(max_pool_side(&torch, 4), 2);
    cr_assert_eq(max_pool_side(&torch, 5), 3);
    cr_assert_eq(max_pool_side(&torch, 1), 1);
}

/* The largest value of a window that may reach over the clip's ends. */
static float clip_window_max(const struct tensor *x, const int frames[2], const int range[4], int c)
{
    float best = -INFINITY;
    for (int n = frames[0]; n < frames[1]; n++) {
        if (n >= 0 && n < x->n) {
            best = fmaxf(best, window_max(x, n, range, c));
        }
    }
    return best;
}

static void check_clip_pool(const struct max_pool *p, struct dice *dice)
{
    struct bench b;
    bench_init(&b);
    const struct tensor x =
        random_tensor(dice, dice_int(dice, p->taps, 12), dice_int(dice, p->kernel, 12),
                      dice_int(dice, p->kernel, 12), dice_int(dice, 1, 5));
    const struct tensor y = max_pool_run(p, &b.pass, &x);
    cr_assert_eq(y.n, max_pool_frames(p, x.n));
    for (int i = 0; i < y.n * y.h * y.w; i++) {
        const int first = i / y.w / y.h * p->tap_stride - p->tap_pad;
        const int top = i / y.w % y.h * p->stride - p->pad;
        const int left = i % y.w * p->stride - p->pad;
        const int frames[2] = {first, first + p->taps};
        const int range[4] = {top, top + p->kernel, left, left + p->kernel};
        for (int c = 0; c < y.c; c++) {
            cr_assert_eq(y.p[i * y.c + c], clip_window_max(&x, frames, range, c));
        }
    }
    free(x.p);
    bench_release(&b);
}

Test(max_pool, over_frames_equals_its_definition)
{
    struct dice dice = {.seed = 4};
    for (int i = 0; i < 80; i++) {
        struct max_pool p = {.name = "pool", .kernel = dice_int(&dice, 1, 3), .ceil = i % 2};
        p.stride = dice_int(&dice, 1, 2);
        p.taps = dice_int(&dice, 1, 3);
        p.tap_stride = dice_int(&dice, 1, 2);
        p.pad = p.kernel / 2 * dice_int(&dice, 0, 1);
        p.tap_pad = p.taps / 2 * dice_int(&dice, 0, 1);
        p.extra = p.kernel > p.stride && !p.pad;
        p.tap_extra = p.taps > p.tap_stride && !p.tap_pad;
        check_clip_pool(&p, &dice);
    }
}

/* Sizes printed by torch's MaxPool3d, and by ConstantPad3d with it and ceil_mode for the last. */
Test(max_pool, of_frames_has_the_length_that_torch_gives)
{
    const struct max_pool padded = {
        .kernel = 3, .stride = 2, .pad = 1, .taps = 3, .tap_stride = 2, .tap_pad = 1};
    const struct max_pool plain = {.kernel = 2, .stride = 2, .taps = 2, .tap_stride = 2};
    const struct max_pool behind = {.kernel = 3,
                                    .stride = 2,
                                    .extra = 1,
                                    .ceil = true,
                                    .taps = 3,
                                    .tap_stride = 2,
                                    .tap_extra = 1};
    const struct max_pool plane = {.kernel = 3, .stride = 2, .pad = 1};
    cr_assert_eq(max_pool_frames(&padded, 8), 4);
    cr_assert_eq(max_pool_frames(&padded, 7), 4);
    cr_assert_eq(max_pool_frames(&padded, 1), 1);
    cr_assert_eq(max_pool_frames(&plain, 7), 3);
    cr_assert_eq(max_pool_frames(&plain, 1), 0);
    cr_assert_eq(max_pool_side(&behind, 56), 28);
    cr_assert_eq(max_pool_side(&behind, 57), 29);
    cr_assert_eq(max_pool_frames(&behind, 1), 1);
    cr_assert_eq(max_pool_frames(&behind, 2), 1);
    cr_assert_eq(max_pool_frames(&plane, 5), 5);
}

/* The mean over all outputs of an average pooling with stride 1. */
static double mean_of_windows(const struct tensor *x, int taps, int kernel, int c)
{
    double sum = 0;
    int count = 0;
    for (int n = 0; n + taps <= x->n; n++) {
        for (int y = 0; y + kernel <= x->h; y++) {
            for (int z = 0; z + kernel <= x->w; z++) {
                for (int a = 0; a < taps * kernel * kernel; a++) {
                    sum += (double)tensor_at(x, n + a / kernel / kernel, y + a / kernel % kernel,
                                             z + a % kernel)[c];
                    count++;
                }
            }
        }
    }
    return sum / count;
}

Test(clip_average, is_the_mean_of_its_windows)
{
    struct dice dice = {.seed = 6};
    for (int i = 0; i < 60; i++) {
        struct bench b;
        bench_init(&b);
        const struct tensor x = random_tensor(&dice, dice_int(&dice, 1, 6), dice_int(&dice, 1, 9),
                                              dice_int(&dice, 1, 9), dice_int(&dice, 1, 20));
        const int taps = dice_int(&dice, 1, x.n);
        const int kernel = dice_int(&dice, 1, x.h < x.w ? x.h : x.w);
        float got[20];
        clip_average(&b.pass, "mean", &x, taps, kernel, got);
        for (int c = 0; c < x.c; c++) {
            cr_assert_float_eq((double)got[c], mean_of_windows(&x, taps, kernel, c), 1e-6);
        }
        clip_average(&b.pass, "mean", &x, 0, 0, got);
        double all = 0;
        for (size_t j = 0; j < tensor_pixels(&x); j++) {
            all += (double)x.p[j * (size_t)x.c];
        }
        cr_assert_float_eq((double)got[0], all / (double)tensor_pixels(&x), 1e-6);
        free(x.p);
        bench_release(&b);
    }
}

Test(average_pool, is_the_mean_of_each_images_pixels)
{
    struct dice dice = {.seed = 2};
    struct bench b;
    bench_init(&b);
    const struct tensor x = random_tensor(&dice, 3, 5, 7, 19);
    float got[3 * 19];
    average_pool(&b.pass, "mean", &x, got);
    for (int n = 0; n < 3; n++) {
        for (int c = 0; c < 19; c++) {
            double sum = 0;
            for (int y = 0; y < 5; y++) {
                for (int z = 0; z < 7; z++) {
                    sum += (double)tensor_at(&x, n, y, z)[c];
                }
            }
            cr_assert_float_eq((double)got[n * 19 + c], sum / 35, 1e-6);
        }
    }
    free(x.p);
    bench_release(&b);
}

/* Caffe's roi_pooling_layer.cpp, one value; bins in single precision as there. */
static float roi_pooled(const struct tensor *x, struct box roi, float scale, int side, int py,
                        int px, int c)
{
    const int left = (int)roundf(roi.x1 * scale);
    const int top = (int)roundf(roi.y1 * scale);
    const int w = (int)fmaxf(roundf(roi.x2 * scale) - (float)left + 1, 1);
    const int h = (int)fmaxf(roundf(roi.y2 * scale) - (float)top + 1, 1);
    const float bin_w = (float)w / (float)side;
    const float bin_h = (float)h / (float)side;
    const int range[4] = {
        top + (int)floorf((float)py * bin_h), top + (int)ceilf((float)(py + 1) * bin_h),
        left + (int)floorf((float)px * bin_w), left + (int)ceilf((float)(px + 1) * bin_w)};
    const float best = window_max(x, 0, range, c);
    return best > -INFINITY ? best : 0;
}

Test(roi_pool, equals_its_definition_also_outside_the_image)
{
    struct dice dice = {.seed = 3};
    for (int i = 0; i < 200; i++) {
        const int side = i % 2 ? 7 : 14;
        const struct tensor x =
            random_tensor(&dice, 1, dice_int(&dice, 1, 24), dice_int(&dice, 1, 24), 3);
        struct box roi = {dice_between(&dice, -60, 400), dice_between(&dice, -60, 400), 0, 0};
        roi.x2 = roi.x1 + dice_between(&dice, -20, 300);
        roi.y2 = roi.y1 + dice_between(&dice, -20, 300);
        struct tensor y = {.n = 1, .h = side, .w = side, .c = 3};
        y.p = calloc(tensor_count(&y), sizeof *y.p);
        roi_pool(&x, &roi, 1, 1.0f / 16, &y);
        for (int py = 0; py < side; py++) {
            for (int px = 0; px < side; px++) {
                for (int c = 0; c < 3; c++) {
                    cr_assert_eq(tensor_at(&y, 0, py, px)[c],
                                 roi_pooled(&x, roi, 1.0f / 16, side, py, px, c));
                }
            }
        }
        free(x.p);
        free(y.p);
    }
}

Test(roi_pool, takes_rois_for_one_that_round_to_the_same_pixels)
{
    const struct box roi[] = {{0, 0, 31, 31}, {7.9f, 0, 31, 31}, {8, 0, 31, 31},
                              {0, 0, 40, 31}, {3, 2, 30, 33},    {0, 0, 31, 40}};
    const uint32_t expected[] = {0, 0, 1, 2, 0, 3};
    struct box distinct[6];
    uint32_t of[6];
    cr_assert_eq(roi_pool_distinct(roi, 6, 1.0f / 16, distinct, of), 4);
    cr_assert_arr_eq(of, expected, sizeof of);
    cr_assert_eq(distinct[1].x1, 8);
    cr_assert_eq(distinct[3].y2, 40);
    cr_assert_eq(roi_pool_distinct(roi, 0, 1.0f / 16, distinct, of), 0);
}
