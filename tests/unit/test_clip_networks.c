/* Whole frame and clip networks against an independent double-precision graph, and what their users
 * get wrong. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "detector/detector.h"
#include "reference_clip.h"

static const char s3d_small[] = "{\"pool_frames\": 2, \"pool_side\": 2, \"min_frames\": 14}";
static const char r3d_small[] = "{\"blocks\": [2, 1, 1, 2], \"separable\": false}";
static const char r2plus1d_small[] = "{\"blocks\": [1, 2, 1, 1], \"separable\": true}";
static const char resnet_small[] = "{\"blocks\": [1, 2, 1, 2]}";

static const struct clip_plan s3d = {.architecture = "s3d",
                                     .seed = 1,
                                     .frames = 17,
                                     .width = 70,
                                     .height = 92,
                                     .narrow = 4,
                                     .classes = 7,
                                     .config = s3d_small,
                                     .names = 7};
static const struct clip_plan s3dg = {.architecture = "s3dg-howto100m",
                                      .seed = 2,
                                      .frames = 14,
                                      .width = 38,
                                      .height = 50,
                                      .narrow = 4,
                                      .classes = 9,
                                      .config = "{}"};
static const struct clip_plan r3d = {.architecture = "r3d-18",
                                     .seed = 3,
                                     .frames = 9,
                                     .width = 37,
                                     .height = 30,
                                     .narrow = 5,
                                     .blocks = {2, 1, 1, 2},
                                     .classes = 6,
                                     .config = r3d_small};
static const struct clip_plan r2plus1d = {.architecture = "r2plus1d-18",
                                          .seed = 4,
                                          .frames = 1,
                                          .width = 40,
                                          .height = 33,
                                          .narrow = 6,
                                          .blocks = {1, 2, 1, 1},
                                          .classes = 6,
                                          .config = r2plus1d_small};
static const struct clip_plan resnet = {.architecture = "resnet-50",
                                        .seed = 5,
                                        .frames = 11, /* more than are computed at a time */
                                        .width = 45,
                                        .height = 64,
                                        .narrow = 4,
                                        .blocks = {1, 2, 1, 2},
                                        .classes = 8,
                                        .config = resnet_small,
                                        .names = 8};

/* Smooth in time and space, so that features differ from place to place. */
static uint8_t *random_frames(const struct clip_plan *p)
{
    struct dice d = {.seed = p->seed + 100};
    const size_t pixels = (size_t)p->frames * p->width * p->height;
    uint8_t *rgb = malloc(3 * pixels);
    float wave[3][4][4];
    for (int i = 0; i < 3 * 4 * 4; i++) {
        wave[i / 16][i / 4 % 4][i % 4] = dice_between(&d, -0.4f, 0.4f);
    }
    for (size_t i = 0; i < 3 * pixels; i++) {
        const int x = (int)(i / 3) % p->width;
        const int y = (int)(i / 3) / p->width % p->height;
        const int t = (int)(i / 3) / p->width / p->height;
        float v = 128;
        for (int k = 0; k < 4; k++) {
            const float *f = wave[i % 3][k];
            v += 30 * sinf(f[0] * (float)x + f[1] * (float)y + f[2] * (float)t + 9 * f[3]);
        }
        rgb[i] = (uint8_t)v;
    }
    return rgb;
}

/* A plan's model file, opened, with its frames and what is expected of them. */
struct opened {
    struct scratch_file file;
    struct detector *det;
    struct detector_session *session;
    uint8_t *rgb;
    struct detector_clip clip;
    struct reference_features want;
};

/* Returns detector_open()'s code. */
static int open_plan(const struct clip_plan *plan, struct opened *o)
{
    *o = (struct opened){.det = NULL};
    scratch_file_init(&o->file);
    o->rgb = random_frames(plan);
    reference_clip(plan, o->rgb, o->file.path, &o->want);
    o->clip = (struct detector_clip){o->rgb, (uint32_t)plan->frames, (uint32_t)plan->width,
                                     (uint32_t)plan->height};
    const int rc = detector_open(o->file.path, NULL, &o->det);
    if (rc == 0) {
        cr_assert_eq(detector_session_new(o->det, &o->session), 0);
    }
    return rc;
}

static void close_plan(struct opened *o)
{
    detector_session_free(o->session);
    detector_close(o->det);
    reference_features_release(&o->want);
    free(o->rgb);
    scratch_file_release(&o->file);
}

static void expect_close(const char *what, const float *got, const double *want, int n)
{
    double largest = 0;
    for (int i = 0; i < n; i++) {
        largest = fmax(largest, fabs(want[i]));
    }
    for (int i = 0; i < n; i++) {
        cr_assert_lt(fabs((double)got[i] - want[i]), 1e-5 * largest, "%s[%d] is %g, not %g", what,
                     i, (double)got[i], want[i]);
    }
}

static void compare(const struct clip_features *got, const struct reference_features *want)
{
    cr_assert_eq(got->n, (uint32_t)want->n);
    cr_assert_eq(got->dim, (uint32_t)want->dim);
    cr_assert_eq(got->classes, (uint32_t)want->classes);
    cr_assert_eq(got->embedding_dim, (uint32_t)want->embedding_dim);
    cr_assert_eq(got->scores != NULL, want->scores != NULL);
    cr_assert_eq(got->embedding != NULL, want->embedding != NULL);
    expect_close("features", got->features, want->features, want->n * want->dim);
    expect_close("scores", got->scores, want->scores, want->n * want->classes);
    expect_close("embedding", got->embedding, want->embedding, want->n * want->embedding_dim);
}

static void check_network(const struct clip_plan *plan)
{
    struct opened o;
    struct clip_features got;
    cr_assert_eq(open_plan(plan, &o), 0, "%s", err_text());
    cr_assert_eq(detector_features(o.det, o.session, &o.clip, NULL, &got), 0, "%s", err_text());
    compare(&got, &o.want);
    close_plan(&o);
}

Test(clip_networks, s3d_equals_its_definition)
{
    check_network(&s3d);
}

Test(clip_networks, s3dg_equals_its_definition)
{
    check_network(&s3dg);
    struct clip_plan least = s3dg;
    least.frames = 2;
    check_network(&least);
    least.frames = 22;
    check_network(&least);
}

Test(clip_networks, r3d_equals_its_definition)
{
    check_network(&r3d);
}

Test(clip_networks, r2plus1d_equals_its_definition_even_of_one_frame)
{
    check_network(&r2plus1d);
    struct clip_plan more = r2plus1d;
    more.frames = 6;
    check_network(&more);
}

Test(clip_networks, resnet_describes_each_frame_as_its_definition_does)
{
    check_network(&resnet);
}

Test(clip_networks, tell_what_they_are)
{
    struct opened o;
    cr_assert_eq(open_plan(&s3d, &o), 0, "%s", err_text());
    const struct detector_info *info = detector_info(o.det);
    cr_assert_eq(info->kind, DETECTOR_CLIPS);
    cr_assert_eq(info->dim, (uint32_t)o.want.dim);
    cr_assert_eq(info->classes, 7);
    cr_assert_eq(info->min_frames, 14);
    cr_assert_str_eq(info->objects.name[6], "class 6");
    close_plan(&o);
    cr_assert_eq(open_plan(&resnet, &o), 0, "%s", err_text());
    cr_assert_eq(detector_info(o.det)->kind, DETECTOR_FRAMES);
    close_plan(&o);
}

/* The second clip is smaller, the third the first again. */
Test(clip_networks, a_session_serves_clips_of_any_length)
{
    struct opened o;
    struct clip_features got;
    cr_assert_eq(open_plan(&r3d, &o), 0, "%s", err_text());
    struct detector_clip shorter = o.clip;
    shorter.frames = 2;
    cr_assert_eq(detector_features(o.det, o.session, &o.clip, NULL, &got), 0);
    cr_assert_eq(detector_features(o.det, o.session, &shorter, NULL, &got), 0);
    cr_assert_eq(detector_features(o.det, o.session, &o.clip, NULL, &got), 0);
    compare(&got, &o.want);
    close_plan(&o);
}

struct seen {
    unsigned done;
    unsigned total;
};

static void step(void *arg, unsigned done, unsigned total)
{
    struct seen *s = arg;
    cr_assert_eq(done, s->done + 1);
    s->done = done;
    s->total = total;
}

Test(clip_networks, progress_counts_to_the_end)
{
    const struct clip_plan *const plan[] = {&s3d, &s3dg, &r3d, &resnet};
    for (int i = 0; i < 4; i++) {
        struct opened o;
        struct clip_features got;
        struct seen s = {0, 0};
        const struct detector_progress progress = {step, &s};
        cr_assert_eq(open_plan(plan[i], &o), 0, "%s", err_text());
        cr_assert_eq(detector_features(o.det, o.session, &o.clip, &progress, &got), 0);
        cr_assert_gt(s.total, 10);
        cr_assert_eq(s.done, s.total);
        close_plan(&o);
    }
}

Test(clip_networks, the_cost_grows_with_the_frames)
{
    struct opened o;
    struct detector_cost one;
    struct detector_cost four;
    struct detector_cost image;
    cr_assert_eq(open_plan(&resnet, &o), 0, "%s", err_text());
    cr_assert_eq(detector_clip_cost(o.det, 1, 640, 480, &one), 0);
    cr_assert_eq(detector_clip_cost(o.det, 4, 640, 480, &four), 0);
    cr_assert_eq(four.macs, 4 * one.macs);
    cr_assert_eq(one.net_width, 45);
    cr_assert_eq(one.net_height, 64);
    cr_assert_eq(detector_cost(o.det, 640, 480, &image), E_ARG);
    close_plan(&o);
}

static void refuses_clip(const struct opened *o, struct detector_clip clip, const char *part)
{
    struct clip_features got;
    cr_assert_eq(detector_features(o->det, o->session, &clip, NULL, &got), E_ARG);
    cr_assert(strstr(err_text(), part), "\"%s\" lacks \"%s\"", err_text(), part);
}

Test(clip_networks, refuse_frames_that_they_cannot_take)
{
    struct opened o;
    cr_assert_eq(open_plan(&s3d, &o), 0, "%s", err_text());
    struct detector_clip clip = o.clip;
    clip.frames = 13;
    refuses_clip(&o, clip, "s3d takes clips of 14 to 4096 frames, not 13");
    clip.frames = 0;
    refuses_clip(&o, clip, "not 0");
    clip.frames = 5000;
    refuses_clip(&o, clip, "not 5000");
    clip = o.clip;
    clip.width = 0;
    refuses_clip(&o, clip, "0 x 92 pixels");
    close_plan(&o);
    cr_assert_eq(open_plan(&s3dg, &o), 0, "%s", err_text());
    clip = o.clip;
    clip.frames = 3;
    refuses_clip(&o, clip, "takes clips of a multiple of 2 frames, not 3");
    close_plan(&o);
}

Test(clip_networks, regions_are_not_asked_of_a_clip_nor_clips_of_a_detector)
{
    struct opened o;
    struct detections found;
    const struct detector_image image = {(const uint8_t *)"abc", 1, 1};
    cr_assert_eq(open_plan(&r3d, &o), 0, "%s", err_text());
    cr_assert_eq(detector_detect(o.det, o.session, &image, NULL, &found), E_ARG);
    cr_assert(strstr(err_text(), "finds no regions"), "%s", err_text());
    close_plan(&o);

    struct scratch_file f;
    const struct c4_plan c4 = c4_plan_default();
    struct detector *det = NULL;
    struct clip_features got;
    scratch_file_init(&f);
    c4_plan_write(&c4, NULL, f.path);
    cr_assert_eq(detector_open(f.path, NULL, &det), 0, "%s", err_text());
    const struct detector_clip clip = {image.rgb, 1, 1, 1};
    cr_assert_eq(detector_features(det, NULL, &clip, NULL, &got), E_ARG);
    cr_assert(strstr(err_text(), "does not describe clips"), "%s", err_text());
    detector_close(det);
    scratch_file_release(&f);
}

static void refuses_plan(struct clip_plan plan, const char *part)
{
    struct opened o;
    cr_assert_eq(open_plan(&plan, &o), E_MODEL, "%s", part);
    cr_assert(strstr(err_text(), part), "\"%s\" lacks \"%s\"", err_text(), part);
    close_plan(&o);
}

Test(clip_networks, unusable_models_are_refused_by_name)
{
    struct clip_plan p = resnet;
    p.names = 5;
    refuses_plan(p, "has 5 names, but fc gives 8 class scores");
    p = s3d;
    p.spoil = "features.9.branch1.1.1.0.bias";
    refuses_plan(p, "features.9.branch1.1.1.0.bias");
    p = s3dg;
    p.spoil = "mixed_4d.gating_b2.fc.weight";
    refuses_plan(p, "mixed_4d.gating_b2.fc.weight");
    p = r3d;
    p.spoil = "layer3.0.downsample.0.weight";
    refuses_plan(p, "layer3.0.downsample.0.weight");
    p = s3d;
    p.config = "{\"pool_frames\": 3, \"pool_side\": 2, \"min_frames\": 14}";
    refuses_plan(p, "too few for a pool over 3 frames");
    p = resnet;
    p.config = "{\"blocks\": [1, 2, 1]}";
    refuses_plan(p, "layer1, layer2, layer3 and layer4");
    p = r3d;
    p.config = "{\"blocks\": [2, 1, 1, 2]}";
    refuses_plan(p, "separable");
}
