/* Small corpora on disk for the tests of reading, verifying and feeding. */
#ifndef TESTS_UNIT_CORPORA_H
#define TESTS_UNIT_CORPORA_H

#include <stdint.h>

struct corpus_shape {
    uint32_t media;
    uint32_t texts;   /* a medium */
    uint32_t shards;  /* medium m goes to shard m % shards */
    uint32_t regions; /* a medium */
    uint32_t dim;     /* of a feature */
    int scattered;    /* 1: texts may lie in another shard than their medium's visual record */
};

/* Fills the empty directory with sealed shards and a catalog; media and texts are those of
 * make_visual(m) and make_pair(m, t). */
void make_corpus(const char *dir, struct corpus_shape shape);

/* The path of a sealed shard of such a corpus, in a static buffer. */
const char *corpus_shard_file(const char *dir, uint32_t number);

#endif
