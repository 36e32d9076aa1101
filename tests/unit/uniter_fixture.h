/*
 * What the tests of UNITER's samples share: texts and media whose every number names where it
 * stands, and contexts, plans and samples made in a line.  All memory is the test's own.
 */
#ifndef TESTS_UNIT_UNITER_FIXTURE_H
#define TESTS_UNIT_UNITER_FIXTURE_H

#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>

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

static inline void make_text(struct text *t, uint64_t number, uint32_t tokens)
{
    for (uint32_t i = 0; i < tokens; i++) {
        t->ids[i] = 200 + i;
    }
    t->record = (struct pair_record){.tokens = {.n = tokens, .ids = t->ids}};
    put_be64(t->record.id.b, number * 0x9e3779b97f4a7c15u);
}

static inline struct recipe_context make_context(const char *options)
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

static inline struct plan plan_of(const struct recipe_context *c, const struct text *t,
                                  uint32_t epoch, uint64_t position, uint64_t medium)
{
    struct plan plan;
    const struct recipe_place place = {.epoch = epoch, .position = position, .medium = medium};
    cr_assert_eq(recipe_plan(c, &place, &t->record, &plan), 0, "%s", err_text());
    return plan;
}

static inline struct sample sample_of(const struct recipe_context *c, const struct text *t,
                                      const struct medium *m, struct plan *plan)
{
    struct sample s;
    sample_init(&s, 1 << 24);
    cr_assert_eq(recipe_materialise(c, &t->record, &m->record, plan, &s), 0, "%s", err_text());
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
