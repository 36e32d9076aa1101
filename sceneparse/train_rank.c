/* The rankers' weights: each instance (an attribute, an ordered pair of objects) has candidates and
 * the alternative "none", whose score is 0; the likelihood of the right ones is raised by AdaGrad.
 * Where several candidates are right, their probability together counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum {
    EPOCHS = 6,
    LEAST_COUNT = 2,
    OWNER_BITS = 17,
    RELATION_BITS = 19,
    CHOICE_BITS = 16,
    LEAST_PLACED = 3
};

struct list { /* of feature ids */
    uint32_t first, n;
};

struct option {
    struct list part[3];
    int gold;
};

struct instance {
    uint32_t first, n; /* options */
    int none;          /* whether "none" is right */
};

struct ranker {
    struct feature_map map;
    uint32_t *ids;
    size_t id_n, id_room;
    struct option *options;
    size_t option_n, option_room;
    struct instance *instances;
    size_t instance_n, instance_room;
    float *w, *g;
};

static struct list add_keys(struct ranker *r, const struct keys *k)
{
    if (r->id_n + RANK_FEATURES > r->id_room) {
        r->id_room = 2 * r->id_room + 65536;
        r->ids = xrealloc(r->ids, r->id_room, sizeof *r->ids);
    }
    BUG_ON(k->n > RANK_FEATURES);
    const struct list l = {(uint32_t)r->id_n, (uint32_t)k->n};
    for (int i = 0; i < k->n; i++) {
        r->ids[r->id_n++] = features_id(&r->map, k->k[i]);
    }
    return l;
}

static struct option *add_option(struct ranker *r)
{
    if (r->option_n == r->option_room) {
        r->option_room = 2 * r->option_room + 65536;
        r->options = xrealloc(r->options, r->option_room, sizeof *r->options);
    }
    r->options[r->option_n] = (struct option){0};
    return &r->options[r->option_n++];
}

static void add_instance(struct ranker *r, size_t first, int none)
{
    if (r->instance_n == r->instance_room) {
        r->instance_room = 2 * r->instance_room + 65536;
        r->instances = xrealloc(r->instances, r->instance_room, sizeof *r->instances);
    }
    r->instances[r->instance_n++] =
        (struct instance){(uint32_t)first, (uint32_t)(r->option_n - first), none};
}

static double score(const struct ranker *r, const struct option *o)
{
    double sum = 0;
    for (int p = 0; p < 3; p++) {
        for (uint32_t i = 0; i < o->part[p].n; i++) {
            sum += (double)r->w[r->ids[o->part[p].first + i]];
        }
    }
    return sum;
}

static void step(struct ranker *r, const struct instance *x, float rate, float decay)
{
    static double p[4096];
    const struct option *o = r->options + x->first;
    double all = 1;
    double right = x->none ? 1 : 0;
    BUG_ON(x->n > 4096);
    for (uint32_t i = 0; i < x->n; i++) {
        p[i] = exact_exp(score(r, &o[i]));
        all += p[i];
        right += o[i].gold ? p[i] : 0;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        const float gradient = (float)(p[i] / all - (o[i].gold ? p[i] / right : 0));
        if (fabsf(gradient) < 1e-5f) {
            continue;
        }
        for (int part = 0; part < 3; part++) {
            for (uint32_t k = 0; k < o[i].part[part].n; k++) {
                const uint32_t id = r->ids[o[i].part[part].first + k];
                if (r->map.counts[id] >= LEAST_COUNT) {
                    const float g = gradient + decay * r->w[id];
                    r->g[id] += g * g;
                    r->w[id] -= rate * g / sqrtf(r->g[id] + DAMPING);
                }
            }
        }
    }
}

static struct rank_table fit(struct ranker *r, uint32_t bits)
{
    uint32_t *order = xrealloc(NULL, r->instance_n + 1, sizeof *order);
    r->w = calloc(r->map.n + 1, sizeof *r->w);
    r->g = calloc(r->map.n + 1, sizeof *r->g);
    struct rank_row *rows = calloc((size_t)1 << bits, sizeof *rows);
    float *weight = calloc((size_t)1 << bits, sizeof *weight);
    float *sum = calloc(r->map.n + 1, sizeof *sum);
    BUG_ON(!r->w || !r->g || !rows || !weight || !sum);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const float rate = RATE * (float)(EPOCHS - epoch) / EPOCHS + LAST_RATE;
        shuffle(order, (uint32_t)r->instance_n, (uint64_t)epoch);
        for (size_t i = 0; i < r->instance_n; i++) {
            step(r, &r->instances[order[i]], rate, DECAY);
        }
        for (uint32_t i = 0; i < r->map.n && epoch >= EPOCHS - MEAN_EPOCHS; i++) {
            sum[i] += r->w[i] / MEAN_EPOCHS;
        }
    }
    memcpy(r->w, sum, r->map.n * sizeof *sum);
    free(sum);
    for (uint32_t i = 0; i < r->map.n; i++) {
        const uint64_t key = r->map.key_of[i];
        const uint32_t at = (uint32_t)(key >> (64 - bits));
        const float norm = fabsf(r->w[i]) * (float)r->map.counts[i];
        if (r->map.counts[i] >= LEAST_COUNT && norm > weight[at]) {
            const float v = r->w[i] * RANK_SCALE;
            weight[at] = norm;
            rows[at].w = (int8_t)(v > 127 ? 127 : v < -127 ? -127 : v < 0 ? v - 0.5f : v + 0.5f);
            rows[at].check = (uint8_t)(key & 0xff);
        }
    }
    free(order);
    free(weight);
    free(r->w);
    free(r->g);
    free(r->ids);
    free(r->options);
    free(r->instances);
    features_free(&r->map);
    return (struct rank_table){rows, bits};
}

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

static int prepare(struct trainer *t, uint32_t i, uint8_t **tags, int gold_of[NODE_MAX])
{
    if (left_out(t, i)) {
        return 0;
    }
    example_load(t, &t->examples.e[i]);
    memcpy(t->s->tags, tags[i], t->s->n);
    segment_spans(t->s);
    match_spans(t->s, &t->examples.e[i], gold_of);
    return 1;
}

/* ---- owners ---- */

static int owns(const struct example *e, int attribute, int owner)
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
            struct option *o = add_option(r);
            o->part[0] = add_keys(r, &k);
            o->gold = gold_of[attribute] >= 0 && gold_of[i] >= 0 &&
                      owns(e, gold_of[attribute], gold_of[i]);
            right += o->gold;
        }
    }
    add_instance(r, first, right == 0);
}

void owners_train(struct trainer *t, uint8_t **tags)
{
    struct ranker r = {0};
    int gold_of[NODE_MAX];
    features_init(&r.map);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if (prepare(t, i, tags, gold_of)) {
            for (uint32_t k = 0; k < t->s->span_count; k++) {
                if (t->s->spans[k].type == SG_ATTRIBUTE) {
                    owner_instance(t, &r, &t->examples.e[i], gold_of, (int)k);
                }
            }
        }
    }
    t->m.owner_rank = fit(&r, OWNER_BITS);
}

/* ---- relations ---- */

static int reads(const struct trainer *t, const struct candidate *c, uint32_t label)
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
    pair = add_keys(r, &k);
    for (int i = 0; i < n; i++) {
        if (i == 0 || c[i].subject != c[i - 1].subject || c[i].relation != c[i - 1].relation) {
            k.n = 0;
            relation_span_features(t->s, &c[i], &k);
            span = add_keys(r, &k);
        }
        k.n = 0;
        relation_label_features(t->s, &c[i], &k);
        struct option *o = add_option(r);
        o->part[0] = pair;
        o->part[1] = span;
        o->part[2] = add_keys(r, &k);
        o->gold = gold[i];
    }
    add_instance(r, first, state == 0);
}

/* Which places of subject, object and relation words occur at least ten times. */
static void places_build(struct trainer *t, uint8_t **tags)
{
    uint32_t *count = calloc(PLACES, sizeof *count);
    uint8_t *places = calloc(PLACES, 1);
    int gold_of[NODE_MAX];
    BUG_ON(!count || !places);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if (!prepare(t, i, tags, gold_of)) {
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

/* Fits the first look to all examples but those of one fold (-1: to all). */
static struct rank_table first_look(struct trainer *t, uint8_t **tags, int fold, int folds)
{
    struct ranker r = {0};
    int gold_of[NODE_MAX];
    features_init(&r.map);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if ((int)(i % (uint32_t)folds) == fold || !prepare(t, i, tags, gold_of)) {
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
    return fit(&r, RELATION_BITS);
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
        struct option *o = add_option(r);
        o->part[0] = add_keys(r, &k);
        o->gold = gold[i];
    }
    add_instance(r, first, state == 0);
}

/* The second look learns from first looks that did not see the example. */
void relations_train(struct trainer *t, uint8_t **tags, int folds)
{
    struct ranker r = {0};
    int gold_of[NODE_MAX];
    places_build(t, tags);
    features_init(&r.map);
    for (int fold = 0; fold < folds; fold++) {
        t->m.relation_rank = first_look(t, tags, fold, folds);
        for (uint32_t i = (uint32_t)fold; i < t->examples.n; i += (uint32_t)folds) {
            if (!prepare(t, i, tags, gold_of)) {
                continue;
            }
            relations_propose(&t->m, t->s);
            for (uint32_t k = 0; k < t->s->pair_count; k++) {
                choice_instance(t, &r, &t->examples.e[i], gold_of, &t->s->pairs[k]);
            }
        }
        free((void *)t->m.relation_rank.rows);
        if (t->options->progress) {
            t->options->progress("relations by cross-validation", (size_t)fold + 1, (size_t)folds);
        }
    }
    t->m.choice_rank = fit(&r, CHOICE_BITS);
    t->m.relation_rank = first_look(t, tags, -1, folds);
}
