/*
 * A sealed shard, opened for reading: one LMDB file, its tables and its dictionary.
 *
 *     open -> get, each, tables -> close
 *
 * The file's size is compared with the manifest before it is mapped (reading beyond the end of a
 * truncated map is SIGBUS), its digest too unless the caller says that it was checked.  The views
 * that are handed out point into the map and stay valid until sealed_shard_close(); nothing is
 * copied.  One thread at a time.
 */
#ifndef SHARDS_SEALED_SHARD_H
#define SHARDS_SEALED_SHARD_H

#include "shards/codec.h"
#include "shards/manifest.h"
#include "shards/value.h"

struct sealed_shard;

/* E_NO_FILE, E_TRUNCATED, E_CHECKSUM, E_VERSION, E_FORMAT; each sentence names `path`. */
int sealed_shard_open(const char *path, const struct shard_manifest *m, bool digest,
                      struct sealed_shard **out) MUST_CHECK;
void sealed_shard_close(struct sealed_shard *s);

const char *sealed_shard_path(const struct sealed_shard *s);

/* Where the records come from: the JSON object that the worker gave to open_shard_create(). */
struct view sealed_shard_about(const struct sealed_shard *s);

/* Pair i in key order: 0 <= i < manifest.pairs. */
uint64_t sealed_shard_pair_group(const struct sealed_shard *s, uint64_t i);
uint32_t sealed_shard_pair_length(const struct sealed_shard *s, uint64_t i); /* sub-tokens */
const struct id *sealed_shard_pair_medium(const struct sealed_shard *s, uint64_t i);

/* Medium i in key order: its regions, and how many of them have a confidence above 0.2. */
void sealed_shard_regions(const struct sealed_shard *s, uint64_t i, uint32_t *regions,
                          uint32_t *confident);

/* The least number of columns of soft labels that a visual record with regions has here; 0: one has
 * none.  false when the shard does not tell: it was sealed by an older pairmill, or has no such
 * record. */
bool sealed_shard_classes(const struct sealed_shard *s, uint32_t *classes);

/* The stored value of a record; E_NOT_FOUND. */
int sealed_shard_get(struct sealed_shard *s, enum record_kind kind, const struct id *id,
                     struct view *stored) MUST_CHECK;

/* Calls fn with every record of a kind in key order; stops at its first non-zero return and returns
 * that. */
typedef int (*sealed_record_fn)(void *ctx, uint64_t i, const struct id *id, struct view stored);
int sealed_shard_each(struct sealed_shard *s, enum record_kind kind, sealed_record_fn fn,
                      void *ctx) MUST_CHECK;

/* What pair records were compressed with; NULL when nothing. */
const struct value_dictionary *sealed_shard_dictionary(const struct sealed_shard *s);

/* The digest over keys and stored values, computed now. */
int sealed_shard_content_digest(struct sealed_shard *s, struct id *out) MUST_CHECK;

/* Unpacks and decodes a stored value of this shard into `bytes`, and sees that it is the record of
 * `id`.  The record is valid as long as `bytes` is unchanged. */
int sealed_shard_decode_visual(struct sealed_shard *s, struct value_coder *coder,
                               const struct id *id, struct view stored, struct buf *bytes,
                               struct visual_record *out) MUST_CHECK;
int sealed_shard_decode_pair(struct sealed_shard *s, struct value_coder *coder, const struct id *id,
                             struct view stored, struct buf *bytes,
                             struct pair_record *out) MUST_CHECK;

#endif
