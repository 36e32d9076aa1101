/* The tagger: a linear-chain conditional random field (Lafferty, McCallum, Pereira, ICML 2001) over
 * the tags O, B/I-object, B/I-attribute, B/I-relation, whose states also remember of which type the
 * last node was; decoded by Viterbi in integers. */
#include <string.h>

#include "sceneparse/sceneparse_internal.h"

enum template {
    T_WORD,
    T_PREV,
    T_NEXT,
    T_PREV2,
    T_NEXT2,
    T_PREV_WORD,
    T_WORD_NEXT,
    T_PREV_NEXT,
    T_PREV2_PREV,
    T_NEXT_NEXT2,
    T_TRIGRAM,
    T_SUFFIX,
    T_SUFFIX_PREV,
    T_SUFFIX_NEXT,
    T_NOUN,
    T_VERB,
    T_CLASS,
    T_CLASS_PREV,
    T_CLASS_NEXT,
    T_CLASS_TRI,
    T_CLASS_PREV2,
    T_CLASS_NEXT2,
    T_CLASS_AROUND,
    T_WORD_CPREV,
    T_WORD_CNEXT,
    T_PREV_CLASS,
    T_NEXT_CLASS,
    T_WORD_CAROUND,
    T_POS,
    T_POS_TRI,
    T_CLASS_FIVE,
    T_NEXT3,
    T_PREV3,
    T_VERB_NEXT,
    T_NOUN_PREV,
    T_PREV_WORD_CNEXT,
    T_WORD_NEXT_CPREV,
    T_SENSE,
    T_SENSE_NEXT,
    T_SENSE_PREV,
    T_COUNT,
};
_Static_assert((int)T_COUNT <= (int)TAGGER_FEATURES, "features overflow their array");

static inline uint64_t key1(enum template t, uint64_t a)
{
    return hash_mix(a, (uint64_t)t + 1);
}

static inline uint64_t key2(enum template t, uint64_t a, uint64_t b)
{
    return hash_mix(hash_mix(a, (uint64_t)t + 1), b);
}

static inline uint64_t key3(enum template t, uint64_t a, uint64_t b, uint64_t c)
{
    return hash_mix(hash_mix(hash_mix(a, (uint64_t)t + 1), b), c);
}

static inline uint64_t parts_of(const struct word *w)
{
    return w->flags & (WORD_KNOWN | WORD_SUFFIXED | WORD_PLURAL | WORD_PUNCT | WORD_DIGIT);
}

int tagger_features(const struct segment *s, int i, uint64_t k[TAGGER_FEATURES])
{
    const struct word *w = word_at(s, i);
    const uint64_t p3 = w[-3].class, p2 = w[-2].class, p1 = w[-1].class, c = w[0].class;
    const uint64_t n1 = w[1].class, n2 = w[2].class, n3 = w[3].class;
    const uint64_t f = w[0].form, fp = w[-1].form, fn = w[1].form;
    k[T_WORD] = key1(T_WORD, f);
    k[T_PREV] = key1(T_PREV, fp);
    k[T_NEXT] = key1(T_NEXT, fn);
    k[T_PREV2] = key1(T_PREV2, w[-2].form);
    k[T_NEXT2] = key1(T_NEXT2, w[2].form);
    k[T_PREV_WORD] = key2(T_PREV_WORD, fp, f);
    k[T_WORD_NEXT] = key2(T_WORD_NEXT, f, fn);
    k[T_PREV_NEXT] = key2(T_PREV_NEXT, fp, fn);
    k[T_PREV2_PREV] = key2(T_PREV2_PREV, w[-2].form, fp);
    k[T_NEXT_NEXT2] = key2(T_NEXT_NEXT2, fn, w[2].form);
    k[T_TRIGRAM] = key3(T_TRIGRAM, fp, f, fn);
    k[T_SUFFIX] = key1(T_SUFFIX, w[0].suffix);
    k[T_SUFFIX_PREV] = key2(T_SUFFIX_PREV, w[0].suffix, p1);
    k[T_SUFFIX_NEXT] = key2(T_SUFFIX_NEXT, w[0].suffix, n1);
    k[T_NOUN] = key1(T_NOUN, w[0].noun_hash);
    k[T_VERB] = key1(T_VERB, w[0].verb_hash);
    k[T_CLASS] = key1(T_CLASS, c);
    k[T_CLASS_PREV] = key2(T_CLASS_PREV, p1, c);
    k[T_CLASS_NEXT] = key2(T_CLASS_NEXT, c, n1);
    k[T_CLASS_TRI] = key3(T_CLASS_TRI, p1, c, n1);
    k[T_CLASS_PREV2] = key3(T_CLASS_PREV2, p2, p1, c);
    k[T_CLASS_NEXT2] = key3(T_CLASS_NEXT2, c, n1, n2);
    k[T_CLASS_AROUND] = key2(T_CLASS_AROUND, p1, n1);
    k[T_WORD_CPREV] = key2(T_WORD_CPREV, f, p1);
    k[T_WORD_CNEXT] = key2(T_WORD_CNEXT, f, n1);
    k[T_PREV_CLASS] = key2(T_PREV_CLASS, fp, c);
    k[T_NEXT_CLASS] = key2(T_NEXT_CLASS, fn, c);
    k[T_WORD_CAROUND] = key3(T_WORD_CAROUND, f, p1, n1);
    k[T_POS] = key1(T_POS, parts_of(w));
    k[T_POS_TRI] = key3(T_POS_TRI, parts_of(w - 1), parts_of(w), parts_of(w + 1));
    k[T_CLASS_FIVE] = key3(T_CLASS_FIVE, hash_mix(p2, p1), c, hash_mix(n1, n2));
    k[T_NEXT3] = key3(T_NEXT3, c, n1, hash_mix(n2, n3));
    k[T_PREV3] = key3(T_PREV3, c, p1, hash_mix(p2, p3));
    k[T_VERB_NEXT] = key2(T_VERB_NEXT, w[0].verb_hash, fn);
    k[T_NOUN_PREV] = key2(T_NOUN_PREV, w[0].noun_hash, fp);
    k[T_PREV_WORD_CNEXT] = key3(T_PREV_WORD_CNEXT, fp, f, n1);
    k[T_WORD_NEXT_CPREV] = key3(T_WORD_NEXT_CPREV, f, fn, p1);
    k[T_SENSE] = key2(T_SENSE, w[0].sense, c);
    k[T_SENSE_NEXT] = key3(T_SENSE_NEXT, w[0].field, w[1].field, c);
    k[T_SENSE_PREV] = key3(T_SENSE_PREV, w[0].field, w[-1].field, c);
    return T_COUNT;
}

/* Eight lanes: TAGS tags and one unused. */
typedef int8_t lanes8 __attribute__((vector_size(8)));
typedef int16_t tag_scores __attribute__((vector_size(16)));

static tag_scores emission(const struct tagger_model *m, const struct segment *s, int i)
{
    uint64_t keys[TAGGER_FEATURES];
    const int n = tagger_features(s, i, keys);
    for (int f = 0; f < n; f++) {
        __builtin_prefetch(&m->rows[keys[f] >> (64 - m->bits)]);
    }
    tag_scores sum = {0};
    for (int f = 0; f < n; f++) {
        const struct tag_row *row = &m->rows[keys[f] >> (64 - m->bits)];
        lanes8 w;
        memcpy(&w, row, sizeof w);
        const int16_t hit = row->check == (uint8_t)(keys[f] & 0xff) ? -1 : 0;
        sum += __builtin_convertvector(w, tag_scores) & hit;
    }
    return sum;
}

/* Hashtags, file names and other scripts are never part of a node. */
static int must_be_outside(const struct word *w)
{
    return (w->flags & (WORD_NOISE | WORD_FOREIGN)) != 0;
}

/* One number a state. */
union state_scores {
    int16_t of[LANES];
    tag_scores half[2];
};

static inline tag_scores pick(tag_scores mask, tag_scores yes, tag_scores no)
{
    return (mask & yes) | (~mask & no);
}

/* Scores stay in 16 bits: the best is 0 and the worst counts as LOWEST, which no sum of weights
 * (127 * TAGGER_FEATURES and a transition) can make up for. */
enum { LOWEST = -9000 };

static int best_of(const union state_scores *v)
{
    int best = 0;
    for (int t = 1; t < STATES; t++) {
        best = v->of[t] > v->of[best] ? t : best;
    }
    return best;
}

/* What Viterbi's recursion leaves behind. */
struct trellis {
    union state_scores moves[STATES + 1];
    union state_scores back[SEGMENT_MAX];
    union state_scores score[SEGMENT_MAX];
};

/* The best way to each state of word i, `back`, and what it scores before the word itself is looked
 * at; the state it comes from is the first of those alike. */
static union state_scores arrive(struct trellis *l, uint32_t i)
{
    if (i == 0) {
        l->back[0] = (union state_scores){{0}};
        return l->moves[STATES];
    }
    union state_scores best;
    for (int h = 0; h < 2; h++) {
        tag_scores from = {0};
        best.half[h] = l->moves[0].half[h] + l->score[i - 1].of[0];
        for (int p = 1; p < STATES; p++) {
            const tag_scores v = l->moves[p].half[h] + l->score[i - 1].of[p];
            const tag_scores better = v > best.half[h];
            best.half[h] = pick(better, v, best.half[h]);
            from = pick(better, (tag_scores){0} + (int16_t)p, from);
        }
        l->back[i].half[h] = from;
    }
    return best;
}

/* The word's own scores on top, and all of them brought back to LOWEST..0. */
static void settle(union state_scores *v, tag_scores word, int outside)
{
    for (int t = 0; t < STATES; t++) {
        const int16_t own = word[state_tag(t)];
        v->of[t] = outside && state_tag(t) != TAG_O ? LOWEST : (int16_t)(v->of[t] + own);
    }
    const int16_t best = v->of[best_of(v)];
    for (int h = 0; h < 2; h++) {
        const tag_scores lowest = (tag_scores){0} + (int16_t)LOWEST;
        v->half[h] -= best;
        v->half[h] = pick(v->half[h] > lowest, v->half[h], lowest);
    }
    for (int t = STATES; t < LANES; t++) {
        v->of[t] = LOWEST;
    }
}

/* A sequence that leaves reading `from` at word `at`, where it is in `state`, and goes the best way
 * from there to the beginning. */
struct turn {
    int loss;
    uint32_t from;
    uint32_t at;
    int state;
};

struct turns {
    int n;
    struct turn best[READINGS];
};

static void turns_add(struct turns *t, struct turn turn)
{
    int at = t->n < READINGS ? t->n++ : READINGS;
    for (; at > 0 && t->best[at - 1].loss > turn.loss; at--) {
        if (at < READINGS) {
            t->best[at] = t->best[at - 1];
        }
    }
    if (at < READINGS) {
        t->best[at] = turn;
    }
}

/* All turns from a reading, whose tags are states as yet, that lose little enough. */
static void turns_from(const struct trellis *l, const struct segment *s, uint32_t from,
                       struct turns *turns)
{
    const struct reading *r = &s->readings[from];
    for (uint32_t i = 0; i < r->free; i++) {
        const int last = i + 1 == s->n;
        const int next = last ? 0 : r->tags[i + 1];
        const int here = r->tags[i];
        const int own = l->score[i].of[here] + (last ? 0 : l->moves[here].of[next]);
        for (int p = 0; p < STATES; p++) {
            const int loss = r->loss + own - l->score[i].of[p] - (last ? 0 : l->moves[p].of[next]);
            if (p != here && loss <= READING_MARGIN) {
                turns_add(turns, (struct turn){loss, from, i, p});
            }
        }
    }
}

/* The best way from the beginning to `state` at word `at`. */
static void go_back(const struct trellis *l, struct reading *r, uint32_t at, int state)
{
    for (uint32_t i = at + 1; i-- > 0;) {
        r->tags[i] = (uint8_t)state;
        state = l->back[i].of[state];
    }
}

static void take_turn(const struct trellis *l, struct segment *s, const struct turn *turn)
{
    struct reading *r = &s->readings[s->reading_count++];
    memcpy(r->tags, s->readings[turn->from].tags, s->n);
    r->loss = turn->loss;
    r->free = turn->at;
    go_back(l, r, turn->at, turn->state);
}

/* The best sequences of states within READING_MARGIN of the best one (Lawler 1972: every other
 * sequence leaves one that is already there at some word, for the last time). */
static void collect_readings(const struct trellis *l, struct segment *s)
{
    struct turns turns = {.n = 0};
    while (s->reading_count < READINGS) {
        turns_from(l, s, s->reading_count - 1, &turns);
        if (turns.n == 0) {
            return;
        }
        const struct turn turn = turns.best[0];
        memmove(turns.best, turns.best + 1, sizeof *turns.best * (size_t)--turns.n);
        take_turn(l, s, &turn);
    }
}

/* Viterbi's recursion on all states of a word at once, then the ways back. */
void tagger_run(const struct tagger_model *m, struct segment *s)
{
    struct trellis l;
    memcpy(l.moves, m->transitions, sizeof l.moves);
    for (uint32_t i = 0; i < s->n; i++) {
        l.score[i] = arrive(&l, i);
        settle(&l.score[i], emission(m, s, (int)i), must_be_outside(word_at(s, (int)i)));
    }
    struct reading *best = &s->readings[0];
    best->loss = 0;
    best->free = s->n;
    if (s->n > 0) {
        go_back(&l, best, s->n - 1, best_of(&l.score[s->n - 1]));
    }
    s->reading_count = 1;
    collect_readings(&l, s);
    for (uint32_t r = 0; r < s->reading_count; r++) {
        for (uint32_t i = 0; i < s->n; i++) {
            s->readings[r].tags[i] = state_tag(s->readings[r].tags[i]);
        }
    }
    memcpy(s->tags, best->tags, s->n);
}

/* What the rankers ask of each span again and again. */
static void count_spans(struct segment *s)
{
    memset(s->before[0], 0, sizeof s->before[0]);
    for (uint32_t i = 0; i < s->span_count; i++) {
        const struct span *p = &s->spans[i];
        memcpy(s->before[i + 1], s->before[i], sizeof s->before[i]);
        s->before[i + 1][p->type]++;
        uint64_t h = hash_mix(3, word_at(s, p->beg)->verb_hash);
        for (int k = p->beg + 1; k < p->end; k++) {
            h = word_is_article(word_at(s, k)) ? h : hash_mix(h, word_at(s, k)->form);
        }
        s->span_words[i] = h;
    }
}

void segment_spans(struct segment *s)
{
    static const uint16_t types[TAGS] = {
        0, SG_OBJECT, SG_OBJECT, SG_ATTRIBUTE, SG_ATTRIBUTE, SG_RELATION, SG_RELATION};
    s->span_count = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const uint8_t tag = s->tags[i];
        const int inside = tag == TAG_I_OBJECT || tag == TAG_I_ATTR || tag == TAG_I_REL;
        if (inside && i > 0 && s->span_count > 0 && s->tags[i - 1] != TAG_O &&
            types[s->tags[i - 1]] == types[tag]) {
            s->spans[s->span_count - 1].end++;
        } else if (tag != TAG_O) {
            s->spans[s->span_count++] = (struct span){types[tag], (uint16_t)i, (uint16_t)(i + 1)};
        }
    }
    count_spans(s);
}
