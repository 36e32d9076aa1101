/* Feature keys of the two rankers and their weights: small inline helpers. */
#ifndef SCENEPARSE_RANK_H
#define SCENEPARSE_RANK_H

#include "sceneparse/sceneparse_internal.h"

static inline void key_add(struct keys *k, unsigned t, uint64_t a)
{
    k->k[k->n++] = hash_mix(a, (uint64_t)t + 101);
}

static inline void key_add2(struct keys *k, unsigned t, uint64_t a, uint64_t b)
{
    k->k[k->n++] = hash_mix(hash_mix(a, (uint64_t)t + 101), b);
}

static inline void key_add3(struct keys *k, unsigned t, uint64_t a, uint64_t b, uint64_t c)
{
    k->k[k->n++] = hash_mix(hash_mix(hash_mix(a, (uint64_t)t + 101), b), c);
}

static inline unsigned capped(unsigned v, unsigned cap)
{
    return v < cap ? v : cap;
}

/* 0, 1, 2, 3, 4, 5-6, 7-9, 10-14, more. */
static inline unsigned distance_bucket(unsigned d)
{
    return d < 5 ? d : d < 7 ? 5 : d < 10 ? 6 : d < 15 ? 7 : 8;
}

/* How many spans of a type stand between spans a and b (indexes, either order). */
static inline unsigned spans_between(const struct segment *s, int a, int b, unsigned type)
{
    const int lo = a < b ? a : b;
    const int hi = a < b ? b : a;
    return lo == hi ? 0u : (unsigned)(s->before[hi][type] - s->before[lo + 1][type]);
}

/* The words from `beg` to `end`, as a hash; at most six tell themselves, more only that. */
static inline uint64_t words_hash(const struct segment *s, int beg, int end)
{
    if (end - beg > 6) {
        return 77;
    }
    uint64_t h = 1;
    for (int i = beg; i < end; i++) {
        h = hash_mix(h, word_at(s, i)->form);
    }
    return h;
}

/* What stands between two spans, without determiners and attributes: the types of nodes and the
 * words of none. */
static inline uint64_t shape_hash(const struct segment *s, int beg, int end)
{
    if (end - beg > 12) {
        return 78;
    }
    uint64_t h = 2;
    for (int i = beg; i < end; i++) {
        const uint8_t t = s->tags[i];
        if (t == TAG_O) {
            h = hash_mix(h, word_at(s, i)->class);
        } else if (t == TAG_B_OBJECT || t == TAG_B_REL) {
            h = hash_mix(h, t);
        }
    }
    return h;
}

/* The word that heads a span: an object's last, a relation's first. */
static inline const struct word *head_of(const struct segment *s, int span)
{
    const struct span *p = &s->spans[span];
    return word_at(s, p->type == SG_RELATION ? p->beg : p->end - 1);
}

#endif
