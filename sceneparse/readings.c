/* Which reading of a sentence is right.  Where the tagger hesitates, a log-linear ranker chooses
 * between its best sequences of tags.  Those of short sentences are all linked, and it looks at the
 * graphs: in "people watching" with nothing watched, `watching` had better be an attribute.  Of
 * longer ones it looks at the nodes, whole and in their company, where the tagger saw single
 * words (segment features, as in Sarawagi and Cohen's semi-Markov fields, NIPS 2004). */
#include <string.h>

#include "sceneparse/rank.h"

static void link_spans(const struct sg_model *m, struct segment *s)
{
    owners_run(m, s);
    relations_run(m, s);
    memset(s->linked, 0, s->span_count);
    for (uint32_t i = 0; i < s->owner_count; i++) {
        s->linked[s->owners[i].attribute]++;
        s->linked[s->owners[i].owner]++;
    }
    for (uint32_t i = 0; i < s->relation_count; i++) {
        const struct relation_edge *r = &s->relations[i];
        s->linked[r->subject]++;
        s->linked[r->object]++;
        if (r->relation != REL_UNSAID) {
            s->linked[r->relation]++;
        }
    }
}

static int by_graph(const struct segment *s)
{
    return s->n <= LINK_AGAIN;
}

void reading_take(const struct sg_model *m, struct segment *s, uint32_t which)
{
    memcpy(s->tags, s->readings[which].tags, s->n);
    segment_spans(s);
    if (by_graph(s)) {
        link_spans(m, s);
    }
}

/* What the tagger thought of the reading; templates from t on. */
static void loss_features(const struct segment *s, uint32_t which, unsigned t, struct keys *k)
{
    const uint64_t loss = (uint64_t)s->readings[which].loss / 3;
    key_add(k, t, loss);
    key_add2(k, t + 1, loss, s->reading_count);
    key_add2(k, t + 2, which, s->reading_count);
}

/* ---- features of a linked graph: its shape and what the links scored, hardly words ---- */

/* -8..8 in steps of half a nat. */
static uint64_t bucket(int score)
{
    const int b = score / (RANK_SCALE / 2);
    return (uint64_t)((b > 8 ? 8 : b < -8 ? -8 : b) + 8);
}

static void graph_features(const struct segment *s, uint32_t which, struct keys *k)
{
    unsigned idle[SG_RELATION + 1] = {0};
    for (uint32_t i = 0; i < s->span_count; i++) {
        idle[s->spans[i].type] += s->linked[i] == 0;
    }
    loss_features(s, which, 200, k);
    key_add(k, 203, capped(idle[SG_OBJECT], 3));
    key_add(k, 204, capped(idle[SG_ATTRIBUTE], 3));
    key_add(k, 205, capped(idle[SG_RELATION], 3));
    key_add2(k, 206, capped(s->before[s->span_count][SG_OBJECT], 7), capped(s->relation_count, 7));
    key_add3(k, 207, capped(idle[SG_OBJECT], 3), capped(idle[SG_RELATION], 3),
             capped(idle[SG_ATTRIBUTE], 3));
}

static void linked_span_features(const struct segment *s, uint32_t i, struct keys *k)
{
    const struct span *p = &s->spans[i];
    const struct word *first = word_at(s, p->beg);
    const struct word *last = word_at(s, p->end - 1);
    const uint64_t before = i > 0 ? p[-1].type : 0;
    const uint64_t after = i + 1 < s->span_count ? p[1].type : 0;
    const uint64_t kind = p->type | (uint64_t)capped((unsigned)(p->end - p->beg), 4) << 2 |
                          (uint64_t)capped(s->linked[i], 2) << 5;
    key_add(k, 210, kind);
    key_add3(k, 211, first->class, last->class, kind);
    key_add3(k, 212, before, after, kind);
    key_add3(k, 213, first->suffix, kind, after);
    key_add3(k, 214, last->class, kind, last[1].class);
}

static void owner_link_features(const struct segment *s, uint32_t i, struct keys *k)
{
    const struct owner_edge *e = &s->owners[i];
    const uint64_t b = bucket(s->owner_scores[i]);
    const uint64_t way = e->attribute < e->owner;
    key_add2(k, 220, b, way);
    key_add3(k, 221, head_of(s, e->attribute)->class, b, way);
}

static void relation_link_features(const struct segment *s, uint32_t i, struct keys *k)
{
    const struct relation_edge *e = &s->relations[i];
    const uint64_t b = bucket(e->score);
    const uint64_t place = relation_place(s, e->subject, e->object, e->relation);
    key_add2(k, 230, b, place & 7);
    key_add2(k, 231, b, place);
}

static uint32_t graph_parts(const struct segment *s)
{
    return 1 + s->span_count + s->owner_count + s->relation_count;
}

static void graph_part_features(const struct segment *s, uint32_t which, uint32_t part,
                                struct keys *k)
{
    if (part == 0) {
        graph_features(s, which, k);
    } else if (part <= s->span_count) {
        linked_span_features(s, part - 1, k);
    } else if (part <= s->span_count + s->owner_count) {
        owner_link_features(s, part - 1 - s->span_count, k);
    } else {
        relation_link_features(s, part - 1 - s->span_count - s->owner_count, k);
    }
}

/* ---- features of the nodes alone ---- */

enum { GAP_WORDS = 5 };

/* The words behind a node up to the next one, as forms and as classes; at most GAP_WORDS. */
static void gap_features(const struct segment *s, uint32_t i, uint64_t after, struct keys *k)
{
    const struct span *p = &s->spans[i];
    const int next = i + 1 < s->span_count ? p[1].beg : (int)s->n;
    uint64_t classes = 3;
    uint64_t forms = 4;
    for (int j = p->end; j < next && j < p->end + GAP_WORDS; j++) {
        classes = hash_mix(classes, word_at(s, j)->class);
        forms = hash_mix(forms, word_at(s, j)->form);
    }
    key_add3(k, 314, classes, p->type, after);
    key_add3(k, 315, forms, p->type, after);
}

static void node_features(const struct segment *s, uint32_t i, struct keys *k)
{
    const struct span *p = &s->spans[i];
    const struct word *first = word_at(s, p->beg);
    const struct word *last = word_at(s, p->end - 1);
    const uint64_t before = i > 0 ? p[-1].type : 0;
    const uint64_t after = i + 1 < s->span_count ? p[1].type : 0;
    const uint64_t kind = p->type | (uint64_t)capped((unsigned)(p->end - p->beg), 4) << 2;
    uint64_t forms = 1;
    uint64_t classes = 2;
    for (const struct word *w = first; w <= last; w++) {
        forms = hash_mix(forms, w == last ? w->noun_hash : w->form);
        classes = hash_mix(classes, w->class);
    }
    key_add(k, 310, kind);
    key_add2(k, 311, forms, p->type);
    key_add2(k, 312, classes, p->type);
    key_add3(k, 313, before, after, kind);
    gap_features(s, i, after, k);
    key_add3(k, 316, first[-1].form, kind, before);
    key_add3(k, 317, last[1].form, kind, after);
    key_add3(k, 318, first->class, last->class, kind);
    key_add3(k, 319, last->noun_hash, kind, before);
    key_add3(k, 320, first[-1].class, kind, last[1].class);
    key_add3(k, 321, last->sense, kind, first->class);
    key_add3(k, 322, last->suffix, kind, after);
}

/* ---- the choice ---- */

uint32_t reading_parts(const struct segment *s)
{
    return by_graph(s) ? graph_parts(s) : 1 + s->span_count;
}

void reading_features(const struct segment *s, uint32_t which, uint32_t part, struct keys *k)
{
    k->n = 0;
    if (by_graph(s)) {
        graph_part_features(s, which, part, k);
    } else if (part == 0) {
        loss_features(s, which, 300, k);
    } else {
        node_features(s, part - 1, k);
    }
}

static int score_of(const struct sg_model *m, const struct segment *s, uint32_t which)
{
    int sum = 0;
    for (uint32_t part = 0; part < reading_parts(s); part++) {
        struct keys k;
        reading_features(s, which, part, &k);
        sum += rank_score(&m->reading_rank, &k);
    }
    return sum;
}

/* The tagger's favourite is looked at last, so that it is there already when it wins, as it mostly
 * does. */
void readings_run(const struct sg_model *m, struct segment *s)
{
    uint32_t best = 0;
    int best_score = INT32_MIN;
    for (uint32_t i = s->reading_count; i-- > 0;) {
        reading_take(m, s, i);
        const int score = s->reading_count > 1 ? score_of(m, s, i) : 0;
        if (score >= best_score) {
            best = i;
            best_score = score;
        }
    }
    if (best != 0) {
        reading_take(m, s, best);
    }
    if (!by_graph(s)) {
        link_spans(m, s);
    }
    owners_rescue(m, s);
    relations_rescue(s);
}
