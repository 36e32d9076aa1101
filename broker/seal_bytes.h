/*
 * A sealed shard's manifest as the queue keeps it: 112 bytes, little-endian: pairs, media, jobs,
 * fingerprint, bytes (u64), created (i64), then the two digests.
 */
#ifndef BROKER_SEAL_BYTES_H
#define BROKER_SEAL_BYTES_H

#include "common/bytes.h"
#include "shards/manifest.h"

enum { SEAL_BYTES = 112 };

void seal_bytes_put(unsigned char out[SEAL_BYTES], const struct shard_manifest *m);

/* E_STORAGE when the bytes are not a manifest. */
int seal_bytes_get(struct view bytes, uint32_t number, struct shard_manifest *out) MUST_CHECK;

#endif
