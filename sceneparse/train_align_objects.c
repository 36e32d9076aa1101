/* Where objects stand in the caption, those of one name too, and where their attributes do. */
#include <stdlib.h>
#include <string.h>

#include "sceneparse/train_align.h"

struct named *object_of(struct alignment *a, uint32_t name)
{
    for (int i = 0; i < a->object_count; i++) {
        if (a->objects[i].name == name) {
            return &a->objects[i];
        }
    }
    return NULL;
}

int object_span(struct alignment *a, const struct named *o)
{
    return add_span(a, o->beg, o->end, SG_OBJECT, gold_base_name(a->t, o->name));
}

static void collect_object(struct alignment *a, uint32_t name)
{
    if (name == NO_STRING || object_of(a, name) || a->object_count == OBJECTS_MAX) {
        return;
    }
    struct named *o = &a->objects[a->object_count++];
    const char *p = a->t->strings.p + name;
    *o = (struct named){.name = name, .beg = -1, .end = -1};
    phrase_read(a->t, name, &o->p);
    const char *colon = strchr(p, ':');
    o->index = colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

/* How far the words of this object's other facts stand from words [beg, end). */
static int object_cost(struct alignment *a, const struct named *o, int beg, int end)
{
    int cost = 0;
    for (uint32_t i = 0; i < a->e->fact_count; i++) {
        const struct fact *f = &a->e->facts[i];
        if (f->object == NO_STRING || (f->subject != o->name && f->object != o->name)) {
            continue;
        }
        struct phrase p;
        phrase_read(a->t, f->is_attribute ? f->object : f->relation, &p);
        int best = 12;
        for (int k = 0; k < (int)a->s->n; k++) {
            const int n =
                phrase_stands_at(a, &p, k, f->is_attribute ? SG_ATTRIBUTE : SG_RELATION, EXACT);
            if (n > 0) {
                const int d = span_gap(beg, end, k, k + n);
                best = d < best ? d : best;
            }
        }
        cost += best;
        if (!f->is_attribute) {
            const struct named *other =
                object_of(a, f->subject == o->name ? f->object : f->subject);
            cost += other && other->beg >= 0 ? span_gap(beg, end, other->beg, other->end) / 2 : 3;
        }
    }
    return cost;
}

static int occurrences(const struct alignment *a, const struct named *o, enum freedom freedom)
{
    int n = 0;
    for (int i = 0; i < (int)a->s->n; i++) {
        n += phrase_stands_at(a, &o->p, i, SG_OBJECT, freedom) > 0;
    }
    return n;
}

static int is_indexed(const struct alignment *a, const struct named *o)
{
    for (int i = 0; i < a->object_count; i++) {
        const struct named *other = &a->objects[i];
        if (other != o && other->p.n == o->p.n) {
            int same = 1;
            for (int k = 0; k < o->p.n; k++) {
                same &= other->p.w[k].form == o->p.w[k].form;
            }
            if (same) {
                return 1;
            }
        }
    }
    return 0;
}

/* Objects of one name ("man", "man:1") stand in the order of their numbers; for others the
 * cheapest place. */
static void place_object(struct alignment *a, struct named *o, enum freedom freedom)
{
    int best_cost = 0;
    const int ordered = is_indexed(a, o);
    for (int i = 0; i < (int)a->s->n; i++) {
        const int n = phrase_stands_at(a, &o->p, i, SG_OBJECT, freedom);
        const int cost = ordered ? i : n > 0 ? object_cost(a, o, i, i + n) : 0;
        if (n > 0 && (o->beg < 0 || cost < best_cost)) {
            o->beg = i;
            o->end = i + n;
            best_cost = cost;
        }
    }
    if (o->beg >= 0) {
        span_claim(a, o->beg, o->end, SG_OBJECT);
    }
}

void place_objects(struct alignment *a)
{
    for (uint32_t i = 0; i < a->e->fact_count; i++) {
        collect_object(a, a->e->facts[i].subject);
        if (!a->e->facts[i].is_attribute) {
            collect_object(a, a->e->facts[i].object);
        }
    }
    /* Longer names first ("tennis court" before "court"), then those with one place only, which
     * help to tell the places of the others. */
    for (enum freedom freedom = EXACT; freedom < FREEDOMS; freedom++) {
        for (int length = PHRASE_MAX; length > 0; length--) {
            for (int many = 0; many <= 1; many++) {
                for (int index = 0; index < 6; index++) {
                    for (int i = 0; i < a->object_count; i++) {
                        struct named *o = &a->objects[i];
                        if (o->beg < 0 && o->p.n == length && o->index == index &&
                            (many || occurrences(a, o, freedom) == 1)) {
                            place_object(a, o, freedom);
                        }
                    }
                }
            }
        }
    }
}

void place_twins(struct alignment *a)
{
    for (int i = 0; i < a->object_count; i++) {
        struct named *o = &a->objects[i];
        for (int k = 0; k < a->object_count && o->beg < 0 && o->index > 0; k++) {
            const struct named *first = &a->objects[k];
            if (first->beg >= 0 &&
                gold_base_name(a->t, first->name) == gold_base_name(a->t, o->name)) {
                o->beg = first->beg;
                o->end = first->end;
            }
        }
    }
}

static int place_attribute(struct alignment *a, const struct fact *f, enum freedom freedom)
{
    const struct named *o = object_of(a, f->subject);
    if (!o || o->beg < 0) {
        return 0;
    }
    struct phrase p;
    phrase_read(a->t, f->object, &p);
    int best = -1;
    int best_n = 0;
    int best_cost = 0;
    for (int i = 0; i < (int)a->s->n; i++) {
        const int n = phrase_stands_at(a, &p, i, SG_ATTRIBUTE, freedom);
        const int cost = 2 * span_gap(i, i + n, o->beg, o->end) + (i > o->beg);
        if (n > 0 && !splits_span(a, i, i + n, SG_ATTRIBUTE) && (best < 0 || cost < best_cost)) {
            best = i;
            best_n = n;
            best_cost = cost;
        }
    }
    if (best < 0) {
        return 0;
    }
    const int span = add_span(a, best, best + best_n, SG_ATTRIBUTE, f->object);
    span_claim(a, best, best + best_n, SG_ATTRIBUTE);
    const int owner = object_span(a, o);
    a->owner_of[a->owner_count][0] = (uint16_t)span;
    a->owner_of[a->owner_count++][1] = (uint16_t)owner;
    return 1;
}

void place_attributes(struct alignment *a)
{
    uint8_t placed[256] = {0};
    for (enum freedom freedom = EXACT; freedom < FREEDOMS; freedom++) {
        for (uint32_t i = 0; i < a->e->fact_count && i < 256; i++) {
            const struct fact *f = &a->e->facts[i];
            if (f->is_attribute && !placed[i]) {
                placed[i] = (uint8_t)place_attribute(a, f, freedom);
            }
            if (f->is_attribute && !placed[i] && freedom == SAID_OTHERWISE) {
                note_unplaced_name(a, f->object, SG_ATTRIBUTE);
            }
        }
    }
}
