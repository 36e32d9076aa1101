#include "detector/winograd.h"

#include "detector/gemm.h"
#include "detector/simd.h"

enum {
    OUT = 4,                /* a tile's outputs along a side */
    TILE = OUT + 2,         /* its inputs */
    POINTS = TILE * TILE,   /* products */
    LANES = 16,             /* channels at a time */
    BLOCK_FLOATS = 12 << 20 /* transformed inputs and outputs in work at a time */
};

/* 16 channels. Compiled to as many registers as the machine's vectors take. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

typedef int bits __attribute__((vector_size(LANES * sizeof(int))));

#define INLINE static inline __attribute__((always_inline))

bool winograd_fits(const struct conv *c)
{
    return c->kernel == 3 && c->stride == 1 && c->pad == c->dilation && c->in % LANES == 0 &&
           c->out % LANES == 0;
}

size_t winograd_floats(const struct conv *c)
{
    return POINTS * (size_t)c->out * (size_t)c->in;
}

/* G g: a filter of 3 taps at the 6 points 0, 1, -1, 2, -2, infinity; in double, since it is done
 * once. */
static void filter_points(const double g[3], double u[TILE])
{
    u[0] = g[0] / 4;
    u[1] = -(g[0] + g[1] + g[2]) / 6;
    u[2] = -(g[0] - g[1] + g[2]) / 6;
    u[3] = (g[0] + 2 * g[1] + 4 * g[2]) / 24;
    u[4] = (g[0] - 2 * g[1] + 4 * g[2]) / 24;
    u[5] = g[2];
}

/* G w G^T */
static void filter_transform(const float w[9], double u[TILE][TILE])
{
    double rows[3][TILE];
    for (int r = 0; r < 3; r++) {
        const double g[3] = {(double)w[3 * r], (double)w[3 * r + 1], (double)w[3 * r + 2]};
        filter_points(g, rows[r]);
    }
    for (int x = 0; x < TILE; x++) {
        const double g[3] = {rows[0][x], rows[1][x], rows[2][x]};
        double column[TILE];
        filter_points(g, column);
        for (int y = 0; y < TILE; y++) {
            u[y][x] = column[y];
        }
    }
}

void winograd_prepare(const struct conv *c, const float *weight, float *prepared)
{
    const size_t filters = (size_t)c->out * (size_t)c->in;
    for (size_t f = 0; f < filters; f++) {
        double u[TILE][TILE];
        filter_transform(weight + 9 * f, u);
        for (size_t p = 0; p < POINTS; p++) {
            prepared[p * filters + f] = (float)u[p / TILE][p % TILE];
        }
    }
}

/* ---- where tiles are ---- */

struct tiles {
    int dilation;
    int down; /* tiles a phase image */
    int across;
    int per_image;
};

static struct tiles tiles_of(const struct conv *c, int h, int w)
{
    const int d = c->dilation;
    struct tiles t = {.dilation = d};
    t.down = ((h + d - 1) / d + OUT - 1) / OUT;
    t.across = ((w + d - 1) / d + OUT - 1) / OUT;
    t.per_image = d * d * t.down * t.across;
    return t;
}

/* Top left output pixel of a tile, and its image; pixels of a tile are `dilation` apart. */
struct place {
    int n;
    int y;
    int x;
};

static struct place place_of(const struct tiles *t, size_t tile)
{
    const int at = (int)(tile % (size_t)t->per_image);
    const int grid = t->down * t->across;
    const int phase = at / grid;
    return (struct place){
        .n = (int)(tile / (size_t)t->per_image),
        .y = phase / t->dilation + t->dilation * OUT * (at % grid / t->across),
        .x = phase % t->dilation + t->dilation * OUT * (at % grid % t->across),
    };
}

/* ---- transforms ---- */

INLINE void input_points(const lanes *d, int step, lanes *o, int out_step)
{
    const lanes even = d[4 * step] - 4.0f * d[2 * step];
    const lanes odd = d[3 * step] - 4.0f * d[step];
    const lanes even2 = d[4 * step] - d[2 * step];
    const lanes odd2 = 2.0f * (d[3 * step] - d[step]);
    o[0] = 4.0f * d[0] - 5.0f * d[2 * step] + d[4 * step];
    o[out_step] = even + odd;
    o[2 * out_step] = even - odd;
    o[3 * out_step] = even2 + odd2;
    o[4 * out_step] = even2 - odd2;
    o[5 * out_step] = 4.0f * d[step] - 5.0f * d[3 * step] + d[5 * step];
}

INLINE void output_points(const lanes *m, int step, lanes *o)
{
    const lanes p = m[step] + m[2 * step];
    const lanes q = m[step] - m[2 * step];
    const lanes r = m[3 * step] + m[4 * step];
    const lanes s = m[3 * step] - m[4 * step];
    o[0] = m[0] + p + r;
    o[1] = q + 2.0f * s;
    o[2] = p + 4.0f * r;
    o[3] = q + 8.0f * s + m[5 * step];
}

/* B^T d B of one tile: pixel[36] point at its input pixels, NULL outside the image; v is the tile's
 * row in the first of 36 matrices that are `plane` floats apart. */
SIMD_CLONES
static void transform_input(const float *const pixel[POINTS], size_t channels, float *v,
                            size_t plane)
{
    for (size_t c = 0; c < channels; c += LANES) {
        lanes d[POINTS];
        lanes rows[POINTS];
        lanes o[POINTS];
        for (int i = 0; i < POINTS; i++) {
            d[i] = pixel[i] ? *(const lanes *)(pixel[i] + c) : (lanes){0};
        }
        for (int i = 0; i < TILE; i++) {
            input_points(d + i * TILE, 1, rows + i * TILE, 1);
        }
        for (int i = 0; i < TILE; i++) {
            input_points(rows + i, TILE, o + i, TILE);
        }
        for (size_t i = 0; i < POINTS; i++) {
            *(lanes *)(v + i * plane + c) = o[i];
        }
    }
}

struct finish {
    const float *bias;
    bool relu;
    bool add; /* to what the output holds already */
};

/* A^T m A of one tile, plus bias and perhaps the output itself, ReLU; outputs that are NULL lie
 * outside the image. */
SIMD_CLONES
static void transform_output(const float *m, size_t plane, size_t channels,
                             const struct finish *finish, float *const pixel[OUT * OUT])
{
    for (size_t c = 0; c < channels; c += LANES) {
        lanes in[POINTS];
        lanes rows[TILE * OUT];
        const lanes bias = *(const lanes *)(finish->bias + c);
        const bits pass = (bits){0} - !finish->relu; /* all ones: negative values stay */
        for (size_t i = 0; i < POINTS; i++) {
            in[i] = *(const lanes *)(m + i * plane + c);
        }
        for (int i = 0; i < TILE; i++) {
            output_points(in + i * TILE, 1, rows + i * OUT);
        }
        for (int x = 0; x < OUT; x++) {
            lanes o[OUT];
            output_points(rows + x, OUT, o);
            for (int y = 0; y < OUT; y++) {
                const int at = y * OUT + x;
                if (pixel[at]) {
                    lanes v = o[y] + bias;
                    if (finish->add) {
                        v += *(const lanes *)(pixel[at] + c);
                    }
                    *(lanes *)(pixel[at] + c) = (lanes)((bits)v & ((v > 0.0f) | pass));
                }
            }
        }
    }
}

static void input_pixels(const struct tensor *x, const struct place *p, int dilation,
                         const float *pixel[POINTS])
{
    for (int i = 0; i < POINTS; i++) {
        const int y = p->y + dilation * (i / TILE - 1);
        const int z = p->x + dilation * (i % TILE - 1);
        pixel[i] = y < 0 || z < 0 || y >= x->h || z >= x->w ? NULL : tensor_at(x, p->n, y, z);
    }
}

static void output_pixels(const struct tensor *y, const struct place *p, int dilation,
                          float *pixel[OUT * OUT])
{
    for (int i = 0; i < OUT * OUT; i++) {
        const int row = p->y + dilation * (i / OUT);
        const int column = p->x + dilation * (i % OUT);
        pixel[i] = row < y->h && column < y->w ? tensor_at(y, p->n, row, column) : NULL;
    }
}

/* ---- the convolution ---- */

/* Tiles in work at a time, of `total`: as many as BLOCK_FLOATS hold, in blocks of even size. */
static size_t block_tiles(const struct conv *c, size_t total)
{
    const size_t most = BLOCK_FLOATS / (POINTS * (size_t)(c->in + c->out));
    const size_t blocks = total ? (total + most - 1) / most : 1;
    return (total + blocks - 1) / blocks;
}

size_t winograd_scratch(const struct conv *c, const struct tensor *x, int images)
{
    const struct tiles t = tiles_of(c, x->h, x->w);
    const size_t total = (size_t)images * (size_t)t.per_image;
    const size_t most = BLOCK_FLOATS / (POINTS * (size_t)(c->in + c->out));
    return POINTS * (size_t)(c->in + c->out) * (total < most ? total : most);
}

static void run_block(const struct conv *c, const struct tensor *x, bool add,
                      const struct tensor *y, const struct tiles *t, size_t from, size_t count,
                      float *scratch)
{
    const size_t in = (size_t)c->in;
    const size_t out = (size_t)c->out;
    const struct finish finish = {c->bias, c->relu, add};
    float *v = scratch;
    float *m = scratch + POINTS * count * in;
    for (size_t i = 0; i < count; i++) {
        const struct place p = place_of(t, from + i);
        const float *pixel[POINTS];
        input_pixels(x, &p, c->dilation, pixel);
        transform_input(pixel, in, v + i * in, count * in);
    }
    for (size_t k = 0; k < POINTS; k++) {
        gemm_transposed(count, out, in, v + k * count * in, c->weight + k * out * in, false,
                        m + k * count * out);
    }
    for (size_t i = 0; i < count; i++) {
        const struct place p = place_of(t, from + i);
        float *pixel[OUT * OUT];
        output_pixels(y, &p, c->dilation, pixel);
        transform_output(m + i * out, count * out, out, &finish, pixel);
    }
}

void winograd_run(const struct conv *c, const struct tensor *x, bool add, const struct tensor *y,
                  float *scratch)
{
    const struct tiles t = tiles_of(c, x->h, x->w);
    const size_t total = (size_t)x->n * (size_t)t.per_image;
    const size_t block = block_tiles(c, total);
    for (size_t from = 0; from < total; from += block) {
        const size_t count = total - from < block ? total - from : block;
        run_block(c, x, add, y, &t, from, count, scratch);
    }
}
