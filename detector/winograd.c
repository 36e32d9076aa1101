#include "detector/winograd.h"

#include "detector/conv_layout.h"
#include "detector/gemm.h"
#include "detector/simd.h"

enum {
    OUT = 4,              /* a tile's outputs along a side */
    TILE = OUT + 2,       /* its inputs */
    POINTS = TILE * TILE, /* products */
    LANES = 16,           /* channels at a time */
    BLOCK_TILES = 196     /* in work at a time: few stay in the cache between the steps */
};

/* 16 channels. Compiled to as many registers as the machine's vectors take. */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

typedef int bits __attribute__((vector_size(LANES * sizeof(int))));

#define INLINE static inline __attribute__((always_inline))

bool winograd_fits(const struct conv *c)
{
    const struct bundles k = conv_bundles(c);
    return c->kernel == 3 && c->stride == 1 && c->pad == c->dilation && c->tap_stride <= 1 &&
           conv_taps_centred(c) && k.in % LANES == 0 && k.out % LANES == 0;
}

/* Floats of one bundle's weights at one point, and of one tap's. */
static size_t matrix_floats(const struct conv *c)
{
    const struct bundles k = conv_bundles(c);
    return gemm_packed_floats((size_t)k.out, (size_t)k.in);
}

static size_t point_floats(const struct conv *c)
{
    return (size_t)conv_taps(c) * matrix_floats(c);
}

size_t winograd_floats(const struct conv *c)
{
    return (size_t)conv_bundles(c).count * POINTS * point_floats(c);
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
static void filter_transform(const double w[9], double u[TILE][TILE])
{
    double rows[3][TILE];
    for (int r = 0; r < 3; r++) {
        filter_points(w + 3 * r, rows[r]);
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

/* One filter [3][3] into 36 matrices that are `plane` floats apart. */
static void prepare_filter(const float *filter, size_t plane, float *prepared)
{
    double w[9];
    double u[TILE][TILE];
    for (int k = 0; k < 9; k++) {
        w[k] = (double)filter[k];
    }
    filter_transform(w, u);
    for (size_t p = 0; p < POINTS; p++) {
        prepared[p * plane] = (float)u[p / TILE][p % TILE];
    }
}

void winograd_prepare(const struct conv *c, const float *weight, float *prepared)
{
    const struct bundles k = conv_bundles(c);
    const size_t plane = point_floats(c);
    for (int b = 0; b < k.count; b++, prepared += POINTS * plane) {
        for (int o = 0; o < k.out; o++) {
            for (int i = 0; i < k.in; i++) {
                const float *filter = conv_filter(c, &k, weight, b, o, i);
                float *to =
                    prepared + gemm_packed_at((size_t)k.out, (size_t)k.in, (size_t)o, (size_t)i);
                for (int tap = 0; tap < conv_taps(c) && filter; tap++) {
                    prepare_filter(filter + 9 * tap, plane, to + (size_t)tap * matrix_floats(c));
                }
            }
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

/* Top left output pixel of a tile, and its image (or frame); pixels of a tile are `dilation` apart.
 */
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

static void output_pixels(const struct tensor *y, int at, const struct place *p, int dilation,
                          float *pixel[OUT * OUT])
{
    for (int i = 0; i < OUT * OUT; i++) {
        const int row = p->y + dilation * (i / OUT);
        const int column = p->x + dilation * (i % OUT);
        pixel[i] = row < y->h && column < y->w ? tensor_at(y, p->n, row, column) + at : NULL;
    }
}

/* ---- the convolution ---- */

/* What is in work at a time: the same tiles of all `frames` of a clip, or, where the leading axis
 * counts images apart from each other, tiles of all images in one row. */
struct block {
    struct tiles tiles;
    size_t total; /* tiles a frame */
    size_t most;  /* in work at a time */
    size_t frames_in;
    size_t frames_out;
};

/* Floats between the 36 matrices of `rows` rows: not a power of two, or their rows would compete
 * for the same cache sets. */
static size_t plane_floats(size_t rows, int channels)
{
    return rows * (size_t)channels + LANES;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* `images` is the length of x's leading axis. */
static struct block block_of(const struct conv *c, const struct tensor *x, int images)
{
    struct block k = {.tiles = tiles_of(c, x->h, x->w), .frames_in = 1, .frames_out = 1};
    k.total = (size_t)k.tiles.per_image;
    if (conv_taps(c) > 1) {
        k.frames_in = (size_t)images;
        k.frames_out = (size_t)conv_frames(c, images);
    } else {
        k.total *= (size_t)images;
    }
    k.most = BLOCK_TILES / k.frames_in;
    k.most = smaller(k.most < 1 ? 1 : k.most, k.total);
    return k;
}

/* The tiles in work.  The last of six points along a side enters the last of four outputs alone, so
 * it is left out for tiles whose last row (or column) of outputs lies outside the image; tiles are
 * in such an order that those which need a point are neighbours. */
struct batch {
    size_t count;
    struct place place[BLOCK_TILES];
    size_t wide; /* [0, wide) need the last column of points, */
    size_t tall; /* [tall, tall_end) the last row */
    size_t tall_end;
};

/* Whether a tile's last row, and its last column, of outputs lies inside. */
static bool is_tall(const struct tiles *t, const struct place *p, const struct tensor *x)
{
    return p->y + (OUT - 1) * t->dilation < x->h;
}

static bool is_wide(const struct tiles *t, const struct place *p, const struct tensor *x)
{
    return p->x + (OUT - 1) * t->dilation < x->w;
}

/* Appends those of tiles [from, from + count) that are tall and wide as said. */
static void append_tiles(const struct tiles *t, const struct tensor *x, size_t from, size_t count,
                         bool tall, bool wide, struct batch *out)
{
    for (size_t i = from; i < from + count; i++) {
        const struct place p = place_of(t, i);
        if (is_tall(t, &p, x) == tall && is_wide(t, &p, x) == wide) {
            out->place[out->count++] = p;
        }
    }
}

static void batch_init(const struct block *k, const struct tensor *x, size_t from, size_t count,
                       struct batch *out)
{
    out->count = 0;
    append_tiles(&k->tiles, x, from, count, false, true, out);
    out->tall = out->count;
    append_tiles(&k->tiles, x, from, count, true, true, out);
    out->wide = out->count;
    append_tiles(&k->tiles, x, from, count, true, false, out);
    out->tall_end = out->count;
    append_tiles(&k->tiles, x, from, count, false, false, out);
}

/* Which tiles need point p: [*from, returned end). A clip's frames are multiplied together, so all
 * of its tiles are taken. */
static size_t tiles_at(const struct batch *t, const struct block *k, size_t p, size_t *from)
{
    const bool row = p / TILE == TILE - 1 && k->frames_in == 1;
    const bool column = p % TILE == TILE - 1 && k->frames_in == 1;
    *from = row ? t->tall : 0;
    return row && column ? t->wide : row ? t->tall_end : column ? t->wide : t->count;
}

size_t winograd_scratch(const struct conv *c, const struct tensor *x, int images)
{
    const struct block k = block_of(c, x, images);
    return POINTS * (plane_floats(k.frames_in * k.most, c->in) +
                     plane_floats(k.frames_out * k.most, c->out));
}

/* v[36][frames_in][count][in] */
static void transform_inputs(const struct conv *c, const struct tensor *x, const struct block *k,
                             const struct batch *t, float *v)
{
    const size_t plane = plane_floats(k->frames_in * t->count, c->in);
    for (size_t f = 0; f < k->frames_in; f++) {
        for (size_t i = 0; i < t->count; i++, v += c->in) {
            struct place p = t->place[i];
            const float *pixel[POINTS];
            p.n += (int)f;
            input_pixels(x, &p, c->dilation, pixel);
            transform_input(pixel, (size_t)c->in, v, plane);
        }
    }
}

/* One point of one bundle: m[frames_out][count][out] = v[frames_in][count][in] . w */
static void multiply_point(const struct conv *c, const struct block *k, const struct batch *t,
                           size_t point, const float *v, const float *w, float *m)
{
    const struct bundles g = conv_bundles(c);
    size_t first;
    const size_t tiles = tiles_at(t, k, point, &first) - first;
    for (int i = 0; i < conv_taps(c); i++) {
        const struct tap tap = conv_tap(c, i, (int)k->frames_in, (int)k->frames_out);
        const size_t seen = (size_t)(tap.from + tap.offset) * t->count + first;
        const size_t made = (size_t)tap.from * t->count + first;
        gemm((size_t)(tap.to - tap.from) * tiles, (size_t)g.out, (size_t)g.in,
             v + seen * (size_t)c->in, (size_t)c->in, w + (size_t)tap.index * matrix_floats(c),
             &(struct gemm_finish){.add = i > 0}, m + made * (size_t)c->out, (size_t)c->out);
    }
}

/* m[36][frames_out][count][out] = v . w */
static void multiply(const struct conv *c, const struct block *k, const struct batch *t,
                     const float *v, float *m)
{
    const struct bundles g = conv_bundles(c);
    const size_t v_plane = plane_floats(k->frames_in * t->count, c->in);
    const size_t m_plane = plane_floats(k->frames_out * t->count, c->out);
    const float *w = c->weight;
    for (size_t b = 0; b < (size_t)g.count; b++) {
        for (size_t p = 0; p < POINTS; p++, w += point_floats(c)) {
            multiply_point(c, k, t, p, v + p * v_plane + b * (size_t)g.in, w,
                           m + p * m_plane + b * (size_t)g.out);
        }
    }
}

/* Points that tiles_at() left out are read as they lie; they enter no output that is kept. */
static void transform_outputs(const struct conv *c, const float *m, const struct block *k,
                              const struct batch *t, const struct finish *finish,
                              const struct tensor *y, int at)
{
    const size_t plane = plane_floats(k->frames_out * t->count, c->out);
    for (size_t f = 0; f < k->frames_out; f++) {
        for (size_t i = 0; i < t->count; i++, m += c->out) {
            struct place p = t->place[i];
            float *pixel[OUT * OUT];
            p.n += (int)f;
            output_pixels(y, at, &p, c->dilation, pixel);
            transform_output(m, plane, (size_t)c->out, finish, pixel);
        }
    }
}

void winograd_run(const struct conv *c, const struct tensor *x, bool add, const struct tensor *y,
                  int at, float *scratch)
{
    const struct block k = block_of(c, x, x->n);
    const struct finish finish = {c->bias, c->relu, add};
    const size_t blocks = k.most ? (k.total + k.most - 1) / k.most : 0;
    for (size_t b = 0; b < blocks; b++) { /* of even size */
        struct batch t;
        const size_t from = b * k.total / blocks;
        batch_init(&k, x, from, (b + 1) * k.total / blocks - from, &t);
        float *m = scratch + POINTS * plane_floats(k.frames_in * t.count, c->in);
        transform_inputs(c, x, &k, &t, scratch);
        multiply(c, &k, &t, scratch, m);
        transform_outputs(c, m, &k, &t, &finish, y, at);
    }
}
