/* Small corpora on disk for the tests of reading, verifying and feeding. */
#ifndef TESTS_UNIT_CORPORA_H
#define TESTS_UNIT_CORPORA_H

#include <stdint.h>
#include <sys/types.h>

#include "common/id.h"

struct corpus_shape {
    uint32_t media;
    uint32_t texts;   /* a medium */
    uint32_t shards;  /* medium m goes to shard m % shards */
    uint32_t regions; /* a medium */
    uint32_t dim;     /* of a feature */
    int scattered;    /* 1: texts may lie in another shard than their medium's visual record */
};

/* What the shards of such a corpus tell of how they were made. */
extern const char corpus_about[];

/* Fills the empty directory with sealed shards and a catalog; media and texts are those of
 * make_visual(m) and make_pair(m, t). */
void make_corpus(const char *dir, struct corpus_shape shape);

/* The path of a sealed shard of such a corpus, in a static buffer. */
const char *corpus_shard_file(const char *dir, uint32_t number);

/* Flips one bit of the byte at an offset, read-only file or not; twice is as before. */
void flip_byte(const char *path, off_t at);

/* Where in a shard's file the middle of a medium's stored record is. */
off_t inside_record(const char *path, const struct id *medium);

#endif
