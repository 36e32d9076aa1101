#include "detector/roi_pool.h"

#include <math.h>
#include <string.h>

#include "detector/simd.h"

/* The feature pixels of one bin along one side, clipped to [0, limit). */
struct span {
    int from;
    int to;
};

static struct span bin_span(int start, float bin, int p, int limit)
{
    int from = start + (int)floorf((float)p * bin);
    int to = start + (int)ceilf((float)(p + 1) * bin);
    from = from < 0 ? 0 : from;
    to = to < 0 ? 0 : to;
    return (struct span){from > limit ? limit : from, to > limit ? limit : to};
}

SIMD_CLONES
static void pool_bin(const struct tensor *x, struct span rows, struct span cols, float *restrict y)
{
    const size_t depth = (size_t)x->c;
    if (rows.from >= rows.to || cols.from >= cols.to) {
        memset(y, 0, depth * sizeof *y);
        return;
    }
    memcpy(y, tensor_at(x, 0, rows.from, cols.from), depth * sizeof *y);
    for (int r = rows.from; r < rows.to; r++) {
        for (int c = cols.from; c < cols.to; c++) {
            const float *restrict v = tensor_at(x, 0, r, c);
            for (size_t i = 0; i < depth; i++) {
                y[i] = v[i] > y[i] ? v[i] : y[i];
            }
        }
    }
}

static int feature_pixel(float at, float scale)
{
    return (int)roundf(at * scale);
}

/* First feature pixel and bin size along one side. */
static int first_and_bin(float from, float to, float scale, int side, float *bin)
{
    const int start = feature_pixel(from, scale);
    const int end = feature_pixel(to, scale);
    const int length = end - start + 1 > 1 ? end - start + 1 : 1;
    *bin = (float)length / (float)side;
    return start;
}

void roi_pool(const struct tensor *x, const struct box *roi, size_t count, float scale,
              const struct tensor *y)
{
    for (size_t n = 0; n < count; n++) {
        float bin_w;
        float bin_h;
        const int left = first_and_bin(roi[n].x1, roi[n].x2, scale, y->w, &bin_w);
        const int top = first_and_bin(roi[n].y1, roi[n].y2, scale, y->h, &bin_h);
        for (int py = 0; py < y->h; py++) {
            const struct span rows = bin_span(top, bin_h, py, x->h);
            for (int px = 0; px < y->w; px++) {
                pool_bin(x, rows, bin_span(left, bin_w, px, x->w), tensor_at(y, (int)n, py, px));
            }
        }
    }
}

static bool pools_the_same(struct box a, struct box b, float scale)
{
    return feature_pixel(a.x1, scale) == feature_pixel(b.x1, scale) &&
           feature_pixel(a.y1, scale) == feature_pixel(b.y1, scale) &&
           feature_pixel(a.x2, scale) == feature_pixel(b.x2, scale) &&
           feature_pixel(a.y2, scale) == feature_pixel(b.y2, scale);
}

size_t roi_pool_distinct(const struct box *roi, size_t n, float scale, struct box *distinct,
                         uint32_t *of)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t k = 0;
        while (k < count && !pools_the_same(distinct[k], roi[i], scale)) {
            k++;
        }
        of[i] = k;
        if (k == count) {
            distinct[count++] = roi[i];
        }
    }
    return count;
}
