#include "recipes/arrays.h"

int array_allocate(const struct recipe_context *c, const struct pair_record *pair,
                   const struct visual_record *visual, const struct plan *plan, struct sample *out)
{
    const int rc = sample_allocate(out);
    out->pair = pair->id;
    out->medium = visual->medium;
    out->epoch = plan->epoch;
    out->position = plan->position;
    out->task = c->recipe->tasks[plan->task];
    return rc;
}

void array_text(const struct recipe_context *c, const struct pair_record *pair,
                const struct plan *plan, int32_t *ids, int32_t *positions)
{
    ids[0] = (int32_t)c->ids.cls;
    for (uint32_t i = 0; i < plan->tokens; i++) {
        const uint8_t op = plan->token_op[i];
        const uint32_t id = op == MASK_HIDE     ? c->ids.mask
                            : op == MASK_RANDOM ? plan->token_random[i]
                                                : pair->tokens.ids[i];
        ids[i + 1] = (int32_t)id;
    }
    ids[plan->tokens + 1] = (int32_t)c->ids.sep;
    for (uint32_t i = 0; i < plan->tokens + 2; i++) {
        positions[i] = (int32_t)i;
    }
}

void array_text_labels(const struct pair_record *pair, const struct plan *plan, int32_t *labels)
{
    labels[0] = -1;
    for (uint32_t i = 0; i < plan->tokens; i++) {
        labels[i + 1] = plan->token_op[i] == MASK_NONE ? -1 : (int32_t)pair->tokens.ids[i];
    }
    labels[plan->tokens + 1] = -1;
}

void array_feature(const struct visual_record *v, uint32_t row, float *out)
{
    const size_t at = (size_t)row * v->dim;
    if (v->feature_dtype == FEATURE_F16) {
        half_to_floats((const half *)v->features + at, out, v->dim);
    } else {
        memcpy(out, (const float *)v->features + at, v->dim * sizeof *out);
    }
}

uint32_t array_declare_targets(struct sample *s, const char *name, enum region_target target,
                               uint32_t m, const struct visual_record *v)
{
    return target == TARGET_CLASS
               ? sample_declare(s, name, ARRAY_I32, m, 0)
               : sample_declare(s, name, ARRAY_F32, m, target == TARGET_SOFT ? v->classes : v->dim);
}

/* The best class without background (column 0), counted with it; the first of equals.  Converts a
 * run of classes at once, which is several times as fast as one by one. */
static int32_t hard_label(const half *soft, uint32_t classes)
{
    enum { RUN = 256 };
    float p[RUN];
    uint32_t best = 1;
    float most = half_to_float(soft[1]);
    for (uint32_t at = 2; at < classes; at += RUN) {
        const uint32_t n = classes - at < RUN ? classes - at : RUN;
        half_to_floats(soft + at, p, n);
        for (uint32_t k = 0; k < n; k++) {
            if (p[k] > most) {
                most = p[k];
                best = at + k;
            }
        }
    }
    return (int32_t)best;
}

void array_region_targets(const struct plan *plan, const struct visual_record *v,
                          enum region_target target, void *out)
{
    size_t row = 0;
    for (uint32_t i = 0; i < plan->regions; i++) {
        if (plan->region_op[i] == MASK_NONE) {
            continue;
        }
        const size_t soft = (size_t)i * v->classes;
        if (target == TARGET_FEATURE) {
            array_feature(v, i, (float *)out + row * v->dim);
        } else if (target == TARGET_SOFT) {
            half_to_floats(v->soft_labels + soft, (float *)out + row * v->classes, v->classes);
        } else {
            ((int32_t *)out)[row] = hard_label(v->soft_labels + soft, v->classes);
        }
        row++;
    }
}

int array_check_visual(const struct recipe_context *c, const struct plan *plan,
                       const struct visual_record *v, int soft)
{
    char name[ID_HEX];
    id_to_hex(&v->medium, name);
    if (v->n == 0 || v->width == 0 || v->height == 0 || v->dim == 0) {
        return err_set(E_ARG, "medium %s has no regions, so it is no sample of %s", name,
                       c->recipe->name);
    }
    if (soft && (v->classes < 2 || !v->soft_labels)) {
        return err_set(E_ARG, "medium %s has no soft labels, which the task %s needs", name,
                       c->recipe->tasks[plan->task]);
    }
    return 0;
}
