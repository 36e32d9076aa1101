/*
 * A stored value: an encoded record (shards/codec.h) as it lies in a shard and on the wire.
 *
 *     0  u8   VALUE_MAGIC
 *     1  u8   VALUE_FORMAT
 *     2  u8   flags: 1 = compressed with the shard's dictionary
 *     3  u8   number of byte-shuffled ranges, at most VALUE_MAX_RANGES
 *     4  u32  bytes of the record
 *     8  per range: u32 offset, u32 bytes, u32 element size (2 or 4)
 *        u32 low half of the XXH3-64 of all before it
 *        zstd frame of the record, with content checksum
 *
 * A range is an array of floats whose bytes were transposed before compression (all first bytes,
 * then all second bytes, ...) with a zstd block of its own for each, which makes the exponents
 * compress and leaves the mantissas alone.
 *
 * A value_coder keeps zstd's working memory between calls; one thread at a time may use it.
 */
#ifndef SHARDS_VALUE_H
#define SHARDS_VALUE_H

#include "common/buf.h"

enum { VALUE_MAGIC = 0xb5, VALUE_FORMAT = 1, VALUE_MAX_RANGES = 4, VALUE_LEVEL = 1 };

struct value_coder;

int value_coder_new(struct value_coder **out) MUST_CHECK;
void value_coder_free(struct value_coder *c);

/* A zstd dictionary prepared for both directions, shared by any number of coders; copies `bytes`.
 */
struct value_dictionary;
int value_dictionary_new(struct view bytes, struct value_dictionary **out) MUST_CHECK;
void value_dictionary_free(struct value_dictionary *d);

/* Replaces out's content by the stored form of an encoded record.  dictionary may be NULL. */
int value_pack(struct value_coder *c, struct view record, const struct value_dictionary *dictionary,
               struct buf *out) MUST_CHECK;

/* Replaces out's content by the record.  E_CHECKSUM when the bytes were damaged, E_FORMAT when they
 * are no stored value or need a dictionary that is NULL, E_TOO_BIG beyond out's limit. */
int value_unpack(struct value_coder *c, struct view stored,
                 const struct value_dictionary *dictionary, struct buf *out) MUST_CHECK;

#endif
