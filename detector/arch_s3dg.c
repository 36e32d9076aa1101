/*
 * Clip features and their embedding beside text: S3D-G trained with MIL-NCE on HowTo100M
 * (antoine77340/S3D_HowTo100M, s3dg.py), whose features UniVL and VideoCLIP read.
 *
 *     space to depth -- conv1 (4x4 and 2 frames) -- body (s3d.h) -- mean = feature -- fc =
 * embedding
 */
#include <stdlib.h>
#include <string.h>

#include "detector/arch.h"
#include "detector/frames.h"
#include "detector/s3d.h"

enum {
    CUBE = 2, /* pixels a side, and frames, that become channels */
    CUBE_CHANNELS = 3 * CUBE * CUBE * CUBE,
    BEFORE = 1, /* cubes of zeros around the plane, so that conv1 keeps the side as "SAME" does */
    AFTER = 2
};

const char s3dg_config[] = "{}";

/* Values from 0 to 1.  The published code leaves the resize open; 224 px were trained on. */
const char s3dg_preprocess[] =
    "{\"channels\": \"RGB\", \"mean\": [0, 0, 0], \"std\": [255, 255, 255], \"resize\": \"pil\", "
    "\"short\": 224, \"crop\": [224, 224]}";

struct s3dg {
    struct frames_rule frames;
    struct conv conv1;
    struct s3d body;
    struct conv fc;
};

static void *s3dg_build(struct model *m, const struct detector_options *options,
                        struct arch_shape *shape)
{
    (void)options; /* of regions */
    struct s3dg *g = calloc(1, sizeof *g);
    if (!g) {
        model_fail(m, "no memory for the graph");
        return NULL;
    }
    frames_rule_read(m, &g->frames);
    if (g->frames.crop_width % CUBE || g->frames.crop_height % CUBE) {
        model_fail(m, "\"crop\" must be a multiple of %d pixels each way", CUBE);
    }
    g->conv1 = (struct conv){
        .in = CUBE_CHANNELS, .kernel = 4, .stride = 1, .dilation = 1, .taps = 2, .relu = true};
    model_conv(m, "conv1.conv1", &g->conv1);
    g->fc = (struct conv){.in = s3d_build(m, S3D_HOWTO100M, g->conv1.out, &g->body)};
    model_linear(m, "fc", &g->fc);
    *shape = (struct arch_shape){.kind = DETECTOR_CLIPS,
                                 .dim = (uint32_t)g->fc.in,
                                 .embedding_dim = (uint32_t)g->fc.out,
                                 .min_frames = CUBE,
                                 .frame_multiple = CUBE,
                                 .net_width = (uint32_t)g->frames.crop_width,
                                 .net_height = (uint32_t)g->frames.crop_height};
    return g;
}

/* Channel (4 i + 2 j + k) * 3 + c of a cube is colour c of its frame i, row j, column k. */
static void gather_cube(const struct tensor *x, int t, int y, int z, float *out)
{
    for (int i = 0; i < CUBE; i++) {
        for (int j = 0; j < CUBE; j++) {
            const float *pair = tensor_at(x, CUBE * t + i, CUBE * y + j, CUBE * z);
            memcpy(out, pair, CUBE * 3 * sizeof *out); /* both columns */
            out += CUBE * 3;
        }
    }
}

/* Half the frames, rows and columns, 8 times the channels, and zeros around: conv1 of the source
 * pads by 1 frame and 2 pixels and drops its first frame, row and column, so that none come before
 * the first frame, one before the first row and column, and one more after each. */
static struct tensor space_to_depth(struct pass *pass, const struct tensor *x)
{
    const int h = x->h / CUBE;
    const int w = x->w / CUBE;
    const struct tensor y =
        pass_tensor(pass, x->n / CUBE + 1, BEFORE + h + AFTER, BEFORE + w + AFTER, CUBE_CHANNELS);
    if (!pass_step(pass, "space to depth", 0)) {
        return y;
    }
    memset(y.p, 0, tensor_count(&y) * sizeof *y.p);
    for (int t = 0; t < x->n / CUBE; t++) {
        for (int i = 0; i < h; i++) {
            for (int j = 0; j < w; j++) {
                gather_cube(x, t, i, j, tensor_at(&y, t, BEFORE + i, BEFORE + j));
            }
        }
    }
    return y;
}

static struct tensor run_stem(const struct s3dg *g, struct pass *pass,
                              const struct detector_clip *clip)
{
    const struct tensor input = frames_run(&g->frames, pass, clip, 0, (int)clip->frames);
    const struct tensor cubes = space_to_depth(pass, &input);
    pass_give(pass, input.p);
    const struct tensor x = conv_run(&g->conv1, pass, &cubes);
    pass_give(pass, cubes.p);
    return x;
}

static void s3dg_run(const void *graph, struct pass *pass, const struct detector_clip *clip,
                     struct clip_features *out)
{
    const struct s3dg *g = graph;
    const struct tensor feature = pass_tensor(pass, 1, 1, 1, g->fc.in);
    const struct tensor x = s3d_run(&g->body, pass, run_stem(g, pass, clip));
    clip_average(pass, "mixed_5c mean", &x, 0, 0, feature.p);
    pass_give(pass, x.p);
    const struct tensor embedding = conv_run(&g->fc, pass, &feature);
    *out = (struct clip_features){.n = 1,
                                  .dim = (uint32_t)g->fc.in,
                                  .embedding_dim = (uint32_t)g->fc.out,
                                  .features = feature.p,
                                  .embedding = embedding.p};
}

const struct arch arch_s3dg = {.build = s3dg_build, .free = free, .run_clip = s3dg_run};
