/* WordNet's index and exception files as the tables of words.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "sceneparse/train_internal.h"

enum { LEXEME_BITS = 17, IRREGULAR_BITS = 14 };

static struct lexeme *lexeme_slot(struct trainer *t, uint64_t form)
{
    const uint32_t mask = (1u << LEXEME_BITS) - 1;
    uint32_t i = (uint32_t)(form >> (64 - LEXEME_BITS));
    while (t->lexemes[i].key && t->lexemes[i].key != ((uint32_t)form | 1u)) {
        i = (i + 1) & mask;
    }
    t->lexemes[i].key = (uint32_t)form | 1u;
    return &t->lexemes[i];
}

void lexicon_set_class(struct trainer *t, uint64_t form, uint8_t class, uint32_t times)
{
    struct lexeme *l = lexeme_slot(t, form);
    unsigned frequency = 0;
    for (uint32_t n = times; n >= 4 && frequency < 7; n /= 4) {
        frequency++;
    }
    l->flags = (uint8_t)((l->flags & LEXEME_FLAGS) | frequency << 5);
    l->class = class;
    l->flags |= WORD_TRAINED;
}

static int is_plain(const char *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(w[i] >= 'a' && w[i] <= 'z') && w[i] != '-' && w[i] != '\'') {
            return 0;
        }
    }
    return n > 0;
}

static int read_index(struct trainer *t, const char *folder, const char *part, uint8_t flag)
{
    char path[1024];
    char line[1 << 16];
    snprintf(path, sizeof path, "%s/index.%s", folder, part);
    FILE *f = fopen(path, "r");
    if (!f) {
        return err_errno("cannot read %s; Debian's package wordnet-base has it", path);
    }
    while (fgets(line, sizeof line, f)) {
        const size_t n = strcspn(line, " ");
        if (is_plain(line, n)) {
            lexeme_slot(t, hash_text(line, n))->flags |= flag;
        }
    }
    fclose(f);
    return 0;
}

/* ---- senses ---- */

enum { SENSE_DEPTH = 7 };

struct synset {
    uint32_t offset, hypernym; /* hypernym 0: none */
    uint8_t field;
};

static int synset_order(const void *x, const void *y)
{
    const struct synset *a = x;
    const struct synset *b = y;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The next field as a number; 0 and *bad where there is none. */
static unsigned long next_number(char *line, char **save, int base, int *bad)
{
    const char *text = strtok_r(line, " ", save);
    char *end = NULL;
    const unsigned long v = text ? strtoul(text, &end, base) : 0;
    *bad |= !text || end == text;
    return v;
}

/* data.noun: offset, file number, "n", count of words in hex, (word, id)..., count of pointers,
 * (symbol, offset, part, ends)... (wndb(5WN)).  *bad is set where a line is not so. */
static struct synset parse_synset(char *line, int *bad)
{
    struct synset s = {0};
    char *save = NULL;
    s.offset = (uint32_t)next_number(line, &save, 10, bad);
    s.field = (uint8_t)next_number(NULL, &save, 10, bad);
    (void)strtok_r(NULL, " ", &save);
    const unsigned long words = next_number(NULL, &save, 16, bad);
    for (unsigned long i = 0; i < 2 * words && !*bad; i++) {
        *bad = strtok_r(NULL, " ", &save) == NULL;
    }
    const unsigned long pointers = next_number(NULL, &save, 10, bad);
    for (unsigned long i = 0; i < pointers && !s.hypernym && !*bad; i++) {
        const char *symbol = strtok_r(NULL, " ", &save);
        const char *offset = strtok_r(NULL, " ", &save);
        (void)strtok_r(NULL, " ", &save);
        (void)strtok_r(NULL, " ", &save);
        if (symbol && offset && symbol[0] == '@') {
            s.hypernym = (uint32_t)strtoul(offset, NULL, 10);
        }
    }
    return s;
}

static const struct synset *synset_find(const struct synset *all, size_t n, uint32_t offset)
{
    const struct synset want = {.offset = offset};
    return bsearch(&want, all, n, sizeof want, synset_order);
}

/* The file of the synset and, of its hypernyms counted from the top, that at SENSE_DEPTH. */
static uint16_t sense_of(const struct synset *all, size_t n, uint32_t offset)
{
    uint32_t chain[32];
    int depth = 0;
    const struct synset *s = synset_find(all, n, offset);
    const uint8_t field = s ? s->field : 0;
    for (; s && depth < 32; s = s->hypernym ? synset_find(all, n, s->hypernym) : NULL) {
        chain[depth++] = s->offset;
    }
    if (depth == 0) {
        return 0;
    }
    const uint32_t ancestor = chain[depth > SENSE_DEPTH ? depth - 1 - SENSE_DEPTH : 0];
    return (uint16_t)((field & 31u) << 11 | (hash_mix(ancestor, 7) & 2047));
}

static int read_synsets(const char *folder, struct synset **out, size_t *n)
{
    char path[1024];
    char line[1 << 16];
    size_t room = 0;
    snprintf(path, sizeof path, "%s/data.noun", folder);
    FILE *f = fopen(path, "r");
    if (!f) {
        return err_errno("cannot read %s; Debian's package wordnet-base has it", path);
    }
    while (fgets(line, sizeof line, f)) {
        if (line[0] == ' ') {
            continue; /* the licence */
        }
        if (*n == room) {
            room = 2 * room + 4096;
            *out = xrealloc(*out, room, sizeof **out);
        }
        int bad = 0;
        (*out)[(*n)++] = parse_synset(line, &bad);
        if (bad) {
            fclose(f);
            return err_set(E_FORMAT, "%s is damaged: \"%.40s\" is no synset", path, line);
        }
    }
    fclose(f);
    sort_rows(*out, *n, sizeof **out, synset_order);
    return 0;
}

/* index.noun: lemma, "n", senses, count of symbols, symbols, senses again, tagged, offsets... */
static uint32_t first_sense(char *line)
{
    char *save = NULL;
    (void)strtok_r(line, " ", &save);
    (void)strtok_r(NULL, " ", &save);
    (void)strtok_r(NULL, " ", &save);
    const char *symbols = strtok_r(NULL, " ", &save);
    const unsigned long n = symbols ? strtoul(symbols, NULL, 10) : 0;
    for (unsigned long i = 0; i < n + 2; i++) {
        (void)strtok_r(NULL, " ", &save);
    }
    const char *offset = strtok_r(NULL, " ", &save);
    return offset ? (uint32_t)strtoul(offset, NULL, 10) : 0;
}

static int read_senses(struct trainer *t, const char *folder)
{
    struct synset *all = NULL;
    size_t n = 0;
    char path[1024];
    char line[1 << 16];
    int rc = read_synsets(folder, &all, &n);
    if (rc) {
        free(all);
        return rc;
    }
    snprintf(path, sizeof path, "%s/index.noun", folder);
    FILE *f = fopen(path, "r");
    if (!f) {
        free(all);
        return err_errno("cannot read %s", path);
    }
    while (fgets(line, sizeof line, f)) {
        const size_t m = strcspn(line, " ");
        if (is_plain(line, m)) {
            struct lexeme *l = lexeme_slot(t, hash_text(line, m));
            l->sense = sense_of(all, n, first_sense(line));
        }
    }
    fclose(f);
    free(all);
    return 0;
}

static int read_exceptions(struct trainer *t, const char *folder, const char *part, uint32_t flag,
                           struct irregular *table)
{
    char path[1024];
    char line[4096];
    snprintf(path, sizeof path, "%s/%s.exc", folder, part);
    FILE *f = fopen(path, "r");
    if (!f) {
        return err_errno("cannot read %s; Debian's package wordnet-base has it", path);
    }
    while (fgets(line, sizeof line, f)) {
        const size_t n = strcspn(line, " ");
        const char *lemma = line + n + 1;
        const size_t m = strcspn(lemma, " \n");
        if (!is_plain(line, n) || !is_plain(lemma, m)) {
            continue;
        }
        const uint64_t h = hash_mix(hash_text(line, n), flag);
        uint32_t i = (uint32_t)(h >> (64 - IRREGULAR_BITS));
        while (table[i].key && table[i].key != ((uint32_t)h | 1u)) {
            i = (i + 1) & ((1u << IRREGULAR_BITS) - 1);
        }
        if (!table[i].key) {
            table[i] = (struct irregular){(uint32_t)h | 1u, pool_add(&t->strings, lemma, m)};
        }
    }
    fclose(f);
    return 0;
}

int lexicon_build(struct trainer *t, const char *wordnet)
{
    struct irregular *table = xrealloc(NULL, 1u << IRREGULAR_BITS, sizeof *table);
    memset(table, 0, sizeof *table << IRREGULAR_BITS);
    t->lexemes = xrealloc(NULL, 1u << LEXEME_BITS, sizeof *t->lexemes);
    memset(t->lexemes, 0, sizeof *t->lexemes << LEXEME_BITS);
    t->m.lexemes = (struct lexeme_table){t->lexemes, LEXEME_BITS};
    t->m.irregulars = (struct irregular_table){table, IRREGULAR_BITS};
    int rc = read_index(t, wordnet, "noun", WORD_NOUN);
    rc = rc ? rc : read_senses(t, wordnet);
    rc = rc ? rc : read_index(t, wordnet, "verb", WORD_VERB);
    rc = rc ? rc : read_index(t, wordnet, "adj", WORD_ADJ);
    rc = rc ? rc : read_index(t, wordnet, "adv", WORD_ADV);
    rc = rc ? rc : read_exceptions(t, wordnet, "noun", WORD_NOUN, table);
    rc = rc ? rc : read_exceptions(t, wordnet, "verb", WORD_VERB, table);
    t->m.strings = t->strings.p;
    return rc;
}
