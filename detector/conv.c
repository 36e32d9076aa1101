#include "detector/conv.h"

#include <string.h>

#include "detector/conv_internal.h"
#include "detector/gemm.h"
#include "detector/simd.h"
#include "detector/winograd.h"

enum {
    /* Floats gathered at a time: large enough that packing the weights anew for each block costs
     * little, small enough to stay near the core. */
    GATHER_FLOATS = 1 << 21,
    ROWS_MIN = 512,
    BUNDLE_MIN = 32 /* channels that keep a matrix product's vectors filled */
};

/* ---- groups, bundles, taps ---- */

static int groups(const struct conv *c)
{
    return c->groups > 1 ? c->groups : 1;
}

struct bundles conv_bundles(const struct conv *c)
{
    const int all = groups(c);
    const int in = c->in / all;
    const int out = c->out / all;
    int together = 1; /* groups in a bundle */
    while (together < all && all % (2 * together) == 0 &&
           (in * together < BUNDLE_MIN || out * together < BUNDLE_MIN)) {
        together *= 2;
    }
    return (struct bundles){all / together, in * together, out * together};
}

size_t conv_area(const struct conv *c)
{
    return (size_t)conv_taps(c) * (size_t)c->kernel * (size_t)c->kernel;
}

const float *conv_filter(const struct conv *c, const struct bundles *k, const float *weight, int b,
                         int o, int i)
{
    const int in = c->in / groups(c);
    const int out = c->out / groups(c);
    if (o / out != i / in) {
        return NULL;
    }
    const size_t row = (size_t)b * (size_t)k->out + (size_t)o;
    return weight + (row * (size_t)in + (size_t)(i % in)) * conv_area(c);
}

struct tap conv_tap(const struct conv *c, int i, int frames_in, int frames_out)
{
    const int stride = c->tap_stride > 1 ? c->tap_stride : 1;
    const int index = i == 0 ? c->tap_pad : i <= c->tap_pad ? i - 1 : i;
    struct tap tap = {.index = index, .stride = stride, .offset = index - c->tap_pad};
    tap.to = frames_out;
    while (tap.from * stride + tap.offset < 0) {
        tap.from++;
    }
    while (tap.to > tap.from && (tap.to - 1) * stride + tap.offset >= frames_in) {
        tap.to--;
    }
    return tap;
}

/* ---- which method, and its weights ---- */

/* Every output pixel sees one input pixel a tap: the input is the matrix already. */
static bool is_pointwise(const struct conv *c)
{
    return c->kernel == 1 && c->stride == 1 && c->pad == 0 && conv_taps_centred(c);
}

/* The file's layout is the one that the matrix product reads. */
static bool is_as_filed(const struct conv *c)
{
    return c->kernel == 1 && conv_taps(c) == 1 && conv_bundles(c).count == groups(c);
}

static size_t window(const struct conv *c)
{
    return conv_area(c) * (size_t)conv_bundles(c).in;
}

size_t conv_prepared_floats(const struct conv *c)
{
    if (winograd_fits(c)) {
        return winograd_floats(c);
    }
    return is_as_filed(c) ? 0 : (size_t)c->out * window(c);
}

/* One bundle's weights: where it is pointwise [tap][out][in], a matrix a tap; else
 * [out][area][in], the order in which gather() lays a window out. */
static void rearrange(const struct conv *c, const float *weight, int b, float *room)
{
    const struct bundles k = conv_bundles(c);
    const size_t area = conv_area(c);
    const bool pointwise = is_pointwise(c);
    for (int o = 0; o < k.out; o++) {
        for (int i = 0; i < k.in; i++) {
            const float *filter = conv_filter(c, &k, weight, b, o, i);
            for (size_t at = 0; at < area; at++) {
                const size_t row =
                    pointwise ? at * (size_t)k.out + (size_t)o : (size_t)o * area + at;
                room[row * (size_t)k.in + (size_t)i] = filter ? filter[at] : 0;
            }
        }
    }
}

void conv_prepare(struct conv *c, const float *weight, float *room)
{
    c->weight = room;
    if (winograd_fits(c)) {
        winograd_prepare(c, weight, room);
    } else if (is_as_filed(c)) {
        c->weight = weight;
    } else {
        for (int b = 0; b < conv_bundles(c).count; b++) {
            rearrange(c, weight, b, room + (size_t)b * (size_t)conv_bundles(c).out * window(c));
        }
    }
}

int conv_side(const struct conv *c, int in)
{
    return (in + 2 * c->pad - c->dilation * (c->kernel - 1) - 1) / c->stride + 1;
}

int conv_frames(const struct conv *c, int in)
{
    const int stride = c->tap_stride > 1 ? c->tap_stride : 1;
    return (in + 2 * c->tap_pad - conv_taps(c)) / stride + 1;
}

/* ---- running ---- */

/* y[rows][n] += bias, ReLU. */
SIMD_CLONES
static void finish(float *restrict y, size_t ldy, const float *restrict bias, size_t rows, size_t n,
                   bool relu)
{
    const float floor = relu ? 0.0f : -__builtin_inff();
    for (size_t r = 0; r < rows; r++, y += ldy) {
        for (size_t i = 0; i < n; i++) {
            const float v = y[i] + bias[i];
            y[i] = v > floor ? v : floor;
        }
    }
}

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

/* y += x . w of one bundle and one tap, frame by frame where frames are skipped. */
static void add_tap(const struct conv *c, const struct tensor *x, const struct target *to, int b,
                    const struct tap *tap, bool add)
{
    const struct bundles k = conv_bundles(c);
    const size_t in = (size_t)k.in;
    const size_t out = (size_t)k.out;
    const size_t pixels = (size_t)x->h * (size_t)x->w;
    const size_t matrix = (size_t)b * (size_t)conv_taps(c) + (size_t)tap->index;
    const int together = tap->stride == 1 ? tap->to - tap->from : 1;
    for (int t = tap->from; t < tap->to; t += together) {
        const float *from = tensor_at(x, t * tap->stride + tap->offset, 0, 0);
        gemm_transposed((size_t)together * pixels, out, in, from + (size_t)b * in, (size_t)x->c,
                        c->weight + matrix * out * in, add,
                        target_row(to, (size_t)t * pixels) + (size_t)b * out, (size_t)to->y->c);
    }
}

static void run_pointwise(const struct conv *c, const struct tensor *x, const struct target *to)
{
    for (int b = 0; b < conv_bundles(c).count; b++) {
        for (int i = 0; i < conv_taps(c); i++) {
            const struct tap tap = conv_tap(c, i, x->n, to->y->n);
            add_tap(c, x, to, b, &tap, to->add || i > 0);
        }
    }
    finish(target_row(to, 0), (size_t)to->y->c, c->bias, tensor_pixels(to->y), (size_t)c->out,
           c->relu);
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
    rows = rows < ROWS_MIN ? ROWS_MIN : rows;
    return rows < most ? rows : most;
}

static void run_gathered(const struct conv *c, const struct tensor *x, const struct target *to,
                         size_t block, float *gathered)
{
    const struct bundles k = conv_bundles(c);
    const size_t rows = tensor_pixels(to->y);
    const size_t out = (size_t)k.out;
    const size_t size = window(c);
    for (size_t from = 0; from < rows; from += block) {
        const size_t count = rows - from < block ? rows - from : block;
        float *y = target_row(to, from);
        for (int b = 0; b < k.count; b++) {
            const struct slice s = {x, (size_t)(b * k.in), (size_t)k.in};
            gather(c, &s, to->y, from, from + count, gathered);
            gemm_transposed(count, out, size, gathered, size, c->weight + (size_t)b * out * size,
                            to->add, y + (size_t)b * out, (size_t)to->y->c);
        }
        finish(y, (size_t)to->y->c, c->bias, count, (size_t)c->out, c->relu);
    }
}

static void run(const struct conv *c, struct pass *pass, const struct tensor *x,
                const struct target *to)
{
    BUG_ON(x->c != c->in || to->at + c->out > to->y->c);
    const uint64_t macs =
        tensor_pixels(to->y) * conv_area(c) * (size_t)(c->in / groups(c)) * (size_t)c->out;
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
