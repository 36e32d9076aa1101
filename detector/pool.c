#include "detector/pool.h"

#include <string.h>

#include "detector/simd.h"

int max_pool_side(const struct max_pool *pool, int in)
{
    const int span = in + 2 * pool->pad - pool->kernel;
    int out = (span + (pool->ceil ? pool->stride - 1 : 0)) / pool->stride + 1;
    if (pool->ceil && span < 0) {
        out = 1; /* a window larger than the image is clipped to it */
    }
    if (pool->ceil && pool->pad && (out - 1) * pool->stride >= in + pool->pad) {
        out--; /* the last window would begin in the padding */
    }
    return out;
}

SIMD_CLONES
static void take_max(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] = x[i] > y[i] ? x[i] : y[i];
    }
}

/* The maximum over rows [y0, y1) and columns [x0, x1), which lie inside the image. */
static void window_max(const struct tensor *x, int n, const int y[2], const int col[2], float *out)
{
    const size_t depth = (size_t)x->c;
    memcpy(out, tensor_at(x, n, y[0], col[0]), depth * sizeof *out);
    for (int iy = y[0]; iy < y[1]; iy++) {
        for (int ix = iy == y[0] ? col[0] + 1 : col[0]; ix < col[1]; ix++) {
            take_max(out, tensor_at(x, n, iy, ix), depth);
        }
    }
}

/* Where output o's window lies along a side of `in` pixels, clipped to it. */
static void clip_window(const struct max_pool *pool, int o, int in, int range[2])
{
    const int from = o * pool->stride - pool->pad;
    const int to = from + pool->kernel;
    range[0] = from < 0 ? 0 : from;
    range[1] = to > in ? in : to;
}

struct tensor max_pool_run(const struct max_pool *pool, struct pass *pass, const struct tensor *x)
{
    struct tensor y =
        pass_tensor(pass, x->n, max_pool_side(pool, x->h), max_pool_side(pool, x->w), x->c);
    if (!pass_step(pass, pool->name, 0)) {
        return y;
    }
    for (int n = 0; n < y.n; n++) {
        for (int oy = 0; oy < y.h; oy++) {
            int rows[2];
            clip_window(pool, oy, x->h, rows);
            for (int ox = 0; ox < y.w; ox++) {
                int cols[2];
                clip_window(pool, ox, x->w, cols);
                window_max(x, n, rows, cols, tensor_at(&y, n, oy, ox));
            }
        }
    }
    return y;
}

SIMD_CLONES
static void add(float *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += x[i];
    }
}

SIMD_CLONES
static void scale(float *y, float by, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] *= by;
    }
}

void average_pool(struct pass *pass, const char *name, const struct tensor *x, float *out)
{
    if (!pass_step(pass, name, 0)) {
        return;
    }
    const size_t depth = (size_t)x->c;
    const size_t area = (size_t)x->h * (size_t)x->w;
    for (size_t n = 0; n < (size_t)x->n; n++, out += depth) {
        const float *from = x->p + n * area * depth;
        memcpy(out, from, depth * sizeof *out);
        for (size_t i = 1; i < area; i++) {
            add(out, from + i * depth, depth);
        }
        scale(out, 1.0f / (float)area, depth);
    }
}
