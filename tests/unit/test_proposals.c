/* The proposal layer against the four programs' Python, written out plainly. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/nms.h"
#include "detector/proposals.h"
#include "detector_fixture.h"

enum { MOST_LEVELS = 3, MOST_OUT = 50 };

/* One feature map with its anchors. */
struct level {
    struct anchor_grid grid;
    struct box anchor[6];
    struct tensor score;
    struct tensor delta;
};

struct input {
    int levels;
    int width;
    int height;
    struct level level[MOST_LEVELS];
};

struct candidate {
    struct box box;
    double rank; /* within its level */
    float score; /* among all */
    int level;
    int index;
};

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return x->rank != y->rank ? (x->rank > y->rank ? -1 : 1) : x->index - y->index;
}

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->index - y->index;
}

static struct candidate candidate_of(const struct proposal_rule *rule, const struct input *in,
                                     int level, size_t i)
{
    const struct level *l = &in->level[level];
    const size_t anchors = (size_t)l->grid.anchors;
    const size_t pixel = i / anchors;
    const float *s = l->score.p + pixel * (size_t)l->score.c;
    const float sx = (float)((int)(pixel % (size_t)l->score.w) * l->grid.stride_x);
    const float sy = (float)((int)(pixel / (size_t)l->score.w) * l->grid.stride_y);
    const struct box base = l->anchor[i % anchors];
    const struct box b = {base.x1 + sx, base.y1 + sy, base.x2 + sx, base.y2 + sy};
    struct candidate c = {.level = level, .index = (int)i};
    c.box = box_clip(box_decode(&rule->coder, b, l->delta.p + 4 * i), (float)in->width,
                     (float)in->height, rule->coder.plus);
    const double logit = (double)s[i % anchors];
    if (rule->objectness == OBJECTNESS_SOFTMAX) {
        c.rank = 1 / (1 + exp(logit - (double)s[anchors + i % anchors]));
        c.score = (float)c.rank;
        c.rank = (double)c.score;
    } else {
        c.rank = logit;
        c.score =
            rule->objectness == OBJECTNESS_LOGIT ? (float)logit : (float)(1 / (1 + exp(-logit)));
    }
    return c;
}

static bool large(const struct proposal_rule *rule, struct box b)
{
    return b.x2 - b.x1 + rule->coder.plus >= rule->min_size &&
           b.y2 - b.y1 + rule->coder.plus >= rule->min_size;
}

static size_t drop_small(const struct proposal_rule *rule, struct candidate *c, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (large(rule, c[i].box)) {
            c[left++] = c[i];
        }
    }
    return left;
}

/* One level's candidates, best first. */
static size_t level_candidates(const struct proposal_rule *rule, const struct input *in, int level,
                               struct candidate *c)
{
    const struct level *l = &in->level[level];
    size_t n = tensor_pixels(&l->score) * (size_t)l->grid.anchors;
    for (size_t i = 0; i < n; i++) {
        c[i] = candidate_of(rule, in, level, i);
    }
    n = rule->small_first ? drop_small(rule, c, n) : n;
    qsort(c, n, sizeof *c, by_rank);
    n = n > (size_t)rule->pre_nms ? (size_t)rule->pre_nms : n;
    return drop_small(rule, c, n);
}

static size_t reference(const struct proposal_rule *rule, const struct input *in, struct box *out)
{
    struct candidate *c = calloc(10000, sizeof *c);
    size_t n = 0;
    for (int level = 0; level < in->levels; level++) {
        n += level_candidates(rule, in, level, c + n);
    }
    for (size_t i = 0; i < n; i++) {
        c[i].index = (int)i;
    }
    qsort(c, n, sizeof *c, by_score);
    int of[MOST_OUT];
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < (size_t)rule->post_nms; i++) {
        bool alone = true;
        for (size_t k = 0; k < kept; k++) {
            alone = alone && !(of[k] == c[i].level &&
                               box_iou(out[k], c[i].box, rule->nms_plus) >= rule->nms);
        }
        if (alone) {
            of[kept] = c[i].level;
            out[kept++] = c[i].box;
        }
    }
    free(c);
    return kept;
}

static void make_level(struct dice *d, enum objectness objectness, int level, struct level *l)
{
    const double ratios[] = {0.5, 1, 2};
    const double scales[] = {2, 4};
    anchors_generate(16 << level, ratios, 3, scales, 2, l->anchor);
    l->grid = (struct anchor_grid){.stride_x = 16 << level,
                                   .stride_y = (16 << level) - level,
                                   .anchors = 6,
                                   .anchor = l->anchor};
    l->score = (struct tensor){.n = 1, .h = dice_int(d, 1, 9), .w = dice_int(d, 1, 12)};
    l->delta = l->score;
    l->score.c = objectness == OBJECTNESS_SOFTMAX ? 12 : 6;
    l->delta.c = 24;
    l->score.p = dice_floats(d, tensor_count(&l->score), -3, 3);
    l->delta.p = dice_floats(d, tensor_count(&l->delta), -1, 1);
}

static struct input make_input(struct dice *d, const struct proposal_rule *rule)
{
    struct input in = {.levels = rule->levels};
    for (int i = 0; i < in.levels; i++) {
        make_level(d, rule->objectness, i, &in.level[i]);
    }
    in.width = in.level[0].score.w * 16 - 3;
    in.height = in.level[0].score.h * 16 - 5;
    return in;
}

static void free_input(struct input *in)
{
    for (int i = 0; i < in->levels; i++) {
        free(in->level[i].score.p);
        free(in->level[i].delta.p);
    }
}

static size_t run(const struct proposal_rule *rule, const struct input *in, struct box *out)
{
    struct bench b;
    struct proposal_set set;
    bench_init(&b);
    proposals_begin(rule, &b.pass, &set);
    for (int i = 0; i < in->levels; i++) {
        struct level l = in->level[i];
        l.grid.anchor = l.anchor; /* the structs moved since */
        proposals_add(rule, &b.pass, &l.grid, &l.score, &l.delta, in->width, in->height, &set);
    }
    const size_t n = proposals_choose(rule, &b.pass, &set, out);
    proposals_end(&b.pass, &set);
    cr_assert_eq(b.ws.count, 0);
    bench_release(&b);
    return n;
}

static void check(struct proposal_rule rule, uint64_t seed)
{
    struct dice dice = {.seed = seed};
    for (int i = 0; i < 60; i++) {
        rule.pre_nms = dice_int(&dice, 1, 300);
        rule.post_nms = dice_int(&dice, 1, MOST_OUT);
        struct input in = make_input(&dice, &rule);
        struct box got[MOST_OUT];
        struct box want[MOST_OUT];
        const size_t n = run(&rule, &in, got);
        cr_assert_eq(n, reference(&rule, &in, want));
        cr_assert_arr_eq(got, want, n * sizeof *got);
        free_input(&in);
    }
}

static const struct proposal_rule caffe = {
    .objectness = OBJECTNESS_SOFTMAX,
    .coder = {.plus = 1, .weight = {1, 1, 1, 1}, .limit = 1000},
    .levels = 1,
    .min_size = 10.4f,
    .small_first = true,
    .nms = 0.7f,
    .nms_plus = 1};

Test(proposals, equal_py_faster_rcnns)
{
    check(caffe, 11);
}

Test(proposals, equal_torchvisions_over_several_levels)
{
    check((struct proposal_rule){.objectness = OBJECTNESS_SIGMOID,
                                 .coder = box_coder_torch,
                                 .levels = MOST_LEVELS,
                                 .min_size = 1e-3f,
                                 .nms = above(0.7)},
          12);
}

Test(proposals, equal_detectron2s)
{
    check((struct proposal_rule){.objectness = OBJECTNESS_LOGIT,
                                 .coder = box_coder_torch,
                                 .levels = 1,
                                 .min_size = above(0),
                                 .nms = above(0.7)},
          13);
}

Test(proposals, equal_maskrcnn_benchmarks)
{
    check((struct proposal_rule){.objectness = OBJECTNESS_SIGMOID,
                                 .coder = box_coder_maskrcnn,
                                 .levels = 1,
                                 .min_size = 0,
                                 .nms = above(0.7)},
          14);
}

Test(proposals, may_be_none)
{
    struct dice dice = {.seed = 15};
    struct proposal_rule rule = caffe;
    rule.min_size = 1000;
    rule.pre_nms = 100;
    rule.post_nms = MOST_OUT;
    struct input in = make_input(&dice, &rule);
    struct box got[MOST_OUT];
    cr_assert_eq(run(&rule, &in, got), 0);
    free_input(&in);
}
