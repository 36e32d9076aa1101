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

void lexicon_set_class(struct trainer *t, uint64_t form, uint8_t class)
{
    struct lexeme *l = lexeme_slot(t, form);
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
    int rc = read_index(t, wordnet, "noun", WORD_NOUN);
    rc = rc ? rc : read_index(t, wordnet, "verb", WORD_VERB);
    rc = rc ? rc : read_index(t, wordnet, "adj", WORD_ADJ);
    rc = rc ? rc : read_index(t, wordnet, "adv", WORD_ADV);
    rc = rc ? rc : read_exceptions(t, wordnet, "noun", WORD_NOUN, table);
    rc = rc ? rc : read_exceptions(t, wordnet, "verb", WORD_VERB, table);
    t->m.lexemes = (struct lexeme_table){t->lexemes, LEXEME_BITS};
    t->m.irregulars = (struct irregular_table){table, IRREGULAR_BITS};
    t->m.strings = t->strings.p;
    return rc;
}
