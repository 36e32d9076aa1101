/* Which reading of a sentence is right.  Where the tagger hesitates, its best sequences of tags are
 * all linked, and a log-linear ranker chooses by the graphs: in "people watching" with nothing
 * watched, `watching` had better be an attribute.  It asks for the shape of a graph and for what
 * the links scored, hardly for words: those the tagger weighed already. */
#include <string.h>

#include "sceneparse/rank.h"

void reading_link(const struct sg_model *m, struct segment *s, uint32_t which)
{
    memcpy(s->tags, s->readings[which].tags, s->n);
    segment_spans(s);
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

/* -8..8 in steps of half a nat. */
static uint64_t bucket(int score)
{
    const int b = score / (RANK_SCALE / 2);
    return (uint64_t)((b > 8 ? 8 : b < -8 ? -8 : b) + 8);
}

static void whole_features(const struct segment *s, uint32_t which, struct keys *k)
{
    unsigned idle[SG_RELATION + 1] = {0};
    for (uint32_t i = 0; i < s->span_count; i++) {
        idle[s->spans[i].type] += s->linked[i] == 0;
    }
    const uint64_t loss = (uint64_t)s->readings[which].loss / 3;
    key_add(k, 200, loss);
    key_add2(k, 201, loss, s->reading_count);
    key_add2(k, 202, which, s->reading_count);
    key_add(k, 203, capped(idle[SG_OBJECT], 3));
    key_add(k, 204, capped(idle[SG_ATTRIBUTE], 3));
    key_add(k, 205, capped(idle[SG_RELATION], 3));
    key_add2(k, 206, capped(s->before[s->span_count][SG_OBJECT], 7), capped(s->relation_count, 7));
    key_add3(k, 207, capped(idle[SG_OBJECT], 3), capped(idle[SG_RELATION], 3),
             capped(idle[SG_ATTRIBUTE], 3));
}

static void span_features(const struct segment *s, uint32_t i, struct keys *k)
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

uint32_t reading_parts(const struct segment *s)
{
    return 1 + s->span_count + s->owner_count + s->relation_count;
}

void reading_features(const struct segment *s, uint32_t which, uint32_t part, struct keys *k)
{
    k->n = 0;
    if (part == 0) {
        whole_features(s, which, k);
    } else if (part <= s->span_count) {
        span_features(s, part - 1, k);
    } else if (part <= s->span_count + s->owner_count) {
        owner_link_features(s, part - 1 - s->span_count, k);
    } else {
        relation_link_features(s, part - 1 - s->span_count - s->owner_count, k);
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

/* The tagger's favourite comes last, so that it is linked already when it wins, as it mostly
 * does. */
void readings_run(const struct sg_model *m, struct segment *s)
{
    uint32_t best = 0;
    int best_score = INT32_MIN;
    for (uint32_t i = s->reading_count; i-- > 0;) {
        reading_link(m, s, i);
        const int score = s->reading_count > 1 ? score_of(m, s, i) : 0;
        if (score >= best_score) {
            best = i;
            best_score = score;
        }
    }
    if (best != 0) {
        reading_link(m, s, best);
    }
    owners_rescue(m, s);
    relations_rescue(s);
}
