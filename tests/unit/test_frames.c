/* How frames are sized and cropped, against torchvision's presets. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "detector/frames.h"
#include "detector_fixture.h"

/* A rule whose levels are the values themselves. */
static struct frames_rule plain(enum resize_filter filter)
{
    static const double zero[3] = {0, 0, 0};
    static const double one[3] = {1, 1, 1};
    struct frames_rule rule = {.filter = filter};
    levels_init(&rule.levels, false, zero, one);
    return rule;
}

static uint8_t *random_pixels(struct dice *d, size_t pixels)
{
    uint8_t *rgb = malloc(3 * pixels);
    for (size_t i = 0; i < 3 * pixels; i++) {
        rgb[i] = (uint8_t)dice_int(d, 0, 255);
    }
    return rgb;
}

/* What frames_run() makes of a frame must be this part of the frame resized as a whole. */
static void check(const struct frames_rule *rule, int width, int height, struct resize whole,
                  int left, int top)
{
    struct dice d = {.seed = 3};
    struct bench b;
    bench_init(&b);
    uint8_t *rgb = random_pixels(&d, 2 * (size_t)width * (size_t)height);
    const uint8_t *second = rgb + 3 * (size_t)width * (size_t)height;
    const struct detector_clip clip = {rgb, 2, (uint32_t)width, (uint32_t)height};
    uint8_t *resized = malloc(3 * (size_t)whole.full_width * (size_t)whole.full_height);
    resize_bytes(&whole, &b.pass, second, resized);
    const struct tensor x = frames_run(rule, &b.pass, &clip, 1, 1);
    cr_assert(x.n == 1 && x.h == rule->crop_height && x.w == rule->crop_width && x.c == 3);
    for (int i = 0; i < 3 * x.h * x.w; i++) {
        const int row = top + i / 3 / x.w;
        const int column = left + i / 3 % x.w;
        cr_assert_eq(x.p[i], (float)resized[3 * (row * whole.full_width + column) + i % 3],
                     "%dx%d at %d", width, height, i);
    }
    free(resized);
    free(rgb);
    bench_release(&b);
}

/* Columns: width, height; short side; crop; resized size; where the crop begins, as torchvision
 * 0.14's Resize and CenterCrop compute them. */
Test(frames, the_short_side_is_resized_and_the_centre_cropped_as_in_torchvision)
{
    static const int row[][9] = {
        {640, 480, 256, 224, 224, 341, 256, 58, 16}, {333, 500, 256, 224, 224, 256, 384, 16, 80},
        {500, 333, 256, 224, 224, 384, 256, 80, 16}, {227, 300, 227, 224, 224, 227, 300, 2, 38},
        {225, 225, 225, 224, 224, 225, 225, 0, 0},   {64, 64, 33, 20, 31, 33, 33, 6, 1},
        {1, 700, 40, 17, 40, 40, 28000, 12, 13980},  {4000, 3, 40, 40, 17, 53333, 40, 26646, 12},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const int *r = row[i];
        struct frames_rule rule = plain(RESIZE_PIL);
        rule.short_side = r[2];
        rule.crop_width = r[3];
        rule.crop_height = r[4];
        const struct resize whole = {.filter = RESIZE_PIL,
                                     .in_width = r[0],
                                     .in_height = r[1],
                                     .full_width = r[5],
                                     .full_height = r[6],
                                     .width = r[5],
                                     .height = r[6]};
        check(&rule, r[0], r[1], whole, r[7], r[8]);
    }
}

Test(frames, a_whole_size_ignores_the_shape_of_the_frame)
{
    struct frames_rule rule = plain(RESIZE_TORCH);
    rule.width = 171;
    rule.height = 128;
    rule.crop_width = 112;
    rule.crop_height = 112;
    const struct resize whole = {.filter = RESIZE_TORCH,
                                 .in_width = 90,
                                 .in_height = 200,
                                 .full_width = 171,
                                 .full_height = 128,
                                 .width = 171,
                                 .height = 128};
    check(&rule, 90, 200, whole, 30, 8); /* 29.5 is rounded to even */
}
