/* Single words: when two are one, and which say nothing by themselves. */
#include <string.h>

#include "sceneparse/train_align.h"

static const char *number_of(const struct word *w)
{
    static const char *const words[] = {"one",   "two",   "three", "four", "five",   "six",
                                        "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
    static const char *const digits[] = {"1", "2", "3", "4",  "5",  "6",
                                         "7", "8", "9", "10", "11", "12"};
    for (int i = 0; i < 12; i++) {
        if (strlen(words[i]) == w->text.n && memcmp(words[i], w->text.p, w->text.n) == 0) {
            return digits[i];
        }
    }
    return NULL;
}

int same_word(const struct word *a, const struct word *b)
{
    const char *number = number_of(a);
    return a->form == b->form || a->noun_hash == b->noun_hash || a->verb_hash == b->verb_hash ||
           (number && strlen(number) == b->text.n && memcmp(number, b->text.p, b->text.n) == 0);
}

int word_says_any(const struct word *w, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strlen(words[i]) == w->text.n && memcmp(words[i], w->text.p, w->text.n) == 0) {
            return 1;
        }
    }
    return 0;
}

int word_is_filler(const struct word *w)
{
    static const char *const fillers[] = {
        "a",    "an",   "the",   "is",    "are",  "was", "were",  "be", "been",  "being",
        "this", "that", "these", "those", "some", "and", "there", "it", "which", "who"};
    if (w->flags & (WORD_PUNCT | WORD_DIGIT | WORD_NOISE | WORD_FOREIGN)) {
        return 1;
    }
    return word_says_any(w, fillers, sizeof fillers / sizeof *fillers);
}
