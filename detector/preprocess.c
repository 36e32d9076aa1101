#include "detector/preprocess.h"

#include <math.h>
#include <string.h>

enum { SIDE_LIMIT = 65500 /* px, libjpeg's own */, NET_SIDE_LIMIT = 4096 };

void preprocess_read(struct model *m, struct preprocess *pre)
{
    const json_t *from = m->preprocess;
    const char *channels = model_string(m, from, "channels", NULL);
    const char *resize = model_string(m, from, "resize", NULL);
    pre->bgr = strcmp(channels, "BGR") == 0;
    if (!pre->bgr && strcmp(channels, "RGB") != 0) {
        model_fail(m, "\"channels\" is \"%.20s\"; BGR and RGB are known", channels);
    }
    if (strcmp(resize, "caffe") != 0) {
        model_fail(m, "\"resize\" is \"%.20s\"; this architecture knows \"caffe\"", resize);
    }
    if (model_numbers(m, from, "mean", -1e4, 1e4, pre->mean, 3) != 3 ||
        model_numbers(m, from, "std", 1e-6, 1e4, pre->std, 3) != 3) {
        model_fail(m, "\"mean\" and \"std\" must each have three numbers");
    }
    pre->short_side = model_int(m, from, "short", 16, NET_SIDE_LIMIT);
    pre->long_side = model_int(m, from, "long", pre->short_side, NET_SIDE_LIMIT);
}

int preprocess_geometry(const struct preprocess *pre, uint32_t width, uint32_t height,
                        struct geometry *out)
{
    if (width == 0 || height == 0) {
        return err_set(E_ARG, "an image of %u x %u pixels has nothing to detect", width, height);
    }
    if (width > SIDE_LIMIT || height > SIDE_LIMIT) {
        return err_set(E_IMAGE_TOO_BIG, "the image has %u x %u pixels; the limit is %d a side",
                       width, height, SIDE_LIMIT);
    }
    const double shorter = width < height ? width : height;
    const double longer = width < height ? height : width;
    double scale = pre->short_side / shorter;
    if (rint(scale * longer) > pre->long_side) { /* half to even, as numpy's and cvRound */
        scale = pre->long_side / longer;
    }
    *out = (struct geometry){.width = (int)width,
                             .height = (int)height,
                             .net_width = (int)rint(width * scale),
                             .net_height = (int)rint(height * scale),
                             .scale = scale};
    /* OpenCV refuses an empty size; a line one pixel high and 65,000 wide still has a row. */
    out->net_width = out->net_width < 1 ? 1 : out->net_width;
    out->net_height = out->net_height < 1 ? 1 : out->net_height;
    return 0;
}

/* Where an output pixel samples along one side (OpenCV resize.cpp, INTER_LINEAR): between source
 * pixels `at` and `next`, the second weighted `part`. */
struct tap {
    int at;
    int next;
    float part;
};

static void make_taps(struct tap *tap, int out, int in, double scale)
{
    for (int o = 0; o < out; o++) {
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
        tap[o] = (struct tap){at, at + 1 < in ? at + 1 : at, f};
    }
}

/* value[channel of the network][8-bit] and which of R, G, B it is; (float) of a double, as numpy.
 */
static void make_levels(const struct preprocess *pre, float level[3][256])
{
    for (int c = 0; c < 3; c++) {
        for (int v = 0; v < 256; v++) {
            level[c][v] = (float)((v - pre->mean[c]) / pre->std[c]);
        }
    }
}

/* One source row, resized horizontally: out[net_width][3]. */
static void resize_row(const struct preprocess *pre, float level[3][256], const uint8_t *row,
                       const struct tap *tap, int width, float *out)
{
    for (int o = 0; o < width; o++) {
        const uint8_t *a = row + 3 * (size_t)tap[o].at;
        const uint8_t *b = row + 3 * (size_t)tap[o].next;
        for (int c = 0; c < 3; c++) {
            const int from = pre->bgr ? 2 - c : c;
            const float l = level[c][a[from]];
            const float r = level[c][b[from]];
            *out++ = l * (1.0f - tap[o].part) + r * tap[o].part;
        }
    }
}

static void resize(const struct preprocess *pre, const struct geometry *g, const uint8_t *rgb,
                   struct tap *columns, struct tap *rows, float *line, float *out)
{
    float level[3][256];
    make_levels(pre, level);
    make_taps(columns, g->net_width, g->width, g->scale);
    make_taps(rows, g->net_height, g->height, g->scale);
    const size_t n = 3 * (size_t)g->net_width;
    const size_t stride = 3 * (size_t)g->width;
    int held[2] = {-1, -1}; /* which source row each half of `line` holds */
    for (int o = 0; o < g->net_height; o++, out += n) {
        const int want[2] = {rows[o].at, rows[o].next};
        for (int i = 0; i < 2; i++) { /* rows alternate between the halves by parity */
            if (held[want[i] & 1] != want[i]) {
                resize_row(pre, level, rgb + (size_t)want[i] * stride, columns, g->net_width,
                           line + (size_t)(want[i] & 1) * n);
                held[want[i] & 1] = want[i];
            }
        }
        const float *top = line + (size_t)(want[0] & 1) * n;
        const float *bottom = line + (size_t)(want[1] & 1) * n;
        for (size_t i = 0; i < n; i++) {
            out[i] = top[i] * (1.0f - rows[o].part) + bottom[i] * rows[o].part;
        }
    }
}

struct tensor preprocess_run(const struct preprocess *pre, struct pass *pass,
                             const struct geometry *g, const uint8_t *rgb)
{
    struct tensor x = pass_tensor(pass, 1, g->net_height, g->net_width, 3);
    struct tap *columns = workspace_take(pass->ws, (size_t)g->net_width, sizeof *columns);
    struct tap *rows = workspace_take(pass->ws, (size_t)g->net_height, sizeof *rows);
    float *line = pass_floats(pass, 6 * (size_t)g->net_width);
    if (pass_step(pass, "resize", 0)) {
        resize(pre, g, rgb, columns, rows, line, x.p);
    }
    pass_give(pass, columns);
    pass_give(pass, rows);
    pass_give(pass, line);
    return x;
}
