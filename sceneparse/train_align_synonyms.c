/* Words that FACTUAL calls by another name, "guy" a person, "wood" wooden: learned from the words
 * that stay free in captions where a name finds none. */
#include <stdlib.h>
#include <string.h>

#include "sceneparse/train_align.h"

struct synonym {
    uint64_t key; /* of the words, the type and the name */
    uint64_t words;
};

static int synonym_order(const void *x, const void *y)
{
    const struct synonym *a = x;
    const struct synonym *b = y;
    return a->words != b->words ? (a->words < b->words ? -1 : 1)
           : a->key != b->key   ? (a->key < b->key ? -1 : 1)
                                : 0;
}

static struct synonym synonym_of(const struct alignment *a, int i, int n, uint8_t type,
                                 uint32_t name)
{
    uint64_t words = hash_mix(type, (uint64_t)n);
    for (int k = i; k < i + n; k++) {
        words = hash_mix(words, word_at(a->s, k)->form);
    }
    return (struct synonym){hash_mix(words, name + 1), words};
}

int is_synonym(const struct alignment *a, int i, int n, uint8_t type, uint32_t name)
{
    const struct synonym want = synonym_of(a, i, n, type, name);
    return a->synonym_count > 0 &&
           bsearch(&want, a->synonyms, a->synonym_count, sizeof want, synonym_order) != NULL;
}

static void note(struct alignment *a, struct synonym s)
{
    if (a->seen_count == a->seen_room) {
        a->seen_room = 2 * a->seen_room + 4096;
        a->seen = xrealloc(a->seen, a->seen_room, sizeof *a->seen);
    }
    a->seen[a->seen_count++] = s;
}

/* Words that stand between things and name none, or what something does: where a name finds no word
 * ("arm wearing a watch" is of a person) they are there for another reason. */
static int may_name(const struct word *w)
{
    static const char *const never[] = {
        "in",  "on",  "at",  "to",  "of",    "for", "with",    "by",  "from",  "has",  "have",
        "had", "his", "her", "its", "their", "one", "another", "all", "other", "near", "next"};
    const uint32_t n = w->text.n;
    return !word_is_filler(w) && !word_says_any(w, never, sizeof never / sizeof *never) &&
           !((w->flags & WORD_SUFFIXED) && n > 4 && memcmp(w->text.p + n - 3, "ing", 3) == 0);
}

void note_unplaced_name(struct alignment *a, uint32_t name, uint8_t type)
{
    for (int i = 0; i < (int)a->s->n; i++) {
        for (int n = 1; n <= 2 && span_is_open(a, i, n, SG_OBJECT); n++) {
            if (may_name(word_at(a->s, i)) && may_name(word_at(a->s, i + n - 1))) {
                note(a, synonym_of(a, i, n, type, name));
            }
        }
    }
}

void note_free_words(struct alignment *a)
{
    for (int i = 0; i < (int)a->s->n; i++) {
        for (int n = 1; n <= 2 && span_is_open(a, i, n, SG_OBJECT); n++) {
            for (uint8_t type = SG_OBJECT; type <= SG_ATTRIBUTE; type++) {
                note(a, (struct synonym){0, synonym_of(a, i, n, type, 0).words});
            }
        }
    }
}

/* Words that stand for a name in four of ten of the captions where they stay free, and three times
 * at least, are another word for it. */
void learn_synonyms(struct alignment *a)
{
    sort_rows(a->seen, a->seen_count, sizeof *a->seen, synonym_order);
    a->synonyms = xrealloc(NULL, a->seen_count + 1, sizeof *a->synonyms);
    a->synonym_count = 0;
    for (size_t i = 0; i < a->seen_count;) {
        size_t all = i;
        while (all < a->seen_count && a->seen[all].words == a->seen[i].words &&
               a->seen[all].key == 0) {
            all++;
        }
        const size_t free_times = all - i;
        const uint64_t words = a->seen[i].words;
        for (i = all; i < a->seen_count && a->seen[i].words == words;) {
            size_t k = i;
            while (k < a->seen_count && a->seen[k].key == a->seen[i].key) {
                k++;
            }
            if (k - i >= 3 && (k - i) * 10 >= free_times * 4) {
                a->synonyms[a->synonym_count++] = a->seen[i];
            }
            i = k;
        }
    }
    a->seen_count = 0;
}
