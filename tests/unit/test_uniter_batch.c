/* UNITER's batches against a plain restatement of the released collate functions. */
#include <criterion/criterion.h>
#include <stdbool.h>

#include "recipes/uniter.h"

#define OK(call) cr_assert_eq((call), 0, "%s: %s", #call, err_text())

enum { N = 3, DIM = 4, CLASSES = 5 };

/* Text positions (with [CLS] and [SEP]), regions, masked regions of the samples. */
static const uint32_t text_of[N] = {5, 3, 7};
static const uint32_t regions_of[N] = {2, 4, 1};
static const uint8_t masks_of[N][4] = {{0, 1}, {1, 0, 0, 1}, {1}};

static void *data(const struct sample *s, const char *name)
{
    const struct sample_array *a = sample_find(s, name);
    cr_assert_not_null(a, "no %s", name);
    return a->data;
}

static uint32_t masked(uint32_t i)
{
    uint32_t n = 0;
    for (uint32_t r = 0; r < regions_of[i]; r++) {
        n += masks_of[i][r];
    }
    return n;
}

/* Sample i of a task, as recipe_materialise() would make it, with telling numbers. */
static void make_sample(struct sample *s, uint32_t i, const char *task)
{
    sample_init(s, 1 << 20);
    const uint32_t text = text_of[i];
    const uint32_t regions = regions_of[i];
    sample_declare(s, "input_ids", ARRAY_I32, text, 0);
    sample_declare(s, "position_ids", ARRAY_I32, text, 0);
    sample_declare(s, "img_feat", ARRAY_F32, regions, DIM);
    sample_declare(s, "img_pos_feat", ARRAY_F32, regions, 7);
    sample_declare(s, "lengths", ARRAY_I32, 2, 0);
    const bool mrm = task[0] == 'm' && task[1] == 'r';
    if (mrm) {
        sample_declare(s, "img_masks", ARRAY_U8, regions, 0);
    }
    if (strcmp(task, "mlm") == 0) {
        sample_declare(s, "txt_labels", ARRAY_I32, text, 0);
    } else if (strcmp(task, "mrfr") == 0) {
        sample_declare(s, "feat_targets", ARRAY_F32, masked(i), DIM);
    } else if (strcmp(task, "mrckl") == 0) {
        sample_declare(s, "label_targets", ARRAY_F32, masked(i), CLASSES);
    } else if (strcmp(task, "mrc") == 0) {
        sample_declare(s, "label_targets", ARRAY_I32, masked(i), 0);
    } else {
        sample_declare(s, "targets", ARRAY_I32, 1, 0);
    }
    OK(sample_allocate(s));
    s->task = task;
    s->position = 10 + i;
    int32_t *lengths = data(s, "lengths");
    lengths[0] = (int32_t)text;
    lengths[1] = (int32_t)regions;
    for (uint32_t t = 0; t < text; t++) {
        ((int32_t *)data(s, "input_ids"))[t] = (int32_t)(1000 * i + t + 1);
    }
    for (uint32_t k = 0; k < regions * DIM; k++) {
        ((float *)data(s, "img_feat"))[k] = (float)(100 * i + k + 1);
    }
    for (uint32_t k = 0; k < regions * 7; k++) {
        ((float *)data(s, "img_pos_feat"))[k] = (float)(500 * i + k + 1);
    }
    if (mrm) {
        memcpy(data(s, "img_masks"), masks_of[i], regions);
    }
    const struct sample_array *target = &s->arrays[s->count - 1];
    for (uint32_t k = 0; k < target->bytes / 4; k++) {
        if (target->dtype == ARRAY_F32) {
            ((float *)target->data)[k] = (float)(7000 * i + k);
        } else {
            ((int32_t *)target->data)[k] = (int32_t)(7000 * i + k);
        }
    }
}

static void make_batch(const char *task, struct sample samples[N], struct sample *batch)
{
    for (uint32_t i = 0; i < N; i++) {
        make_sample(&samples[i], i, task);
    }
    sample_init(batch, 1 << 20);
    OK(recipe_batch(&recipe_uniter, samples, N, batch));
    cr_assert_str_eq(batch->task, task);
    cr_assert_eq(batch->position, 10);
}

static void free_batch(struct sample samples[N], struct sample *batch)
{
    for (uint32_t i = 0; i < N; i++) {
        sample_release(&samples[i]);
    }
    sample_release(batch);
}

static void expect_shape(const struct sample *s, const char *name, uint32_t dimensions, uint64_t a,
                         uint64_t b, uint64_t c)
{
    const struct sample_array *x = sample_find(s, name);
    cr_assert_not_null(x, "no %s", name);
    cr_assert_eq(x->dimensions, dimensions, "%s", name);
    cr_assert_eq(x->shape[0], a, "%s", name);
    cr_assert(dimensions < 2 || x->shape[1] == b, "%s", name);
    cr_assert(dimensions < 3 || x->shape[2] == c, "%s", name);
}

/* T = 7, N = 4; J = 8, of sample 2 */
enum { T = 7, R = 4, J = 8 };

Test(uniter_batch, pads_text_and_regions_apart_and_tells_where_they_are)
{
    struct sample samples[N];
    struct sample batch;
    make_batch("mlm", samples, &batch);
    expect_shape(&batch, "input_ids", 2, N, T, 0);
    expect_shape(&batch, "position_ids", 2, 1, T, 0);
    expect_shape(&batch, "img_feat", 3, N, R, DIM);
    expect_shape(&batch, "img_pos_feat", 3, N, R, 7);
    expect_shape(&batch, "attn_masks", 2, N, J, 0);
    expect_shape(&batch, "gather_index", 2, N, J, 0);
    const int32_t *ids = data(&batch, "input_ids");
    const int32_t *labels = data(&batch, "txt_labels");
    const int32_t *attention = data(&batch, "attn_masks");
    const int32_t *gather = data(&batch, "gather_index");
    const float *feat = data(&batch, "img_feat");
    const float *geometry = data(&batch, "img_pos_feat");
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t t = 0; t < T; t++) {
            const bool used = t < text_of[i];
            cr_assert_eq(ids[i * T + t], used ? (int32_t)(1000 * i + t + 1) : 0);
            cr_assert_eq(labels[i * T + t], used ? (int32_t)(7000 * i + t) : -1);
        }
        for (uint32_t k = 0; k < R * DIM; k++) {
            const float want = k < regions_of[i] * DIM ? (float)(100 * i + k + 1) : 0;
            cr_assert_eq(feat[i * R * DIM + k], want);
        }
        for (uint32_t k = 0; k < R * 7; k++) {
            const float want = k < regions_of[i] * 7 ? (float)(500 * i + k + 1) : 0;
            cr_assert_eq(geometry[i * R * 7 + k], want);
        }
        /* gather_index = arange(J); gather_index[tl : tl + nbb] = arange(T, T + nbb) */
        int32_t want[J];
        for (int32_t j = 0; j < J; j++) {
            want[j] = j;
        }
        for (uint32_t r = 0; r < regions_of[i]; r++) {
            want[text_of[i] + r] = (int32_t)(T + r);
        }
        for (uint32_t j = 0; j < J; j++) {
            cr_assert_eq(gather[i * J + j], want[j]);
            cr_assert_eq(attention[i * J + j], j < text_of[i] + regions_of[i]);
        }
    }
    free_batch(samples, &batch);
}

Test(uniter_batch, puts_the_targets_of_masked_regions_one_after_another)
{
    static const char *const tasks[] = {"mrfr", "mrckl", "mrc"};
    static const char *const names[] = {"feat_targets", "label_targets", "label_targets"};
    static const uint32_t columns[] = {DIM, CLASSES, 1};
    for (size_t k = 0; k < 3; k++) {
        struct sample samples[N];
        struct sample batch;
        make_batch(tasks[k], samples, &batch);
        expect_shape(&batch, names[k], k < 2 ? 2 : 1, 4, columns[k], 0);
        const void *targets = data(&batch, names[k]);
        const uint8_t *masks = data(&batch, "img_masks");
        const uint8_t *joint = data(&batch, "img_mask_tgt");
        uint32_t at = 0;
        for (uint32_t i = 0; i < N; i++) {
            for (uint32_t v = 0; v < masked(i) * columns[k]; v++, at++) {
                const float got =
                    k < 2 ? ((const float *)targets)[at] : (float)((const int32_t *)targets)[at];
                cr_assert_eq(got, (float)(7000 * i + v));
            }
            for (uint32_t j = 0; j < J; j++) { /* zeros(tl), the mask, padding */
                const bool region = j >= text_of[i] && j < text_of[i] + regions_of[i];
                cr_assert_eq(joint[i * J + j], region ? masks_of[i][j - text_of[i]] : 0);
            }
            for (uint32_t r = 0; r < R; r++) {
                cr_assert_eq(masks[i * R + r], r < regions_of[i] ? masks_of[i][r] : 0);
            }
        }
        free_batch(samples, &batch);
    }
}

Test(uniter_batch, of_matching_has_what_optimal_transport_needs)
{
    struct sample samples[N];
    struct sample batch;
    make_batch("itm", samples, &batch);
    expect_shape(&batch, "targets", 1, N, 0, 0);
    const int32_t *targets = data(&batch, "targets");
    const int32_t *scatter = data(&batch, "ot_scatter");
    const uint8_t *text_pad = data(&batch, "txt_pad");
    const uint8_t *region_pad = data(&batch, "img_pad");
    for (uint32_t i = 0; i < N; i++) {
        cr_assert_eq(targets[i], (int32_t)(7000 * i));
        /* ot_scatter = arange(J); ot_scatter[tl:] = arange(T, T + J - tl) */
        for (uint32_t j = 0; j < J; j++) {
            const uint32_t want = j < text_of[i] ? j : T + (j - text_of[i]);
            cr_assert_eq(scatter[i * J + j], (int32_t)want);
        }
        for (uint32_t t = 0; t < T; t++) {
            cr_assert_eq(text_pad[i * T + t], t >= text_of[i]);
        }
        for (uint32_t r = 0; r < R; r++) {
            cr_assert_eq(region_pad[i * R + r], r >= regions_of[i]);
        }
    }
    free_batch(samples, &batch);
}

Test(uniter_batch, of_samples_that_do_not_go_together_is_refused)
{
    struct sample samples[2];
    struct sample batch;
    make_sample(&samples[0], 0, "mlm");
    make_sample(&samples[1], 1, "itm");
    sample_init(&batch, 1 << 20);
    cr_assert_eq(recipe_batch(&recipe_uniter, samples, 2, &batch), E_ARG);
    cr_assert_eq(recipe_batch(&recipe_uniter, samples, 0, &batch), E_ARG);
    sample_release(&samples[0]);
    sample_release(&samples[1]);
    sample_release(&batch);
}
