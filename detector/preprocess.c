#include "detector/preprocess.h"

#include <math.h>
#include <string.h>

#include "detector/resize.h"

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

struct tensor preprocess_run(const struct preprocess *pre, struct pass *pass,
                             const struct geometry *g, const uint8_t *rgb)
{
    const struct resize resize = {.filter = RESIZE_OPENCV,
                                  .in_width = g->width,
                                  .in_height = g->height,
                                  .full_width = g->net_width,
                                  .full_height = g->net_height,
                                  .scale = g->scale,
                                  .width = g->net_width,
                                  .height = g->net_height};
    struct tensor x = pass_tensor(pass, 1, g->net_height, g->net_width, 3);
    struct levels levels;
    levels_init(&levels, pre->bgr, pre->mean, pre->std);
    (void)pass_step(pass, "resize", 0);
    resize_levels(&resize, pass, &levels, rgb, x.p);
    return x;
}
