/*
 * Making the model: what the train_*.c files share.  Training runs once, on a developer's machine;
 * it keeps everything in memory and may exit the process on exhaustion through xrealloc().
 *
 *     train_memory.c          memory, rows in order, strings
 *     train_examples.c        annotated captions, as words and as tags
 *     train_csv.c             FACTUAL's CSV -> examples (caption and facts)
 *     train_marked.c          captions marked in place -> examples (caption and spans)
 *     train_lexicon.c         WordNet's files -> word and lemma tables
 *     train_align.c           facts -> spans of the caption's words
 *     train_align_words.c     when two words are one
 *     train_align_phrases.c   when words say a gold string
 *     train_align_synonyms.c  words that say it under another name
 *     train_align_spans.c     which words are taken, and the spans of them
 *     train_align_objects.c   where objects and their attributes stand
 *     train_align_relations.c where relations stand
 *     train_names.c           what nodes are called, given their words
 *     train_features.c        features by 64-bit key, orders, exp
 *     train_tagger.c          the conditional random field
 *     train_jackknife.c       what it finds in examples that it did not see
 *     train_rank.c            a ranker's weights
 *     train_links.c           the rankers of owners and relations
 *     train_readings.c        the ranker of readings
 *     train_score.c           how well the model does on what it did not see
 *     train_write.c           the model file
 *     train.c                 the order of it all
 */
#ifndef SCENEPARSE_TRAIN_INTERNAL_H
#define SCENEPARSE_TRAIN_INTERNAL_H

#include <stdio.h>

#include "sceneparse/sceneparse_internal.h"
#include "sceneparse/train.h"

void *xrealloc(void *p, size_t count, size_t size);

/* qsort(), also for no rows at NULL. */
void sort_rows(void *rows, size_t n, size_t size, int (*order)(const void *, const void *));

/* ---- strings: each kept once, named by its offset ---- */

struct pool {
    char *p;
    uint32_t n, room;
    uint32_t *slots; /* offset + 1 */
    uint32_t bits, used;
};
uint32_t pool_add(struct pool *p, const char *s, size_t n);

/* ---- examples ---- */

enum { NO_STRING = 0xffffffffu };
/* subject, relation, object; or subject and attribute (relation NO_STRING); or the subject alone.
 * All are strings of the pool; of two objects of one name the second is called "man:1". */
struct fact {
    uint32_t subject, relation, object;
    int8_t is_attribute;
};

struct gold_edge {
    uint16_t subject, object, relation; /* spans; REL_UNSAID */
    uint32_t label;
};

struct example {
    const char *caption;
    uint32_t caption_n;
    uint32_t fact_count;
    struct fact *facts;
    uint16_t span_count, owner_count, edge_count;
    struct span *spans; /* in the order of their words */
    uint32_t *labels;   /* of spans */
    struct owner_edge *owners;
    struct gold_edge *edges;
};

struct examples {
    struct example *e;
    uint32_t n;
    char *texts[TRAIN_CAPTIONS_MAX]; /* the files, in which the captions stand */
    int text_count;
};

/* The file with a NUL behind it; the caller frees it. */
int text_read(const char *path, char **out, size_t *n) SG_MUST_CHECK;

/* Appends the file's rows; *hash becomes the XXH3 of its bytes. */
int examples_read(const char *path, struct pool *pool, struct examples *out,
                  uint64_t *hash) SG_MUST_CHECK;

void examples_free(struct examples *x);

/* ---- training's state ---- */

struct trainer {
    struct sg_model m; /* tables as far as they are built */
    struct pool strings;
    struct examples examples;
    struct examples marked; /* spans alone: no labels, owners, edges */
    uint64_t csv_hash;
    uint64_t graphs_hash;
    uint32_t csv_n;       /* examples of the CSV; those up to train_n are the other graphs' */
    uint64_t marked_hash; /* of all their files together */
    uint32_t train_n;     /* examples from here on are for scoring alone */
    uint32_t strings_n;   /* bytes of `strings` that the model needs */
    const struct train_options *options;
    struct segment *s; /* scratch */
    struct lexeme *lexemes;
};

int lexicon_build(struct trainer *t, const char *wordnet) SG_MUST_CHECK;
/* Adds a class (1..255), WORD_TRAINED and how often training met it to a word. */
void lexicon_set_class(struct trainer *t, uint64_t form, uint8_t class, uint32_t times);

/* Appends captions with their nodes marked in place to t->marked. */
int marked_read(const char *path, struct trainer *t) SG_MUST_CHECK;

/* Whether example i takes no part in training. */
int left_out(const struct trainer *t, uint32_t i);

/* The example's words, analysed, into t->s. */
void example_load(struct trainer *t, const struct example *e);

/* Which of the example's spans has these words and this type; -1: none. */
int example_span(const struct example *e, const struct span *span);

/* The tags of so many words with these nodes. */
void tags_from_spans(const struct span *spans, uint32_t n, uint8_t *tags, uint32_t words);

/* Aligns every example by what those that are not left out teach; the caller frees what it returns.
 */
struct alignment;
struct alignment *align_all(struct trainer *t);
/* Aligns examples that came since, from `first` on. */
void align_from(struct alignment *a, uint32_t first);
void alignment_free(struct alignment *a);
void classes_build(struct trainer *t);
void names_build(struct trainer *t);

/* Trains on all examples but those of `fold` (of `folds`; -1: on all) into a packed table. */
void tagger_train(struct trainer *t, int fold, int folds, struct tagger_model *out);
/* The readings of examples by taggers that did not see them: example i, and marked caption i, by
 * one that did not see fold i % folds. */
struct tagged {
    uint32_t n;
    struct reading *readings;
};
struct jackknife {
    struct tagged *examples;
    struct tagged *marked;
};
struct jackknife tagger_jackknife(struct trainer *t, int folds);
void jackknife_free(const struct trainer *t, struct jackknife *j);
/* The example's words and its readings into t->s. */
void tagged_load(struct trainer *t, const struct example *e, const struct tagged *tagged);

/* Rankers that did not see the examples of one fold. */
struct link_fold {
    struct rank_table owners;
    struct rank_table relations;
};
/* Which places of subject, object and relation words occur often enough to be candidates. */
void places_build(struct trainer *t, const struct tagged *tagged);
/* Fit to all examples but those of a fold (-1: to all). */
struct rank_table owners_fit(struct trainer *t, const struct tagged *tagged, int fold, int folds);
struct rank_table relations_fit(struct trainer *t, const struct tagged *tagged, int fold,
                                int folds);
/* These two set t->m.owner_rank and t->m.relation_rank to each fold's in turn. */
struct rank_table choice_fit(struct trainer *t, const struct tagged *tagged,
                             const struct link_fold *without, int folds);
struct rank_table readings_fit(struct trainer *t, const struct jackknife *tagged,
                               const struct link_fold *without, int folds);

/* Compares what the model finds in the examples that were left out with what stands there. */
void score_left_out(struct trainer *t, FILE *out);

/* Whether the model can be written to `path` when training is through. */
int model_folder_check(const char *path) SG_MUST_CHECK;
int model_write(struct trainer *t, const char *path, const char *provenance) SG_MUST_CHECK;

/* ---- AdaGrad (Duchi, Hazan, Singer, JMLR 2011), for the field and the rankers ---- */

#define RATE      0.1f /* falls linearly over the epochs to LAST_RATE */
#define LAST_RATE 0.003f
#define DECAY     0.0005f /* of weights, at each step that touches them */
/* Added to the sums of squared gradients: near 0, each rare feature takes a full step at its first
 * sight, and the model learns its captions by heart (2 points of SPICE-F). */
#define DAMPING 1.0f
/* The weights that stay are the mean over the ends of the last epochs. */
enum { MEAN_EPOCHS = 3 };

/* ---- features in training: exact, by 64-bit key ---- */

struct feature_map {
    uint64_t *keys;
    uint32_t *ids;
    uint32_t bits, n;
    uint32_t *counts; /* [n] */
    uint64_t *key_of; /* [n] */
    uint32_t room;
};
void features_init(struct feature_map *f);
void features_free(struct feature_map *f);
uint32_t features_id(struct feature_map *f, uint64_t key);

/* exp and nothing else of the mathematics library: training must give the same bytes on every
 * machine, and libm's last bit depends on the processor. */
double exact_exp(double x);

/* A weight in 8 bits, in steps of 1 / scale. */
int8_t pack_weight(float w, int scale);

/* 0..n-1 in a pseudo-random order that depends on n and the seed alone. */
void shuffle(uint32_t *order, uint32_t n, uint64_t seed);

#endif
