/*
 * What the tests of recipes share: media whose every number names where it stands, and contexts,
 * plans and samples made in a line.  All memory is the test's own.
 */
#ifndef TESTS_UNIT_RECIPE_FIXTURE_H
#define TESTS_UNIT_RECIPE_FIXTURE_H

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>

#include "common/half.h"
#include "recipes/recipe.h"

enum { DIM = 8, CLASSES = 6, REGIONS_MAX = 120, TOKENS_MAX = 100, MEDIA = 40 };

/* A medium whose every number names where it stands. */
struct medium {
    float boxes[REGIONS_MAX][4];
    float conf[REGIONS_MAX];
    half features[REGIONS_MAX][DIM];
    half soft[REGIONS_MAX][CLASSES];
    struct visual_record record;
};

static inline uint64_t group_of(const void *ctx, uint64_t medium)
{
    (void)ctx;
    return medium / 4; /* four media a group */
}

static inline void make_medium(struct medium *m, uint32_t regions)
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

static inline struct recipe_context make_context_of(const struct recipe *recipe,
                                                    const char *options)
{
    struct recipe_context c = {
        .recipe = recipe,
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

static inline struct plan plan_of_pair(const struct recipe_context *c, const struct pair_record *t,
                                       uint32_t epoch, uint64_t position, uint64_t medium)
{
    struct plan plan;
    const struct recipe_place place = {.epoch = epoch, .position = position, .medium = medium};
    cr_assert_eq(recipe_plan(c, &place, t, &plan), 0, "%s", err_text());
    return plan;
}

static inline struct sample sample_of_pair(const struct recipe_context *c,
                                           const struct pair_record *t, const struct medium *m,
                                           struct plan *plan)
{
    struct sample s;
    sample_init(&s, 1 << 24);
    cr_assert_eq(recipe_materialise(c, t, &m->record, plan, &s), 0, "%s", err_text());
    return s;
}

static inline const void *data_of(const struct sample *s, const char *name, enum array_dtype dtype,
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

static inline void expect_within(double got, double mean, double variance, const char *what)
{
    cr_assert_lt(fabs(got - mean), 5 * sqrt(variance), "%s: %g, expected %g +- %g", what, got, mean,
                 5 * sqrt(variance));
}

#endif
