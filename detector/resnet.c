#include "detector/resnet.h"

#include <stdio.h>

enum { NAME_ROOM = 160 };

void resnet_stem_build(struct model *m, const char *conv1, bool caffe, struct resnet_stem *stem)
{
    stem->conv1 =
        (struct conv){.in = 3, .kernel = 7, .stride = 2, .pad = 3, .dilation = 1, .relu = true};
    model_conv(m, conv1, &stem->conv1);
    stem->pool1 = (struct max_pool){
        .name = "pool1", .kernel = 3, .stride = 2, .pad = caffe ? 0 : 1, .ceil = caffe};
}

struct tensor resnet_stem_run(const struct resnet_stem *stem, struct pass *pass, struct tensor x)
{
    const struct tensor y = conv_run(&stem->conv1, pass, &x);
    pass_give(pass, x.p);
    const struct tensor pooled = max_pool_run(&stem->pool1, pass, &y);
    pass_give(pass, y.p);
    return pooled;
}

/* What follows a block's name: projection, reduce, middle, expand. */
enum part { SHORTCUT, REDUCE, MIDDLE, EXPAND, PARTS };

static const char *const suffix[][PARTS] = {
    [RESNET_LETTERS] = {"_branch1", "_branch2a", "_branch2b", "_branch2c"},
    [RESNET_BUTD] = {"_branch1", "_branch2a", "_branch2b", "_branch2c"},
    [RESNET_TORCHVISION] = {".downsample.0", ".conv1", ".conv2", ".conv3"},
    [RESNET_DETECTRON2] = {".shortcut", ".conv1", ".conv2", ".conv3"},
};

static void conv_name(const struct resnet_stage_plan *p, int block, enum part part,
                      char out[NAME_ROOM])
{
    const char *end = suffix[p->names][part];
    if (p->names == RESNET_TORCHVISION) {
        snprintf(out, NAME_ROOM, "%slayer%d.%d%s", p->prefix, p->number - 1, block, end);
    } else if (p->names == RESNET_DETECTRON2) {
        snprintf(out, NAME_ROOM, "%sres%d.%d%s", p->prefix, p->number, block, end);
    } else if (p->names == RESNET_BUTD && block > 0 && (p->number == 3 || p->number == 4)) {
        snprintf(out, NAME_ROOM, "%sres%db%d%s", p->prefix, p->number, block, end);
    } else {
        snprintf(out, NAME_ROOM, "%sres%d%c%s", p->prefix, p->number, 'a' + block, end);
    }
}

static void build_part(struct model *m, const struct resnet_stage_plan *p, int block,
                       enum part part, struct conv *c)
{
    char name[NAME_ROOM];
    conv_name(p, block, part, name);
    model_conv(m, name, c);
}

static void build_block(struct model *m, const struct resnet_stage_plan *p, int block, int in,
                        struct bottleneck *b)
{
    const int stride = block ? 1 : p->stride;
    const int first = p->stride_in_1x1 ? stride : 1;
    b->reduce = (struct conv){.in = in, .kernel = 1, .stride = first, .dilation = 1, .relu = true};
    build_part(m, p, block, REDUCE, &b->reduce);
    b->middle = (struct conv){.in = b->reduce.out,
                              .groups = p->groups,
                              .kernel = 3,
                              .stride = stride / first,
                              .pad = p->dilation,
                              .dilation = p->dilation,
                              .relu = true};
    build_part(m, p, block, MIDDLE, &b->middle);
    b->expand =
        (struct conv){.in = b->middle.out, .kernel = 1, .stride = 1, .dilation = 1, .relu = true};
    build_part(m, p, block, EXPAND, &b->expand);
    if (block == 0) { /* changes the width, so it projects its input */
        b->shortcut = (struct conv){
            .in = in, .out = b->expand.out, .kernel = 1, .stride = stride, .dilation = 1};
        build_part(m, p, block, SHORTCUT, &b->shortcut);
    } else if (b->expand.out != in) {
        model_fail(m, "%s gives %d channels, but the block's input has %d", b->expand.name,
                   b->expand.out, in);
    }
}

int resnet_stage_build(struct model *m, const struct resnet_stage_plan *plan,
                       struct resnet_stage *stage)
{
    int in = plan->in;
    stage->n = plan->blocks;
    for (int i = 0; i < plan->blocks && !m->rc; i++) {
        build_block(m, plan, i, in, &stage->block[i]);
        in = stage->block[i].expand.out;
    }
    return in;
}

/* Takes x over: its memory is given back, or becomes the result. */
static struct tensor run_block(const struct bottleneck *b, struct pass *pass, struct tensor x)
{
    const bool projects = b->shortcut.out > 0;
    const struct tensor y = projects ? conv_run(&b->shortcut, pass, &x) : x;
    const struct tensor narrow = conv_run(&b->reduce, pass, &x);
    if (projects) {
        pass_give(pass, x.p);
    }
    const struct tensor middle = conv_run(&b->middle, pass, &narrow);
    pass_give(pass, narrow.p);
    conv_add(&b->expand, pass, &middle, &y);
    pass_give(pass, middle.p);
    return y;
}

struct tensor resnet_stage_run(const struct resnet_stage *stage, struct pass *pass, struct tensor x)
{
    for (int i = 0; i < stage->n; i++) {
        x = run_block(&stage->block[i], pass, x);
    }
    return x;
}
