#include "detector/export.h"

#include <string.h>

struct export_limits export_limits_read(struct model *m, const struct detector_options *options)
{
    struct export_limits l;
    l.threshold = model_number(m, m->config, "conf_threshold", 0, 1);
    l.max_boxes = model_int(m, m->config, "max_boxes", 1, REGIONS_MAX);
    l.min_boxes = model_int(m, m->config, "min_boxes", 0, l.max_boxes);
    if (options->max_boxes >= 0) {
        l.max_boxes = options->max_boxes;
        l.min_boxes = l.min_boxes < l.max_boxes ? l.min_boxes : l.max_boxes;
    }
    if (options->min_boxes >= 0) {
        l.min_boxes = options->min_boxes;
        l.max_boxes = l.max_boxes > l.min_boxes ? l.max_boxes : l.min_boxes;
    }
    if (options->conf_threshold >= 0) {
        l.threshold = (double)options->conf_threshold;
    }
    return l;
}

/* The arrays of one struct detections, while they may be written. */
struct arrays {
    struct box *box;
    struct box *refined;
    float *conf;
    uint16_t *object_id;
    float *object_conf;
    float *feature;
    float *prob;
};

static struct arrays take_arrays(struct pass *pass, size_t room, const struct roi_rows *rows)
{
    return (struct arrays){.box = workspace_take(pass->ws, room, sizeof(struct box)),
                           .refined = workspace_take(pass->ws, room, sizeof(struct box)),
                           .conf = pass_floats(pass, room),
                           .object_id = workspace_take(pass->ws, room, sizeof(uint16_t)),
                           .object_conf = pass_floats(pass, room),
                           .feature = pass_floats(pass, room * rows->dim),
                           .prob = pass_floats(pass, room * rows->classes)};
}

static void copy_region(const struct arrays *a, size_t i, const struct region *r,
                        const struct roi_rows *rows)
{
    a->box[i] = r->box;
    a->refined[i] = r->refined;
    a->conf[i] = r->conf;
    a->object_id[i] = r->object;
    a->object_conf[i] = r->object_conf;
    memcpy(a->feature + i * rows->dim, rows->feature + r->roi * rows->dim,
           rows->dim * sizeof *a->feature);
    memcpy(a->prob + i * rows->classes, rows->prob + r->roi * rows->classes,
           rows->classes * sizeof *a->prob);
}

void export_regions(struct pass *pass, const struct region *region, size_t n, size_t room,
                    const struct roi_rows *rows, struct detections *out)
{
    const struct arrays a = take_arrays(pass, room, rows);
    if (pass_step(pass, "export", 0)) {
        for (size_t i = 0; i < n; i++) {
            copy_region(&a, i, &region[i], rows);
        }
    }
    *out = (struct detections){.n = (uint32_t)n,
                               .dim = (uint32_t)rows->dim,
                               .classes = (uint32_t)rows->classes,
                               .boxes = &a.box->x1,
                               .conf = a.conf,
                               .object_id = a.object_id,
                               .object_conf = a.object_conf,
                               .features = a.feature,
                               .soft_labels = a.prob,
                               .refined_boxes = &a.refined->x1};
}
