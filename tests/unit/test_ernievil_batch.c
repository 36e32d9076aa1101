/* ERNIE-ViL's batches against a plain restatement: every sample in its row, padded. */
#include "tests/unit/ernievil_fixture.h"

enum { N = 3 };

static const char *const texts[N] = {"a red ball", "a dog", "one man in a very long coat"};
static const uint32_t regions[N] = {12, 20, 15};

/* Positions and rows of sample i; T and R are the most. */
static const uint32_t text_of[N] = {5, 4, 9};
static const uint32_t rows_of[N] = {13, 21, 16};
enum { T = 9, R = 21 };

static void make_samples(const char *options, struct sample samples[N])
{
    const struct recipe_context c = ernievil_context(options);
    for (uint32_t i = 0; i < N; i++) {
        struct caption t;
        struct medium m;
        make_caption(&t, 40 + i, texts[i]);
        make_medium(&m, regions[i]);
        m.record.medium.b[0] = (uint8_t)i;
        struct plan plan = plan_of_pair(&c, &t.record, 2, 100 + i, i);
        samples[i] = sample_of_pair(&c, &t.record, &m, &plan);
    }
}

static void free_samples(struct sample samples[N], struct sample *batch)
{
    for (uint32_t i = 0; i < N; i++) {
        sample_release(&samples[i]);
    }
    sample_release(batch);
}

static const void *batch_data(const struct sample *b, const char *name, enum array_dtype dtype,
                              uint32_t dimensions, uint64_t columns, uint64_t depth)
{
    const struct sample_array *a = sample_find(b, name);
    cr_assert_not_null(a, "no %s", name);
    cr_assert(a->dtype == dtype && a->dimensions == dimensions, "%s", name);
    cr_assert(a->shape[0] == N && (dimensions < 2 || a->shape[1] == columns), "%s", name);
    cr_assert(dimensions < 3 || a->shape[2] == depth, "%s", name);
    return a->data;
}

static const void *sample_data(const struct sample *s, const char *name)
{
    return sample_find(s, name)->data;
}

Test(ernievil_batch, text_is_padded_and_its_mask_tells_where)
{
    struct sample samples[N];
    struct sample batch;
    make_samples("mlm_rate=0.5,mrm_rate=0.4", samples);
    sample_init(&batch, 1 << 20);
    cr_assert_eq(recipe_batch(&recipe_ernievil, samples, N, &batch), 0, "%s", err_text());
    cr_assert_str_eq(batch.task, "joint");
    cr_assert(batch.position == 100 && batch.epoch == 2);
    static const char *const names[] = {"src_ids", "src_pos", "src_seg", "mask_label", "mask_task"};
    static const int32_t padding[] = {0, 0, 0, -1, 0};
    for (size_t k = 0; k < 5; k++) {
        const int32_t *got = batch_data(&batch, names[k], ARRAY_I32, 2, T, 0);
        for (uint32_t i = 0; i < N; i++) {
            const int32_t *want = sample_data(&samples[i], names[k]);
            for (uint32_t t = 0; t < T; t++) {
                cr_assert_eq(got[i * T + t], t < text_of[i] ? want[t] : padding[k], "%s", names[k]);
            }
        }
    }
    const float *mask = batch_data(&batch, "src_masks", ARRAY_F32, 2, T, 0);
    for (uint32_t i = 0; i < N * T; i++) {
        cr_assert_eq(mask[i], i % T < text_of[i / T]);
    }
    free_samples(samples, &batch);
}

Test(ernievil_batch, images_are_padded_and_their_mask_tells_where)
{
    struct sample samples[N];
    struct sample batch;
    make_samples("mrm_rate=0.4", samples);
    sample_init(&batch, 1 << 20);
    cr_assert_eq(recipe_batch(&recipe_ernievil, samples, N, &batch), 0, "%s", err_text());
    const float *f = batch_data(&batch, "image_embeddings", ARRAY_F32, 3, R, DIM);
    const float *loc = batch_data(&batch, "image_loc", ARRAY_F32, 3, R, 5);
    const float *mask = batch_data(&batch, "image_mask", ARRAY_F32, 2, R, 0);
    const uint8_t *asked = batch_data(&batch, "image_label", ARRAY_U8, 2, R, 0);
    const int32_t *match = batch_data(&batch, "match_label", ARRAY_I32, 1, 0, 0);
    for (uint32_t i = 0; i < N; i++) {
        const float *want_f = sample_data(&samples[i], "image_embeddings");
        const float *want_loc = sample_data(&samples[i], "image_loc");
        const uint8_t *want_asked = sample_data(&samples[i], "image_label");
        for (uint32_t r = 0; r < R; r++) {
            const int there = r < rows_of[i];
            cr_assert_eq(mask[i * R + r], there ? 1 : 0);
            cr_assert_eq(asked[i * R + r], there && want_asked[r]);
            for (uint32_t k = 0; k < DIM; k++) {
                cr_assert_eq(f[(i * R + r) * DIM + k], there ? want_f[r * DIM + k] : 0);
            }
            for (uint32_t k = 0; k < 5; k++) {
                cr_assert_eq(loc[(i * R + r) * 5 + k], there ? want_loc[r * 5 + k] : 0);
            }
        }
        cr_assert_eq(match[i], *(const int32_t *)sample_data(&samples[i], "match_label"));
    }
    free_samples(samples, &batch);
}

Test(ernievil_batch, the_targets_of_all_asked_regions_follow_one_another)
{
    static const char *const options[] = {"mrm_rate=0.4", "mrm_rate=0.4,mrm_target=class",
                                          "mrm_rate=0.4,mrm_target=feature",
                                          "mrm_rate=0,mrm_target=class"};
    static const uint32_t kinds[] = {0, 1, 2, 1};
    for (size_t k = 0; k < 4; k++) {
        const char *name = ernievil_target_names[kinds[k]];
        struct sample samples[N];
        struct sample batch;
        make_samples(options[k], samples);
        sample_init(&batch, 1 << 20);
        cr_assert_eq(recipe_batch(&recipe_ernievil, samples, N, &batch), 0, "%s", err_text());
        const struct sample_array *got = sample_find(&batch, name);
        cr_assert_not_null(got);
        uint64_t at = 0;
        for (uint32_t i = 0; i < N; i++) {
            const struct sample_array *one = sample_find(&samples[i], name);
            cr_assert_leq(at + one->bytes, got->bytes);
            cr_assert_eq(memcmp((const char *)got->data + at, one->data, one->bytes), 0);
            at += one->bytes;
        }
        cr_assert_eq(at, got->bytes);
        cr_assert_eq(at > 0, k < 3);
        free_samples(samples, &batch);
    }
}

Test(ernievil_batch, samples_that_do_not_go_together_are_refused)
{
    struct sample samples[N];
    struct sample batch;
    make_samples("", samples);
    sample_init(&batch, 1 << 20);
    cr_assert_eq(recipe_batch(&recipe_ernievil, samples, 0, &batch), E_ARG);
    samples[1].task = "mlm";
    cr_assert_eq(recipe_batch(&recipe_ernievil, samples, N, &batch), E_ARG);
    cr_assert_not_null(strstr(err_text(), "joint"), "%s", err_text());
    samples[1].task = samples[0].task;
    for (uint32_t i = 0; i < samples[1].count; i++) {
        struct sample_array *a = &samples[1].arrays[i];
        a->shape[1] -= strcmp(a->name, "image_embeddings") == 0;
    }
    cr_assert_eq(recipe_batch(&recipe_ernievil, samples, N, &batch), E_ARG);
    cr_assert_not_null(strstr(err_text(), "detectors"), "%s", err_text());
    free_samples(samples, &batch);
}
