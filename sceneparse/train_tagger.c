/* The conditional random field's weights: maximum likelihood by AdaGrad (Duchi, Hazan, Singer, JMLR
 * 2011) over sentences in a fixed pseudo-random order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum { EPOCHS = 8, ROW_BITS = 18, LEAST_COUNT = 2, FACTUAL_COPIES = 2, MARKED_COPIES = 5 };

/* A row of weights: TAGS tags and one unused. */
struct lanes {
    float v[8];
};

/* A caption as the field sees it. */
struct lesson {
    uint32_t *ids; /* [words * features] */
    uint8_t *gold; /* [words] */
    uint32_t words;
};

struct field {
    struct feature_map map;
    struct lanes *w;               /* [features] weights of the tags */
    struct lanes *g;               /* [features] sums of squared gradients */
    struct lanes *sum;             /* [features] weights summed over the last epochs */
    float tsum[STATES + 1][LANES]; /* transitions, likewise */
    float tw[STATES + 1][LANES];
    float tg[STATES + 1][LANES];
    struct lesson *lessons;
    uint32_t n;
    int per_word;
};

/* Whether state `to` may follow state `from`; STATES: the beginning. */
static int allowed(int from, int to)
{
    if (state_tag(to) == TAG_O) {
        return to == (from == STATES ? TAG_O : state_after(from, TAG_O));
    }
    const int begin = to == TAG_I_OBJECT ? TAG_B_OBJECT
                      : to == TAG_I_ATTR ? TAG_B_ATTR
                      : to == TAG_I_REL  ? TAG_B_REL
                                         : -1;
    return begin < 0 || from == begin || from == to;
}

/* What a lesson hides, in percent, so that the field learns what to do about words and contexts it
 * does not know: web captions are full of them. */
struct hiding {
    unsigned rare_words, seldom_words, common_words; /* forgotten, content words alone */
    unsigned features;                               /* left out, of any word */
};
static const struct hiding hide_factual = {60, 30, 8, 40};
static const struct hiding hide_marked = {50, 35, 15, 50};

static void forget_words(struct trainer *t, const struct hiding *h, uint64_t salt)
{
    for (uint32_t i = 0; i < t->s->n; i++) {
        struct word *w = &t->s->words[MARGIN + i];
        const unsigned frequency = lexeme_frequency(lexeme_find(&t->m.lexemes, w->form));
        const uint64_t draw = hash_mix(hash_mix(salt, i), 0x666f72) % 100;
        const uint64_t chance = frequency < 3   ? h->rare_words
                                : frequency < 5 ? h->seldom_words
                                                : h->common_words;
        if ((w->flags & WORD_KNOWN) && draw < chance) {
            word_forget(w, hash_mix(salt, i));
        }
    }
}

/* The feature that stands for those left out; it never counts. */
enum { HIDDEN_KEY = 1 };

static int is_hidden(const struct hiding *h, uint64_t salt, uint32_t feature)
{
    return h && hash_mix(hash_mix(salt, feature), 0x64726f70) % 100 < h->features;
}

/* One more lesson; `h` NULL: with nothing hidden. */
static void add_lesson(struct trainer *t, struct field *f, const struct example *e,
                       const struct hiding *h, uint64_t salt)
{
    example_load(t, e);
    if (h) {
        forget_words(t, h, salt);
    }
    const uint32_t n = t->s->n;
    struct lesson *l = &f->lessons[f->n++];
    l->words = n;
    l->gold = xrealloc(NULL, n + 1, 1);
    tags_from_spans(e->spans, e->span_count, l->gold, n);
    l->ids = xrealloc(NULL, (size_t)n * TAGGER_FEATURES + 1, sizeof *l->ids);
    uint32_t *out = l->ids;
    for (uint32_t k = 0; k < n; k++) {
        uint64_t keys[TAGGER_FEATURES];
        f->per_word = tagger_features(t->s, (int)k, keys);
        for (int j = 0; j < f->per_word; j++) {
            const int hidden = is_hidden(h, salt, k * TAGGER_FEATURES + (uint32_t)j);
            *out++ = features_id(&f->map, hidden ? HIDDEN_KEY : keys[j]);
        }
    }
}

static int in_fold(uint32_t i, int fold, int folds)
{
    return fold >= 0 && i % (uint32_t)folds == (uint32_t)fold;
}

/* Captions that the field sees several times: once whole, then with something else hidden each
 * time. */
static void add_copies(struct trainer *t, struct field *f, const struct example *e, uint32_t i,
                       uint32_t copies, const struct hiding *h)
{
    for (uint32_t copy = 0; copy < copies; copy++) {
        add_lesson(t, f, e, copy == 0 ? NULL : h, hash_mix(i, copy));
    }
}

/* All lessons but those of the fold. */
static void gather(struct trainer *t, struct field *f, int fold, int folds)
{
    const size_t most =
        (size_t)FACTUAL_COPIES * t->examples.n + (size_t)MARKED_COPIES * t->marked.n;
    f->lessons = xrealloc(NULL, most + 1, sizeof *f->lessons);
    for (uint32_t i = 0; i < t->examples.n; i++) {
        if (!left_out(t, i) && !in_fold(i, fold, folds)) {
            add_copies(t, f, &t->examples.e[i], i, FACTUAL_COPIES, &hide_factual);
        }
    }
    for (uint32_t i = 0; i < t->marked.n; i++) {
        if (!in_fold(i, fold, folds)) {
            add_copies(t, f, &t->marked.e[i], i, MARKED_COPIES, &hide_marked);
        }
    }
    f->map.counts[features_id(&f->map, HIDDEN_KEY)] = 0;
    f->w = aligned_alloc(64, ((size_t)f->map.n * sizeof *f->w + 63) / 64 * 64 + 64);
    f->g = aligned_alloc(64, ((size_t)f->map.n * sizeof *f->g + 63) / 64 * 64 + 64);
    BUG_ON(!f->w || !f->g);
    f->sum = calloc((size_t)f->map.n + 1, sizeof *f->sum);
    BUG_ON(!f->sum);
    memset(f->w, 0, f->map.n * sizeof *f->w);
    memset(f->g, 0, f->map.n * sizeof *f->g);
}

struct lattice {
    double potential[SEGMENT_MAX][LANES]; /* exp(emission) */
    double alpha[SEGMENT_MAX][LANES];
    double beta[SEGMENT_MAX][LANES];
    double move[STATES + 1][LANES];
};

static void normalise(double v[LANES])
{
    double sum = 0;
    for (int t = 0; t < STATES; t++) {
        sum += v[t];
    }
    for (int t = 0; t < STATES; t++) {
        v[t] /= sum;
    }
}

static void forward_backward(const struct field *f, const struct lesson *lesson, struct lattice *l)
{
    const int n = (int)lesson->words;
    const uint32_t *ids = lesson->ids;
    for (int a = 0; a <= STATES; a++) {
        for (int b = 0; b < STATES; b++) {
            l->move[a][b] = allowed(a, b) ? exact_exp((double)f->tw[a][b]) : 0;
        }
    }
    for (int i = 0; i < n; i++) {
        struct lanes sum = {{0}};
        for (int j = 0; j < f->per_word; j++) {
            const uint32_t id = *ids++;
            for (int t = 0; t < 8 && f->map.counts[id] >= LEAST_COUNT; t++) {
                sum.v[t] += f->w[id].v[t];
            }
        }
        for (int t = 0; t < STATES; t++) {
            l->potential[i][t] = exact_exp((double)sum.v[state_tag(t)]);
        }
    }
    for (int i = 0; i < n; i++) {
        for (int t = 0; t < STATES; t++) {
            double sum = i == 0 ? l->move[STATES][t] : 0;
            for (int p = 0; i > 0 && p < STATES; p++) {
                sum += l->alpha[i - 1][p] * l->move[p][t];
            }
            l->alpha[i][t] = sum * l->potential[i][t];
        }
        normalise(l->alpha[i]);
    }
    for (int i = n - 1; i >= 0; i--) {
        for (int t = 0; t < STATES; t++) {
            double sum = i == n - 1 ? 1 : 0;
            for (int q = 0; i < n - 1 && q < STATES; q++) {
                sum += l->move[t][q] * l->potential[i + 1][q] * l->beta[i + 1][q];
            }
            l->beta[i][t] = sum;
        }
        normalise(l->beta[i]);
    }
}

static void step_float(float *w, float *g, float gradient, float rate)
{
    *g += gradient * gradient;
    *w -= rate * gradient / sqrtf(*g + DAMPING);
}

static void step_moves(struct field *f, const struct lesson *lesson, const struct lattice *l,
                       float rate)
{
    const int n = (int)lesson->words;
    const uint8_t *gold = lesson->gold;
    int last = gold[0];
    double expected[STATES + 1][LANES] = {{0}};
    for (int i = 1; i < n; i++) {
        double joint[STATES][LANES];
        double sum = 0;
        for (int p = 0; p < STATES; p++) {
            for (int t = 0; t < STATES; t++) {
                joint[p][t] =
                    l->alpha[i - 1][p] * l->move[p][t] * l->potential[i][t] * l->beta[i][t];
                sum += joint[p][t];
            }
        }
        for (int p = 0; p < STATES; p++) {
            for (int t = 0; t < STATES; t++) {
                expected[p][t] += joint[p][t] / sum;
            }
        }
        const int now = state_after(last, gold[i]);
        expected[last][now] -= 1;
        last = now;
    }
    for (int p = 0; p < STATES; p++) {
        for (int t = 0; t < STATES; t++) {
            if (allowed(p, t)) {
                step_float(&f->tw[p][t], &f->tg[p][t], (float)expected[p][t], rate);
            }
        }
    }
}

static void step_row(struct lanes *w, struct lanes *g, const struct lanes *gradient, float rate,
                     float decay)
{
    for (int t = 0; t < 8; t++) {
        const float v = gradient->v[t] + decay * w->v[t];
        g->v[t] += v * v;
        w->v[t] -= rate * v / sqrtf(g->v[t] + DAMPING);
    }
}

static void step(struct field *f, const struct lesson *lesson, float rate, float decay)
{
    static struct lattice l;
    const int n = (int)lesson->words;
    const uint32_t *ids = lesson->ids;
    if (n == 0) {
        return;
    }
    forward_backward(f, lesson, &l);
    step_moves(f, lesson, &l, rate);
    for (int i = 0; i < n; i++) {
        double p[LANES] = {0};
        for (int t = 0; t < STATES; t++) {
            p[state_tag(t)] += l.alpha[i][t] * l.beta[i][t];
        }
        normalise(p);
        p[lesson->gold[i]] -= 1;
        struct lanes gradient;
        for (int t = 0; t < 8; t++) {
            gradient.v[t] = t < TAGS ? (float)p[t] : 0;
        }
        for (int j = 0; j < f->per_word; j++) {
            const uint32_t id = *ids++;
            if (f->map.counts[id] >= LEAST_COUNT) {
                step_row(&f->w[id], &f->g[id], &gradient, rate, decay);
            }
        }
    }
}

/* ---- packing ---- */

/* Of features that land on one row, the one with the largest weight stays. */
static struct tagger_model pack(const struct field *f)
{
    struct tag_row *rows = calloc((size_t)1 << ROW_BITS, sizeof *rows);
    float *weight = calloc((size_t)1 << ROW_BITS, sizeof *weight);
    int16_t *moves = calloc((STATES + 1) * LANES, sizeof *moves);
    BUG_ON(!rows || !weight || !moves);
    for (uint32_t i = 0; i < f->map.n; i++) {
        const uint64_t key = f->map.key_of[i];
        const uint32_t at = (uint32_t)(key >> (64 - ROW_BITS));
        float norm = 0;
        for (int t = 0; t < TAGS; t++) {
            norm += f->w[i].v[t] * f->w[i].v[t];
        }
        norm *= (float)f->map.counts[i];
        if (f->map.counts[i] < LEAST_COUNT || norm <= weight[at]) {
            continue;
        }
        weight[at] = norm;
        for (int t = 0; t < TAGS; t++) {
            rows[at].w[t] = pack_weight(f->w[i].v[t], TAG_SCALE);
        }
        rows[at].check = (uint8_t)(key & 0xff);
    }
    for (int p = 0; p <= STATES; p++) {
        for (int t = 0; t < STATES; t++) {
            const float v = f->tw[p][t] * TAG_SCALE;
            moves[p * LANES + t] = (int16_t)(allowed(p, t) ? (int)v : FORBIDDEN);
        }
    }
    free(weight);
    return (struct tagger_model){rows, ROW_BITS, moves};
}

static void add_to_mean(struct field *f)
{
    for (uint32_t i = 0; i < f->map.n; i++) {
        for (int t = 0; t < 8; t++) {
            f->sum[i].v[t] += f->w[i].v[t];
        }
    }
    for (int p = 0; p <= STATES; p++) {
        for (int t = 0; t < LANES; t++) {
            f->tsum[p][t] += f->tw[p][t];
        }
    }
}

static void take_mean(struct field *f, int epochs)
{
    for (uint32_t i = 0; i < f->map.n; i++) {
        for (int t = 0; t < 8; t++) {
            f->w[i].v[t] = f->sum[i].v[t] / (float)epochs;
        }
    }
    for (int p = 0; p <= STATES; p++) {
        for (int t = 0; t < LANES; t++) {
            f->tw[p][t] = f->tsum[p][t] / (float)epochs;
        }
    }
}

static void field_free(struct field *f)
{
    for (uint32_t i = 0; i < f->n; i++) {
        free(f->lessons[i].ids);
        free(f->lessons[i].gold);
    }
    free(f->lessons);
    free(f->w);
    free(f->sum);
    free(f->g);
    features_free(&f->map);
}

void tagger_train(struct trainer *t, int fold, int folds, struct tagger_model *out)
{
    struct field f = {0};
    features_init(&f.map);
    gather(t, &f, fold, folds);
    uint32_t *order = xrealloc(NULL, f.n + 1, sizeof *order);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        const float rate = RATE * (float)(EPOCHS - epoch) / EPOCHS + LAST_RATE;
        shuffle(order, f.n, (uint64_t)epoch);
        for (uint32_t i = 0; i < f.n; i++) {
            step(&f, &f.lessons[order[i]], rate, DECAY);
        }
        if (epoch >= EPOCHS - MEAN_EPOCHS) {
            add_to_mean(&f);
        }
    }
    take_mean(&f, MEAN_EPOCHS);
    free(order);
    *out = pack(&f);
    field_free(&f);
}
