/* The choice of every class' boxes against torchvision's and detectron2's Python, written out. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/class_boxes.h"
#include "detector_fixture.h"

enum { MOST = 60, CLASSES = 7, KEPT = 40 };

static const int width = 200;
static const int height = 120;

/* A RoI's class with its box: one candidate. */
struct item {
    struct class_box it;
    int index;
};

static int by_score(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;
    return x->it.score != y->it.score ? (x->it.score > y->it.score ? -1 : 1) : x->index - y->index;
}

static size_t candidates(const struct class_box_rule *rule, const struct class_box_rois *rois,
                         float bar, struct item *out)
{
    const int columns = 4 * (CLASSES - rule->first_delta);
    size_t n = 0;
    for (size_t r = 0; r < rois->n; r++) {
        for (int c = 1; c < CLASSES; c++) {
            const float *d = rois->delta + (int)r * columns + 4 * (c - rule->first_delta);
            const struct box b =
                box_clip(box_decode(&rule->coder, rois->box[r], d), (float)width, (float)height, 0);
            const float score = rois->prob[r * CLASSES + (size_t)c];
            if (score > bar && b.x2 - b.x1 >= rule->min_side && b.y2 - b.y1 >= rule->min_side) {
                out[n] = (struct item){{(uint32_t)r, (uint32_t)c, score, b}, (int)n};
                n++;
            }
        }
    }
    return n;
}

static size_t reference(const struct class_box_rule *rule, const struct class_box_rois *rois,
                        struct class_box *out)
{
    struct item *item = calloc(MOST * CLASSES, sizeof *item);
    const size_t n = candidates(rule, rois, rule->min_boxes ? 0 : rule->threshold, item);
    qsort(item, n, sizeof *item, by_score);
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < (size_t)rule->max_boxes; i++) {
        bool alone = item[i].it.score > rule->threshold || kept < (size_t)rule->min_boxes;
        for (size_t k = 0; k < kept; k++) {
            alone = alone && !(out[k].cls == item[i].it.cls &&
                               (double)box_iou(out[k].box, item[i].it.box, 0) > rule->nms);
        }
        if (alone) {
            out[kept++] = item[i].it;
        }
    }
    free(item);
    return kept;
}

struct input {
    struct box box[MOST];
    float prob[MOST * CLASSES];
    float delta[MOST * CLASSES * 4];
    struct class_box_rois rois;
};

/* Boxes on a coarse grid and scores of few values: ties, duplicates and empty boxes happen. */
static void make_input(struct dice *d, struct input *in)
{
    in->rois = (struct class_box_rois){.n = (size_t)dice_int(d, 0, MOST),
                                       .room = MOST,
                                       .classes = CLASSES,
                                       .box = in->box,
                                       .prob = in->prob,
                                       .delta = in->delta,
                                       .width = width,
                                       .height = height};
    for (size_t i = 0; i < in->rois.n; i++) {
        const float x = (float)(8 * dice_int(d, 0, 25));
        const float y = (float)(8 * dice_int(d, 0, 15));
        in->box[i] = (struct box){x, y, x + (float)(8 * dice_int(d, 0, 8)),
                                  y + (float)(8 * dice_int(d, 1, 8))};
        float left = 1; /* probabilities sum to at most 1, as softmax gives them */
        for (int c = 0; c < CLASSES; c++) {
            const float p = left * (float)dice_int(d, 0, 8) / 16;
            in->prob[i * CLASSES + (size_t)c] = p;
            left -= p;
        }
    }
    for (int i = 0; i < MOST * CLASSES * 4; i++) {
        in->delta[i] = (float)dice_int(d, -2, 2);
    }
}

static void check(struct class_box_rule rule, uint64_t seed)
{
    struct dice dice = {.seed = seed};
    for (int trial = 0; trial < 200; trial++) {
        static struct input in;
        struct bench b;
        struct class_box got[KEPT];
        struct class_box want[KEPT];
        bench_init(&b);
        make_input(&dice, &in);
        rule.max_boxes = dice_int(&dice, 1, KEPT);
        rule.min_boxes = trial % 3 ? 0 : dice_int(&dice, 0, rule.max_boxes);
        const size_t n = class_boxes_select(&rule, &b.pass, &in.rois, got);
        cr_assert_eq(n, reference(&rule, &in.rois, want));
        for (size_t i = 0; i < n; i++) {
            cr_assert(got[i].roi == want[i].roi && got[i].cls == want[i].cls &&
                      got[i].score == want[i].score);
            cr_assert_arr_eq(&got[i].box, &want[i].box, sizeof got[i].box);
        }
        cr_assert_eq(b.ws.count, 0);
        bench_release(&b);
    }
}

Test(class_boxes, are_chosen_as_torchvision_does)
{
    check((struct class_box_rule){.coder = box_coder_second(box_coder_torch),
                                  .min_side = 0.01f,
                                  .nms = 0.5,
                                  .threshold = 0.05f},
          1);
}

Test(class_boxes, are_chosen_as_detectron2_does)
{
    check((struct class_box_rule){.coder = box_coder_second(box_coder_torch),
                                  .first_delta = 1,
                                  .nms = 0.5,
                                  .threshold = 0.2f},
          2);
}

static const struct geometry half = {
    .width = 100, .height = 60, .net_width = 200, .net_height = 120};

Test(class_boxes, are_placed_in_the_original_image)
{
    struct bench b;
    bench_init(&b);
    const struct class_box found[3] = {{4, 2, 0.9f, {20, 10, 200, 120}},
                                       {1, 1, 0.8f, {30, 30, 30, 50}}, /* empty */
                                       {7, 3, 0.7f, {0, 0, 2, 1}}};
    struct class_box_rule rule = {.drop_empty = true};
    struct region got[3];
    cr_assert_eq(class_boxes_place(&rule, &b.pass, &half, found, 3, got), 2);
    cr_assert(got[0].roi == 4 && got[0].object == 1 && got[0].conf == 0.9f);
    cr_assert(got[0].box.x1 == 10 && got[0].box.y1 == 5 && got[0].box.x2 == 100 &&
              got[0].refined.y2 == 60);
    cr_assert(got[1].roi == 7 && got[1].object == 2 && got[1].box.x2 == 1 && got[1].box.y2 == 0.5f);
    rule.drop_empty = false;
    cr_assert_eq(class_boxes_place(&rule, &b.pass, &half, found, 3, got), 3);
    bench_release(&b);
}
