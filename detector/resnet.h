/*
 * ResNet's stem and bottleneck stages (He et al. 2016), under the names that its sources give them.
 *
 *     conv1 pool1 | res2 res3 res4 res5 = layer1 layer2 layer3 layer4
 */
#ifndef DETECTOR_RESNET_H
#define DETECTOR_RESNET_H

#include "detector/conv.h"
#include "detector/model.h"
#include "detector/pool.h"

enum { RESNET_BLOCKS = 64 /* a stage; ResNet-152 has 36 */ };

/* How a source spells block i of stage n, its projection and its three convolutions. */
enum resnet_names {
    RESNET_LETTERS,     /* Caffe: res2a_branch1, res2a_branch2a, ..2b, ..2c, res2b_... */
    RESNET_BUTD,        /* the same, but ResNet-101's long stages go res4a, res4b1, res4b2... */
    RESNET_TORCHVISION, /* layer1.0.downsample.0, layer1.0.conv1, ..2, ..3, layer1.1... */
    RESNET_DETECTRON2,  /* res2.0.shortcut, res2.0.conv1, ..2, ..3, res2.1... */
};

struct resnet_stem {
    struct conv conv1;     /* 7x7, stride 2 */
    struct max_pool pool1; /* 3x3, stride 2 */
};

/* `caffe`: pool1 without padding and with a last, partial window; else torch's padding of 1. */
void resnet_stem_build(struct model *m, const char *conv1, bool caffe, struct resnet_stem *stem);

/* Takes x over: its memory is given back. */
struct tensor resnet_stem_run(const struct resnet_stem *stem, struct pass *pass, struct tensor x);

/* 1x1 reduce, 3x3, 1x1 expand, added to the input or to its 1x1 projection. */
struct bottleneck {
    struct conv shortcut; /* out = 0: identity */
    struct conv reduce;
    struct conv middle;
    struct conv expand;
};

struct resnet_stage {
    int n;
    struct bottleneck block[RESNET_BLOCKS];
};

struct resnet_stage_plan {
    const char *prefix; /* before each name, "backbone." */
    enum resnet_names names;
    int number; /* 2 to 5 */
    int blocks;
    int in;       /* channels */
    int stride;   /* of the first block */
    int dilation; /* of the 3x3s, and their groups (ResNeXt; 0 is 1) */
    int groups;
    bool stride_in_1x1; /* the first block strides in its 1x1, else in its 3x3 */
};

/* Widths come from the file's shapes.  Returns the stage's width. */
int resnet_stage_build(struct model *m, const struct resnet_stage_plan *plan,
                       struct resnet_stage *stage);

/* Takes x over: its memory is given back, or becomes the result. */
struct tensor resnet_stage_run(const struct resnet_stage *stage, struct pass *pass,
                               struct tensor x);

#endif
