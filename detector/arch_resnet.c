/*
 * Frame features: torchvision's ResNet classifiers (models/resnet.py), each frame by itself.
 *
 *     conv1 pool1 layer1 layer2 layer3 layer4 -- mean = feature -- fc -- class scores
 */
#include <stdlib.h>

#include "detector/arch.h"
#include "detector/classifier.h"
#include "detector/frames.h"
#include "detector/pool.h"
#include "detector/resnet.h"

enum {
    STAGES = 4,
    TILE = 8 /* frames at a time: weights are read once a tile, activations stay small */
};

const char resnet_50_config[] = "{\"blocks\": [3, 4, 6, 3]}";
const char resnet_101_config[] = "{\"blocks\": [3, 4, 23, 3]}";
const char resnet_152_config[] = "{\"blocks\": [3, 8, 36, 3]}";

/* torchvision's IMAGENET1K_V1 presets; mean and std are its own times 255. */
const char imagenet_preprocess[] =
    "{\"channels\": \"RGB\", \"mean\": [123.675, 116.28, 103.53], "
    "\"std\": [58.395, 57.12, 57.375], \"resize\": \"pil\", \"short\": 256, \"crop\": [224, 224]}";

struct resnet {
    struct frames_rule frames;
    struct resnet_stem stem;
    struct resnet_stage stage[STAGES];
    struct conv fc;
};

/* Returns the width of layer4. */
static int build_body(struct model *m, struct resnet *g)
{
    double blocks[STAGES];
    if (model_numbers(m, m->config, "blocks", 1, RESNET_BLOCKS, blocks, STAGES) != STAGES) {
        model_fail(m, "\"blocks\" must list the blocks of layer1, layer2, layer3 and layer4");
        return 0;
    }
    resnet_stem_build(m, "conv1", false, &g->stem);
    int width = g->stem.conv1.out;
    for (int s = 0; s < STAGES; s++) {
        const struct resnet_stage_plan plan = {.prefix = "",
                                               .names = RESNET_TORCHVISION,
                                               .number = s + 2,
                                               .blocks = (int)blocks[s],
                                               .in = width,
                                               .stride = s ? 2 : 1,
                                               .dilation = 1};
        width = resnet_stage_build(m, &plan, &g->stage[s]);
    }
    return width;
}

static void *resnet_build(struct model *m, const struct detector_options *options,
                          struct arch_shape *shape)
{
    (void)options; /* of regions */
    struct resnet *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    frames_rule_read(m, &g->frames);
    const int width = build_body(m, g);
    classifier_build(m, "fc", width, false, &g->fc);
    *shape = (struct arch_shape){.kind = DETECTOR_FRAMES,
                                 .dim = (uint32_t)width,
                                 .classes = (uint32_t)g->fc.out,
                                 .min_frames = 1,
                                 .frame_multiple = 1,
                                 .net_width = (uint32_t)g->frames.crop_width,
                                 .net_height = (uint32_t)g->frames.crop_height};
    return g;
}

/* Features of `count` frames: out[count][dim]. */
static void run_tile(const struct resnet *g, struct pass *pass, const struct detector_clip *clip,
                     int from, int count, float *out)
{
    const struct tensor input = frames_run(&g->frames, pass, clip, from, count);
    struct tensor x = resnet_stem_run(&g->stem, pass, input);
    for (int s = 0; s < STAGES; s++) {
        x = resnet_stage_run(&g->stage[s], pass, x);
    }
    average_pool(pass, "avgpool", &x, out);
    pass_give(pass, x.p);
}

static void resnet_run(const void *graph, struct pass *pass, const struct detector_clip *clip,
                       struct clip_features *out)
{
    const struct resnet *g = graph;
    const int n = (int)clip->frames;
    const size_t dim = (size_t)g->fc.in;
    float *pooled = pass_floats(pass, (size_t)n * dim);
    for (int from = 0; from < n; from += TILE) {
        const int count = n - from < TILE ? n - from : TILE;
        run_tile(g, pass, clip, from, count, pooled + (size_t)from * dim);
    }
    *out = (struct clip_features){.n = clip->frames,
                                  .dim = (uint32_t)g->fc.in,
                                  .classes = (uint32_t)g->fc.out,
                                  .features = pooled,
                                  .scores = classifier_run(&g->fc, pass, pooled, n)};
}

const struct arch arch_resnet = {.build = resnet_build, .free = free, .run_clip = resnet_run};
