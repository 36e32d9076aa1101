/* The training of what links nodes: owners, and relations at the first and at the second look. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_rank.h"

enum { OWNER_BITS = 17, RELATION_BITS = 19, CHOICE_BITS = 16, LEAST_PLACED = 10 };

/* ---- predicted spans and the gold ones they stand for ---- */

static int overlaps(const struct span *a, const struct span *b)
{
    return a->type == b->type && a->beg < b->end && b->beg < a->end;
}

/* gold_of[predicted] = gold span, or -1.  An object's last word decides. */
static void match_spans(const struct segment *s, const struct example *e, int gold_of[NODE_MAX])
{
    for (uint32_t i = 0; i < s->span_count; i++) {
        gold_of[i] = -1;
        for (int k = 0; k < e->span_count; k++) {
            const struct span *g = &e->spans[k];
            if (overlaps(&s->spans[i], g) &&
                (g->type == SG_RELATION || g->end == s->spans[i].end || gold_of[i] < 0)) {
                gold_of[i] = k;
            }
        }
    }
}

int prepare(struct trainer *t, uint32_t i, const struct tagged *tagged, int gold_of[NODE_MAX])
{
    if (left_out(t, i)) {
        return 0;
    }
    tagged_load(t, &t->examples.e[i], &tagged[i]);
    memcpy(t->s->tags, t->s->readings[0].tags, t->s->n);
    segment_spans(t->s);
    match_spans(t->s, &t->examples.e[i], gold_of);
    return 1;
}

/* ---- owners ---- */

int gold_owns(const struct example *e, int attribute, int owner)
{
    for (int i = 0; i < e->owner_count; i++) {
        if (e->owners[i].attribute == attribute && e->owners[i].owner == owner) {
            return 1;
        }
    }
    return 0;
}

static void owner_instance(struct trainer *t, struct ranker *r, const struct example *e,
                           const int *gold_of, int attribute)
{
    const size_t first = r->option_n;
    int right = 0;
    for (uint32_t i = 0; i < t->s->span_count; i++) {
        if (t->s->spans[i].type == SG_OBJECT) {
            struct keys k = {0};
            owner_features(t->s, attribute, (int)i, &k);
            struct option *o = ranker_option(r);
            o->part[0] = ranker_keys(r, &k);
            o->gold = gold_of[attribute] >= 0 && gold_of[i] >= 0 &&
                      gold_owns(e, gold_of[attribute], gold_of[i]);
            right += o->gold;
        }
    }
    ranker_instance(r, first, right == 0);
}

struct rank_table owners_fit(struct trainer *t, const struct tagged *tagged, int fold, int folds)
{
    struct ranker r;
    int gold_of[NODE_MAX];
    ranker_init(&r);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if ((int)(i % (uint32_t)folds) != fold && prepare(t, i, tagged, gold_of)) {
            for (uint32_t k = 0; k < t->s->span_count; k++) {
                if (t->s->spans[k].type == SG_ATTRIBUTE) {
                    owner_instance(t, &r, &t->examples.e[i], gold_of, (int)k);
                }
            }
        }
    }
    return ranker_fit(&r, OWNER_BITS);
}

/* ---- relations ---- */

int reads(const struct trainer *t, const struct candidate *c, uint32_t label)
{
    char text[LABEL_MAX];
    if (c->label != STRING_NONE) {
        return c->label == label;
    }
    span_lemmas(t->s, &t->s->spans[c->relation], text);
    return strcmp(text, t->strings.p + label) == 0;
}

/* Marks the right candidates: those with the gold label, by the gold words where they are there. */
static int mark_gold(const struct trainer *t, const struct example *e, const int *gold_of,
                     const struct candidate *c, int n, int *gold)
{
    int edges = 0;
    int marked = 0;
    memset(gold, 0, sizeof *gold * (size_t)n);
    const int a = gold_of[c[0].subject];
    const int b = gold_of[c[0].object];
    for (int k = 0; k < e->edge_count && a >= 0 && b >= 0; k++) {
        const struct gold_edge *g = &e->edges[k];
        if ((g->subject != a || g->object != b) && (g->subject != b || g->object != a)) {
            continue;
        }
        edges++;
        int exact = 0;
        for (int pass = 0; pass < 2 && !exact; pass++) {
            for (int i = 0; i < n; i++) {
                const int there = c[i].relation == REL_UNSAID
                                      ? g->relation == REL_UNSAID
                                      : gold_of[c[i].relation] == g->relation;
                if (gold_of[c[i].subject] == g->subject && (there || pass == 1) &&
                    reads(t, &c[i], g->label)) {
                    gold[i] = 1;
                    exact++;
                }
            }
        }
        marked += exact;
    }
    return edges == 0 ? 0 : marked > 0 ? 1 : -1;
}

static void relation_instance(struct trainer *t, struct ranker *r, const struct example *e,
                              const int *gold_of, int left, int right)
{
    struct candidate c[CANDIDATES_MAX];
    int gold[CANDIDATES_MAX];
    const int n = relation_candidates(&t->m, t->s, left, right, c);
    const int state = n > 0 ? mark_gold(t, e, gold_of, c, n, gold) : -1;
    if (state < 0) {
        return; /* nothing right to choose: such a pair teaches nothing */
    }
    const size_t first = r->option_n;
    struct list pair = {0};
    struct list span = {0};
    struct keys k = {0};
    relation_pair_features(t->s, left, right, &k);
    pair = ranker_keys(r, &k);
    for (int i = 0; i < n; i++) {
        if (i == 0 || c[i].subject != c[i - 1].subject || c[i].relation != c[i - 1].relation) {
            k.n = 0;
            relation_span_features(t->s, &c[i], &k);
            span = ranker_keys(r, &k);
        }
        k.n = 0;
        relation_label_features(t->s, &c[i], &k);
        struct option *o = ranker_option(r);
        o->part[0] = pair;
        o->part[1] = span;
        o->part[2] = ranker_keys(r, &k);
        o->gold = gold[i];
    }
    ranker_instance(r, first, state == 0);
}

/* Which places of subject, object and relation words occur at least ten times. */
void places_build(struct trainer *t, const struct tagged *tagged)
{
    uint32_t *count = calloc(PLACES, sizeof *count);
    uint8_t *places = calloc(PLACES, 1);
    int gold_of[NODE_MAX];
    BUG_ON(!count || !places);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if (!prepare(t, i, tagged, gold_of)) {
            continue;
        }
        const struct example *e = &t->examples.e[i];
        int of_gold[NODE_MAX];
        for (int k = 0; k < NODE_MAX; k++) {
            of_gold[k] = -1;
        }
        for (uint32_t k = 0; k < t->s->span_count; k++) {
            if (gold_of[k] >= 0 && of_gold[gold_of[k]] < 0) {
                of_gold[gold_of[k]] = (int)k;
            }
        }
        for (int k = 0; k < e->edge_count; k++) {
            const struct gold_edge *g = &e->edges[k];
            const int r = g->relation == REL_UNSAID ? REL_UNSAID : of_gold[g->relation];
            const int sub = of_gold[g->subject];
            const int obj = of_gold[g->object];
            if (sub >= 0 && obj >= 0 && r >= 0) {
                count[relation_place(t->s, sub, obj, r)]++;
            }
        }
    }
    for (int k = 0; k < PLACES; k++) {
        places[k] = count[k] >= LEAST_PLACED;
    }
    free(count);
    t->m.relation_places = places;
}

struct rank_table relations_fit(struct trainer *t, const struct tagged *tagged, int fold, int folds)
{
    struct ranker r;
    int gold_of[NODE_MAX];
    ranker_init(&r);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if ((int)(i % (uint32_t)folds) == fold || !prepare(t, i, tagged, gold_of)) {
            continue;
        }
        for (uint32_t a = 0; a < t->s->span_count; a++) {
            for (uint32_t b = a; b < t->s->span_count; b++) {
                if (t->s->spans[a].type == SG_OBJECT && t->s->spans[b].type == SG_OBJECT) {
                    relation_instance(t, &r, &t->examples.e[i], gold_of, (int)a, (int)b);
                }
            }
        }
    }
    return ranker_fit(&r, RELATION_BITS);
}

static void choice_instance(struct trainer *t, struct ranker *r, const struct example *e,
                            const int *gold_of, const struct pair *p)
{
    int gold[BEST];
    const int state = mark_gold(t, e, gold_of, p->best, (int)p->n, gold);
    if (state < 0) {
        return;
    }
    const size_t first = r->option_n;
    for (uint32_t i = 0; i < p->n; i++) {
        struct keys k = {0};
        choice_features(t->s, p, i, &k);
        struct option *o = ranker_option(r);
        o->part[0] = ranker_keys(r, &k);
        o->gold = gold[i];
    }
    ranker_instance(r, first, state == 0);
}

/* The second look learns from first looks that did not see the example. */
struct rank_table choice_fit(struct trainer *t, const struct tagged *tagged,
                             const struct link_fold *without, int folds)
{
    struct ranker r;
    int gold_of[NODE_MAX];
    ranker_init(&r);
    for (int fold = 0; fold < folds; fold++) {
        t->m.relation_rank = without[fold].relations;
        for (uint32_t i = (uint32_t)fold; i < t->examples.n; i += (uint32_t)folds) {
            if (!prepare(t, i, tagged, gold_of)) {
                continue;
            }
            relations_propose(&t->m, t->s);
            for (uint32_t k = 0; k < t->s->pair_count; k++) {
                choice_instance(t, &r, &t->examples.e[i], gold_of, &t->s->pairs[k]);
            }
        }
    }
    return ranker_fit(&r, CHOICE_BITS);
}
