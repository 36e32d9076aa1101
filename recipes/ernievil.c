#include "recipes/ernievil.h"

#include "recipes/choices.h"

static const char *const task_names[] = {"joint", "mlm", "object", "attribute", "relation", NULL};
static const char *const count_words[] = {"bernoulli", "ceiling", NULL};
static const char *const fate_words[] = {"node", "piece", NULL};
static const char *const target_words[] = {"soft", "class", "feature", NULL};
const char *const ernievil_target_names[] = {"image_soft_labels", "image_classes", "image_features",
                                             NULL};

static const struct recipe_option options[ERNIEVIL_OPTIONS] = {
    {"joint", 1, 0, 1e6, 1, NULL, "weight of samples with all predictions at once"},
    {"mlm", 0, 0, 1e6, 1, NULL, "weight of samples of masked language modelling alone"},
    {"object", 0, 0, 1e6, 1, NULL, "weight of samples of object prediction alone"},
    {"attribute", 0, 0, 1e6, 1, NULL, "weight of samples of attribute prediction alone"},
    {"relation", 0, 0, 1e6, 1, NULL, "weight of samples of relationship prediction alone"},
    {"task_block", 64, 1, 0x1p32, 1, NULL, "consecutive positions that share a task"},
    {"max_tokens", 60, 1, PLAN_TOKENS_MAX, 1, NULL, "longer texts are left out, never cut"},
    {"object_rate", 0.3, 0, 1, 0, NULL, "share of the objects that are chosen"},
    {"attribute_rate", 0.3, 0, 1, 0, NULL, "share of the attributes that are chosen"},
    {"relation_rate", 0.3, 0, 1, 0, NULL, "share of the relations that are chosen"},
    {"count", 0, 0, 0, 0, count_words, "each node by itself, or the share rounded up"},
    {"protect_ends", 1, 0, 1, 1, NULL, "1: a chosen relation's two objects stay visible"},
    {"protect_owner", 1, 0, 1, 1, NULL, "1: a chosen attribute's object stays visible"},
    {"evoked", 1, 0, 1, 1, NULL, "1: words that only evoke a relation may be chosen for it"},
    {"fate", 0, 0, 0, 0, fate_words, "what is masked, replaced or kept as one"},
    {"node_mask", 0.8, 0, 1, 0, NULL, "share of the chosen nodes that become [MASK]"},
    {"node_random", 0.1, 0, 1, 0, NULL, "share of the chosen nodes that become random"},
    {"keep_loss", 1, 0, 1, 1, NULL, "1: chosen nodes that were kept are asked for as well"},
    {"fallback", 1, 0, 1, 1, NULL, "1: masked language modelling where no node was chosen"},
    {"joint_mlm", 1, 0, 1, 1, NULL, "1: masked language modelling is part of joint"},
    {"mlm_rate", 0.15, 0, 1, 0, NULL, "probability that a sub-token is chosen"},
    {"mlm_mask", 0.8, 0, 1, 0, NULL, "share of the chosen that become [MASK]"},
    {"mlm_random", 0.1, 0, 1, 0, NULL, "share of the chosen that become a random sub-token"},
    {"least", 1, 0, 1, 1, NULL, "1: of every text at least one sub-token is asked for"},
    {"mrm_rate", 0.15, 0, 1, 0, NULL, "probability that a region is chosen"},
    {"mrm_mask", 0.9, 0, 1, 0, NULL, "share of the chosen regions that become zero"},
    {"mrm_target", 0, 0, 0, 0, target_words, "what is asked of a chosen region"},
    {"negative", 0.5, 0, 1, 0, NULL, "probability of a mismatched image"},
    {"mismatch_loss", 1, 0, 1, 1, NULL, "1: mismatched samples are asked for words and regions"},
    {"equality", 0, 0, 0, 0, equality_words, "what a mismatched image may not share"},
    {"conf", 0.2, -1, 1, 0, NULL, "regions above this confidence are used; -1: all"},
    {"min_regions", 10, 1, PLAN_REGIONS_MAX, 1, NULL, "at least so many regions, if there are"},
    {"max_regions", 36, 1, PLAN_REGIONS_MAX, 1, NULL, "at most so many regions"},
};

static double option(const struct recipe_context *c, enum ernievil_option o)
{
    return c->options.value[o];
}

static enum region_target target_of(const struct recipe_context *c)
{
    return (enum region_target)option(c, ERNIEVIL_REGION_TARGET);
}

static int ernievil_check(const struct recipe_context *c, uint32_t classes)
{
    if (choose_weights(c) == 0) {
        return err_set(E_ARG, "every task of the recipe ernievil has weight 0: give one some, "
                              "for example joint=1");
    }
    if (option(c, ERNIEVIL_NODE_MASK) + option(c, ERNIEVIL_NODE_RANDOM) > 1) {
        return err_set(E_ARG, "node_mask and node_random together exceed 1");
    }
    if (option(c, ERNIEVIL_TEXT_MASK) + option(c, ERNIEVIL_TEXT_RANDOM) > 1) {
        return err_set(E_ARG, "mlm_mask and mlm_random together exceed 1");
    }
    if (option(c, ERNIEVIL_MIN_REGIONS) > option(c, ERNIEVIL_MAX_REGIONS)) {
        return err_set(E_ARG, "min_regions is above max_regions");
    }
    if (target_of(c) != TARGET_FEATURE && classes < 2) {
        return err_set(E_ARG, "not every medium has soft labels, which masked regions are asked "
                              "for: build the corpus with them, or set mrm_target=feature");
    }
    return 0;
}

static enum recipe_verdict ernievil_judge(const struct recipe_context *c, uint32_t tokens,
                                          uint32_t regions)
{
    return choose_verdict(option(c, ERNIEVIL_MAX_TOKENS), tokens, regions);
}

/* ---- the text ---- */

/* Masks sub-tokens that no node has closed, for masked language modelling. */
static void plan_words(const struct recipe_context *c, const struct pair_record *pair,
                       const uint8_t *closed, struct plan *out)
{
    const struct mask_shares shares = {option(c, ERNIEVIL_TEXT_MASK),
                                       option(c, ERNIEVIL_TEXT_RANDOM)};
    choose_tokens(c, pair, option(c, ERNIEVIL_TEXT_RATE), &shares, closed, out);
    for (uint32_t i = 0; i < out->tokens; i++) {
        if (out->token_op[i] != MASK_NONE && out->token_for[i] == 0) {
            out->token_for[i] = ERNIEVIL_MLM;
        }
    }
}

/* Hides one sub-token that no node has closed, each alike: numbers 2^20 and 2^20 + 1. */
static void plan_one_word(const struct recipe_context *c, const struct pair_record *pair,
                          const uint8_t *closed, struct plan *out)
{
    const struct draw d = choose_stream(c, out->epoch, pair, DRAW_MASK_TEXT);
    uint32_t open[PLAN_TOKENS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < out->tokens; i++) {
        if (!closed[i]) {
            open[n++] = i;
        }
    }
    if (n > 0) {
        const uint32_t i = open[draw_below(&d, 1u << 19, n)];
        out->token_op[i] = MASK_HIDE;
        out->token_for[i] = ERNIEVIL_MLM;
    }
}

static int asks_nothing(const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->tokens; i++) {
        if (plan->token_op[i] != MASK_NONE) {
            return 0;
        }
    }
    return 1;
}

static void plan_text(const struct recipe_context *c, const struct pair_record *pair,
                      struct plan *out)
{
    uint8_t closed[PLAN_TOKENS_MAX] = {0};
    const uint32_t nodes =
        out->task == ERNIEVIL_MLM ? 0 : ernievil_choose_nodes(c, pair, out, closed);
    const int words = out->task == ERNIEVIL_MLM ||
                      (out->task == ERNIEVIL_JOINT && option(c, ERNIEVIL_JOINT_MLM) > 0) ||
                      (nodes == 0 && option(c, ERNIEVIL_FALLBACK) > 0);
    if (words) {
        plan_words(c, pair, closed, out);
    }
    if (option(c, ERNIEVIL_LEAST) > 0 && asks_nothing(out)) {
        plan_one_word(c, pair, closed, out);
    }
}

static int ernievil_plan(const struct recipe_context *c, const struct recipe_place *place,
                         const struct pair_record *pair, struct plan *out)
{
    const uint32_t tokens = pair->tokens.n;
    if (tokens == 0 || tokens > option(c, ERNIEVIL_MAX_TOKENS)) {
        return err_set(E_ARG,
                       "a text of %u sub-tokens is no sample of ernievil, which takes 1 to %g",
                       tokens, option(c, ERNIEVIL_MAX_TOKENS));
    }
    *out = (struct plan){
        .epoch = place->epoch,
        .position = place->position,
        .task = choose_task(c, place->epoch, place->position),
        .medium = place->medium,
        .match = 1,
        .tokens = tokens,
    };
    plan_text(c, pair, out);
    choose_medium(c, pair, option(c, ERNIEVIL_NEGATIVE_RATE),
                  (enum equality)option(c, ERNIEVIL_EQUALITY), out);
    return 0;
}

/* ---- the regions ---- */

void ernievil_geometry(const float box[4], uint32_t width, uint32_t height, float out[5])
{
    const float w = (float)width;
    const float h = (float)height;
    const float five[5] = {box[0] / w, box[1] / h, box[2] / w, box[3] / h,
                           (box[3] - box[1]) * (box[2] - box[0]) / (w * h)};
    memcpy(out, five, sizeof five);
}

/* Region i has the stream's number i; as with sub-tokens, one draw says whether and what. */
static uint32_t plan_regions(const struct recipe_context *c, const struct pair_record *pair,
                             struct plan *plan)
{
    const struct draw d = choose_stream(c, plan->epoch, pair, DRAW_MASK_REGION);
    const struct mask_shares shares = {option(c, ERNIEVIL_REGION_MASK), 0};
    const double rate = option(c, ERNIEVIL_REGION_RATE);
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < plan->regions; i++) {
        const double u = (double)draw_unit(&d, i);
        plan->region_op[i] = u < rate ? (uint8_t)choose_fate(&shares, u / rate) : MASK_NONE;
        chosen += plan->region_op[i] != MASK_NONE;
    }
    return chosen;
}

/* The rows of the regions, and before them that of the whole image: the mean of what the model
 * sees of the regions, added row by row as numpy does.  Rows of zeroed regions are zero already.
 * features: [regions + 1][D], geometry: [regions + 1][5] */
static void write_regions(const struct plan *plan, const struct visual_record *v, float *features,
                          float *geometry)
{
    static const float whole[5] = {0, 0, 1, 1, 1};
    memcpy(geometry, whole, sizeof whole);
    for (uint32_t i = 0; i < plan->regions; i++) {
        float *row = features + (size_t)(i + 1) * v->dim;
        if (plan->region_op[i] != MASK_HIDE) {
            array_feature(v, i, row);
            for (uint32_t k = 0; k < v->dim; k++) {
                features[k] += row[k];
            }
        }
        ernievil_geometry(v->boxes + 4 * (size_t)i, v->width, v->height,
                          geometry + 5 * (size_t)(i + 1));
    }
    for (uint32_t k = 0; k < v->dim; k++) {
        features[k] /= (float)plan->regions;
    }
}

/* ---- the arrays ---- */

/* The indexes of the arrays in the sample. */
struct ernievil_arrays {
    uint32_t src_ids;
    uint32_t src_pos;
    uint32_t image_embeddings;
    uint32_t image_loc;
    uint32_t lengths;
    uint32_t mask_label;
    uint32_t mask_task;
    uint32_t image_label;
    uint32_t image_target;
    uint32_t match_label;
};

static struct ernievil_arrays declare_arrays(const struct recipe_context *c, struct sample *s,
                                             const struct plan *plan, const struct visual_record *v,
                                             uint32_t asked)
{
    const uint64_t text = (uint64_t)plan->tokens + 2;
    const uint64_t rows = (uint64_t)plan->regions + 1;
    const enum region_target target = target_of(c);
    sample_declare(s, "src_seg", ARRAY_I32, text, 0); /* the text is segment 0: zeros */
    return (struct ernievil_arrays){
        .src_ids = sample_declare(s, "src_ids", ARRAY_I32, text, 0),
        .src_pos = sample_declare(s, "src_pos", ARRAY_I32, text, 0),
        .image_embeddings = sample_declare(s, "image_embeddings", ARRAY_F32, rows, v->dim),
        .image_loc = sample_declare(s, "image_loc", ARRAY_F32, rows, 5),
        .lengths = sample_declare(s, "lengths", ARRAY_I32, 2, 0),
        .mask_label = sample_declare(s, "mask_label", ARRAY_I32, text, 0),
        .mask_task = sample_declare(s, "mask_task", ARRAY_I32, text, 0),
        .image_label = sample_declare(s, "image_label", ARRAY_U8, rows, 0),
        .image_target = array_declare_targets(s, ernievil_target_names[target], target, asked, v),
        .match_label = sample_declare(s, "match_label", ARRAY_I32, 1, 0),
    };
}

/* What is asked of the text and of the regions. */
static void write_questions(const struct recipe_context *c, const struct pair_record *pair,
                            const struct visual_record *v, const struct plan *plan,
                            const struct ernievil_arrays *a, struct sample *s)
{
    int32_t *const tasks = s->arrays[a->mask_task].data;
    uint8_t *const asked = s->arrays[a->image_label].data;
    array_text_labels(pair, plan, s->arrays[a->mask_label].data);
    for (uint32_t i = 0; i < plan->tokens; i++) {
        tasks[i + 1] = plan->token_for[i];
    }
    for (uint32_t i = 0; i < plan->regions; i++) {
        asked[i + 1] = plan->region_op[i] != MASK_NONE;
    }
    array_region_targets(plan, v, target_of(c), s->arrays[a->image_target].data);
}

static void write_arrays(const struct recipe_context *c, const struct pair_record *pair,
                         const struct visual_record *v, const struct plan *plan, int asks,
                         const struct ernievil_arrays *a, struct sample *s)
{
    array_text(c, pair, plan, s->arrays[a->src_ids].data, s->arrays[a->src_pos].data);
    write_regions(plan, v, s->arrays[a->image_embeddings].data, s->arrays[a->image_loc].data);
    int32_t *const lengths = s->arrays[a->lengths].data;
    lengths[0] = (int32_t)plan->tokens + 2;
    lengths[1] = (int32_t)plan->regions + 1;
    *(int32_t *)s->arrays[a->match_label].data = (int32_t)plan->match;
    if (asks) {
        write_questions(c, pair, v, plan, a, s);
    } else {
        memset(s->arrays[a->mask_label].data, 0xff, s->arrays[a->mask_label].bytes); /* -1 */
    }
}

static int ernievil_materialise(const struct recipe_context *c, const struct pair_record *pair,
                                const struct visual_record *visual, struct plan *plan,
                                struct sample *out)
{
    sample_reset(out);
    int rc = array_check_visual(c, plan, visual, target_of(c) != TARGET_FEATURE);
    if (rc) {
        return rc;
    }
    const struct region_limits limits = {option(c, ERNIEVIL_CONF),
                                         (uint32_t)option(c, ERNIEVIL_MIN_REGIONS),
                                         (uint32_t)option(c, ERNIEVIL_MAX_REGIONS)};
    plan->regions = choose_region_count(&limits, visual->conf, visual->n);
    memset(plan->region_op, MASK_NONE, sizeof plan->region_op);
    const uint32_t chosen = plan_regions(c, pair, plan);
    const int asks = plan->match || option(c, ERNIEVIL_MISMATCH_LOSS) > 0;
    const struct ernievil_arrays a = declare_arrays(c, out, plan, visual, asks ? chosen : 0);
    rc = array_allocate(c, pair, visual, plan, out);
    if (rc) {
        return rc;
    }
    write_arrays(c, pair, visual, plan, asks, &a, out);
    return 0;
}

const struct recipe recipe_ernievil = {
    .name = "ernievil",
    .number = 2,
    .summary = "ERNIE-ViL: words of scene-graph nodes, sub-tokens, regions and matching",
    .tasks = task_names,
    .options = options,
    .option_count = ERNIEVIL_OPTIONS,
    .check = ernievil_check,
    .judge = ernievil_judge,
    .plan = ernievil_plan,
    .materialise = ernievil_materialise,
    .batch = ernievil_batch,
};
