#include "detector/detector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "detector/arch.h"
#include "detector/gemm.h"
#include "detector/resize.h"

enum { CLIP_FRAMES = 4096 /* a clip; at 25 a second, nearly three minutes */ };

struct detector {
    struct model model;
    const struct arch *arch;
    void *graph;
    struct arch_shape shape;
    struct detector_info info;
    char name[128];
};

struct detector_session {
    struct workspace workspace;
    struct profile profile;
};

struct detector_options detector_options_default(void)
{
    return (struct detector_options){.min_boxes = -1, .max_boxes = -1, .conf_threshold = NAN};
}

static int check_options(const struct detector_options *o)
{
    if (o->max_boxes == 0 || o->max_boxes < -1 || o->min_boxes < -1 ||
        (o->max_boxes > 0 && o->min_boxes > o->max_boxes)) {
        return err_set(E_ARG, "between %d and %d regions cannot be exported", o->min_boxes,
                       o->max_boxes);
    }
    return 0;
}

static int find_architecture(struct detector *det)
{
    const char *name = safetensors_metadata(det->model.file, "architecture");
    if (!name) {
        model_fail(&det->model, "the metadata does not name an \"architecture\"");
        return det->model.rc;
    }
    const struct network *network = arch_find(name);
    if (!network) {
        model_fail(&det->model, "the architecture \"%.60s\" is unknown; this pairmill has %s", name,
                   arch_names());
        return det->model.rc;
    }
    det->arch = network->arch;
    det->info.architecture = network->name;
    return 0;
}

/* A region is one of some object. */
static void check_objects(struct detector *det)
{
    if (det->shape.kind == DETECTOR_REGIONS && det->model.objects.n == 0) {
        model_fail(&det->model,
                   "the metadata entry \"objects\" is empty; %s needs the name of one object at "
                   "least",
                   det->info.architecture);
    }
}

static void describe(struct detector *det)
{
    struct detector_info *info = &det->info;
    char hex[ID_HEX];
    info->digest = id_of_medium(safetensors_file(det->model.file));
    id_to_hex(&info->digest, hex);
    snprintf(det->name, sizeof det->name, "%.60s:%.16s", info->architecture, hex);
    info->name = det->name;
    info->dim = det->shape.dim;
    info->classes = det->shape.classes;
    info->max_regions = det->shape.max_regions;
    info->kind = det->shape.kind;
    info->embedding_dim = det->shape.embedding_dim;
    info->min_frames = det->shape.min_frames;
    info->frame_multiple = det->shape.frame_multiple;
    info->objects = det->model.objects;
    info->attributes = det->model.attributes;
    for (size_t i = 0; i < safetensors_count(det->model.file); i++) {
        info->parameters += safetensors_at(det->model.file, i)->count;
    }
}

int detector_open(const char *path, const struct detector_options *options, struct detector **out)
{
    const struct detector_options defaults = detector_options_default();
    options = options ? options : &defaults;
    int rc = check_options(options);
    struct detector *det = rc ? NULL : calloc(1, sizeof *det);
    if (!det) {
        return rc ? rc : err_set(E_NOMEM, "no memory for a detector");
    }
    rc = gemm_init();
    rc = rc ? rc : model_open(path, &det->model);
    if (rc) {
        free(det);
        return rc;
    }
    rc = find_architecture(det);
    if (rc == 0) {
        det->graph = det->arch->build(&det->model, options, &det->shape);
        check_objects(det);
        rc = model_finish(&det->model);
    }
    if (rc) {
        detector_close(det);
        return rc;
    }
    det->info.kernels = gemm_name();
    describe(det);
    safetensors_forget(det->model.file); /* most weights are used as they were prepared */
    *out = det;
    return 0;
}

void detector_close(struct detector *det)
{
    if (!det) {
        return;
    }
    if (det->graph) {
        det->arch->free(det->graph);
    }
    model_release(&det->model);
    free(det);
}

const struct detector_info *detector_info(const struct detector *det)
{
    return &det->info;
}

const char *detector_metadata(const struct detector *det, const char *key)
{
    return safetensors_metadata(det->model.file, key);
}

int detector_session_new(const struct detector *det, struct detector_session **out)
{
    (void)det; /* a session fits every detector, but callers should not count on it */
    *out = calloc(1, sizeof **out);
    return *out ? 0 : err_set(E_NOMEM, "no memory for a detector session");
}

void detector_session_free(struct detector_session *session)
{
    if (session) {
        workspace_release(&session->workspace);
        free(session);
    }
}

/* What one call works on: an image's regions, or a clip's features. */
struct work {
    struct geometry geometry;
    const uint8_t *rgb;
    struct detections *found;
    const struct detector_clip *clip; /* NULL: an image */
    struct clip_features *features;
};

static void run_graph(const struct detector *det, struct pass *pass, const struct work *w)
{
    if (w->clip) {
        det->arch->run_clip(det->graph, pass, w->clip, w->features);
    } else {
        det->arch->run(det->graph, pass, &w->geometry, pass->dry ? NULL : w->rgb, w->found);
    }
}

/* Runs the graph without computing, to learn what it would take. */
static struct pass measure(const struct detector *det, const struct work *w, struct workspace *ws)
{
    struct pass pass = {.ws = ws, .dry = true};
    workspace_reset(ws, 1);
    run_graph(det, &pass, w);
    return pass;
}

static int compute(const struct detector *det, struct detector_session *session,
                   const struct work *w, const struct detector_progress *progress)
{
    const struct pass dry = measure(det, w, &session->workspace);
    const int rc = workspace_grow(&session->workspace, session->workspace.peak);
    if (rc) {
        return rc;
    }
    workspace_reset(&session->workspace, 0);
    session->profile.rows = 0;
    session->profile.current = -1;
    struct pass pass = {.ws = &session->workspace,
                        .profile = &session->profile,
                        .progress = progress,
                        .steps = dry.step};
    run_graph(det, &pass, w);
    pass_end(&pass);
    return 0;
}

static int check_image(const struct detector *det, uint32_t width, uint32_t height,
                       struct geometry *out)
{
    if (det->shape.kind != DETECTOR_REGIONS) {
        return err_set(E_ARG, "%s describes frames and clips; it finds no regions", det->name);
    }
    return preprocess_geometry(&det->shape.preprocess, width, height, out);
}

static int check_clip(const struct detector *det, const struct detector_clip *clip)
{
    const struct arch_shape *shape = &det->shape;
    if (shape->kind == DETECTOR_REGIONS) {
        return err_set(E_ARG, "%s finds regions of images; it does not describe clips", det->name);
    }
    if (clip->frames < shape->min_frames || clip->frames > CLIP_FRAMES) {
        return err_set(E_ARG, "%s takes clips of %u to %d frames, not %u", det->info.architecture,
                       shape->min_frames, CLIP_FRAMES, clip->frames);
    }
    if (clip->frames % shape->frame_multiple) {
        return err_set(E_ARG, "%s takes clips of a multiple of %u frames, not %u",
                       det->info.architecture, shape->frame_multiple, clip->frames);
    }
    return resize_check(clip->width, clip->height);
}

static struct detector_cost cost_of(const struct detector *det, const struct work *w,
                                    uint32_t net_width, uint32_t net_height)
{
    struct workspace ws = {.memory = NULL};
    const struct pass dry = measure(det, w, &ws);
    return (struct detector_cost){.macs = dry.macs,
                                  .workspace_bytes = ws.peak,
                                  .net_width = net_width,
                                  .net_height = net_height};
}

int detector_cost(const struct detector *det, uint32_t width, uint32_t height,
                  struct detector_cost *out)
{
    struct detections ignored;
    struct work w = {.found = &ignored};
    const int rc = check_image(det, width, height, &w.geometry);
    if (rc) {
        return rc;
    }
    *out = cost_of(det, &w, (uint32_t)w.geometry.net_width, (uint32_t)w.geometry.net_height);
    return 0;
}

int detector_clip_cost(const struct detector *det, uint32_t frames, uint32_t width, uint32_t height,
                       struct detector_cost *out)
{
    const struct detector_clip clip = {.frames = frames, .width = width, .height = height};
    struct clip_features ignored;
    const struct work w = {.clip = &clip, .features = &ignored};
    const int rc = check_clip(det, &clip);
    if (rc) {
        return rc;
    }
    *out = cost_of(det, &w, det->shape.net_width, det->shape.net_height);
    return 0;
}

int detector_detect(const struct detector *det, struct detector_session *session,
                    const struct detector_image *image, const struct detector_progress *progress,
                    struct detections *out)
{
    struct work w = {.rgb = image->rgb, .found = out};
    const int rc = check_image(det, image->width, image->height, &w.geometry);
    return rc ? rc : compute(det, session, &w, progress);
}

int detector_features(const struct detector *det, struct detector_session *session,
                      const struct detector_clip *clip, const struct detector_progress *progress,
                      struct clip_features *out)
{
    const struct work w = {.clip = clip, .features = out};
    const int rc = check_clip(det, clip);
    return rc ? rc : compute(det, session, &w, progress);
}

size_t detector_profile(const struct detector_session *session,
                        const struct detector_profile_row **rows)
{
    *rows = session->profile.row;
    return (size_t)session->profile.rows;
}
