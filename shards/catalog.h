/*
 * The catalog: catalog.json in a corpus directory, the list of the sealed shards that make up the
 * corpus.  Only the broker writes it; what it does not list is not part of the corpus.
 *
 * Saving is atomic and durable (temporary file, fsync, rename, fsync of the directory): a reader
 * sees the old list or the new one.
 */
#ifndef SHARDS_CATALOG_H
#define SHARDS_CATALOG_H

#include "shards/manifest.h"

enum { CATALOG_VERSION = 1 };
#define CATALOG_FILE "catalog.json"

struct catalog_shard {
    char *file; /* relative to the corpus directory, or absolute */
    struct shard_manifest manifest;
};

struct catalog {
    char *corpus; /* its name */
    size_t n;
    struct catalog_shard *shards; /* ordered by number */
};

/* An empty catalog of that name (copied). */
int catalog_init(struct catalog *c, const char *corpus) MUST_CHECK;
void catalog_release(struct catalog *c);

/* Reads dir/catalog.json.  E_NO_FILE, E_FORMAT, E_VERSION; on error *c is released. */
int catalog_load(struct catalog *c, const char *dir) MUST_CHECK;
int catalog_save(const struct catalog *c, const char *dir) MUST_CHECK;

/* Adds a shard, or replaces nothing when one of the same number and digests is there already
 * (0 again: a commit that is repeated).  E_EXISTS when the number is taken by another content. */
int catalog_add(struct catalog *c, const char *file, const struct shard_manifest *m) MUST_CHECK;

/* The shard of that number, or NULL. */
const struct catalog_shard *catalog_find(const struct catalog *c, uint32_t number);

uint64_t catalog_pairs(const struct catalog *c);
uint64_t catalog_media(const struct catalog *c);

/* Where a shard's file is, given the corpus directory; E_TOO_BIG. */
int catalog_shard_path(const char *dir, const struct catalog_shard *s,
                       char out[SHARD_PATH_MAX]) MUST_CHECK;

#endif
