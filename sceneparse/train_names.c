/* What training learns by counting: how each word is used (its class), what spans are called, and
 * which relations go without a word. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum { NAMES_BITS = 14, NAMES_EACH = 3, UNSAID_MAX = 8 };

/* ---- counting tuples of two 64-bit numbers ---- */

struct tuple {
    uint64_t a, b;
};

struct tuples {
    struct tuple *p;
    size_t n, room;
};

static void tuples_add(struct tuples *l, uint64_t a, uint64_t b)
{
    if (l->n == l->room) {
        l->room = 2 * l->room + 1024;
        l->p = xrealloc(l->p, l->room, sizeof *l->p);
    }
    l->p[l->n++] = (struct tuple){a, b};
}

static int tuple_order(const void *x, const void *y)
{
    const struct tuple *a = x;
    const struct tuple *b = y;
    return a->a != b->a ? (a->a < b->a ? -1 : 1) : a->b != b->b ? (a->b < b->b ? -1 : 1) : 0;
}

static void sort_tuples(struct tuples *l)
{
    sort_rows(l->p, l->n, sizeof *l->p, tuple_order);
}

/* ---- classes ---- */

/* Most frequent use, the second where it is not rare, and how the word is inflected. */
static uint8_t class_of(const uint32_t uses[TAGS], uint32_t total)
{
    int first = 0;
    for (int t = 1; t < TAGS; t++) {
        first = uses[t] > uses[first] ? t : first;
    }
    int second = -1;
    for (int t = 0; t < TAGS; t++) {
        if (t != first && uses[t] * 8 >= total && (second < 0 || uses[t] > uses[second])) {
            second = t;
        }
    }
    const int sure = uses[first] * 100 >= total * 97;
    return (uint8_t)(1 + first * 16 + (second + 1) * 2 + sure);
}

static void classes_from(struct trainer *t, const struct tuples *uses)
{
    for (size_t i = 0; i < uses->n;) {
        uint32_t count[TAGS] = {0};
        uint32_t total = 0;
        const uint64_t form = uses->p[i].a;
        for (; i < uses->n && uses->p[i].a == form; i++, total++) {
            count[uses->p[i].b]++;
        }
        if (total >= 4) {
            lexicon_set_class(t, form, class_of(count, total), total);
        }
    }
}

void classes_build(struct trainer *t)
{
    struct tuples uses = {0};
    uint8_t tags[SEGMENT_MAX];
    for (uint32_t i = 0; i < t->examples.n; i++) {
        const struct example *e = &t->examples.e[i];
        if (left_out(t, i)) {
            continue;
        }
        example_load(t, e);
        tags_from_spans(e->spans, e->span_count, tags, t->s->n);
        for (uint32_t k = 0; k < t->s->n; k++) {
            tuples_add(&uses, word_at(t->s, (int)k)->form, tags[k]);
        }
    }
    sort_tuples(&uses);
    classes_from(t, &uses);
    words_sieve(&t->m);
    free(uses.p);
}

/* ---- names ---- */

struct names_builder {
    struct naming *slots;
    struct name *names;
    uint32_t count;
    uint32_t used;
};

static uint32_t log2_of(uint32_t n)
{
    return n ? 32u - (uint32_t)__builtin_clz(n) : 0;
}

static void put_naming(struct names_builder *b, uint64_t key, const struct name *names, uint32_t n)
{
    const uint32_t mask = (1u << NAMES_BITS) - 1;
    uint32_t i = (uint32_t)(key >> (64 - NAMES_BITS));
    while (b->slots[i].key) {
        i = (i + 1) & mask;
    }
    BUG_ON(++b->used > mask * 3 / 4);
    b->slots[i] = (struct naming){(uint32_t)key | 1u, b->count, n};
    b->names = xrealloc(b->names, b->count + n, sizeof *names);
    memcpy(b->names + b->count, names, n * sizeof *names);
    b->count += n;
}

static int name_order(const void *x, const void *y)
{
    const struct name *a = x;
    const struct name *b = y;
    return a->weight != b->weight  ? (a->weight > b->weight ? -1 : 1)
           : a->string < b->string ? -1
                                   : a->string > b->string;
}

/* The names of one span's words: b of each pair is the label and, in its upper half, the lemmas. */
static void name_span(struct names_builder *b, const struct tuple *p, size_t n, int is_relation)
{
    struct name names[256];
    uint32_t count = 0;
    const uint32_t own = (uint32_t)(p[0].b >> 32);
    int has_own = 0;
    for (size_t i = 0; i < n;) {
        size_t k = i;
        while (k < n && (uint32_t)p[k].b == (uint32_t)p[i].b) {
            k++;
        }
        const uint32_t string = (uint32_t)p[i].b;
        if (count < 255 && (k - i >= 2 || string == own)) {
            names[count++] = (struct name){string, (uint32_t)(k - i)};
            has_own |= string == own;
        }
        i = k;
    }
    sort_rows(names, count, sizeof *names, name_order);
    if (!is_relation) {
        if (count > 0 && names[0].string != own) {
            names[0].weight = log2_of(names[0].weight);
            put_naming(b, p[0].a, names, 1);
        }
        return;
    }
    count = count > NAMES_EACH ? NAMES_EACH : count;
    if (n < 2) {
        return; /* so that training meets as many unnamed words as parsing will */
    }
    if (!has_own) {
        names[count++] = (struct name){own, 0};
    }
    for (uint32_t i = 0; i < count; i++) {
        names[i].weight = log2_of(names[i].weight) * 2 + (names[i].string == own);
    }
    put_naming(b, p[0].a, names, count);
}

static void unsaid_build(struct trainer *t, struct tuples *labels)
{
    sort_tuples(labels);
    struct name *best = xrealloc(NULL, labels->n + 1, sizeof *best);
    uint32_t n = 0;
    for (size_t i = 0; i < labels->n;) {
        size_t k = i;
        while (k < labels->n && labels->p[k].a == labels->p[i].a) {
            k++;
        }
        best[n++] = (struct name){(uint32_t)labels->p[i].a, (uint32_t)(k - i)};
        i = k;
    }
    sort_rows(best, n, sizeof *best, name_order);
    n = n > UNSAID_MAX ? UNSAID_MAX : n;
    uint32_t *unsaid = xrealloc(NULL, n + 1, sizeof *unsaid);
    for (uint32_t i = 0; i < n; i++) {
        unsaid[i] = best[i].string;
    }
    free(best);
    t->m.unsaid = unsaid;
    t->m.unsaid_count = n;
}

static void collect(struct trainer *t, const struct example *e, struct tuples of[4],
                    struct tuples *unsaid)
{
    char text[LABEL_MAX];
    example_load(t, e);
    for (uint32_t i = 0; i < e->span_count; i++) {
        if (e->spans[i].type != SG_RELATION) {
            const size_t n = span_lemmas(t->s, &e->spans[i], text);
            /* FACTUAL keeps plurals, nodes carry singulars: a label that is the caption's own
             * words is no other name. */
            const struct span *s = &e->spans[i];
            const uint64_t own = pool_add(&t->strings, text, n);
            size_t m = 0;
            char plain[LABEL_MAX];
            for (int k = s->beg; k < s->end && m + WORD_MAX + 2 < LABEL_MAX; k++) {
                const struct text w = word_at(t->s, k)->text;
                m += m > 0 ? (plain[m] = ' ', 1u) : 0u;
                memcpy(plain + m, w.p, w.n);
                m += w.n;
            }
            const uint32_t surface = pool_add(&t->strings, plain, m);
            const uint32_t label = e->labels[i] == surface ? (uint32_t)own : e->labels[i];
            tuples_add(&of[s->type], span_naming_key(t->s, s), own << 32 | label);
        }
    }
    for (uint32_t i = 0; i < e->edge_count; i++) {
        const struct gold_edge *g = &e->edges[i];
        if (g->relation == REL_UNSAID) {
            tuples_add(unsaid, g->label, 0);
            continue;
        }
        const struct span *s = &e->spans[g->relation];
        const uint64_t own = pool_add(&t->strings, text, span_lemmas(t->s, s, text));
        tuples_add(&of[SG_RELATION], span_naming_key(t->s, s), own << 32 | g->label);
    }
}

void names_build(struct trainer *t)
{
    struct tuples of[4] = {{0}};
    struct tuples unsaid = {0};
    struct names_builder b = {0};
    b.slots = xrealloc(NULL, 1u << NAMES_BITS, sizeof *b.slots);
    memset(b.slots, 0, sizeof *b.slots << NAMES_BITS);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if (!left_out(t, i)) {
            collect(t, &t->examples.e[i], of, &unsaid);
        }
    }
    for (int type = SG_OBJECT; type <= SG_RELATION; type++) {
        sort_tuples(&of[type]);
        for (size_t i = 0; i < of[type].n;) {
            size_t k = i;
            while (k < of[type].n && of[type].p[k].a == of[type].p[i].a) {
                k++;
            }
            name_span(&b, of[type].p + i, k - i, type == SG_RELATION);
            i = k;
        }
        free(of[type].p);
    }
    unsaid_build(t, &unsaid);
    free(unsaid.p);
    t->m.namings = (struct naming_table){b.slots, NAMES_BITS, b.names};
    t->m.strings = t->strings.p;
}
