/*
 * Verifying a corpus: every byte read, every promise of docs/shard-format.md checked.
 *
 *     each file     size and digest as in the catalog, content digest as in the catalog
 *     each record   frame checksum, codec, key = the record's own id, tables = the records
 *     the whole     counts as in the catalog, no pair twice, every pair's medium present
 *
 * A problem is one sentence that names shard and key.  A file whose digest is wrong is walked in a
 * child process, since a damaged B-tree may crash its reader: what can be named is named, and a
 * child that dies is itself reported.  Call before starting threads.
 */
#ifndef SHARDS_VERIFY_H
#define SHARDS_VERIFY_H

#include "shards/catalog.h"

struct verify_sink {
    void (*checked)(void *ctx, const char *sentence); /* something was found right */
    void (*problem)(void *ctx, const char *sentence);
    void *ctx;
};

struct verify_totals {
    uint64_t shards;
    uint64_t bytes;
    uint64_t pairs;
    uint64_t media;
    uint64_t problems;
};

/* 0 when everything could be looked at, however many problems there were (totals->problems); an
 * error when there is no readable catalog or no memory. */
int verify_corpus(const char *dir, const struct verify_sink *sink,
                  struct verify_totals *totals) MUST_CHECK;

#endif
