#include "reference_frcnn.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "reference_net.h"

enum { MOST = 40, PRE_NMS = 60, LEVELS = 5 };

static int is_fpn(const struct frcnn_plan *p)
{
    return p->kind == FRCNN_FPN || p->kind == FRCNN_FPN_V2;
}

/* ---- layers ---- */

static struct map input_of(const struct frcnn_plan *p, const uint8_t *rgb)
{
    static const double mean[] = {123.675, 116.28, 103.53};
    static const double deviation[] = {58.395, 57.12, 57.375};
    const int h = is_fpn(p) ? (p->height + 31) / 32 * 32 : p->height;
    const int w = is_fpn(p) ? (p->width + 31) / 32 * 32 : p->width;
    struct map x = map_new(3, h, w);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < p->height * p->width; i++) {
            const double v = rgb[3 * i + c] - mean[c];
            const int at = i / p->width * w + i % p->width;
            if (is_fpn(p)) {
                x.v[c * h * w + at] = v / deviation[c];
            } else {
                x.v[(2 - c) * h * w + at] = v; /* BGR */
            }
        }
    }
    return x;
}

static struct map max_pool(struct map x, int kernel, int pad)
{
    struct map y = map_new(x.c, (x.h + 2 * pad - kernel) / 2 + 1, (x.w + 2 * pad - kernel) / 2 + 1);
    for (int i = 0; i < y.c * y.h * y.w; i++) {
        y.v[i] = -INFINITY;
        for (int a = 0; a < kernel * kernel; a++) {
            const int iy = i / y.w % y.h * 2 - pad + a / kernel;
            const int ix = i % y.w * 2 - pad + a % kernel;
            if (iy >= 0 && ix >= 0 && iy < x.h && ix < x.w) {
                y.v[i] = fmax(y.v[i], map_at(x, i / y.w / y.h, iy, ix));
            }
        }
    }
    return y;
}

/* A stage of one block, its tensors named by `prefix`. */
static struct map block(const struct frcnn_plan *p, const struct safetensors *st,
                        const char *prefix, struct map x, int stride)
{
    char name[4][96];
    const int d2 = p->kind == FRCNN_DETECTRON2;
    snprintf(name[0], sizeof *name, "%sconv1", prefix);
    snprintf(name[1], sizeof *name, "%sconv2", prefix);
    snprintf(name[2], sizeof *name, "%sconv3", prefix);
    snprintf(name[3], sizeof *name, "%s%s", prefix, d2 ? "shortcut" : "downsample.0");
    struct map y = map_convolve(st, name[0], x, d2 ? stride : 1, 0, 1, 1);
    y = map_convolve(st, name[1], y, d2 ? 1 : stride, 1, 1, 1);
    y = map_convolve(st, name[2], y, 1, 0, 1, 0);
    const struct map shortcut = map_convolve(st, name[3], x, stride, 0, 1, 0);
    for (int v = 0; v < y.c * y.h * y.w; v++) {
        y.v[v] = fmax(0, y.v[v] + shortcut.v[v]);
    }
    return y;
}

static void add_nearest(struct map up, struct map *y)
{
    for (int i = 0; i < y->c * y->h * y->w; i++) {
        y->v[i] +=
            map_at(up, i / y->w / y->h, i / y->w % y->h * up.h / y->h, i % y->w * up.w / y->w);
    }
}

/* P2 to P6. */
static void pyramid(const struct frcnn_plan *p, const struct safetensors *st, struct map x,
                    struct map level[LEVELS])
{
    struct map inner[4];
    char name[96];
    for (int s = 0; s < 4; s++) {
        snprintf(name, sizeof name, "backbone.body.layer%d.0.", s + 1);
        x = block(p, st, name, x, s ? 2 : 1);
        snprintf(name, sizeof name, "backbone.fpn.inner_blocks.%d.0", s);
        inner[s] = map_convolve(st, name, x, 1, 0, 1, 0);
    }
    for (int s = 3; s >= 0; s--) {
        if (s < 3) {
            add_nearest(inner[s + 1], &inner[s]);
        }
        snprintf(name, sizeof name, "backbone.fpn.layer_blocks.%d.0", s);
        level[s] = map_convolve(st, name, inner[s], 1, 1, 1, 0);
    }
    level[4] = max_pool(level[3], 1, 0);
}

/* ---- boxes ---- */

struct candidate {
    double box[4];
    double score;
    int level;
    int index;
};

static int falling(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return x->score != y->score ? (x->score > y->score ? -1 : 1) : x->index - y->index;
}

static double overlap(const double *a, const double *b)
{
    const double w = fmax(0, fmin(a[2], b[2]) - fmax(a[0], b[0]));
    const double h = fmax(0, fmin(a[3], b[3]) - fmax(a[1], b[1]));
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h);
}

/* BoxCoder.decode() and clipping; pixels are counted by maskrcnn-benchmark alone. */
static void move(const struct frcnn_plan *p, const double *box, const double *d, double weight,
                 double *out)
{
    const double plus = p->kind == FRCNN_MASKRCNN;
    for (int k = 0; k < 2; k++) {
        const double size = box[k + 2] - box[k] + plus;
        const double centre = box[k] + size / 2 + d[k] / weight * size;
        const double half = size * exp(fmin(d[k + 2] / (weight > 1 ? 5 : 1), log(1000.0 / 16))) / 2;
        const double most = (k ? p->height : p->width) - plus;
        out[k] = fmin(fmax(centre - half, 0), most);
        out[k + 2] = fmin(fmax(centre + half - plus, 0), most);
    }
}

static void anchor_of(const struct frcnn_plan *p, int level, int a, double *box)
{
    static const double sizes[] = {16, 32, 48, 64, 96};
    static const double ratios[] = {0.5, 1, 2};
    /* generate_anchors(16, [.5, 1, 2], [2, 3]), run in numpy */
    static const double counted[6][4] = {{-15, -4, 30, 19}, {-26.5, -10, 41.5, 25},
                                         {-8, -8, 23, 23},  {-16, -16, 31, 31},
                                         {-3, -14, 18, 29}, {-8.5, -25, 23.5, 40}};
    if (p->kind == FRCNN_MASKRCNN) {
        memcpy(box, counted[a], sizeof counted[a]);
        return;
    }
    const double size = is_fpn(p) ? sizes[level] : a < 3 ? 24 : 48;
    const double w = size / sqrt(ratios[a % 3]) / 2;
    const double h = size * sqrt(ratios[a % 3]) / 2;
    box[0] = is_fpn(p) ? nearbyint(-w) : -w;
    box[1] = is_fpn(p) ? nearbyint(-h) : -h;
    box[2] = -box[0];
    box[3] = -box[1];
}

/* The candidates of one level, best first; at most PRE_NMS. */
static int level_candidates(const struct frcnn_plan *p, struct map score, struct map delta,
                            int level, int stride_x, int stride_y, struct candidate *out)
{
    const int n = score.c * score.h * score.w;
    struct candidate *all = reference_keep((size_t)n, sizeof *all);
    for (int i = 0; i < n; i++) {
        const int a = i % score.c;
        const int x = i / score.c % score.w;
        const int y = i / score.c / score.w;
        double box[4];
        double d[4];
        anchor_of(p, level, a, box);
        for (int k = 0; k < 4; k++) {
            box[k] += k % 2 ? y * stride_y : x * stride_x;
            d[k] = map_at(delta, 4 * a + k, y, x);
        }
        all[i] = (struct candidate){.score = map_at(score, a, y, x), .level = level, .index = i};
        move(p, box, d, 1, all[i].box);
    }
    qsort(all, (size_t)n, sizeof *all, falling);
    int kept = 0;
    for (int i = 0; i < n && i < PRE_NMS; i++) {
        const double *b = all[i].box;
        const double least = is_fpn(p) ? 1e-3 : 0;
        const double side = fmin(b[2] - b[0], b[3] - b[1]);
        if (p->kind == FRCNN_MASKRCNN || (is_fpn(p) ? side >= least : side > least)) {
            out[kept++] = all[i];
        }
    }
    return kept;
}

static int suppress(struct candidate *c, int n, struct candidate *out)
{
    for (int i = 0; i < n; i++) {
        c[i].index = i;
    }
    qsort(c, (size_t)n, sizeof *c, falling);
    int kept = 0;
    for (int i = 0; i < n && kept < MOST; i++) {
        int alone = 1;
        for (int k = 0; k < kept; k++) {
            alone = alone && !(out[k].level == c[i].level && overlap(out[k].box, c[i].box) > 0.7);
        }
        if (alone) {
            out[kept++] = c[i];
        }
    }
    return kept;
}

static int propose(const struct frcnn_plan *p, const struct safetensors *st,
                   const struct map *level, int levels, int width, int height,
                   struct candidate *out)
{
    const int d2 = p->kind == FRCNN_DETECTRON2;
    struct candidate *all = reference_keep(LEVELS * PRE_NMS, sizeof *all);
    int n = 0;
    for (int l = 0; l < levels; l++) {
        struct map x = map_convolve(st,
                                    is_fpn(p) ? "rpn.head.conv.0.0"
                                    : d2      ? "proposal_generator.rpn_head.conv"
                                              : "rpn.head.conv",
                                    level[l], 1, 1, 1, 1);
        if (p->kind == FRCNN_FPN_V2) {
            x = map_convolve(st, "rpn.head.conv.1.0", x, 1, 1, 1, 1);
        }
        const struct map score = map_convolve(
            st, d2 ? "proposal_generator.rpn_head.objectness_logits" : "rpn.head.cls_logits", x, 1,
            0, 1, 0);
        const struct map delta = map_convolve(
            st, d2 ? "proposal_generator.rpn_head.anchor_deltas" : "rpn.head.bbox_pred", x, 1, 0, 1,
            0);
        n += level_candidates(p, score, delta, l, is_fpn(p) ? width / level[l].w : 16,
                              is_fpn(p) ? height / level[l].h : 16, all + n);
    }
    return suppress(all, n, out);
}

/* ---- regions of interest ---- */

static double sample(struct map x, int c, double y, double z)
{
    if (y < -1 || y > x.h || z < -1 || z > x.w) {
        return 0;
    }
    y = fmin(fmax(y, 0), x.h - 1);
    z = fmin(fmax(z, 0), x.w - 1);
    const int y0 = (int)y;
    const int x0 = (int)z;
    const int y1 = y0 + 1 < x.h ? y0 + 1 : y0;
    const int x1 = x0 + 1 < x.w ? x0 + 1 : x0;
    return (1 - (y - y0)) *
               ((1 - (z - x0)) * map_at(x, c, y0, x0) + (z - x0) * map_at(x, c, y0, x1)) +
           (y - y0) * ((1 - (z - x0)) * map_at(x, c, y1, x0) + (z - x0) * map_at(x, c, y1, x1));
}

static struct map align(const struct frcnn_plan *p, struct map x, const double *box, double scale,
                        int side, int sampling)
{
    struct map y = map_new(x.c, side, side);
    const double off = p->kind == FRCNN_DETECTRON2 ? 0.5 : 0;
    double from[2];
    double size[2];
    int grid[2];
    for (int k = 0; k < 2; k++) {
        from[k] = box[k] * scale - off;
        size[k] = box[k + 2] * scale - off - from[k];
        size[k] = off > 0 ? size[k] : fmax(size[k], 1);
        grid[k] = sampling ? sampling : (int)ceil(size[k] / side);
    }
    for (int i = 0; i < y.c * side * side; i++) {
        for (int g = 0; g < grid[0] * grid[1]; g++) {
            const double px = from[0] + (i % side + (g % grid[0] + 0.5) / grid[0]) * size[0] / side;
            const double py =
                from[1] + (i / side % side + (g / grid[0] + 0.5) / grid[1]) * size[1] / side;
            y.v[i] += sample(x, i / side / side, py, px) / (grid[0] * grid[1]);
        }
    }
    return y;
}

struct roi {
    double box[4];
    double *feature;
    double *prob;  /* background first */
    double *delta; /* of each class, background's first */
};

static double *relu(double *x, int n)
{
    for (int i = 0; i < n; i++) {
        x[i] = fmax(0, x[i]);
    }
    return x;
}

static double *fpn_feature(const struct frcnn_plan *p, const struct safetensors *st,
                           const struct map level[LEVELS], const double *box, int *dim)
{
    const double side = sqrt((box[2] - box[0]) * (box[3] - box[1]));
    const int at = (int)fmin(fmax(floor(4 + log2(side / 224) + 1e-6), 2), 5) - 2;
    struct map x = align(p, level[at], box, 0.25 / (1 << at), 3, 2);
    if (p->kind == FRCNN_FPN_V2) {
        x = map_convolve(st, "roi_heads.box_head.0.0", x, 1, 1, 1, 1);
        x = map_convolve(st, "roi_heads.box_head.1.0", x, 1, 1, 1, 1);
        double *feature = reference_full(st, "roi_heads.box_head.3", x.v, dim);
        return relu(feature, *dim);
    }
    double *hidden = reference_full(st, "roi_heads.box_head.fc6", x.v, dim);
    relu(hidden, *dim);
    double *feature = reference_full(st, "roi_heads.box_head.fc7", hidden, dim);
    return relu(feature, *dim);
}

static double *c4_feature(const struct frcnn_plan *p, const struct safetensors *st, struct map x,
                          const double *box, int *dim)
{
    const char *prefix = p->kind == FRCNN_DETECTRON2
                             ? "roi_heads.res5.0."
                             : "roi_heads.box.feature_extractor.head.layer4.0.";
    const struct map y = block(p, st, prefix, align(p, x, box, 1.0 / 16, 6, 0), 2);
    double *feature = reference_keep((size_t)y.c, sizeof *feature);
    for (int v = 0; v < y.c * y.h * y.w; v++) {
        feature[v / y.h / y.w] += y.v[v] / (y.h * y.w);
    }
    *dim = y.c;
    return feature;
}

static void predict(const struct frcnn_plan *p, const struct safetensors *st, struct roi *roi,
                    int *classes)
{
    const int maskrcnn = p->kind == FRCNN_MASKRCNN;
    int n;
    double *score = reference_full(
        st, maskrcnn ? "roi_heads.box.predictor.cls_score" : "roi_heads.box_predictor.cls_score",
        roi->feature, classes);
    reference_softmax(score, *classes);
    roi->delta = reference_full(
        st, maskrcnn ? "roi_heads.box.predictor.bbox_pred" : "roi_heads.box_predictor.bbox_pred",
        roi->feature, &n);
    roi->prob = score;
    if (p->kind == FRCNN_DETECTRON2) { /* background comes last */
        roi->prob = reference_keep((size_t)*classes, sizeof(double));
        roi->prob[0] = score[*classes - 1];
        memcpy(roi->prob + 1, score, (size_t)(*classes - 1) * sizeof(double));
        roi->delta -= 4;
    }
}

/* ---- what comes out ---- */

static void put(const struct roi *roi, const double *box, const double *refined, double conf,
                int cls, struct reference_regions *out)
{
    const int i = out->n++;
    memcpy(out->boxes + 4 * i, box, 4 * sizeof(double));
    memcpy(out->refined + 4 * i, refined, 4 * sizeof(double));
    memcpy(out->features + i * out->dim, roi->feature, (size_t)out->dim * sizeof(double));
    memcpy(out->prob + i * out->classes, roi->prob, (size_t)out->classes * sizeof(double));
    out->conf[i] = conf;
    out->object_id[i] = cls - 1;
}

/* Detections: index is roi * classes + class, level the class. */
static void detect(const struct frcnn_plan *p, const struct roi *roi, int n,
                   struct reference_regions *out)
{
    struct candidate *c = reference_keep((size_t)(n * out->classes), sizeof *c);
    int count = 0;
    for (int i = 0; i < n * out->classes; i++) {
        const struct roi *r = &roi[i / out->classes];
        const int cls = i % out->classes;
        struct candidate *it = &c[count];
        *it = (struct candidate){.score = r->prob[cls], .level = cls, .index = i};
        if (cls && it->score > (p->min_boxes ? 0 : p->threshold)) {
            move(p, r->box, r->delta + 4 * cls, 10, it->box);
            const double side = fmin(it->box[2] - it->box[0], it->box[3] - it->box[1]);
            count += is_fpn(p) ? side >= 0.01 : side > 0;
        }
    }
    qsort(c, (size_t)count, sizeof *c, falling);
    struct candidate *kept = reference_keep((size_t)p->max_boxes, sizeof *kept);
    for (int i = 0; i < count && out->n < p->max_boxes; i++) {
        int alone = c[i].score > p->threshold || out->n < p->min_boxes;
        for (int k = 0; k < out->n; k++) {
            alone = alone && !(kept[k].level == c[i].level && overlap(kept[k].box, c[i].box) > 0.5);
        }
        if (alone) {
            kept[out->n] = c[i];
            put(&roi[c[i].index / out->classes], c[i].box, c[i].box, c[i].score, c[i].level, out);
        }
    }
}

/* filter_results_peter(): proposals, by the best score of a class whose NMS they survive. */
static void rate(const struct frcnn_plan *p, const struct roi *roi, int n,
                 struct reference_regions *out)
{
    struct candidate *best = reference_keep((size_t)n, sizeof *best); /* level is the class */
    for (int i = 0; i < n; i++) {
        best[i] = (struct candidate){.index = i};
    }
    for (int cls = 1; cls < out->classes; cls++) {
        struct candidate *c = reference_keep((size_t)n, sizeof *c);
        for (int i = 0; i < n; i++) {
            c[i] = (struct candidate){.score = roi[i].prob[cls], .index = i};
            memcpy(c[i].box, roi[i].box, sizeof c[i].box);
        }
        qsort(c, (size_t)n, sizeof *c, falling);
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < i && c[i].level == 0; k++) { /* level 1: suppressed */
                c[i].level = c[k].level == 0 && overlap(c[k].box, c[i].box) > 0.5;
            }
            struct candidate *b = &best[c[i].index];
            if (c[i].level == 0 && c[i].score > b->score) {
                b->score = c[i].score;
                b->level = cls;
            }
        }
    }
    qsort(best, (size_t)n, sizeof *best, falling);
    for (int i = 0; i < n && out->n < p->max_boxes; i++) {
        if (best[i].level && (best[i].score >= p->threshold || out->n < p->min_boxes)) {
            const struct roi *r = &roi[best[i].index];
            double refined[4];
            move(p, r->box, r->delta + 4 * best[i].level, 10, refined);
            put(r, r->box, refined, best[i].score, best[i].level, out);
        }
    }
}

static void attributes(const struct safetensors *st, struct reference_regions *out)
{
    const struct safetensors_tensor *t;
    const float *embedding =
        reference_weight(st, "attribute.predictor.cls_embedding", "weight", &t);
    const int extra = (int)t->shape[1];
    for (int i = 0; i < out->n; i++) {
        int n;
        double *x = reference_keep((size_t)(out->dim + extra), sizeof *x);
        memcpy(x, out->features + i * out->dim, (size_t)out->dim * sizeof *x);
        for (int k = 0; k < extra; k++) {
            x[out->dim + k] = (double)embedding[(out->object_id[i] + 1) * extra + k];
        }
        x = reference_full(st, "attribute.predictor.fc_attr", x, &n);
        relu(x, n);
        x = reference_full(st, "attribute.predictor.attr_score", x, &n);
        reference_softmax(x, n);
        out->attr_id[i] = reference_best(x + 1, n - 1);
        out->attr_conf[i] = x[1 + out->attr_id[i]];
    }
}

/* Feature maps, one or LEVELS of them. */
static int body(const struct frcnn_plan *p, const struct safetensors *st, struct map input,
                struct map level[LEVELS])
{
    const int d2 = p->kind == FRCNN_DETECTRON2;
    const char *stem = is_fpn(p) ? "backbone.body.conv1"
                       : d2      ? "backbone.stem.conv1"
                                 : "backbone.body.stem.conv1";
    struct map x = max_pool(map_convolve(st, stem, input, 2, 3, 1, 1), 3, 1);
    if (is_fpn(p)) {
        pyramid(p, st, x, level);
        return LEVELS;
    }
    for (int s = 2; s < 5; s++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, d2 ? "backbone.res%d.0." : "backbone.body.layer%d.0.",
                 d2 ? s : s - 1);
        x = block(p, st, prefix, x, s > 2 ? 2 : 1);
    }
    level[0] = x;
    return 1;
}

void reference_frcnn(const struct frcnn_plan *p, const struct safetensors *st, const uint8_t *rgb,
                     struct reference_regions *out)
{
    const struct map input = input_of(p, rgb);
    struct map level[LEVELS];
    struct candidate proposal[MOST];
    struct roi roi[MOST];
    const int levels = body(p, st, input, level);
    const int n = propose(p, st, level, levels, input.w, input.h, proposal);
    for (int i = 0; i < n; i++) {
        memcpy(roi[i].box, proposal[i].box, sizeof roi[i].box);
        roi[i].feature = is_fpn(p) ? fpn_feature(p, st, level, roi[i].box, &out->dim)
                                   : c4_feature(p, st, level[0], roi[i].box, &out->dim);
        predict(p, st, &roi[i], &out->classes);
    }
    out->n = p->max_boxes;
    reference_regions_allocate(out);
    out->n = 0;
    if (p->kind == FRCNN_MASKRCNN) {
        rate(p, roi, n, out);
        attributes(st, out);
    } else {
        detect(p, roi, n, out);
    }
    reference_free();
}
