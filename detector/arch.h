/*
 * Architectures: how a model file becomes a graph, and how an image goes through it.
 *
 * Adding one: a file arch_<name>.c that defines a `const struct arch`, and a row in arch.c for each
 * network of that kind.
 */
#ifndef DETECTOR_ARCH_H
#define DETECTOR_ARCH_H

#include "detector/detector.h"
#include "detector/model.h"
#include "detector/pass.h"
#include "detector/preprocess.h"

/* What a graph tells about itself once built; fields as in struct detector_info. */
struct arch_shape {
    enum detector_kind kind;
    struct preprocess preprocess; /* of DETECTOR_REGIONS alone */
    uint32_t dim;
    uint32_t classes;
    uint32_t max_regions;
    uint32_t embedding_dim;
    uint32_t min_frames;
    uint32_t frame_multiple;
    uint32_t net_width; /* px of a frame in the network, of DETECTOR_FRAMES and DETECTOR_CLIPS */
    uint32_t net_height;
};

struct arch {
    /* Reads config and weights and allocates the graph; what is wrong is remembered in `m`. Returns
     * NULL only when something is. */
    void *(*build)(struct model *m, const struct detector_options *options,
                   struct arch_shape *shape);
    void (*free)(void *graph);
    /* One image; `rgb` is NULL in a dry pass. Results are left in the pass's workspace. */
    void (*run)(const void *graph, struct pass *pass, const struct geometry *g, const uint8_t *rgb,
                struct detections *out);
    /* The frames of one clip, for the kinds that have no regions; exactly one of the two is set. */
    void (*run_clip)(const void *graph, struct pass *pass, const struct detector_clip *clip,
                     struct clip_features *out);
};

/* A network by its name: the graph's kind and what its published weights need besides numbers. An
 * importer writes these into the model file; a detector reads them only from there. */
struct network {
    const char *name; /* "architecture" in the metadata */
    const struct arch *arch;
    const char *config; /* JSON, as the metadata's; NULL where nothing is published */
    const char *preprocess;
    const char *objects; /* JSON list; NULL where the vocabulary comes as a file */
    double eps;          /* of the batch normalisation that an importer folds */
};

/* By the name in a model's metadata; NULL when there is none of that name. */
const struct network *arch_find(const char *name);

/* All names, separated by ", ", for a message; and those of networks whose weights are published.
 */
const char *arch_names(void);
const char *arch_published_names(void);

/* The kinds of graph, each with the constants of its published networks. */
extern const struct arch arch_c4;
extern const char butd_config[];
extern const char butd_preprocess[];
extern const char detectron2_r50_c4_config[];
extern const char detectron2_r101_c4_config[];
extern const char detectron2_preprocess[];
extern const char vinvl_config[];
extern const char vinvl_preprocess[];

extern const struct arch arch_fpn;
extern const char torchvision_fpn_config[];
extern const char torchvision_fpn_v2_config[];
extern const char torchvision_preprocess[];

/* Public vocabularies, JSON lists. */
extern const char coco_80[]; /* COCO's object classes */
extern const char coco_90[]; /* the same where COCO's ids leave gaps: torchvision's, with "N/A" */

extern const struct arch arch_resnet;
extern const char resnet_50_config[];
extern const char resnet_101_config[];
extern const char resnet_152_config[];
extern const char imagenet_preprocess[];

extern const struct arch arch_s3d;
extern const char s3d_config[];
extern const char s3d_preprocess[];

extern const struct arch arch_s3dg;
extern const char s3dg_config[];
extern const char s3dg_preprocess[];

extern const struct arch arch_r3d;
extern const char r3d_18_config[];
extern const char r2plus1d_18_config[];
extern const char r3d_preprocess[];

#endif
