/*
 * The shard being written: one LMDB file, NNNNNN.open, that one worker process owns until it seals
 * it.
 *
 *     create or adopt -> put, remove, ... -> seal -> close
 *
 * What a job produced (its visual record, its pair records) and the mark that it was staged, with
 * the lease token it was staged under, go into one transaction, durable when open_shard_put()
 * returns.  After a restart the worker adopts the file and compares its marks with the broker,
 * which alone decides whose work counts; what it refused is taken out again with
 * open_shard_remove().
 *
 * Several marks may claim the same record (a job leased twice to this worker, texts of the same
 * medium that came later): a put overwrites it, a remove deletes only what no other mark claims.
 *
 * Sealing may be killed at any instant: adopting the shard afterwards finds either the open shard
 * (seal it again) or the complete sealed one (E_EXISTS; read its manifest).
 *
 * One thread at a time.  The file is held by flock(2): a second process gets E_BUSY.  Never on a
 * network file system.
 */
#ifndef SHARDS_OPEN_SHARD_H
#define SHARDS_OPEN_SHARD_H

#include "common/record.h"
#include "shards/manifest.h"

struct open_shard;

/* Mark: the job of `medium` was staged here under lease `token`. */
struct staged_mark {
    struct id medium;
    uint64_t token;
    uint32_t pairs;  /* filled by the shard: pair records staged under this mark */
    bool has_visual; /* filled by the shard: the visual record too */
};

/* Creates dir/NNNNNN.open (and dir).  `about` is a JSON object that says where the records come
 * from (pairmill's commit, the detector, the names of its objects and attributes, the tokenizer);
 * it goes into the sealed shard as it is; "{}" is fine.
 * Names that inspect prints: about.object_names and about.attribute_names, arrays of strings.
 * E_EXISTS when shard `number` is there in any form, E_FORMAT when `about` is no JSON object. */
int open_shard_create(const char *dir, uint32_t number, const char *about,
                      struct open_shard **out) MUST_CHECK;

/* Opens one that is there, after a crash or a restart.  E_NO_FILE; E_BUSY while another process
 * holds it; E_EXISTS when the shard is sealed already (its open file, if any, is deleted: sealing
 * had finished). */
int open_shard_adopt(const char *dir, uint32_t number, struct open_shard **out) MUST_CHECK;

/* Lets go of the file and frees; what was put stays on disk.  NULL is fine. */
void open_shard_close(struct open_shard *s);

/* Stages a job in one durable transaction: all of it or nothing.  Only mark->medium and
 * mark->token are read; visual may be NULL and n 0.  The records are copied.
 * E_ARG when a record is not of the mark's medium or contradicts itself; E_EXISTS when this
 * (medium, token) is marked already; E_STORAGE when the disk failed or is full: nothing was staged
 * and the shard is still usable. */
int open_shard_put(struct open_shard *s, const struct staged_mark *mark,
                   const struct visual_record *visual, const struct pair_record *pairs,
                   size_t n) MUST_CHECK;

/* Takes a staged job out again, in one durable transaction.  E_NOT_FOUND when it is not marked. */
int open_shard_remove(struct open_shard *s, const struct id *medium, uint64_t token) MUST_CHECK;

/* Every mark, ordered by (medium, token); free(*out). */
int open_shard_marks(struct open_shard *s, struct staged_mark **out, size_t *n) MUST_CHECK;

struct open_shard_usage {
    uint64_t bytes; /* of pages in use: what decides when to seal */
    uint64_t pairs;
    uint64_t media; /* visual records */
    uint64_t marks;
};
int open_shard_usage(struct open_shard *s, struct open_shard_usage *out) MUST_CHECK;

uint32_t open_shard_number(const struct open_shard *s);

/* Writes the sealed shard NNNNNN.mdb (read-only, in key order, pair records compressed with a
 * dictionary trained on them) and its manifest, then deletes the open file.  After success only
 * open_shard_close() may follow; after an error the shard is as before and can be sealed again.
 * Takes about 2 s a GB. */
int open_shard_seal(struct open_shard *s, struct shard_manifest *out) MUST_CHECK;

#endif
