/* Resampling against Pillow's and torch's own output, and against the definitions in double
 * precision. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detector/resize.h"
#include "detector_fixture.h"

enum { W = 7, H = 5 };

/* An image that any language can draw. */
static void draw(uint8_t rgb[H][W][3])
{
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            for (int c = 0; c < 3; c++) {
                rgb[y][x][c] = (uint8_t)(37 * x + 91 * y + 53 * c + 17 * x * y * c);
            }
        }
    }
}

static struct resize whole(enum resize_filter filter, int in_width, int in_height, int width,
                           int height)
{
    return (struct resize){.filter = filter,
                           .in_width = in_width,
                           .in_height = in_height,
                           .full_width = width,
                           .full_height = height,
                           .width = width,
                           .height = height};
}

static void check_drawn(const struct resize *r, const uint8_t *want)
{
    struct bench b;
    bench_init(&b);
    uint8_t rgb[H][W][3];
    uint8_t got[64];
    draw(rgb);
    resize_bytes(r, &b.pass, &rgb[0][0][0], got);
    for (int i = 0; i < 3 * r->width * r->height; i++) {
        cr_assert_eq(got[i], want[i], "byte %d is %d, not %d", i, got[i], want[i]);
    }
    cr_assert_eq(b.ws.count, 0);
    bench_release(&b);
}

/* Expected bytes printed by Pillow 9.4's Image.resize((w, h), BILINEAR). */
Test(resize, pil_equals_pillow_byte_for_byte)
{
    static const uint8_t smaller[] = {55,  111, 127, 130, 154, 186, 163, 156, 98,  138, 165, 105,
                                      131, 122, 144, 95,  133, 109, 95,  139, 96,  96,  138, 114,
                                      169, 139, 121, 117, 101, 127, 140, 147, 132, 83,  117, 133};
    static const uint8_t wider[] = {
        79,  132, 127, 104, 130, 97,  107, 152, 113, 103, 168, 153, 132, 120, 154, 161, 117, 209,
        132, 146, 122, 113, 157, 64,  138, 131, 111, 87,  140, 135, 112, 106, 96,  114, 127, 102,
        111, 170, 128, 140, 148, 109, 105, 108, 154, 110, 145, 102, 133, 152, 96,  158, 86,  189};
    const struct resize a = whole(RESIZE_PIL, W, H, 3, 4);
    const struct resize b = whole(RESIZE_PIL, W, H, 9, 2);
    check_drawn(&a, smaller);
    check_drawn(&b, wider);
}

/* Expected bytes printed by torchvision 0.14's functional.resize() of an 8-bit tensor. */
Test(resize, torch_equals_torchvision_byte_for_byte)
{
    static const uint8_t smaller[] = {36,  90,  124, 122, 150, 209, 177, 166, 49,  150, 154, 84,
                                      140, 103, 130, 66,  148, 70,  104, 122, 66,  94,  121, 52,
                                      180, 162, 90,  121, 69,  144, 208, 202, 197, 70,  133, 111};
    static const uint8_t wider[] = {
        68,  121, 174, 93,  154, 88, 122, 193, 73,  150, 189, 121, 179, 78,  170, 208, 117, 218,
        130, 156, 125, 74,  173, 60, 98,  164, 101, 40,  93,  146, 64,  112, 73,  93,  162, 74,
        122, 191, 111, 151, 114, 76, 130, 135, 141, 144, 193, 99,  173, 179, 100, 198, 70,  199};
    const struct resize a = whole(RESIZE_TORCH, W, H, 3, 4);
    const struct resize b = whole(RESIZE_TORCH, W, H, 9, 2);
    check_drawn(&a, smaller);
    check_drawn(&b, wider);
}

/* weight[in]: how much each source pixel of a side counts in output o. */
static void side_weights(enum resize_filter filter, int in, int out, int o, double *weight)
{
    const double centre = (o + 0.5) * in / out;
    const double reach = filter == RESIZE_PIL && in > out ? (double)in / out : 1.0;
    const double at = filter == RESIZE_PIL ? centre : fmin(fmax(centre, 0.5), in - 0.5);
    double sum = 0;
    for (int i = 0; i < in; i++) {
        weight[i] = fmax(0, 1 - fabs(i + 0.5 - at) / reach);
        sum += weight[i];
    }
    for (int i = 0; i < in; i++) {
        weight[i] /= sum;
    }
}

/* Output pixel (oy, ox) of the whole resized image, before any rounding. */
static double defined(const struct resize *r, const uint8_t *rgb, int oy, int ox, int c)
{
    double across[200];
    double down[200];
    double sum = 0;
    side_weights(r->filter, r->in_width, r->full_width, ox, across);
    side_weights(r->filter, r->in_height, r->full_height, oy, down);
    for (int y = 0; y < r->in_height; y++) {
        for (int x = 0; x < r->in_width; x++) {
            sum += down[y] * across[x] * rgb[3 * (y * r->in_width + x) + c];
        }
    }
    return sum;
}

static struct resize random_resize(struct dice *dice, enum resize_filter filter)
{
    struct resize r = whole(filter, dice_int(dice, 1, 40), dice_int(dice, 1, 40),
                            dice_int(dice, 1, 40), dice_int(dice, 1, 40));
    r.left = dice_int(dice, 0, r.full_width - 1);
    r.top = dice_int(dice, 0, r.full_height - 1);
    r.width = dice_int(dice, 1, r.full_width - r.left);
    r.height = dice_int(dice, 1, r.full_height - r.top);
    return r;
}

/* Rounding twice to 8 bits is off by at most one. */
static void check_bytes(const struct resize *r, struct bench *b, const uint8_t *rgb)
{
    uint8_t *got = malloc(3 * (size_t)r->width * (size_t)r->height);
    resize_bytes(r, &b->pass, rgb, got);
    for (int y = 0; y < r->height; y++) {
        for (int x = 0; x < r->width; x++) {
            for (int c = 0; c < 3; c++) {
                cr_assert_float_eq((double)got[3 * (y * r->width + x) + c],
                                   defined(r, rgb, r->top + y, r->left + x, c), 1.01);
            }
        }
    }
    free(got);
}

static void check_levels(const struct resize *r, struct bench *b, const uint8_t *rgb)
{
    static const double mean[3] = {103, 116, 123};
    static const double std[3] = {57, 58, 59};
    struct levels levels;
    levels_init(&levels, true, mean, std);
    float *got = malloc(3 * sizeof(float) * (size_t)r->width * (size_t)r->height);
    resize_levels(r, &b->pass, &levels, rgb, got);
    for (int y = 0; y < r->height; y++) {
        for (int x = 0; x < r->width; x++) {
            for (int c = 0; c < 3; c++) {
                const double v = defined(r, rgb, r->top + y, r->left + x, 2 - c);
                cr_assert_float_eq((double)got[3 * (y * r->width + x) + c], (v - mean[c]) / std[c],
                                   1e-4);
            }
        }
    }
    free(got);
}

Test(resize, any_window_of_any_size_equals_its_definition)
{
    struct dice dice = {.seed = 5};
    struct bench b;
    bench_init(&b);
    for (int i = 0; i < 60; i++) {
        const struct resize r = random_resize(&dice, i % 2 ? RESIZE_PIL : RESIZE_TORCH);
        uint8_t *rgb = malloc(3 * (size_t)r.in_width * (size_t)r.in_height);
        for (int j = 0; j < 3 * r.in_width * r.in_height; j++) {
            rgb[j] = (uint8_t)dice_int(&dice, 0, 255);
        }
        check_bytes(&r, &b, rgb);
        if (r.filter == RESIZE_TORCH) {
            check_levels(&r, &b, rgb);
        }
        free(rgb);
    }
    bench_release(&b);
}

Test(resize, a_size_that_stays_is_a_copy)
{
    uint8_t rgb[H][W][3];
    draw(rgb);
    for (int f = RESIZE_TORCH; f <= RESIZE_PIL; f++) {
        struct bench b;
        bench_init(&b);
        uint8_t got[H * W * 3];
        const struct resize r = whole((enum resize_filter)f, W, H, W, H);
        resize_bytes(&r, &b.pass, &rgb[0][0][0], got);
        cr_assert_eq(memcmp(got, rgb, sizeof got), 0);
        bench_release(&b);
    }
}

Test(resize, refuses_images_without_pixels_or_enormous)
{
    cr_assert_eq(resize_check(0, 10), E_ARG);
    cr_assert_eq(resize_check(10, 0), E_ARG);
    cr_assert_eq(resize_check(10, 70000), E_IMAGE_TOO_BIG);
    cr_assert_eq(resize_check(65500, 1), 0);
}
