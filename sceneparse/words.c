/* What the lexicon knows of a word: parts of speech, lemmas (WordNet's morphy, by its rules and
 * exception lists), and the class that says how the training captions use it. */
#include <string.h>

#include "sceneparse/sceneparse_internal.h"

uint64_t hash_text(const char *p, size_t n)
{
    uint64_t h = hash_mix(n, 0x5c3a1e);
    while (n >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        h = hash_mix(h, v);
        p += 8;
        n -= 8;
    }
    uint64_t v = 0;
    memcpy(&v, p, n);
    return hash_mix(h, v + 1);
}

const struct lexeme *lexeme_find(const struct lexeme_table *t, uint64_t form)
{
    static const struct lexeme unknown = {0, 0, 0, 0};
    const uint32_t mask = (1u << t->bits) - 1;
    const uint32_t key = (uint32_t)form | 1u;
    uint32_t i = (uint32_t)(form >> (64 - t->bits));
    for (uint32_t steps = 0; steps <= mask; steps++, i = (i + 1) & mask) {
        if (t->slots[i].key == key) {
            return &t->slots[i];
        }
        if (t->slots[i].key == 0) {
            break;
        }
    }
    return &unknown;
}

static const char *irregular_find(const struct sg_model *m, uint64_t form, uint32_t part)
{
    const struct irregular_table *t = &m->irregulars;
    const uint64_t h = hash_mix(form, part);
    const uint32_t mask = (1u << t->bits) - 1;
    const uint32_t key = (uint32_t)h | 1u;
    uint32_t i = (uint32_t)(h >> (64 - t->bits));
    for (uint32_t steps = 0; steps <= mask; steps++, i = (i + 1) & mask) {
        if (t->slots[i].key == key) {
            return m->strings + t->slots[i].lemma;
        }
        if (t->slots[i].key == 0) {
            break;
        }
    }
    return NULL;
}

struct rule {
    const char *ending;
    const char *instead;
};

/* WordNet's rules of detachment (morphy(7)), in its order. */
static const struct rule noun_rules[] = {
    {"s", ""},      {"ses", "s"},   {"xes", "x"}, {"zes", "z"}, {"ches", "ch"},
    {"shes", "sh"}, {"men", "man"}, {"ies", "y"}, {"ves", "f"}, {NULL, NULL},
};
static const struct rule verb_rules[] = {
    {"s", ""},  {"ies", "y"}, {"es", "e"}, {"es", ""},   {"ed", "e"},
    {"ed", ""}, {"ing", "e"}, {"ing", ""}, {NULL, NULL},
};

/* The first rule whose result the lexicon knows as `part`; the word itself if none. */
static struct text detach(const struct sg_model *m, struct segment *s, struct text w,
                          const struct rule *rules, uint32_t part)
{
    char *out = s->lemmas + s->lemmas_used;
    for (const struct rule *r = rules; r->ending; r++) {
        const size_t cut = strlen(r->ending);
        const size_t add = strlen(r->instead);
        if (w.n < cut + 2 || memcmp(w.p + w.n - cut, r->ending, cut) != 0) {
            continue;
        }
        const size_t n = w.n - cut + add;
        memcpy(out, w.p, w.n - cut);
        memcpy(out + w.n - cut, r->instead, add);
        if (lexeme_find(&m->lexemes, hash_text(out, n))->flags & part) {
            s->lemmas_used += (uint32_t)n;
            return (struct text){out, (uint32_t)n};
        }
    }
    return w;
}

static struct text lemma_of(const struct sg_model *m, struct segment *s, const struct word *w,
                            const struct rule *rules, uint32_t part, uint8_t own_flags)
{
    if (own_flags & part) {
        return w->text;
    }
    const char *irregular = irregular_find(m, w->form, part);
    if (irregular) {
        return (struct text){irregular, (uint32_t)strlen(irregular)};
    }
    const char last = w->text.n ? w->text.p[w->text.n - 1] : 0;
    return last == 's' || last == 'd' || last == 'g' || last == 'n'
               ? detach(m, s, w->text, rules, part)
               : w->text;
}

static void lemmatise(const struct sg_model *m, struct segment *s, struct word *w, uint8_t own)
{
    w->noun = w->verb = w->text;
    w->noun_hash = w->verb_hash = w->form;
    if (w->flags & (WORD_PUNCT | WORD_DIGIT | WORD_FOREIGN | WORD_NOISE)) {
        return;
    }
    w->noun = lemma_of(m, s, w, noun_rules, WORD_NOUN, own);
    w->verb = lemma_of(m, s, w, verb_rules, WORD_VERB, own);
    if (w->noun.p != w->text.p) {
        w->noun_hash = hash_text(w->noun.p, w->noun.n);
        w->flags |= WORD_NOUN | WORD_PLURAL;
    }
    if (w->verb.p != w->text.p) {
        w->verb_hash = hash_text(w->verb.p, w->verb.n);
        w->flags |= WORD_VERB | WORD_SUFFIXED;
    }
}

/* The class of a word that training did not see often enough: its parts of speech and ending. */
static uint64_t shape_class(const struct word *w)
{
    const uint32_t shape = w->flags & (WORD_KNOWN | WORD_SUFFIXED | WORD_PLURAL | WORD_PUNCT |
                                       WORD_DIGIT | WORD_FOREIGN | WORD_NOISE);
    const char last = w->text.n ? w->text.p[w->text.n - 1] : 0;
    const uint32_t ending = w->flags & WORD_SUFFIXED ? (uint32_t)(unsigned char)last : 0u;
    return hash_mix(0x73686170, (uint64_t)shape << 8 | ending);
}

/* ---- spelling: a word that nobody knows is read as the frequent word one letter away ---- */

enum { SPELL_MIN = 4, SPELL_MAX = 14, SPELL_FREQUENT = 2 };

/* A small sieve before the large table: of its bits, those of frequent words are set. */
static uint32_t frequent_bit(uint32_t key)
{
    return key >> 1 & (8 * FREQUENT_BYTES - 1);
}

void words_sieve(struct sg_model *m)
{
    memset(m->frequent, 0, sizeof m->frequent);
    for (uint32_t i = 0; i < 1u << m->lexemes.bits; i++) {
        const struct lexeme *l = &m->lexemes.slots[i];
        if (lexeme_frequency(l) >= SPELL_FREQUENT) {
            const uint32_t bit = frequent_bit(l->key);
            m->frequent[bit / 8] |= (uint8_t)(1u << bit % 8);
        }
    }
}

struct spelling {
    const struct sg_model *model;
    char best[SPELL_MAX + 1];
    uint32_t best_n;
    unsigned best_frequency;
};

static void try_spelling(struct spelling *s, const char *p, uint32_t n)
{
    const uint64_t form = hash_text(p, n);
    const uint32_t bit = frequent_bit((uint32_t)form);
    if (!(s->model->frequent[bit / 8] & 1u << bit % 8)) {
        return;
    }
    const unsigned frequency = lexeme_frequency(lexeme_find(&s->model->lexemes, form));
    if (frequency >= SPELL_FREQUENT && frequency > s->best_frequency) {
        s->best_frequency = frequency;
        s->best_n = n;
        memcpy(s->best, p, n);
    }
}

/* Letters left out, swapped, changed, added; the first letter is taken to be right. */
static void try_all(struct spelling *s, const struct text w)
{
    char p[SPELL_MAX + 2];
    for (uint32_t i = 1; i < w.n; i++) {
        memcpy(p, w.p, i);
        memcpy(p + i, w.p + i + 1, w.n - i - 1);
        try_spelling(s, p, w.n - 1);
        memcpy(p, w.p, w.n);
        if (i + 1 < w.n) {
            p[i] = w.p[i + 1];
            p[i + 1] = w.p[i];
            try_spelling(s, p, w.n);
            p[i + 1] = w.p[i + 1];
        }
        for (p[i] = 'a'; p[i] <= 'z'; p[i]++) {
            try_spelling(s, p, w.n);
        }
    }
    for (uint32_t i = 1; i <= w.n && w.n < SPELL_MAX; i++) {
        memcpy(p, w.p, i);
        memcpy(p + i + 1, w.p + i, w.n - i);
        for (p[i] = 'a'; p[i] <= 'z'; p[i]++) {
            try_spelling(s, p, w.n + 1);
        }
    }
}

static int is_plain(const struct text w)
{
    for (uint32_t i = 0; i < w.n; i++) {
        if (w.p[i] < 'a' || w.p[i] > 'z') {
            return 0;
        }
    }
    return 1;
}

/* Whether the word, unknown as it stands, was read as another; its text and hash then are that
 * other's. */
static int respell(const struct sg_model *m, struct segment *s, struct word *w)
{
    struct spelling spelling = {.model = m};
    if (w->text.n < SPELL_MIN || w->text.n > SPELL_MAX || !is_plain(w->text) ||
        (w->flags & (WORD_NOISE | WORD_FOREIGN | WORD_CAPS))) {
        return 0;
    }
    try_all(&spelling, w->text);
    if (spelling.best_frequency == 0) {
        return 0;
    }
    char *out = s->lemmas + s->lemmas_used;
    memcpy(out, spelling.best, spelling.best_n);
    s->lemmas_used += spelling.best_n;
    w->text = (struct text){out, spelling.best_n};
    w->form = hash_text(out, spelling.best_n);
    return 1;
}

static void analyse(const struct sg_model *m, struct segment *s, struct word *w)
{
    w->form = hash_text(w->text.p, w->text.n);
    const struct lexeme *lexeme = lexeme_find(&m->lexemes, w->form);
    w->flags |= lexeme->flags & LEXEME_FLAGS;
    lemmatise(m, s, w, lexeme->flags);
    if (!(w->flags & (WORD_KNOWN | WORD_TRAINED)) && respell(m, s, w)) {
        lexeme = lexeme_find(&m->lexemes, w->form);
        w->flags |= (lexeme->flags & LEXEME_FLAGS) | WORD_RESPELT;
        lemmatise(m, s, w, lexeme->flags);
    }
    const uint16_t sense =
        w->noun_hash == w->form ? lexeme->sense : lexeme_find(&m->lexemes, w->noun_hash)->sense;
    w->field = sense >> 11;
    w->sense = sense;
    const uint32_t tail = w->text.n < 3 ? w->text.n : 3;
    w->suffix = hash_text(w->text.p + w->text.n - tail, tail);
    w->class = lexeme->flags & WORD_TRAINED ? hash_mix(0x636c61, lexeme->class) : shape_class(w);
}

void word_forget(struct word *w, uint64_t salt)
{
    w->form = hash_mix(w->form, salt);
    w->noun_hash = hash_mix(w->noun_hash, salt);
    w->verb_hash = hash_mix(w->verb_hash, salt);
    w->class = shape_class(w);
}

int word_is_article(const struct word *w)
{
    const char *p = w->text.p;
    const uint32_t n = w->text.n;
    return (n == 3 && memcmp(p, "the", 3) == 0) || (n == 1 && p[0] == 'a') ||
           (n == 2 && memcmp(p, "an", 2) == 0);
}

static void bound(struct word *w, uint64_t which)
{
    const uint64_t h = hash_mix(0x626f756e64, which);
    *w = (struct word){
        .form = h, .noun_hash = h, .verb_hash = h, .suffix = h, .class = h, .sense = which + 70000};
    w->text = w->noun = w->verb = (struct text){"", 0};
}

void segment_analyse(const struct sg_model *m, struct segment *s)
{
    for (uint32_t i = 0; i < MARGIN; i++) {
        bound(&s->words[i], 1);
        bound(&s->words[MARGIN + s->n + i], 2);
    }
    for (uint32_t i = 0; i < s->n; i++) {
        analyse(m, s, &s->words[MARGIN + i]);
    }
}
