/* What the tests of UNITER's samples share beside recipe_fixture.h: texts of bare sub-tokens. */
#ifndef TESTS_UNIT_UNITER_FIXTURE_H
#define TESTS_UNIT_UNITER_FIXTURE_H

#include "recipes/order.h"
#include "recipes/uniter.h"
#include "tests/unit/recipe_fixture.h"

struct text {
    uint32_t ids[TOKENS_MAX];
    struct pair_record record;
};

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
    return make_context_of(&recipe_uniter, options);
}

#define ONLY_MLM   "itm=0,mlm=1,mrfr=0,mrckl=0,mrc=0"
#define ONLY_MRFR  "itm=0,mlm=0,mrfr=1,mrckl=0,mrc=0"
#define ONLY_MRCKL "itm=0,mlm=0,mrfr=0,mrckl=1,mrc=0"
#define ONLY_MRC   "itm=0,mlm=0,mrfr=0,mrckl=0,mrc=1"
#define ONLY_ITM   "itm=1,mlm=0,mrfr=0,mrckl=0,mrc=0"

static inline struct plan plan_of(const struct recipe_context *c, const struct text *t,
                                  uint32_t epoch, uint64_t position, uint64_t medium)
{
    return plan_of_pair(c, &t->record, epoch, position, medium);
}

static inline struct sample sample_of(const struct recipe_context *c, const struct text *t,
                                      const struct medium *m, struct plan *plan)
{
    return sample_of_pair(c, &t->record, m, plan);
}

#endif
