#include "detector/conv.h"

#include <string.h>

#include "detector/conv_layout.h"
#include "detector/gemm.h"
#include "detector/winograd.h"

enum {
    /* Rows at a time: a matrix product's sums, or what was gathered for it, stay in the cache. */
    TAP_ROWS = 224,
    GATHER_FLOATS = 1 << 17,
    GATHER_ROWS_MIN = 112
};

/* ---- which method, and its weights ---- */

/* Every output pixel sees one input pixel a tap: the input is the matrix already. */
static bool is_pointwise(const struct conv *c)
{
    return c->kernel == 1 && c->stride == 1 && c->pad == 0 && conv_taps_centred(c);
}

static size_t window(const struct conv *c)
{
    return conv_area(c) * (size_t)conv_bundles(c).in;
}

/* Floats of one matrix: a bundle's, of one tap where it is pointwise, else of the whole window. */
static size_t matrix_floats(const struct conv *c)
{
    const struct bundles k = conv_bundles(c);
    return gemm_packed_floats((size_t)k.out, is_pointwise(c) ? (size_t)k.in : window(c));
}

static size_t matrices(const struct conv *c)
{
    return (size_t)conv_bundles(c).count * (is_pointwise(c) ? (size_t)conv_taps(c) : 1);
}

size_t conv_prepared_floats(const struct conv *c)
{
    return winograd_fits(c) ? winograd_floats(c) : matrices(c) * matrix_floats(c);
}

/* One bundle's weights: a matrix [out][in] a tap where it is pointwise; else one [out][area * in],
 * in the order in which gather() lays a window out. */
static void pack(const struct conv *c, const float *weight, int b, float *room)
{
    const struct bundles k = conv_bundles(c);
    const size_t in = (size_t)k.in;
    const size_t out = (size_t)k.out;
    const bool pointwise = is_pointwise(c);
    for (size_t o = 0; o < out; o++) {
        for (size_t i = 0; i < in; i++) {
            const float *filter = conv_filter(c, &k, weight, b, (int)o, (int)i);
            for (size_t at = 0; at < conv_area(c) && filter; at++) {
                const size_t to = pointwise ? at * matrix_floats(c) + gemm_packed_at(out, in, o, i)
                                            : gemm_packed_at(out, window(c), o, at * in + i);
                room[to] = filter[at];
            }
        }
    }
}

void conv_prepare(struct conv *c, const float *weight, float *room)
{
    c->weight = room;
    memset(room, 0, conv_prepared_floats(c) * sizeof *room);
    if (winograd_fits(c)) {
        winograd_prepare(c, weight, room);
        return;
    }
    const size_t bundle = matrices(c) / (size_t)conv_bundles(c).count * matrix_floats(c);
    for (int b = 0; b < conv_bundles(c).count; b++) {
        pack(c, weight, b, room + (size_t)b * bundle);
    }
}

/* ---- running ---- */

/* Where a convolution's sums go: channels [at, at + c->out) of y. */
struct target {
    const struct tensor *y;
    int at;
    bool add;
};

static float *target_row(const struct target *to, size_t pixel)
{
    return to->y->p + pixel * (size_t)to->y->c + (size_t)to->at;
}

/* The part of `finish` that bundle b's channels get, at the first or a later and perhaps the last
 * of the products that they are the sum of. */
static struct gemm_finish finish_of(const struct conv *c, const struct target *to, size_t b,
                                    bool first, bool last)
{
    return (struct gemm_finish){.add = to->add || !first,
                                .bias = last ? c->bias + b * (size_t)conv_bundles(c).out : NULL,
                                .relu = last && c->relu};
}

/* Pixels [from, from + count) of one output frame, tap by tap, of bundle b; `plane` pixels a
 * frame. */
static void sum_taps(const struct conv *c, const struct tensor *x, const struct target *to,
                     size_t b, int frame, size_t from, size_t count, size_t plane)
{
    const struct bundles k = conv_bundles(c);
    const size_t out = (size_t)k.out;
    float *y = target_row(to, (size_t)frame * plane + from) + b * out;
    const int taps = conv_taps(c);
    int seen = 0; /* by this frame, of all taps */
    for (int i = 0; i < taps; i++) {
        const struct tap tap = conv_tap(c, i, x->n, to->y->n);
        seen += frame >= tap.from && frame < tap.to;
    }
    for (int i = 0, done = 0; done < seen; i++) {
        const struct tap tap = conv_tap(c, i, x->n, to->y->n);
        if (frame < tap.from || frame >= tap.to) {
            continue;
        }
        const size_t row = (size_t)(frame * tap.stride + tap.offset) * plane + from;
        const size_t matrix = b * (size_t)taps + (size_t)tap.index;
        const struct gemm_finish finish = finish_of(c, to, b, done == 0, done + 1 == seen);
        gemm(count, out, (size_t)k.in, x->p + row * (size_t)x->c + b * (size_t)k.in, (size_t)x->c,
             c->weight + matrix * matrix_floats(c), &finish, y, (size_t)to->y->c);
        done++;
    }
}

static void run_pointwise(const struct conv *c, const struct tensor *x, const struct target *to)
{
    const bool clip = conv_taps(c) > 1 || c->tap_stride > 1; /* else images apart: one plane */
    const int frames = clip ? to->y->n : 1;
    const size_t plane = tensor_pixels(to->y) / (size_t)frames;
    const size_t rows = clip && plane > TAP_ROWS ? TAP_ROWS : plane;
    for (size_t from = 0; from < plane; from += rows) {
        const size_t count = plane - from < rows ? plane - from : rows;
        for (int t = 0; t < frames; t++) {
            for (int b = 0; b < conv_bundles(c).count; b++) {
                sum_taps(c, x, to, (size_t)b, t, from, count, plane);
            }
        }
    }
}

/* The channels of the input that a bundle reads. */
struct slice {
    const struct tensor *x;
    size_t at;
    size_t depth;
};

/* Pixels of a row from `left` on, `dilation` apart, one for each of a window's columns; zeros
 * outside the row. */
static void gather_row(const struct conv *c, const struct slice *s, const float *row, int left,
                       float *out)
{
    const size_t step = (size_t)s->x->c;
    if (c->dilation == 1 && s->depth == step && left >= 0 && left + c->kernel <= s->x->w) {
        memcpy(out, row + (size_t)left * step, (size_t)c->kernel * step * sizeof *out);
        return;
    }
    for (int k = 0; k < c->kernel; k++, out += s->depth) {
        const int column = left + k * c->dilation;
        if (column < 0 || column >= s->x->w) {
            memset(out, 0, s->depth * sizeof *out);
        } else {
            memcpy(out, row + (size_t)column * step, s->depth * sizeof *out);
        }
    }
}

/* One frame's part of a window: [k][k][depth]. */
static void gather_frame(const struct conv *c, const struct slice *s, int frame, int top, int left,
                         float *out)
{
    const size_t row = (size_t)c->kernel * s->depth;
    for (int k = 0; k < c->kernel; k++, out += row) {
        const int line = top + k * c->dilation;
        if (frame < 0 || frame >= s->x->n || line < 0 || line >= s->x->h) {
            memset(out, 0, row * sizeof *out);
        } else {
            gather_row(c, s, tensor_at(s->x, frame, line, 0) + s->at, left, out);
        }
    }
}

/* The windows of output pixels [from, to), counted through (n, y, x):
 * out[to - from][taps][k][k][depth]. */
static void gather(const struct conv *c, const struct slice *s, const struct tensor *y, size_t from,
                   size_t to, float *out)
{
    const size_t size = (size_t)c->kernel * (size_t)c->kernel * s->depth;
    const int stride = c->tap_stride > 1 ? c->tap_stride : 1;
    for (size_t at = from; at < to; at++) {
        const int left = (int)(at % (size_t)y->w) * c->stride - c->pad;
        const int top = (int)(at / (size_t)y->w % (size_t)y->h) * c->stride - c->pad;
        const int first = (int)(at / (size_t)y->w / (size_t)y->h) * stride - c->tap_pad;
        for (int t = 0; t < conv_taps(c); t++, out += size) {
            gather_frame(c, s, first + t, top, left, out);
        }
    }
}

/* Rows to gather at a time, of `most`. */
static size_t gather_rows(const struct conv *c, size_t most)
{
    size_t rows = GATHER_FLOATS / window(c);
    rows = rows < GATHER_ROWS_MIN ? GATHER_ROWS_MIN : rows;
    return rows < most ? rows : most;
}

static void run_gathered(const struct conv *c, const struct tensor *x, const struct target *to,
                         size_t block, float *gathered)
{
    const struct bundles k = conv_bundles(c);
    const size_t rows = tensor_pixels(to->y);
    const size_t out = (size_t)k.out;
    for (size_t from = 0; from < rows; from += block) {
        const size_t count = rows - from < block ? rows - from : block;
        for (size_t b = 0; b < (size_t)k.count; b++) {
            const struct slice s = {x, b * (size_t)k.in, (size_t)k.in};
            const struct gemm_finish finish = finish_of(c, to, b, true, true);
            gather(c, &s, to->y, from, from + count, gathered);
            gemm(count, out, window(c), gathered, window(c), c->weight + b * matrix_floats(c),
                 &finish, target_row(to, from) + b * out, (size_t)to->y->c);
        }
    }
}

static void run(const struct conv *c, struct pass *pass, const struct tensor *x,
                const struct target *to)
{
    BUG_ON(x->c != c->in || to->at + c->out > to->y->c);
    const uint64_t macs =
        tensor_pixels(to->y) * conv_area(c) * (size_t)(c->in / conv_groups(c)) * (size_t)c->out;
    const bool real = pass_step(pass, c->name, macs);
    if (winograd_fits(c)) {
        const int images = x->n > pass->room ? x->n : pass->room;
        float *scratch = pass_floats(pass, winograd_scratch(c, x, images));
        if (real) {
            winograd_run(c, x, to->add, to->y, to->at, scratch);
        }
        pass_give(pass, scratch);
    } else if (is_pointwise(c)) {
        if (real) {
            run_pointwise(c, x, to);
        }
    } else {
        const size_t block = gather_rows(c, pass_pixels(pass, to->y));
        float *gathered = pass_floats(pass, block * window(c));
        if (real) {
            run_gathered(c, x, to, block, gathered);
        }
        pass_give(pass, gathered);
    }
}

struct tensor conv_run(const struct conv *c, struct pass *pass, const struct tensor *x)
{
    const struct tensor y =
        pass_tensor(pass, conv_frames(c, x->n), conv_side(c, x->h), conv_side(c, x->w), c->out);
    run(c, pass, x, &(struct target){.y = &y});
    return y;
}

void conv_run_into(const struct conv *c, struct pass *pass, const struct tensor *x,
                   const struct tensor *y, int at)
{
    run(c, pass, x, &(struct target){.y = y, .at = at});
}

void conv_add(const struct conv *c, struct pass *pass, const struct tensor *x,
              const struct tensor *y)
{
    run(c, pass, x, &(struct target){.y = y, .add = true});
}
