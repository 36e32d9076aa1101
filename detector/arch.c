#include "detector/arch.h"

#include <string.h>

#include "detector/imagenet.h"
#include "detector/kinetics.h"

/* X(the name in a model's metadata, its graph, config, preprocess, objects, eps) */
#define ARCHITECTURES(X)                       \
    X("demo-c4", arch_c4, NULL, NULL, NULL, 0) \
    PUBLISHED(X)

/* Those whose weights can be imported. */
#define PUBLISHED(X)                                                                             \
    X("butd-r101-c4", arch_c4, butd_config, butd_preprocess, NULL, 1e-5)                         \
    X("frcnn-r50-c4", arch_c4, detectron2_r50_c4_config, detectron2_preprocess, coco_80, 1e-5)   \
    X("frcnn-r101-c4", arch_c4, detectron2_r101_c4_config, detectron2_preprocess, coco_80, 1e-5) \
    X("frcnn-x152-c4", arch_c4, vinvl_config, vinvl_preprocess, NULL, 0)                         \
    X("frcnn-r50-fpn", arch_fpn, torchvision_fpn_config, torchvision_preprocess, coco_90, 0)     \
    X("frcnn-r50-fpn-v2", arch_fpn, torchvision_fpn_v2_config, torchvision_preprocess, coco_90,  \
      1e-5)                                                                                      \
    X("resnet-50", arch_resnet, resnet_50_config, imagenet_preprocess, imagenet_classes, 1e-5)   \
    X("resnet-101", arch_resnet, resnet_101_config, imagenet_preprocess, imagenet_classes, 1e-5) \
    X("resnet-152", arch_resnet, resnet_152_config, imagenet_preprocess, imagenet_classes, 1e-5) \
    X("s3d", arch_s3d, s3d_config, s3d_preprocess, kinetics_classes, 1e-3)                       \
    X("s3dg-howto100m", arch_s3dg, s3dg_config, s3dg_preprocess, "[]", 1e-5)                     \
    X("r3d-18", arch_r3d, r3d_18_config, r3d_preprocess, kinetics_classes, 1e-5)                 \
    X("r2plus1d-18", arch_r3d, r2plus1d_18_config, r3d_preprocess, kinetics_classes, 1e-5)

static const struct network networks[] = {
#define X(name, arch, config, preprocess, objects, eps) \
    {name, &arch, config, preprocess, objects, eps},
    ARCHITECTURES(X)
#undef X
};

const struct network *arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        if (strcmp(networks[i].name, name) == 0) {
            return &networks[i];
        }
    }
    return NULL;
}

#define X(name, ...) ", " name
const char *arch_names(void)
{
    static const char names[] = "" ARCHITECTURES(X);
    return names + 2; /* past the first ", " */
}

const char *arch_published_names(void)
{
    static const char names[] = "" PUBLISHED(X);
    return names + 2;
}
#undef X
