/* What the files of the shards room share about the inside of a shard. */
#ifndef SHARDS_SHARD_INTERNAL_H
#define SHARDS_SHARD_INTERNAL_H

#include <jansson.h>
#include <lmdb.h>

#include "shards/open_shard.h"
#include "shards/value.h"

enum { JSON_LIMIT = 64 << 20 }; /* bytes of a manifest, a catalog, an about */

/* Address space for an LMDB file; sparse, costs nothing until used. */
#define SHARD_MAP_BYTES ((size_t)1 << 38)

/* Named databases of a shard file: keys and values in docs/shard-format.md. */
#define DB_META   "meta"
#define DB_VISUAL "visual"
#define DB_PAIR   "pair"
#define DB_MARK   "mark"  /* open shards only */
#define DB_TABLE  "table" /* sealed shards only */

#define META_SHARD "shard"
#define META_ABOUT "about"

#define META_CLASSES "classes" /* member of META_SHARD: see sealed_shard_classes() */

#define TABLE_DICTIONARY  "dictionary"
#define TABLE_PAIR_GROUP  "pair.group"     /* u64 a pair, in key order */
#define TABLE_PAIR_LENGTH "pair.length"    /* u16 a pair: sub-tokens, 65535 = that many or more */
#define TABLE_PAIR_MEDIUM "pair.medium"    /* 32 bytes a pair */
#define TABLE_REGIONS     "visual.regions" /* 2 u16 a medium: regions, those with conf > 0.2 */

/* An LMDB status as a code and a sentence: "PATH: what failed: why". */
int shard_lmdb_error(int status, const char *path, const char *what);

/* Opens an LMDB file of one writer or of readers only; `flags` beyond NOSUBDIR and NOLOCK. */
int shard_env_open(const char *path, unsigned flags, MDB_env **out) MUST_CHECK;

/* Opens a named database in a transaction of its own. */
int shard_db_open(MDB_env *env, const char *path, const char *name, bool create,
                  MDB_dbi *out) MUST_CHECK;

static inline MDB_val shard_val(const void *p, size_t n)
{
    return (MDB_val){n, (void *)p};
}

/* BLAKE2b-256 over the tables DB_VISUAL, DB_PAIR and DB_TABLE: for each its name with its NUL, then
 * for each entry in key order u32 key length, key, u64 value length, value. */
int shard_content_digest(MDB_env *env, const char *path, struct id *out) MUST_CHECK;

/* NULL and an error, or a new JSON object with the manifest's members; and back. */
json_t *manifest_to_json(const struct shard_manifest *m);
int manifest_from_json(const json_t *o, const char *path, struct shard_manifest *out) MUST_CHECK;

/* Writes a JSON document durably. */
int json_save(const char *path, const json_t *o) MUST_CHECK;
/* Reads one; *out must be released with json_decref. */
int json_load(const char *path, json_t **out) MUST_CHECK;

/* ---- the open shard, shared by open_shard.c and seal.c ---- */

struct open_shard {
    char dir[SHARD_PATH_MAX];
    char path[SHARD_PATH_MAX];
    uint32_t number;
    int fd; /* holds the flock */
    MDB_env *env;
    MDB_dbi meta;
    MDB_dbi visual;
    MDB_dbi pair;
    MDB_dbi mark;
    struct value_coder *coder;
    struct buf record;
    struct buf stored;
};

/* The steps of open_shard_seal(), in order.  Each leaves the directory in a state from which
 * adopting the shard recovers; tests stop between them. */
int seal_transcode(struct open_shard *s, struct shard_manifest *m) MUST_CHECK; /* writes .mdb.tmp */
int seal_publish(struct open_shard *s, struct shard_manifest *m) MUST_CHECK;   /* renames it */
int seal_manifest(struct open_shard *s, struct shard_manifest *m) MUST_CHECK;  /* .json */
int seal_discard(struct open_shard *s, struct shard_manifest *m) MUST_CHECK;   /* deletes .open */

#endif
