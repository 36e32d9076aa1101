#include "reference_c4.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "reference_net.h"

static struct map stage(const struct c4_plan *p, const struct safetensors *st, int number,
                        struct map x, int stride, int dilation)
{
    for (int i = 0; i < p->blocks[number - 2]; i++) {
        char block[24];
        char a[64];
        char b[64];
        char c[64];
        char d[64];
        const int numbered =
            i > 0 && (number == 3 || number == 4) && strcmp(p->block_names, "butd") == 0;
        snprintf(block, sizeof block, numbered ? "res%db%d" : "res%d%c", number,
                 numbered ? i : 'a' + i);
        snprintf(a, sizeof a, "%s_branch2a", block);
        snprintf(b, sizeof b, "%s_branch2b", block);
        snprintf(c, sizeof c, "%s_branch2c", block);
        snprintf(d, sizeof d, "%s_branch1", block);
        const int s = i ? 1 : stride;
        const int s1 = p->stride_in_1x1 ? s : 1;
        struct map y = map_convolve(st, a, x, s1, 0, 1, 1);
        y = map_convolve(st, b, y, s / s1, dilation, dilation, 1);
        y = map_convolve(st, c, y, 1, 0, 1, 0);
        const struct map shortcut = i ? x : map_convolve(st, d, x, s, 0, 1, 0);
        for (int v = 0; v < y.c * y.h * y.w; v++) {
            y.v[v] = fmax(0, y.v[v] + shortcut.v[v]);
        }
        x = y;
    }
    return x;
}

static struct map input_of(const struct c4_plan *p, const uint8_t *rgb, int width, int height,
                           double *scale)
{
    static const double mean[] = {102.9801, 115.9465, 122.7717};
    const int shorter = width < height ? width : height;
    const int longer = width < height ? height : width;
    *scale = (double)p->short_side / shorter;
    if (nearbyint(*scale * longer) > p->long_side) {
        *scale = (double)p->long_side / longer;
    }
    struct map x = map_new(3, (int)nearbyint(height * *scale), (int)nearbyint(width * *scale));
    for (int c = 0; c < 3; c++) {
        for (int y = 0; y < x.h; y++) {
            for (int z = 0; z < x.w; z++) {
                const double fy = fmin(fmax((y + 0.5) / *scale - 0.5, 0), height - 1);
                const double fx = fmin(fmax((z + 0.5) / *scale - 0.5, 0), width - 1);
                const int y0 = (int)fy;
                const int x0 = (int)fx;
                const int y1 = y0 + 1 < height ? y0 + 1 : y0;
                const int x1 = x0 + 1 < width ? x0 + 1 : x0;
                const double py = fy - y0;
                const double px = fx - x0;
                x.v[(c * x.h + y) * x.w + z] =
                    (1 - py) * ((1 - px) * rgb[3 * (y0 * width + x0) + 2 - c] +
                                px * rgb[3 * (y0 * width + x1) + 2 - c]) +
                    py * ((1 - px) * rgb[3 * (y1 * width + x0) + 2 - c] +
                          px * rgb[3 * (y1 * width + x1) + 2 - c]) -
                    mean[c];
            }
        }
    }
    return x;
}

static struct map pool1(const struct c4_plan *p, struct map x)
{
    const int pad = p->caffe_pool ? 0 : 1;
    const int h = p->caffe_pool ? (int)ceil((x.h - 3) / 2.0) + 1 : (x.h - 1) / 2 + 1;
    const int w = p->caffe_pool ? (int)ceil((x.w - 3) / 2.0) + 1 : (x.w - 1) / 2 + 1;
    struct map y = map_new(x.c, h, w);
    for (int i = 0; i < x.c * h * w; i++) {
        const int c = i / (h * w);
        double best = -INFINITY;
        for (int a = 0; a < 9; a++) {
            const int iy = i / w % h * 2 - pad + a / 3;
            const int ix = i % w * 2 - pad + a % 3;
            if (iy >= 0 && ix >= 0 && iy < x.h && ix < x.w) {
                best = fmax(best, map_at(x, c, iy, ix));
            }
        }
        y.v[i] = best;
    }
    return y;
}

static double overlap(const double *a, const double *b)
{
    const double w = fmax(0, fmin(a[2], b[2]) - fmax(a[0], b[0]) + 1);
    const double h = fmax(0, fmin(a[3], b[3]) - fmax(a[1], b[1]) + 1);
    return w * h /
           ((a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1) - w * h);
}

static void move(const double *box, const double *d, double width, double height, double *out)
{
    const double w = box[2] - box[0] + 1;
    const double h = box[3] - box[1] + 1;
    const double cx = box[0] + w / 2 + d[0] * w;
    const double cy = box[1] + h / 2 + d[1] * h;
    out[0] = fmax(fmin(cx - exp(d[2]) * w / 2, width - 1), 0);
    out[1] = fmax(fmin(cy - exp(d[3]) * h / 2, height - 1), 0);
    out[2] = fmax(fmin(cx + exp(d[2]) * w / 2, width - 1), 0);
    out[3] = fmax(fmin(cy + exp(d[3]) * h / 2, height - 1), 0);
}

struct proposal {
    double box[4];
    double score;
    int index;
};

static int falling(const void *a, const void *b)
{
    const struct proposal *p = a;
    const struct proposal *q = b;
    return p->score != q->score ? (p->score > q->score ? -1 : 1) : p->index - q->index;
}

/* Anchors of ratios .5, 1, 2 and scales 2, 4 at base 16, from the numpy original. */
static const double anchors[6][4] = {{-15, -4, 30, 19},  {-38, -16, 53, 31}, {-8, -8, 23, 23},
                                     {-24, -24, 39, 39}, {-3, -14, 18, 29},  {-14, -36, 29, 51}};

static int propose(const struct c4_plan *p, struct map score, struct map delta, int width,
                   int height, double scale, struct proposal *out)
{
    struct proposal *all = reference_keep((size_t)score.h * score.w * 6, sizeof *all);
    int n = 0;
    for (int i = 0; i < score.h * score.w * 6; i++) {
        const int a = i % 6;
        const int x = i / 6 % score.w;
        const int y = i / 6 / score.w;
        double box[4];
        double d[4];
        for (int k = 0; k < 4; k++) {
            box[k] = anchors[a][k] + 16 * (k % 2 ? y : x);
            d[k] = map_at(delta, 4 * a + k, y, x);
        }
        struct proposal *q = &all[n];
        move(box, d, width, height, q->box);
        q->score = 1 / (1 + exp(map_at(score, a, y, x) - map_at(score, 6 + a, y, x)));
        q->index = n;
        n += q->box[2] - q->box[0] + 1 >= 8 * scale && q->box[3] - q->box[1] + 1 >= 8 * scale;
    }
    qsort(all, (size_t)n, sizeof *all, falling);
    int kept = 0;
    for (int i = 0; i < n && i < 200 && kept < p->post_nms; i++) {
        int k = 0;
        while (k < kept && overlap(out[k].box, all[i].box) < 0.7) {
            k++;
        }
        if (k == kept) {
            out[kept++] = all[i];
        }
    }
    return kept;
}

static struct map pool_roi(struct map x, const double *box, int side)
{
    struct map y = map_new(x.c, side, side);
    const int left = (int)round(box[0] / 16);
    const int top = (int)round(box[1] / 16);
    const int w = (int)fmax(round(box[2] / 16) - left + 1, 1);
    const int h = (int)fmax(round(box[3] / 16) - top + 1, 1);
    for (int i = 0; i < x.c * side * side; i++) {
        const int py = i / side % side;
        const int px = i % side;
        double best = -INFINITY;
        for (int r = py * h / side; r < (py * h + h + side - 1) / side; r++) {
            for (int c = px * w / side; c < (px * w + w + side - 1) / side; c++) {
                if (top + r >= 0 && top + r < x.h && left + c >= 0 && left + c < x.w) {
                    best = fmax(best, map_at(x, i / side / side, top + r, left + c));
                }
            }
        }
        y.v[i] = best > -INFINITY ? best : 0;
    }
    return y;
}

struct roi {
    double box[4]; /* in the image */
    double *feature;
    double *prob;
    double conf;
    int index;
};

static int by_conf(const void *a, const void *b)
{
    const struct roi *p = a;
    const struct roi *q = b;
    return p->conf != q->conf ? (p->conf > q->conf ? -1 : 1) : p->index - q->index;
}

/* conf = the best score over the classes whose NMS the RoI survives. */
static void rate(struct roi *roi, int n, int classes)
{
    for (int c = 1; c < classes; c++) {
        struct proposal *order = reference_keep((size_t)n, sizeof *order);
        for (int i = 0; i < n; i++) {
            order[i] = (struct proposal){.score = roi[i].prob[c], .index = i};
        }
        qsort(order, (size_t)n, sizeof *order, falling);
        for (int i = 0; i < n; i++) {
            int survives = 1;
            for (int k = 0; k < i; k++) { /* a suppressed one is marked by a negative score */
                survives =
                    survives && !(order[k].score >= 0 &&
                                  overlap(roi[order[k].index].box, roi[order[i].index].box) >= 0.3);
            }
            if (survives) {
                roi[order[i].index].conf = fmax(roi[order[i].index].conf, order[i].score);
            } else {
                order[i].score = -1;
            }
        }
    }
}

static void describe(const struct c4_plan *p, const struct safetensors *st, const struct roi *roi,
                     int width, int height, int i, struct reference_regions *out)
{
    int n;
    memcpy(out->boxes + 4 * i, roi->box, sizeof roi->box);
    memcpy(out->features + i * out->dim, roi->feature, (size_t)out->dim * sizeof(double));
    memcpy(out->prob + i * out->classes, roi->prob, (size_t)out->classes * sizeof(double));
    out->conf[i] = roi->conf;
    out->object_id[i] = reference_best(roi->prob + 1, out->classes - 1);
    const double *deltas = reference_full(st, "bbox_pred", roi->feature, &n);
    move(roi->box, deltas + 4 * (out->object_id[i] + 1), width, height, out->refined + 4 * i);
    if (p->attributes) {
        const struct safetensors_tensor *t;
        const float *embedding = reference_weight(st, "cls_embedding", "weight", &t);
        const int extra = (int)t->shape[1];
        double *joined = reference_keep((size_t)(out->dim + extra), sizeof *joined);
        memcpy(joined, roi->feature, (size_t)out->dim * sizeof *joined);
        for (int k = 0; k < extra; k++) {
            joined[out->dim + k] =
                (double)embedding[reference_best(roi->prob, out->classes) * extra + k];
        }
        double *hidden = reference_full(st, "fc_attr", joined, &n);
        for (int k = 0; k < n; k++) {
            hidden[k] = fmax(0, hidden[k]);
        }
        double *score = reference_full(st, "attr_score", hidden, &n);
        reference_softmax(score, n);
        out->attr_id[i] = reference_best(score + 1, n - 1);
        out->attr_conf[i] = score[1 + out->attr_id[i]];
    }
}

void reference_c4(const struct c4_plan *p, const struct safetensors *st, const uint8_t *rgb,
                  int width, int height, struct reference_regions *out)
{
    double scale;
    struct map x = input_of(p, rgb, width, height, &scale);
    const int net_width = x.w;
    const int net_height = x.h;
    x = pool1(p, map_convolve(st, "conv1", x, 2, 3, 1, 1));
    x = stage(p, st, 2, x, 1, 1);
    x = stage(p, st, 3, x, 2, 1);
    x = stage(p, st, 4, x, 2, 1);
    const struct map hidden = map_convolve(st, "rpn_conv/3x3", x, 1, 1, 1, 1);
    struct proposal *proposal = reference_keep((size_t)p->post_nms, sizeof *proposal);
    const int n = propose(p, map_convolve(st, "rpn_cls_score", hidden, 1, 0, 1, 0),
                          map_convolve(st, "rpn_bbox_pred", hidden, 1, 0, 1, 0), net_width,
                          net_height, scale, proposal);
    struct roi *roi = reference_keep((size_t)n, sizeof *roi);
    for (int i = 0; i < n; i++) {
        const struct map y =
            stage(p, st, 5, pool_roi(x, proposal[i].box, p->roi), 1, p->res5_dilation);
        roi[i] = (struct roi){.index = i, .feature = reference_keep((size_t)y.c, sizeof(double))};
        out->dim = y.c;
        for (int v = 0; v < y.c * y.h * y.w; v++) {
            roi[i].feature[v / y.h / y.w] += y.v[v] / (y.h * y.w);
        }
        roi[i].prob = reference_full(st, "cls_score", roi[i].feature, &out->classes);
        reference_softmax(roi[i].prob, out->classes);
        for (int k = 0; k < 4; k++) {
            roi[i].box[k] = proposal[i].box[k] / scale;
        }
    }
    rate(roi, n, out->classes);
    qsort(roi, (size_t)n, sizeof *roi, by_conf);
    int count = 0;
    while (count < n && roi[count].conf >= 0.2) {
        count++;
    }
    count = count < p->min_boxes ? p->min_boxes : count;
    count = count > p->max_boxes ? p->max_boxes : count;
    out->n = count > n ? n : count;
    reference_regions_allocate(out);
    for (int i = 0; i < out->n; i++) {
        describe(p, st, &roi[i], width, height, i, out);
    }
    reference_free();
}
