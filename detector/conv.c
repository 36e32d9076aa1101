#include "detector/conv.h"

#include <string.h>

#include "detector/gemm.h"
#include "detector/simd.h"
#include "detector/winograd.h"

/* Floats gathered at a time: large enough that packing the weights anew for each block costs
 * little, small enough to stay near the core. */
enum { GATHER_FLOATS = 1 << 21, ROWS_MIN = 512 };

static size_t window(const struct conv *c)
{
    return (size_t)c->kernel * (size_t)c->kernel * (size_t)c->in;
}

size_t conv_prepared_floats(const struct conv *c)
{
    if (winograd_fits(c)) {
        return winograd_floats(c);
    }
    return c->kernel == 1 ? 0 : (size_t)c->out * window(c);
}

/* [out][in][area] -> [out][area][in], the order in which gather() lays a window out. */
static void rearrange(const struct conv *c, const float *weight, float *room)
{
    const size_t area = (size_t)c->kernel * (size_t)c->kernel;
    for (size_t o = 0; o < (size_t)c->out; o++) {
        for (size_t i = 0; i < (size_t)c->in; i++) {
            const float *from = weight + (o * (size_t)c->in + i) * area;
            for (size_t k = 0; k < area; k++) {
                room[(o * area + k) * (size_t)c->in + i] = from[k];
            }
        }
    }
}

void conv_prepare(struct conv *c, const float *weight, float *room)
{
    c->weight = room;
    if (winograd_fits(c)) {
        winograd_prepare(c, weight, room);
    } else if (c->kernel > 1) {
        rearrange(c, weight, room);
    } else {
        c->weight = weight;
    }
}

int conv_side(const struct conv *c, int in)
{
    return (in + 2 * c->pad - c->dilation * (c->kernel - 1) - 1) / c->stride + 1;
}

/* y[rows][n] += bias, ReLU. */
SIMD_CLONES
static void finish(float *restrict y, const float *restrict bias, size_t rows, size_t n, bool relu)
{
    const float floor = relu ? 0.0f : -__builtin_inff();
    for (size_t r = 0; r < rows; r++, y += n) {
        for (size_t i = 0; i < n; i++) {
            const float v = y[i] + bias[i];
            y[i] = v > floor ? v : floor;
        }
    }
}

/* Input pixels x from `left` on, `dilation` apart, one for each of a window's columns; zeros
 * outside the row. */
static void gather_row(const struct conv *c, const float *row, int width, int left, float *out)
{
    const size_t depth = (size_t)c->in;
    if (c->dilation == 1 && left >= 0 && left + c->kernel <= width) {
        memcpy(out, row + (size_t)left * depth, (size_t)c->kernel * depth * sizeof *out);
        return;
    }
    for (int k = 0; k < c->kernel; k++, out += depth) {
        const int x = left + k * c->dilation;
        if (x < 0 || x >= width) {
            memset(out, 0, depth * sizeof *out);
        } else {
            memcpy(out, row + (size_t)x * depth, depth * sizeof *out);
        }
    }
}

/* The windows of output pixels [from, to), counted through (n, y, x): out[to - from][k][k][in]. */
static void gather(const struct conv *c, const struct tensor *x, const struct tensor *y,
                   size_t from, size_t to, float *out)
{
    const size_t row = (size_t)c->kernel * (size_t)c->in;
    for (size_t at = from; at < to; at++) {
        const int left = (int)(at % (size_t)y->w) * c->stride - c->pad;
        const int top = (int)(at / (size_t)y->w % (size_t)y->h) * c->stride - c->pad;
        const int n = (int)(at / (size_t)y->w / (size_t)y->h);
        for (int k = 0; k < c->kernel; k++, out += row) {
            const int line = top + k * c->dilation;
            if (line < 0 || line >= x->h) {
                memset(out, 0, row * sizeof *out);
            } else {
                gather_row(c, tensor_at(x, n, line, 0), x->w, left, out);
            }
        }
    }
}

/* A 1x1 convolution of every pixel: the input is the matrix already. */
static void run_direct(const struct conv *c, const struct tensor *x, bool add,
                       const struct tensor *y)
{
    const size_t rows = tensor_pixels(y);
    gemm_transposed(rows, (size_t)c->out, (size_t)c->in, x->p, c->weight, add, y->p);
    finish(y->p, c->bias, rows, (size_t)c->out, c->relu);
}

/* Rows to gather at a time, of `most`. */
static size_t gather_rows(const struct conv *c, size_t most)
{
    size_t rows = GATHER_FLOATS / window(c);
    rows = rows < ROWS_MIN ? ROWS_MIN : rows;
    return rows < most ? rows : most;
}

static void run_gathered(const struct conv *c, const struct tensor *x, bool add,
                         const struct tensor *y, size_t block, float *gathered)
{
    const size_t rows = tensor_pixels(y);
    const size_t width = (size_t)c->out;
    for (size_t from = 0; from < rows; from += block) {
        const size_t to = from + block < rows ? from + block : rows;
        float *out = y->p + from * width;
        gather(c, x, y, from, to, gathered);
        gemm_transposed(to - from, width, window(c), gathered, c->weight, add, out);
        finish(out, c->bias, to - from, width, c->relu);
    }
}

static void run(const struct conv *c, struct pass *pass, const struct tensor *x, bool add,
                const struct tensor *y)
{
    BUG_ON(x->c != c->in || y->c != c->out);
    const bool real = pass_step(pass, c->name, tensor_pixels(y) * window(c) * (size_t)c->out);
    if (winograd_fits(c)) {
        const int images = x->n > pass->room ? x->n : pass->room;
        float *scratch = pass_floats(pass, winograd_scratch(c, x, images));
        if (real) {
            winograd_run(c, x, add, y, scratch);
        }
        pass_give(pass, scratch);
    } else if (c->kernel == 1 && c->stride == 1 && c->pad == 0) {
        if (real) {
            run_direct(c, x, add, y);
        }
    } else {
        const size_t block = gather_rows(c, pass_pixels(pass, y));
        float *gathered = pass_floats(pass, block * window(c));
        if (real) {
            run_gathered(c, x, add, y, block, gathered);
        }
        pass_give(pass, gathered);
    }
}

struct tensor conv_run(const struct conv *c, struct pass *pass, const struct tensor *x)
{
    const struct tensor y = pass_tensor(pass, x->n, conv_side(c, x->h), conv_side(c, x->w), c->out);
    run(c, pass, x, false, &y);
    return y;
}

void conv_add(const struct conv *c, struct pass *pass, const struct tensor *x,
              const struct tensor *y)
{
    run(c, pass, x, true, y);
}
