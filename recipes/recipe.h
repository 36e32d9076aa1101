/*
 * Recipes: what each pretraining system wants of a sample.
 *
 *     sample = recipe(records, seed, epoch, position)
 *
 * is a pure function in two steps.  recipe_plan() needs the pair's record and no visual: it draws
 * the task, the masked sub-tokens, and which medium to look at (another one than the pair's own,
 * when the sample is mismatched).  The caller then reads that medium's visual record, and
 * recipe_materialise() draws the masked regions and writes the arrays.  Recipes know no files,
 * shards or sockets; what they must know of the corpus comes in as struct recipe_corpus.
 *
 * Once a corpus is open:
 *
 *     recipe_find() -> recipe_options_parse() -> fill a struct recipe_context -> recipe_check()
 *     recipe_judge() on every pair, dropping and counting those it refuses; the rest get indexes
 *     order_init() with their number (recipes/order.h)
 * Each position:
 *     order_at() -> read the pair -> recipe_plan() -> read plan.medium -> recipe_materialise()
 *
 * Random numbers are draws (common/philox.h) whose subject is the pair's own number, so a sample's
 * masks do not change when the corpus grows or is sharded anew.  Nothing here keeps state: any
 * thread may call, each with its own plan and sample.
 */
#ifndef RECIPES_RECIPE_H
#define RECIPES_RECIPE_H

#include "common/buf.h"
#include "common/record.h"
#include "recipes/sample.h"
#include "recipes/wordpiece.h"

enum { RECIPE_OPTIONS_MAX = 40, PLAN_TOKENS_MAX = 510, PLAN_REGIONS_MAX = 512 };

/* A parameter of a recipe.  Values are numbers; a choice among words is the word's index. */
struct recipe_option {
    const char *name;
    double value; /* the default */
    double min;
    double max;
    int whole;                /* 1: only whole numbers */
    const char *const *words; /* NULL-terminated, or NULL for a number */
    const char *meaning;      /* half a sentence for help texts */
};

/* One value for each of the recipe's options, in their order. */
struct recipe_options {
    double value[RECIPE_OPTIONS_MAX];
};

/* What a recipe asks about the corpus.  Media are numbered 0..media-1; only media that have a pair
 * in the corpus count. */
struct recipe_corpus {
    uint64_t media;
    uint64_t (*group)(const void *ctx, uint64_t medium); /* pair_record.group of its pairs */
    const void *ctx;
};

struct recipe_context {
    const struct recipe *recipe;
    struct recipe_options options;
    struct wordpiece_ids ids; /* of the vocabulary that the pairs were tokenised with */
    uint64_t seed;
    struct recipe_corpus corpus;
};

/* Where a sample stands, and what the corpus's index says of its pair. */
struct recipe_place {
    uint32_t epoch;
    uint64_t position; /* in the epoch's global sequence */
    uint64_t medium;   /* number of the pair's own medium */
};

/* What becomes of a chosen sub-token or region; 0 is "not chosen". */
enum mask_op { MASK_NONE, MASK_HIDE, MASK_RANDOM, MASK_KEEP };

/* The drawn part of a sample. */
struct plan {
    uint32_t epoch;
    uint64_t position;
    uint32_t task;                      /* index into the recipe's tasks */
    uint64_t medium;                    /* number of the medium to read for recipe_materialise() */
    uint32_t match;                     /* 1: the pair's own medium */
    uint32_t tokens;                    /* the pair's sub-tokens, without specials */
    uint8_t token_op[PLAN_TOKENS_MAX];  /* [tokens] enum mask_op */
    uint8_t token_for[PLAN_TOKENS_MAX]; /* [tokens] the task that chose it, as an index; 0: none,
                                         * or the recipe does not tell tasks apart */
    uint32_t
        token_random[PLAN_TOKENS_MAX];   /* [tokens] the id put in, where the op is MASK_RANDOM */
    uint32_t regions;                    /* this and the next: by recipe_materialise() */
    uint8_t region_op[PLAN_REGIONS_MAX]; /* [regions] enum mask_op */
};

/* Whether a pair can become a sample. */
enum recipe_verdict { RECIPE_TAKES, RECIPE_TEXT_EMPTY, RECIPE_TEXT_TOO_LONG, RECIPE_NO_REGIONS };

struct recipe {
    const char *name;
    uint32_t number; /* part of every draw, so of every sample: never renumber */
    const char *summary;
    const char *const *tasks; /* NULL-terminated */
    /* The first options are the tasks' weights, named as they and in their order; then comes
     * "task_block", the number of consecutive positions that share a task. */
    const struct recipe_option *options;
    uint32_t option_count;
    int (*check)(const struct recipe_context *c, uint32_t classes);
    enum recipe_verdict (*judge)(const struct recipe_context *c, uint32_t tokens, uint32_t regions);
    int (*plan)(const struct recipe_context *c, const struct recipe_place *place,
                const struct pair_record *pair, struct plan *out);
    int (*materialise)(const struct recipe_context *c, const struct pair_record *pair,
                       const struct visual_record *visual, struct plan *plan, struct sample *out);
    int (*batch)(const struct sample *samples, size_t n, struct sample *out);
};

/* Every recipe, NULL-terminated; and the one of that name: E_ARG, naming those there are. */
extern const struct recipe *const recipes[];
int recipe_find(const char *name, const struct recipe **out) MUST_CHECK;

uint32_t recipe_task_count(const struct recipe *r);

/* Starts from the defaults and takes "name=value,name=value"; NULL and "" change nothing.  E_ARG
 * says which part is wrong and what is allowed. */
int recipe_options_parse(const struct recipe *r, const char *text,
                         struct recipe_options *out) MUST_CHECK;

/* Appends every option as "name=value,..." in the recipe's order: equal options, equal text. */
int recipe_options_print(const struct recipe *r, const struct recipe_options *o,
                         struct buf *out) MUST_CHECK;

/* Whether these options can work on this vocabulary and on visual records with `classes` columns of
 * soft labels (0: none): E_ARG with what to change. */
int recipe_check(const struct recipe_context *c, uint32_t classes) MUST_CHECK;

/* By the pair's count of sub-tokens and its medium's count of regions. */
enum recipe_verdict recipe_judge(const struct recipe_context *c, uint32_t tokens, uint32_t regions);

/* A stable word for counters and reports: "takes", "text_empty", "text_too_long", "no_regions". */
const char *recipe_verdict_name(enum recipe_verdict v);

/* Draws what does not depend on the visual.  E_ARG when the pair is one that recipe_judge()
 * refuses. */
int recipe_plan(const struct recipe_context *c, const struct recipe_place *place,
                const struct pair_record *pair, struct plan *out) MUST_CHECK;

/* Draws the regions into the plan and writes the arrays.  `visual` is the record of plan->medium.
 * The sample is reset first and owns its arrays.  E_ARG when the visual has no regions or lacks a
 * part that the task needs; E_TOO_BIG when the sample's limit is too small. */
int recipe_materialise(const struct recipe_context *c, const struct pair_record *pair,
                       const struct visual_record *visual, struct plan *plan,
                       struct sample *out) MUST_CHECK;

/* Puts n >= 1 samples of one task together as the system's trainer wants a batch: padded, with what
 * it needs to tell padding from content.  `out` is reset first and owns its arrays; its pair and
 * medium mean nothing, its position is the first sample's.  E_ARG when the samples do not go
 * together, E_TOO_BIG. */
int recipe_batch(const struct recipe *r, const struct sample *samples, size_t n,
                 struct sample *out) MUST_CHECK;

#endif
