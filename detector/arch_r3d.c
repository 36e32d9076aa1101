/*
 * Action features: torchvision's R3D-18 and R(2+1)D-18 (models/video/resnet.py; Tran et al. 2018).
 *
 *     stem layer1 layer2 layer3 layer4 -- mean = feature -- fc -- class scores
 *
 * Each stage has basic blocks of two 3x3x3 convolutions, in R(2+1)D separable ones; stages 2 to 4
 * halve space and time.
 */
#include <stdio.h>
#include <stdlib.h>

#include "detector/arch.h"
#include "detector/classifier.h"
#include "detector/frames.h"
#include "detector/pool.h"
#include "detector/separable.h"

enum { STAGES = 4, BLOCKS_MAX = 16 /* a stage */, NAME_ROOM = 160 };

const char r3d_18_config[] = "{\"blocks\": [2, 2, 2, 2], \"separable\": false}";
const char r2plus1d_18_config[] = "{\"blocks\": [2, 2, 2, 2], \"separable\": true}";

/* torchvision's KINETICS400_V1 presets; mean and std are its own times 255. */
const char r3d_preprocess[] =
    "{\"channels\": \"RGB\", \"mean\": [110.2008, 100.63983, 95.99475], "
    "\"std\": [58.14765, 56.46975, 55.332195], \"resize\": \"torch\", \"size\": [171, 128], "
    "\"crop\": [112, 112]}";

/* 3x3x3, in one step or two. */
struct cubic {
    bool separable;
    struct conv whole;
    struct separable steps;
};

struct basic_block {
    struct conv shortcut; /* out = 0: identity */
    struct cubic first;
    struct cubic second;
};

struct r3d {
    struct frames_rule frames;
    struct cubic stem;
    int blocks[STAGES];
    struct basic_block block[STAGES][BLOCKS_MAX];
    struct conv fc;
};

/* ---- building ---- */

static int cubic_out(const struct cubic *c)
{
    return c->separable ? c->steps.time.out : c->whole.out;
}

/* 7x7 with stride 2 and 3 frames with stride 1; in R(2+1)D under the names stem.0 and stem.3. */
static void build_stem(struct model *m, struct cubic *c)
{
    struct conv space = {.in = 3,
                         .kernel = 7,
                         .stride = 2,
                         .pad = 3,
                         .dilation = 1,
                         .taps = c->separable ? 1 : 3,
                         .tap_stride = 1,
                         .tap_pad = c->separable ? 0 : 1,
                         .relu = true};
    model_conv(m, "stem.0", &space);
    c->whole = space;
    c->steps.space = space;
    if (c->separable) {
        c->steps.time = (struct conv){.in = space.out,
                                      .kernel = 1,
                                      .stride = 1,
                                      .dilation = 1,
                                      .taps = 3,
                                      .tap_stride = 1,
                                      .tap_pad = 1,
                                      .relu = true};
        model_conv(m, "stem.3", &c->steps.time);
    }
}

static void build_cubic(struct model *m, const char *name, int in, int stride, bool relu,
                        struct cubic *c)
{
    char space[NAME_ROOM];
    char time[NAME_ROOM];
    if (c->separable) {
        snprintf(space, sizeof space, "%s.0.0", name);
        snprintf(time, sizeof time, "%s.0.3", name);
        separable_build(m, space, time, in, 3, stride, relu, &c->steps);
        return;
    }
    c->whole = (struct conv){.in = in,
                             .kernel = 3,
                             .stride = stride,
                             .pad = 1,
                             .dilation = 1,
                             .taps = 3,
                             .tap_stride = stride,
                             .tap_pad = 1,
                             .relu = relu};
    snprintf(space, sizeof space, "%s.0", name);
    model_conv(m, space, &c->whole);
}

/* Block i of a stage; returns its width. */
static int build_block(struct model *m, int stage, int i, int in, bool separable,
                       struct basic_block *b)
{
    char name[NAME_ROOM];
    const int stride = stage > 0 && i == 0 ? 2 : 1;
    b->first.separable = b->second.separable = separable;
    snprintf(name, sizeof name, "layer%d.%d.conv1", stage + 1, i);
    build_cubic(m, name, in, stride, true, &b->first);
    snprintf(name, sizeof name, "layer%d.%d.conv2", stage + 1, i);
    build_cubic(m, name, cubic_out(&b->first), 1, true, &b->second);
    const int out = cubic_out(&b->second);
    if (stride > 1) {
        b->shortcut = (struct conv){.in = in,
                                    .out = out,
                                    .kernel = 1,
                                    .stride = stride,
                                    .dilation = 1,
                                    .taps = 1,
                                    .tap_stride = stride};
        snprintf(name, sizeof name, "layer%d.%d.downsample.0", stage + 1, i);
        model_conv(m, name, &b->shortcut);
    } else if (!m->rc && out != in) {
        model_fail(m, "%s gives %d channels, but the block's input has %d", name, out, in);
    }
    return out;
}

/* Returns the width of layer4. */
static int build_body(struct model *m, struct r3d *g)
{
    double blocks[STAGES];
    if (model_numbers(m, m->config, "blocks", 1, BLOCKS_MAX, blocks, STAGES) != STAGES) {
        model_fail(m, "\"blocks\" must list the blocks of layer1, layer2, layer3 and layer4");
        return 0;
    }
    const bool separable = model_bool(m, m->config, "separable");
    g->stem.separable = separable;
    build_stem(m, &g->stem);
    int width = cubic_out(&g->stem);
    for (int s = 0; s < STAGES; s++) {
        g->blocks[s] = (int)blocks[s];
        for (int i = 0; i < g->blocks[s] && !m->rc; i++) {
            width = build_block(m, s, i, width, separable, &g->block[s][i]);
        }
    }
    return width;
}

static void *r3d_build(struct model *m, const struct detector_options *options,
                       struct arch_shape *shape)
{
    (void)options; /* of regions */
    struct r3d *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    frames_rule_read(m, &g->frames);
    const int width = build_body(m, g);
    classifier_build(m, "fc", width, false, &g->fc);
    *shape = (struct arch_shape){.kind = DETECTOR_CLIPS,
                                 .dim = (uint32_t)width,
                                 .classes = (uint32_t)g->fc.out,
                                 .min_frames = 1,
                                 .frame_multiple = 1,
                                 .net_width = (uint32_t)g->frames.crop_width,
                                 .net_height = (uint32_t)g->frames.crop_height};
    return g;
}

/* ---- running ---- */

static struct tensor cubic_run(const struct cubic *c, struct pass *pass, const struct tensor *x)
{
    return c->separable ? separable_run(&c->steps, pass, x) : conv_run(&c->whole, pass, x);
}

static void cubic_add(const struct cubic *c, struct pass *pass, const struct tensor *x,
                      const struct tensor *y)
{
    if (c->separable) {
        separable_add(&c->steps, pass, x, y);
    } else {
        conv_add(&c->whole, pass, x, y);
    }
}

/* Takes x over: its memory is given back, or becomes the result. */
static struct tensor run_block(const struct basic_block *b, struct pass *pass, struct tensor x)
{
    const bool projects = b->shortcut.out > 0;
    const struct tensor y = projects ? conv_run(&b->shortcut, pass, &x) : x;
    const struct tensor middle = cubic_run(&b->first, pass, &x);
    if (projects) {
        pass_give(pass, x.p);
    }
    cubic_add(&b->second, pass, &middle, &y);
    pass_give(pass, middle.p);
    return y;
}

static void r3d_run(const void *graph, struct pass *pass, const struct detector_clip *clip,
                    struct clip_features *out)
{
    const struct r3d *g = graph;
    float *feature = pass_floats(pass, (size_t)g->fc.in);
    const struct tensor input = frames_run(&g->frames, pass, clip, 0, (int)clip->frames);
    struct tensor x = cubic_run(&g->stem, pass, &input);
    pass_give(pass, input.p);
    for (int s = 0; s < STAGES; s++) {
        for (int i = 0; i < g->blocks[s]; i++) {
            x = run_block(&g->block[s][i], pass, x);
        }
    }
    clip_average(pass, "avgpool", &x, 0, 0, feature);
    pass_give(pass, x.p);
    *out = (struct clip_features){.n = 1,
                                  .dim = (uint32_t)g->fc.in,
                                  .classes = (uint32_t)g->fc.out,
                                  .features = feature,
                                  .scores = classifier_run(&g->fc, pass, feature, 1)};
}

const struct arch arch_r3d = {.build = r3d_build, .free = free, .run_clip = r3d_run};
