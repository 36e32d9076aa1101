#include "detector/frames.h"

#include <math.h>
#include <string.h>

enum { SIDE_LIMIT = 65500 /* px, libjpeg's own */, NET_SIDE_LIMIT = 4096 };

static void read_filter(struct model *m, struct frames_rule *rule)
{
    const char *resize = model_string(m, m->preprocess, "resize", NULL);
    rule->filter = strcmp(resize, "pil") == 0 ? RESIZE_PIL : RESIZE_TORCH;
    if (rule->filter != RESIZE_PIL && strcmp(resize, "torch") != 0) {
        model_fail(m, "\"resize\" is \"%.20s\"; this architecture knows \"pil\" and \"torch\"",
                   resize);
    }
}

static void read_levels(struct model *m, struct levels *levels)
{
    double mean[3];
    double std[3];
    const char *channels = model_string(m, m->preprocess, "channels", NULL);
    const bool bgr = strcmp(channels, "BGR") == 0;
    if (!bgr && strcmp(channels, "RGB") != 0) {
        model_fail(m, "\"channels\" is \"%.20s\"; BGR and RGB are known", channels);
    }
    if (model_numbers(m, m->preprocess, "mean", -1e4, 1e4, mean, 3) != 3 ||
        model_numbers(m, m->preprocess, "std", 1e-6, 1e4, std, 3) != 3) {
        model_fail(m, "\"mean\" and \"std\" must each have three numbers");
        return;
    }
    levels_init(levels, bgr, mean, std);
}

/* A width and a height. */
static void read_size(struct model *m, const char *key, int *width, int *height)
{
    double size[2] = {1, 1};
    if (model_numbers(m, m->preprocess, key, 1, NET_SIDE_LIMIT, size, 2) != 2) {
        model_fail(m, "\"%s\" must be a width and a height", key);
    }
    *width = (int)size[0];
    *height = (int)size[1];
}

void frames_rule_read(struct model *m, struct frames_rule *rule)
{
    *rule = (struct frames_rule){.short_side = 0};
    read_filter(m, rule);
    read_levels(m, &rule->levels);
    if (json_object_get(m->preprocess, "short")) {
        rule->short_side = model_int(m, m->preprocess, "short", 1, NET_SIDE_LIMIT);
        rule->width = rule->height = rule->short_side;
    } else {
        read_size(m, "size", &rule->width, &rule->height);
    }
    read_size(m, "crop", &rule->crop_width, &rule->crop_height);
    if (rule->crop_width > rule->width || rule->crop_height > rule->height) {
        model_fail(m, "the crop of %d x %d pixels is larger than the resized frame",
                   rule->crop_width, rule->crop_height);
    }
}

int frames_check(uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0) {
        return err_set(E_ARG, "a frame of %u x %u pixels shows nothing", width, height);
    }
    if (width > SIDE_LIMIT || height > SIDE_LIMIT) {
        return err_set(E_IMAGE_TOO_BIG, "the frame has %u x %u pixels; the limit is %d a side",
                       width, height, SIDE_LIMIT);
    }
    return 0;
}

/* torchvision's Resize and CenterCrop: the longer side is cut to whole pixels, half a pixel of the
 * crop's margin is rounded half to even. */
static struct resize plan(const struct frames_rule *rule, int width, int height)
{
    struct resize r = {.filter = rule->filter,
                       .in_width = width,
                       .in_height = height,
                       .full_width = rule->width,
                       .full_height = rule->height,
                       .width = rule->crop_width,
                       .height = rule->crop_height};
    if (rule->short_side) {
        const int shorter = width < height ? width : height;
        const int longer = width < height ? height : width;
        const int grown = (int)((double)rule->short_side * longer / shorter);
        r.full_width = width <= height ? rule->short_side : grown;
        r.full_height = width <= height ? grown : rule->short_side;
    }
    r.left = (int)rint((r.full_width - r.width) / 2.0);
    r.top = (int)rint((r.full_height - r.height) / 2.0);
    return r;
}

static void apply_levels(const struct levels *levels, const uint8_t *rgb, size_t pixels, float *out)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3, out += 3) {
        for (int c = 0; c < 3; c++) {
            out[c] = levels->of[c][rgb[levels->from[c]]];
        }
    }
}

struct tensor frames_run(const struct frames_rule *rule, struct pass *pass,
                         const struct detector_clip *clip, int from, int count)
{
    const struct resize r = plan(rule, (int)clip->width, (int)clip->height);
    const size_t frame = 3 * (size_t)clip->width * (size_t)clip->height;
    const size_t pixels = (size_t)r.width * (size_t)r.height;
    struct tensor x = pass_tensor(pass, count, r.height, r.width, 3);
    uint8_t *cropped = workspace_take(pass->ws, 3, pixels);
    (void)pass_step(pass, "resize", 0);
    for (int i = 0; i < count; i++) {
        resize_bytes(&r, pass, pass->dry ? NULL : clip->rgb + (size_t)(from + i) * frame, cropped);
        if (!pass->dry) {
            apply_levels(&rule->levels, cropped, pixels, tensor_at(&x, i, 0, 0));
        }
    }
    pass_give(pass, cropped);
    return x;
}
