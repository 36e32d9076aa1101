/* The samples of the page: drawn by the recipe itself, from the corpus, as the feed would. */
#include <stdlib.h>

#include "ops/report_internal.h"
#include "recipes/order.h"
#include "shards/feed_selection.h"

enum {
    EPOCHS_SEARCHED = 64,
    GLANCE_TOKENS = 26, /* sub-tokens that a reader takes in at a glance */
    SAMPLE_MAX = 64 << 20,
    TASKS_MAX = 16,
};

struct drawing {
    const struct report_input *in;
    struct feed_selection selection;
    struct recipe_context context;
    struct wordpiece *vocabulary; /* NULL when it is not the corpus's */
    struct buf pair_bytes;
    struct buf visual_bytes;
    struct pair_record pair;
    uint64_t index;  /* the pair's, among those the recipe takes */
    uint64_t medium; /* its medium's, likewise */
    bool found[TASKS_MAX];
    struct plan plans[TASKS_MAX]; /* one a task */
};

/* The index of a corpus' pair among those that the recipe takes; they are in the same order. */
static bool find_taken(const struct feed_selection *s, uint64_t pair, uint64_t *index)
{
    uint64_t lo = 0;
    uint64_t hi = s->pairs;
    while (lo < hi) {
        const uint64_t mid = lo + (hi - lo) / 2;
        if (s->pair[mid] < pair) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    *index = lo;
    return lo < s->pairs && s->pair[lo] == pair;
}

/* Of the pairs shown that the recipe takes the one with the longest text that is still read at a
 * glance. */
static bool choose_pair(struct drawing *d)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < d->in->n; i++) {
        const uint32_t tokens = corpus_pair(d->in->corpus, d->in->shown[i].pair)->tokens;
        uint64_t index;
        if ((longest == 0 || (tokens > longest && tokens <= GLANCE_TOKENS)) &&
            find_taken(&d->selection, d->in->shown[i].pair, &index)) {
            d->index = index;
            d->medium = d->selection.medium_number[d->in->shown[i].medium];
            longest = tokens;
        }
    }
    return longest > 0;
}

/* How many of a recipe's devices a plan shows: hidden, replaced and kept sub-tokens, the tasks that
 * chose them; and its own picture for the words to be told from, or another where none is asked. */
static int richness(const struct plan *plan)
{
    uint32_t ops = 0;
    uint32_t tasks = 0;
    for (uint32_t i = 0; i < plan->tokens; i++) {
        ops |= 1u << plan->token_op[i];
        tasks |= 1u << plan->token_for[i];
    }
    const int words = ops > 1u << MASK_NONE;
    return __builtin_popcount(ops) + __builtin_popcount(tasks) +
           (words ? (int)plan->match : !plan->match);
}

/* Keeps the richest plan of each task, of equals the first. */
static void keep_plan(struct drawing *d, const struct plan *plan)
{
    const uint32_t t = plan->task;
    if (t < TASKS_MAX && (!d->found[t] || richness(plan) > richness(&d->plans[t]))) {
        d->plans[t] = *plan;
        d->found[t] = true;
    }
}

/* The pair is in every epoch once; which task it serves there is the epoch's draw. */
static int search_epochs(struct drawing *d)
{
    int rc = 0;
    for (uint32_t epoch = 0; rc == 0 && epoch < EPOCHS_SEARCHED; epoch++) {
        struct order order;
        struct plan plan;
        rc = order_init(&order, d->in->options->seed, epoch, d->selection.pairs);
        if (rc == 0) {
            const struct recipe_place place = {epoch, order_position(&order, d->index), d->medium};
            rc = recipe_plan(&d->context, &place, &d->pair, &plan);
        }
        if (rc == 0) {
            keep_plan(d, &plan);
        }
    }
    return rc;
}

static int put_sample(struct html *h, struct drawing *d, struct plan *plan)
{
    struct visual_record visual;
    struct sample sample;
    const uint64_t medium = d->selection.medium[plan->medium];
    int rc = corpus_read_visual(d->in->corpus, medium, &d->visual_bytes, &visual);
    if (rc) {
        return rc;
    }
    sample_init(&sample, SAMPLE_MAX);
    rc = recipe_materialise(&d->context, &d->pair, &visual, plan, &sample);
    if (rc == 0) {
        const char *what = plan->match ? "The regions a sample uses, of the picture captioned"
                                       : "Another picture than the one captioned";
        const struct report_sample s = {
            .context = &d->context,
            .vocabulary = d->vocabulary,
            .pair = &d->pair,
            .plan = plan,
            .sample = &sample,
            .picture = album_picture(d->in->album, medium, &visual, what, d->pair.text),
        };
        report_sample(h, &s);
    }
    sample_release(&sample);
    return rc;
}

/* Samples with the pair's own picture first. */
static int put_samples(struct html *h, struct drawing *d)
{
    int rc = 0;
    for (uint32_t match = 2; match-- > 0;) {
        for (uint32_t t = 0; rc == 0 && t < TASKS_MAX; t++) {
            if (d->found[t] && d->plans[t].match == match) {
                rc = put_sample(h, d, &d->plans[t]);
            }
        }
    }
    return rc;
}

static void put_introduction(struct html *h, const struct drawing *d)
{
    html_put(h, "<section>\n<h2>What a trainer receives</h2>\n<p>The recipe <code>");
    html_str(h, d->selection.recipe->name);
    html_printf(h,
                "</code> makes another exercise of a pair in every epoch. Here is what becomes of "
                "one of the pairs above with seed %llu, in those of the first %d epochs that show "
                "most. ",
                (unsigned long long)d->in->options->seed, EPOCHS_SEARCHED);
    html_put(h,
             "No sample is stored: each is a pure function of records, seed, epoch and position, "
             "so every trainer, restart and machine gets the same. On the pictures: the regions it "
             "uses; the black ones have their features set to zero.</p>\n");
    report_caption(h, d->pair.text, &d->pair.graph);
}

/* The vocabulary that the corpus was tokenised with, where it is at hand. */
static int open_vocabulary(struct drawing *d)
{
    const char *path = d->in->options->vocabulary;
    const char *name = d->in->abouts[0].tokenizer;
    int rc = wordpiece_open(path, WORDPIECE_AUTO, WORDPIECE_SPLIT_PYTHON, &d->vocabulary);
    if (rc || (name && strcmp(name, wordpiece_name(d->vocabulary)) == 0)) {
        return rc;
    }
    if (path) {
        rc = err_set(E_ARG, "%s is not the vocabulary of this corpus, which is %s", path,
                     name ? name : "not told");
    }
    wordpiece_free(d->vocabulary);
    d->vocabulary = NULL;
    return rc;
}

static int draw(struct html *h, struct drawing *d)
{
    int rc = feed_selection_init(&d->selection, d->in->corpus, d->in->options->recipe, NULL);
    rc = rc ? rc : open_vocabulary(d);
    if (rc || !choose_pair(d)) {
        return rc;
    }
    d->context = feed_selection_context(&d->selection, d->in->options->seed);
    rc = corpus_read_pair(d->in->corpus, d->selection.pair[d->index], &d->pair_bytes, &d->pair);
    rc = rc ? rc : search_epochs(d);
    if (rc) {
        return rc;
    }
    put_introduction(h, d);
    rc = put_samples(h, d);
    html_put(h, "</section>\n");
    return rc;
}

int report_drawing(struct html *h, const struct report_input *in)
{
    const struct recipe *recipe;
    const int known = recipe_find(in->options->recipe, &recipe);
    if (known || in->n == 0) {
        return known;
    }
    struct drawing *d = calloc(1, sizeof *d);
    if (!d) {
        return err_set(E_NOMEM, "no memory to draw samples");
    }
    d->in = in;
    buf_init(&d->pair_bytes, CODEC_MAX_RECORD);
    buf_init(&d->visual_bytes, CODEC_MAX_RECORD);
    const int rc = draw(h, d);
    wordpiece_free(d->vocabulary);
    feed_selection_release(&d->selection);
    buf_release(&d->pair_bytes);
    buf_release(&d->visual_bytes);
    free(d);
    return rc;
}
