/* UNITER's draws: their statistics, and what they may and may not depend on.  Seeds are fixed, so a
 * bound of five standard deviations is passed or not for ever. */
#include "tests/unit/uniter_fixture.h"

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
