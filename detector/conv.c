#include "detector/conv.h"

#include <string.h>

#include "detector/gemm.h"
#include "detector/simd.h"
#include "detector/winograd.h"

/* Floats gathered at a time: large enough that repacking the weights for each block costs little,
 * small enough to stay near the core. */
enum { GATHER_FLOATS = 1 << 21, FINISH_FLOATS = 1 << 18, ROWS_MIN = 256 };

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

/* y[rows][n] += bias, + residual, ReLU. */
SIMD_CLONES
static void finish(float *restrict y, const float *restrict bias, const float *restrict residual,
                   size_t rows, size_t n, bool relu)
{
    const float floor = relu ? 0.0f : -__builtin_inff();
    for (size_t r = 0; r < rows; r++, y += n) {
        if (residual) {
            for (size_t i = 0; i < n; i++) {
                const float v = y[i] + bias[i] + residual[i];
                y[i] = v > floor ? v : floor;
            }
            residual += n;
        } else {
            for (size_t i = 0; i < n; i++) {
                const float v = y[i] + bias[i];
                y[i] = v > floor ? v : floor;
            }
        }
    }
}

/* One row of windows: output pixels [from, to) of the flattened (n, y, x). */
static void gather(const struct conv *c, const struct tensor *x, const struct tensor *y,
                   size_t from, size_t to, float *out)
{
    const size_t depth = (size_t)c->in;
    for (size_t at = from; at < to; at++) {
        const int ox = (int)(at % (size_t)y->w);
        const int oy = (int)(at / (size_t)y->w % (size_t)y->h);
        const int n = (int)(at / (size_t)y->w / (size_t)y->h);
        for (int ky = 0; ky < c->kernel; ky++) {
            const int iy = oy * c->stride - c->pad + ky * c->dilation;
            for (int kx = 0; kx < c->kernel; kx++, out += depth) {
                const int ix = ox * c->stride - c->pad + kx * c->dilation;
                if (iy < 0 || iy >= x->h || ix < 0 || ix >= x->w) {
                    memset(out, 0, depth * sizeof *out);
                } else {
                    memcpy(out, tensor_at(x, n, iy, ix), depth * sizeof *out);
                }
            }
        }
    }
}

static size_t rows_at_a_time(size_t floats, size_t row)
{
    const size_t rows = floats / row;
    return rows < ROWS_MIN ? ROWS_MIN : rows;
}

/* By matrix products over blocks of output pixels, whose windows are gathered unless they are the
 * input's own pixels. */
static void run_blocks(const struct conv *c, struct pass *pass, const struct tensor *x,
                       const float *residual, const struct tensor *y)
{
    const size_t rows = tensor_pixels(y);
    const size_t most = pass_pixels(pass, y);
    const size_t depth = window(c);
    const size_t width = (size_t)c->out;
    const bool direct = c->kernel == 1 && c->stride == 1 && c->pad == 0;
    size_t block = rows_at_a_time(direct ? FINISH_FLOATS : GATHER_FLOATS, direct ? width : depth);
    block = block > most ? most : block;
    float *gathered = direct ? NULL : pass_floats(pass, block * depth);
    for (size_t from = 0; from < rows && !pass->dry; from += block) {
        const size_t to = from + block < rows ? from + block : rows;
        const float *a = gathered;
        if (direct) {
            a = x->p + from * depth;
        } else {
            gather(c, x, y, from, to, gathered);
        }
        float *out = y->p + from * width;
        gemm_transposed(to - from, width, depth, a, c->weight, out);
        finish(out, c->bias, residual ? residual + from * width : NULL, to - from, width, c->relu);
    }
    if (gathered) {
        pass_give(pass, gathered);
    }
}

static void run_winograd(const struct conv *c, struct pass *pass, const struct tensor *x,
                         const float *residual, const struct tensor *y)
{
    const int images = x->n > pass->room ? x->n : pass->room;
    float *scratch = pass_floats(pass, winograd_scratch(c, x, images));
    if (!pass->dry) {
        winograd_run(c, x, residual, y, scratch);
    }
    pass_give(pass, scratch);
}

struct tensor conv_run(const struct conv *c, struct pass *pass, const struct tensor *x,
                       const float *residual)
{
    BUG_ON(x->c != c->in);
    struct tensor y = pass_tensor(pass, x->n, conv_side(c, x->h), conv_side(c, x->w), c->out);
    pass_step(pass, c->name, tensor_pixels(&y) * window(c) * (size_t)c->out);
    if (winograd_fits(c)) {
        run_winograd(c, pass, x, residual, &y);
    } else {
        run_blocks(c, pass, x, residual, &y);
    }
    return y;
}
