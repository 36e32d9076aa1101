#include "detector/frames.h"

#include <math.h>
#include <string.h>

#include "detector/preprocess.h"

enum { NET_SIDE_LIMIT = 4096 /* px */ };

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
    bool bgr = false;
    double mean[3] = {0, 0, 0};
    double std[3] = {1, 1, 1};
    preprocess_read_colours(m, &bgr, mean, std);
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
            levels_apply(&rule->levels, cropped, pixels, tensor_at(&x, i, 0, 0));
        }
    }
    pass_give(pass, cropped);
    return x;
}
