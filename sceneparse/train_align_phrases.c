/* When words of a caption say a gold string: the same words, other spellings, slips of a letter, or
 * a synonym. */
#include <string.h>

#include "sceneparse/train_align.h"

uint32_t gold_base_name(struct trainer *t, uint32_t name)
{
    const char *p = t->strings.p + name;
    char copy[LABEL_MAX];
    const size_t n = strcspn(p, ":") < LABEL_MAX ? strcspn(p, ":") : LABEL_MAX - 1;
    memcpy(copy, p, n);
    return pool_add(&t->strings, copy, n);
}

void phrase_read(struct trainer *t, uint32_t string, struct phrase *out)
{
    static struct segment scratch;
    static struct sg_token tokens[SEGMENT_MAX];
    size_t pos = 0;
    uint32_t count = 0;
    t->m.strings = t->strings.p;
    const char *p = t->strings.p + string;
    segment_read(&scratch, p, strcspn(p, ":"), &pos, READ_ALL, tokens, &count);
    segment_analyse(&t->m, &scratch);
    out->string = gold_base_name(t, string);
    out->n = scratch.n < PHRASE_MAX ? (int)scratch.n : PHRASE_MAX;
    /* The words' texts stand in `scratch`, which the next call overwrites: keep what is compared
     * letter by letter. */
    uint32_t used = 0;
    for (int i = 0; i < out->n; i++) {
        out->w[i] = scratch.words[MARGIN + i];
        struct text *w = &out->w[i].text;
        w->n = used + w->n > sizeof out->text ? 0 : w->n;
        memcpy(out->text + used, w->p, w->n);
        w->p = out->text + used;
        used += w->n;
    }
}

/* Letters to insert, delete or change, up to 3. */
static int edits(struct text a, struct text b)
{
    int row[2][WORD_MAX + 1];
    if (a.n > WORD_MAX || b.n > WORD_MAX || a.n > b.n + 2 || b.n > a.n + 2) {
        return 3;
    }
    for (uint32_t j = 0; j <= b.n; j++) {
        row[0][j] = (int)j;
    }
    for (uint32_t i = 1; i <= a.n; i++) {
        int *cur = row[i & 1];
        const int *old = row[(i - 1) & 1];
        cur[0] = (int)i;
        for (uint32_t j = 1; j <= b.n; j++) {
            int best = old[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            best = old[j] + 1 < best ? old[j] + 1 : best;
            best = cur[j - 1] + 1 < best ? cur[j - 1] + 1 : best;
            cur[j] = best;
        }
    }
    return row[a.n & 1][b.n];
}

static int is_typo(const struct word *caption, const struct word *gold)
{
    const uint32_t n = gold->text.n;
    return n >= 4 && !(caption->flags & WORD_KNOWN) &&
           edits(caption->text, gold->text) <= (n >= 7 ? 2 : 1);
}

static size_t letters_of(const struct word *w, int n, char out[LABEL_MAX])
{
    size_t m = 0;
    for (int i = 0; i < n; i++) {
        for (uint32_t k = 0; k < w[i].text.n && m < WORD_MAX; k++) {
            const char c = w[i].text.p[k];
            if (c != '-' && c != '.' && c != '\'') {
                out[m++] = c;
            }
        }
    }
    return m;
}

/* "cell phone" for "cellphone", "t-shirt" for "tee shirt": the caption's n words, written together,
 * are the phrase but for a letter. */
static int reads_alike(const struct alignment *a, const struct phrase *p, int i, int n)
{
    char x[LABEL_MAX];
    char y[LABEL_MAX];
    const struct text u = {x, (uint32_t)letters_of(word_at(a->s, i), n, x)};
    const struct text v = {y, (uint32_t)letters_of(p->w, p->n, y)};
    return v.n >= 5 && (n > 1 || p->n > 1) && x[0] == y[0] && edits(u, v) <= (v.n >= 7 ? 1 : 0);
}

/* A word that is another name, or two of which neither is one alone. */
static int says_otherwise(const struct alignment *a, int i, uint8_t type, uint32_t name)
{
    const int n = (int)a->s->n;
    if (span_is_open(a, i, 1, type) && is_synonym(a, i, 1, type, name)) {
        return 1;
    }
    return i + 2 <= n && span_is_open(a, i, 2, type) && is_synonym(a, i, 2, type, name) &&
                   !is_synonym(a, i + 1, 1, type, name)
               ? 2
               : 0;
}

int phrase_stands_at(const struct alignment *a, const struct phrase *p, int i, uint8_t type,
                     enum freedom freedom)
{
    if (p->n == 0) {
        return 0;
    }
    int same = i + p->n <= (int)a->s->n;
    for (int k = 0; k < p->n && same; k++) {
        const struct word *w = word_at(a->s, i + k);
        same = same_word(w, &p->w[k]) || (freedom == SPELLED_ALIKE && is_typo(w, &p->w[k]));
    }
    if (same) {
        return span_is_open(a, i, p->n, type) ? p->n : 0;
    }
    if (freedom == SAID_OTHERWISE) {
        return says_otherwise(a, i, type, p->string);
    }
    for (int n = 3; n > 0 && freedom == SPELLED_ALIKE; n--) {
        if (i + n <= (int)a->s->n && span_is_open(a, i, n, type) && reads_alike(a, p, i, n)) {
            return n;
        }
    }
    return 0;
}
