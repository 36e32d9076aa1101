#include "detector/resize.h"

#include <math.h>
#include <string.h>

#include "detector/simd.h"

enum { SIDE_LIMIT = 65500 /* px, libjpeg's own */ };

void levels_init(struct levels *levels, bool bgr, const double mean[3], const double std[3])
{
    for (int c = 0; c < 3; c++) {
        levels->from[c] = bgr ? 2 - c : c;
        for (int v = 0; v < 256; v++) {
            levels->of[c][v] = (float)((v - mean[c]) / std[c]);
        }
    }
}

void levels_apply(const struct levels *levels, const uint8_t *rgb, size_t pixels, float *out)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3, out += 3) {
        for (int c = 0; c < 3; c++) {
            out[c] = levels->of[c][rgb[levels->from[c]]];
        }
    }
}

int resize_check(uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0) {
        return err_set(E_ARG, "an image of %u x %u pixels shows nothing", width, height);
    }
    if (width > SIDE_LIMIT || height > SIDE_LIMIT) {
        return err_set(E_IMAGE_TOO_BIG, "the image has %u x %u pixels; the limit is %d a side",
                       width, height, SIDE_LIMIT);
    }
    return 0;
}

/* ---- two source pixels a side ---- */

/* Where an output pixel samples along one side: between source pixels `at` and `next`, the second
 * weighted `part`. */
struct tap {
    int at;
    int next;
    float part;
};

static struct tap opencv_tap(int o, int in, double scale)
{
    float f = (float)((o + 0.5) * (1.0 / scale) - 0.5);
    int at = (int)floorf(f);
    f -= (float)at;
    if (at < 0) {
        at = 0;
        f = 0;
    }
    if (at >= in - 1) {
        at = in - 1;
        f = 0;
    }
    return (struct tap){at, at + 1 < in ? at + 1 : at, f};
}

/* torch's UpSample.h and UpSampleKernel.cpp: the ratio in single precision, the position in double.
 */
static struct tap torch_tap(int o, int in, int out)
{
    const float ratio = (float)in / (float)out;
    const double f = (double)ratio * (o + 0.5) - 0.5;
    const double clipped = f < 0 ? 0 : f;
    int at = (int)clipped;
    at = at < in ? at : in - 1;
    return (struct tap){at, at + 1 < in ? at + 1 : at, (float)(clipped - at)};
}

/* The taps of outputs [from, from + n) of a side of `in` pixels that becomes `out`. */
static void make_taps(const struct resize *r, int in, int out, int from, int n, struct tap *tap)
{
    for (int i = 0; i < n; i++) {
        tap[i] = r->filter == RESIZE_OPENCV ? opencv_tap(from + i, in, r->scale)
                                            : torch_tap(from + i, in, out);
    }
}

/* Between a and b; the first product is not rounded, as compilers fuse torch's own expression. */
static inline float blend(float a, float b, float part)
{
    return (float)((double)a * (double)(1.0f - part) + (double)(b * part));
}

/* One source row, resized horizontally: out[width][3]. */
static void resize_row(const struct levels *levels, const uint8_t *row, const struct tap *tap,
                       int width, float *out)
{
    for (int o = 0; o < width; o++) {
        const uint8_t *a = row + 3 * (size_t)tap[o].at;
        const uint8_t *b = row + 3 * (size_t)tap[o].next;
        for (int c = 0; c < 3; c++) {
            const float l = levels->of[c][a[levels->from[c]]];
            const float r = levels->of[c][b[levels->from[c]]];
            *out++ = blend(l, r, tap[o].part);
        }
    }
}

/* Scratch of a two-tap resize: the taps, and two source rows already resized horizontally. */
struct two_taps {
    struct tap *columns; /* [width] */
    struct tap *rows;    /* [height] */
    float *line;         /* [2][width][3], a source row in the half of its parity */
    int held[2];         /* which source row each half holds */
};

static struct two_taps take_two_taps(const struct resize *r, struct pass *pass)
{
    return (struct two_taps){
        .columns = workspace_take(pass->ws, (size_t)r->width, sizeof(struct tap)),
        .rows = workspace_take(pass->ws, (size_t)r->height, sizeof(struct tap)),
        .line = pass_floats(pass, 6 * (size_t)r->width),
        .held = {-1, -1}};
}

static void give_two_taps(struct pass *pass, const struct two_taps *s)
{
    pass_give(pass, s->columns);
    pass_give(pass, s->rows);
    pass_give(pass, s->line);
}

static void aim_two_taps(const struct resize *r, const struct two_taps *s)
{
    make_taps(r, r->in_width, r->full_width, r->left, r->width, s->columns);
    make_taps(r, r->in_height, r->full_height, r->top, r->height, s->rows);
}

/* Source row y, resized horizontally; valid until another row of y's parity is asked for. */
static const float *line_of(const struct resize *r, struct two_taps *s, const struct levels *levels,
                            const uint8_t *rgb, int y)
{
    float *line = s->line + (size_t)(y & 1) * 3 * (size_t)r->width;
    if (s->held[y & 1] != y) {
        resize_row(levels, rgb + (size_t)y * 3 * (size_t)r->in_width, s->columns, r->width, line);
        s->held[y & 1] = y;
    }
    return line;
}

/* Output row o, counted from the window's top: out[width][3]. */
static void blend_row(const struct resize *r, struct two_taps *s, const struct levels *levels,
                      const uint8_t *rgb, int o, float *out)
{
    const struct tap *tap = &s->rows[o];
    const float *top = line_of(r, s, levels, rgb, tap->at);
    const float *bottom = line_of(r, s, levels, rgb, tap->next);
    for (size_t i = 0; i < 3 * (size_t)r->width; i++) {
        out[i] = blend(top[i], bottom[i], tap->part);
    }
}

void resize_levels(const struct resize *r, struct pass *pass, const struct levels *levels,
                   const uint8_t *rgb, float *out)
{
    BUG_ON(r->filter == RESIZE_PIL);
    struct two_taps s = take_two_taps(r, pass);
    if (!pass->dry) {
        aim_two_taps(r, &s);
        for (int o = 0; o < r->height; o++) {
            blend_row(r, &s, levels, rgb, o, out + (size_t)o * 3 * (size_t)r->width);
        }
    }
    give_two_taps(pass, &s);
}

/* Output row o from source rows `top` and `bottom`.  torch sums four weighted pixels in double
 * precision where a pixel's channels lie together, as a decoder leaves them, and torchvision rounds
 * half to even. */
SIMD_CLONES
static void torch_byte_row(const struct resize *r, const struct tap *columns, float part,
                           const uint8_t *top, const uint8_t *bottom, uint8_t *out)
{
    for (int o = 0; o < r->width; o++, out += 3) {
        const size_t at = 3 * (size_t)columns[o].at;
        const size_t next = 3 * (size_t)columns[o].next;
        const float right = columns[o].part;
        const double weight[4] = {(double)((1.0f - part) * (1.0f - right)),
                                  (double)((1.0f - part) * right), (double)(part * (1.0f - right)),
                                  (double)(part * right)};
        for (size_t c = 0; c < 3; c++) {
            const double sum = weight[0] * top[at + c] + weight[1] * top[next + c] +
                               weight[2] * bottom[at + c] + weight[3] * bottom[next + c];
            out[c] = (uint8_t)rintf((float)sum);
        }
    }
}

static void resize_bytes_torch(const struct resize *r, struct pass *pass, const uint8_t *rgb,
                               uint8_t *out)
{
    const size_t line = 3 * (size_t)r->in_width;
    struct tap *columns = workspace_take(pass->ws, (size_t)r->width, sizeof *columns);
    struct tap *rows = workspace_take(pass->ws, (size_t)r->height, sizeof *rows);
    if (!pass->dry) {
        make_taps(r, r->in_width, r->full_width, r->left, r->width, columns);
        make_taps(r, r->in_height, r->full_height, r->top, r->height, rows);
        for (int o = 0; o < r->height; o++) {
            torch_byte_row(r, columns, rows[o].part, rgb + (size_t)rows[o].at * line,
                           rgb + (size_t)rows[o].next * line,
                           out + (size_t)o * 3 * (size_t)r->width);
        }
    }
    pass_give(pass, columns);
    pass_give(pass, rows);
}

/* ---- a triangle of source pixels a side ---- */

enum { PIL_BITS = 22 /* of a weight's fraction: 32 less 8 of the value, less 2 for headroom */ };

/* Which source pixels the outputs of one side are made of: output i is
 * sum of weight[i * most + k] * in[from[i] + k] over k < n[i], in units of 2^-22. */
struct triangle {
    int most;
    int *from;
    int *n;
    int32_t *weight;
};

static double triangle_support(int in, int out)
{
    return in > out ? (double)in / out : 1.0; /* source pixels; growing, it is plain bilinear */
}

static struct triangle take_triangle(struct pass *pass, int in, int out, int outputs)
{
    struct triangle t = {.most = 2 * (int)ceil(triangle_support(in, out)) + 1};
    t.from = workspace_take(pass->ws, (size_t)outputs, sizeof *t.from);
    t.n = workspace_take(pass->ws, (size_t)outputs, sizeof *t.n);
    t.weight = workspace_take(pass->ws, (size_t)outputs * (size_t)t.most, sizeof *t.weight);
    return t;
}

static void give_triangle(struct pass *pass, const struct triangle *t)
{
    pass_give(pass, t->from);
    pass_give(pass, t->n);
    pass_give(pass, t->weight);
}

static double triangle_at(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Output o of the whole side, stored as the i-th. */
static void aim_triangle(const struct triangle *t, int in, int out, int o, int i)
{
    const double support = triangle_support(in, out);
    const double centre = (o + 0.5) * ((double)in / out);
    const int from = (int)(centre - support + 0.5);
    const int to = (int)(centre + support + 0.5);
    t->from[i] = from < 0 ? 0 : from;
    t->n[i] = (to > in ? in : to) - t->from[i];
    double sum = 0;
    for (int k = 0; k < t->n[i]; k++) {
        sum += triangle_at((k + t->from[i] - centre + 0.5) * (1.0 / support));
    }
    for (int k = 0; k < t->n[i]; k++) {
        const double w = triangle_at((k + t->from[i] - centre + 0.5) * (1.0 / support)) / sum;
        t->weight[(size_t)i * (size_t)t->most + (size_t)k] = (int32_t)(0.5 + w * (1 << PIL_BITS));
    }
}

static void aim_triangles(const struct triangle *t, int in, int out, int from, int outputs)
{
    for (int i = 0; i < outputs; i++) {
        aim_triangle(t, in, out, from + i, i);
    }
}

static uint8_t from_fixed(int32_t sum)
{
    sum = (sum + (1 << (PIL_BITS - 1))) >> PIL_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* One source row, resized horizontally: out[width][3]. */
static void triangle_row(const struct triangle *t, const uint8_t *row, int width, uint8_t *out)
{
    for (int i = 0; i < width; i++, out += 3) {
        const int32_t *weight = t->weight + (size_t)i * (size_t)t->most;
        const uint8_t *from = row + 3 * (size_t)t->from[i];
        int32_t sum[3] = {0, 0, 0};
        for (int k = 0; k < t->n[i]; k++, from += 3) {
            for (int c = 0; c < 3; c++) {
                sum[c] += weight[k] * from[c];
            }
        }
        for (int c = 0; c < 3; c++) {
            out[c] = from_fixed(sum[c]);
        }
    }
}

/* Output row i of rows already resized horizontally, bytes [n]; sum[n] is scratch. */
SIMD_CLONES
static void triangle_column(const struct triangle *t, const uint8_t *lines, int first, size_t n,
                            int i, int32_t *sum, uint8_t *out)
{
    const int32_t *weight = t->weight + (size_t)i * (size_t)t->most;
    memset(sum, 0, n * sizeof *sum);
    for (int k = 0; k < t->n[i]; k++) {
        const uint8_t *line = lines + (size_t)(t->from[i] + k - first) * n;
        for (size_t j = 0; j < n; j++) {
            sum[j] += weight[k] * line[j];
        }
    }
    for (size_t j = 0; j < n; j++) {
        out[j] = from_fixed(sum[j]);
    }
}

/* The horizontal pass makes all source rows, of which the vertical one needs those of its window.
 */
static void resize_bytes_pil(const struct resize *r, struct pass *pass, const uint8_t *rgb,
                             uint8_t *out)
{
    const size_t n = 3 * (size_t)r->width;
    const struct triangle across = take_triangle(pass, r->in_width, r->full_width, r->width);
    const struct triangle down = take_triangle(pass, r->in_height, r->full_height, r->height);
    uint8_t *lines = workspace_take(pass->ws, (size_t)r->in_height, n);
    int32_t *sum = workspace_take(pass->ws, n, sizeof *sum);
    if (!pass->dry) {
        aim_triangles(&across, r->in_width, r->full_width, r->left, r->width);
        aim_triangles(&down, r->in_height, r->full_height, r->top, r->height);
        const int first = down.from[0];
        const int last = down.from[r->height - 1] + down.n[r->height - 1];
        for (int y = first; y < last; y++) {
            triangle_row(&across, rgb + (size_t)y * 3 * (size_t)r->in_width, r->width,
                         lines + (size_t)(y - first) * n);
        }
        for (int i = 0; i < r->height; i++) {
            triangle_column(&down, lines, first, n, i, sum, out + (size_t)i * n);
        }
    }
    pass_give(pass, sum);
    pass_give(pass, lines);
    give_triangle(pass, &down);
    give_triangle(pass, &across);
}

void resize_bytes(const struct resize *r, struct pass *pass, const uint8_t *rgb, uint8_t *out)
{
    BUG_ON(r->filter == RESIZE_OPENCV);
    if (r->filter == RESIZE_PIL) {
        resize_bytes_pil(r, pass, rgb, out);
    } else {
        resize_bytes_torch(r, pass, rgb, out);
    }
}
