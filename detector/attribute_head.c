#include "detector/attribute_head.h"

#include <stdio.h>
#include <string.h>

#include "detector/softmax.h"

enum { NAME_ROOM = 160 };

static void build_layer(struct model *m, const char *prefix, const char *name, struct conv *c)
{
    char key[NAME_ROOM];
    snprintf(key, sizeof key, "%s%s", prefix, name);
    model_linear(m, key, c);
}

void attribute_head_build(struct model *m, const char *prefix, int dim, int classes,
                          struct attribute_head *head)
{
    char key[NAME_ROOM];
    int shape[2] = {classes, 0};
    snprintf(key, sizeof key, "%scls_embedding.weight", prefix);
    head->embedding = model_tensor(m, key, 2, shape);
    head->embedding_dim = shape[1];
    head->hidden = (struct conv){.in = dim + head->embedding_dim, .relu = true};
    build_layer(m, prefix, "fc_attr", &head->hidden);
    head->score = (struct conv){.in = head->hidden.out, .out = (int)m->attributes.n + 1};
    build_layer(m, prefix, "attr_score", &head->score);
}

/* joined[n] = feature, then the embedding of the class. */
static void join(const struct attribute_head *head, const float *feature, const uint32_t *cls,
                 size_t n, float *joined)
{
    const size_t extra = (size_t)head->embedding_dim;
    const size_t dim = (size_t)head->hidden.in - extra;
    for (size_t i = 0; i < n; i++, joined += dim + extra) {
        memcpy(joined, feature + i * dim, dim * sizeof *joined);
        memcpy(joined + dim, head->embedding + cls[i] * extra, extra * sizeof *joined);
    }
}

void attribute_head_run(const struct attribute_head *head, struct pass *pass, const float *feature,
                        const uint32_t *cls, size_t n, size_t room, struct detections *out)
{
    uint16_t *id = workspace_take(pass->ws, room, sizeof *id);
    float *conf = pass_floats(pass, room);
    pass->room = (int)room;
    const struct tensor joined = pass_tensor(pass, (int)n, 1, 1, head->hidden.in);
    if (pass_step(pass, "cls_embedding", 0)) {
        join(head, feature, cls, n, joined.p);
    }
    const struct tensor hidden = conv_run(&head->hidden, pass, &joined);
    const struct tensor score = conv_run(&head->score, pass, &hidden);
    pass->room = 0;
    if (pass_step(pass, "attr_prob", 0)) {
        softmax_rows(score.p, n, (size_t)score.c);
        for (size_t i = 0; i < n; i++) {
            const float *prob = score.p + i * (size_t)score.c + 1; /* past "none" */
            id[i] = (uint16_t)argmax(prob, (size_t)score.c - 1);
            conf[i] = prob[id[i]];
        }
    }
    pass_give(pass, score.p);
    pass_give(pass, hidden.p);
    pass_give(pass, joined.p);
    out->attr_id = id;
    out->attr_conf = conf;
}
