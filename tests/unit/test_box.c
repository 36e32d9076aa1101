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

Test(anchors, are_those_of_torchvision_and_detectron2)
{
    /* AnchorGenerator.cell_anchors of torchvision 0.14, and generate_cell_anchors in double */
    static const float rounded[5][3][4] = {
        {{-23, -11, 23, 11}, {-16, -16, 16, 16}, {-11, -23, 11, 23}},
        {{-45, -23, 45, 23}, {-32, -32, 32, 32}, {-23, -45, 23, 45}},
        {{-91, -45, 91, 45}, {-64, -64, 64, 64}, {-45, -91, 45, 91}},
        {{-181, -91, 181, 91}, {-128, -128, 128, 128}, {-91, -181, 91, 181}},
        {{-362, -181, 362, 181}, {-256, -256, 256, 256}, {-181, -362, 181, 362}}};
    const double ratios[] = {0.5, 1, 2};
    const double sizes[] = {32, 64, 128, 256, 512};
    struct box exact[15];
    anchors_detectron2(sizes, 5, ratios, 3, exact);
    for (int s = 0; s < 5; s++) {
        struct box got[3];
        anchors_torchvision(sizes[s], ratios, 3, got);
        cr_assert_arr_eq(got, rounded[s], sizeof got);
        for (int r = 0; r < 3; r++) {
            const double w = sizes[s] / sqrt(ratios[r]);
            const struct box b = exact[3 * s + r];
            cr_assert(b.x1 == -b.x2 && b.y1 == -b.y2);
            cr_assert_float_eq((double)b.x2, w / 2, 1e-4);
            cr_assert_float_eq((double)b.y2, w * ratios[r] / 2, 1e-4);
        }
    }
}

Test(box, zero_deltas_widen_by_one_pixel_as_caffe_does)
{
    /* bbox_transform_inv takes a box of width w to centre +- w/2, whose x2 lies one beyond. */
    const float zero[4] = {0, 0, 0, 0};
    const struct box b = box_decode(&box_coder_caffe, (struct box){10, 20, 29, 49}, zero);
    cr_assert(b.x1 == 10 && b.y1 == 20 && b.x2 == 30 && b.y2 == 50);
}

static void check_decode(const struct box_coder *coder, double plus, double short_by,
                         const double weight[4], double limit)
{
    struct dice dice = {.seed = 1};
    for (int i = 0; i < 200; i++) {
        const float x = dice_between(&dice, 0, 500);
        const float y = dice_between(&dice, 0, 500);
        const struct box b = {x, y, x + dice_between(&dice, 0, 300),
                              y + dice_between(&dice, 0, 300)};
        const float most = i % 8 ? 1 : 6; /* the limit is tried, too */
        float d[4];
        for (int k = 0; k < 4; k++) {
            d[k] = dice_between(&dice, -most, most) * (float)weight[k];
        }
        const struct box got = box_decode(coder, b, d);
        const double w = (double)b.x2 - (double)b.x1 + plus;
        const double h = (double)b.y2 - (double)b.y1 + plus;
        const double cx = (double)b.x1 + w / 2 + (double)d[0] / weight[0] * w;
        const double cy = (double)b.y1 + h / 2 + (double)d[1] / weight[1] * h;
        const double half_w = w * exp(fmin((double)d[2] / weight[2], limit)) / 2;
        const double half_h = h * exp(fmin((double)d[3] / weight[3], limit)) / 2;
        const double within = 1e-3 + 1e-6 * fmax(half_w, half_h);
        cr_assert_float_eq((double)got.x1, cx - half_w, within);
        cr_assert_float_eq((double)got.y1, cy - half_h, within);
        cr_assert_float_eq((double)got.x2, cx + half_w - short_by, within);
        cr_assert_float_eq((double)got.y2, cy + half_h - short_by, within);
    }
}

Test(box, decodes_as_the_formulas_in_double_precision)
{
    const double one[4] = {1, 1, 1, 1};
    const double second[4] = {10, 10, 5, 5};
    const struct box_coder maskrcnn = box_coder_second(box_coder_maskrcnn);
    const struct box_coder torch = box_coder_second(box_coder_torch);
    check_decode(&box_coder_caffe, 1, 0, one, INFINITY);
    check_decode(&box_coder_torch, 0, 0, one, log(1000.0 / 16));
    check_decode(&torch, 0, 0, second, log(1000.0 / 16));
    check_decode(&maskrcnn, 1, 1, second, log(1000.0 / 16));
}

Test(box, above_turns_a_strict_rule_into_a_plain_one)
{
    static const double bounds[] = {0, 0.05, 0.3, 0.5, 0.7, 1e-3, 1e-2};
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        const float least = above(bounds[i]);
        cr_assert_gt((double)least, bounds[i]);
        cr_assert_leq((double)nextafterf(least, 0), bounds[i]);
    }
}

Test(box, clips_infinite_boxes_into_the_image)
{
    const float huge[4] = {0, 0, 1000, 1000};
    const struct box far = box_decode(&box_coder_caffe, (struct box){0, 0, 9, 9}, huge);
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
