/* Attribute -> owner: a log-linear ranker over the segment's objects. */
#include "sceneparse/rank.h"

enum {
    OWNER_REACH = 6,                    /* objects to each side that may own an attribute */
    SHARED_MARGIN = RANK_SCALE * 3 / 4, /* owners this close to the best share the attribute */
};

int rank_score(const struct rank_table *t, const struct keys *k)
{
    int sum = 0;
    for (int i = 0; i < k->n; i++) {
        __builtin_prefetch(&t->rows[k->k[i] >> (64 - t->bits)]);
    }
    for (int i = 0; i < k->n; i++) {
        const struct rank_row row = t->rows[k->k[i] >> (64 - t->bits)];
        sum += row.w & -(row.check == (uint8_t)(k->k[i] & 0xff));
    }
    return sum;
}

void owner_features(const struct segment *s, int attribute, int owner, struct keys *k)
{
    const struct span *a = &s->spans[attribute];
    const struct span *o = &s->spans[owner];
    const int after = owner > attribute; /* "white shirt" */
    const int gap_beg = after ? a->end : o->end;
    const int gap_end = after ? o->beg : a->beg;
    const unsigned objects = capped(spans_between(s, attribute, owner, SG_OBJECT), 3);
    const unsigned relations = capped(spans_between(s, attribute, owner, SG_RELATION), 3);
    const unsigned attributes = capped(spans_between(s, attribute, owner, SG_ATTRIBUTE), 3);
    const uint64_t place = (uint64_t)after | objects << 1 | relations << 3;
    const uint64_t near =
        place | attributes << 5 | distance_bucket((unsigned)(gap_end - gap_beg)) << 8;
    const uint64_t word = head_of(s, attribute)->form;
    const uint64_t head = head_of(s, owner)->noun_hash;
    const uint64_t shape = shape_hash(s, gap_beg, gap_end);
    const struct word *first = word_at(s, a->beg);
    const struct word *last = word_at(s, a->end - 1);
    key_add(k, 0, place);
    key_add(k, 1, near);
    key_add2(k, 2, word, head);
    key_add2(k, 3, word, place);
    key_add2(k, 4, head, place);
    key_add3(k, 5, word, head, place);
    key_add2(k, 6, shape, (uint64_t)after);
    key_add3(k, 7, shape, (uint64_t)after, word);
    key_add2(k, 8, words_hash(s, gap_beg, gap_end), (uint64_t)after);
    key_add3(k, 9, first[-1].class, last[1].class, place);
    key_add2(k, 10, last[1].form, place);
    key_add2(k, 11, first[-1].form, place);
    key_add3(k, 12, first->class, last[1].class, near);
    key_add3(k, 13, word_at(s, o->beg)[-1].form, word_at(s, o->end)->form, place);
    key_add2(k, 14, first->class, place);
    key_add2(k, 15, first->suffix, place);
    key_add3(k, 16, head_of(s, owner)->class, first->class, place);
    key_add2(k, 18, word, head_of(s, owner)->sense);
    key_add3(k, 19, word, head_of(s, owner)->field, place);
    key_add3(k, 17, first[-1].form, last[1].form, place);
}

/* How far below "none" an owner may score if there is no better one: an attribute was found, and
 * of something it must be said. */
enum { OWNER_RESCUE = 2 * RANK_SCALE };

static void add_owner(struct segment *s, int attribute, int owner, int score)
{
    if (s->owner_count < 2 * NODE_MAX) {
        s->owner_scores[s->owner_count] = (int16_t)score;
        s->owners[s->owner_count++] = (struct owner_edge){(uint16_t)attribute, (uint16_t)owner};
    }
}

/* Scores of the objects around as owners, INT32_MIN for others; the best of them, -1: none. */
static int score_owners(const struct sg_model *m, const struct segment *s, int attribute,
                        int scores[NODE_MAX])
{
    int best = -1;
    for (uint32_t i = 0; i < s->span_count; i++) {
        scores[i] = INT32_MIN;
    }
    int reach = 0;
    for (int step = 1; step < 2 * (int)s->span_count && reach < 2 * OWNER_REACH; step++) {
        const int i = attribute + (step & 1 ? (step + 1) / 2 : -step / 2);
        if (i < 0 || i >= (int)s->span_count || s->spans[i].type != SG_OBJECT) {
            continue;
        }
        reach++;
        struct keys k = {0};
        owner_features(s, attribute, i, &k);
        scores[i] = rank_score(&m->owner_rank, &k);
        best = best < 0 || scores[i] > scores[best] ? i : best;
    }
    return best;
}

/* The owner with the highest score if that beats 0, no owner, and those close to it. */
static void own(const struct sg_model *m, struct segment *s, int attribute)
{
    int scores[NODE_MAX];
    const int best = score_owners(m, s, attribute, scores);
    for (int i = 0; i < (int)s->span_count && best >= 0; i++) {
        if (scores[i] > 0 && scores[i] > scores[best] - SHARED_MARGIN) {
            add_owner(s, attribute, i, scores[i]);
        }
    }
}

void owners_run(const struct sg_model *m, struct segment *s)
{
    s->owner_count = 0;
    for (uint32_t i = 0; i < s->span_count; i++) {
        if (s->spans[i].type == SG_ATTRIBUTE) {
            own(m, s, (int)i);
        }
    }
}

void owners_rescue(const struct sg_model *m, struct segment *s)
{
    uint8_t owned[NODE_MAX] = {0};
    for (uint32_t i = 0; i < s->owner_count; i++) {
        owned[s->owners[i].attribute] = 1;
    }
    for (uint32_t i = 0; i < s->span_count; i++) {
        if (s->spans[i].type == SG_ATTRIBUTE && !owned[i]) {
            int scores[NODE_MAX];
            const int best = score_owners(m, s, (int)i, scores);
            if (best >= 0 && scores[best] > -OWNER_RESCUE) {
                add_owner(s, (int)i, best, scores[best]);
            }
        }
    }
}
