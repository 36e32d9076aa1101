/*
 * Attributes of regions whose class is known (Anderson et al. 2018): the region's feature joined
 * with an embedding of its class, a hidden layer, a softmax over "none" and the attributes.
 */
#ifndef DETECTOR_ATTRIBUTE_HEAD_H
#define DETECTOR_ATTRIBUTE_HEAD_H

#include "detector/model.h"
#include "detector/pass.h"

struct attribute_head {
    const float *embedding; /* [classes][embedding_dim] */
    int embedding_dim;
    struct conv hidden;
    struct conv score; /* [1 + attributes], "none" first */
};

/* Tensors are `prefix` + cls_embedding, fc_attr, attr_score. */
void attribute_head_build(struct model *m, const char *prefix, int dim, int classes,
                          struct attribute_head *head);

/* feature [n][dim], cls[n] with 0 as background -> out->attr_id and out->attr_conf, the best
 * attribute of each, in workspace memory for `room` regions that stays taken. */
void attribute_head_run(const struct attribute_head *head, struct pass *pass, const float *feature,
                        const uint32_t *cls, size_t n, size_t room, struct detections *out);

#endif
