/* Whole small graphs of the three torch programs against their double-precision references. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "detector/detector.h"
#include "detector_fixture.h"
#include "reference_frcnn.h"

struct opened {
    struct scratch_file file;
    struct detector *det;
    struct detector_session *session;
};

static void open_plan(const struct frcnn_plan *plan, const struct detector_options *options,
                      struct opened *o)
{
    scratch_file_init(&o->file);
    frcnn_plan_write(plan, o->file.path);
    cr_assert_eq(detector_open(o->file.path, options, &o->det), 0, "%s", err_text());
    cr_assert_eq(detector_session_new(o->det, &o->session), 0);
}

static void close_plan(struct opened *o)
{
    detector_session_free(o->session);
    detector_close(o->det);
    scratch_file_release(&o->file);
}

/* `options` override the model's export rules in the detector, as the plan's do in the file. */
static void check(struct frcnn_plan plan, const struct detector_options *options)
{
    struct opened o;
    struct safetensors *weights = NULL;
    struct reference_regions want = {.n = 0};
    struct detections got;
    open_plan(&plan, options, &o);
    cr_assert_eq(safetensors_open(o.file.path, &weights), 0);
    uint8_t *rgb = random_image(plan.seed, plan.width, plan.height);
    const struct detector_image image = {rgb, (uint32_t)plan.width, (uint32_t)plan.height};
    cr_assert_eq(detector_detect(o.det, o.session, &image, NULL, &got), 0, "%s", err_text());
    if (options) {
        plan.min_boxes = options->min_boxes;
        plan.max_boxes = options->max_boxes;
    }
    reference_frcnn(&plan, weights, rgb, &want);
    cr_assert_gt(want.n, 4, "a test of %d regions shows little", want.n);
    reference_regions_expect(&got, &want);
    cr_assert_eq(got.regressed, plan.kind != FRCNN_MASKRCNN);
    reference_regions_release(&want);
    free(rgb);
    safetensors_close(weights);
    close_plan(&o);
}

static const struct frcnn_plan fpn = {
    .kind = FRCNN_FPN, .seed = 5, .width = 75, .height = 90, .threshold = 0.15, .max_boxes = 30};

Test(frcnn, on_a_pyramid_equals_torchvisions_graph)
{
    struct frcnn_plan plan = fpn;
    check(plan, NULL);
    plan.seed = 6;
    plan.width = 128;
    plan.height = 60;
    check(plan, NULL);
}

Test(frcnn, on_a_pyramid_with_convolutions_equals_torchvisions_second_graph)
{
    struct frcnn_plan plan = fpn;
    plan.kind = FRCNN_FPN_V2;
    check(plan, NULL);
}

Test(frcnn, exports_a_fixed_number_of_detections_when_asked)
{
    const struct detector_options options = {
        .min_boxes = 25, .max_boxes = 25, .conf_threshold = 0.15f};
    check(fpn, &options);
}

Test(frcnn, on_c4_equals_detectron2s_graph)
{
    check((struct frcnn_plan){.kind = FRCNN_DETECTRON2,
                              .seed = 8,
                              .width = 117,
                              .height = 80,
                              .threshold = 0.15,
                              .max_boxes = 30},
          NULL);
}

Test(frcnn, on_c4_in_groups_equals_maskrcnn_benchmarks_graph)
{
    check((struct frcnn_plan){.kind = FRCNN_MASKRCNN,
                              .seed = 9,
                              .width = 80,
                              .height = 131,
                              .threshold = 0.3,
                              .min_boxes = 5,
                              .max_boxes = 20},
          NULL);
}

Test(frcnn, sees_images_of_every_shape)
{
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {2, 3}, {640, 480}, {3000, 9}};
    for (int kind = FRCNN_FPN; kind <= FRCNN_MASKRCNN; kind++) {
        struct frcnn_plan plan = fpn;
        struct opened o;
        plan.kind = (enum frcnn_kind)kind;
        open_plan(&plan, NULL, &o);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint8_t *rgb = random_image(i, sizes[i][0], sizes[i][1]);
            const struct detector_image image = {rgb, (uint32_t)sizes[i][0], (uint32_t)sizes[i][1]};
            struct detections got;
            cr_assert_eq(detector_detect(o.det, o.session, &image, NULL, &got), 0);
            for (uint32_t k = 0; k < got.n; k++) {
                const float *b = got.boxes + (size_t)4 * k;
                cr_assert(b[0] >= 0 && b[1] >= 0 && b[2] >= b[0] && b[3] >= b[1]);
                cr_assert(k == 0 || got.conf[k] <= got.conf[k - 1]);
            }
            free(rgb);
        }
        close_plan(&o);
    }
}
