/*
 * What the train_align*.c files share: the alignment of one example, and how its parts find words
 * of the caption.  An alignment serves one example after another and keeps what it learned of
 * synonyms; the trainer and the example are borrowed.
 */
#ifndef SCENEPARSE_TRAIN_ALIGN_H
#define SCENEPARSE_TRAIN_ALIGN_H

#include "sceneparse/train_internal.h"

enum { PHRASE_MAX = 8, OBJECTS_MAX = 64 };

/* A gold string's words. */
struct phrase {
    uint32_t string;
    int n;
    struct word w[PHRASE_MAX];
    char text[64];
};

struct named {
    uint32_t name;   /* with its ":1" */
    struct phrase p; /* without */
    int index;       /* 1 of ":1" */
    int beg, end;    /* words; beg < 0: not found */
};

struct synonym;

/* Everything known of the example being aligned. */
struct alignment {
    struct trainer *t;
    struct segment *s; /* the caption */
    const struct example *e;
    uint8_t claimed[SEGMENT_MAX]; /* enum sg_node_type, 0 = free */
    struct named objects[OBJECTS_MAX];
    int object_count;
    struct span spans[4 * SEGMENT_MAX];
    uint32_t labels[4 * SEGMENT_MAX];
    uint16_t owner_of[4 * SEGMENT_MAX][2]; /* (attribute, owner) */
    int span_count, owner_count, edge_count;
    struct gold_edge edges[4 * SEGMENT_MAX];
    struct synonym *synonyms; /* sorted */
    size_t synonym_count;
    struct synonym *seen; /* free words beside names that found none; key 0: any free words */
    size_t seen_count, seen_room;
};

/* How freely a gold string may differ from the caption's words. */
enum freedom { EXACT, SPELLED_ALIKE, SAID_OTHERWISE, FREEDOMS };

/* ---- words ---- */

/* Whether two words are one, in whatever form; of a number, in letters and in digits. */
int same_word(const struct word *a, const struct word *b);
/* Whether the word is one of n. */
int word_says_any(const struct word *w, const char *const *words, size_t n);
/* Whether it is no word, or one like "the" and "is", which says nothing by itself. */
int word_is_filler(const struct word *w);

/* ---- phrases ---- */

/* A name without its number: "man" of "man:1". */
uint32_t gold_base_name(struct trainer *t, uint32_t name);
/* The words of a gold string, analysed, without its number. */
void phrase_read(struct trainer *t, uint32_t string, struct phrase *out);
/* How many words from i on say the phrase; 0: they do not. */
int phrase_stands_at(const struct alignment *a, const struct phrase *p, int i, uint8_t type,
                     enum freedom freedom);

/* ---- synonyms ---- */

/* Whether words i..i+n were learned to be another word for the name. */
int is_synonym(const struct alignment *a, int i, int n, uint8_t type, uint32_t name);
/* Remembers which free words stand in a caption in which `name` found none. */
void note_unplaced_name(struct alignment *a, uint32_t name, uint8_t type);
/* Remembers the words that stayed free, whatever was missing. */
void note_free_words(struct alignment *a);
/* The synonyms of what was remembered, which it forgets. */
void learn_synonyms(struct alignment *a);

/* ---- spans ---- */

/* Whether words i..i+n may be taken for a node of the type. */
int span_is_open(const struct alignment *a, int i, int n, uint8_t type);
/* Marks words [beg, end) as the type's. */
void span_claim(struct alignment *a, int beg, int end, uint8_t type);
/* How many words stand between two spans. */
int span_gap(int beg, int end, int beg2, int end2);
/* The index of the span, which is added unless it is there. */
int add_span(struct alignment *a, int beg, int end, uint16_t type, uint32_t label);
/* A part of the span would be shared with another span of the type: such facts are left out. */
int splits_span(const struct alignment *a, int beg, int end, uint16_t type);

/* ---- places ---- */

/* The object of this name, number and all; NULL if there is none. */
struct named *object_of(struct alignment *a, uint32_t name);
/* The index of the span of an object that found words, which is added unless it is there. */
int object_span(struct alignment *a, const struct named *o);
/* Collects the example's objects and finds their words. */
void place_objects(struct alignment *a);
/* "Two giraffes beside each other": the second giraffe stands in the same words as the first. */
void place_twins(struct alignment *a);
/* Finds the words of the example's attributes, near their owners. */
void place_attributes(struct alignment *a);
/* Adds the fact's edge, with the words that say or evoke it if there are such. */
void place_relation(struct alignment *a, const struct fact *f);

#endif
