/* What is no caption: other languages, shouting, boilerplate.  Such words get no nodes, which costs
 * a corpus less than wrong ones. */
#include <string.h>

#include "sceneparse/sceneparse_internal.h"

enum { PHRASE_WORDS = 3 };

/* A phrase of stock agencies and web pages; `all`: the whole sentence is of that kind. */
struct boilerplate {
    const char *words[PHRASE_WORDS];
    int all;
};

static const struct boilerplate boilerplates[] = {
    {{"stock", "photo"}, 0},
    {{"stock", "photos"}, 0},
    {{"stock", "image"}, 0},
    {{"stock", "images"}, 0},
    {{"stock", "photography"}, 0},
    {{"stock", "illustration"}, 0},
    {{"stock", "vector"}, 0},
    {{"stock", "footage"}, 0},
    {{"royalty", "free"}, 0},
    {{"royalty", "-", "free"}, 0},
    {{"image", "may", "contain"}, 0},
    {{"image", "result", "for"}, 0},
    {{"image", "results", "for"}, 0},
    {{"photo", "credit"}, 0},
    {{"image", "credit"}, 0},
    {{"click", "here"}, 1},
    {{"click", "to"}, 1},
    {{"read", "more"}, 1},
    {{"all", "rights", "reserved"}, 1},
    {{"copyright"}, 1},
    {{"terms", "of", "use"}, 1},
    {{"privacy", "policy"}, 1},
    {{"javascript"}, 1},
    {{"http"}, 1},
    {{"https"}, 1},
    {{"subscribe", "to"}, 1},
};

static int is_word(const struct word *w, const char *text)
{
    return strlen(text) == w->text.n && memcmp(text, w->text.p, w->text.n) == 0;
}

/* How many words from i on are the phrase; 0: they are not. */
static uint32_t stands_at(const struct segment *s, uint32_t i, const struct boilerplate *b)
{
    uint32_t n = 0;
    while (n < PHRASE_WORDS && b->words[n]) {
        if (i + n >= s->n || !is_word(word_at(s, (int)(i + n)), b->words[n])) {
            return 0;
        }
        n++;
    }
    return n;
}

/* Marks boilerplate as noise; nonzero when it makes the whole sentence no caption. */
static int mute_boilerplate(struct segment *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < sizeof boilerplates / sizeof *boilerplates; k++) {
            const struct boilerplate *b = &boilerplates[k];
            if (b->words[0][0] != word_at(s, (int)i)->text.p[0]) {
                continue;
            }
            const uint32_t n = stands_at(s, i, b);
            if (n > 0 && b->all) {
                return 1;
            }
            for (uint32_t j = i; j < i + n; j++) {
                s->words[MARGIN + j].flags |= WORD_NOISE;
            }
        }
    }
    return 0;
}

/* Small words of German, French, Spanish, Portuguese, Italian and Dutch; two of them without any
 * of English's are another language, one may be a name's: "cirque du soleil". */
static const char *const foreign_words[] = {
    "auf", "aux", "avec", "che", "con", "dans", "das",   "de",  "dei",  "del",  "della", "der",
    "des", "dos", "du",   "een", "ein", "eine", "einem", "el",  "em",   "en",   "et",    "het",
    "il",  "la",  "las",  "le",  "les", "los",  "mit",   "na",  "nel",  "para", "por",   "sur",
    "um",  "uma", "un",   "una", "und", "une",  "van",   "von", "voor", "y",    "zum",   "zur"};
static const char *const english_words[] = {"a",  "an", "and", "are", "at",  "by", "for", "from",
                                            "in", "is", "of",  "on",  "the", "to", "with"};
static const char *const pronouns[] = {"he", "i", "she", "they", "we", "who", "you"};

enum { SMALL_WORD = 5 }; /* bytes of the longest of these */

static int is_any_of(const struct word *w, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (w->text.n > 0 && words[i][0] == w->text.p[0] && is_word(w, words[i])) {
            return 1;
        }
    }
    return 0;
}
#define IS_ANY_OF(word, words) is_any_of(word, words, sizeof(words) / sizeof *(words))

static uint32_t count_english(const struct segment *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        n += IS_ANY_OF(word_at(s, (int)i), english_words) ? 1u : 0u;
    }
    return n;
}

/* Pronouns name no node and become noise, but for one that begins the sentence, which FACTUAL reads
 * as a person; nonzero when the sentence is of another language. */
static int read_small_words(struct segment *s)
{
    uint32_t foreign = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        struct word *w = &s->words[MARGIN + i];
        if (w->text.n > SMALL_WORD || (w->flags & WORD_PUNCT)) {
            continue;
        }
        if (i > 0 && IS_ANY_OF(w, pronouns)) {
            w->flags |= WORD_NOISE;
        } else if (!(w->flags & WORD_TRAINED)) {
            foreign += IS_ANY_OF(w, foreign_words) ? 1u : 0u;
        }
    }
    return foreign > 1 && count_english(s) == 0;
}

int segment_is_caption(struct segment *s)
{
    uint32_t words = 0;
    uint32_t unknown = 0;
    uint32_t capitals = 0;
    uint32_t rare = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct word *w = word_at(s, (int)i);
        if (w->flags & (WORD_PUNCT | WORD_DIGIT)) {
            continue;
        }
        words++;
        unknown += !(w->flags & (WORD_KNOWN | WORD_TRAINED)) || (w->flags & WORD_RESPELT);
        capitals += (w->flags & WORD_CAPS) != 0;
        rare += !(w->flags & WORD_TRAINED);
    }
    if (unknown > 1 && unknown * 2 >= words) {
        return 0; /* another language, or no words at all */
    }
    if (capitals > 1 && capitals * 2 > words && rare > 0) {
        return 0; /* shouting, and not in plain words */
    }
    if (read_small_words(s)) {
        return 0;
    }
    return !mute_boilerplate(s);
}
