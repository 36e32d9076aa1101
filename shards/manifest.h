/*
 * A sealed shard's manifest: what it holds and how its bytes can be recognised.  It lies beside the
 * shard as NNNNNN.json and is written last, so a shard without a complete manifest is not sealed.
 *
 * The files of shard 7 in a directory: 000007.open while one worker writes it, 000007.mdb and
 * 000007.json once sealed; *.tmp is left over by a crash and worth nothing.
 */
#ifndef SHARDS_MANIFEST_H
#define SHARDS_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/id.h"

enum {
    SHARD_FORMAT = 1, /* of the shard's file: docs/shard-format.md */
    MANIFEST_FORMAT = 1,
    SHARD_PATH_MAX = 512,
};

struct shard_manifest {
    uint32_t number;
    uint64_t pairs;
    uint64_t media;        /* visual records in this shard */
    uint64_t jobs;         /* staged jobs whose records these are */
    uint64_t fingerprint;  /* of those jobs; by it the broker compares its own list */
    uint64_t bytes;        /* of the file */
    struct id file_digest; /* BLAKE2b-256 of the file */
    /* BLAKE2b-256 over the keys and stored values in key order: the same for two files that hold
     * the same records, whenever and wherever they were written. */
    struct id content_digest;
    int64_t created; /* seconds since 1970 */
};

/* Adds a job, staged under a lease token, to the fingerprint of a shard's jobs; 0 is that of none.
 * The order of adding does not matter. */
uint64_t shard_fingerprint_add(uint64_t fingerprint, const struct id *medium, uint64_t token);

/* dir/NNNNNN.SUFFIX into out; E_TOO_BIG. */
int shard_path(const char *dir, uint32_t number, const char *suffix,
               char out[SHARD_PATH_MAX]) MUST_CHECK;

/* Reads dir/NNNNNN.json.  E_NO_FILE, E_FORMAT, E_VERSION. */
int manifest_load(const char *dir, uint32_t number, struct shard_manifest *out) MUST_CHECK;

/* Writes it atomically and durably: when this returns 0 the file is there after a power loss. */
int manifest_save(const char *dir, const struct shard_manifest *m) MUST_CHECK;

/* Compares the shard's file with its manifest: the size always, the digest where `digest` is set.
 * E_NO_FILE, E_TRUNCATED, E_CHECKSUM; each sentence names `path`. */
int manifest_check_file(const char *path, const struct shard_manifest *m, bool digest) MUST_CHECK;

/* A shard of a directory, from the files that are there. */
struct shard_file {
    uint32_t number;
    bool open;   /* an open file is there */
    bool sealed; /* a shard and its complete manifest are there */
};

/* Lists the shards of a directory by number; free(*out).  A directory that is not there is empty.
 */
int shard_dir_list(const char *dir, struct shard_file **out, size_t *n) MUST_CHECK;

/* Deletes every file of a shard, sealed or open (the broker refused it, or gave it up). */
int shard_dir_remove(const char *dir, uint32_t number) MUST_CHECK;

#endif
