/*
 * A whole corpus for reading: every shard of the catalog, and one index over them.
 *
 * Pairs are numbered 0..n-1 in the order of their ids over all shards, media likewise (only those
 * that have a pair): both numberings are functions of what the corpus holds, not of how it was cut
 * into shards.  A pair may lie in another shard than its medium's visual record.
 *
 * corpus_open() reads every file once for its digest (about 1 GB/s; CORPUS_TRUST_DIGESTS skips
 * that) and then the keys and tables: about 60 bytes of memory a pair.  Records are unpacked when
 * they are asked for.
 *
 * One thread at a time; several threads open the corpus once each.  Open it after fork().
 */
#ifndef SHARDS_CORPUS_H
#define SHARDS_CORPUS_H

#include "shards/catalog.h"
#include "shards/sealed_shard.h"

enum corpus_flags {
    CORPUS_TRUST_DIGESTS = 1, /* compare file sizes only */
    CORPUS_QUIET = 2,         /* no progress on standard error */
};

struct corpus;

struct corpus_pair {
    struct id id;
    uint64_t group;
    uint32_t medium; /* its number */
    uint32_t shard;  /* index into the catalog's shards */
    uint32_t tokens; /* sub-tokens; 65535 = that many or more */
};

struct corpus_medium {
    struct id id;
    uint64_t group;     /* of a pair that knows another than its own number */
    uint32_t shard;     /* index into the catalog's shards */
    uint32_t regions;   /* in its visual record */
    uint32_t confident; /* of these with a confidence above 0.2 */
};

/* Opens the corpus in directory `dir`.  E_NO_FILE, E_TRUNCATED, E_CHECKSUM, E_VERSION; E_FORMAT
 * when a pair lies in two shards or its medium in none. */
int corpus_open(const char *dir, unsigned flags, struct corpus **out) MUST_CHECK;
void corpus_close(struct corpus *c);

const struct catalog *corpus_catalog(const struct corpus *c);
struct sealed_shard *corpus_shard(struct corpus *c, uint32_t shard);

uint64_t corpus_pairs(const struct corpus *c);
uint64_t corpus_media(const struct corpus *c);
const struct corpus_pair *corpus_pair(const struct corpus *c, uint64_t i);
const struct corpus_medium *corpus_medium(const struct corpus *c, uint64_t i);

/* E_NOT_FOUND. */
int corpus_find_pair(const struct corpus *c, const struct id *id, uint64_t *i) MUST_CHECK;
int corpus_find_medium(const struct corpus *c, const struct id *id, uint64_t *i) MUST_CHECK;

/* The first pair or medium whose id begins with these hexadecimal digits, and how many do:
 * E_NOT_FOUND, E_FORMAT for other characters. */
int corpus_find_prefix(const struct corpus *c, enum record_kind kind, const char *hex,
                       uint64_t *first, uint64_t *count) MUST_CHECK;

/* Decodes a record into `bytes`, which holds it until it is used again. */
int corpus_read_pair(struct corpus *c, uint64_t i, struct buf *bytes,
                     struct pair_record *out) MUST_CHECK;
int corpus_read_visual(struct corpus *c, uint64_t i, struct buf *bytes,
                       struct visual_record *out) MUST_CHECK;

/* A visual record as stored, valid until corpus_close(). */
int corpus_stored_visual(struct corpus *c, uint64_t i, struct view *stored) MUST_CHECK;

#endif
