/* Pairs of objects -> relations: for each ordered pair of near objects, a log-linear ranker over
 * the relation words around them and the names that training gave to such words, against "none". */
#include <string.h>

#include "sceneparse/rank.h"

enum where { BETWEEN, BEFORE, AFTER, UNSAID };

static enum where where_is(const struct segment *s, int subject, int object, int relation)
{
    if (relation == REL_UNSAID) {
        return UNSAID;
    }
    const int lo = subject < object ? subject : object;
    const int hi = subject < object ? object : subject;
    (void)s;
    return relation < lo ? BEFORE : relation > hi ? AFTER : BETWEEN;
}

unsigned relation_place(const struct segment *s, int subject, int object, int relation)
{
    const int lo = subject < object ? subject : object;
    const int hi = subject < object ? object : subject;
    const enum where w = where_is(s, subject, object, relation);
    unsigned a = spans_between(s, lo, hi, SG_OBJECT);
    unsigned b = 0;
    if (w == BETWEEN) {
        a = spans_between(s, lo, relation, SG_OBJECT);
        b = spans_between(s, relation, hi, SG_OBJECT);
    } else if (w != UNSAID) {
        b = spans_between(s, relation, w == BEFORE ? lo : hi, SG_OBJECT);
    }
    return (unsigned)w | (subject < object ? 0u : 4u) | (subject == object ? 1u << 9 : 0u) |
           capped(a, 7) << 3 | capped(b, 7) << 6;
}

const struct naming *naming_find(const struct naming_table *t, uint64_t key)
{
    const uint32_t mask = (1u << t->bits) - 1;
    const uint32_t low = (uint32_t)key | 1u;
    uint32_t i = (uint32_t)(key >> (64 - t->bits));
    for (uint32_t steps = 0; steps <= mask; steps++, i = (i + 1) & mask) {
        if (t->slots[i].key == low) {
            return &t->slots[i];
        }
        if (t->slots[i].key == 0) {
            break;
        }
    }
    return NULL;
}

uint64_t span_naming_key(const struct segment *s, const struct span *span)
{
    uint64_t h = span->type;
    for (int i = span->beg; i < span->end; i++) {
        const struct word *w = word_at(s, i);
        if (span->type != SG_RELATION) {
            h = hash_mix(h, w->form);
        } else if (i == span->beg || !word_is_article(w)) {
            h = hash_mix(h, w->verb_hash);
        }
    }
    return h;
}

size_t span_lemmas(const struct segment *s, const struct span *span, char out[LABEL_MAX])
{
    size_t n = 0;
    for (int i = span->beg; i < span->end; i++) {
        const struct word *w = word_at(s, i);
        const struct text t = span->type == SG_RELATION && i == span->beg     ? w->verb
                              : span->type == SG_OBJECT && i == span->end - 1 ? w->noun
                                                                              : w->text;
        if (span->type == SG_RELATION && i > span->beg && word_is_article(w)) {
            continue;
        }
        if (n + t.n + 2 > LABEL_MAX) {
            break;
        }
        if (n > 0) {
            out[n++] = ' ';
        }
        memcpy(out + n, t.p, t.n);
        n += t.n;
    }
    out[n] = 0;
    return n;
}

static int add_names(const struct sg_model *m, const struct segment *s, struct candidate c, int n,
                     struct candidate out[CANDIDATES_MAX])
{
    const struct naming *naming =
        naming_find(&m->namings, span_naming_key(s, &s->spans[c.relation]));
    if (!naming) {
        c.label = STRING_NONE;
        c.weight = 99;
        out[n] = c;
        return n + 1;
    }
    for (uint32_t i = 0; i < naming->count && n < CANDIDATES_MAX; i++) {
        const struct name *name = &m->namings.names[naming->first + i];
        c.label = name->string;
        c.weight = name->weight;
        out[n++] = c;
    }
    return n;
}

/* Relations that no word says hold between objects side by side. */
static int may_go_unsaid(const struct segment *s, int left, int right)
{
    return left != right && spans_between(s, left, right, SG_OBJECT) == 0 &&
           spans_between(s, left, right, SG_RELATION) == 0;
}

/* "... each other", "one another", "side by side", "together": what a relation of an object to its
 * own kind needs to be said. */
static int is_mutual(const struct segment *s, const struct span *rel)
{
    static const char *const cues[] = {"other", "another", "side", "together"};
    for (int i = rel->beg; i < rel->end + 3 && i < (int)s->n; i++) {
        const struct text w = word_at(s, i)->text;
        for (size_t k = 0; k < sizeof cues / sizeof *cues; k++) {
            if (strlen(cues[k]) == w.n && memcmp(cues[k], w.p, w.n) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

static int add_direction(const struct sg_model *m, const struct segment *s, int subject, int object,
                         int n, struct candidate out[CANDIDATES_MAX])
{
    const int lo = subject < object ? subject : object;
    const int hi = subject < object ? object : subject;
    const int first = lo - 4 < 0 ? 0 : lo - 4;
    const int last = hi + 4 > (int)s->span_count ? (int)s->span_count : hi + 4;
    struct candidate c = {(uint16_t)subject, (uint16_t)object, REL_UNSAID, 0, 0, 0};
    const int limit = n + CANDIDATES_MAX / 2 - 16;
    for (int r = first; r < last && n < limit; r++) {
        if (s->spans[r].type == SG_RELATION && (subject != object || is_mutual(s, &s->spans[r])) &&
            m->relation_places[relation_place(s, subject, object, r)]) {
            c.relation = (uint16_t)r;
            n = add_names(m, s, c, n, out);
        }
    }
    for (uint32_t i = 0; i < m->unsaid_count && may_go_unsaid(s, lo, hi); i++) {
        c.relation = REL_UNSAID;
        c.label = m->unsaid[i];
        c.weight = 0;
        out[n++] = c;
    }
    return n;
}

int relation_candidates(const struct sg_model *m, const struct segment *s, int left, int right,
                        struct candidate out[CANDIDATES_MAX])
{
    const int n = add_direction(m, s, left, right, 0, out);
    if (left == right) {
        return n;
    }
    return add_direction(m, s, right, left, n, out);
}

void relation_pair_features(const struct segment *s, int left, int right, struct keys *k)
{
    const struct span *l = &s->spans[left];
    const struct span *r = &s->spans[right];
    const struct word *a = head_of(s, left);
    const struct word *b = head_of(s, right);
    const uint64_t objects = capped(spans_between(s, left, right, SG_OBJECT), 4);
    const uint64_t rels = capped(spans_between(s, left, right, SG_RELATION), 3);
    const uint64_t place = objects << 1 | rels << 4 | (uint64_t)(left == right) << 6;
    const uint64_t distance = left == right ? 9 : distance_bucket((unsigned)(r->beg - l->end));
    const uint64_t shape = shape_hash(s, l->end, r->beg);
    key_add2(k, 21, place, distance);
    key_add2(k, 22, a->noun_hash, b->noun_hash);
    key_add2(k, 23, a->noun_hash, place);
    key_add2(k, 24, b->noun_hash, place);
    key_add(k, 25, words_hash(s, l->end, r->beg));
    key_add(k, 26, shape);
    key_add2(k, 27, shape, a->noun_hash);
    key_add2(k, 28, shape, b->noun_hash);
    key_add3(k, 29, word_at(s, l->beg)[-1].form, word_at(s, r->end)->form, place);
    key_add2(k, 30, word_at(s, r->beg)[-1].form, place);
    key_add2(k, 31, word_at(s, l->end)->form, place);
    key_add2(k, 32, word_at(s, r->end)->class, place);
    key_add3(k, 33, a->class, b->class, place);
    key_add3(k, 34, a->sense, b->sense, place);
    key_add3(k, 35, a->field, b->field, place);
    key_add2(k, 36, a->sense, place);
    key_add2(k, 37, b->sense, place);
}

static uint64_t side_shape(const struct segment *s, const struct span *rel, const struct span *end)
{
    return rel->beg >= end->end ? shape_hash(s, end->end, rel->beg)
                                : hash_mix(shape_hash(s, rel->end, end->beg), 5);
}

void relation_span_features(const struct segment *s, const struct candidate *c, struct keys *k)
{
    const uint64_t place = relation_place(s, c->subject, c->object, c->relation);
    const struct word *subj = head_of(s, c->subject);
    const struct word *obj = head_of(s, c->object);
    if (c->relation == REL_UNSAID) {
        key_add2(k, 40, place, 0);
        key_add3(k, 40, place, subj->sense, 1);
        key_add3(k, 40, place, obj->sense, 2);
        key_add3(k, 40, place, subj->sense, obj->sense);
        key_add3(k, 40, place, subj->noun_hash, obj->noun_hash);
        return;
    }
    const struct span *rel = &s->spans[c->relation];
    const uint64_t word = s->span_words[c->relation];
    const uint64_t to_subj = side_shape(s, rel, &s->spans[c->subject]);
    const uint64_t to_obj = side_shape(s, rel, &s->spans[c->object]);
    const struct word *first = word_at(s, rel->beg);
    const struct word *last = word_at(s, rel->end - 1);
    key_add(k, 41, place);
    key_add2(k, 42, place, word);
    key_add3(k, 43, place, word, subj->noun_hash);
    key_add3(k, 44, place, word, obj->noun_hash);
    key_add2(k, 45, to_subj, place);
    key_add2(k, 46, to_obj, place);
    key_add3(k, 47, to_subj, to_obj, place);
    key_add3(k, 48, to_subj, first->class, place);
    key_add3(k, 49, to_obj, last->form, place);
    key_add2(k, 50, first->suffix, place);
    key_add3(k, 51, first[-1].form, last[1].form, place);
    key_add3(k, 52, first[-1].form, word, place);
    key_add3(k, 53, first->suffix, last->form, place);
    key_add2(k, 55, last[1].form, place);
    key_add3(k, 56, first->class, last->class, place);
    key_add3(k, 57, capped(spans_between(s, c->subject, c->relation, SG_RELATION), 3),
             capped(spans_between(s, c->object, c->relation, SG_RELATION), 3), place);
    key_add3(k, 58, word, to_subj, place);
    key_add3(k, 59, to_subj, subj->noun_hash, place);
    key_add3(k, 60, place, word, subj->sense);
    key_add3(k, 61, place, word, obj->sense);
    key_add3(k, 62, place, word, hash_mix(subj->field, obj->field));
    key_add3(k, 63, place, first->suffix, subj->field);
    key_add3(k, 64, place, first->class, hash_mix(subj->field, obj->field));
    key_add3(k, 65, place, first[-1].form, subj->field);
}

static uint64_t label_hash(const struct segment *s, const struct candidate *c)
{
    return c->label != STRING_NONE ? hash_mix(c->label, 11)
                                   : hash_mix(s->span_words[c->relation], 12);
}

static void unsaid_label_features(const struct segment *s, const struct candidate *c,
                                  uint64_t label, uint64_t way, struct keys *k)
{
    const struct span *l = &s->spans[c->subject < c->object ? c->subject : c->object];
    const struct span *r = &s->spans[c->subject < c->object ? c->object : c->subject];
    key_add3(k, 79, label, words_hash(s, l->end, r->beg), way);
    key_add3(k, 80, label, shape_hash(s, l->end, r->beg), way);
    key_add3(k, 81, label, word_at(s, r->beg)[-1].form, way);
}

static void said_label_features(const struct segment *s, const struct candidate *c, uint64_t label,
                                uint64_t way, struct keys *k)
{
    const uint64_t place = relation_place(s, c->subject, c->object, c->relation);
    const struct word *subj = head_of(s, c->subject);
    const struct word *obj = head_of(s, c->object);
    const struct span *rel = &s->spans[c->relation];
    const struct word *first = word_at(s, rel->beg);
    const struct word *last = word_at(s, rel->end - 1);
    const uint64_t word = s->span_words[c->relation];
    const uint64_t own = c->weight & 1;
    key_add2(k, 71, label, place);
    key_add2(k, 75, label, word);
    key_add3(k, 76, label, word, obj->noun_hash);
    key_add3(k, 77, label, word, subj->noun_hash);
    key_add2(k, 86, c->weight, place);
    key_add2(k, 87, own, place);
    key_add3(k, 88, own, place, first->suffix);
    key_add3(k, 89, own, place, last->form);
    key_add3(k, 91, own, word, way);
    key_add3(k, 95, label, word, hash_mix(subj->sense, obj->sense));
    key_add3(k, 96, label, word, hash_mix(subj->field, obj->field));
    key_add3(k, 83, label, first->suffix, way);
    key_add3(k, 84, label, last[1].form, way);
    key_add3(k, 85, label, first[-1].form, way);
}

void relation_label_features(const struct segment *s, const struct candidate *c, struct keys *k)
{
    const uint64_t label = label_hash(s, c);
    const struct word *subj = head_of(s, c->subject);
    const struct word *obj = head_of(s, c->object);
    const uint64_t way = (uint64_t)(c->subject < c->object) | (uint64_t)(c->subject == c->object)
                                                                  << 1;
    key_add3(k, 72, label, subj->noun_hash, way);
    key_add3(k, 73, label, obj->noun_hash, way);
    key_add3(k, 74, label, hash_mix(subj->noun_hash, obj->noun_hash), way);
    key_add3(k, 92, label, subj->sense, way);
    key_add3(k, 93, label, obj->sense, way);
    key_add3(k, 94, label, hash_mix(subj->sense, obj->sense), way);
    key_add2(k, 70, label, way);
    if (c->relation == REL_UNSAID) {
        unsaid_label_features(s, c, label, way, k);
    } else {
        said_label_features(s, c, label, way, k);
    }
}

static void keep_best(struct pair *pair, const struct candidate *c)
{
    uint32_t at = pair->n < BEST ? pair->n++ : BEST;
    for (; at > 0 && pair->best[at - 1].score < c->score; at--) {
        if (at < BEST) {
            pair->best[at] = pair->best[at - 1];
        }
    }
    if (at < BEST) {
        pair->best[at] = *c;
    }
}

/* Relation words that fit two objects so badly that no label of theirs makes up for it. */
enum { UNLIKELY = -3 * RANK_SCALE };

/* Scores everything that may hold between two objects; "none" scores 0. */
static void propose(const struct sg_model *m, const struct segment *s, struct pair *pair)
{
    struct candidate c[CANDIDATES_MAX];
    const int n = relation_candidates(m, s, pair->left, pair->right, c);
    struct keys k = {0};
    if (n == 0) {
        return;
    }
    relation_pair_features(s, pair->left, pair->right, &k);
    const int pair_score = rank_score(&m->relation_rank, &k);
    int span_score = 0;
    for (int i = 0; i < n; i++) {
        if (i == 0 || c[i].subject != c[i - 1].subject || c[i].relation != c[i - 1].relation) {
            k.n = 0;
            relation_span_features(s, &c[i], &k);
            span_score = rank_score(&m->relation_rank, &k);
        }
        if (pair_score + span_score < UNLIKELY) {
            continue;
        }
        k.n = 0;
        relation_label_features(s, &c[i], &k);
        c[i].score = pair_score + span_score + rank_score(&m->relation_rank, &k);
        keep_best(pair, &c[i]);
    }
}

/* Pairs whose best candidate scores less, and candidates that are so far below their pair's best,
 * are not looked at again. */
enum { HOPELESS = -3 * RANK_SCALE };

void relations_propose(const struct sg_model *m, struct segment *s)
{
    uint16_t objects[NODE_MAX];
    int n = 0;
    for (uint32_t i = 0; i < s->span_count; i++) {
        if (s->spans[i].type == SG_OBJECT) {
            objects[n++] = (uint16_t)i;
        }
    }
    s->pair_count = 0;
    for (int i = 0; i < n; i++) {
        for (int j = i; j < n && j <= i + REACH; j++) {
            struct pair *pair = &s->pairs[s->pair_count];
            pair->left = objects[i];
            pair->right = objects[j];
            pair->n = 0;
            propose(m, s, pair);
            while (pair->n > 1 && pair->best[pair->n - 1].score < pair->best[0].score + HOPELESS) {
                pair->n--;
            }
            s->pair_count += pair->n > 0 && pair->best[0].score > HOPELESS;
        }
    }
}
