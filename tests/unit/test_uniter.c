/* UNITER's samples: what must hold in every one. */
#include "tests/unit/uniter_fixture.h"

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
        /* Here x2/W itself would round to another half than the sum x1/W + w/W. */
        {{0x1.b3d498p+7f, 10, 0x1.a7c526p+9f, 33.5f},
         999,
         333,
         {0x32fb, 0x27b0, 0x3aca, 0x2e70, 0x390b, 0x2c84},
         0x1.6c5acp-5f},
        {{0x1.476662p+3f, 10, 0x1.70e4bap+8f, 33.5f},
         999,
         333,
         {0x213e, 0x27b0, 0x35e8, 0x2e70, 0x35bf, 0x2c84},
         0x1.9f27cp-6f},
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
            cr_assert_eq(features[i], (float)(1 + i));
        }
        cr_assert_null(sample_find(&s, "img_masks"));
        cr_assert_str_eq(s.task, "mlm");
        sample_release(&s);
    }
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
            cr_assert_eq(features[i], (float)(1 + i));
        }
        cr_assert(!sample_find(&s, "txt_labels") && !sample_find(&s, "img_masks"));
        sample_release(&s);
    }
    cr_assert(seen[0] > 10 && seen[1] > 10);
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
