/* FACTUAL's facts name objects, attributes and relations by strings; training needs to know which
 * words of the caption say them.  Objects first, then attributes near their owners, then relations
 * between their ends, then relations that some word merely evokes. */
#include <stdlib.h>
#include <string.h>

#include "sceneparse/train_align.h"

/* Copies the result into the example, spans in the order of their words. */
static void store(struct alignment *a, struct example *e)
{
    uint16_t rank[4 * SEGMENT_MAX];
    e->span_count = (uint16_t)a->span_count;
    e->spans = xrealloc(e->spans, (size_t)a->span_count + 1, sizeof *e->spans);
    e->labels = xrealloc(e->labels, (size_t)a->span_count + 1, sizeof *e->labels);
    for (int i = 0; i < a->span_count; i++) {
        uint16_t at = 0;
        for (int k = 0; k < a->span_count; k++) {
            at = (uint16_t)(at + (a->spans[k].beg < a->spans[i].beg));
        }
        rank[i] = at;
        e->spans[at] = a->spans[i];
        e->labels[at] = a->labels[i];
    }
    e->owner_count = (uint16_t)a->owner_count;
    e->owners = xrealloc(e->owners, (size_t)a->owner_count + 1, sizeof *e->owners);
    for (int i = 0; i < a->owner_count; i++) {
        e->owners[i] = (struct owner_edge){rank[a->owner_of[i][0]], rank[a->owner_of[i][1]]};
    }
    e->edge_count = (uint16_t)a->edge_count;
    e->edges = xrealloc(e->edges, (size_t)a->edge_count + 1, sizeof *e->edges);
    for (int i = 0; i < a->edge_count; i++) {
        struct gold_edge g = a->edges[i];
        g.subject = rank[g.subject];
        g.object = rank[g.object];
        g.relation = g.relation == REL_UNSAID ? REL_UNSAID : rank[g.relation];
        e->edges[i] = g;
    }
}

static void align(struct trainer *t, struct alignment *a, struct example *e)
{
    a->e = e;
    a->object_count = a->span_count = a->owner_count = a->edge_count = 0;
    memset(a->claimed, 0, sizeof a->claimed);
    example_load(t, e);
    place_objects(a);
    place_twins(a);
    place_attributes(a);
    for (int i = 0; i < a->object_count; i++) {
        if (a->objects[i].beg >= 0) {
            (void)object_span(a, &a->objects[i]);
        } else {
            note_unplaced_name(a, gold_base_name(a->t, a->objects[i].name), SG_OBJECT);
        }
    }
    for (uint32_t i = 0; i < e->fact_count; i++) {
        if (e->facts[i].relation != NO_STRING) {
            place_relation(a, &e->facts[i]);
        }
    }
    note_free_words(a);
    store(a, e);
}

struct alignment *align_all(struct trainer *t)
{
    struct alignment *a = xrealloc(NULL, 1, sizeof *a);
    memset(a, 0, sizeof *a);
    a->t = t;
    a->s = t->s;
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if (!left_out(t, i)) {
            align(t, a, &t->examples.e[i]);
        }
    }
    learn_synonyms(a);
    align_from(a, 0);
    return a;
}

void align_from(struct alignment *a, uint32_t first)
{
    for (uint32_t i = first; i < a->t->examples.n; i++) {
        align(a->t, a, &a->t->examples.e[i]);
    }
}

void alignment_free(struct alignment *a)
{
    free(a->synonyms);
    free(a->seen);
    free(a);
}
