#include "detector/roi_align.h"

#include <math.h>
#include <string.h>

#include "detector/simd.h"

/*
 * Bilinear weights are products of a row's and a column's weight, and so is the mean over a grid of
 * samples.  So each side gets one list of weights a bin: how much each feature pixel from `from` on
 * counts, all samples together; a bin then is a sum over few pixels, each met once.
 */
struct bin {
    int from;
    int n; /* 0: all samples lie outside */
    float *weight;
};

/* Weights of all bins of a side: samples of one bin lie at most its length apart and each touches
 * two pixels, so bins overlap their neighbours by at most two. */
static size_t weights_room(int length, int side)
{
    return (size_t)length + 3 * (size_t)side;
}

/* Adds `share` of one sample at position v; outside of the map it counts as zero. */
static void add_sample(struct bin *bin, float v, int length, float share)
{
    if (!(v >= -1.0f && v <= (float)length)) {
        return; /* nor is NaN a place */
    }
    v = v <= 0 ? 0 : v;
    int low = (int)v;
    float part = v - (float)low;
    if (low >= length - 1) {
        low = length - 1;
        part = 0;
    }
    if (bin->n == 0) {
        bin->from = low;
    }
    const int high = part > 0 ? low + 1 : low;
    for (; bin->from + bin->n <= high; bin->n++) {
        bin->weight[bin->n] = 0;
    }
    bin->weight[low - bin->from] += share * (1.0f - part);
    bin->weight[high - bin->from] += share * part;
}

/* One side's bins, for a RoI from `start` over `extent` feature px of `length`. */
static void make_bins(float start, float extent, int sampling, int length, int side,
                      struct bin *bin, float *weight)
{
    const float size = extent / (float)side;
    const int grid = sampling > 0 ? sampling : (int)ceilf(size);
    const float share = 1.0f / (float)(grid > 1 ? grid : 1);
    for (int p = 0; p < side; p++) {
        bin[p] = (struct bin){.weight = weight};
        for (int i = 0; i < grid; i++) {
            const float v = start + (float)p * size + ((float)i + 0.5f) * size / (float)grid;
            add_sample(&bin[p], v, length, share);
        }
        weight += bin[p].n;
    }
}

enum { CHUNK = 64 /* channels summed in registers */ };

/* y[c] = sum over the bin's pixels, for n channels beginning at x. */
SIMD_CLONES
static void sum_pixels(const struct bin *rows, const struct bin *cols, const float *x,
                       size_t row_stride, size_t pixel_stride, size_t n, float *restrict y)
{
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t width = n - at < CHUNK ? n - at : CHUNK;
        float sum[CHUNK] = {0};
        for (int r = 0; r < rows->n; r++) {
            const float *restrict v = x + (size_t)r * row_stride + at;
            for (int c = 0; c < cols->n; c++, v += pixel_stride) {
                const float w = rows->weight[r] * cols->weight[c];
                if (width == CHUNK) {
                    for (size_t i = 0; i < CHUNK; i++) {
                        sum[i] += w * v[i];
                    }
                } else {
                    for (size_t i = 0; i < width; i++) {
                        sum[i] += w * v[i];
                    }
                }
            }
        }
        memcpy(y + at, sum, width * sizeof *y);
    }
}

struct scratch {
    struct bin *rows;
    struct bin *cols;
    float *row_weight;
    float *col_weight;
};

static struct scratch take_scratch(const struct roi_align *op, struct pass *pass,
                                   const struct tensor *map, int side)
{
    int h = 0;
    int w = 0;
    for (int l = 0; l < op->levels; l++) {
        h = map[l].h > h ? map[l].h : h;
        w = map[l].w > w ? map[l].w : w;
    }
    return (struct scratch){.rows = workspace_take(pass->ws, (size_t)side, sizeof(struct bin)),
                            .cols = workspace_take(pass->ws, (size_t)side, sizeof(struct bin)),
                            .row_weight = pass_floats(pass, weights_room(h, side)),
                            .col_weight = pass_floats(pass, weights_room(w, side))};
}

static void give_scratch(struct pass *pass, const struct scratch *s)
{
    pass_give(pass, s->rows);
    pass_give(pass, s->cols);
    pass_give(pass, s->row_weight);
    pass_give(pass, s->col_weight);
}

/* Both ends of one side of a RoI -> its bins there. */
static void aim(const struct roi_align *op, float scale, float from, float to, int length, int side,
                struct bin *bin, float *weight)
{
    const float offset = op->aligned ? 0.5f : 0.0f;
    const float least = op->aligned ? 0.0f : 1.0f;
    const float start = from * scale - offset;
    const float extent = to * scale - offset - start;
    make_bins(start, extent > least ? extent : least, op->sampling, length, side, bin, weight);
}

static void align_one(const struct roi_align *op, const struct scratch *s, const struct tensor *x,
                      float scale, struct box roi, int side, float *y)
{
    const size_t depth = (size_t)x->c;
    aim(op, scale, roi.y1, roi.y2, x->h, side, s->rows, s->row_weight);
    aim(op, scale, roi.x1, roi.x2, x->w, side, s->cols, s->col_weight);
    for (int py = 0; py < side; py++) {
        for (int px = 0; px < side; px++, y += depth) {
            const struct bin *rows = &s->rows[py];
            const struct bin *cols = &s->cols[px];
            const float *from = tensor_at(x, 0, rows->from, cols->from);
            sum_pixels(rows, cols, from, (size_t)x->w * depth, depth, depth, y);
        }
    }
}

void roi_align(const struct roi_align *op, struct pass *pass, const struct tensor *map,
               const struct box *roi, const uint8_t *level, size_t count, const struct tensor *y)
{
    const struct scratch s = take_scratch(op, pass, map, y->h);
    if (pass_step(pass, "RoI align", 0)) {
        for (size_t i = 0; i < count; i++) {
            const int l = level ? level[i] : 0;
            align_one(op, &s, &map[l], op->scale[l], roi[i], y->h, tensor_at(y, (int)i, 0, 0));
        }
    }
    give_scratch(pass, &s);
}
