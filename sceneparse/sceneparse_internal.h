/*
 * What the files of sceneparse/ share: words as the parser sees them, the model's tables, and the
 * stages of a parse.  A segment is a sentence, or a piece of one that is too long.
 *
 *     tokens.c     caption bytes -> words of one segment
 *     words.c      what the lexicon knows of a word: parts of speech, lemmas, class
 *     gate.c       whether the words are a caption at all
 *     tagger.c     words -> nodes (spans of words of one type)
 *     owners.c     attribute nodes -> their owners
 *     relations.c  pairs of objects -> relations that may hold
 *     choice.c     which of them do, in view of each other
 *     readings.c   which of the tagger's sequences is the best
 *     parser.c     the whole, and the graph that comes out
 *     model.c      the model file
 *     train*.c     the model file's making
 */
#ifndef SCENEPARSE_SCENEPARSE_INTERNAL_H
#define SCENEPARSE_SCENEPARSE_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "sceneparse/sceneparse.h"

enum {
    SEGMENT_MAX = 120, /* words; a longer sentence is cut */
    WORD_MAX = 64,     /* bytes of a word; a longer one is noise */
    MARGIN = 3,        /* boundary words on each side of a segment, so features need no checks */
    NODE_MAX = SEGMENT_MAX,
    LABEL_MAX = 160, /* bytes of a node's label, NUL included */
};

/* ---- hashing: every feature and every table key is a 64-bit hash ---- */

static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b * 0x9e3779b97f4a7c15u)) * 0xd6e8feb86659fd93u;
    return x ^ (x >> 32);
}

uint64_t hash_text(const char *p, size_t n);

/* ---- words ---- */

enum word_flag {
    WORD_NOUN = 1, /* WordNet knows the word, or its lemma, as such */
    WORD_VERB = 2,
    WORD_ADJ = 4,
    WORD_ADV = 8,
    WORD_TRAINED = 16,  /* seen often enough in the training captions to have a class */
    WORD_SUFFIXED = 32, /* an inflected verb form (-s, -ed, -ing or irregular) */
    WORD_PLURAL = 64,
    WORD_PUNCT = 128,
    WORD_DIGIT = 256,
    WORD_CAPS = 512, /* two letters or more, all of them capitals */
    WORD_INITIAL = 1024,
    WORD_FOREIGN = 2048,  /* letters of another script, or bytes that are not UTF-8 */
    WORD_NOISE = 4096,    /* hashtag, @name, file name, address, longer than WORD_MAX */
    WORD_STOP = 8192,     /* ends a sentence */
    WORD_RESPELT = 16384, /* read as another word, one letter away */
    WORD_KNOWN = 15,      /* any of WordNet's four */
};

struct text {
    const char *p;
    uint32_t n;
};

struct word {
    uint32_t token; /* index among the caption's tokens */
    uint32_t flags;
    struct text text; /* lower case */
    struct text noun; /* the singular, or text itself */
    struct text verb; /* the infinitive, or text itself */
    uint64_t form;    /* hashes of the three */
    uint64_t noun_hash;
    uint64_t verb_hash;
    uint64_t suffix; /* of the last three bytes */
    uint64_t field;  /* WordNet's file of the noun's first sense: person, artifact, food ... */
    uint64_t sense;  /* and a hypernym of it, "clothing" */
    uint64_t class;  /* how the training captions use it; by part of speech and ending if rare */
};

/* ---- nodes and edges of one segment ---- */

enum tag { TAG_O, TAG_B_OBJECT, TAG_I_OBJECT, TAG_B_ATTR, TAG_I_ATTR, TAG_B_REL, TAG_I_REL, TAGS };

/* What the tagger remembers of the words so far: the last tag, and where that is O, of which type
 * the last node before it was (TAG_O itself: none yet). */
enum state { STATE_O_OBJECT = TAGS, STATE_O_ATTR, STATE_O_REL, STATES };

static inline uint8_t state_tag(int state)
{
    return (uint8_t)(state < TAGS ? state : TAG_O);
}

/* The state after one more word. */
static inline int state_after(int state, int tag)
{
    static const uint8_t outside[STATES] = {
        [TAG_O] = TAG_O,
        [TAG_B_OBJECT] = STATE_O_OBJECT,
        [TAG_I_OBJECT] = STATE_O_OBJECT,
        [TAG_B_ATTR] = STATE_O_ATTR,
        [TAG_I_ATTR] = STATE_O_ATTR,
        [TAG_B_REL] = STATE_O_REL,
        [TAG_I_REL] = STATE_O_REL,
        [STATE_O_OBJECT] = STATE_O_OBJECT,
        [STATE_O_ATTR] = STATE_O_ATTR,
        [STATE_O_REL] = STATE_O_REL,
    };
    return tag == TAG_O ? outside[state] : tag;
}

/* Words [beg, end) of the segment. */
struct span {
    uint16_t type; /* enum sg_node_type */
    uint16_t beg;
    uint16_t end;
};

struct owner_edge {
    uint16_t attribute; /* indexes of spans */
    uint16_t owner;
};

enum { REL_UNSAID = 0xffff };
struct relation_edge {
    uint16_t subject;
    uint16_t object;
    uint16_t relation; /* the span that says it, or REL_UNSAID */
    uint32_t label;    /* offset of its label in the model's strings; STRING_NONE: the lemmas */
    int32_t score;     /* of the second look */
};

/* A relation that may hold. */
struct candidate {
    uint16_t subject;
    uint16_t object;
    uint16_t relation; /* span or REL_UNSAID */
    uint32_t label;
    uint32_t weight; /* of its name */
    int32_t score;   /* of the first look */
};

enum { REACH = 8, BEST = 3, PAIRS_MAX = NODE_MAX * (REACH + 1) };
/* Two objects and the best candidates of the first look, highest score first. */
struct pair {
    uint16_t left;
    uint16_t right;
    uint32_t n;
    struct candidate best[BEST];
};

/* Where the tagger hesitates, a sentence has up to READINGS readings; those of at most LINK_AGAIN
 * words are chosen between by their whole graphs, longer ones, which take long to link, by their
 * nodes. */
enum { READINGS = 4, READING_MARGIN = 40, LINK_AGAIN = 8 };
/* One way to tag the sentence. */
struct reading {
    int loss;      /* how much less than the best one it scores: 0..READING_MARGIN */
    uint32_t free; /* words [0, free) go the best way from there */
    uint8_t tags[SEGMENT_MAX];
};

struct segment {
    uint32_t n;
    uint32_t reading_count;
    struct reading readings[READINGS]; /* best first */
    uint32_t span_count;
    uint32_t owner_count;
    uint32_t relation_count;
    uint32_t pair_count;
    struct word words[SEGMENT_MAX + 2 * MARGIN]; /* word i stands at [MARGIN + i] */
    uint8_t tags[SEGMENT_MAX];
    struct span spans[NODE_MAX];   /* in the order of their words */
    uint64_t span_words[NODE_MAX]; /* hashes of what relations say: verb_hash, then forms */
    /* How many spans of each type stand before span i. */
    uint16_t before[NODE_MAX + 1][SG_RELATION + 1];
    struct owner_edge owners[2 * NODE_MAX];
    int16_t owner_scores[2 * NODE_MAX];
    uint8_t linked[NODE_MAX]; /* how many edges a span has */
    struct pair pairs[PAIRS_MAX];
    struct relation_edge relations[4 * NODE_MAX];
    char lemmas[SEGMENT_MAX * (4 * WORD_MAX)]; /* the words' texts stand here */
    uint32_t lemmas_used;
};

static inline const struct word *word_at(const struct segment *s, int i)
{
    return &s->words[MARGIN + i];
}

/* ---- the model's tables, mapped or being built ---- */

enum { STRING_NONE = 0xffffffffu };

/* Open addressing by the upper bits of a 64-bit key; `key` is its lower half, 0 = empty. */
struct lexeme {
    uint32_t key;
    uint8_t flags; /* WORD_NOUN ... WORD_TRAINED; upper three bits: how frequent in training */
    uint8_t class;
    uint16_t sense; /* of a noun's first sense: WordNet's file in 5 bits, its ancestor in 11 */
};

enum { LEXEME_FLAGS = 31 };

/* 0: seldom or never in the training captions; each step up four times more frequent. */
static inline unsigned lexeme_frequency(const struct lexeme *l)
{
    return l->flags >> 5;
}

struct irregular {
    uint32_t key;   /* of the form and the part of speech */
    uint32_t lemma; /* in strings */
};

/* What training calls nodes whose words hash to `key`. */
struct naming {
    uint32_t key;
    uint32_t first; /* in names */
    uint32_t count;
};

struct name {
    uint32_t string; /* STRING_NONE: the lemmas of the words themselves */
    uint32_t weight; /* twice the log2 of how often, rounded; odd: the lemmas of the words */
};

/* Eight bytes: the weights of TAGS tags and a check byte, which tells a feature that was trained
 * from one that merely lands on the same row. */
struct tag_row {
    int8_t w[TAGS];
    uint8_t check;
};

struct rank_row {
    int8_t w;
    uint8_t check;
};

struct lexeme_table {
    const struct lexeme *slots;
    uint32_t bits;
};

struct irregular_table {
    const struct irregular *slots;
    uint32_t bits;
};

struct naming_table {
    const struct naming *slots;
    uint32_t bits;
    const struct name *names;
};

struct rank_table {
    const struct rank_row *rows;
    uint32_t bits;
};

enum { FORBIDDEN = -16000 }; /* a transition */

/* Vectors of states have some unused at the end, for the processor's sake. */
enum { LANES = 16 };
_Static_assert((int)STATES <= (int)LANES, "states overflow their lanes");

struct tagger_model {
    const struct tag_row *rows;
    uint32_t bits;
    const int16_t *transitions; /* [STATES + 1][LANES]: from; STATES: from the beginning */
};

enum { FREQUENT_BYTES = 8192 };

struct sg_model {
    void *map;
    size_t size;
    const char *provenance;
    const char *strings;
    struct lexeme_table lexemes;
    struct irregular_table irregulars;
    struct naming_table namings;
    struct tagger_model tagger;
    struct rank_table owner_rank;
    struct rank_table relation_rank;
    struct rank_table choice_rank;
    struct rank_table reading_rank;
    const uint8_t *relation_places; /* [PLACES]: 1 where training saw a relation so placed */
    const uint32_t *unsaid;         /* labels of relations that no word says, most frequent first */
    uint32_t unsaid_count;
    uint8_t frequent[FREQUENT_BYTES]; /* which words a misspelt one may be meant for */
};

/* ---- stages ---- */

enum reach { READ_SENTENCE, READ_ALL };
/* Reads words from text[*pos..n) up to the end of a sentence (or, with READ_ALL, of the text) or
 * SEGMENT_MAX words, and advances *pos; appends each token's bytes to `tokens`, which has room for
 * SEGMENT_MAX more. */
void segment_read(struct segment *s, const char *text, size_t n, size_t *pos, enum reach reach,
                  struct sg_token *tokens, uint32_t *token_count);

/* Fills what the lexicon knows into the segment's words. */
void segment_analyse(const struct sg_model *m, struct segment *s);

/* Fills m->frequent from the lexemes. */
void words_sieve(struct sg_model *m);

/* Makes a word one that training never met; `salt` tells such words apart. */
void word_forget(struct word *w, uint64_t salt);

/* "the", "a", "an": inside a relation's words they say nothing ("on the back of": "on back of"). */
int word_is_article(const struct word *w);

/* Whether the words are an English caption; marks boilerplate among them as noise. */
int segment_is_caption(struct segment *s);

/* The lexicon's flags and class of a hashed word; 0 when unknown. */
const struct lexeme *lexeme_find(const struct lexeme_table *t, uint64_t form);

enum { TAGGER_FEATURES = 40 };
/* The features of word i; TAGGER_FEATURES keys at most. */
int tagger_features(const struct segment *s, int i, uint64_t keys[TAGGER_FEATURES]);
/* The best sequences of tags into s->readings (Viterbi), the best of them into s->tags. */
void tagger_run(const struct tagger_model *m, struct segment *s);
/* s->spans from s->tags. */
void segment_spans(struct segment *s);

/* Weights are stored in twentieths of a nat. */
enum { RANK_FEATURES = 64, RANK_SCALE = 20, TAG_SCALE = 20 };
/* A growing list of feature keys. */
struct keys {
    int n;
    uint64_t k[RANK_FEATURES];
};

int rank_score(const struct rank_table *t, const struct keys *k);

/* The features of `owner` as the owner of `attribute` (indexes of spans). */
void owner_features(const struct segment *s, int attribute, int owner, struct keys *k);
void owners_run(const struct sg_model *m, struct segment *s);
/* Gives attributes without an owner the likeliest one, if it is not too unlikely. */
void owners_rescue(const struct sg_model *m, struct segment *s);

enum { PLACES = 1024, CANDIDATES_MAX = 96 };
/* How subject, object and relation span stand to each other, below PLACES. */
unsigned relation_place(const struct segment *s, int subject, int object, int relation);
/* Everything that may hold between objects `left` and `right`, in either direction; candidates of
 * one direction stand together, and in it those of one relation span. */
int relation_candidates(const struct sg_model *m, const struct segment *s, int left, int right,
                        struct candidate out[CANDIDATES_MAX]);
/* Features of the two objects alone, of a direction and relation words, and of the label. */
void relation_pair_features(const struct segment *s, int left, int right, struct keys *k);
void relation_span_features(const struct segment *s, const struct candidate *c, struct keys *k);
void relation_label_features(const struct segment *s, const struct candidate *c, struct keys *k);
/* The first look, s->pairs: every pair of near objects by itself. */
void relations_propose(const struct sg_model *m, struct segment *s);
/* The second look: each pair again, in view of what the first look found for the others. */
void choice_features(const struct segment *s, const struct pair *pair, uint32_t which,
                     struct keys *k);
/* Both looks, into s->relations. */
void relations_run(const struct sg_model *m, struct segment *s);
/* Gives relation words without a place the objects on their two sides. */
void relations_rescue(struct segment *s);

/* A reading's spans and, if the sentence is short, their links. */
void reading_take(const struct sg_model *m, struct segment *s, uint32_t which);
/* The features of the reading that was taken, in parts. */
uint32_t reading_parts(const struct segment *s);
void reading_features(const struct segment *s, uint32_t which, uint32_t part, struct keys *k);
/* Takes the best reading and links it; what it leaves loose is linked as best it can. */
void readings_run(const struct sg_model *m, struct segment *s);

/* The key under which a span's names are kept. */
uint64_t span_naming_key(const struct segment *s, const struct span *span);
const struct naming *naming_find(const struct naming_table *t, uint64_t key);
/* The lemmas of the span's words, joined by blanks, NUL-terminated; returns the length. */
size_t span_lemmas(const struct segment *s, const struct span *span, char out[LABEL_MAX]);

#endif
