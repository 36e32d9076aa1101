#include "detector/proposals.h"

#include <math.h>

#include "detector/nms.h"

struct candidates {
    size_t n;
    struct box *box;
    float *score;
};

/* Softmax of background against foreground, as the two-way softmax layer computes it. */
static float foreground(float bg, float fg)
{
    const float top = bg > fg ? bg : fg;
    const float b = expf(bg - top);
    const float f = expf(fg - top);
    return f / (b + f);
}

/* All anchors that are large enough once decoded and clipped, in the order (y, x, anchor). */
static void decode_all(const struct proposal_rule *rule, const struct tensor *score,
                       const struct tensor *delta, int net_width, int net_height, float min_size,
                       struct candidates *out)
{
    const float *s = score->p;
    const float *d = delta->p;
    for (int y = 0; y < score->h; y++) {
        for (int x = 0; x < score->w; x++, s += score->c, d += delta->c) {
            const float sx = (float)(x * rule->stride);
            const float sy = (float)(y * rule->stride);
            for (int a = 0; a < rule->anchors; a++) {
                const struct box base = rule->anchor[a];
                struct box b = {base.x1 + sx, base.y1 + sy, base.x2 + sx, base.y2 + sy};
                b = box_clip(box_decode(&box_coder_caffe, b, d + 4 * a), (float)net_width,
                             (float)net_height, 1);
                if (b.x2 - b.x1 + 1 >= min_size && b.y2 - b.y1 + 1 >= min_size) {
                    out->box[out->n] = b;
                    out->score[out->n++] = foreground(s[a], s[rule->anchors + a]);
                }
            }
        }
    }
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t proposals_run(const struct proposal_rule *rule, struct pass *pass,
                     const struct tensor *score, const struct tensor *delta, int net_width,
                     int net_height, double scale, struct box *out)
{
    const size_t all = tensor_pixels(score) * (size_t)rule->anchors;
    const size_t best = least(all, (size_t)rule->pre_nms);
    const size_t limit = least(best, (size_t)rule->post_nms);
    struct candidates found = {.n = 0};
    found.box = workspace_take(pass->ws, all, sizeof *found.box);
    found.score = pass_floats(pass, all);
    uint64_t *scratch = workspace_take(pass->ws, 2 * all, sizeof *scratch);
    uint32_t *order = workspace_take(pass->ws, all, sizeof *order);
    struct box *sorted = workspace_take(pass->ws, best, sizeof *sorted);
    uint32_t *kept = workspace_take(pass->ws, limit, sizeof *kept);
    size_t n = limit;
    if (pass_step(pass, "proposals", 0)) {
        decode_all(rule, score, delta, net_width, net_height, (float)(rule->min_size * scale),
                   &found);
        order_falling(found.score, found.n, order, scratch);
        const size_t tried = least(found.n, best);
        for (size_t i = 0; i < tried; i++) {
            sorted[i] = found.box[order[i]];
        }
        n = nms_sorted(sorted, tried, rule->nms, 1, limit, kept);
        for (size_t i = 0; i < n; i++) {
            out[i] = sorted[kept[i]];
        }
    }
    pass_give(pass, kept);
    pass_give(pass, sorted);
    pass_give(pass, order);
    pass_give(pass, scratch);
    pass_give(pass, found.score);
    pass_give(pass, found.box);
    return n;
}
