/* The proposal layer against proposal_layer.py, written out plainly. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/nms.h"
#include "detector/proposals.h"
#include "detector_fixture.h"

struct candidate {
    struct box box;
    float score;
    int index;
};

static int by_score(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->index - y->index;
}

static size_t reference(const struct proposal_rule *rule, const struct tensor *score,
                        const struct tensor *delta, int width, int height, double scale,
                        struct box *out)
{
    const size_t all = tensor_pixels(score) * (size_t)rule->anchors;
    struct candidate *c = calloc(all + 1, sizeof *c);
    size_t n = 0;
    for (size_t i = 0; i < all; i++) {
        const size_t a = i % (size_t)rule->anchors;
        const size_t pixel = i / (size_t)rule->anchors;
        const float sx = (float)((int)(pixel % (size_t)score->w) * rule->stride);
        const float sy = (float)((int)(pixel / (size_t)score->w) * rule->stride);
        const struct box base = rule->anchor[a];
        struct box b = {base.x1 + sx, base.y1 + sy, base.x2 + sx, base.y2 + sy};
        b = box_clip(box_decode(&box_coder_caffe, b, delta->p + 4 * i), (float)width, (float)height,
                     1);
        const float *s = score->p + pixel * (size_t)score->c;
        const double odds = exp((double)s[a] - (double)s[(size_t)rule->anchors + a]);
        if (b.x2 - b.x1 + 1 >= (float)(rule->min_size * scale) &&
            b.y2 - b.y1 + 1 >= (float)(rule->min_size * scale)) {
            c[n] = (struct candidate){b, (float)(1 / (1 + odds)), (int)n};
            n++;
        }
    }
    qsort(c, n, sizeof *c, by_score);
    n = n > (size_t)rule->pre_nms ? (size_t)rule->pre_nms : n;
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < (size_t)rule->post_nms; i++) {
        bool alone = true;
        for (size_t k = 0; k < kept; k++) {
            alone = alone && box_iou(out[k], c[i].box, 1) < rule->nms;
        }
        if (alone) {
            out[kept++] = c[i].box;
        }
    }
    free(c);
    return kept;
}

static struct proposal_rule make_rule(struct dice *d)
{
    const double ratios[] = {0.5, 1, 2};
    const double scales[] = {2, 4};
    struct proposal_rule rule = {.stride = 16,
                                 .anchors = 6,
                                 .pre_nms = dice_int(d, 1, 300),
                                 .post_nms = dice_int(d, 1, 50),
                                 .nms = 0.7f,
                                 .min_size = 8};
    anchors_generate(16, ratios, 3, scales, 2, rule.anchor);
    return rule;
}

static void check(struct dice *dice, float min_size)
{
    struct bench b;
    bench_init(&b);
    struct proposal_rule rule = make_rule(dice);
    rule.min_size = min_size;
    struct tensor score = {.n = 1, .h = dice_int(dice, 1, 9), .w = dice_int(dice, 1, 12), .c = 12};
    struct tensor delta = score;
    delta.c = 24;
    score.p = dice_floats(dice, tensor_count(&score), -3, 3);
    delta.p = dice_floats(dice, tensor_count(&delta), -1, 1);
    struct box got[50];
    struct box want[50];
    const int width = score.w * 16 - 3;
    const int height = score.h * 16 - 5;
    const size_t n = proposals_run(&rule, &b.pass, &score, &delta, width, height, 1.3, got);
    cr_assert_eq(n, reference(&rule, &score, &delta, width, height, 1.3, want));
    cr_assert_arr_eq(got, want, n * sizeof *got);
    free(score.p);
    free(delta.p);
    bench_release(&b);
}

Test(proposals, equal_the_reference)
{
    struct dice dice = {.seed = 11};
    for (int i = 0; i < 60; i++) {
        check(&dice, 8);
    }
}

Test(proposals, may_be_none)
{
    struct dice dice = {.seed = 12};
    struct bench b;
    bench_init(&b);
    struct proposal_rule rule = make_rule(&dice);
    rule.min_size = 1000;
    struct tensor score = {.n = 1, .h = 2, .w = 2, .c = 12};
    struct tensor delta = {.n = 1, .h = 2, .w = 2, .c = 24};
    score.p = dice_floats(&dice, 48, -3, 3);
    delta.p = dice_floats(&dice, 96, -1, 1);
    struct box got[50];
    cr_assert_eq(proposals_run(&rule, &b.pass, &score, &delta, 32, 32, 1, got), 0);
    free(score.p);
    free(delta.p);
    bench_release(&b);
}
