#include <criterion/criterion.h>
#include <math.h>

#include "detector/box.h"
#include "detector_fixture.h"

Test(anchors, are_those_of_the_bottom_up_attention_network)
{
    /* generate_anchors(16, [.5, 1, 2], [4, 8, 16, 32]), run in numpy */
    static const float want[12][4] = {
        {-38, -16, 53, 31}, {-84, -40, 99, 55}, {-176, -88, 191, 103},  {-360, -184, 375, 199},
        {-24, -24, 39, 39}, {-56, -56, 71, 71}, {-120, -120, 135, 135}, {-248, -248, 263, 263},
        {-14, -36, 29, 51}, {-36, -80, 51, 95}, {-80, -168, 95, 183},   {-168, -344, 183, 359}};
    const double ratios[] = {0.5, 1, 2};
    const double scales[] = {4, 8, 16, 32};
    struct box got[12];
    anchors_generate(16, ratios, 3, scales, 4, got);
    for (int i = 0; i < 12; i++) {
        const struct box b = got[i];
        cr_assert(
            b.x1 == want[i][0] && b.y1 == want[i][1] && b.x2 == want[i][2] && b.y2 == want[i][3],
            "anchor %d is %g %g %g %g", i, (double)b.x1, (double)b.y1, (double)b.x2, (double)b.y2);
    }
}

Test(box, zero_deltas_widen_by_one_pixel_as_caffe_does)
{
    /* bbox_transform_inv takes a box of width w to centre +- w/2, whose x2 lies one beyond. */
    const float zero[4] = {0, 0, 0, 0};
    const struct box b = box_decode((struct box){10, 20, 29, 49}, zero, 1);
    cr_assert(b.x1 == 10 && b.y1 == 20 && b.x2 == 30 && b.y2 == 50);
}

Test(box, decodes_as_the_formula_in_double_precision)
{
    struct dice dice = {.seed = 1};
    for (int i = 0; i < 200; i++) {
        const float x = dice_between(&dice, 0, 500);
        const float y = dice_between(&dice, 0, 500);
        const struct box b = {x, y, x + dice_between(&dice, 0, 300),
                              y + dice_between(&dice, 0, 300)};
        const float d[4] = {dice_between(&dice, -1, 1), dice_between(&dice, -1, 1),
                            dice_between(&dice, -1, 1), dice_between(&dice, -1, 1)};
        const float plus = (float)(i % 2);
        const struct box got = box_decode(b, d, plus);
        const double w = (double)b.x2 - (double)b.x1 + (double)plus;
        const double h = (double)b.y2 - (double)b.y1 + (double)plus;
        const double cx = (double)b.x1 + w / 2 + (double)d[0] * w;
        const double cy = (double)b.y1 + h / 2 + (double)d[1] * h;
        cr_assert_float_eq((double)got.x1, cx - w * exp((double)d[2]) / 2, 1e-3);
        cr_assert_float_eq((double)got.y1, cy - h * exp((double)d[3]) / 2, 1e-3);
        cr_assert_float_eq((double)got.x2, cx + w * exp((double)d[2]) / 2, 1e-3);
        cr_assert_float_eq((double)got.y2, cy + h * exp((double)d[3]) / 2, 1e-3);
    }
}

Test(box, clips_infinite_boxes_into_the_image)
{
    const float huge[4] = {0, 0, 1000, 1000};
    const struct box far = box_decode((struct box){0, 0, 9, 9}, huge, 1);
    const struct box b = box_clip(far, 100, 50, 1);
    cr_assert(b.x1 == 0 && b.y1 == 0 && b.x2 == 99 && b.y2 == 49);
}

Test(box, overlap_counts_pixels_or_measures)
{
    const struct box a = {0, 0, 9, 9};
    const struct box b = {5, 0, 14, 9};
    cr_assert_float_eq((double)box_iou(a, b, 1), 50.0 / 150, 1e-7);
    cr_assert_float_eq((double)box_iou(a, b, 0), 36.0 / 126, 1e-7);
    cr_assert_eq(box_iou(a, (struct box){20, 20, 30, 30}, 1), 0);
}
