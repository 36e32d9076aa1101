/* The second look at relations.  The first scores each pair of objects alone; but in "a woman
 * following a man on a hill" either may be on the hill, and hardly both.  So each pair's best
 * candidates are ranked again, now by what the first look found for the pairs around it. */
#include "sceneparse/rank.h"

/* What the first look found around one candidate: best scores of other pairs, 0 if none. */
struct around {
    int subject;       /* that have its subject as an end */
    int object;        /* that have its object as an end */
    int into_object;   /* that have the same object */
    int rival;         /* with the same relation words and object, another subject */
    int sibling;       /* with the same relation words and subject, another object */
    int path;          /* the weaker half of a path from subject to object over a third one */
    int rival_subject; /* the other subject; -1: none */
    int rival_near;    /* whether that other subject stands nearer to the relation's words */
    int sibling_near;
};

static int max_of(int a, int b)
{
    return a > b ? a : b;
}

static int min_of(int a, int b)
{
    return a < b ? a : b;
}

/* -10..10 in steps of a third of a nat. */
static uint64_t bucket(int score)
{
    const int b = score / (RANK_SCALE / 3);
    return (uint64_t)(max_of(-10, min_of(10, b)) + 10);
}

/* -3..3 in steps of a nat. */
static uint64_t coarse(int score)
{
    const int b = score > 0 ? 1 + score / RANK_SCALE : score < 0 ? -1 + score / RANK_SCALE : 0;
    return (uint64_t)(max_of(-3, min_of(3, b)) + 3);
}

static int far(int a, int b)
{
    return a < b ? b - a : a - b;
}

static int touches(const struct pair *p, int object)
{
    return p->left == object || p->right == object;
}

static int other_end(const struct pair *p, int object)
{
    return p->left == object ? p->right : p->left;
}

/* The best score between objects a and b. */
static int between(const struct segment *s, int a, int b)
{
    for (uint32_t i = 0; i < s->pair_count; i++) {
        if (touches(&s->pairs[i], a) && other_end(&s->pairs[i], a) == b) {
            return s->pairs[i].best[0].score;
        }
    }
    return -10 * RANK_SCALE;
}

static struct around look_around(const struct segment *s, const struct pair *own,
                                 const struct candidate *c)
{
    const int none = -10 * RANK_SCALE;
    struct around a = {none, none, none, none, none, none, -1, 0, 0};
    for (uint32_t i = 0; i < s->pair_count; i++) {
        const struct pair *p = &s->pairs[i];
        if (p == own || p->left == p->right) {
            continue;
        }
        const struct candidate *d = &p->best[0];
        if (touches(p, c->subject)) {
            a.subject = max_of(a.subject, d->score);
            const int third = other_end(p, c->subject);
            if (d->score > 0 && third != c->object) {
                a.path = max_of(a.path, min_of(d->score, between(s, third, c->object)));
            }
        }
        if (touches(p, c->object)) {
            a.object = max_of(a.object, d->score);
        }
        if (d->object == c->object) {
            a.into_object = max_of(a.into_object, d->score);
        }
        if (c->relation == REL_UNSAID || d->relation != c->relation) {
            continue;
        }
        if (d->object == c->object && d->score > a.rival) {
            a.rival = d->score;
            a.rival_subject = d->subject;
            a.rival_near = far(d->subject, c->relation) < far(c->subject, c->relation);
        }
        if (d->subject == c->subject && d->score > a.sibling) {
            a.sibling = d->score;
            a.sibling_near = far(d->object, c->relation) < far(c->object, c->relation);
        }
    }
    return a;
}

void choice_features(const struct segment *s, const struct pair *pair, uint32_t which,
                     struct keys *k)
{
    const struct candidate *c = &pair->best[which];
    const struct around a = look_around(s, pair, c);
    const uint64_t b = bucket(c->score);
    const uint64_t lonely = (uint64_t)(a.subject <= 0) | (uint64_t)(a.object <= 0) << 1;
    const uint64_t place = relation_place(s, c->subject, c->object, c->relation);
    const uint64_t near = (uint64_t)a.rival_near | (uint64_t)a.sibling_near << 1;
    const uint64_t word = c->relation == REL_UNSAID ? 9 : s->span_words[c->relation];
    const uint64_t label = hash_mix(c->label, 11);
    const int second = pair->n > 1 ? pair->best[which == 0].score : -10 * RANK_SCALE;
    key_add2(k, 120, b, which);
    key_add3(k, 121, b, coarse(a.subject), coarse(a.object));
    key_add3(k, 122, b, coarse(a.into_object), place & 7);
    key_add3(k, 123, b, coarse(a.rival), near & 1);
    key_add3(k, 124, b, coarse(a.sibling), near & 2);
    key_add3(k, 125, b, coarse(a.path), lonely);
    key_add3(k, 126, b, coarse(c->score - second), which);
    key_add3(k, 127, b, lonely, capped(s->pair_count, 7));
    key_add3(k, 128, b, place, lonely);
    key_add3(k, 129, label, lonely, which);
    key_add3(k, 130, word, lonely, coarse(a.rival));
    key_add3(k, 131, label, coarse(a.path), which);
    key_add3(k, 132, place, coarse(a.rival), coarse(a.sibling));
    key_add3(k, 133, place, coarse(a.subject), coarse(a.object));
    key_add3(k, 134, coarse(c->score), hash_mix(coarse(a.rival), coarse(a.sibling)),
             hash_mix(near, lonely));
    key_add3(k, 135, coarse(c->score), hash_mix(coarse(a.path), coarse(a.into_object)), lonely);
    const uint64_t fields =
        a.rival_subject < 0
            ? 0
            : hash_mix(head_of(s, c->subject)->field, 100 + head_of(s, a.rival_subject)->field);
    const uint64_t verb =
        c->relation == REL_UNSAID ? 0 : word_at(s, s->spans[c->relation].beg)->suffix;
    key_add3(k, 137, fields, near & 1, coarse(c->score - a.rival));
    key_add3(k, 138, fields, near & 1, verb);
    key_add3(k, 136, coarse(c->score), word, coarse(a.path));
}

/* Whether relation words stand between two objects: "man <with> dog", but not "man and dog". */
static int apart(const struct segment *s, uint16_t a, uint16_t b)
{
    return a != b && spans_between(s, a, b, SG_RELATION) > 0;
}

static int is_beaten(const struct segment *s, const struct relation_edge *a)
{
    for (uint32_t i = 0; i < s->relation_count && a->relation != REL_UNSAID; i++) {
        const struct relation_edge *b = &s->relations[i];
        if (b->relation == a->relation && b->object == a->object &&
            far(b->subject, b->relation) < far(a->subject, a->relation) &&
            apart(s, a->subject, b->subject)) {
            return 1;
        }
    }
    return 0;
}

/* Of several subjects that one relation word joins to one object, those apart from the nearest go.
 */
static void drop_rivals(struct segment *s)
{
    uint8_t beaten[4 * NODE_MAX];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < s->relation_count; i++) {
        beaten[i] = (uint8_t)is_beaten(s, &s->relations[i]);
    }
    for (uint32_t i = 0; i < s->relation_count; i++) {
        s->relations[kept] = s->relations[i];
        kept += !beaten[i];
    }
    s->relation_count = kept;
}

static int is_used(const struct segment *s, uint32_t r)
{
    for (uint32_t i = 0; i < s->relation_count; i++) {
        if (s->relations[i].relation == r) {
            return 1;
        }
    }
    return 0;
}

/* How far below "none" a relation may score if it is the only place for its words. */
enum { RESCUE = 3 * RANK_SCALE };

/* Relation words that found no place: between the subject and object where they fit best, if not
 * too badly. */
static void rescue(struct segment *s)
{
    for (uint32_t r = 0; r < s->span_count; r++) {
        if (s->spans[r].type != SG_RELATION || is_used(s, r)) {
            continue;
        }
        const struct candidate *best = NULL;
        for (uint32_t i = 0; i < s->pair_count; i++) {
            for (uint32_t c = 0; c < s->pairs[i].n; c++) {
                const struct candidate *d = &s->pairs[i].best[c];
                const int in_order = d->subject < d->relation && d->relation < d->object;
                if (d->relation == r && in_order && (!best || d->score > best->score)) {
                    best = d;
                }
            }
        }
        if (best && best->score > -RESCUE && s->relation_count < 4 * NODE_MAX) {
            s->relations[s->relation_count++] = (struct relation_edge){
                best->subject, best->object, best->relation, best->label, best->score};
        }
    }
}

/* The object beside span r, in steps of `step` over attributes alone; -1: none. */
static int object_beside(const struct segment *s, int r, int step)
{
    for (int i = r + step; i >= 0 && i < (int)s->span_count; i += step) {
        if (s->spans[i].type != SG_ATTRIBUTE) {
            return s->spans[i].type == SG_OBJECT ? i : -1;
        }
    }
    return -1;
}

/* Relation words that still have no place join the objects on their two sides. */
void relations_rescue(struct segment *s)
{
    for (uint32_t r = 0; r < s->span_count && s->relation_count < 4 * NODE_MAX; r++) {
        if (s->spans[r].type != SG_RELATION || is_used(s, r)) {
            continue;
        }
        const int left = object_beside(s, (int)r, -1);
        const int right = object_beside(s, (int)r, 1);
        if (left >= 0 && right >= 0) {
            s->relations[s->relation_count++] = (struct relation_edge){
                (uint16_t)left, (uint16_t)right, (uint16_t)r, STRING_NONE, 0};
        }
    }
}

static int choice_score(const struct sg_model *m, const struct segment *s, const struct pair *pair,
                        uint32_t which)
{
    struct keys k = {0};
    choice_features(s, pair, which, &k);
    return rank_score(&m->choice_rank, &k);
}

static int is_joined(const struct segment *s, const struct candidate *c)
{
    for (uint32_t i = 0; i < s->relation_count; i++) {
        if (s->relations[i].subject == c->subject && s->relations[i].object == c->object) {
            return 1;
        }
    }
    return 0;
}

/* Whether c says what the edge says, of a nearer subject. */
static int is_nearer(const struct segment *s, const struct candidate *c,
                     const struct relation_edge *e)
{
    return c->relation == e->relation && c->object == e->object &&
           far(c->subject, c->relation) < far(e->subject, e->relation) &&
           apart(s, c->subject, e->subject) && !is_joined(s, c);
}

/* A subject farther from the relation's words must be so much likelier than a nearer one (right
 * association: Kimball, Cognition 1973). */
enum { FARTHER = RANK_SCALE };

/* Gives the edge the likeliest of nearer subjects that its own does not beat by FARTHER; 0: none.
 */
static int move_nearer(const struct sg_model *m, const struct segment *s, struct relation_edge *e)
{
    const struct relation_edge own = *e;
    int best = own.score - FARTHER;
    for (uint32_t i = 0; i < s->pair_count; i++) {
        const struct pair *p = &s->pairs[i];
        for (uint32_t k = 0; k < p->n; k++) {
            const struct candidate *c = &p->best[k];
            const int score = is_nearer(s, c, &own) ? choice_score(m, s, p, k) : INT32_MIN;
            if (score > best) {
                best = score;
                *e = (struct relation_edge){c->subject, c->object, c->relation, c->label, score};
            }
        }
    }
    return e->subject != own.subject;
}

void relations_run(const struct sg_model *m, struct segment *s)
{
    relations_propose(m, s);
    s->relation_count = 0;
    for (uint32_t i = 0; i < s->pair_count && s->relation_count < 4 * NODE_MAX; i++) {
        const struct pair *p = &s->pairs[i];
        int best_score = 0;
        const struct candidate *best = NULL;
        for (uint32_t c = 0; c < p->n; c++) {
            const int score = choice_score(m, s, p, c);
            if (score > best_score) {
                best_score = score;
                best = &p->best[c];
            }
        }
        if (best) {
            s->relations[s->relation_count++] = (struct relation_edge){
                best->subject, best->object, best->relation, best->label, best_score};
        }
    }
    for (uint32_t i = 0; i < s->relation_count; i++) {
        while (s->relations[i].relation != REL_UNSAID && move_nearer(m, s, &s->relations[i])) {
        }
    }
    drop_rivals(s);
    rescue(s);
}
