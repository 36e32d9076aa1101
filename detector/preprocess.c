#include "detector/preprocess.h"

#include <math.h>
#include <string.h>

#include "detector/resize.h"

enum { NET_SIDE_LIMIT = 4096 /* px */ };

static enum preprocess_rule read_rule(struct model *m)
{
    static const char *const names[] = {[PREPROCESS_CAFFE] = "caffe",
                                        [PREPROCESS_TORCHVISION] = "torchvision",
                                        [PREPROCESS_DETECTRON2] = "detectron2",
                                        [PREPROCESS_MASKRCNN] = "maskrcnn-benchmark"};
    const char *resize = model_string(m, m->preprocess, "resize", NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(resize, names[i]) == 0) {
            return (enum preprocess_rule)i;
        }
    }
    model_fail(m,
               "\"resize\" is \"%.20s\"; caffe, torchvision, detectron2 and maskrcnn-benchmark are "
               "known",
               resize);
    return PREPROCESS_CAFFE;
}

void preprocess_read_colours(struct model *m, bool *bgr, double mean[3], double std[3])
{
    const char *channels = model_string(m, m->preprocess, "channels", NULL);
    *bgr = strcmp(channels, "BGR") == 0;
    if (!*bgr && strcmp(channels, "RGB") != 0) {
        model_fail(m, "\"channels\" is \"%.20s\"; BGR and RGB are known", channels);
    }
    if (model_numbers(m, m->preprocess, "mean", -1e4, 1e4, mean, 3) != 3 ||
        model_numbers(m, m->preprocess, "std", 1e-6, 1e4, std, 3) != 3) {
        model_fail(m, "\"mean\" and \"std\" must each have three numbers");
    }
}

void preprocess_read(struct model *m, struct preprocess *pre)
{
    const json_t *from = m->preprocess;
    preprocess_read_colours(m, &pre->bgr, pre->mean, pre->std);
    pre->rule = read_rule(m);
    pre->short_side = model_int(m, from, "short", 16, NET_SIDE_LIMIT);
    pre->long_side = model_int(m, from, "long", pre->short_side, NET_SIDE_LIMIT);
    pre->multiple = model_int_or(m, from, "multiple", 1, 128, 1);
}

/* Each rule's arithmetic in its own precision: a pixel more or less moves every box. */

static void caffe_size(const struct preprocess *pre, struct geometry *g)
{
    const double shorter = g->width < g->height ? g->width : g->height;
    const double longer = g->width < g->height ? g->height : g->width;
    g->scale = pre->short_side / shorter;
    if (rint(g->scale * longer) > pre->long_side) { /* half to even, as numpy's and cvRound */
        g->scale = pre->long_side / longer;
    }
    g->net_width = (int)rint(g->width * g->scale);
    g->net_height = (int)rint(g->height * g->scale);
}

/* torch divides a number by a tensor as the number times the tensor's reciprocal, and rounds to
 * single precision after each: 800 / 423 so becomes a little less than it is, and a size of 799. */
static void torchvision_size(const struct preprocess *pre, struct geometry *g)
{
    const float shorter = (float)(g->width < g->height ? g->width : g->height);
    const float longer = (float)(g->width < g->height ? g->height : g->width);
    const float by_short = 1.0f / shorter * (float)pre->short_side;
    const float by_long = 1.0f / longer * (float)pre->long_side;
    g->scale = (double)(by_short < by_long ? by_short : by_long);
    g->net_width = (int)floor(g->width * g->scale);
    g->net_height = (int)floor(g->height * g->scale);
}

static void detectron2_size(const struct preprocess *pre, struct geometry *g)
{
    const int shorter = g->width < g->height ? g->width : g->height;
    g->scale = (double)pre->short_side / shorter;
    double w = g->height < g->width ? g->scale * g->width : pre->short_side;
    double h = g->height < g->width ? pre->short_side : g->scale * g->height;
    const double longer = w > h ? w : h;
    if (longer > pre->long_side) {
        const double again = pre->long_side / longer;
        w *= again;
        h *= again;
        g->scale *= again;
    }
    g->net_width = (int)(w + 0.5);
    g->net_height = (int)(h + 0.5);
}

static void maskrcnn_size(const struct preprocess *pre, struct geometry *g)
{
    const double shorter = g->width < g->height ? g->width : g->height;
    const double longer = g->width < g->height ? g->height : g->width;
    double size = pre->short_side;
    if (longer / shorter * size > pre->long_side) {
        size = rint(pre->long_side * shorter / longer);
    }
    g->scale = size / shorter;
    g->net_width = g->width < g->height ? (int)size : (int)(size * g->width / g->height);
    g->net_height = g->width < g->height ? (int)(size * g->height / g->width) : (int)size;
}

static int at_least_1(int n)
{
    return n < 1 ? 1 : n; /* a line 1 pixel high and 65,000 wide still has a row */
}

static int round_up(int n, int multiple)
{
    return multiple > 1 ? (n + multiple - 1) / multiple * multiple : n;
}

int preprocess_geometry(const struct preprocess *pre, uint32_t width, uint32_t height,
                        struct geometry *out)
{
    const int rc = resize_check(width, height);
    if (rc) {
        return rc;
    }
    *out = (struct geometry){.width = (int)width, .height = (int)height};
    switch (pre->rule) {
    case PREPROCESS_CAFFE: caffe_size(pre, out); break;
    case PREPROCESS_TORCHVISION: torchvision_size(pre, out); break;
    case PREPROCESS_DETECTRON2: detectron2_size(pre, out); break;
    case PREPROCESS_MASKRCNN: maskrcnn_size(pre, out); break;
    }
    out->net_width = at_least_1(out->net_width);
    out->net_height = at_least_1(out->net_height);
    out->padded_width = round_up(out->net_width, pre->multiple);
    out->padded_height = round_up(out->net_height, pre->multiple);
    return 0;
}

/* Pillow's way: bytes are resized, then looked up. */
static void resize_then_normalise(const struct resize *resize, struct pass *pass,
                                  const struct levels *levels, const uint8_t *rgb, float *out)
{
    const size_t pixels = (size_t)resize->width * (size_t)resize->height;
    uint8_t *bytes = workspace_take(pass->ws, pixels, 3);
    resize_bytes(resize, pass, rgb, bytes);
    if (!pass->dry) {
        levels_apply(levels, bytes, pixels, out);
    }
    pass_give(pass, bytes);
}

/* From rows of net_width to rows of padded_width, in place: the last row first. */
static void spread_rows(const struct geometry *g, float *x)
{
    const size_t from = 3 * (size_t)g->net_width;
    const size_t to = 3 * (size_t)g->padded_width;
    const size_t rows = (size_t)g->net_height;
    for (size_t y = rows; y-- > 0 && to > from;) {
        memmove(x + y * to, x + y * from, from * sizeof *x);
        memset(x + y * to + from, 0, (to - from) * sizeof *x);
    }
    memset(x + rows * to, 0, ((size_t)g->padded_height - rows) * to * sizeof *x);
}

struct tensor preprocess_run(const struct preprocess *pre, struct pass *pass,
                             const struct geometry *g, const uint8_t *rgb)
{
    static const enum resize_filter filters[] = {[PREPROCESS_CAFFE] = RESIZE_OPENCV,
                                                 [PREPROCESS_TORCHVISION] = RESIZE_TORCH,
                                                 [PREPROCESS_DETECTRON2] = RESIZE_PIL,
                                                 [PREPROCESS_MASKRCNN] = RESIZE_PIL};
    const struct resize resize = {.filter = filters[pre->rule],
                                  .in_width = g->width,
                                  .in_height = g->height,
                                  .full_width = g->net_width,
                                  .full_height = g->net_height,
                                  .scale = g->scale,
                                  .width = g->net_width,
                                  .height = g->net_height};
    struct tensor x = pass_tensor(pass, 1, g->padded_height, g->padded_width, 3);
    struct levels levels;
    levels_init(&levels, pre->bgr, pre->mean, pre->std);
    const bool real = pass_step(pass, "resize", 0);
    if (resize.filter == RESIZE_PIL) {
        resize_then_normalise(&resize, pass, &levels, rgb, x.p);
    } else {
        resize_levels(&resize, pass, &levels, rgb, x.p);
    }
    if (real) {
        spread_rows(g, x.p);
    }
    return x;
}

struct box geometry_unscale(const struct geometry *g, struct box b)
{
    const float x = (float)g->width / (float)g->net_width;
    const float y = (float)g->height / (float)g->net_height;
    return (struct box){b.x1 * x, b.y1 * y, b.x2 * x, b.y2 * y};
}
