/* UNITER's samples: what must hold in every one, and the statistics of the draws.  Seeds are fixed,
 * so a bound of five standard deviations is passed or not for ever. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/half.h"
#include "recipes/order.h"
#include "recipes/uniter.h"

enum { DIM = 8, CLASSES = 6, REGIONS_MAX = 120, TOKENS_MAX = 100, MEDIA = 40 };

/* A medium whose every number names where it stands. */
struct medium {
    float boxes[REGIONS_MAX][4];
    float conf[REGIONS_MAX];
    half features[REGIONS_MAX][DIM];
    half soft[REGIONS_MAX][CLASSES];
    struct visual_record record;
};

struct text {
    uint32_t ids[TOKENS_MAX];
    struct pair_record record;
};

static uint64_t group_of(const void *ctx, uint64_t medium)
{
    (void)ctx;
    return medium / 4; /* four media a group */
}

static void make_medium(struct medium *m, uint32_t regions)
{
    for (uint32_t i = 0; i < regions; i++) {
        const float box[4] = {(float)i, (float)(2 * i), (float)(i + 30), (float)(2 * i + 50)};
        memcpy(m->boxes[i], box, sizeof box);
        m->conf[i] = 0.9f - 0.005f * (float)i; /* the first 100 are above .4 */
        for (uint32_t k = 0; k < DIM; k++) {
            m->features[i][k] = half_from_float((float)(1 + i * DIM + k));
        }
        for (uint32_t k = 0; k < CLASSES; k++) {
            const double p = k == 0 ? 0.5 : k == 1 + i % 5 ? 0.3 : 0.05;
            m->soft[i][k] = half_from_float((float)p);
        }
    }
    m->record = (struct visual_record){
        .width = 640,
        .height = 480,
        .n = regions,
        .boxes = &m->boxes[0][0],
        .conf = m->conf,
        .feature_dtype = FEATURE_F16,
        .dim = DIM,
        .features = m->features,
        .classes = CLASSES,
        .soft_labels = &m->soft[0][0],
    };
}

static void make_text(struct text *t, uint64_t number, uint32_t tokens)
{
    for (uint32_t i = 0; i < tokens; i++) {
        t->ids[i] = 200 + i;
    }
    t->record = (struct pair_record){.tokens = {.n = tokens, .ids = t->ids}};
    put_be64(t->record.id.b, number * 0x9e3779b97f4a7c15u);
}

static struct recipe_context make_context(const char *options)
{
    struct recipe_context c = {
        .recipe = &recipe_uniter,
        .ids = {.size = 1000,
                .pad = 0,
                .unk = 1,
                .cls = 2,
                .sep = 3,
                .mask = 4,
                .random_first = 100,
                .random_end = 1000},
        .seed = 2020,
        .corpus = {.media = MEDIA, .group = group_of},
    };
    cr_assert_eq(recipe_options_parse(c.recipe, options, &c.options), 0, "%s", err_text());
    cr_assert_eq(recipe_check(&c, CLASSES), 0, "%s", err_text());
    return c;
}

#define ONLY_MLM   "itm=0,mlm=1,mrfr=0,mrckl=0,mrc=0"
#define ONLY_MRFR  "itm=0,mlm=0,mrfr=1,mrckl=0,mrc=0"
#define ONLY_MRCKL "itm=0,mlm=0,mrfr=0,mrckl=1,mrc=0"
#define ONLY_MRC   "itm=0,mlm=0,mrfr=0,mrckl=0,mrc=1"
#define ONLY_ITM   "itm=1,mlm=0,mrfr=0,mrckl=0,mrc=0"

static struct plan plan_of(const struct recipe_context *c, const struct text *t, uint32_t epoch,
                           uint64_t position, uint64_t medium)
{
    struct plan plan;
    const struct recipe_place place = {.epoch = epoch, .position = position, .medium = medium};
    cr_assert_eq(recipe_plan(c, &place, &t->record, &plan), 0, "%s", err_text());
    return plan;
}

static struct sample sample_of(const struct recipe_context *c, const struct text *t,
                               const struct medium *m, struct plan *plan)
{
    struct sample s;
    sample_init(&s, 1 << 24);
    cr_assert_eq(recipe_materialise(c, &t->record, &m->record, plan, &s), 0, "%s", err_text());
    return s;
}

static const void *data_of(const struct sample *s, const char *name, enum array_dtype dtype,
                           uint64_t rows, uint64_t columns)
{
    const struct sample_array *a = sample_find(s, name);
    cr_assert_not_null(a, "no array \"%s\"", name);
    cr_assert_eq(a->dtype, dtype);
    cr_assert_eq(a->dimensions, columns ? 2 : 1);
    cr_assert_eq(a->shape[0], rows, "%s has %llu rows", name, (unsigned long long)a->shape[0]);
    cr_assert_eq(a->shape[1], columns);
    return a->data;
}

static void expect_within(double got, double mean, double variance, const char *what)
{
    cr_assert_lt(fabs(got - mean), 5 * sqrt(variance), "%s: %g, expected %g +- %g", what, got, mean,
                 5 * sqrt(variance));
}

/* ---- facts of the released code ---- */

Test(uniter, the_defaults_are_those_of_the_released_code)
{
    struct recipe_options o;
    struct buf text;
    buf_init(&text, 4096);
    cr_assert_eq(recipe_options_parse(&recipe_uniter, NULL, &o), 0);
    cr_assert_eq(recipe_options_print(&recipe_uniter, &o, &text), 0);
    cr_assert_eq(buf_terminate(&text), 0);
    cr_assert_str_eq((const char *)text.p,
                     "itm=2,mlm=2,mrfr=1,mrckl=1,mrc=0,task_block=64,max_tokens=60,"
                     "mlm_rate=0.14999999999999999,mlm_mask=0.80000000000000004,"
                     "mlm_random=0.10000000000000001,mrm_rate=0.14999999999999999,negative=0.5,"
                     "equality=medium,conf=0.20000000000000001,min_regions=10,max_regions=100");
    buf_release(&text);
}

/* Bit patterns from numpy: float32 arithmetic, astype(float16), astype(float32), product. */
Test(uniter, geometry_comes_from_the_rounded_halves)
{
    static const struct {
        float box[4];
        uint32_t width;
        uint32_t height;
        half six[6];
        float area;
    } cases[] = {
        {{10.0f, 20.0f, 110.5f, 220.25f},
         640,
         480,
         {0x2400, 0x2955, 0x3186, 0x3757, 0x3106, 0x36ad},
         0x1.0c48700000000p-4f},
        {{0.0f, 0.0f, 639.875f, 479.5f},
         640,
         480,
         {0x0000, 0x0000, 0x3c00, 0x3bfe, 0x3c00, 0x3bfe},
         0x1.ff80000000000p-1f},
        {{333.375f, 1.75f, 334.125f, 479.0f},
         999,
         480,
         {0x3557, 0x1b77, 0x355a, 0x3bfc, 0x1226, 0x3bf4},
         0x1.8731c00000000p-11f},
        {{5.25f, 7.75f, 300.125f, 200.5f},
         500,
         333,
         {0x2160, 0x25f5, 0x38cd, 0x38d1, 0x38b8, 0x38a1},
         0x1.5d7b800000000p-2f},
        {{17.0625f, 0.5f, 17.5f, 3.25f},
         1333,
         800,
         {0x228e, 0x111f, 0x22b9, 0x1c29, 0x0d61, 0x1b0a},
         0x1.2ee6500000000p-20f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float got[7];
        uniter_geometry(cases[i].box, cases[i].width, cases[i].height, got);
        for (int k = 0; k < 6; k++) {
            cr_assert_eq(half_from_float(got[k]), cases[i].six[k], "case %zu number %d", i, k);
            cr_assert_eq(got[k], half_to_float(cases[i].six[k]));
        }
        cr_assert_eq(got[6], cases[i].area, "case %zu: %a", i, (double)got[6]);
    }
}

Test(uniter, regions_are_counted_in_half_precision_between_10_and_100)
{
    const struct recipe_context c = make_context(NULL);
    float conf[REGIONS_MAX];
    for (int i = 0; i < REGIONS_MAX; i++) {
        conf[i] = 0.1f;
    }
    cr_assert_eq(uniter_region_count(&c.options, conf, 120), 10);
    cr_assert_eq(uniter_region_count(&c.options, conf, 7), 7); /* never more than there are */
    for (int i = 0; i < 30; i++) {
        conf[i] = 0.3f;
    }
    cr_assert_eq(uniter_region_count(&c.options, conf, 120), 30);
    conf[30] = 0.2f;     /* its half, .19995, is that of the threshold: not above */
    conf[31] = 0.20001f; /* the same half */
    cr_assert_eq(uniter_region_count(&c.options, conf, 120), 30);
    conf[32] = 0.20008f; /* the next half, .20007 */
    cr_assert_eq(uniter_region_count(&c.options, conf, 120), 31);
    for (int i = 0; i < REGIONS_MAX; i++) {
        conf[i] = 0.9f;
    }
    cr_assert_eq(uniter_region_count(&c.options, conf, 120), 100);
    const struct recipe_context all = make_context("conf=-1,max_regions=36");
    conf[0] = 0;
    cr_assert_eq(uniter_region_count(&all.options, conf, 120), 36);
}

Test(uniter, too_long_and_empty_texts_are_left_out_never_cut)
{
    const struct recipe_context c = make_context(NULL);
    cr_assert_eq(recipe_judge(&c, 1, 1), RECIPE_TAKES);
    cr_assert_eq(recipe_judge(&c, 60, 100), RECIPE_TAKES);
    cr_assert_eq(recipe_judge(&c, 61, 100), RECIPE_TEXT_TOO_LONG);
    cr_assert_eq(recipe_judge(&c, 0, 100), RECIPE_TEXT_EMPTY);
    cr_assert_eq(recipe_judge(&c, 5, 0), RECIPE_NO_REGIONS);
    cr_assert_str_eq(recipe_verdict_name(RECIPE_TEXT_TOO_LONG), "text_too_long");
    struct text t;
    struct plan plan;
    make_text(&t, 1, 61);
    const struct recipe_place place = {0};
    cr_assert_eq(recipe_plan(&c, &place, &t.record, &plan), E_ARG);
    const struct recipe_context vcr = make_context("max_tokens=220");
    cr_assert_eq(recipe_judge(&vcr, 220, 1), RECIPE_TAKES);
}

/* ---- the text ---- */

Test(uniter, text_stands_between_cls_and_sep)
{
    const struct recipe_context c = make_context(ONLY_ITM);
    struct medium m;
    struct text t;
    make_medium(&m, 20);
    make_text(&t, 1, 5);
    struct plan plan = plan_of(&c, &t, 0, 0, 3);
    struct sample s = sample_of(&c, &t, &m, &plan);
    const int32_t *ids = data_of(&s, "input_ids", ARRAY_I32, 7, 0);
    const int32_t *positions = data_of(&s, "position_ids", ARRAY_I32, 7, 0);
    const int32_t *lengths = data_of(&s, "lengths", ARRAY_I32, 2, 0);
    const int32_t want[7] = {2, 200, 201, 202, 203, 204, 3};
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(ids[i], want[i]);
        cr_assert_eq(positions[i], i);
    }
    cr_assert_eq(lengths[0], 7);
    cr_assert_eq(lengths[1], 20);
    sample_release(&s);
}

Test(uniter, mlm_masks_15_percent_as_80_10_10_and_at_least_one)
{
    const struct recipe_context c = make_context(ONLY_MLM);
    const int pairs = 6000;
    const uint32_t n = 20;
    double ops[4] = {0};
    double forced = 0;
    double by_place[20] = {0};
    double sum_random = 0;
    uint32_t low = UINT32_MAX;
    uint32_t high = 0;
    for (int k = 0; k < pairs; k++) {
        struct text t;
        make_text(&t, (uint64_t)k, n);
        const struct plan plan = plan_of(&c, &t, 0, 0, 0);
        cr_assert_eq(plan.task, UNITER_MLM);
        int chosen = 0;
        for (uint32_t i = 0; i < n; i++) {
            chosen += plan.token_op[i] != MASK_NONE;
            by_place[i] += plan.token_op[i] != MASK_NONE;
            ops[plan.token_op[i]]++;
            if (plan.token_op[i] == MASK_RANDOM) {
                low = plan.token_random[i] < low ? plan.token_random[i] : low;
                high = plan.token_random[i] > high ? plan.token_random[i] : high;
                sum_random += plan.token_random[i];
            }
        }
        cr_assert_geq(chosen, 1);
        forced += chosen == 1 && plan.token_op[0] == MASK_HIDE;
    }
    const double none = pairs * pow(0.85, n); /* pairs that chose nothing: their first is hidden */
    const double all = pairs * (double)n;
    const double chosen = 0.15 * all;
    expect_within(ops[MASK_HIDE] - none, 0.8 * chosen, all * 0.12 * 0.88 + none, "hidden");
    expect_within(ops[MASK_RANDOM], 0.1 * chosen, all * 0.015 * 0.985, "random");
    expect_within(ops[MASK_KEEP], 0.1 * chosen, all * 0.015 * 0.985, "kept");
    cr_assert_gt(forced, none / 2);
    for (uint32_t i = 0; i < n; i++) {
        expect_within(by_place[i] - (i ? 0 : none), 0.15 * pairs, pairs * 0.1275 + (i ? 0 : none),
                      "chosen at one place");
    }
    /* Random ids: uniform in [100, 1000). */
    cr_assert(low >= 100 && low < 105 && high < 1000 && high > 994);
    expect_within(sum_random / ops[MASK_RANDOM], 549.5, 900.0 * 900 / 12 / ops[MASK_RANDOM],
                  "the mean random id");
}

Test(uniter, mlm_labels_hold_the_old_ids_of_the_chosen_and_regions_stay)
{
    const struct recipe_context c = make_context(ONLY_MLM);
    struct medium m;
    make_medium(&m, 12);
    for (uint64_t k = 0; k < 300; k++) {
        struct text t;
        const uint32_t n = 1 + (uint32_t)(k % 60);
        make_text(&t, k, n);
        struct plan plan = plan_of(&c, &t, 1, k, 0);
        struct sample s = sample_of(&c, &t, &m, &plan);
        const int32_t *ids = data_of(&s, "input_ids", ARRAY_I32, n + 2, 0);
        const int32_t *labels = data_of(&s, "txt_labels", ARRAY_I32, n + 2, 0);
        const float *features = data_of(&s, "img_feat", ARRAY_F32, 12, DIM);
        cr_assert(labels[0] == -1 && labels[n + 1] == -1 && ids[0] == 2 && ids[n + 1] == 3);
        int chosen = 0;
        for (uint32_t i = 0; i < n; i++) {
            const int32_t old = (int32_t)t.ids[i];
            switch (plan.token_op[i]) {
            case MASK_NONE: cr_assert(labels[i + 1] == -1 && ids[i + 1] == old); break;
            case MASK_HIDE: cr_assert(labels[i + 1] == old && ids[i + 1] == 4); break;
            case MASK_KEEP: cr_assert(labels[i + 1] == old && ids[i + 1] == old); break;
            default: cr_assert(labels[i + 1] == old && ids[i + 1] == (int32_t)plan.token_random[i]);
            }
            chosen += labels[i + 1] != -1;
        }
        cr_assert_geq(chosen, 1);
        for (uint32_t i = 0; i < 12 * DIM; i++) {
            cr_assert_eq(features[i], 1 + i);
        }
        cr_assert_null(sample_find(&s, "img_masks"));
        cr_assert_str_eq(s.task, "mlm");
        sample_release(&s);
    }
}

/* ---- the regions ---- */

Test(uniter, mrm_masks_15_percent_of_the_regions_and_at_least_one)
{
    const struct recipe_context c = make_context(ONLY_MRFR);
    const int pairs = 3000;
    const uint32_t n = 10;
    struct medium m;
    make_medium(&m, n);
    struct sample s;
    sample_init(&s, 1 << 20);
    double by_place[10] = {0};
    double ones = 0;
    for (int k = 0; k < pairs; k++) {
        struct text t;
        make_text(&t, (uint64_t)k, 4);
        struct plan plan = plan_of(&c, &t, 0, 0, 0);
        cr_assert_eq(recipe_materialise(&c, &t.record, &m.record, &plan, &s), 0);
        cr_assert_eq(plan.regions, n);
        int chosen = 0;
        for (uint32_t i = 0; i < n; i++) {
            chosen += plan.region_op[i] == MASK_HIDE;
            by_place[i] += plan.region_op[i] == MASK_HIDE;
        }
        cr_assert_geq(chosen, 1);
        ones += chosen == 1;
    }
    const double none = pow(0.85, n);
    const double each = 0.15 + none / n; /* the forced one is uniform */
    for (uint32_t i = 0; i < n; i++) {
        expect_within(by_place[i], each * pairs, pairs * each * (1 - each), "masked at one place");
    }
    const double one = n * 0.15 * pow(0.85, n - 1) + none;
    expect_within(ones, one * pairs, pairs * one * (1 - one), "samples with one masked region");
    sample_release(&s);
}

static int count_masked(const uint8_t *masks, uint32_t n)
{
    int count = 0;
    for (uint32_t i = 0; i < n; i++) {
        cr_assert_leq(masks[i], 1);
        count += masks[i];
    }
    return count;
}

static void expect_masked_features(const struct sample *s, uint32_t n, const uint8_t *masks)
{
    const float *features = data_of(s, "img_feat", ARRAY_F32, n, DIM);
    for (uint32_t i = 0; i < n * DIM; i++) {
        cr_assert_eq(features[i], masks[i / DIM] ? 0 : (float)(1 + i));
    }
}

Test(uniter, features_are_zero_exactly_where_masked_and_the_targets_are_the_originals)
{
    const struct recipe_context c = make_context(ONLY_MRFR);
    struct medium m;
    for (uint32_t n = 1; n <= REGIONS_MAX; n += 7) {
        make_medium(&m, n);
        struct text t;
        make_text(&t, n, 6);
        struct plan plan = plan_of(&c, &t, 0, n, 0);
        struct sample s = sample_of(&c, &t, &m, &plan);
        const uint32_t used = n > 100 ? 100 : n;
        const uint8_t *masks = data_of(&s, "img_masks", ARRAY_U8, used, 0);
        const int masked = count_masked(masks, used);
        cr_assert_geq(masked, 1);
        expect_masked_features(&s, used, masks);
        const float *targets = data_of(&s, "feat_targets", ARRAY_F32, masked, DIM);
        const float *geometry = data_of(&s, "img_pos_feat", ARRAY_F32, used, 7);
        for (uint32_t i = 0, row = 0; i < used; i++) {
            float want[7];
            uniter_geometry(m.boxes[i], 640, 480, want);
            cr_assert_arr_eq(geometry + 7 * (size_t)i, want, sizeof want); /* boxes are kept */
            for (uint32_t k = 0; k < DIM && masks[i]; k++) {
                cr_assert_eq(targets[row * DIM + k], (float)(1 + i * DIM + k));
            }
            row += masks[i];
        }
        const int32_t *ids = data_of(&s, "input_ids", ARRAY_I32, 8, 0);
        for (int i = 0; i < 6; i++) {
            cr_assert_eq(ids[i + 1], 200 + i);
        }
        sample_release(&s);
    }
}

Test(uniter, mrc_targets_are_the_best_class_without_background)
{
    const struct recipe_context c = make_context(ONLY_MRC);
    struct medium m;
    struct text t;
    make_medium(&m, 50);
    m.soft[7][5] = m.soft[7][3]; /* equals: the first counts */
    make_text(&t, 5, 6);
    struct plan plan = plan_of(&c, &t, 0, 0, 0);
    struct sample s = sample_of(&c, &t, &m, &plan);
    const uint8_t *masks = data_of(&s, "img_masks", ARRAY_U8, 50, 0);
    const int32_t *targets =
        data_of(&s, "label_targets", ARRAY_I32, (uint64_t)count_masked(masks, 50), 0);
    for (uint32_t i = 0, row = 0; i < 50; i++) {
        if (masks[i]) {
            cr_assert_eq(targets[row], 1 + (int)(i % 5));
            row++;
        }
    }
    expect_masked_features(&s, 50, masks);
    sample_release(&s);
}

Test(uniter, of_equal_classes_the_first_is_the_target)
{
    const struct recipe_context c = make_context(ONLY_MRC ",mrm_rate=1");
    struct medium m;
    struct text t;
    make_medium(&m, 2);
    m.soft[0][3] = m.soft[0][4] = half_from_float(0.4f);
    m.soft[1][1] = m.soft[1][5] = half_from_float(0.4f);
    make_text(&t, 5, 6);
    struct plan plan = plan_of(&c, &t, 0, 0, 0);
    struct sample s = sample_of(&c, &t, &m, &plan);
    const int32_t *targets = data_of(&s, "label_targets", ARRAY_I32, 2, 0);
    cr_assert_eq(targets[0], 3);
    cr_assert_eq(targets[1], 1);
    sample_release(&s);
}

Test(uniter, mrckl_targets_are_the_whole_soft_labels)
{
    const struct recipe_context c = make_context(ONLY_MRCKL);
    struct medium m;
    struct text t;
    make_medium(&m, 50);
    make_text(&t, 5, 6);
    struct plan plan = plan_of(&c, &t, 0, 0, 0);
    struct sample s = sample_of(&c, &t, &m, &plan);
    const uint8_t *masks = data_of(&s, "img_masks", ARRAY_U8, 50, 0);
    const float *targets =
        data_of(&s, "label_targets", ARRAY_F32, (uint64_t)count_masked(masks, 50), CLASSES);
    for (uint32_t i = 0, row = 0; i < 50; i++) {
        for (uint32_t k = 0; k < CLASSES && masks[i]; k++) {
            cr_assert_eq(targets[row * CLASSES + k], half_to_float(m.soft[i][k]));
        }
        row += masks[i];
    }
    sample_release(&s);
}

Test(uniter, features_in_single_precision_pass_unrounded)
{
    const struct recipe_context c = make_context(ONLY_MLM);
    static float wide[12][DIM];
    struct medium m;
    struct text t;
    make_medium(&m, 12);
    for (uint32_t i = 0; i < 12 * DIM; i++) {
        wide[i / DIM][i % DIM] = 1.0f / (float)(1 + i);
    }
    m.record.feature_dtype = FEATURE_F32;
    m.record.features = wide;
    make_text(&t, 5, 6);
    struct plan plan = plan_of(&c, &t, 0, 0, 0);
    struct sample s = sample_of(&c, &t, &m, &plan);
    cr_assert_arr_eq(data_of(&s, "img_feat", ARRAY_F32, 12, DIM), wide, sizeof wide);
    sample_release(&s);
}

/* ---- matching ---- */

Test(uniter, itm_mismatches_half_with_any_other_medium_alike)
{
    const struct recipe_context c = make_context(ONLY_ITM);
    const int pairs = 40000;
    const uint64_t own = 17;
    double counts[MEDIA] = {0};
    double matches = 0;
    for (int k = 0; k < pairs; k++) {
        struct text t;
        make_text(&t, (uint64_t)k, 5);
        const struct plan plan = plan_of(&c, &t, 0, 0, own);
        cr_assert_eq(plan.match, plan.medium == own);
        for (uint32_t i = 0; i < plan.tokens; i++) {
            cr_assert_eq(plan.token_op[i], MASK_NONE);
        }
        counts[plan.medium]++;
        matches += plan.match;
    }
    expect_within(matches, pairs / 2.0, pairs / 4.0, "matches");
    const double each = 0.5 / (MEDIA - 1);
    for (uint64_t k = 0; k < MEDIA; k++) {
        if (k != own) {
            expect_within(counts[k], pairs * each, pairs * each, "one medium as negative");
        }
    }
}

Test(uniter, itm_samples_are_unmasked_and_carry_the_drawn_medium)
{
    const struct recipe_context c = make_context(ONLY_ITM);
    struct medium m;
    make_medium(&m, 15);
    int32_t seen[2] = {0};
    for (uint64_t k = 0; k < 50; k++) {
        struct text t;
        make_text(&t, k, 5);
        struct plan plan = plan_of(&c, &t, 0, k, 2);
        m.record.medium.b[0] = (unsigned char)plan.medium;
        struct sample s = sample_of(&c, &t, &m, &plan);
        const int32_t *target = data_of(&s, "targets", ARRAY_I32, 1, 0);
        cr_assert_eq(*target, plan.medium == 2); /* 1 = match */
        seen[*target]++;
        cr_assert_eq(s.medium.b[0], plan.medium);
        const float *features = data_of(&s, "img_feat", ARRAY_F32, 15, DIM);
        for (uint32_t i = 0; i < 15 * DIM; i++) {
            cr_assert_eq(features[i], 1 + i);
        }
        cr_assert(!sample_find(&s, "txt_labels") && !sample_find(&s, "img_masks"));
        sample_release(&s);
    }
    cr_assert(seen[0] > 10 && seen[1] > 10);
}

Test(uniter, negatives_of_another_group_when_asked)
{
    const struct recipe_context c = make_context(ONLY_ITM ",equality=group,negative=1");
    double counts[MEDIA] = {0};
    for (int k = 0; k < 20000; k++) {
        struct text t;
        make_text(&t, (uint64_t)k, 5);
        t.record.group = group_of(NULL, 17);
        const struct plan plan = plan_of(&c, &t, 0, 0, 17);
        cr_assert_eq(plan.match, 0);
        counts[plan.medium]++;
    }
    for (uint64_t k = 0; k < MEDIA; k++) {
        if (k / 4 == 17 / 4) {
            cr_assert_eq(counts[k], 0);
        } else {
            expect_within(counts[k], 20000 / 36.0, 20000 / 36.0, "one medium as negative");
        }
    }
}

static uint64_t last_is_alone(const void *ctx, uint64_t medium)
{
    return medium == *(const uint64_t *)ctx;
}

Test(uniter, a_corpus_with_hardly_another_group_still_ends)
{
    struct recipe_context c = make_context(ONLY_ITM ",equality=group,negative=1");
    uint64_t alone = 999999;
    c.corpus = (struct recipe_corpus){.media = 1000000, .group = last_is_alone, .ctx = &alone};
    struct text t;
    make_text(&t, 3, 5);
    struct plan plan = plan_of(&c, &t, 0, 0, 5);
    cr_assert(plan.medium == alone && !plan.match);
    alone = UINT64_MAX; /* now all are one group: there is no negative, the sample is a match */
    plan = plan_of(&c, &t, 0, 0, 5);
    cr_assert(plan.medium == 5 && plan.match == 1);
    c.corpus.media = 1;
    plan = plan_of(&c, &t, 0, 0, 0);
    cr_assert(plan.medium == 0 && plan.match == 1);
}

/* ---- tasks ---- */

Test(uniter, tasks_are_drawn_by_weight_a_block_at_a_time)
{
    const struct recipe_context c = make_context("itm=9,mlm=12,mrfr=6,mrckl=6,task_block=10");
    const int blocks = 20000;
    double counts[UNITER_TASKS] = {0};
    for (int b = 0; b < blocks; b++) {
        const uint64_t first = (uint64_t)b * 10;
        const enum uniter_task task = uniter_task_at(&c, 4, first);
        counts[task]++;
        for (uint64_t i = 1; i < 10; i++) {
            cr_assert_eq(uniter_task_at(&c, 4, first + i), task);
        }
    }
    const double weights[UNITER_TASKS] = {9, 12, 6, 6, 0};
    for (int t = 0; t < UNITER_TASKS; t++) {
        const double p = weights[t] / 33;
        expect_within(counts[t], p * blocks, p * blocks + 0.01, recipe_uniter.tasks[t]);
    }
}

Test(uniter, multiplied_weights_draw_the_same_tasks)
{
    const struct recipe_context a = make_context("itm=2,mlm=2,mrfr=1,mrckl=1,task_block=1");
    const struct recipe_context b = make_context("itm=4,mlm=4,mrfr=2,mrckl=2,task_block=1");
    for (uint64_t p = 0; p < 2000; p++) {
        cr_assert_eq(uniter_task_at(&a, 0, p), uniter_task_at(&b, 0, p));
    }
}

/* ---- purity ---- */

/* All bytes of a sample that a trainer sees, summed so that order and place count. */
static uint64_t sample_sum(const struct sample *s)
{
    uint64_t h = s->position * 31 + s->epoch;
    for (uint32_t i = 0; i < s->count; i++) {
        for (uint64_t b = 0; b < s->arrays[i].bytes; b++) {
            h = (h ^ ((const unsigned char *)s->arrays[i].data)[b]) * 0x100000001b3u;
        }
        h = (h ^ s->arrays[i].shape[0]) * 0x100000001b3u;
    }
    return h;
}

static uint64_t sum_at(const struct recipe_context *c, const struct order *o, uint64_t position,
                       enum uniter_task *task)
{
    const uint64_t index = order_at(o, position);
    struct text t;
    struct medium m;
    make_text(&t, index, 3 + (uint32_t)(index % 20));
    struct plan plan = plan_of(c, &t, 1, position, index % MEDIA);
    make_medium(&m, 10 + (uint32_t)plan.medium);
    struct sample s = sample_of(c, &t, &m, &plan);
    const uint64_t sum = sample_sum(&s);
    *task = (enum uniter_task)plan.task;
    sample_release(&s);
    return sum;
}

/* Worlds 1, 2, 3 and 5, the ranks one after another: position by position the same samples, and at
 * any step the same task on every rank. */
Test(uniter, every_world_gets_the_same_global_sequence)
{
    enum { N = 301 };
    static uint64_t whole[N];
    const struct recipe_context c = make_context("task_block=30");
    struct order o;
    cr_assert_eq(order_init(&o, c.seed, 1, N), 0);
    for (uint64_t p = 0; p < N; p++) {
        enum uniter_task task;
        whole[p] = sum_at(&c, &o, p, &task);
    }
    const uint64_t worlds[] = {1, 2, 3, 5};
    for (int w = 0; w < 4; w++) {
        const uint64_t world = worlds[w];
        enum uniter_task at_step[N];
        uint64_t met = 0;
        for (uint64_t rank = 0; rank < world; rank++) {
            for (uint64_t step = 0; step < order_share(N, rank, world); step++) {
                enum uniter_task task;
                const uint64_t position = rank + step * world;
                cr_assert_eq(sum_at(&c, &o, position, &task), whole[position]);
                cr_assert(rank == 0 || task == at_step[step]);
                at_step[step] = task;
                met++;
            }
        }
        cr_assert_eq(met, N);
    }
}

Test(uniter, masks_do_not_change_when_the_corpus_grows)
{
    struct recipe_context c = make_context(ONLY_MLM);
    struct text t;
    make_text(&t, 77, 30);
    const struct plan small = plan_of(&c, &t, 2, 10, 3);
    c.corpus.media = 1000000;
    const struct plan large = plan_of(&c, &t, 2, 123456, 99);
    cr_assert_arr_eq(small.token_op, large.token_op, 30);
    cr_assert_arr_eq(small.token_random, large.token_random, 30 * sizeof(uint32_t));
}

Test(uniter, epochs_seeds_and_pairs_draw_anew)
{
    struct recipe_context c = make_context(ONLY_MLM);
    struct text t;
    struct text other;
    make_text(&t, 77, 60);
    make_text(&other, 78, 60);
    const struct plan a = plan_of(&c, &t, 0, 0, 0);
    const struct plan again = plan_of(&c, &t, 0, 0, 0);
    const struct plan epoch = plan_of(&c, &t, 1, 0, 0);
    const struct plan pair = plan_of(&c, &other, 0, 0, 0);
    c.seed++;
    const struct plan seed = plan_of(&c, &t, 0, 0, 0);
    cr_assert_eq(memcmp(&a, &again, sizeof a), 0);
    cr_assert_neq(memcmp(a.token_op, epoch.token_op, 60), 0);
    cr_assert_neq(memcmp(a.token_op, pair.token_op, 60), 0);
    cr_assert_neq(memcmp(a.token_op, seed.token_op, 60), 0);
}

/* Which numbers of a stream serve what is part of every published run. */
Test(uniter, the_draws_stay_as_published)
{
    struct recipe_context c = make_context(ONLY_MLM);
    struct text t;
    struct medium m;
    make_text(&t, 3, 60);
    make_medium(&m, 30);
    struct plan plan = plan_of(&c, &t, 0, 0, 0);
    char ops[61] = "";
    uint32_t random = 0;
    for (int i = 0; i < 60; i++) {
        ops[i] = ".MRK"[plan.token_op[i]];
        random = plan.token_op[i] == MASK_RANDOM ? plan.token_random[i] : random;
    }
    c = make_context(ONLY_MRFR);
    plan = plan_of(&c, &t, 0, 0, 0);
    struct sample s = sample_of(&c, &t, &m, &plan);
    char regions[31] = "";
    for (int i = 0; i < 30; i++) {
        regions[i] = ".M"[plan.region_op[i]];
    }
    sample_release(&s);
    c = make_context("task_block=1");
    char tasks[31] = "";
    for (uint64_t p = 0; p < 30; p++) {
        tasks[p] = "imfkc"[uniter_task_at(&c, 0, p)];
    }
    c = make_context(ONLY_ITM ",negative=1");
    plan = plan_of(&c, &t, 0, 0, 0);
    char got[200];
    snprintf(got, sizeof got, "%s %u %s %s %u", ops, random, regions, tasks, (unsigned)plan.medium);
    cr_assert_str_eq(got, "..M.....R.MM..M.M............M.MR.MKMM......M.M.M.M.M......M 325 "
                          "..M..M........MM....M....M..M. ffiimfiiifmfifimfffmifikfmkfkf 13");
}

/* ---- what cannot be ---- */

Test(uniter, a_corpus_without_soft_labels_refuses_mrc_in_a_sentence)
{
    struct recipe_context c = make_context(NULL);
    cr_assert_eq(recipe_check(&c, 0), E_ARG);
    cr_assert(strstr(err_text(), "mrc=0,mrckl=0"));
    c = make_context("mrckl=0");
    cr_assert_eq(recipe_check(&c, 0), 0);
    c = make_context(ONLY_MRC);
    struct medium m;
    struct text t;
    make_medium(&m, 10);
    make_text(&t, 1, 5);
    m.record.classes = 0;
    m.record.soft_labels = NULL;
    struct plan plan = plan_of(&c, &t, 0, 0, 0);
    struct sample s;
    sample_init(&s, 1 << 20);
    cr_assert_eq(recipe_materialise(&c, &t.record, &m.record, &plan, &s), E_ARG);
    make_medium(&m, 0);
    cr_assert_eq(recipe_materialise(&c, &t.record, &m.record, &plan, &s), E_ARG);
    cr_assert(strstr(err_text(), "no regions"));
    sample_release(&s);
}

Test(uniter, contradicting_options_are_refused)
{
    struct recipe_context c = make_context(NULL);
    const char *const bad[] = {"itm=0,mlm=0,mrfr=0,mrckl=0", "mlm_mask=0.9,mlm_random=0.2",
                               "min_regions=50,max_regions=36"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(recipe_options_parse(c.recipe, bad[i], &c.options), 0);
        cr_assert_eq(recipe_check(&c, CLASSES), E_ARG, "%s", bad[i]);
    }
}
