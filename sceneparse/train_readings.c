/* The training of the choice between readings: the right ones are those whose graph, or nodes where
 * they alone are known or looked at, come nearest to the gold ones. */
#include <stdlib.h>
#include <string.h>

#include "sceneparse/train_rank.h"

enum { READING_BITS = 16 };

/* How much of the gold graph the linked reading finds, as F1 over objects, attributes and
 * relations. */
static double graph_f1(const struct trainer *t, const struct example *e)
{
    const struct segment *s = t->s;
    int same[NODE_MAX];
    int right = 0;
    int found = 0;
    int there = e->owner_count + e->edge_count;
    for (uint32_t i = 0; i < s->span_count; i++) {
        same[i] = example_span(e, &s->spans[i]);
        found += s->spans[i].type == SG_OBJECT;
        right += s->spans[i].type == SG_OBJECT && same[i] >= 0;
    }
    for (int k = 0; k < e->span_count; k++) {
        there += e->spans[k].type == SG_OBJECT;
    }
    for (uint32_t i = 0; i < s->owner_count; i++) {
        const int a = same[s->owners[i].attribute];
        const int o = same[s->owners[i].owner];
        right += a >= 0 && o >= 0 && gold_owns(e, a, o);
    }
    for (uint32_t i = 0; i < s->relation_count; i++) {
        const struct relation_edge *r = &s->relations[i];
        const struct candidate c = {r->subject, r->object, r->relation, r->label, 0, 0};
        int hit = 0;
        for (int k = 0; k < e->edge_count; k++) {
            const struct gold_edge *g = &e->edges[k];
            hit |= same[r->subject] == g->subject && same[r->object] == g->object &&
                   reads(t, &c, g->label);
        }
        right += hit;
    }
    found += (int)(s->owner_count + s->relation_count);
    return found + there > 0 ? 2.0 * right / (found + there) : 1;
}

/* How many of the gold nodes the reading finds, as F1. */
static double nodes_f1(const struct segment *s, const struct example *e)
{
    int right = 0;
    const uint32_t all = s->span_count + e->span_count;
    for (uint32_t i = 0; i < s->span_count; i++) {
        right += example_span(e, &s->spans[i]) >= 0;
    }
    return all > 0 ? 2.0 * right / all : 1;
}

/* `marked`: the example has nodes and no links. */
static void reading_instance(struct trainer *t, struct ranker *r, const struct example *e,
                             int marked)
{
    struct segment *s = t->s;
    double f1[READINGS];
    double best = -1;
    double worst = 2;
    const size_t first = r->option_n;
    for (uint32_t k = 0; k < s->reading_count; k++) {
        reading_take(&t->m, s, k);
        f1[k] = marked || s->n > LINK_AGAIN ? nodes_f1(s, e) : graph_f1(t, e);
        best = f1[k] > best ? f1[k] : best;
        worst = f1[k] < worst ? f1[k] : worst;
        struct list all = {(uint32_t)r->id_n, 0};
        for (uint32_t part = 0; part < reading_parts(s); part++) {
            struct keys keys;
            reading_features(s, k, part, &keys);
            all.n += ranker_keys(r, &keys).n;
        }
        ranker_option(r)->part[0] = all;
    }
    if (best > worst) {
        for (uint32_t k = 0; k < s->reading_count; k++) {
            r->options[first + k].gold = f1[k] == best;
        }
        ranker_instance(r, first, -1);
    } else {
        r->option_n = first;
    }
}

static void marked_instances(struct trainer *t, struct ranker *r, const struct tagged *tagged,
                             uint32_t fold, uint32_t folds)
{
    for (uint32_t i = fold; i < t->marked.n; i += folds) {
        if (tagged[i].n > 1) {
            tagged_load(t, &t->marked.e[i], &tagged[i]);
            reading_instance(t, r, &t->marked.e[i], 1);
        }
    }
}

/* Each example's readings are linked by rankers that did not see it. */
struct rank_table readings_fit(struct trainer *t, const struct jackknife *tagged,
                               const struct link_fold *without, int folds)
{
    struct ranker r;
    int gold_of[NODE_MAX];
    ranker_init(&r);
    for (int fold = 0; fold < folds; fold++) {
        t->m.owner_rank = without[fold].owners;
        t->m.relation_rank = without[fold].relations;
        for (uint32_t i = (uint32_t)fold; i < t->examples.n; i += (uint32_t)folds) {
            if (tagged->examples[i].n > 1 && prepare(t, i, tagged->examples, gold_of)) {
                reading_instance(t, &r, &t->examples.e[i], 0);
            }
        }
        marked_instances(t, &r, tagged->marked, (uint32_t)fold, (uint32_t)folds);
    }
    return ranker_fit(&r, READING_BITS);
}
