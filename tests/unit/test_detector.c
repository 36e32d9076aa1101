/* The whole detector: against an independent double-precision graph, and on unusable models. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/detector.h"
#include "detector_fixture.h"
#include "reference_c4.h"

static void check_graph(const struct c4_plan *plan, int width, int height)
{
    struct scratch_file f;
    struct detector *det = NULL;
    struct detector_session *session = NULL;
    struct safetensors *weights = NULL;
    struct detections got;
    struct reference_regions want = {.n = 0};
    scratch_file_init(&f);
    c4_plan_write(plan, NULL, f.path);
    cr_assert_eq(detector_open(f.path, NULL, &det), 0, "%s", err_text());
    cr_assert_eq(safetensors_open(f.path, &weights), 0);
    cr_assert_eq(detector_session_new(det, &session), 0);
    uint8_t *rgb = random_image(plan->seed, width, height);
    const struct detector_image image = {rgb, (uint32_t)width, (uint32_t)height};
    cr_assert_eq(detector_detect(det, session, &image, NULL, &got), 0, "%s", err_text());
    reference_c4(plan, weights, rgb, width, height, &want);
    cr_assert_gt(want.n, 2, "a test of %d regions shows little", want.n);
    reference_regions_expect(&got, &want);
    reference_regions_release(&want);
    free(rgb);
    safetensors_close(weights);
    detector_session_free(session);
    detector_close(det);
    scratch_file_release(&f);
}

Test(detector, equals_an_independent_graph_in_double_precision)
{
    struct c4_plan plan = c4_plan_default();
    check_graph(&plan, 131, 87);
    plan.seed = 21;
    check_graph(&plan, 60, 140);
}

Test(detector, runs_the_published_networks_variants)
{
    struct c4_plan plan = c4_plan_default();
    plan.block_names = "butd";
    plan.roi = 14;
    plan.attributes = 0;
    check_graph(&plan, 100, 75);
    plan.seed = 9;
    plan.stride_in_1x1 = 0;
    plan.caffe_pool = 0;
    plan.res5_dilation = 1;
    plan.roi = 7;
    check_graph(&plan, 150, 90);
}

struct opened {
    struct scratch_file file;
    struct detector *det;
    struct detector_session *session;
};

static void open_default(struct opened *o, const struct detector_options *options)
{
    const struct c4_plan plan = c4_plan_default();
    scratch_file_init(&o->file);
    c4_plan_write(&plan, NULL, o->file.path);
    cr_assert_eq(detector_open(o->file.path, options, &o->det), 0, "%s", err_text());
    cr_assert_eq(detector_session_new(o->det, &o->session), 0);
}

static void close_opened(struct opened *o)
{
    detector_session_free(o->session);
    detector_close(o->det);
    scratch_file_release(&o->file);
}

Test(detector, sees_images_of_every_shape)
{
    static const int sizes[][2] = {{1, 1},   {1, 300},   {300, 1}, {2, 3},
                                   {16, 16}, {640, 480}, {5000, 9}};
    struct opened o;
    open_default(&o, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *rgb = random_image(i, sizes[i][0], sizes[i][1]);
        const struct detector_image image = {rgb, (uint32_t)sizes[i][0], (uint32_t)sizes[i][1]};
        struct detections got;
        cr_assert_eq(detector_detect(o.det, o.session, &image, NULL, &got), 0);
        for (uint32_t k = 0; k < got.n; k++) {
            const float *b = got.boxes + (size_t)4 * k;
            cr_assert(b[0] >= 0 && b[1] >= 0 && b[2] >= b[0] && b[3] >= b[1]);
            cr_assert(isfinite(got.conf[k]) && got.conf[k] <= 1);
            cr_assert(k == 0 || got.conf[k] <= got.conf[k - 1]);
        }
        free(rgb);
    }
    close_opened(&o);
}

Test(detector, gives_the_same_answer_whatever_it_saw_before)
{
    struct opened o;
    open_default(&o, NULL);
    uint8_t *first = random_image(1, 120, 80);
    uint8_t *second = random_image(2, 70, 110);
    const struct detector_image a = {first, 120, 80};
    const struct detector_image b = {second, 70, 110};
    struct detections got;
    cr_assert_eq(detector_detect(o.det, o.session, &a, NULL, &got), 0);
    const size_t bytes = (size_t)got.n * got.dim * sizeof(float);
    const uint32_t n = got.n;
    float *features = malloc(bytes);
    memcpy(features, got.features, bytes);
    cr_assert_eq(detector_detect(o.det, o.session, &b, NULL, &got), 0);
    cr_assert_eq(detector_detect(o.det, o.session, &a, NULL, &got), 0);
    cr_assert_eq(got.n, n);
    cr_assert_arr_eq(got.features, features, bytes);
    free(features);
    free(first);
    free(second);
    close_opened(&o);
}

Test(detector, obeys_the_options_on_how_many_regions)
{
    const struct detector_options options = {
        .min_boxes = 8, .max_boxes = 8, .conf_threshold = 0.9f};
    struct opened o;
    open_default(&o, &options);
    uint8_t *rgb = random_image(1, 120, 80);
    const struct detector_image image = {rgb, 120, 80};
    struct detections got;
    cr_assert_eq(detector_detect(o.det, o.session, &image, NULL, &got), 0);
    cr_assert_eq(got.n, 8);
    cr_assert_eq(detector_info(o.det)->max_regions, 8);
    free(rgb);
    close_opened(&o);
}

/* The model's own are 5 to 12. */
Test(detector, lets_one_number_move_the_other)
{
    static const struct {
        int min;
        int max;
        uint32_t most;
    } cases[] = {{20, -1, 20}, {-1, 3, 3}, {8, -1, 12}, {-1, 7, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct detector_options options = detector_options_default();
        struct opened o;
        struct detections got;
        options.min_boxes = cases[i].min;
        options.max_boxes = cases[i].max;
        open_default(&o, &options);
        uint8_t *rgb = random_image(1, 120, 80);
        const struct detector_image image = {rgb, 120, 80};
        cr_assert_eq(detector_info(o.det)->max_regions, cases[i].most);
        cr_assert_eq(detector_detect(o.det, o.session, &image, NULL, &got), 0);
        cr_assert_leq(got.n, cases[i].most);
        cr_assert_geq((int)got.n, cases[i].min);
        free(rgb);
        close_opened(&o);
    }
}

struct steps {
    unsigned calls;
    unsigned total;
};

static void count_step(void *arg, unsigned done, unsigned total)
{
    struct steps *s = arg;
    s->calls++;
    cr_assert_eq(done, s->calls);
    cr_assert_leq(done, total);
    s->total = total;
}

Test(detector, reports_progress_and_cost)
{
    struct opened o;
    open_default(&o, NULL);
    struct steps seen = {0};
    struct detector_cost cost;
    const struct detector_progress progress = {count_step, &seen};
    uint8_t *rgb = random_image(1, 120, 80);
    const struct detector_image image = {rgb, 120, 80};
    const struct detector_profile_row *rows;
    struct detections got;
    cr_assert_eq(detector_detect(o.det, o.session, &image, &progress, &got), 0);
    cr_assert(seen.calls > 30 && seen.calls <= seen.total);
    cr_assert_eq(detector_cost(o.det, 120, 80, &cost), 0);
    uint64_t macs = 0;
    const size_t n = detector_profile(o.session, &rows);
    for (size_t i = 0; i < n; i++) {
        macs += rows[i].macs;
    }
    cr_assert(macs > 0 && macs <= cost.macs);
    free(rgb);
    close_opened(&o);
}

Test(detector, tells_what_the_model_is)
{
    struct opened o;
    open_default(&o, NULL);
    const struct detector_info *info = detector_info(o.det);
    cr_assert_str_eq(info->architecture, "demo-c4");
    cr_assert_eq(info->dim, 28);
    cr_assert_eq(info->classes, 12);
    cr_assert_eq(info->objects.n, 11);
    cr_assert_str_eq(info->objects.name[10], "object 10");
    cr_assert_str_eq(info->attributes.name[4], "attribute 4");
    cr_assert_str_eq(detector_metadata(o.det, "format"), "pairmill-model/1");
    close_opened(&o);
}

static void refuses_plan(const struct c4_plan *plan, const char *spoil, const char *sentence)
{
    struct scratch_file f;
    struct detector *det = NULL;
    scratch_file_init(&f);
    c4_plan_write(plan, spoil, f.path);
    const int rc = detector_open(f.path, NULL, &det);
    cr_assert_eq(rc, E_MODEL, "%s: %s", sentence, rc ? err_text() : "was accepted");
    cr_assert(strstr(err_text(), sentence), "\"%s\" does not say \"%s\"", err_text(), sentence);
    cr_assert(strstr(err_text(), f.path), "\"%s\" does not name the file", err_text());
    scratch_file_release(&f);
}

static void refuses(const char *spoil, const char *sentence)
{
    const struct c4_plan plan = c4_plan_default();
    refuses_plan(&plan, spoil, sentence);
}

Test(detector, says_which_tensor_is_wrong)
{
    refuses("-res3b_branch2b.weight", "\"res3b_branch2b.weight\" is missing");
    refuses("-attr_score.bias", "\"attr_score.bias\" is missing");
    refuses("+extra.weight", "the first is \"extra.weight\"");
    refuses("#rpn_bbox_pred.weight", "\"rpn_bbox_pred.weight\" has the shape [25, 9, 1, 1]");
    refuses("#res2a_branch2b.weight", "\"res2a_branch2b.bias\" has the shape [4]");
    refuses("#cls_score.weight", "\"cls_score.weight\" has the shape [13, 28]");
    refuses("?bbox_pred.bias", "\"bbox_pred.bias\" holds a number that is not finite");
    refuses("?res5a_branch2b.weight", "\"res5a_branch2b.weight\" holds a number");
}

Test(detector, says_which_metadata_is_wrong)
{
    refuses("!format", "\"format\": \"pairmill-model/1\"");
    refuses("!architecture", "does not name an \"architecture\"");
    refuses("=architecture", "is unknown; this pairmill has demo-c4");
    refuses("!config", "no \"config\"");
    refuses("=config", "the config has no");
    refuses("!preprocess", "no \"preprocess\"");
    refuses("=preprocess", "no string \"channels\"");
    refuses("!objects", "no \"objects\"");
    refuses("=objects", "not a list");
    refuses("=attributes", "not a list");
}

Test(detector, refuses_vocabularies_of_the_wrong_length)
{
    struct scratch_file f;
    struct detector *det = NULL;
    struct c4_plan plan = c4_plan_default();
    scratch_file_init(&f);
    c4_plan_write(&plan, "#cls_embedding.weight", f.path);
    cr_assert_eq(detector_open(f.path, NULL, &det), E_MODEL);
    cr_assert(strstr(err_text(), "[13, 3] where the architecture needs [12, any]"), "%s",
              err_text());
    scratch_file_release(&f);
}

Test(detector, refuses_groups_that_do_not_divide_the_channels)
{
    struct c4_plan plan = c4_plan_default();
    plan.groups = 3;
    refuses_plan(&plan, NULL, "\"res2a_branch2b\" has 4 input channels, which the 3 groups");
    memcpy(plan.width, (int[]){3, 6, 9, 2}, sizeof plan.width); /* fewer channels than groups */
    refuses_plan(&plan, NULL, "\"res5a_branch2b\" has 2 input channels, which the 3 groups");
    memcpy(plan.width, (int[]){3, 6, 9, 12}, sizeof plan.width);
    refuses_plan(&plan, "#res3b_branch2b.weight",
                 "\"res3b_branch2b\" has 7 output channels, which the 3 groups");
    plan.groups = 2000;
    refuses_plan(&plan, NULL, "\"groups\" is 2000 in the config");
}

Test(detector, refuses_a_vocabulary_without_objects)
{
    struct c4_plan plan = c4_plan_default();
    plan.objects = 0;
    refuses_plan(&plan, NULL, "\"objects\" is empty; demo-c4 needs the name of one object");
}
