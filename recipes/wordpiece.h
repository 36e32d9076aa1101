/*
 * WordPiece: BERT's tokenizer, exact, with the byte offsets of every sub-token in the original
 * text.
 *
 * Follows the published algorithm (Devlin et al., google-research/bert, tokenization.py) in the
 * form that UNITER, ViLBERT, LXMERT and VLP ran, pytorch-pretrained-bert's: words of more than 100
 * characters become [UNK] (not 200), private and unassigned characters are dropped like control
 * characters, and a special token that stands alone between spaces is kept whole.  First the text
 * is cleaned (Unicode's C*, U+FFFD), CJK ideographs are set apart, and what lies between white
 * space is lower-cased and stripped of its accents (NFD without Mn) if the vocabulary is uncased;
 * then every punctuation character becomes a word of its own; then each word is covered from the
 * left by the longest pieces of the vocabulary ("##" marks a continuation), or becomes [UNK] as a
 * whole.  Unicode data: utf8proc's.
 *
 * A struct wordpiece never changes after it was made: any thread may read it.  A struct
 * wordpiece_tokens belongs to one thread; it grows to the longest text it met and then allocates
 * nothing.  Time is linear in the text.  Bytes that are not UTF-8 are dropped like control
 * characters.
 */
#ifndef RECIPES_WORDPIECE_H
#define RECIPES_WORDPIECE_H

#include "common/err.h"
#include "common/record.h"

/* Longer texts are refused; vocabularies too. */
enum { WORDPIECE_TEXT_MAX = 1 << 24, WORDPIECE_VOCABULARY_MAX = 1 << 26 };

/* What recipes must know of a vocabulary. */
struct wordpiece_ids {
    uint32_t size; /* entries; ids are 0..size-1 */
    uint32_t pad;
    uint32_t unk;
    uint32_t cls;
    uint32_t sep;
    uint32_t mask;
    uint32_t random_first; /* UNITER's v_range: [id of "!", size), the ids a masked sub-token may */
    uint32_t random_end;   /* be replaced by */
};

/* AUTO: cased exactly when some entry has an ASCII capital outside of brackets. */
enum wordpiece_letters { WORDPIECE_AUTO, WORDPIECE_UNCASED, WORDPIECE_CASED };

/* BERT drops the control characters U+000B, U+000C, U+001C-1F, U+0085, which joins what they
 * separate; UNITER splits the text by Python's str.split() first, for which they are white space.
 * Other texts are split the same either way. */
enum wordpiece_split { WORDPIECE_SPLIT_BERT, WORDPIECE_SPLIT_PYTHON };

struct wordpiece;

/* Reads a vocab.txt, one entry a line, the id being the line's number from 0; of equal lines the
 * last counts.  path NULL: the vocabulary built into the program (recipes/vocab.txt).  E_NO_FILE;
 * E_FORMAT when [PAD], [UNK], [CLS], [SEP], [MASK] or "!" is missing; E_TOO_BIG. */
int wordpiece_open(const char *path, enum wordpiece_letters letters, enum wordpiece_split split,
                   struct wordpiece **out) MUST_CHECK;

/* The same from text in memory, which is copied.  `name` stands in error messages. */
int wordpiece_new(struct view vocabulary, const char *name, enum wordpiece_letters letters,
                  enum wordpiece_split split, struct wordpiece **out) MUST_CHECK;

void wordpiece_free(struct wordpiece *w);

const struct wordpiece_ids *wordpiece_ids(const struct wordpiece *w);

/* 1: texts are not lower-cased. */
int wordpiece_is_cased(const struct wordpiece *w);

/* "wordpiece/uncased/6000/<16 hex digits of the vocabulary's BLAKE2b>": equal names, equal ids.
 * Lives as long as w. */
const char *wordpiece_name(const struct wordpiece *w);

/* An entry's text as it stands in the vocabulary ("##ing"), empty for an id out of range; lives as
 * long as w. */
struct view wordpiece_piece(const struct wordpiece *w, uint32_t id);

/* The id of an entry; E_NOT_FOUND. */
int wordpiece_find(const struct wordpiece *w, struct view piece, uint32_t *id) MUST_CHECK;

/* A text's sub-tokens, and the memory it takes to find them.  A zeroed struct is empty. */
struct wordpiece_tokens {
    uint32_t n;
    uint32_t *ids;       /* [n] */
    uint32_t *beg;       /* [n] byte offsets into the text, [beg, end): the characters that the */
    uint32_t *end;       /* [n] sub-token came from, dropped accents included */
    uint8_t *word_start; /* [n] 1 where a word begins (after splitting off punctuation) */
    size_t room;
    struct wordpiece_scratch *scratch;
};

void wordpiece_tokens_release(struct wordpiece_tokens *t);

/* Replaces t by the sub-tokens of the text, without [CLS] and [SEP].  E_TOO_BIG beyond
 * WORDPIECE_TEXT_MAX bytes, E_NOMEM; t is then empty. */
int wordpiece_tokenize(const struct wordpiece *w, struct view text,
                       struct wordpiece_tokens *t) MUST_CHECK;

/* The tokens as the block of a pair record; borrows from both. */
struct token_block wordpiece_block(const struct wordpiece *w, const struct wordpiece_tokens *t);

#endif
