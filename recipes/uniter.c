#include "recipes/uniter.h"

#include "common/half.h"
#include "common/philox.h"

static const char *const task_names[] = {"itm", "mlm", "mrfr", "mrckl", "mrc", NULL};
static const char *const equality_words[] = {"medium", "group", NULL};

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

static double option(const struct recipe_context *c, enum uniter_option o)
{
    return c->options.value[o];
}

static int masks_regions(uint32_t task)
{
    return task == UNITER_MRFR || task == UNITER_MRCKL || task == UNITER_MRC;
}

/* The stream of a pair's draws for one purpose. */
static struct draw pair_stream(const struct recipe_context *c, uint32_t epoch,
                               const struct pair_record *pair, enum draw_purpose purpose)
{
    return draw_stream(c->seed, c->recipe->number, epoch, id_number(&pair->id), purpose);
}

static uint64_t total_weight(const struct recipe_context *c)
{
    uint64_t total = 0;
    for (int t = 0; t < UNITER_TASKS; t++) {
        total += (uint64_t)option(c, (enum uniter_option)(UNITER_WEIGHT + t));
    }
    return total;
}

static int uniter_check(const struct recipe_context *c, uint32_t classes)
{
    if (total_weight(c) == 0) {
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
        return err_set(E_ARG, "the corpus holds no soft labels, which mrc and mrckl need: build it "
                              "with them, or set mrc=0,mrckl=0");
    }
    return 0;
}

static enum recipe_verdict uniter_judge(const struct recipe_context *c, uint32_t tokens,
                                        uint32_t regions)
{
    if (tokens == 0) {
        return RECIPE_TEXT_EMPTY;
    }
    if (tokens > option(c, UNITER_MAX_TOKENS)) {
        return RECIPE_TEXT_TOO_LONG;
    }
    return regions == 0 ? RECIPE_NO_REGIONS : RECIPE_TAKES;
}

enum uniter_task uniter_task_at(const struct recipe_context *c, uint32_t epoch, uint64_t position)
{
    const uint64_t block = position / (uint64_t)option(c, UNITER_TASK_BLOCK);
    const struct draw d = draw_stream(c->seed, c->recipe->number, epoch, block, DRAW_TASK);
    uint64_t at = draw_below(&d, 0, total_weight(c));
    uint32_t task = 0;
    for (;; task++) {
        const uint64_t weight = (uint64_t)option(c, (enum uniter_option)(UNITER_WEIGHT + task));
        if (at < weight) {
            return (enum uniter_task)task;
        }
        at -= weight;
    }
}

/* Sub-token i has the stream's numbers 4i (chosen, and what becomes of it) and 4i+2, 4i+3 (the
 * random id).  One draw serves both questions, as in the released code: u < rate chooses, u / rate
 * decides. */
static void plan_tokens(const struct recipe_context *c, const struct pair_record *pair,
                        struct plan *out)
{
    const struct draw d = pair_stream(c, out->epoch, pair, DRAW_MASK_TEXT);
    const double rate = option(c, UNITER_TEXT_RATE);
    const double mask = option(c, UNITER_TEXT_MASK);
    const double random = option(c, UNITER_TEXT_RANDOM);
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < out->tokens; i++) {
        const double u = (double)draw_unit(&d, 4 * i);
        if (u >= rate) {
            continue;
        }
        chosen++;
        out->token_op[i] = u / rate < mask            ? MASK_HIDE
                           : u / rate < mask + random ? MASK_RANDOM
                                                      : MASK_KEEP;
        if (out->token_op[i] == MASK_RANDOM) {
            const uint32_t range = c->ids.random_end - c->ids.random_first;
            out->token_random[i] = c->ids.random_first + (uint32_t)draw_below(&d, 2 * i + 1, range);
        }
    }
    if (chosen == 0) {
        out->token_op[0] = MASK_HIDE;
    }
}

static int is_same(const struct recipe_context *c, const struct pair_record *pair, uint64_t own,
                   uint64_t other)
{
    return other == own || ((int)option(c, UNITER_EQUALITY) == UNITER_SAME_GROUP &&
                            c->corpus.group(c->corpus.ctx, other) == pair->group);
}

/* Another medium, uniform over all that differ: draws until one does.  Where after 64 draws none
 * did, almost everything is the same group: the next that differs is taken, counting up from the
 * last draw.  `own` when there is none at all. */
static uint64_t draw_negative(const struct recipe_context *c, const struct pair_record *pair,
                              uint32_t epoch, uint64_t own)
{
    const struct draw d = pair_stream(c, epoch, pair, DRAW_NEGATIVE);
    const uint64_t media = c->corpus.media;
    uint64_t other = own;
    for (uint32_t i = 0; i < 64; i++) {
        other = draw_below(&d, i, media);
        if (!is_same(c, pair, own, other)) {
            return other;
        }
    }
    for (uint64_t step = 1; step < media; step++) {
        const uint64_t next = (other + step) % media;
        if (!is_same(c, pair, own, next)) {
            return next;
        }
    }
    return own;
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
        const struct draw d = pair_stream(c, place->epoch, pair, DRAW_MATCH);
        if ((double)draw_unit(&d, 0) < option(c, UNITER_NEGATIVE_RATE)) {
            out->medium = draw_negative(c, pair, place->epoch, place->medium);
            out->match = out->medium == place->medium;
        }
    }
    return 0;
}

uint32_t uniter_region_count(const struct recipe_options *o, const float *conf, uint32_t n)
{
    const float threshold = half_to_float(half_from_float((float)o->value[UNITER_CONF]));
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        count += half_to_float(half_from_float(conf[i])) > threshold;
    }
    const uint32_t min = (uint32_t)o->value[UNITER_MIN_REGIONS];
    const uint32_t max = (uint32_t)o->value[UNITER_MAX_REGIONS];
    count = count < min ? min : count;
    count = count > max ? max : count;
    return count > n ? n : count;
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
    const struct draw d = pair_stream(c, plan->epoch, pair, DRAW_MASK_REGION);
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
    case UNITER_ITM: a.target = sample_declare(s, "targets", ARRAY_I32, 1, 0); break;
    case UNITER_MLM: a.target = sample_declare(s, "txt_labels", ARRAY_I32, text, 0); break;
    case UNITER_MRFR:
        a.target = sample_declare(s, "feat_targets", ARRAY_F32, chosen, visual->dim);
        break;
    case UNITER_MRCKL:
        a.target = sample_declare(s, "label_targets", ARRAY_F32, chosen, visual->classes);
        break;
    case UNITER_MRC: a.target = sample_declare(s, "label_targets", ARRAY_I32, chosen, 0); break;
    case UNITER_TASKS: break;
    }
    return a;
}

static void write_text(const struct recipe_context *c, const struct pair_record *pair,
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

/* The old id where a sub-token was chosen, else -1, also for [CLS] and [SEP]. */
static void write_text_labels(const struct pair_record *pair, const struct plan *plan,
                              int32_t *labels)
{
    labels[0] = -1;
    for (uint32_t i = 0; i < plan->tokens; i++) {
        labels[i + 1] = plan->token_op[i] == MASK_NONE ? -1 : (int32_t)pair->tokens.ids[i];
    }
    labels[plan->tokens + 1] = -1;
}

/* Row `row` of the features as floats.  out: [dim] */
static void write_feature(const struct visual_record *v, uint32_t row, float *out)
{
    const size_t at = (size_t)row * v->dim;
    if (v->feature_dtype == FEATURE_F16) {
        half_to_floats((const half *)v->features + at, out, v->dim);
    } else {
        memcpy(out, (const float *)v->features + at, v->dim * sizeof *out);
    }
}

/* The best class without background (column 0), counted with it; the first of equals. */
static int32_t hard_label(const half *soft, uint32_t classes)
{
    uint32_t best = 1;
    for (uint32_t k = 2; k < classes; k++) {
        best = half_to_float(soft[k]) > half_to_float(soft[best]) ? k : best;
    }
    return (int32_t)best;
}

/* Features of chosen regions stay zero, as sample_allocate() left them. */
static void write_regions(const struct plan *plan, const struct visual_record *v, float *features,
                          float *geometry)
{
    for (uint32_t i = 0; i < plan->regions; i++) {
        if (plan->region_op[i] == MASK_NONE) {
            write_feature(v, i, features + (size_t)i * v->dim);
        }
        uniter_geometry(v->boxes + 4 * (size_t)i, v->width, v->height, geometry + 7 * (size_t)i);
    }
}

/* One target a chosen region, in the regions' order. */
static void write_region_targets(const struct plan *plan, const struct visual_record *v,
                                 uint8_t *masks, void *target)
{
    size_t row = 0;
    for (uint32_t i = 0; i < plan->regions; i++) {
        masks[i] = plan->region_op[i] == MASK_HIDE;
        if (!masks[i]) {
            continue;
        }
        const size_t soft = (size_t)i * v->classes;
        if (plan->task == UNITER_MRFR) {
            write_feature(v, i, (float *)target + row * v->dim);
        } else if (plan->task == UNITER_MRCKL) {
            half_to_floats(v->soft_labels + soft, (float *)target + row * v->classes, v->classes);
        } else {
            ((int32_t *)target)[row] = hard_label(v->soft_labels + soft, v->classes);
        }
        row++;
    }
}

static void write_arrays(const struct recipe_context *c, const struct pair_record *pair,
                         const struct visual_record *visual, const struct plan *plan,
                         const struct uniter_arrays *a, struct sample *s)
{
    void *const target = s->arrays[a->target].data;
    write_text(c, pair, plan, s->arrays[a->input_ids].data, s->arrays[a->position_ids].data);
    write_regions(plan, visual, s->arrays[a->img_feat].data, s->arrays[a->img_pos_feat].data);
    int32_t *const lengths = s->arrays[a->lengths].data;
    lengths[0] = (int32_t)plan->tokens + 2;
    lengths[1] = (int32_t)plan->regions;
    if (plan->task == UNITER_ITM) {
        *(int32_t *)target = (int32_t)plan->match;
    } else if (plan->task == UNITER_MLM) {
        write_text_labels(pair, plan, target);
    } else {
        write_region_targets(plan, visual, s->arrays[a->img_masks].data, target);
    }
}

static int check_visual(const struct plan *plan, const struct visual_record *v)
{
    char name[ID_HEX];
    if (v->n == 0 || v->width == 0 || v->height == 0 || v->dim == 0) {
        id_to_hex(&v->medium, name);
        return err_set(E_ARG, "medium %s has no regions, so it is no sample of uniter", name);
    }
    const int soft = plan->task == UNITER_MRCKL || plan->task == UNITER_MRC;
    if (soft && (v->classes < 2 || !v->soft_labels)) {
        id_to_hex(&v->medium, name);
        return err_set(E_ARG, "medium %s has no soft labels, which the task %s needs", name,
                       task_names[plan->task]);
    }
    return 0;
}

static int uniter_materialise(const struct recipe_context *c, const struct pair_record *pair,
                              const struct visual_record *visual, struct plan *plan,
                              struct sample *out)
{
    sample_reset(out);
    int rc = check_visual(plan, visual);
    if (rc) {
        return rc;
    }
    plan->regions = uniter_region_count(&c->options, visual->conf, visual->n);
    memset(plan->region_op, MASK_NONE, sizeof plan->region_op);
    const uint32_t chosen = masks_regions(plan->task) ? plan_regions(c, pair, plan) : 0;
    const struct uniter_arrays a = declare_arrays(out, plan, visual, chosen);
    rc = sample_allocate(out);
    if (rc) {
        return rc;
    }
    out->pair = pair->id;
    out->medium = visual->medium;
    out->epoch = plan->epoch;
    out->position = plan->position;
    out->task = task_names[plan->task];
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
