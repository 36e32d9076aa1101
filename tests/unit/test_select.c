/* The choice of regions against generate_tsv.py's loop, written out. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "detector/nms.h"
#include "detector/select.h"
#include "detector_fixture.h"

enum { MOST = 60, CLASSES = 9 };

/* Stable insertion sort: falling score, rising index. */
static void sort_falling(const float *score, size_t n, uint32_t *order)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = i;
        while (k > 0 && score[order[k - 1]] < score[i]) {
            order[k] = order[k - 1];
            k--;
        }
        order[k] = (uint32_t)i;
    }
}

static void reference_conf(const struct box *box, const float *prob, size_t n, float threshold,
                           float *conf)
{
    for (size_t i = 0; i < n; i++) {
        conf[i] = 0;
    }
    for (size_t c = 1; c < CLASSES; c++) {
        float score[MOST];
        uint32_t order[MOST];
        bool gone[MOST] = {false};
        for (size_t i = 0; i < n; i++) {
            score[i] = prob[i * CLASSES + c];
        }
        sort_falling(score, n, order);
        for (size_t a = 0; a < n; a++) {
            const uint32_t i = order[a];
            if (gone[i]) {
                continue;
            }
            conf[i] = score[i] > conf[i] ? score[i] : conf[i];
            for (size_t z = a + 1; z < n; z++) {
                gone[order[z]] = gone[order[z]] || box_iou(box[i], box[order[z]], 1) >= threshold;
            }
        }
    }
}

Test(select, chooses_what_generate_tsv_chooses)
{
    struct dice dice = {.seed = 1};
    for (int trial = 0; trial < 200; trial++) {
        struct bench b;
        bench_init(&b);
        struct box box[MOST];
        float prob[MOST * CLASSES];
        struct rating rating[MOST];
        float want_conf[MOST];
        uint32_t order[MOST];
        uint32_t chosen[MOST];
        const size_t n = (size_t)dice_int(&dice, 0, MOST);
        for (size_t i = 0; i < n; i++) {
            const float x = (float)dice_int(&dice, 0, 30);
            const float y = (float)dice_int(&dice, 0, 30);
            box[i] = (struct box){x, y, x + (float)dice_int(&dice, 1, 25),
                                  y + (float)dice_int(&dice, 1, 25)};
            for (int c = 0; c < CLASSES; c++) {
                prob[i * CLASSES + c] = (float)dice_int(&dice, 0, 40) / 64.0f;
            }
        }
        const int min = dice_int(&dice, 0, 20);
        const struct select_rule rule = {.class_nms = 0.3f,
                                         .nms_plus = 1,
                                         .threshold = 0.375,
                                         .min_boxes = min,
                                         .max_boxes = dice_int(&dice, min > 0 ? min : 1, 40)};
        const size_t count =
            select_regions(&rule, &b.pass, box, prob, n, MOST, CLASSES, chosen, rating);
        reference_conf(box, prob, n, 0.3f, want_conf);
        sort_falling(want_conf, n, order);
        size_t want = 0;
        while (want < n && want_conf[order[want]] >= 0.375f) {
            want++;
        }
        want = want < (size_t)min ? (size_t)min : want;
        want = want > (size_t)rule.max_boxes ? (size_t)rule.max_boxes : want;
        want = want > n ? n : want;
        for (size_t i = 0; i < n; i++) {
            const uint32_t c = rating[i].cls;
            cr_assert_eq(rating[i].conf, want_conf[i]);
            cr_assert_eq(rating[i].conf, c ? prob[i * CLASSES + c] : 0);
        }
        cr_assert_eq(count, want);
        cr_assert_arr_eq(chosen, order, want * sizeof *chosen);
        bench_release(&b);
    }
}
