#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "detector/nms.h"
#include "detector_fixture.h"

/* Boxes on a coarse grid, so that equal boxes and overlaps of exactly the threshold happen. */
static void random_boxes(struct dice *d, struct box *box, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float x = (float)dice_int(d, 0, 20);
        const float y = (float)dice_int(d, 0, 20);
        box[i] = (struct box){x, y, x + (float)dice_int(d, 0, 19), y + (float)dice_int(d, 0, 19)};
    }
}

/* cpu_nms.pyx as it stands: every kept box suppresses all later ones of its group it overlaps. */
static size_t reference_nms(const struct box *box, const uint16_t *group, size_t n, float threshold,
                            uint32_t *kept)
{
    bool *suppressed = calloc(n + 1, sizeof *suppressed);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (suppressed[i]) {
            continue;
        }
        kept[count++] = (uint32_t)i;
        for (size_t j = i + 1; j < n; j++) {
            const bool strangers = group && group[i] != group[j];
            suppressed[j] =
                suppressed[j] || (!strangers && box_iou(box[i], box[j], 1) >= threshold);
        }
    }
    free(suppressed);
    return count;
}

/* 0, 1, 2, ... */
static void in_order(uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint32_t)i;
    }
}

Test(nms, keeps_what_the_reference_keeps)
{
    struct dice dice = {.seed = 1};
    for (int trial = 0; trial < 200; trial++) {
        struct box box[150];
        uint16_t group[150];
        uint32_t order[150];
        uint32_t want[150];
        uint32_t got[150];
        const size_t n = (size_t)dice_int(&dice, 0, 150);
        const size_t limit = (size_t)dice_int(&dice, 1, 150);
        const uint16_t *groups = trial % 2 ? group : NULL;
        random_boxes(&dice, box, n);
        for (size_t i = 0; i < n; i++) {
            group[i] = (uint16_t)dice_int(&dice, 0, 3);
        }
        in_order(order, n);
        size_t count = reference_nms(box, groups, n, 0.5f, want);
        count = count < limit ? count : limit;
        cr_assert_eq(nms_ordered(box, groups, order, n, 0.5f, 1, limit, got), count);
        cr_assert_arr_eq(got, want, count * sizeof *got);
    }
}

Test(nms, an_overlap_of_exactly_the_threshold_suppresses)
{
    const struct box box[2] = {{0, 0, 9, 9}, {0, 0, 9, 4}}; /* 50 of 100 pixels */
    const uint32_t order[2] = {0, 1};
    uint32_t kept[2];
    cr_assert_eq(nms_ordered(box, NULL, order, 2, 0.5f, 1, 2, kept), 1);
    cr_assert_eq(nms_ordered(box, NULL, order, 2, above(0.5), 1, 2, kept), 2);
}

Test(nms, by_matrix_keeps_what_the_reference_keeps_in_any_order)
{
    struct dice dice = {.seed = 2};
    for (int trial = 0; trial < 100; trial++) {
        enum { MOST = 140 };
        struct box box[MOST];
        struct box ordered[MOST];
        float score[MOST];
        uint32_t order[MOST];
        uint32_t want[MOST];
        uint64_t scratch[2 * MOST];
        uint64_t matrix[MOST * 3];
        uint64_t alive[3];
        const size_t n = (size_t)dice_int(&dice, 1, MOST);
        random_boxes(&dice, box, n);
        for (size_t i = 0; i < n; i++) {
            score[i] = (float)dice_int(&dice, 0, 9); /* many ties */
        }
        nms_matrix(box, n, 0.3f, 1, matrix);
        order_falling(score, n, order, scratch);
        nms_by_matrix(matrix, n, order, alive);
        for (size_t i = 0; i < n; i++) {
            ordered[i] = box[order[i]];
        }
        const size_t count = reference_nms(ordered, NULL, n, 0.3f, want);
        size_t survivors = 0;
        for (size_t i = 0; i < n; i++) {
            survivors += alive[i / 64] >> (i % 64) & 1;
        }
        cr_assert_eq(survivors, count);
        for (size_t k = 0; k < count; k++) {
            const uint32_t i = order[want[k]];
            cr_assert(alive[i / 64] >> (i % 64) & 1);
        }
    }
}

Test(order, falls_and_breaks_ties_by_index)
{
    struct dice dice = {.seed = 3};
    enum { N = 5000 };
    static float score[N];
    static uint32_t order[N];
    static uint64_t scratch[2 * N];
    for (int i = 0; i < N; i++) {
        score[i] = i % 3 ? (float)dice_int(&dice, -5, 5) : dice_between(&dice, -1e4f, 1e4f);
    }
    score[10] = -0.0f;
    score[11] = 0.0f;
    score[12] = INFINITY;
    score[13] = -INFINITY;
    score[14] = 1e-42f;
    order_falling(score, N, order, scratch);
    for (int i = 1; i < N; i++) {
        const uint32_t a = order[i - 1];
        const uint32_t b = order[i];
        cr_assert(score[a] > score[b] || (score[a] == score[b] && a < b), "%u (%g) before %u (%g)",
                  a, (double)score[a], b, (double)score[b]);
    }
}

Test(order, of_nothing_is_nothing)
{
    uint32_t order[1] = {99};
    uint64_t scratch[2];
    order_falling(NULL, 0, order, scratch);
    cr_assert_eq(order[0], 99);
}
