#include "detector/select.h"

#include <string.h>

#include "detector/nms.h"

struct scratch {
    uint64_t *matrix;
    uint64_t *alive;
    uint64_t *sort;
    uint32_t *order;
    float *score;
};

/* Each box's best prob[i][c], c > 0, over the classes whose NMS it survives. */
static void rate(const float *prob, size_t n, size_t classes, const struct scratch *s,
                 struct rating *rating)
{
    memset(rating, 0, n * sizeof *rating);
    for (size_t c = 1; c < classes; c++) {
        for (size_t i = 0; i < n; i++) {
            s->score[i] = prob[i * classes + c];
        }
        order_falling(s->score, n, s->order, s->sort);
        nms_by_matrix(s->matrix, n, s->order, s->alive);
        for (size_t i = 0; i < n; i++) {
            if (s->score[i] > rating[i].conf && (s->alive[i / 64] >> (i % 64) & 1)) {
                rating[i] = (struct rating){s->score[i], (uint32_t)c};
            }
        }
    }
}

static size_t count_to_export(const struct select_rule *rule, const struct rating *rating,
                              const uint32_t *order, size_t n)
{
    size_t count = 0;
    while (count < n && (double)rating[order[count]].conf >= rule->threshold) {
        count++;
    }
    if (count < (size_t)rule->min_boxes) {
        count = (size_t)rule->min_boxes;
    }
    if (count > (size_t)rule->max_boxes) {
        count = (size_t)rule->max_boxes;
    }
    count = count < n ? count : n;
    while (rule->survivors_only && count && rating[order[count - 1]].cls == 0) {
        count--;
    }
    return count;
}

size_t select_regions(const struct select_rule *rule, struct pass *pass, const struct box *box,
                      const float *prob, size_t n, size_t room, size_t classes, uint32_t *chosen,
                      struct rating *rating)
{
    struct scratch s;
    s.matrix = workspace_take(pass->ws, room * nms_words(room), sizeof *s.matrix);
    s.alive = workspace_take(pass->ws, nms_words(room), sizeof *s.alive);
    s.sort = workspace_take(pass->ws, 2 * room, sizeof *s.sort);
    s.order = workspace_take(pass->ws, room, sizeof *s.order);
    s.score = pass_floats(pass, room);
    size_t count = (size_t)rule->max_boxes; /* the most there can be: what a dry pass counts on */
    if (pass_step(pass, "class NMS", 0)) {
        nms_matrix(box, n, rule->class_nms, rule->nms_plus, s.matrix);
        rate(prob, n, classes, &s, rating);
        for (size_t i = 0; i < n; i++) {
            s.score[i] = rating[i].conf;
        }
        order_falling(s.score, n, s.order, s.sort);
        count = count_to_export(rule, rating, s.order, n);
        memcpy(chosen, s.order, count * sizeof *chosen);
    }
    pass_give(pass, s.score);
    pass_give(pass, s.order);
    pass_give(pass, s.sort);
    pass_give(pass, s.alive);
    pass_give(pass, s.matrix);
    return count;
}
