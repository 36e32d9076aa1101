#include "detector/proposals.h"

#include <math.h>

#include "detector/nms.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void proposals_begin(const struct proposal_rule *rule, struct pass *pass, struct proposal_set *set)
{
    BUG_ON(rule->levels > PROPOSAL_LEVELS);
    *set = (struct proposal_set){.room = (size_t)rule->levels * (size_t)rule->pre_nms};
    set->box = workspace_take(pass->ws, set->room, sizeof *set->box);
    set->score = pass_floats(pass, set->room);
    set->of_level = workspace_take(pass->ws, set->room, sizeof *set->of_level);
}

void proposals_end(struct pass *pass, const struct proposal_set *set)
{
    pass_give(pass, set->of_level);
    pass_give(pass, set->score);
    pass_give(pass, set->box);
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* One number an anchor, in the order (y, x, anchor); the greater, the better. */
static const float *anchor_scores(const struct proposal_rule *rule, const struct tensor *score,
                                  int anchors, float *room)
{
    if (rule->objectness != OBJECTNESS_SOFTMAX) {
        return score->p;
    }
    const float *s = score->p;
    float *out = room;
    for (size_t i = 0; i < tensor_pixels(score); i++, s += score->c) {
        for (int a = 0; a < anchors; a++) {
            *out++ = s[anchors + a] - s[a];
        }
    }
    return room;
}

/* The box of the i-th anchor, counted (y, x, anchor). */
static struct box decode(const struct proposal_rule *rule, const struct anchor_grid *grid,
                         const struct tensor *delta, int width, int height, size_t i)
{
    const size_t pixel = i / (size_t)grid->anchors;
    const float sx = (float)((int)(pixel % (size_t)delta->w) * grid->stride_x);
    const float sy = (float)((int)(pixel / (size_t)delta->w) * grid->stride_y);
    const struct box base = grid->anchor[i % (size_t)grid->anchors];
    const struct box b = {base.x1 + sx, base.y1 + sy, base.x2 + sx, base.y2 + sy};
    return box_clip(box_decode(&rule->coder, b, delta->p + 4 * i), (float)width, (float)height,
                    rule->coder.plus);
}

static bool is_small(const struct proposal_rule *rule, struct box b)
{
    const float w = b.x2 - b.x1 + rule->coder.plus;
    const float h = b.y2 - b.y1 + rule->coder.plus;
    return !(w >= rule->min_size && h >= rule->min_size);
}

/* The best of one level, in falling order of score. */
static void collect(const struct proposal_rule *rule, const struct anchor_grid *grid,
                    const struct tensor *delta, int width, int height, const float *score,
                    const uint32_t *order, size_t all, struct proposal_set *set)
{
    size_t counted = 0;
    for (size_t k = 0; k < all && counted < (size_t)rule->pre_nms; k++) {
        const struct box b = decode(rule, grid, delta, width, height, order[k]);
        const bool small = is_small(rule, b);
        counted += !(small && rule->small_first);
        if (!small) {
            const float s = score[order[k]];
            set->box[set->n] = b;
            set->score[set->n] = rule->objectness == OBJECTNESS_SIGMOID ? sigmoid(s) : s;
            set->of_level[set->n++] = (uint16_t)set->level;
        }
    }
}

void proposals_add(const struct proposal_rule *rule, struct pass *pass,
                   const struct anchor_grid *grid, const struct tensor *score,
                   const struct tensor *delta, int width, int height, struct proposal_set *set)
{
    const size_t all = tensor_pixels(score) * (size_t)grid->anchors;
    float *room = pass_floats(pass, all);
    uint64_t *scratch = workspace_take(pass->ws, 2 * all, sizeof *scratch);
    uint32_t *order = workspace_take(pass->ws, all, sizeof *order);
    if (pass_step(pass, "proposals", 0)) {
        const float *s = anchor_scores(rule, score, grid->anchors, room);
        order_falling(s, all, order, scratch);
        collect(rule, grid, delta, width, height, s, order, all, set);
    }
    set->level++;
    set->most += least(all, (size_t)rule->pre_nms);
    pass_give(pass, order);
    pass_give(pass, scratch);
    pass_give(pass, room);
}

size_t proposals_choose(const struct proposal_rule *rule, struct pass *pass,
                        const struct proposal_set *set, struct box *out)
{
    const size_t limit = least(set->most, (size_t)rule->post_nms);
    uint64_t *scratch = workspace_take(pass->ws, 2 * set->room, sizeof *scratch);
    uint32_t *order = workspace_take(pass->ws, set->room, sizeof *order);
    uint32_t *kept = workspace_take(pass->ws, limit, sizeof *kept);
    size_t n = limit;
    if (pass_step(pass, "RPN NMS", 0)) {
        order_falling(set->score, set->n, order, scratch);
        n = nms_ordered(set->box, set->of_level, order, set->n, rule->nms, rule->nms_plus, limit,
                        kept);
        for (size_t i = 0; i < n; i++) {
            out[i] = set->box[kept[i]];
        }
    }
    pass_give(pass, kept);
    pass_give(pass, order);
    pass_give(pass, scratch);
    return n;
}
