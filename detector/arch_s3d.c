/*
 * Clip features: torchvision's S3D (models/video/s3d.py).
 *
 *     features.0 (7x7 and 7 frames, stride 2) -- body (s3d.h) -- pool = feature -- classifier
 */
#include <stdlib.h>

#include "detector/arch.h"
#include "detector/classifier.h"
#include "detector/frames.h"
#include "detector/s3d.h"

/* The average pooling's windows, and the published weights' min_temporal_size. */
const char s3d_config[] = "{\"pool_frames\": 2, \"pool_side\": 7, \"min_frames\": 14}";

/* torchvision's KINETICS400_V1 preset; mean and std are its own times 255. */
const char s3d_preprocess[] =
    "{\"channels\": \"RGB\", \"mean\": [110.2008, 100.63983, 95.99475], "
    "\"std\": [58.14765, 56.46975, 55.332195], \"resize\": \"torch\", \"size\": [256, 256], "
    "\"crop\": [224, 224]}";

struct s3d_net {
    struct frames_rule frames;
    struct separable stem;
    struct s3d body;
    int pool_frames;
    int pool_side;
    struct conv classifier;
};

/* The pool's window must fit into what the smallest clip leaves of itself. */
static void check_window(struct model *m, const struct s3d_net *g, int min_frames)
{
    const int frames = s3d_frames(&g->body, conv_frames(&g->stem.time, min_frames));
    const int width = s3d_side(&g->body, conv_side(&g->stem.space, g->frames.crop_width));
    const int height = s3d_side(&g->body, conv_side(&g->stem.space, g->frames.crop_height));
    if (frames < g->pool_frames || width < g->pool_side || height < g->pool_side) {
        model_fail(
            m,
            "\"min_frames\" and \"crop\" leave %d frames of %d x %d, too few for a pool over "
            "%d frames of %d x %d",
            frames, width, height, g->pool_frames, g->pool_side, g->pool_side);
    }
}

static void *s3d_net_build(struct model *m, const struct detector_options *options,
                           struct arch_shape *shape)
{
    (void)options; /* of regions */
    struct s3d_net *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    frames_rule_read(m, &g->frames);
    separable_build(m, "features.0.0.0", "features.0.1.0", 3, 7, 2, true, &g->stem);
    const int width = s3d_build(m, S3D_TORCHVISION, g->stem.time.out, &g->body);
    g->pool_frames = model_int(m, m->config, "pool_frames", 1, 64);
    g->pool_side = model_int(m, m->config, "pool_side", 1, 64);
    const int min_frames = model_int(m, m->config, "min_frames", 1, 1024);
    classifier_build(m, "classifier.1", width, true, &g->classifier);
    check_window(m, g, min_frames);
    *shape = (struct arch_shape){.kind = DETECTOR_CLIPS,
                                 .dim = (uint32_t)width,
                                 .classes = (uint32_t)g->classifier.out,
                                 .min_frames = (uint32_t)min_frames,
                                 .frame_multiple = 1,
                                 .net_width = (uint32_t)g->frames.crop_width,
                                 .net_height = (uint32_t)g->frames.crop_height};
    return g;
}

/* torchvision pools, classifies each window, and takes the mean: all of it linear, so the mean may
 * as well be taken first, and is the feature. */
static void s3d_net_run(const void *graph, struct pass *pass, const struct detector_clip *clip,
                        struct clip_features *out)
{
    const struct s3d_net *g = graph;
    const int dim = g->classifier.in;
    float *feature = pass_floats(pass, (size_t)dim);
    const struct tensor input = frames_run(&g->frames, pass, clip, 0, (int)clip->frames);
    struct tensor x = separable_run(&g->stem, pass, &input);
    pass_give(pass, input.p);
    x = s3d_run(&g->body, pass, x);
    clip_average(pass, "avgpool", &x, g->pool_frames, g->pool_side, feature);
    pass_give(pass, x.p);
    *out = (struct clip_features){.n = 1,
                                  .dim = (uint32_t)dim,
                                  .classes = (uint32_t)g->classifier.out,
                                  .features = feature,
                                  .scores = classifier_run(&g->classifier, pass, feature, 1)};
}

const struct arch arch_s3d = {.build = s3d_net_build, .free = free, .run_clip = s3d_net_run};
