#include "shards/feed_selection.h"

#include <stdlib.h>

static uint64_t group_of(const void *ctx, uint64_t medium)
{
    const struct feed_selection *s = ctx;
    return corpus_medium(s->corpus, s->medium[medium])->group;
}

struct recipe_context feed_selection_context(const struct feed_selection *s, uint64_t seed)
{
    return (struct recipe_context){
        .recipe = s->recipe,
        .options = s->options,
        .ids = s->ids,
        .seed = seed,
        .corpus = {.media = s->media, .group = group_of, .ctx = s},
    };
}

/* What the first shard of its kind tells, which the others' must be the same as. */
struct told {
    uint32_t shard; /* its number */
    struct about about;
};

static int tell(struct told *t, struct corpus *corpus, uint32_t i)
{
    t->shard = corpus_catalog(corpus)->shards[i].manifest.number;
    return about_parse(sealed_shard_about(corpus_shard(corpus, i)), &t->about);
}

static void keep_first(struct told *first, const struct told *t)
{
    if (!first->about.json && t->about.json) {
        *first = (struct told){t->shard, about_share(&t->about)};
    }
}

static const char *or_untold(const char *name)
{
    return name ? name : "untold";
}

/* Sub-token ids mean nothing without their vocabulary. */
static int check_vocabulary(const struct told *first, const struct told *t)
{
    if (!t->about.has_wordpiece) {
        return err_set(E_NOT_FOUND,
                       "shard %u does not tell the vocabulary of its tokens: grind it again with "
                       "this pairmill",
                       t->shard);
    }
    if (!about_same_vocabulary(&first->about, &t->about)) {
        return err_set(E_ARG,
                       "shard %u was tokenised with another vocabulary (%s) than shard %u (%s): "
                       "grind one of them again",
                       t->shard, or_untold(t->about.tokenizer), first->shard,
                       or_untold(first->about.tokenizer));
    }
    return 0;
}

/* Nor features and labels without their detector. */
static int check_detector(const struct told *first, const struct told *t)
{
    if (!about_same_detector(&first->about, &t->about)) {
        return err_set(E_ARG,
                       "shard %u was ground with another detector (%s) than shard %u (%s), whose "
                       "features and labels do not mean the same: grind one of them again",
                       t->shard, or_untold(t->about.detector), first->shard,
                       or_untold(first->about.detector));
    }
    return 0;
}

/* Every shard must tell the same vocabulary, and every one with media the same detector. */
static int read_shards(struct feed_selection *s, struct corpus *corpus)
{
    const struct catalog *c = corpus_catalog(corpus);
    struct told words = {0}; /* the first */
    struct told seen = {0};  /* the first with media */
    int rc = c->n ? 0 : err_set(E_NOT_FOUND, "the corpus is empty: it has no sealed shards yet");
    for (uint32_t i = 0; rc == 0 && i < c->n; i++) {
        struct told t = {0};
        rc = tell(&t, corpus, i);
        keep_first(&words, &t);
        rc = rc ? rc : check_vocabulary(&words, &t);
        if (rc == 0 && c->shards[i].manifest.media) {
            keep_first(&seen, &t);
            rc = check_detector(&seen, &t);
        }
        about_release(&t.about);
    }
    s->ids = words.about.wordpiece;
    about_release(&words.about);
    about_release(&seen.about);
    return rc;
}

/* The shard whose media have the fewest columns of soft labels. */
struct poorest {
    uint32_t shard; /* its number */
    uint32_t classes;
};

/* What the shard tells of all its media, or of an older shard this medium. */
static int read_classes(struct corpus *corpus, uint64_t medium, uint32_t *classes)
{
    struct visual_record r = {0};
    struct buf bytes;
    if (sealed_shard_classes(corpus_shard(corpus, corpus_medium(corpus, medium)->shard), classes)) {
        return 0;
    }
    buf_init(&bytes, CODEC_MAX_RECORD);
    const int rc = corpus_read_visual(corpus, medium, &bytes, &r);
    *classes = r.classes;
    buf_release(&bytes);
    return rc;
}

/* Asks every shard that holds a medium with regions. */
static int find_poorest(struct corpus *corpus, struct poorest *out)
{
    const struct catalog *c = corpus_catalog(corpus);
    bool *asked = calloc(c->n + 1, sizeof *asked);
    int rc = asked ? 0 : err_set(E_NOMEM, "no memory for %zu shards", c->n);
    for (uint64_t i = 0; rc == 0 && i < corpus_media(corpus); i++) {
        const struct corpus_medium *m = corpus_medium(corpus, i);
        if (m->regions && !asked[m->shard]) {
            uint32_t classes = 0;
            rc = read_classes(corpus, i, &classes);
            asked[m->shard] = true;
            if (classes < out->classes) {
                *out = (struct poorest){c->shards[m->shard].manifest.number, classes};
            }
        }
    }
    free(asked);
    return rc;
}

static int check_recipe(struct feed_selection *s, struct corpus *corpus)
{
    const struct recipe_context c = feed_selection_context(s, 0);
    struct poorest poorest = {.classes = UINT32_MAX};
    int rc = recipe_check(&c, UINT32_MAX); /* what no shard is to blame for */
    rc = rc ? rc : find_poorest(corpus, &poorest);
    if (rc == 0 && recipe_check(&c, poorest.classes)) {
        rc = err_set(E_ARG, "shard %u: %s", poorest.shard, err_text());
    }
    return rc;
}

static void judge_pairs(struct feed_selection *s)
{
    const struct recipe_context c = feed_selection_context(s, 0);
    for (uint64_t i = 0; i < corpus_pairs(s->corpus); i++) {
        const struct corpus_pair *p = corpus_pair(s->corpus, i);
        const enum recipe_verdict v =
            recipe_judge(&c, p->tokens, corpus_medium(s->corpus, p->medium)->regions);
        s->verdicts[v]++;
        if (v == RECIPE_TAKES) {
            s->pair[s->pairs++] = (uint32_t)i;
            s->medium_number[p->medium] = 1; /* used */
        }
    }
}

static void number_media(struct feed_selection *s)
{
    for (uint64_t i = 0; i < corpus_media(s->corpus); i++) {
        if (s->medium_number[i]) {
            s->medium_number[i] = (uint32_t)s->media;
            s->medium[s->media++] = (uint32_t)i;
        }
    }
}

int feed_selection_init(struct feed_selection *s, struct corpus *corpus, const char *recipe,
                        const char *options)
{
    *s = (struct feed_selection){.corpus = corpus};
    int rc = recipe_find(recipe, &s->recipe);
    rc = rc ? rc : recipe_options_parse(s->recipe, options, &s->options);
    rc = rc ? rc : read_shards(s, corpus);
    rc = rc ? rc : check_recipe(s, corpus);
    if (rc) {
        return rc;
    }
    s->pair = calloc(corpus_pairs(corpus) + 1, sizeof *s->pair);
    s->medium = calloc(corpus_media(corpus) + 1, sizeof *s->medium);
    s->medium_number = calloc(corpus_media(corpus) + 1, sizeof *s->medium_number);
    if (!s->pair || !s->medium || !s->medium_number) {
        feed_selection_release(s);
        return err_set(E_NOMEM, "no memory to select from %llu pairs",
                       (unsigned long long)corpus_pairs(corpus));
    }
    judge_pairs(s);
    number_media(s);
    return 0;
}

void feed_selection_release(struct feed_selection *s)
{
    free(s->pair);
    free(s->medium);
    free(s->medium_number);
    *s = (struct feed_selection){0};
}
