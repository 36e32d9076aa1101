#include "detector/pool.h"

#include <string.h>

#include "detector/simd.h"

/* One axis of a pooling. */
struct axis {
    int kernel;
    int stride;
    int pad;
    int extra;
};

static struct axis plane_axis(const struct max_pool *p)
{
    return (struct axis){p->kernel, p->stride, p->pad, p->extra};
}

static struct axis time_axis(const struct max_pool *p)
{
    const int stride = p->tap_stride ? p->tap_stride : 1;
    return p->taps ? (struct axis){p->taps, stride, p->tap_pad, p->tap_extra}
                   : (struct axis){1, 1, 0, 0};
}

static int axis_out(const struct axis *a, bool ceil, int in)
{
    const int span = in + 2 * a->pad + a->extra - a->kernel;
    if (span < 0) {
        return ceil; /* a window larger than the image is clipped to it, or there is none */
    }
    int out = (span + (ceil ? a->stride - 1 : 0)) / a->stride + 1;
    if (ceil && (out - 1) * a->stride >= in + a->pad) {
        out--; /* the last window would begin behind the image */
    }
    return out;
}

int max_pool_side(const struct max_pool *pool, int in)
{
    const struct axis a = plane_axis(pool);
    return axis_out(&a, pool->ceil, in);
}

int max_pool_frames(const struct max_pool *pool, int in)
{
    const struct axis a = time_axis(pool);
    return axis_out(&a, pool->ceil, in);
}

/* Where output o's window lies along an axis of `in` places, clipped to it. */
struct range {
    int from;
    int to;
};

static struct range clip_window(const struct axis *a, int o, int in)
{
    const int from = o * a->stride - a->pad;
    const int to = from + a->kernel;
    return (struct range){from < 0 ? 0 : from, to > in ? in : to};
}

enum { CHUNK = 64 /* channels at a time: as many maxima as stay in registers */ };

/* A window that lies inside the clip. */
struct window {
    const float *first;
    int frames;
    int rows;
    int columns;
    size_t frame_step; /* floats */
    size_t row_step;
    size_t column_step;
};

/* out[n], n <= CHUNK: the maximum over the window, from channel `at` on. */
static inline void chunk_max(const struct window *w, size_t at, size_t n, float *restrict out)
{
    float best[CHUNK];
    for (size_t c = 0; c < n; c++) {
        best[c] = w->first[at + c];
    }
    for (int t = 0; t < w->frames; t++) {
        for (int y = 0; y < w->rows; y++) {
            const float *pixel =
                w->first + at + (size_t)t * w->frame_step + (size_t)y * w->row_step;
            for (int x = 0; x < w->columns; x++, pixel += w->column_step) {
                for (size_t c = 0; c < n; c++) {
                    best[c] = pixel[c] > best[c] ? pixel[c] : best[c];
                }
            }
        }
    }
    for (size_t c = 0; c < n; c++) {
        out[c] = best[c];
    }
}

SIMD_CLONES
static void window_max(const struct window *w, size_t depth, float *out)
{
    size_t at = 0;
    for (; at + CHUNK <= depth; at += CHUNK) {
        chunk_max(w, at, CHUNK, out + at);
    }
    for (; at + CHUNK / 4 <= depth; at += CHUNK / 4) {
        chunk_max(w, at, CHUNK / 4, out + at);
    }
    chunk_max(w, at, depth - at, out + at);
}

/* One output frame. */
static void frame_max(const struct axis *plane, const struct tensor *x, struct range frames,
                      const struct tensor *y, int n)
{
    const size_t depth = (size_t)x->c;
    struct window w = {.frames = frames.to - frames.from,
                       .frame_step = depth * (size_t)x->w * (size_t)x->h,
                       .row_step = depth * (size_t)x->w,
                       .column_step = depth};
    for (int oy = 0; oy < y->h; oy++) {
        const struct range rows = clip_window(plane, oy, x->h);
        w.rows = rows.to - rows.from;
        for (int ox = 0; ox < y->w; ox++) {
            const struct range columns = clip_window(plane, ox, x->w);
            w.columns = columns.to - columns.from;
            w.first = tensor_at(x, frames.from, rows.from, columns.from);
            window_max(&w, depth, tensor_at(y, n, oy, ox));
        }
    }
}

struct tensor max_pool_run(const struct max_pool *pool, struct pass *pass, const struct tensor *x)
{
    struct tensor y = pass_tensor(pass, max_pool_frames(pool, x->n), max_pool_side(pool, x->h),
                                  max_pool_side(pool, x->w), x->c);
    if (!pass_step(pass, pool->name, 0)) {
        return y;
    }
    const struct axis plane = plane_axis(pool);
    const struct axis time = time_axis(pool);
    for (int n = 0; n < y.n; n++) {
        frame_max(&plane, x, clip_window(&time, n, x->n), &y, n);
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

SIMD_CLONES
static void add_scaled(float *restrict y, const float *restrict x, float by, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[i] += by * x[i];
    }
}

/* How many windows of `kernel`, stride 1, hold place i of `in`. */
static int windows_over(int i, int kernel, int in)
{
    const int first = i - kernel + 1 < 0 ? 0 : i - kernel + 1;
    const int last = i > in - kernel ? in - kernel : i;
    return last - first + 1;
}

/* Each pixel counts as often as a window holds it. */
void clip_average(struct pass *pass, const char *name, const struct tensor *x, int taps, int kernel,
                  float *out)
{
    if (!pass_step(pass, name, 0)) {
        return;
    }
    const int deep = taps ? taps : x->n;
    const int high = kernel ? kernel : x->h;
    const int wide = kernel ? kernel : x->w;
    BUG_ON(deep > x->n || high > x->h || wide > x->w);
    const double windows = (double)(x->n - deep + 1) * (x->h - high + 1) * (x->w - wide + 1);
    const float share = (float)(1.0 / (windows * deep * high * wide));
    memset(out, 0, (size_t)x->c * sizeof *out);
    for (int n = 0; n < x->n; n++) {
        for (int iy = 0; iy < x->h; iy++) {
            const int lines = windows_over(n, deep, x->n) * windows_over(iy, high, x->h);
            for (int ix = 0; ix < x->w; ix++) {
                const int times = lines * windows_over(ix, wide, x->w);
                add_scaled(out, tensor_at(x, n, iy, ix), share * (float)times, (size_t)x->c);
            }
        }
    }
}
