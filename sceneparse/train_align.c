/* FACTUAL's facts name objects, attributes and relations by strings; training needs to know which
 * words of the caption say them.  Objects first, then attributes near their owners, then relations
 * between their ends, then relations that some word merely evokes. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum { PHRASE_MAX = 8, OBJECTS_MAX = 64 };

/* A gold string's words. */
struct phrase {
    uint32_t string;
    int n;
    struct word w[PHRASE_MAX];
    char text[64];
};

struct named {
    uint32_t name;   /* with its ":1" */
    struct phrase p; /* without */
    int index;       /* 1 of ":1" */
    int beg, end;    /* words; beg < 0: not found */
};

struct synonym;

/* Everything known of the example being aligned. */
struct alignment {
    struct trainer *t;
    struct segment *s; /* the caption */
    const struct example *e;
    uint8_t claimed[SEGMENT_MAX]; /* enum sg_node_type, 0 = free */
    struct named objects[OBJECTS_MAX];
    int object_count;
    struct span spans[4 * SEGMENT_MAX];
    uint32_t labels[4 * SEGMENT_MAX];
    uint16_t owner_of[4 * SEGMENT_MAX][2]; /* (attribute, owner) */
    int span_count, owner_count, edge_count;
    struct gold_edge edges[4 * SEGMENT_MAX];
    struct synonym *synonyms; /* sorted */
    size_t synonym_count;
    struct synonym
        *seen; /* free words beside names that found no words; key 0: such words at all */
    size_t seen_count, seen_room;
};

void example_load(struct trainer *t, const struct example *e)
{
    static struct sg_token tokens[SEGMENT_MAX];
    size_t pos = 0;
    uint32_t count = 0;
    t->m.strings = t->strings.p;
    segment_read(t->s, e->caption, e->caption_n, &pos, READ_ALL, tokens, &count);
    segment_analyse(&t->m, t->s);
}

static const char *number_of(const struct word *w)
{
    static const char *const words[] = {"one",   "two",   "three", "four", "five",   "six",
                                        "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
    static const char *const digits[] = {"1", "2", "3", "4",  "5",  "6",
                                         "7", "8", "9", "10", "11", "12"};
    for (int i = 0; i < 12; i++) {
        if (strlen(words[i]) == w->text.n && memcmp(words[i], w->text.p, w->text.n) == 0) {
            return digits[i];
        }
    }
    return NULL;
}

static int same_word(const struct word *a, const struct word *b)
{
    const char *number = number_of(a);
    return a->form == b->form || a->noun_hash == b->noun_hash || a->verb_hash == b->verb_hash ||
           (number && strlen(number) == b->text.n && memcmp(number, b->text.p, b->text.n) == 0);
}

/* Letters to insert, delete or change, up to 3. */
static int edits(struct text a, struct text b)
{
    int row[2][WORD_MAX + 1];
    if (a.n > WORD_MAX || b.n > WORD_MAX || a.n > b.n + 2 || b.n > a.n + 2) {
        return 3;
    }
    for (uint32_t j = 0; j <= b.n; j++) {
        row[0][j] = (int)j;
    }
    for (uint32_t i = 1; i <= a.n; i++) {
        int *cur = row[i & 1];
        const int *old = row[(i - 1) & 1];
        cur[0] = (int)i;
        for (uint32_t j = 1; j <= b.n; j++) {
            int best = old[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            best = old[j] + 1 < best ? old[j] + 1 : best;
            best = cur[j - 1] + 1 < best ? cur[j - 1] + 1 : best;
            cur[j] = best;
        }
    }
    return row[a.n & 1][b.n];
}

static int is_typo(const struct word *caption, const struct word *gold)
{
    const uint32_t n = gold->text.n;
    return n >= 4 && !(caption->flags & WORD_KNOWN) &&
           edits(caption->text, gold->text) <= (n >= 7 ? 2 : 1);
}

/* A name without its number: "man" of "man:1". */
static uint32_t base_name(struct trainer *t, uint32_t name)
{
    const char *p = t->strings.p + name;
    char copy[LABEL_MAX];
    const size_t n = strcspn(p, ":") < LABEL_MAX ? strcspn(p, ":") : LABEL_MAX - 1;
    memcpy(copy, p, n);
    return pool_add(&t->strings, copy, n);
}

static void phrase_read(struct trainer *t, uint32_t string, struct phrase *out)
{
    static struct segment scratch;
    static struct sg_token tokens[SEGMENT_MAX];
    size_t pos = 0;
    uint32_t count = 0;
    t->m.strings = t->strings.p;
    const char *p = t->strings.p + string;
    segment_read(&scratch, p, strcspn(p, ":"), &pos, READ_ALL, tokens, &count);
    segment_analyse(&t->m, &scratch);
    out->string = base_name(t, string);
    out->n = scratch.n < PHRASE_MAX ? (int)scratch.n : PHRASE_MAX;
    /* The words' texts stand in `scratch`, which the next call overwrites: keep what is compared
     * letter by letter. */
    uint32_t used = 0;
    for (int i = 0; i < out->n; i++) {
        out->w[i] = scratch.words[MARGIN + i];
        struct text *w = &out->w[i].text;
        w->n = used + w->n > sizeof out->text ? 0 : w->n;
        memcpy(out->text + used, w->p, w->n);
        w->p = out->text + used;
        used += w->n;
    }
}

/* ---- words that FACTUAL calls by another name: "guy" a person, "wood" wooden ---- */

struct synonym {
    uint64_t key; /* of the words, the type and the name */
    uint64_t words;
};

static int synonym_order(const void *x, const void *y)
{
    const struct synonym *a = x;
    const struct synonym *b = y;
    return a->words != b->words ? (a->words < b->words ? -1 : 1)
           : a->key != b->key   ? (a->key < b->key ? -1 : 1)
                                : 0;
}

static struct synonym synonym_of(const struct alignment *a, int i, int n, uint8_t type,
                                 uint32_t name)
{
    uint64_t words = hash_mix(type, (uint64_t)n);
    for (int k = i; k < i + n; k++) {
        words = hash_mix(words, word_at(a->s, k)->form);
    }
    return (struct synonym){hash_mix(words, name + 1), words};
}

static int is_synonym(const struct alignment *a, int i, int n, uint8_t type, uint32_t name)
{
    const struct synonym want = synonym_of(a, i, n, type, name);
    return a->synonym_count > 0 &&
           bsearch(&want, a->synonyms, a->synonym_count, sizeof want, synonym_order) != NULL;
}

/* How freely a gold string may differ from the caption's words. */
enum freedom { EXACT, SPELLED_ALIKE, SAID_OTHERWISE, FREEDOMS };

/* Words i..i+n are free or, of attributes and relations that several facts share, already of this
 * type. */
static int is_open(const struct alignment *a, int i, int n, uint8_t type)
{
    for (int k = i; k < i + n; k++) {
        const uint8_t c = a->claimed[k];
        if (c != 0 && (c != type || type == SG_OBJECT)) {
            return 0;
        }
    }
    return i + n <= (int)a->s->n;
}

static size_t letters_of(const struct word *w, int n, char out[LABEL_MAX])
{
    size_t m = 0;
    for (int i = 0; i < n; i++) {
        for (uint32_t k = 0; k < w[i].text.n && m < WORD_MAX; k++) {
            const char c = w[i].text.p[k];
            if (c != '-' && c != '.' && c != '\'') {
                out[m++] = c;
            }
        }
    }
    return m;
}

/* "cell phone" for "cellphone", "t-shirt" for "tee shirt": the caption's n words, written together,
 * are the phrase but for a letter. */
static int reads_alike(const struct alignment *a, const struct phrase *p, int i, int n)
{
    char x[LABEL_MAX];
    char y[LABEL_MAX];
    const struct text u = {x, (uint32_t)letters_of(word_at(a->s, i), n, x)};
    const struct text v = {y, (uint32_t)letters_of(p->w, p->n, y)};
    return v.n >= 5 && (n > 1 || p->n > 1) && x[0] == y[0] && edits(u, v) <= (v.n >= 7 ? 1 : 0);
}

/* A word that is another name, or two of which neither is one alone. */
static int says_otherwise(const struct alignment *a, int i, uint8_t type, uint32_t name)
{
    const int n = (int)a->s->n;
    if (is_open(a, i, 1, type) && is_synonym(a, i, 1, type, name)) {
        return 1;
    }
    return i + 2 <= n && is_open(a, i, 2, type) && is_synonym(a, i, 2, type, name) &&
                   !is_synonym(a, i + 1, 1, type, name)
               ? 2
               : 0;
}

/* How many words from i on say the phrase; 0: they do not. */
static int stands_at(const struct alignment *a, const struct phrase *p, int i, uint8_t type,
                     enum freedom freedom)
{
    if (p->n == 0) {
        return 0;
    }
    int same = i + p->n <= (int)a->s->n;
    for (int k = 0; k < p->n && same; k++) {
        const struct word *w = word_at(a->s, i + k);
        same = same_word(w, &p->w[k]) || (freedom == SPELLED_ALIKE && is_typo(w, &p->w[k]));
    }
    if (same) {
        return is_open(a, i, p->n, type) ? p->n : 0;
    }
    if (freedom == SAID_OTHERWISE) {
        return says_otherwise(a, i, type, p->string);
    }
    for (int n = 3; n > 0 && freedom == SPELLED_ALIKE; n--) {
        if (i + n <= (int)a->s->n && is_open(a, i, n, type) && reads_alike(a, p, i, n)) {
            return n;
        }
    }
    return 0;
}

static void claim(struct alignment *a, int beg, int end, uint8_t type)
{
    memset(a->claimed + beg, type, (size_t)(end - beg));
}

static int gap(int beg, int end, int beg2, int end2)
{
    return end <= beg2 ? beg2 - end : end2 <= beg ? beg - end2 : 0;
}

static struct named *object_of(struct alignment *a, uint32_t name)
{
    for (int i = 0; i < a->object_count; i++) {
        if (a->objects[i].name == name) {
            return &a->objects[i];
        }
    }
    return NULL;
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
            const int n = stands_at(a, &p, k, f->is_attribute ? SG_ATTRIBUTE : SG_RELATION, EXACT);
            if (n > 0) {
                const int d = gap(beg, end, k, k + n);
                best = d < best ? d : best;
            }
        }
        cost += best;
        if (!f->is_attribute) {
            const struct named *other =
                object_of(a, f->subject == o->name ? f->object : f->subject);
            cost += other && other->beg >= 0 ? gap(beg, end, other->beg, other->end) / 2 : 3;
        }
    }
    return cost;
}

static int occurrences(const struct alignment *a, const struct named *o, enum freedom freedom)
{
    int n = 0;
    for (int i = 0; i < (int)a->s->n; i++) {
        n += stands_at(a, &o->p, i, SG_OBJECT, freedom) > 0;
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
        const int n = stands_at(a, &o->p, i, SG_OBJECT, freedom);
        const int cost = ordered ? i : n > 0 ? object_cost(a, o, i, i + n) : 0;
        if (n > 0 && (o->beg < 0 || cost < best_cost)) {
            o->beg = i;
            o->end = i + n;
            best_cost = cost;
        }
    }
    if (o->beg >= 0) {
        claim(a, o->beg, o->end, SG_OBJECT);
    }
}

static void place_objects(struct alignment *a)
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

/* "Two giraffes beside each other": the second giraffe stands in the same words as the first. */
static void place_twins(struct alignment *a)
{
    for (int i = 0; i < a->object_count; i++) {
        struct named *o = &a->objects[i];
        for (int k = 0; k < a->object_count && o->beg < 0 && o->index > 0; k++) {
            const struct named *first = &a->objects[k];
            if (first->beg >= 0 && base_name(a->t, first->name) == base_name(a->t, o->name)) {
                o->beg = first->beg;
                o->end = first->end;
            }
        }
    }
}

static int add_span(struct alignment *a, int beg, int end, uint16_t type, uint32_t label)
{
    for (int i = 0; i < a->span_count; i++) {
        if (a->spans[i].beg == beg && a->spans[i].end == end && a->spans[i].type == type) {
            return i;
        }
    }
    BUG_ON(a->span_count >= 4 * SEGMENT_MAX);
    a->spans[a->span_count] = (struct span){type, (uint16_t)beg, (uint16_t)end};
    a->labels[a->span_count] = label;
    return a->span_count++;
}

static int object_span(struct alignment *a, const struct named *o)
{
    return add_span(a, o->beg, o->end, SG_OBJECT, base_name(a->t, o->name));
}

/* A part of the span would be shared with another span of the type: such facts are left out. */
static int splits_span(const struct alignment *a, int beg, int end, uint16_t type)
{
    for (int i = 0; i < a->span_count; i++) {
        const struct span *s = &a->spans[i];
        if (s->type == type && s->beg < end && beg < s->end && (s->beg != beg || s->end != end)) {
            return 1;
        }
    }
    return 0;
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
        const int n = stands_at(a, &p, i, SG_ATTRIBUTE, freedom);
        const int cost = 2 * gap(i, i + n, o->beg, o->end) + (i > o->beg);
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
    claim(a, best, best + best_n, SG_ATTRIBUTE);
    const int owner = object_span(a, o);
    a->owner_of[a->owner_count][0] = (uint16_t)span;
    a->owner_of[a->owner_count++][1] = (uint16_t)owner;
    return 1;
}

static int says_any(const struct word *w, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(words[i]) == w->text.n && memcmp(words[i], w->text.p, w->text.n) == 0) {
            return 1;
        }
    }
    return 0;
}

static int is_filler(const struct word *w)
{
    static const char *const fillers[] = {
        "a",    "an",   "the",   "is",    "are",  "was", "were",  "be", "been",  "being",
        "this", "that", "these", "those", "some", "and", "there", "it", "which", "who"};
    if (w->flags & (WORD_PUNCT | WORD_DIGIT | WORD_NOISE | WORD_FOREIGN)) {
        return 1;
    }
    return says_any(w, fillers, sizeof fillers / sizeof *fillers);
}

static int is_possessive(const struct word *w)
{
    static const char *const words[] = {"his", "her", "its", "their", "it's"};
    return says_any(w, words, sizeof words / sizeof *words);
}

/* The one run of free words between two objects that are no fillers; one that ends in a preposition
 * may have an article inside ("on the back of"). */
static int evoking_run(const struct alignment *a, int beg, int end, int *run_beg, int *run_end)
{
    int runs = 0;
    for (int i = beg; i < end; i++) {
        const struct word *w = word_at(a->s, i);
        const int open = (a->claimed[i] == 0 || a->claimed[i] == SG_RELATION) && !is_filler(w) &&
                         !is_possessive(w);
        if (open && (runs == 0 || *run_end != i)) {
            const int joins = runs == 1 && *run_end == i - 1 && word_is_article(w - 1);
            runs += !joins;
            *run_beg = joins ? *run_beg : i;
            *run_end = i + 1;
        } else if (open) {
            *run_end = i + 1;
        }
    }
    int words = 0;
    int articles = 0;
    for (int i = *run_beg; runs == 1 && i < *run_end; i++) {
        const int article = word_is_article(word_at(a->s, i));
        articles += article;
        words += !article;
    }
    static const char *const ends[] = {"of", "to", "from"};
    return runs == 1 && words <= 4 &&
           (articles == 0 || says_any(word_at(a->s, *run_end - 1), ends, 3));
}

/* How many words from i on say the relation, articles inside left out ("on the back of" says "on
 * back of"); 0: they do not. */
static int relation_stands_at(const struct alignment *a, const struct phrase *p, int i)
{
    int k = i;
    for (int j = 0; j < p->n; j++, k++) {
        while (j > 0 && k < (int)a->s->n && word_is_article(word_at(a->s, k)) &&
               !same_word(word_at(a->s, k), &p->w[j])) {
            k++;
        }
        if (k >= (int)a->s->n || !same_word(word_at(a->s, k), &p->w[j])) {
            return 0;
        }
    }
    return p->n > 0 && is_open(a, i, k - i, SG_RELATION) ? k - i : 0;
}

/* The best place of the relation's own words, -1 if there is none; prefers between its ends. */
static int said_at(struct alignment *a, const struct phrase *p, const struct named *s,
                   const struct named *o, int *words)
{
    const int lo = s->beg < o->beg ? s->end : o->end;
    const int hi = s->beg < o->beg ? o->beg : s->beg;
    int best = -1;
    int best_cost = 0;
    for (int i = 0; i < (int)a->s->n; i++) {
        const int n = relation_stands_at(a, p, i);
        if (n == 0 || splits_span(a, i, i + n, SG_RELATION)) {
            continue;
        }
        const int inside = i >= lo && i + n <= hi;
        const int cost =
            gap(i, i + n, o->beg, o->end) + (inside ? 0 : 20 + 2 * gap(i, i + n, s->beg, s->end));
        if (best < 0 || cost < best_cost) {
            best = i;
            best_cost = cost;
            *words = n;
        }
    }
    return best;
}

static void place_relation(struct alignment *a, const struct fact *f)
{
    const struct named *s = object_of(a, f->subject);
    const struct named *o = object_of(a, f->object);
    if (!s || !o || s == o || s->beg < 0 || o->beg < 0 || a->edge_count >= 4 * SEGMENT_MAX - 1) {
        return;
    }
    struct phrase p;
    phrase_read(a->t, f->relation, &p);
    const int lo = s->beg < o->beg ? s->end : o->end;
    const int hi = s->beg < o->beg ? o->beg : s->beg;
    int words = 0;
    int beg = said_at(a, &p, s, o, &words);
    int end = beg + words;
    if (beg < 0 && !evoking_run(a, lo, hi, &beg, &end)) {
        beg = -1;
    }
    uint16_t span = REL_UNSAID;
    const int subject = object_span(a, s);
    const int object = object_span(a, o);
    if (beg >= 0 && !splits_span(a, beg, end, SG_RELATION)) {
        span = (uint16_t)add_span(a, beg, end, SG_RELATION, f->relation);
        claim(a, beg, end, SG_RELATION);
    }
    a->edges[a->edge_count++] =
        (struct gold_edge){(uint16_t)subject, (uint16_t)object, span, f->relation};
}

static void note(struct alignment *a, struct synonym s)
{
    if (a->seen_count == a->seen_room) {
        a->seen_room = 2 * a->seen_room + 4096;
        a->seen = xrealloc(a->seen, a->seen_room, sizeof *a->seen);
    }
    a->seen[a->seen_count++] = s;
}

/* Remembers which free words stand in a caption in which `name` found none. */
static void note_unplaced(struct alignment *a, uint32_t name, uint8_t type)
{
    for (int i = 0; i < (int)a->s->n; i++) {
        for (int n = 1; n <= 2 && is_open(a, i, n, SG_OBJECT); n++) {
            if (!is_filler(word_at(a->s, i)) && !is_filler(word_at(a->s, i + n - 1))) {
                note(a, synonym_of(a, i, n, type, name));
            }
        }
    }
}

/* Remembers the words that stayed free, whatever was missing. */
static void note_free(struct alignment *a)
{
    for (int i = 0; i < (int)a->s->n; i++) {
        for (int n = 1; n <= 2 && is_open(a, i, n, SG_OBJECT); n++) {
            for (uint8_t type = SG_OBJECT; type <= SG_ATTRIBUTE; type++) {
                note(a, (struct synonym){0, synonym_of(a, i, n, type, 0).words});
            }
        }
    }
}

/* Words that stand for a name in four of ten of the captions where they stay free, and three times
 * at least, are another word for it. */
static void learn_synonyms(struct alignment *a)
{
    sort_rows(a->seen, a->seen_count, sizeof *a->seen, synonym_order);
    a->synonyms = xrealloc(NULL, a->seen_count + 1, sizeof *a->synonyms);
    a->synonym_count = 0;
    for (size_t i = 0; i < a->seen_count;) {
        size_t all = i;
        while (all < a->seen_count && a->seen[all].words == a->seen[i].words &&
               a->seen[all].key == 0) {
            all++;
        }
        const size_t free_times = all - i;
        const uint64_t words = a->seen[i].words;
        for (i = all; i < a->seen_count && a->seen[i].words == words;) {
            size_t k = i;
            while (k < a->seen_count && a->seen[k].key == a->seen[i].key) {
                k++;
            }
            if (k - i >= 3 && (k - i) * 10 >= free_times * 4) {
                a->synonyms[a->synonym_count++] = a->seen[i];
            }
            i = k;
        }
    }
    a->seen_count = 0;
}

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

static void place_attributes(struct alignment *a)
{
    uint8_t placed[256] = {0};
    for (enum freedom freedom = EXACT; freedom < FREEDOMS; freedom++) {
        for (uint32_t i = 0; i < a->e->fact_count && i < 256; i++) {
            const struct fact *f = &a->e->facts[i];
            if (f->is_attribute && !placed[i]) {
                placed[i] = (uint8_t)place_attribute(a, f, freedom);
            }
            if (f->is_attribute && !placed[i] && freedom == SAID_OTHERWISE) {
                note_unplaced(a, f->object, SG_ATTRIBUTE);
            }
        }
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
            note_unplaced(a, base_name(a->t, a->objects[i].name), SG_OBJECT);
        }
    }
    for (uint32_t i = 0; i < e->fact_count; i++) {
        if (e->facts[i].relation != NO_STRING) {
            place_relation(a, &e->facts[i]);
        }
    }
    note_free(a);
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
