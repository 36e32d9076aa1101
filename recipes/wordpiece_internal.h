/*
 * The tokenizer's three parts: the vocabulary (wordpiece_vocabulary.c), characters
 * (wordpiece_text.c), and covering words by pieces (wordpiece.c).
 */
#ifndef RECIPES_WORDPIECE_INTERNAL_H
#define RECIPES_WORDPIECE_INTERNAL_H

#include "recipes/wordpiece.h"

enum { WORDPIECE_SPECIALS = 5 }; /* [PAD] [UNK] [CLS] [SEP] [MASK] */

/* An entry's text without its "##". */
struct wordpiece_entry {
    uint32_t at; /* offset into the vocabulary's bytes */
    uint32_t n;
    uint32_t hash;
    uint32_t continuation; /* 1: stood with "##" */
};

struct wordpiece {
    struct wordpiece_ids ids;
    int cased;
    enum wordpiece_split split;
    char name[80];
    unsigned char *bytes; /* the vocabulary file */
    struct wordpiece_entry *entries;
    uint32_t *slots; /* open addressing: id + 1, or 0; at most half are in use */
    uint32_t slot_mask;
    uint32_t specials[WORDPIECE_SPECIALS];
};

/* FNV-1a, a byte at a time, so that every prefix of a word gets its hash on the way. */
static inline uint64_t piece_hash_start(uint32_t continuation)
{
    return continuation ? 0x9e3779b97f4a7c15u : 0xcbf29ce484222325u;
}

static inline uint64_t piece_hash_step(uint64_t h, unsigned char byte)
{
    return (h ^ byte) * 0x100000001b3u;
}

static inline uint32_t piece_hash_finish(uint64_t h)
{
    return (uint32_t)(h ^ h >> 32);
}

/* The slot of the entry with this text, or the empty one where it would go.  p: n bytes without
 * "##"; hash: of these and `continuation`, by the three functions above. */
uint32_t *piece_slot(const struct wordpiece *w, const unsigned char *p, uint32_t n,
                     uint32_t continuation, uint32_t hash);

/* A character of a word, and the bytes of the text it came from. */
struct text_char {
    uint32_t code;
    uint32_t beg;
    uint32_t end;
};

/* Characters between two white spaces; grows. */
struct text_run {
    struct text_char *chars;
    size_t n;
    size_t room;
};

struct wordpiece_scratch {
    struct text_run raw;    /* as they stand in the text */
    struct text_run folded; /* lower-cased, decomposed, without accents */
};

enum text_class { TEXT_DROP, TEXT_SPACE, TEXT_IDEOGRAPH, TEXT_OTHER };

/* What BERT's cleaning makes of a character. */
enum text_class text_classify(uint32_t code, enum wordpiece_split split);

/* BERT's own punctuation: every ASCII symbol, and Unicode's P*. */
int text_is_punctuation(uint32_t code);

/* The character at p, of at most n > 0 bytes, and its length; bytes that are no UTF-8 come one at a
 * time as U+FFFD. */
uint32_t text_decode(const unsigned char *p, size_t n, uint32_t *length);

/* Writes at most 4 bytes; returns how many. */
uint32_t text_encode(uint32_t code, unsigned char *p);

int text_run_append(struct text_run *r, struct text_char c) MUST_CHECK;
void text_run_release(struct text_run *r);

/* Lower-cases the run as Python's str.lower() does, decomposes it (NFD), drops the marks (Mn).
 * Changes `raw` too. */
int text_fold(struct text_run *raw, struct text_run *folded) MUST_CHECK;

#endif
