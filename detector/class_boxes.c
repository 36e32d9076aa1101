#include "detector/class_boxes.h"

#include "detector/nms.h"
#include "detector/softmax.h"

/* Up to so many boxes torchvision's batched_nms() moves classes apart by adding a multiple of the
 * largest coordinate, and rounds their corners so; above, it takes one class after the other. */
enum { TOGETHER_MAX = 1000 };

struct candidates {
    size_t n;
    size_t room;
    uint32_t *of; /* roi * (classes - 1) + cls - 1 */
    float *score;
    struct box *box;
    struct box *apart; /* as NMS sees it */
    uint16_t *cls;
};

/* Probabilities of a RoI sum to 1, so few of its classes can pass the threshold. */
static size_t candidates_room(const struct class_box_rule *rule, const struct class_box_rois *rois)
{
    const bool few = rule->min_boxes == 0 && rule->threshold > 0;
    const float most = few ? 1.0f / rule->threshold + 1.0f : 1e9f;
    const size_t classes = rois->classes - 1;
    return rois->room * (most < (float)classes ? (size_t)most : classes);
}

static struct candidates take_candidates(const struct class_box_rule *rule, struct pass *pass,
                                         const struct class_box_rois *rois)
{
    struct candidates c = {.room = candidates_room(rule, rois)};
    c.of = workspace_take(pass->ws, c.room, sizeof *c.of);
    c.score = pass_floats(pass, c.room);
    c.box = workspace_take(pass->ws, c.room, sizeof *c.box);
    c.apart = workspace_take(pass->ws, c.room, sizeof *c.apart);
    c.cls = workspace_take(pass->ws, c.room, sizeof *c.cls);
    return c;
}

static void give_candidates(struct pass *pass, const struct candidates *c)
{
    pass_give(pass, c->cls);
    pass_give(pass, c->apart);
    pass_give(pass, c->box);
    pass_give(pass, c->score);
    pass_give(pass, c->of);
}

/* RoI r as class `cls` moves it, clipped. */
static struct box class_box(const struct class_box_rule *rule, const struct class_box_rois *rois,
                            size_t r, size_t cls)
{
    const size_t columns = 4 * (rois->classes - (size_t)rule->first_delta);
    const float *delta = rois->delta + r * columns + 4 * (cls - (size_t)rule->first_delta);
    return box_clip(box_decode(&rule->coder, rois->box[r], delta), (float)rois->width,
                    (float)rois->height, rule->coder.plus);
}

static void collect(const struct class_box_rule *rule, const struct class_box_rois *rois,
                    struct candidates *c)
{
    const float bar = rule->min_boxes ? 0 : rule->threshold;
    for (size_t r = 0; r < rois->n; r++) {
        for (size_t cls = 1; cls < rois->classes; cls++) {
            const float score = rois->prob[r * rois->classes + cls];
            if (!(score > bar) || c->n == c->room) {
                continue;
            }
            const struct box b = class_box(rule, rois, r, cls);
            if (b.x2 - b.x1 >= rule->min_side && b.y2 - b.y1 >= rule->min_side) {
                c->of[c->n] = (uint32_t)(r * (rois->classes - 1) + cls - 1);
                c->score[c->n] = score;
                c->box[c->n] = b;
                c->cls[c->n++] = (uint16_t)cls;
            }
        }
    }
}

static float largest_coordinate(const struct candidates *c)
{
    float most = 0;
    for (size_t i = 0; i < c->n; i++) {
        most = c->box[i].x2 > most ? c->box[i].x2 : most;
        most = c->box[i].y2 > most ? c->box[i].y2 : most;
    }
    return most;
}

static void move_apart(const struct class_box_rule *rule, const struct candidates *c)
{
    const float step = c->n <= TOGETHER_MAX ? largest_coordinate(c) + 1.0f : 0.0f;
    for (size_t i = 0; i < c->n; i++) {
        const float by = (float)(c->cls[i] - rule->first_delta) * step;
        const struct box b = c->box[i];
        c->apart[i] = (struct box){b.x1 + by, b.y1 + by, b.x2 + by, b.y2 + by};
    }
}

/* How many of the kept ones come out. */
static size_t count_kept(const struct class_box_rule *rule, const struct candidates *c,
                         const uint32_t *kept, size_t n)
{
    size_t count = 0;
    while (count < n &&
           (count < (size_t)rule->min_boxes || c->score[kept[count]] > rule->threshold)) {
        count++;
    }
    return count;
}

static size_t choose(const struct class_box_rule *rule, const struct class_box_rois *rois,
                     const struct candidates *c, uint32_t *order, uint64_t *scratch, uint32_t *kept,
                     struct class_box *out)
{
    move_apart(rule, c);
    order_falling(c->score, c->n, order, scratch);
    size_t n = nms_ordered(c->apart, c->cls, order, c->n, above(rule->nms), 0,
                           (size_t)rule->max_boxes, kept);
    n = count_kept(rule, c, kept, n);
    for (size_t i = 0; i < n; i++) {
        const uint32_t k = kept[i];
        out[i] = (struct class_box){.roi = c->of[k] / (uint32_t)(rois->classes - 1),
                                    .cls = c->cls[k],
                                    .score = c->score[k],
                                    .box = c->box[k]};
    }
    return n;
}

size_t class_boxes_select(const struct class_box_rule *rule, struct pass *pass,
                          const struct class_box_rois *rois, struct class_box *out)
{
    struct candidates c = take_candidates(rule, pass, rois);
    uint32_t *order = workspace_take(pass->ws, c.room, sizeof *order);
    uint64_t *scratch = workspace_take(pass->ws, 2 * c.room, sizeof *scratch);
    uint32_t *kept = workspace_take(pass->ws, (size_t)rule->max_boxes, sizeof *kept);
    size_t n = (size_t)rule->max_boxes;
    if (pass_step(pass, "class NMS", 0)) {
        collect(rule, rois, &c);
        n = choose(rule, rois, &c, order, scratch, kept, out);
    }
    pass_give(pass, kept);
    pass_give(pass, scratch);
    pass_give(pass, order);
    give_candidates(pass, &c);
    return n;
}

static bool is_empty(struct box b)
{
    return !(b.x2 > b.x1 && b.y2 > b.y1);
}

size_t class_boxes_place(const struct class_box_rule *rule, struct pass *pass,
                         const struct geometry *g, const struct class_box *found, size_t n,
                         struct region *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n && !pass->dry; i++) {
        struct box b = geometry_unscale(g, found[i].box);
        if (rule->drop_empty) {
            b = box_clip(b, (float)g->width, (float)g->height, rule->coder.plus);
        }
        if (!rule->drop_empty || !is_empty(b)) {
            out[count++] = (struct region){.roi = found[i].roi,
                                           .object = (uint16_t)(found[i].cls - 1),
                                           .conf = found[i].score,
                                           .object_conf = found[i].score,
                                           .box = b,
                                           .refined = b};
        }
    }
    return pass->dry ? n : count;
}

/* n vectors through a fully connected layer: [n][layer->out]. */
static struct tensor connect(const struct conv *layer, struct pass *pass, float *x, size_t n,
                             size_t room)
{
    const struct tensor in = {.p = x, .n = (int)n, .h = 1, .w = 1, .c = layer->in};
    pass->room = (int)room;
    const struct tensor out = conv_run(layer, pass, &in);
    pass->room = 0;
    return out;
}

float *class_probabilities(const struct conv *score, bool background_last, struct pass *pass,
                           float *feature, size_t n, size_t room)
{
    const struct tensor prob = connect(score, pass, feature, n, room);
    if (pass_step(pass, "softmax", 0)) {
        softmax_rows(prob.p, n, (size_t)prob.c);
        if (background_last) {
            last_to_front(prob.p, n, (size_t)prob.c);
        }
    }
    return prob.p;
}

size_t class_boxes_run(const struct class_box_rule *rule, const struct conv *deltas,
                       struct pass *pass, const struct geometry *g, struct class_box_rois rois,
                       float *feature, struct region *out)
{
    const struct tensor delta = connect(deltas, pass, feature, rois.n, rois.room);
    struct class_box *found = workspace_take(pass->ws, (size_t)rule->max_boxes, sizeof *found);
    rois.delta = delta.p;
    size_t n = class_boxes_select(rule, pass, &rois, found);
    n = class_boxes_place(rule, pass, g, found, n, out);
    pass_give(pass, found);
    pass_give(pass, delta.p);
    return n;
}
