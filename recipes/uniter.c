#include "recipes/uniter.h"

#include "common/half.h"
#include "recipes/arrays.h"
#include "recipes/choices.h"

static const char *const task_names[] = {"itm", "mlm", "mrfr", "mrckl", "mrc", NULL};

static const struct recipe_option options[UNITER_OPTIONS] = {
    {"itm", 2, 0, 1e6, 1, NULL, "weight of image-text matching in the task mix"},
    {"mlm", 2, 0, 1e6, 1, NULL, "weight of masked language modelling"},
    {"mrfr", 1, 0, 1e6, 1, NULL, "weight of masked region feature regression"},
    {"mrckl", 1, 0, 1e6, 1, NULL, "weight of masked region classification by soft label"},
    {"mrc", 0, 0, 1e6, 1, NULL, "weight of masked region classification by hard label"},
    {"task_block", 64, 1, 0x1p32, 1, NULL, "consecutive positions that share a task"},
    {"max_tokens", 60, 1, PLAN_TOKENS_MAX, 1, NULL, "longer texts are left out, never cut"},
    {"mlm_rate", 0.15, 0, 1, 0, NULL, "probability that a sub-token is chosen"},
    {"mlm_mask", 0.8, 0, 1, 0, NULL, "share of the chosen that become [MASK]"},
    {"mlm_random", 0.1, 0, 1, 0, NULL, "share of the chosen that become a random sub-token"},
    {"mrm_rate", 0.15, 0, 1, 0, NULL, "probability that a region is chosen"},
    {"negative", 0.5, 0, 1, 0, NULL, "probability of a mismatched image in itm"},
    {"equality", 0, 0, 0, 0, equality_words, "what a mismatched image may not share"},
    {"conf", 0.2, -1, 1, 0, NULL, "regions above this confidence are used; -1: all"},
    {"min_regions", 10, 1, PLAN_REGIONS_MAX, 1, NULL, "at least so many regions, if there are"},
    {"max_regions", 100, 1, PLAN_REGIONS_MAX, 1, NULL, "at most so many regions"},
};

/* The array that holds what a task asks for. */
static const char *const target_names[] = {"targets", "txt_labels", "feat_targets", "label_targets",
                                           "label_targets"};

static double option(const struct recipe_context *c, enum uniter_option o)
{
    return c->options.value[o];
}

static int masks_regions(uint32_t task)
{
    return task == UNITER_MRFR || task == UNITER_MRCKL || task == UNITER_MRC;
}

static int uniter_check(const struct recipe_context *c, uint32_t classes)
{
    if (choose_weights(c) == 0) {
        return err_set(E_ARG, "every task of the recipe uniter has weight 0: give one some, "
                              "for example mlm=1");
    }
    if (option(c, UNITER_TEXT_MASK) + option(c, UNITER_TEXT_RANDOM) > 1) {
        return err_set(E_ARG, "mlm_mask and mlm_random together exceed 1");
    }
    if (option(c, UNITER_MIN_REGIONS) > option(c, UNITER_MAX_REGIONS)) {
        return err_set(E_ARG, "min_regions is above max_regions");
    }
    const int soft = option(c, (enum uniter_option)(UNITER_WEIGHT + UNITER_MRC)) > 0 ||
                     option(c, (enum uniter_option)(UNITER_WEIGHT + UNITER_MRCKL)) > 0;
    if (soft && classes < 2) {
        return err_set(E_ARG,
                       "not every medium has soft labels, which mrc and mrckl need: build the "
                       "corpus with them, or set mrc=0,mrckl=0");
    }
    return 0;
}

static enum recipe_verdict uniter_judge(const struct recipe_context *c, uint32_t tokens,
                                        uint32_t regions)
{
    return choose_verdict(option(c, UNITER_MAX_TOKENS), tokens, regions);
}

enum uniter_task uniter_task_at(const struct recipe_context *c, uint32_t epoch, uint64_t position)
{
    return (enum uniter_task)choose_task(c, epoch, position);
}

static void plan_tokens(const struct recipe_context *c, const struct pair_record *pair,
                        struct plan *out)
{
    const struct mask_shares shares = {option(c, UNITER_TEXT_MASK), option(c, UNITER_TEXT_RANDOM)};
    if (choose_tokens(c, pair, option(c, UNITER_TEXT_RATE), &shares, NULL, out) == 0) {
        out->token_op[0] = MASK_HIDE;
    }
}

static int uniter_plan(const struct recipe_context *c, const struct recipe_place *place,
                       const struct pair_record *pair, struct plan *out)
{
    const uint32_t tokens = pair->tokens.n;
    if (tokens == 0 || tokens > option(c, UNITER_MAX_TOKENS)) {
        return err_set(E_ARG, "a text of %u sub-tokens is no sample of uniter, which takes 1 to %g",
                       tokens, option(c, UNITER_MAX_TOKENS));
    }
    *out = (struct plan){
        .epoch = place->epoch,
        .position = place->position,
        .task = uniter_task_at(c, place->epoch, place->position),
        .medium = place->medium,
        .match = 1,
        .tokens = tokens,
    };
    if (out->task == UNITER_MLM) {
        plan_tokens(c, pair, out);
    } else if (out->task == UNITER_ITM) {
        choose_medium(c, pair, option(c, UNITER_NEGATIVE_RATE),
                      (enum equality)option(c, UNITER_EQUALITY), out);
    }
    return 0;
}

uint32_t uniter_region_count(const struct recipe_options *o, const float *conf, uint32_t n)
{
    const struct region_limits limits = {o->value[UNITER_CONF],
                                         (uint32_t)o->value[UNITER_MIN_REGIONS],
                                         (uint32_t)o->value[UNITER_MAX_REGIONS]};
    return choose_region_count(&limits, conf, n);
}

void uniter_geometry(const float box[4], uint32_t width, uint32_t height, float out[7])
{
    const float w = (box[2] - box[0]) / (float)width;
    const float h = (box[3] - box[1]) / (float)height;
    const float x = box[0] / (float)width;
    const float y = box[1] / (float)height;
    const float six[6] = {x, y, x + w, y + h, w, h}; /* the far corner is a sum, as released */
    for (int i = 0; i < 6; i++) {
        out[i] = half_to_float(half_from_float(six[i]));
    }
    out[6] = out[4] * out[5];
}

/* Region i has the stream's number i; the one region that is forced where none was chosen has
 * numbers 2^20 and 2^20 + 1. */
static uint32_t plan_regions(const struct recipe_context *c, const struct pair_record *pair,
                             struct plan *plan)
{
    const struct draw d = choose_stream(c, plan->epoch, pair, DRAW_MASK_REGION);
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < plan->regions; i++) {
        plan->region_op[i] =
            (double)draw_unit(&d, i) < option(c, UNITER_REGION_RATE) ? MASK_HIDE : MASK_NONE;
        chosen += plan->region_op[i] == MASK_HIDE;
    }
    if (chosen == 0) {
        plan->region_op[draw_below(&d, 1u << 19, plan->regions)] = MASK_HIDE;
        chosen = 1;
    }
    return chosen;
}

static enum region_target region_target(uint32_t task)
{
    return task == UNITER_MRFR ? TARGET_FEATURE : task == UNITER_MRCKL ? TARGET_SOFT : TARGET_CLASS;
}

/* The indexes of the arrays in the sample; those of other tasks stay unused. */
struct uniter_arrays {
    uint32_t input_ids;
    uint32_t position_ids;
    uint32_t img_feat;
    uint32_t img_pos_feat;
    uint32_t lengths;
    uint32_t img_masks;
    uint32_t target;
};

static struct uniter_arrays declare_arrays(struct sample *s, const struct plan *plan,
                                           const struct visual_record *visual, uint32_t chosen)
{
    const uint64_t text = (uint64_t)plan->tokens + 2;
    struct uniter_arrays a = {
        .input_ids = sample_declare(s, "input_ids", ARRAY_I32, text, 0),
        .position_ids = sample_declare(s, "position_ids", ARRAY_I32, text, 0),
        .img_feat = sample_declare(s, "img_feat", ARRAY_F32, plan->regions, visual->dim),
        .img_pos_feat = sample_declare(s, "img_pos_feat", ARRAY_F32, plan->regions, 7),
        .lengths = sample_declare(s, "lengths", ARRAY_I32, 2, 0),
    };
    if (masks_regions(plan->task)) {
        a.img_masks = sample_declare(s, "img_masks", ARRAY_U8, plan->regions, 0);
    }
    switch ((enum uniter_task)plan->task) {
    case UNITER_ITM: a.target = sample_declare(s, target_names[UNITER_ITM], ARRAY_I32, 1, 0); break;
    case UNITER_MLM:
        a.target = sample_declare(s, target_names[UNITER_MLM], ARRAY_I32, text, 0);
        break;
    case UNITER_MRFR:
    case UNITER_MRCKL:
    case UNITER_MRC:
        a.target = array_declare_targets(s, target_names[plan->task], region_target(plan->task),
                                         chosen, visual);
        break;
    case UNITER_TASKS: break;
    }
    return a;
}

/* Features of chosen regions stay zero, as sample_allocate() left them. */
static void write_regions(const struct plan *plan, const struct visual_record *v, float *features,
                          float *geometry)
{
    for (uint32_t i = 0; i < plan->regions; i++) {
        if (plan->region_op[i] == MASK_NONE) {
            array_feature(v, i, features + (size_t)i * v->dim);
        }
        uniter_geometry(v->boxes + 4 * (size_t)i, v->width, v->height, geometry + 7 * (size_t)i);
    }
}

static void write_arrays(const struct recipe_context *c, const struct pair_record *pair,
                         const struct visual_record *visual, const struct plan *plan,
                         const struct uniter_arrays *a, struct sample *s)
{
    void *const target = s->arrays[a->target].data;
    array_text(c, pair, plan, s->arrays[a->input_ids].data, s->arrays[a->position_ids].data);
    write_regions(plan, visual, s->arrays[a->img_feat].data, s->arrays[a->img_pos_feat].data);
    int32_t *const lengths = s->arrays[a->lengths].data;
    lengths[0] = (int32_t)plan->tokens + 2;
    lengths[1] = (int32_t)plan->regions;
    if (plan->task == UNITER_ITM) {
        *(int32_t *)target = (int32_t)plan->match;
    } else if (plan->task == UNITER_MLM) {
        array_text_labels(pair, plan, target);
    } else {
        uint8_t *const masks = s->arrays[a->img_masks].data;
        for (uint32_t i = 0; i < plan->regions; i++) {
            masks[i] = plan->region_op[i] == MASK_HIDE;
        }
        array_region_targets(plan, visual, region_target(plan->task), target);
    }
}

static int uniter_materialise(const struct recipe_context *c, const struct pair_record *pair,
                              const struct visual_record *visual, struct plan *plan,
                              struct sample *out)
{
    sample_reset(out);
    const int soft = plan->task == UNITER_MRCKL || plan->task == UNITER_MRC;
    int rc = array_check_visual(c, plan, visual, soft);
    if (rc) {
        return rc;
    }
    plan->regions = uniter_region_count(&c->options, visual->conf, visual->n);
    memset(plan->region_op, MASK_NONE, sizeof plan->region_op);
    const uint32_t chosen = masks_regions(plan->task) ? plan_regions(c, pair, plan) : 0;
    const struct uniter_arrays a = declare_arrays(out, plan, visual, chosen);
    rc = array_allocate(c, pair, visual, plan, out);
    if (rc) {
        return rc;
    }
    write_arrays(c, pair, visual, plan, &a, out);
    return 0;
}

const struct recipe recipe_uniter = {
    .name = "uniter",
    .number = 1,
    .summary = "UNITER: one of itm, mlm, mrfr, mrckl, mrc a sample",
    .tasks = task_names,
    .options = options,
    .option_count = UNITER_OPTIONS,
    .check = uniter_check,
    .judge = uniter_judge,
    .plan = uniter_plan,
    .materialise = uniter_materialise,
    .batch = uniter_batch,
};
